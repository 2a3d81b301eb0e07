//! Messages on their way to the application's subscriptions.
//!
//! One bounded queue per channel. A queue without room is not an error: the switch stops pulling
//! that channel from its peers, nobody reads them, and TCP pushes back. A reactor may deliver a
//! few messages past the bound within the call that filled it; nothing accepted is dropped.
//!
//! It must not be silent, though: a channel that stays shut holds up all channels of the peers that
//! speak it, and whoever runs the node sees only that nothing comes. So it is noted who was held back
//! first, and told once whom that waits for:
//!
//! ```text
//!   open ──full, a peer is held back──▶ shut, since when, for whom ──a while──▶ told, once
//!     ▲───────────── room again ─────────────┘
//! ```

use std::collections::{BTreeMap, VecDeque};

use std::time::Duration;

use ringwire_codec::{ChannelId, NodeId};

use crate::buffer::memory_cost;
use crate::switch::core::Core;
use crate::switch::io::Delivery;
use crate::switch::io::Event;
use crate::switch::timers::Timer;
use crate::time::Instant;

/// Messages that wait for one channel's subscriptions before its peers are pulled no more.
pub const DELIVERY_MESSAGES_MAX: usize = 1024;
/// Bytes of memory that wait for one channel's subscriptions before its peers are pulled no more: what
/// it costs to keep the messages, not their payload alone.
pub const DELIVERY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a channel that nobody has subscribed to may hold a peer back before that is told.
const UNHEARD_TOLD_AFTER: Duration = Duration::from_secs(1);
/// How long one may whose subscribers take nothing: a slow application is no fault, one that has
/// forgotten its subscription is.
const STUCK_TOLD_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Delivery>,
    bytes: usize,
    /// Whether anybody ever subscribed to the channel.
    is_subscribed: bool,
    /// Who was held back first since the queue is full, and since when.
    shut: Option<(NodeId, Instant)>,
    /// Whether it was told that nobody is subscribed, and that subscribers take nothing.
    told: [bool; 2],
    /// Whether a look at it is in the timer heap.
    look_planned: bool,
}

impl Queue {
    fn has_room(&self) -> bool {
        self.waiting.len() < DELIVERY_MESSAGES_MAX && self.bytes < DELIVERY_BYTES_MAX
    }

    fn told_after(&self) -> Duration {
        match self.is_subscribed {
            true => STUCK_TOLD_AFTER,
            false => UNHEARD_TOLD_AFTER,
        }
    }
}

/// The queues of one shard.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    queues: BTreeMap<ChannelId, Queue>,
    /// Channels with something waiting, each once, served in turn.
    turn: VecDeque<ChannelId>,
    /// Whether a full queue got room since the switch last asked.
    reopened: bool,
}

impl Deliveries {
    /// Whether `channel` has room for another message.
    pub(crate) fn has_room(&self, channel: ChannelId) -> bool {
        self.queues.get(&channel).is_none_or(Queue::has_room)
    }

    /// Queues a message.
    pub(crate) fn push(&mut self, delivery: Delivery) {
        let queue = self.queues.entry(delivery.channel).or_default();
        if queue.waiting.is_empty() {
            self.turn.push_back(delivery.channel);
        }
        queue.bytes += memory_cost(delivery.message.len());
        queue.waiting.push_back(delivery);
    }

    /// Takes the next message of a channel that `accepts` allows; channels take turns.
    pub(crate) fn pop(&mut self, mut accepts: impl FnMut(ChannelId) -> bool) -> Option<Delivery> {
        let place = self.turn.iter().position(|channel| accepts(*channel))?;
        let channel = self.turn.remove(place)?;
        let queue = self.queues.get_mut(&channel)?;
        let was_full = !queue.has_room();
        let delivery = queue.waiting.pop_front()?;
        queue.bytes -= memory_cost(delivery.message.len());
        if was_full && queue.has_room() {
            self.reopened = true;
            queue.shut = None;
        }
        if !queue.waiting.is_empty() {
            self.turn.push_back(channel);
        }
        Some(delivery)
    }

    /// Somebody subscribes to a channel.
    pub(crate) fn subscribe(&mut self, channel: ChannelId) {
        let queue = self.queues.entry(channel).or_default();
        queue.is_subscribed = true;
        queue.shut = None;
    }

    /// Messages that wait for the channel's first subscriber; none once it has had one.
    pub(crate) fn unheard_len(&self, channel: ChannelId) -> usize {
        let queue = self.queues.get(&channel);
        queue.map_or(0, |queue| match queue.is_subscribed {
            true => 0,
            false => queue.waiting.len(),
        })
    }

    /// A peer has a message for a channel without room. Gives when to look again, if a look is to be
    /// planned.
    fn note_shut(&mut self, channel: ChannelId, peer: NodeId, now: Instant) -> Option<Instant> {
        let queue = self.queues.get_mut(&channel)?;
        queue.shut.get_or_insert((peer, now));
        let is_news = !queue.told[usize::from(queue.is_subscribed)];
        let must_plan = is_news && !std::mem::replace(&mut queue.look_planned, is_news);
        must_plan.then(|| now + queue.told_after())
    }

