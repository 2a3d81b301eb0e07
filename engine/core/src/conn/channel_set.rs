//! The channels of one connection: found by id in one step, pulled from by priority.
//!
//! ```text
//!  id ─▶ index_of[id] ─▶ channels[index]            every packet, no hashing
//!        by_priority: 1 0 3 2 ─▶ first that is ready and accepted    every message pulled
//! ```
//!
//! Invariant: `ready_messages` and `ready_bytes` are the sums over the channels' ready queues, the
//! latter of what it costs to keep the messages.

use bytes::Bytes;
use ringwire_codec::ChannelId;
use smallvec::SmallVec;

use super::channel::Channel;
use super::{ChannelDescriptor, ChannelStatus};
use crate::buffer::memory_cost;
use crate::time::Instant;

/// Marks a channel id that nobody registered.
const NO_CHANNEL: u8 = u8::MAX;

/// A message that came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its channel.
    pub channel: ChannelId,
    /// The message.
    pub message: Bytes,
    /// The turn in which its last byte came.
    pub at: Instant,
}

/// All channels of a connection, named by the order of their registration.
#[derive(Debug)]
pub(super) struct ChannelSet {
    channels: Vec<Channel>,
    index_of: Box<[u8; 256]>,
    by_priority: SmallVec<[u8; 16]>,
    ready_messages: usize,
    ready_bytes: usize,
}

impl ChannelSet {
    /// # Panics
    /// If two descriptors have the same id or there are over 255.
    pub(super) fn new(descriptors: &[ChannelDescriptor], now: Instant) -> Self {
        ChannelSet {
            channels: descriptors
                .iter()
                .map(|descriptor| Channel::new(descriptor.clone(), now))
                .collect(),
            index_of: index_channels(descriptors),
            by_priority: order_by_priority(descriptors),
            ready_messages: 0,
            ready_bytes: 0,
        }
    }

    /// The place of a registered channel.
    #[inline]
    pub(super) fn index(&self, id: ChannelId) -> Option<usize> {
        let index = self.index_of[usize::from(id.0)];
        (index != NO_CHANNEL).then_some(usize::from(index))
    }

    /// The channel of that id.
    pub(super) fn find(&self, id: ChannelId) -> Option<&Channel> {
        self.index(id).map(|index| &self.channels[index])
    }

    /// The channel at a place that [`ChannelSet::index`] gave.
    #[inline]
    pub(super) fn at(&mut self, index: usize) -> &mut Channel {
        &mut self.channels[index]
    }

    /// Puts a whole message that came at `since` where it waits to be pulled; its channel has room.
    #[inline]
    pub(super) fn file(&mut self, index: usize, message: Bytes, since: Instant) {
        self.ready_messages += 1;
        self.ready_bytes += memory_cost(message.len());
        self.channels[index].push_ready(message, since);
    }

    /// Bytes of memory that whole messages which wait to be pulled cost.
    #[inline]
    pub(super) fn ready_bytes(&self) -> usize {
        self.ready_bytes
    }

    /// Bytes of memory held for messages, whole and half gathered.
    pub(super) fn held_bytes(&self) -> usize {
        let gathering: usize = self.channels.iter().map(Channel::gathering_bytes).sum();
        self.ready_bytes + gathering
    }

    /// The channel whose unfinished message is the largest.
    pub(super) fn largest_gathering(&self) -> Option<&Channel> {
        let gathering = self
            .channels
            .iter()
            .filter(|channel| channel.is_gathering());
        gathering.max_by_key(|channel| channel.gathered_len())
    }

    /// The oldest message of the channel with the highest priority among those that have one and
    /// are accepted.
    pub(super) fn pop_ready(
        &mut self,
        mut accepts: impl FnMut(ChannelId) -> bool,
    ) -> Option<Received> {
        if self.ready_messages == 0 {
            return None;
        }
        let channels = &self.channels;
        let index = self
            .by_priority
            .iter()
            .map(|&index| usize::from(index))
            .find(|&index| {
                let channel = &channels[index];
                channel.is_ready() && accepts(channel.id())
            })?;
        let channel = &mut self.channels[index];
        let (message, at) = channel.pop_ready()?;
        self.ready_messages -= 1;
        self.ready_bytes -= memory_cost(message.len());
        Some(Received {
            channel: channel.id(),
            message,
            at,
        })
    }

    /// Bytes of memory that the messages which wait to be sent cost.
    pub(super) fn queued_bytes(&self) -> usize {
        self.channels.iter().map(Channel::queued_bytes).sum()
    }

    /// What is known of each channel, in the order of registration.
    pub(super) fn status(&self, now: Instant) -> Vec<ChannelStatus> {
        self.channels
            .iter()
            .map(|channel| channel.status(now))
            .collect()
    }
}

fn index_channels(descriptors: &[ChannelDescriptor]) -> Box<[u8; 256]> {
    assert!(
        descriptors.len() <= usize::from(NO_CHANNEL),
        "a place fits a byte, and one byte is kept for no place"
    );
    let mut index_of = Box::new([NO_CHANNEL; 256]);
    for (index, descriptor) in (0..).zip(descriptors) {
        let slot = &mut index_of[usize::from(descriptor.id.0)];
        assert_eq!(
            *slot, NO_CHANNEL,
            "channel {} is registered twice",
            descriptor.id
        );
        *slot = index;
    }
    index_of
}

fn order_by_priority(descriptors: &[ChannelDescriptor]) -> SmallVec<[u8; 16]> {
    let mut order: SmallVec<[u8; 16]> = (0..).zip(descriptors).map(|(index, _)| index).collect();
    // Stable, so that equal priorities stay in the order of registration.
    order.sort_by_key(|&index: &u8| std::cmp::Reverse(descriptors[usize::from(index)].priority));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(channels: &[(u8, u16)]) -> ChannelSet {
        let descriptors: Vec<_> = channels
            .iter()
            .map(|&(id, priority)| ChannelDescriptor::new(ChannelId(id), priority))
            .collect();
        ChannelSet::new(&descriptors, Instant::ZERO)
    }

    #[test]
    fn a_channel_is_found_by_its_id_and_others_are_not() {
        let set = set(&[(0x21, 1), (0, 1), (0xff, 1)]);
        assert_eq!(set.index(ChannelId(0xff)), Some(2));
        assert_eq!(set.index(ChannelId(0)), Some(1));
        assert_eq!(set.index(ChannelId(1)), None);
    }

    #[test]
    #[should_panic(expected = "channel 0x21 is registered twice")]
    fn two_channels_of_one_id_are_our_own_mistake() {
        set(&[(0x21, 1), (0x21, 2)]);
    }

    #[test]
    fn a_channel_that_is_not_accepted_is_passed_over() {
        let mut set = set(&[(1, 1), (2, 9), (3, 9)]);
        for index in 0..3 {
            set.file(index, Bytes::from_static(b"ab"), Instant::ZERO);
        }
        assert_eq!(set.ready_bytes(), 3 * memory_cost(2));
        let first_but_two = set.pop_ready(|id| id.0 != 2).map(|it| it.channel.0);
        assert_eq!(first_but_two, Some(3));
        let rest: Vec<u8> = std::iter::from_fn(|| set.pop_ready(|_| true))
            .map(|it| it.channel.0)
            .collect();
        assert_eq!(rest, [2, 1]);
        assert_eq!((set.ready_bytes(), set.ready_messages), (0, 0));
    }
}
