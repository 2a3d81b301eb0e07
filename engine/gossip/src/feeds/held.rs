//! [`HeldMessages`]: the messages that a node remembers, to send them to who asks.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::message::{DigestEntry, with_left};
use super::origins::OriginIndex;
use super::slot::{Slot, Slots};

/// A message: its origin's place, and the origin's number of it.
pub(super) type Key = (OriginIndex, u64);

#[derive(Debug)]
struct Held {
    /// The body as this node sends it.
    bytes: Bytes,
    /// Who asked for it and got it: nobody gets it twice.
    answered: Slots,
    /// Who has said that it has it.
    had: Slots,
    /// When it came, and when nobody needs it any more, if that comes.
    came_at: Duration,
    ends_at: Option<Duration>,
}

impl Held {
    fn is_over(&self, now: Duration) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at <= now)
    }
}

/// How long a neighbour may take to say that it has a message.
pub(super) const CONFIRM: Duration = Duration::from_secs(1);

/// Which messages a digest names.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Scope {
    /// Those that came since.
    pub(super) since: Duration,
    /// Only those that this neighbour has.
    pub(super) had_by: Option<Slot>,
}

/// A message in the order in which they came.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    at: Duration,
    key: Key,
    /// Bytes of all messages until then, also of those that are forgotten.
    total: u64,
}

/// The messages of the last while, within a number of bytes.
#[derive(Debug)]
pub(super) struct HeldMessages {
    held: BTreeMap<Key, Held>,
    /// When each came, in that order.
    order: VecDeque<Arrival>,
    bytes: usize,
    /// Bytes of all messages that were ever remembered.
    total: u64,
    /// Of the oldest in `order` so many are confirmed, or too old to wait for.
    confirmed: usize,
    keep: Duration,
    bytes_max: usize,
}

impl HeldMessages {
    pub(super) fn new(keep: Duration, bytes_max: usize) -> Self {
        HeldMessages {
            held: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            total: 0,
            confirmed: 0,
            keep,
            bytes_max,
        }
    }

    /// Remembers a message, which `left_ms` milliseconds are left to, 0 for ever, and which these neighbours have.
    pub(super) fn insert(
        &mut self,
        now: Duration,
        key: Key,
        left_ms: u32,
        had: Slots,
        bytes: Bytes,
    ) {
        self.bytes += bytes.len();
        self.total += bytes.len() as u64;
        let left = Duration::from_millis(u64::from(left_ms));
        let held = Held {
            bytes,
            answered: Slots::default(),
            had,
            came_at: now,
            ends_at: (left_ms > 0).then(|| now.saturating_add(left)),
        };
        let before = self.held.insert(key, held);
        debug_assert!(before.is_none(), "a message is accepted once");
        self.order.push_back(Arrival {
            at: now,
            key,
            total: self.total,
        });
        self.expire(now);
    }

    /// The neighbour has the message.
    pub(super) fn note_had(&mut self, key: Key, slot: Slot) {
        if let Some(held) = self.held.get_mut(&key) {
            held.had.insert(slot);
        }
    }

    /// Bytes that came since the oldest message of which not all these neighbours have said that they have it. Who does
    /// not say so in [`CONFIRM`] is not waited for.
    pub(super) fn unconfirmed_bytes(&mut self, now: Duration, links: Slots) -> u64 {
        while let Some(arrival) = self.order.get(self.confirmed) {
            let held = self.held.get(&arrival.key);
            let is_missing = held.is_some_and(|held| !links.without(held.had).is_empty());
            if is_missing && arrival.at + CONFIRM > now {
                return self.total - arrival.total;
            }
            self.confirmed += 1;
        }
        0
    }

    /// The message for a neighbour that asks for it, with the time that is left to it now. `None` if it is not
    /// there any more, if its time is over, or if it was given to that neighbour before.
    pub(super) fn answer(&mut self, now: Duration, key: Key, slot: Slot) -> Option<Bytes> {
        let held = self.held.get_mut(&key)?;
        if held.is_over(now) || !held.answered.insert(slot) {
            return None;
        }
        let Some(ends_at) = held.ends_at else {
            return Some(held.bytes.clone());
        };
        Some(with_left(&held.bytes, ends_at.saturating_sub(now)))
    }