    /// Looks at a channel that was shut. Gives what is to be told of it, or when to look again.
    fn look_at_shut(&mut self, channel: ChannelId, now: Instant) -> Option<Result<Event, Instant>> {
        let queue = self.queues.get_mut(&channel)?;
        queue.look_planned = false;
        let (peer, since) = queue.shut?;
        if queue.told[usize::from(queue.is_subscribed)] {
            return None;
        }
        let due = since + queue.told_after();
        if due > now {
            queue.look_planned = true;
            return Some(Err(due));
        }
        queue.told[usize::from(queue.is_subscribed)] = true;
        Some(Ok(Event::ChannelHeldBack {
            channel,
            peer,
            waiting: queue.waiting.len(),
            has_subscriber: queue.is_subscribed,
        }))
    }

    /// A peer is held back because a channel has no room for its next message.
    pub(crate) fn hold_back(&mut self, core: &mut Core, channel: ChannelId, peer: NodeId) {
        if let Some(at) = self.note_shut(channel, peer, core.now()) {
            core.set_timer(at, Timer::Shut(channel));
        }
    }

    /// A channel was shut a while ago.
    pub(crate) fn handle_timeout(&mut self, core: &mut Core, channel: ChannelId) {
        match self.look_at_shut(channel, core.now()) {
            Some(Ok(event)) => core.event(event),
            Some(Err(at)) => {
                core.set_timer(at, Timer::Shut(channel));
            }
            None => {}
        }
    }

    /// Whether a full channel got room since the last [`Deliveries::take_reopened`].
    pub(crate) fn is_reopened(&self) -> bool {
        self.reopened
    }

    /// Whether a full channel got room since the last call.
    pub(crate) fn take_reopened(&mut self) -> bool {
        std::mem::take(&mut self.reopened)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const US: NodeId = NodeId::from_bytes([9; 20]);

    fn full(channel: u8) -> Deliveries {
        let mut deliveries = Deliveries::default();
        for _ in 0..DELIVERY_MESSAGES_MAX {
            deliveries.push(delivery(channel, 1));
        }
        deliveries
    }

    #[test]
    fn a_channel_that_stays_shut_is_told_once_for_each_reason() {
        let mut deliveries = full(1);
        let channel = ChannelId(1);
        let zero = Instant::ZERO;
        let due = deliveries.note_shut(channel, US, zero).expect("news");
        assert_eq!(due, zero + UNHEARD_TOLD_AFTER);
        assert_eq!(
            deliveries.note_shut(channel, US, zero),
            None,
            "planned already"
        );
        let told = |has_subscriber| Event::ChannelHeldBack {
            channel,
            peer: US,
            waiting: DELIVERY_MESSAGES_MAX,
            has_subscriber,
        };
        let what = |looked: Option<Result<Event, Instant>>| format!("{looked:?}");
        let looked = deliveries.look_at_shut(channel, due);
        assert_eq!(what(looked), what(Some(Ok(told(false)))));
        assert_eq!(deliveries.note_shut(channel, US, due), None, "told already");
        // Somebody subscribes and takes nothing.
        deliveries.subscribe(channel);
        let later = deliveries.note_shut(channel, US, due).expect("news again");
        assert_eq!(later, due + STUCK_TOLD_AFTER);
        let looked = deliveries.look_at_shut(channel, later);
        assert_eq!(what(looked), what(Some(Ok(told(true)))));
        assert_eq!(deliveries.note_shut(channel, US, later), None);
    }

    #[test]
    fn a_channel_that_gets_room_now_and_then_is_looked_at_rarely_and_never_told() {
        let mut deliveries = full(1);
        let channel = ChannelId(1);
        deliveries.subscribe(channel);
        let mut looks = 0;
        let mut due = None;
        for second in 0..300 {
            let now = Instant::ZERO + Duration::from_secs(second);
            if due.is_some_and(|due| due <= now) {
                looks += 1;
                due = match deliveries.look_at_shut(channel, now) {
                    Some(Err(next)) => Some(next),
                    None => None,
                    Some(Ok(event)) => panic!("{event:?}"),
                };
            }
            due = due.or(deliveries.note_shut(channel, US, now));
            if second % 10 == 0 {
                deliveries.pop(|_| true).expect("it is full");
                deliveries.push(delivery(1, 1));
            }
        }
        assert!(looks <= 15, "{looks}");
    }

    #[test]
    fn what_waits_for_a_first_subscriber_is_counted_until_there_was_one() {
        let mut deliveries = full(1);
        assert_eq!(deliveries.unheard_len(ChannelId(1)), DELIVERY_MESSAGES_MAX);
        assert_eq!(deliveries.unheard_len(ChannelId(2)), 0);
        deliveries.subscribe(ChannelId(1));
        assert_eq!(deliveries.unheard_len(ChannelId(1)), 0);
    }

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
