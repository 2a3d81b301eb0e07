//! [`Unpublished`]: what this node's application has published and nobody was sent yet, and the pace at which it goes.
//!
//! ```text
//!  publish ─▶ one queue for each class ─▶ a bundle of what is there ─▶ the conversation: number, signature
//!                                              ▲ the pace
//! ```
//! Nothing waits in order to be bundled. What came in one turn goes together, and while the pace holds a bundle back,
//! what comes meanwhile joins it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ringwire_gossip::feeds::{
    BundleWriter, MEDIUM_BYTES_MAX, Payload, SMALL_BYTES_MAX, URGENT_BUNDLE_BYTES_MAX, WINDOW_MAX,
};

use crate::reactor::PublishOptions;

/// Bundles that a node publishes in a second at most, on all its shards. A receiver remembers of an origin which of
/// its last 4,096 numbers it had: so it has four seconds to learn of one that it lacks, by a digest at the latest, and
/// to ask for it.
const BUNDLES_PER_SECOND: u32 = WINDOW_MAX as u32 / 4;

/// Bundles that may go at once after a rest.
const BURST: u32 = BUNDLES_PER_SECOND / 4;

/// Bytes and messages that may wait before publishers are told to: two of the longest bundles, so that the next one is
/// full when it may go.
const WAITING_BYTES_MAX: usize = 2 * MEDIUM_BYTES_MAX;
const WAITING_MESSAGES_MAX: usize = 4096;

/// What messages have in common that go together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Class {
    /// Whether they go before all that is not urgent.
    pub(super) urgent: bool,
    /// Which go first among those that are equally urgent: the higher.
    pub(super) priority: u8,
    /// When nobody needs them any more, if that comes.
    pub(super) ends_at: Option<Duration>,
}

impl Class {
    /// Of a message that is published now: one that is small goes first.
    pub(super) fn of_message(now: Duration, message: &[u8], options: &PublishOptions) -> Self {
        Class {
            urgent: message.len() <= SMALL_BYTES_MAX,
            priority: options.priority,
            ends_at: options.expires_in.map(|span| now.saturating_add(span)),
        }
    }

    /// Whether nobody needs them any more.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at <= now)
    }

    /// In which order classes are served: the urgent ones first, then by priority, then those that end first.
    fn order(self) -> Order {
        let ends_at = self.ends_at.unwrap_or(Duration::MAX);
        (Reverse((self.urgent, self.priority)), ends_at)
    }

    fn of_order((Reverse((urgent, priority)), ends_at): Order) -> Self {
        Class {
            urgent,
            priority,
            ends_at: (ends_at < Duration::MAX).then_some(ends_at),
        }
    }
}

type Order = (Reverse<(bool, u8)>, Duration);

/// Messages of one class, and what the application calls them.
#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<(u64, Bytes)>,
    bytes: usize,
}

/// How many bundles may go (GCRA, ITU-T I.371, as in the allowances of the conversation).
#[derive(Debug)]
struct Pace {
    every: Duration,
    burst: u32,
    spent_until: Duration,
}

impl Pace {
    /// A shard's part of the node's pace.
    fn new(shards: u16) -> Self {
        let shards = u32::from(shards.max(1));
        Pace {
            every: Duration::from_secs(1) * shards / BUNDLES_PER_SECOND,
            burst: (BURST / shards).max(1),
            spent_until: Duration::ZERO,
        }
    }

    /// When the next bundle may go.
    fn next_at(&self) -> Duration {
        let burst = self.every * (self.burst - 1);
        self.spent_until.saturating_sub(burst)
    }

    /// A bundle goes.
    fn spend(&mut self, now: Duration) {
        self.spent_until = self.spent_until.max(now) + self.every;
    }
}

/// All that waits on one shard of the engine.
#[derive(Debug)]
pub(super) struct Unpublished {
    queues: BTreeMap<Order, Queue>,
    messages: usize,
    bytes: usize,
    pace: Pace,
}

impl Unpublished {
    /// Nothing, on one of so many shards.
    pub(super) fn new(shards: u16) -> Self {
        Unpublished {
            queues: BTreeMap::new(),
            messages: 0,
            bytes: 0,
            pace: Pace::new(shards),
        }
    }

