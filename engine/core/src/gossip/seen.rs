//! Which messages a node has seen, within bounds of count and time, shared fairly by their sources.
//!
//! ```text
//!   all ids, ordered:  ───────────────────────────────▶ is it known?
//!   by source, oldest first:   A  a a a a a a a a a     the longest gives way when there are
//!                              B  b b                   too many
//!                              we o o o                 never given up for anybody else
//! ```
//!
//! An id belongs to the source that it was first heard from. When the memory is full, a source that
//! holds most gives up its oldest id, so a peer that sends new messages as fast as it can forgets
//! its own and nobody else's: an id of a source with less than half of what the largest holds is
//! never given up for room. What the node itself published is counted apart.
//!
//! Ids older than the span are given up a few at a time, whenever one is added. All ids are hashes
//! that a peer can choose by trying messages, so they live in an ordered set, whose cost no choice
//! of ids can drive up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use ringwire_codec::NodeId;

use crate::time::Instant;

/// BLAKE3 of a message.
pub type Digest = [u8; 32];

/// Who a node has a message from: a peer, or nobody but itself.
pub type Source = Option<NodeId>;

/// Ids too old that are given up with each id that is added: more than one, so that they become
/// fewer.
const EXPIRED_PER_INSERT: usize = 2;

/// The ids of one source, oldest first, with the second in which each came.
type Ids = VecDeque<(Digest, u32)>;

/// A bounded memory of ids.
#[derive(Debug)]
pub struct Seen {
    ids: BTreeSet<Digest>,
    by_source: BTreeMap<Source, Ids>,
    /// The peers, by how many ids they have, in powers of two: so it changes seldom.
    by_size: BTreeSet<(u32, Source)>,
    /// Ids of peers.
    foreign: usize,
    capacity: usize,
    span: Duration,
    /// The source that was last asked for ids too old.
    asked: Source,
}

impl Seen {
    /// A memory of `capacity` ids of all peers together and as many of the node itself (at least
    /// one), each for at least `span` unless there are too many.
    pub fn new(capacity: usize, span: Duration) -> Self {
        assert!(capacity > 0, "the memory holds at least one id");
        Seen {
            ids: BTreeSet::new(),
            by_source: BTreeMap::new(),
            by_size: BTreeSet::new(),
            foreign: 0,
            capacity,
            span,
            asked: None,
        }
    }

    /// Whether `digest` is remembered.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.ids.contains(digest)
    }

    /// Remembers `digest` as first heard from `source`; false if it was remembered already.
    pub fn insert(&mut self, now: Instant, source: Source, digest: Digest) -> bool {
        if !self.ids.insert(digest) {
            return false;
        }
        self.make_room(source);
        self.add(source, digest, seconds(now));
        self.expire(now);
        true
    }

    /// Ids remembered.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Sources of which ids are remembered.
    pub fn source_count(&self) -> usize {
        self.by_source.len()
    }

    fn add(&mut self, source: Source, digest: Digest, second: u32) {
        let ids = self.by_source.entry(source).or_default();
        let former = ids.len();
        ids.push_back((digest, second));
        if source.is_some() {
            self.foreign += 1;
            self.resize(source, former, former + 1);
        }
    }

    /// Gives up an id if there is no room for another one of `source`.
    fn make_room(&mut self, source: Source) {
        if source.is_none() {
            let own = self.by_source.get(&None).map_or(0, VecDeque::len);
            if own >= self.capacity {
                self.forget_oldest(None);
            }
            return;
        }
        if self.foreign < self.capacity {
            return;
        }
        let Some(&(size, largest)) = self.by_size.last() else {
            return;
        };
        // Of several that hold about as much, the one that wants room gives way.
        let is_as_large = self.by_size.contains(&(size, source));
        self.forget_oldest(if is_as_large { source } else { largest });
    }

    fn forget_oldest(&mut self, source: Source) {
        let Some(ids) = self.by_source.get_mut(&source) else {
            return;
        };
        let former = ids.len();
        if let Some((digest, _)) = ids.pop_front() {
            self.ids.remove(&digest);
        }
        if ids.is_empty() {
            self.by_source.remove(&source);
        } else if ids.capacity() > 4 * former {
            // A flood that is over keeps no memory.
            ids.shrink_to(2 * former);
        }
        if source.is_some() {
            self.foreign -= 1;
            self.resize(source, former, former - 1);
        }
    }

    /// Keeps the order by size.
    fn resize(&mut self, source: Source, former: usize, now: usize) {
        let (former, now) = (former.checked_ilog2(), now.checked_ilog2());
        if former == now {
            return;
        }
        if let Some(size) = former {
            self.by_size.remove(&(size, source));
        }
        if let Some(size) = now {
            self.by_size.insert((size, source));
        }
    }

    /// Gives up ids that are too old, of one source after the other.
    fn expire(&mut self, now: Instant) {
        let Some(before) = seconds(now).checked_sub(whole_seconds(self.span)) else {
            return;
        };
        let behind = (Bound::Excluded(self.asked), Bound::Unbounded);
        let next = self.by_source.range(behind).next();
        let Some((&source, _)) = next.or_else(|| self.by_source.iter().next()) else {
            return;
        };
        self.asked = source;
        for _ in 0..EXPIRED_PER_INSERT {
            let oldest = self.by_source.get(&source).and_then(VecDeque::front);
            if oldest.is_none_or(|(_, second)| *second >= before) {
                return;
            }
            self.forget_oldest(source);
        }
    }
}

