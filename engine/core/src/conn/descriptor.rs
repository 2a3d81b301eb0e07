//! What a reactor declares of a channel, and what every connection then holds it to.

use ringwire_codec::ChannelId;

/// A channel as its reactor declares it. Both sides must agree on the id and the maximum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelDescriptor {
    /// The channel's id on the wire.
    pub id: ChannelId,
    /// Weight of the channel when several have something to send; 1 to 1000.
    pub priority: u16,
    /// Messages that may wait to be sent to one peer before `Full` is the answer.
    pub send_queue_capacity: usize,
    /// Messages that may wait to be received from one peer before it is read no more.
    pub recv_queue_capacity: usize,
    /// Bytes of the largest message accepted; a longer one closes the peer.
    pub recv_message_capacity: usize,
    /// Bytes of the largest message that the application may publish on it, where that is not the same:
    /// the reactor may cut what is published, or need room for what it puts before it.
    pub publish_capacity: Option<usize>,
}

impl ChannelDescriptor {
    /// A channel with the reference's defaults: queue of 1, messages up to 21 MiB.
    pub fn new(id: ChannelId, priority: u16) -> Self {
        ChannelDescriptor {
            id,
            priority,
            send_queue_capacity: 1,
            recv_queue_capacity: 64,
            recv_message_capacity: 22_020_096,
            publish_capacity: None,
        }
    }

    /// Bytes of the largest message that the application may publish.
    pub fn longest_to_publish(&self) -> usize {
        self.publish_capacity.unwrap_or(self.recv_message_capacity)
    }
}
