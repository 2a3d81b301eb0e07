//! What a connection holds of what it received, for the budget that all peers of a shard share.

use ringwire_codec::ChannelId;

use super::MConnection;
use crate::time::Instant;

/// What a peer has begun to send and only it can finish: of its messages the one that takes most, or
/// a packet of which the end is still to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unfinished {
    /// The channel of the message; none for a packet.
    channel: Option<ChannelId>,
    /// Messages of the channel, or packets, that ended before it: so that the next one is another.
    number: u64,
    /// Bytes of it that have come.
    pub bytes: usize,
    /// Bytes of it that may come in all.
    pub max: usize,
}

impl MConnection {
    /// Bytes of memory held for what came and was not pulled: not opened, half gathered, or whole.
    pub fn held_bytes(&self) -> usize {
        self.recv.held_bytes() + self.channels.held_bytes()
    }

    /// Bytes of memory that the messages which wait to be sent cost. Clones share their payload, so
    /// a message that waits at many peers is counted at each.
    pub fn queued_bytes(&self) -> usize {
        self.channels.queued_bytes()
    }

    /// Those of the held bytes that no whole message takes.
    pub fn unfinished_bytes(&self) -> usize {
        self.held_bytes() - self.channels.ready_bytes()
    }

    /// Whether something came that could not be looked at so far: whole messages before it are to be
    /// pulled first. Says so as well between a receive and the pull after it.
    pub fn is_unread(&self) -> bool {
        self.unread
    }

    /// The largest of what the peer has begun and not finished.
    pub fn unfinished(&self) -> Option<Unfinished> {
        let message = self.channels.largest_gathering().map(|channel| Unfinished {
            channel: Some(channel.id()),
            number: channel.gathered_count(),
            bytes: channel.gathered_len(),
            max: channel.message_max(),
        });
        let packet = self.unfinished_packet();
        [message, packet]
            .into_iter()
            .flatten()
            .max_by_key(|unfinished| unfinished.bytes)
    }

    /// The same one as it is now; nothing once it is finished.
    pub fn follow(&self, former: &Unfinished) -> Option<Unfinished> {
        let now = match former.channel {
            None => self.unfinished_packet()?,
            Some(id) => {
                let channel = self.channels.find(id)?;
                Unfinished {
                    number: channel.gathered_count(),
                    bytes: channel.gathered_len(),
                    ..*former
                }
            }
        };
        (now.number == former.number && now.bytes > 0).then_some(now)
    }

    fn unfinished_packet(&self) -> Option<Unfinished> {
        let bytes = self.recv.backlog_bytes();
        (bytes > 0).then(|| Unfinished {
            channel: None,
            number: self.counters.received_packets,
            bytes,
            max: self.limits.packet_bytes_max().max(bytes),
        })
    }

    /// Its owner does not read the socket although [`MConnection::wants_read`]: until something is
    /// received or pulled, no pong can be expected.
    pub fn note_held_back(&mut self, now: Instant) {
        self.heartbeat.handle_reading(now, false);
    }
}