/// The second of a time; the clock of a node starts with it, so a `u32` lasts for a century.
fn seconds(at: Instant) -> u32 {
    whole_seconds(at - Instant::ZERO)
}

fn whole_seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(10);
    const HONEST: Source = Some(NodeId::from_bytes([1; 20]));
    const FLOOD: Source = Some(NodeId::from_bytes([2; 20]));

    fn digest(n: u32) -> Digest {
        *blake3::hash(&n.to_le_bytes()).as_bytes()
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    /// The parts agree with each other.
    fn check(seen: &Seen) {
        let sizes = || {
            seen.by_source
                .iter()
                .map(|(source, ids)| (*source, ids.len()))
        };
        assert_eq!(sizes().map(|(_, len)| len).sum::<usize>(), seen.ids.len());
        let foreign = sizes().filter(|(source, _)| source.is_some());
        assert_eq!(
            foreign.clone().map(|(_, len)| len).sum::<usize>(),
            seen.foreign
        );
        let by_size: BTreeSet<_> = foreign.map(|(source, len)| (len.ilog2(), source)).collect();
        assert_eq!(by_size, seen.by_size);
        assert!(seen.foreign <= seen.capacity);
    }

    #[test]
    fn an_id_is_new_once_whoever_brings_it() {
        let mut seen = Seen::new(4, SPAN);
        assert!(seen.insert(at(0), HONEST, digest(1)));
        assert!(!seen.insert(at(0), HONEST, digest(1)));
        assert!(!seen.insert(at(0), FLOOD, digest(1)));
        assert!(!seen.insert(at(0), None, digest(1)));
        assert!(seen.contains(&digest(1)));
        check(&seen);
    }

    #[test]
    fn one_source_fills_the_memory_and_then_forgets_its_oldest() {
        let mut seen = Seen::new(4, SPAN);
        for n in 0..4 {
            seen.insert(at(0), FLOOD, digest(n));
        }
        assert!(seen.contains(&digest(0)));
        seen.insert(at(0), FLOOD, digest(4));
        assert!(!seen.contains(&digest(0)));
        assert!((1..5).all(|n| seen.contains(&digest(n))));
        check(&seen);
    }

    #[test]
    fn a_flood_of_new_ids_evicts_neither_those_of_others_nor_our_own() {
        let mut seen = Seen::new(1000, SPAN);
        for n in 0..100 {
            seen.insert(at(0), HONEST, digest(n));
            seen.insert(at(0), None, digest(1000 + n));
        }
        for n in 10_000..30_000 {
            assert!(seen.insert(at(0), FLOOD, digest(n)));
        }
        for n in 0..100 {
            assert!(seen.contains(&digest(n)), "an id of an honest peer");
            assert!(seen.contains(&digest(1000 + n)), "our own id");
        }
        assert_eq!(seen.len(), 1100);
        check(&seen);
    }

    #[test]
    fn an_honest_source_gets_its_share_of_a_memory_that_a_flood_has_filled() {
        let mut seen = Seen::new(1000, SPAN);
        for n in 0..2000 {
            seen.insert(at(0), FLOOD, digest(n));
        }
        for n in 10_000..10_255 {
            seen.insert(at(0), HONEST, digest(n));
        }
        for n in 2000..6000 {
            seen.insert(at(0), FLOOD, digest(n));
        }
        assert!((10_000..10_255).all(|n| seen.contains(&digest(n))));
        check(&seen);
    }

    #[test]
    fn ids_are_kept_for_the_span_and_given_up_afterwards_also_of_those_who_are_gone() {
        let mut seen = Seen::new(1000, SPAN);
        for n in 0..100 {
            seen.insert(at(0), HONEST, digest(n));
        }
        for n in 1000..1200 {
            seen.insert(at(10), FLOOD, digest(n));
        }
        assert!(
            (0..100).all(|n| seen.contains(&digest(n))),
            "exactly the span"
        );
        for n in 2000..2200 {
            seen.insert(at(11), FLOOD, digest(n));
        }
        assert!(!(0..100).any(|n| seen.contains(&digest(n))));
        assert_eq!(seen.source_count(), 1);
        check(&seen);
    }

    #[test]
    fn our_own_ids_give_way_to_our_own_alone() {
        let mut seen = Seen::new(4, SPAN);
        seen.insert(at(0), HONEST, digest(0));
        for n in 1..10 {
            seen.insert(at(0), None, digest(n));
        }
        assert!(seen.contains(&digest(0)));
        assert!(!seen.contains(&digest(5)) && seen.contains(&digest(6)));
        check(&seen);
    }
}
