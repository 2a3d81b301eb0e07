//! Where a switch's output goes: messages to subscriptions, events to observers.
//!
//! A channel's messages wait for its first subscriber: they stay with the switch, which has a
//! bounded queue per channel and then stops reading the peers of that channel. So nothing is lost
//! between the start of the engine and the first `subscribe`. A channel that had subscribers and
//! has none any more drops its messages. Several subscribers get every message each; the slowest
//! of them sets the pace.
//!
//! Events are told, not promised: an observer that does not keep up misses some.

use std::collections::HashMap;

use ringwire_codec::ChannelId;
use ringwire_core::switch::{Delivery, Event};
use ringwire_sync::LaneSender;

/// The subscriptions and observers of one shard.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    subscriptions: HashMap<ChannelId, Vec<LaneSender<Delivery>>>,
    observers: Vec<LaneSender<Event>>,
}

impl Outlet {
    /// Adds a subscription.
    pub(crate) fn subscribe(&mut self, channel: ChannelId, lane: LaneSender<Delivery>) {
        let lanes = self.subscriptions.entry(channel).or_default();
        // On a silent channel nobody else looks after those who left.
        lanes.retain(|lane| !lane.is_abandoned());
        lanes.push(lane);
    }

    /// Adds an observer.
    pub(crate) fn observe(&mut self, lane: LaneSender<Event>) {
        self.observers.retain(|lane| !lane.is_abandoned());
        self.observers.push(lane);
    }

    /// Whether a message of `channel` can go now. Marks full lanes, so that their reader wakes the
    /// shard.
    pub(crate) fn accepts(&mut self, channel: ChannelId) -> bool {
        let Some(lanes) = self.subscriptions.get_mut(&channel) else {
            return false;
        };
        lanes.retain(|lane| !lane.is_abandoned());
        // Asked of each, not only of the first that is full: each must wake us.
        lanes.iter().filter(|lane| !lane.has_room()).count() == 0
    }

    /// Hands a message to the subscribers of its channel, after [`Outlet::accepts`].
    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        let Some(lanes) = self.subscriptions.get_mut(&delivery.channel) else {
            return;
        };
        let Some((last, others)) = lanes.split_last_mut() else {
            return;
        };
        for lane in others {
            let pushed = lane.push(delivery.clone());
            debug_assert!(pushed.is_ok(), "the lane said that it has room");
        }
        let pushed = last.push(delivery);
        debug_assert!(pushed.is_ok(), "the lane said that it has room");
    }

    /// Tells the observers.
    pub(crate) fn tell(&mut self, event: &Event) {
        self.observers.retain(|lane| !lane.is_abandoned());
        for lane in &mut self.observers {
            // A full lane means a slow observer: it misses this one.
            let _ = lane.push(event.clone());
        }
    }

    /// Wakes the readers that have news.
    pub(crate) fn flush(&mut self) {
        self.subscriptions
            .values_mut()
            .flatten()
            .for_each(LaneSender::flush);
        self.observers.iter_mut().for_each(LaneSender::flush);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use ringwire_codec::NodeId;
    use ringwire_sync::{Intake, lanes};

    use super::*;
    use crate::shard::payload::Payload;

    const CHANNEL: ChannelId = ChannelId(7);

    fn subscription(outlet: &mut Outlet, capacity: usize) -> Intake<Delivery> {
        let (mut lanes, intake) = lanes(&[Arc::default()], capacity, Payload::payload_bytes);
        outlet.subscribe(CHANNEL, lanes.remove(0));
        intake
    }

    fn delivery() -> Delivery {
        let peer = NodeId::from_bytes([1; 20]);
        Delivery {
            peer,
            channel: CHANNEL,
            message: Bytes::from_static(b"hello"),
        }
    }

    #[test]
    fn messages_wait_for_the_first_subscriber() {
        let mut outlet = Outlet::default();
        assert!(!outlet.accepts(CHANNEL));
        let _intake = subscription(&mut outlet, 1);
        assert!(outlet.accepts(CHANNEL));
    }

    #[test]
    fn messages_without_a_subscriber_are_dropped_once_there_was_one() {
        let mut outlet = Outlet::default();
        drop(subscription(&mut outlet, 1));
        for _ in 0..3 {
            assert!(outlet.accepts(CHANNEL));
            outlet.deliver(delivery());
        }
    }

    #[test]
    fn subscribers_that_come_and_go_on_a_silent_channel_leave_nothing_behind() {
        let mut outlet = Outlet::default();
        for _ in 0..10 {
            drop(subscription(&mut outlet, 1));
            let (mut lanes, intake) = lanes(&[Arc::default()], 1, Payload::payload_bytes);
            outlet.observe(lanes.remove(0));
            drop(intake);
        }
        assert_eq!(outlet.subscriptions[&CHANNEL].len(), 1);
        assert_eq!(outlet.observers.len(), 1);
    }

    #[test]
    fn the_slowest_subscriber_sets_the_pace_until_it_leaves() {
        let mut outlet = Outlet::default();
        let mut fast = subscription(&mut outlet, 8);
        let slow = subscription(&mut outlet, 1);
        assert!(outlet.accepts(CHANNEL));
        outlet.deliver(delivery());
        assert!(!outlet.accepts(CHANNEL));
        drop(slow);
        assert!(outlet.accepts(CHANNEL));
        assert_eq!(fast.try_next(), Some(delivery()));
    }
}