    /// The application published a message: of at most [`MEDIUM_BYTES_MAX`], and of [`SMALL_BYTES_MAX`] if it is urgent.
    pub(super) fn push(&mut self, class: Class, tag: u64, message: Bytes) {
        let queue = self.queues.entry(class.order()).or_default();
        queue.bytes += message.len();
        self.bytes += message.len();
        self.messages += 1;
        queue.messages.push_back((tag, message));
    }

    /// The next bundle, if one is there and may go now.
    ///
    /// Urgent messages of which more waits than one urgent bundle carries are a flood: they go together as messages
    /// that are not urgent, since others' votes shall not wait behind them.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(Class, Payload, Vec<u64>)> {
        if self.pace.next_at() > now {
            return None;
        }
        let mut first = self.queues.first_entry()?;
        let mut class = Class::of_order(*first.key());
        let queue = first.get_mut();
        class.urgent &= queue.bytes <= URGENT_BUNDLE_BYTES_MAX;
        let mut writer = BundleWriter::new(class.urgent);
        let mut tags = Vec::new();
        while let Some((_, message)) = queue.messages.front()
            && writer.has_room(message.len())
        {
            let (tag, message) = queue.messages.pop_front().expect("it was looked at");
            tags.push(tag);
            queue.bytes -= message.len();
            self.bytes -= message.len();
            self.messages -= 1;
            writer.push(message);
        }
        if queue.messages.is_empty() {
            first.remove();
        }
        self.pace.spend(now);
        Some((class, writer.finish()?, tags))
    }

    /// Drops messages whose time is over. Returns how many there were.
    pub(super) fn expire(&mut self, now: Duration) -> u64 {
        let mut expired = 0;
        self.queues.retain(|order, queue| {
            let stays = !Class::of_order(*order).is_over(now);
            if !stays {
                expired += queue.messages.len();
                self.bytes -= queue.bytes;
            }
            stays
        });
        self.messages -= expired;
        expired as u64
    }

    /// How long until the next bundle may go. `None` when nothing waits.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        (!self.is_empty()).then(|| self.pace.next_at().saturating_sub(now))
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Whether publishers may go on.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < WAITING_BYTES_MAX && self.messages < WAITING_MESSAGES_MAX
    }
}

#[cfg(test)]
mod tests {
    use ringwire_gossip::feeds::BUNDLE_MESSAGES_MAX;

    use super::*;

    const NOW: Duration = Duration::from_secs(9);

    fn message(bytes: usize) -> Bytes {
        vec![7; bytes].into()
    }

    fn class(urgent: bool, priority: u8, ends_at: Option<u64>) -> Class {
        Class {
            urgent,
            priority,
            ends_at: ends_at.map(Duration::from_millis),
        }
    }

    #[test]
    fn what_is_there_goes_together_and_alone_if_it_is_alone() {
        let mut unpublished = Unpublished::new(1);
        assert_eq!(unpublished.pop(NOW), None);
        let plain = class(false, 0, None);
        unpublished.push(plain, 0, message(2000));
        let (got, payload, _) = unpublished.pop(NOW).unwrap();
        assert_eq!((got, payload.is_bundle), (plain, false));
        for _ in 0..3 {
            unpublished.push(plain, 0, message(2000));
        }
        let (_, payload, _) = unpublished.pop(NOW).unwrap();
        assert_eq!((payload.is_bundle, payload.bytes.len()), (true, 3 * 2004));
        assert!(unpublished.is_empty() && unpublished.pop(NOW).is_none());
    }

    #[test]
    fn classes_go_one_after_the_other_and_never_together() {
        let mut unpublished = Unpublished::new(1);
        let in_order = [
            class(true, 3, None),
            class(true, 0, None),
            class(false, 9, Some(5)),
            class(false, 9, Some(6)),
            class(false, 9, None),
            class(false, 0, None),
        ];
        for class in in_order.iter().rev() {
            unpublished.push(*class, 0, message(10));
            unpublished.push(*class, 0, message(10));
        }
        for class in in_order {
            let (got, payload, _) = unpublished.pop(NOW).unwrap();
            assert_eq!((got, payload.bytes.len()), (class, 2 * 14));
        }
        assert!(unpublished.is_empty());
    }

