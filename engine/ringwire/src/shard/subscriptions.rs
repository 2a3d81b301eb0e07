//! Where a switch's output goes: messages to subscriptions, events to observers.
//!
//! A channel's messages wait for its first subscriber: they stay with the switch, which has a
//! bounded queue per channel and then stops reading the peers of that channel. So nothing is lost
//! between the start of the engine and the first `subscribe`. A channel that had subscribers and
//! has none any more drops its messages. Several subscribers get every message each; the slowest
//! of them sets the pace.
//!
//! Events are told, not promised: an observer that does not keep up misses some, and is told how
//! many.

use std::collections::HashMap;

use ringwire_codec::ChannelId;
use ringwire_core::switch::{Delivery, Event};
use ringwire_sync::LaneSender;

/// The subscriptions and observers of one shard.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    subscriptions: HashMap<ChannelId, Vec<LaneSender<Delivery>>>,
    observers: Vec<Observer>,
}

/// Somebody who is told events.
#[derive(Debug)]
struct Observer {
    lane: LaneSender<Event>,
    /// Events that found no room since the last one that did.
    missed: u64,
}

impl Observer {
    /// Tells an event, or counts it; what was missed is told first.
    fn tell(&mut self, event: &Event) {
        if self.missed > 0 && self.lane.push(Event::Missed(self.missed)).is_ok() {
            self.missed = 0;
        }
        if self.missed > 0 || self.lane.push(event.clone()).is_err() {
            self.missed += 1;
        }
    }
}

impl Subscriptions {
    /// Adds a subscription.
    pub(crate) fn subscribe(&mut self, channel: ChannelId, lane: LaneSender<Delivery>) {
        let lanes = self.subscriptions.entry(channel).or_default();
        // On a silent channel nobody else looks after those who left.
        lanes.retain(|lane| !lane.is_abandoned());
        lanes.push(lane);
    }

    /// Adds an observer.
    pub(crate) fn observe(&mut self, lane: LaneSender<Event>) {
        self.observers
            .retain(|observer| !observer.lane.is_abandoned());
        self.observers.push(Observer { lane, missed: 0 });
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

    /// Hands a message to the subscribers of its channel, after [`Subscriptions::accepts`].
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
        self.observers
            .retain(|observer| !observer.lane.is_abandoned());
        for observer in &mut self.observers {
            observer.tell(event);
        }
    }

    /// Wakes the readers that have news.
    pub(crate) fn flush(&mut self) {
        self.subscriptions
            .values_mut()
            .flatten()
            .for_each(LaneSender::flush);
        self.observers
            .iter_mut()
            .for_each(|observer| observer.lane.flush());
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

    fn subscription(subscriptions: &mut Subscriptions, capacity: usize) -> Intake<Delivery> {
        let (mut lanes, intake) = lanes(&[Arc::default()], capacity, Payload::payload_bytes);
        subscriptions.subscribe(CHANNEL, lanes.remove(0));
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
        let mut subscriptions = Subscriptions::default();
        assert!(!subscriptions.accepts(CHANNEL));
        let _intake = subscription(&mut subscriptions, 1);
        assert!(subscriptions.accepts(CHANNEL));
    }

    #[test]
    fn messages_without_a_subscriber_are_dropped_once_there_was_one() {
        let mut subscriptions = Subscriptions::default();
        drop(subscription(&mut subscriptions, 1));
        for _ in 0..3 {
            assert!(subscriptions.accepts(CHANNEL));
            subscriptions.deliver(delivery());
        }
    }

    #[test]
    fn subscribers_that_come_and_go_on_a_silent_channel_leave_nothing_behind() {
        let mut subscriptions = Subscriptions::default();
        for _ in 0..10 {
            drop(subscription(&mut subscriptions, 1));
            let (mut lanes, intake) = lanes(&[Arc::default()], 1, Payload::payload_bytes);
            subscriptions.observe(lanes.remove(0));
            drop(intake);
        }
        assert_eq!(subscriptions.subscriptions[&CHANNEL].len(), 1);
        assert_eq!(subscriptions.observers.len(), 1);
    }

    #[test]
    fn an_observer_that_falls_behind_is_told_how_many_events_it_missed() {
        let mut subscriptions = Subscriptions::default();
        let (mut lanes, mut intake) = lanes(&[Arc::default()], 2, Payload::payload_bytes);
        subscriptions.observe(lanes.remove(0));
        for _ in 0..5 {
            subscriptions.tell(&Event::Stopped);
        }
        let mut told = || {
            let events = std::iter::from_fn(|| intake.try_next());
            events.map(|event| event.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(told(), ["stopped", "stopped"]);
        subscriptions.tell(&Event::Stopped);
        assert_eq!(told(), ["3 events missed", "stopped"]);
        subscriptions.tell(&Event::Stopped);
        assert_eq!(told(), ["stopped"]);
    }

    #[test]
    fn the_slowest_subscriber_sets_the_pace_until_it_leaves() {
        let mut subscriptions = Subscriptions::default();
        let mut fast = subscription(&mut subscriptions, 8);
        let slow = subscription(&mut subscriptions, 1);
        assert!(subscriptions.accepts(CHANNEL));
        subscriptions.deliver(delivery());
        assert!(!subscriptions.accepts(CHANNEL));
        drop(slow);
        assert!(subscriptions.accepts(CHANNEL));
        assert_eq!(fast.try_next(), Some(delivery()));
    }
}