    /// The neighbour did not get the message after all. Returns when that came, if it is still remembered.
    pub(super) fn forget_answer(&mut self, key: Key, slot: Slot) -> Option<Duration> {
        let held = self.held.get_mut(&key)?;
        held.answered.remove(slot);
        Some(held.came_at)
    }

    /// Whether the message is remembered and its time is not over.
    pub(super) fn is_needed(&self, now: Duration, key: Key) -> bool {
        self.held.get(&key).is_some_and(|held| !held.is_over(now))
    }

    /// Forgets an origin's messages: another has its place.
    pub(super) fn forget_origin(&mut self, origin: OriginIndex) {
        let bytes = &mut self.bytes;
        self.held.retain(|(of, _), held| {
            let stays = *of != origin;
            *bytes -= if stays { 0 } else { held.bytes.len() };
            stays
        });
        self.order.retain(|arrival| arrival.key.0 != origin);
        self.confirmed = 0;
    }

    /// Another link may get this place.
    pub(super) fn handle_link_down(&mut self, slot: Slot) {
        for held in self.held.values_mut() {
            held.answered.remove(slot);
            held.had.remove(slot);
        }
    }

    /// Forgets what is too old or too much.
    pub(super) fn expire(&mut self, now: Duration) {
        while let Some(oldest) = self.order.front().copied()
            && (self.bytes > self.bytes_max || oldest.at + self.keep <= now)
        {
            self.order.pop_front();
            self.confirmed = self.confirmed.saturating_sub(1);
            if let Some(held) = self.held.remove(&oldest.key) {
                self.bytes -= held.bytes.len();
            }
        }
        // A burst is over: its room is not kept for ever.
        if self.order.capacity() > 4 * self.order.len() + 1024 {
            self.order.shrink_to(2 * self.order.len());
        }
    }

    /// Origins of the messages that came since, each once, the newest first.
    pub(super) fn origins_since(&self, since: Duration) -> Vec<OriginIndex> {
        let recent = self.order.iter().rev();
        let mut origins = Vec::new();
        for Arrival { key, .. } in recent.take_while(|arrival| arrival.at >= since) {
            if !origins.contains(&key.0) {
                origins.push(key.0);
            }
        }
        origins
    }

    /// Which of an origin's messages are remembered and still needed, from the newest on, as entries of a
    /// digest.
    pub(super) fn digest(
        &self,
        now: Duration,
        origin: OriginIndex,
        scope: Scope,
    ) -> Vec<DigestEntry> {
        let mut entries: Vec<DigestEntry> = Vec::new();
        let of_origin = self.held.range((origin, 0)..=(origin, u64::MAX));
        let is_named = |held: &Held| {
            held.came_at >= scope.since
                && scope.had_by.is_none_or(|slot| held.had.contains(slot))
                && !held.is_over(now)
        };
        for ((_, seq), _) in of_origin.rev().filter(|(_, held)| is_named(held)) {
            match entries.last_mut() {
                Some(entry) if entry.last - seq < u64::from(u64::BITS) => {
                    entry.bits |= 1 << (entry.last - seq);
                }
                _ => entries.push(DigestEntry {
                    alias: origin.alias(),
                    last: *seq,
                    bits: 1,
                }),
            }
        }
        entries
    }