    #[test]
    fn what_is_over_before_it_may_go_is_dropped() {
        let mut unpublished = Unpublished::new(1);
        for (tag, ends_at) in [(1, None), (2, Some(9001)), (3, Some(9000))] {
            unpublished.push(class(false, 0, ends_at), tag, message(100));
        }
        assert_eq!(unpublished.expire(NOW), 1);
        let tags = std::iter::from_fn(|| unpublished.pop(NOW).map(|(_, _, tags)| tags));
        assert_eq!(tags.collect::<Vec<_>>(), [[2], [1]]);
        assert!(unpublished.is_empty() && unpublished.has_room());
    }

    #[test]
    fn a_flood_of_urgent_messages_loses_its_urgency_and_no_message() {
        let mut unpublished = Unpublished::new(1);
        let urgent = class(true, 2, None);
        for _ in 0..16 {
            unpublished.push(urgent, 0, message(1000));
        }
        assert!(unpublished.pop(NOW).unwrap().0.urgent);
        for _ in 0..17 {
            unpublished.push(urgent, 0, message(1000));
        }
        let (class, payload, _) = unpublished.pop(NOW).unwrap();
        assert_eq!((class.urgent, class.priority), (false, 2));
        assert_eq!(payload.bytes.len(), 17 * 1004);
        assert!(unpublished.is_empty());
    }

    #[test]
    fn bundles_go_at_the_pace_after_a_burst_and_no_message_is_lost() {
        let mut unpublished = Unpublished::new(1);
        let plain = class(false, 0, None);
        let (mut now, mut bundles) = (NOW, 0);
        // Each turn a message, ten times as fast as bundles may go, for two seconds.
        let (turn, turns) = (unpublished.pace.every / 10, 20_480);
        let mut got = 0;
        for _ in 0..turns {
            unpublished.push(plain, 0, message(2000));
            while let Some((_, payload, _)) = unpublished.pop(now) {
                bundles += 1;
                got += if payload.is_bundle {
                    payload.bytes.len() / 2004
                } else {
                    1
                };
            }
            now += turn;
        }
        let expected = BURST + 2 * BUNDLES_PER_SECOND;
        assert!(bundles <= expected && bundles > expected - 3, "{bundles}");
        now += unpublished.wait(now).unwrap_or_default();
        if let Some((_, payload, _)) = unpublished.pop(now) {
            got += payload.bytes.len().div_ceil(2004);
        }
        assert_eq!(got, turns);
        assert_eq!(unpublished.wait(now), None);
    }

    #[test]
    fn shards_share_the_pace() {
        let pace = |shards| {
            let mut unpublished = Unpublished::new(shards);
            let plain = class(false, 0, None);
            let mut count = 0;
            loop {
                unpublished.push(plain, 0, message(2000));
                if unpublished.pop(NOW).is_none() {
                    return (count, unpublished.wait(NOW).unwrap());
                }
                count += 1;
            }
        };
        let second = Duration::from_secs(1);
        assert_eq!(pace(1), (BURST, second / BUNDLES_PER_SECOND));
        assert_eq!(pace(4), (BURST / 4, second * 4 / BUNDLES_PER_SECOND));
        assert_eq!(pace(1000).0, 1);
    }

    #[test]
    fn publishers_wait_when_two_of_the_longest_bundles_do() {
        let mut unpublished = Unpublished::new(1);
        let plain = class(false, 0, None);
        unpublished.push(plain, 0, message(MEDIUM_BYTES_MAX));
        unpublished.push(plain, 0, message(MEDIUM_BYTES_MAX - 1));
        assert!(unpublished.has_room());
        unpublished.push(plain, 0, message(1));
        assert!(!unpublished.has_room());
        let mut sizes = Vec::new();
        while let Some((_, payload, _)) = unpublished.pop(NOW) {
            sizes.push(payload.bytes.len());
        }
        assert_eq!(sizes, [MEDIUM_BYTES_MAX, MEDIUM_BYTES_MAX + 2 * 4]);
        assert!(unpublished.has_room());
        for _ in 0..WAITING_MESSAGES_MAX {
            assert!(unpublished.has_room());
            unpublished.push(plain, 0, Bytes::new());
        }
        assert!(!unpublished.has_room());
        let mut bundles = 0;
        while unpublished.pop(NOW).is_some() {
            bundles += 1;
        }
        assert_eq!(bundles, WAITING_MESSAGES_MAX / BUNDLE_MESSAGES_MAX);
    }
}
