//! Messages on their way to the application's subscriptions.
//!
//! One bounded queue per channel. A queue without room is not an error: the switch stops pulling
//! that channel from its peers, nobody reads them, and TCP pushes back. A reactor may deliver a
//! few messages past the bound within the call that filled it; nothing accepted is dropped.

use std::collections::{BTreeMap, VecDeque};

use ringwire_codec::ChannelId;

use crate::buffer::memory_cost;
use crate::switch::io::Delivery;

/// Messages that wait for one channel's subscriptions before its peers are pulled no more.
pub const DELIVERY_MESSAGES_MAX: usize = 1024;
/// Bytes of memory that wait for one channel's subscriptions before its peers are pulled no more: what
/// it costs to keep the messages, not their payload alone.
pub const DELIVERY_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Delivery>,
    bytes: usize,
}

impl Queue {
    fn has_room(&self) -> bool {
        self.waiting.len() < DELIVERY_MESSAGES_MAX && self.bytes < DELIVERY_BYTES_MAX
    }
}

/// The queues of one shard.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    queues: BTreeMap<ChannelId, Queue>,
    /// Channels with something waiting, each once, served in turn.
    turn: VecDeque<ChannelId>,
    /// Whether a full queue got room since the switch last asked.
    reopened: bool,
}

impl Deliveries {
    /// Whether `channel` has room for another message.
    pub(super) fn has_room(&self, channel: ChannelId) -> bool {
        self.queues.get(&channel).is_none_or(Queue::has_room)
    }

    /// Queues a message.
    pub(super) fn push(&mut self, delivery: Delivery) {
        let queue = self.queues.entry(delivery.channel).or_default();
        if queue.waiting.is_empty() {
            self.turn.push_back(delivery.channel);
        }
        queue.bytes += memory_cost(delivery.message.len());
        queue.waiting.push_back(delivery);
    }

    /// Takes the next message of a channel that `accepts` allows; channels take turns.
    pub(super) fn pop(&mut self, mut accepts: impl FnMut(ChannelId) -> bool) -> Option<Delivery> {
        let place = self.turn.iter().position(|channel| accepts(*channel))?;
        let channel = self.turn.remove(place)?;
        let queue = self.queues.get_mut(&channel)?;
        let was_full = !queue.has_room();
        let delivery = queue.waiting.pop_front()?;
        queue.bytes -= memory_cost(delivery.message.len());
        self.reopened |= was_full && queue.has_room();
        if !queue.waiting.is_empty() {
            self.turn.push_back(channel);
        }
        Some(delivery)
    }

    /// Whether a full channel got room since the last [`Deliveries::take_reopened`].
    pub(super) fn is_reopened(&self) -> bool {
        self.reopened
    }

    /// Whether a full channel got room since the last call.
    pub(super) fn take_reopened(&mut self) -> bool {
        std::mem::take(&mut self.reopened)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ringwire_codec::NodeId;

    use super::*;

    fn delivery(channel: u8, len: usize) -> Delivery {
        Delivery {
            peer: NodeId::from_bytes([0; 20]),
            channel: ChannelId(channel),
            message: Bytes::from(vec![0; len]),
        }
    }

    #[test]
    fn the_last_message_that_fits_closes_the_channel_and_taking_one_opens_it() {
        let mut deliveries = Deliveries::default();
        for _ in 0..DELIVERY_MESSAGES_MAX - 1 {
            deliveries.push(delivery(1, 1));
        }
        assert!(deliveries.has_room(ChannelId(1)));
        deliveries.push(delivery(1, 1));
        assert!(!deliveries.has_room(ChannelId(1)));
        assert!(deliveries.has_room(ChannelId(2)));
        assert!(!deliveries.take_reopened());
        deliveries.pop(|_| true).unwrap();
        assert!(deliveries.has_room(ChannelId(1)));
        assert!(deliveries.take_reopened());
        assert!(!deliveries.take_reopened());
    }

    #[test]
    fn bytes_close_a_channel_as_well() {
        let mut deliveries = Deliveries::default();
        // With what it costs to keep it, one byte less than the bound.
        let longest = (DELIVERY_BYTES_MAX - 1 - memory_cost(0)) / 5 * 4;
        deliveries.push(delivery(1, longest));
        assert!(deliveries.has_room(ChannelId(1)));
        deliveries.push(delivery(1, 1));
        assert!(!deliveries.has_room(ChannelId(1)));
    }

    #[test]
    fn channels_take_turns_and_a_refused_one_does_not_hold_up_the_rest() {
        let mut deliveries = Deliveries::default();
        for channel in [1, 1, 2] {
            deliveries.push(delivery(channel, 1));
        }
        let mut order = Vec::new();
        while let Some(delivery) = deliveries.pop(|_| true) {
            order.push(delivery.channel.0);
        }
        assert_eq!(order, [1, 2, 1]);

        deliveries.push(delivery(1, 1));
        deliveries.push(delivery(2, 1));
        assert_eq!(
            deliveries.pop(|channel| channel.0 == 2).unwrap().channel.0,
            2
        );
        assert!(deliveries.pop(|channel| channel.0 == 2).is_none());
        assert_eq!(deliveries.pop(|_| true).unwrap().channel.0, 1);
    }
}
