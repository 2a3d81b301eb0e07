//! [`Outboxes`]: what waits for each peer of this shard, and how much that is together.

use std::collections::BTreeMap;

use crate::gossip::outbox::Outbox;
use crate::peer::PeerKey;

/// Bytes that wait for one peer when those who bring more are held back: a quarter of what makes bodies be left out. What is
/// less waits for that peer alone. The shorter the queue, the sooner a body comes after its announcement, and the less is
/// asked for twice.
const FULL: usize = 4 * 1024 * 1024;

/// And bytes beyond which they are still held back.
const BUSY: usize = FULL / 2;

/// Bytes that wait for one peer when this node publishes nothing more: a twelfth of a second of a link of 100 Mbit/s.
const LATE: usize = 1024 * 1024;

/// How much waits for the peers of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Load {
    /// Bytes that wait for all.
    pub(super) bytes: usize,
    /// Whether so much waits for a peer that those who bring more are still to be held back, if they are.
    pub(super) is_any_busy: bool,
    /// Whether so much waits for a peer that they are to be held back.
    pub(super) is_any_full: bool,
}

/// The outboxes of a shard's peers.
#[derive(Debug, Default)]
pub(super) struct Outboxes {
    outboxes: BTreeMap<PeerKey, Outbox>,
    /// Bytes in all of them, and how many of them hold more than [`FULL`], [`BUSY`] and [`LATE`]: asked for with each body that
    /// is sent.
    bytes: usize,
    full: usize,
    busy: usize,
    late: usize,
}

impl Outboxes {
    /// A peer takes part.
    pub(super) fn insert(&mut self, peer: PeerKey, outbox: Outbox) {
        debug_assert!(outbox.is_empty(), "it counts from now on");
        self.outboxes.insert(peer, outbox);
    }

    /// A peer is gone. Returns whether it took part.
    pub(super) fn remove(&mut self, peer: PeerKey) -> bool {
        let Some(outbox) = self.outboxes.remove(&peer) else {
            return false;
        };
        self.recount(outbox.bytes(), 0);
        true
    }

    /// The outbox of a peer.
    pub(super) fn get(&self, peer: PeerKey) -> Option<&Outbox> {
        self.outboxes.get(&peer)
    }

    /// Does something with the outbox of a peer, if it takes part.
    pub(super) fn with<T>(
        &mut self,
        peer: PeerKey,
        act: impl FnOnce(&mut Outbox) -> T,
    ) -> Option<T> {
        let outbox = self.outboxes.get_mut(&peer)?;
        let before = outbox.bytes();
        let done = act(outbox);
        let after = outbox.bytes();
        self.recount(before, after);
        Some(done)
    }

    /// The peer for which the most bytes of bodies wait.
    pub(super) fn slowest(&self) -> Option<PeerKey> {
        let by_bytes = |(_, outbox): &(&PeerKey, &Outbox)| outbox.bodies_bytes();
        self.outboxes
            .iter()
            .max_by_key(by_bytes)
            .map(|(peer, _)| *peer)
    }

    /// How many peers there are for which something waits.
    pub(super) fn behind(&self) -> usize {
        let outboxes = self.outboxes.values();
        outboxes.filter(|outbox| !outbox.is_empty()).count()
    }

    /// The peers that take part.
    pub(super) fn peers(&self) -> impl Iterator<Item = PeerKey> {
        self.outboxes.keys().copied()
    }

    /// Bytes that wait for all.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How much waits, for all and for one.
    pub(super) fn load(&self) -> Load {
        Load {
            bytes: self.bytes,
            is_any_busy: self.busy > 0,
            is_any_full: self.full > 0,
        }
    }

    /// Whether so much waits for a peer that this node publishes nothing more.
    pub(super) fn is_any_late(&self) -> bool {
        self.late > 0
    }

    /// An outbox held so many bytes, and now holds so many.
    fn recount(&mut self, before: usize, after: usize) {
        self.bytes = self.bytes - before + after;
        for (count, bound) in [
            (&mut self.full, FULL),
            (&mut self.busy, BUSY),
            (&mut self.late, LATE),
        ] {
            *count = *count - usize::from(before > bound) + usize::from(after > bound);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_counted_and_so_is_who_has_too_much() {
        let mut outboxes = Outboxes::default();
        let is = |outboxes: &Outboxes| {
            let load = outboxes.load();
            (load.bytes, load.is_any_busy, load.is_any_full)
        };
        outboxes.recount(0, BUSY);
        assert_eq!(is(&outboxes), (BUSY, false, false));
        outboxes.recount(BUSY, BUSY + 1);
        assert_eq!(is(&outboxes), (BUSY + 1, true, false));
        outboxes.recount(0, FULL);
        assert_eq!(
            is(&outboxes),
            (BUSY + 1 + FULL, true, false),
            "each by itself"
        );
        outboxes.recount(FULL, FULL + 1);
        assert!(outboxes.load().is_any_full);
        outboxes.recount(FULL + 1, 0);
        assert_eq!(is(&outboxes), (BUSY + 1, true, false));
        outboxes.recount(BUSY + 1, LATE + 1);
        assert!(outboxes.is_any_late() && !outboxes.load().is_any_busy);
        outboxes.recount(LATE + 1, LATE);
        assert!(!outboxes.is_any_late());
        outboxes.recount(LATE, 0);
        assert_eq!(is(&outboxes), (0, false, false));
    }
}