    /// Messages that are remembered.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Bytes of bodies that are remembered.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that remembering takes, without the bodies.
    pub(super) fn index_bytes(&self) -> usize {
        let entry = size_of::<Key>() + size_of::<Held>();
        self.held.len() * entry + self.order.capacity() * size_of::<Arrival>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{Alias, Body, FeedMessage};
    use super::*;

    const KEEP: Duration = Duration::from_secs(30);
    const BYTES_MAX: usize = 1000;

    fn slot(number: usize) -> Slot {
        Slot::new(number).unwrap()
    }

    fn origin(number: u16) -> OriginIndex {
        Alias::new(number).unwrap().into()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn body(left_ms: u32, payload: &[u8]) -> Bytes {
        let body = Body {
            priority: 3,
            left_ms,
            ..Body::plain(origin(1).alias(), 0, payload)
        };
        FeedMessage::Body(body).encode().unwrap()
    }

    fn held() -> HeldMessages {
        HeldMessages::new(KEEP, BYTES_MAX)
    }

    #[test]
    fn nobody_gets_a_message_twice_but_who_comes_later_gets_it() {
        let (mut held, key, bytes) = (held(), (origin(1), 5), body(0, b"x"));
        held.insert(seconds(1), key, 0, Slots::NONE, bytes.clone());
        assert_eq!(held.answer(seconds(1), (origin(1), 6), slot(3)), None);
        for other in [3, 4] {
            assert_eq!(
                held.answer(seconds(1), key, slot(other)),
                Some(bytes.clone())
            );
            assert_eq!(held.answer(seconds(1), key, slot(other)), None);
        }
        held.handle_link_down(slot(3));
        assert_eq!(held.answer(seconds(1), key, slot(3)), Some(bytes.clone()));
        assert_eq!(held.forget_answer(key, slot(3)), Some(seconds(1)));
        let again = held.answer(seconds(1), key, slot(3));
        assert_eq!(again, Some(bytes), "it was left out");
        assert_eq!(held.answer(seconds(1), key, slot(4)), None);
    }

    #[test]
    fn messages_are_remembered_for_a_while_and_within_their_bytes() {
        let mut held = held();
        held.insert(seconds(1), (origin(1), 5), 0, Slots::NONE, body(0, b"x"));
        held.expire(seconds(1) + KEEP - Duration::from_nanos(1));
        assert_eq!(held.len(), 1);
        held.expire(seconds(1) + KEEP);
        assert_eq!((held.len(), held.bytes()), (0, 0));
        let half = body(0, &[0; 483]);
        assert_eq!(half.len() * 2, BYTES_MAX);
        (0..2).for_each(|seq| {
            held.insert(seconds(40), (origin(1), seq), 0, Slots::NONE, half.clone())
        });
        assert_eq!((held.len(), held.bytes()), (2, BYTES_MAX));
        held.insert(seconds(40), (origin(2), 0), 0, Slots::NONE, body(0, b""));
        assert_eq!(held.len(), 2);
        assert_eq!(
            held.answer(seconds(40), (origin(1), 0), slot(0)),
            None,
            "the oldest went"
        );
    }

    #[test]
    fn an_answer_says_how_much_time_is_left() {
        let (mut held, key) = (held(), (origin(1), 5));
        held.insert(seconds(1), key, 2000, Slots::NONE, body(2000, b"payload"));
        let answer = held.answer(seconds(2), key, slot(0));
        assert_eq!(answer, Some(body(1000, b"payload")));
        let over = seconds(3);
        let last = over - Duration::from_nanos(1);
        assert_eq!(held.answer(last, key, slot(1)), Some(body(1, b"payload")));
        assert_eq!(held.digest(last, origin(1), Scope::default()).len(), 1);
        assert_eq!(held.answer(over, key, slot(2)), None);
        assert_eq!(held.digest(over, origin(1), Scope::default()), []);
    }

    #[test]
    fn a_digest_has_a_bit_for_each_message_of_the_origin() {
        let mut held = held();
        for seq in [0, 36, 37, 100] {
            held.insert(seconds(1), (origin(1), seq), 0, Slots::NONE, body(0, b""));
        }
        held.insert(seconds(2), (origin(2), 9), 0, Slots::NONE, body(0, b""));
        let entry = |last, bits| DigestEntry {
            alias: origin(1).alias(),
            last,
            bits,
        };
        // 100 - 63 = 37 is the last that the first entry covers.
        let expected = [entry(100, 1 | 1 << 63), entry(36, 1 | 1 << 36)];
        assert_eq!(
            held.digest(seconds(2), origin(1), Scope::default()),
            expected
        );
        assert_eq!(held.origins_since(seconds(1)), [origin(2), origin(1)]);
        assert_eq!(held.origins_since(seconds(2)), [origin(2)]);
    }

    #[test]
    fn an_origin_that_loses_its_place_leaves_nothing() {
        let mut held = held();
        held.insert(seconds(1), (origin(1), 5), 0, Slots::NONE, body(0, b"x"));
        held.insert(seconds(1), (origin(2), 5), 0, Slots::NONE, body(0, b"x"));
        held.forget_origin(origin(1));
        assert_eq!(held.origins_since(Duration::ZERO), [origin(2)]);
        assert_eq!(held.bytes(), body(0, b"x").len());
        held.expire(seconds(1) + KEEP);
        assert_eq!((held.len(), held.bytes()), (0, 0));
    }
}
