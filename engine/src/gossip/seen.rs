//! Which messages a node has seen, within bounds of count and time.
//!
//! Two generations of ids. New ids go to the young one; when it is full or old, it becomes the old
//! one and the former old one is forgotten whole. So an id is remembered for at least one whole
//! generation, and nothing is ever searched for what has expired.
//!
//! ```text
//!   forgotten │ ──── old ──── │ ── young ─▶ now
//!             remembered at least this long
//! ```
//!
//! Ids are hashes that a peer can choose by trying messages, so they live in ordered sets, whose
//! cost no choice of ids can drive up.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::time::Instant;

/// BLAKE3 of a message.
pub type Digest = [u8; 32];

/// A bounded memory of ids.
#[derive(Debug)]
pub struct Seen {
    young: BTreeSet<Digest>,
    old: BTreeSet<Digest>,
    generation_max: usize,
    generation_span: Duration,
    young_since: Instant,
}

impl Seen {
    /// A memory of generations with at most `generation_max` ids (at least one) or
    /// `generation_span` of time, whichever is reached first.
    pub fn new(generation_max: usize, generation_span: Duration) -> Self {
        assert!(generation_max > 0, "a generation holds at least one id");
        Seen {
            young: BTreeSet::new(),
            old: BTreeSet::new(),
            generation_max,
            generation_span,
            young_since: Instant::ZERO,
        }
    }

    /// Whether `digest` is remembered.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.young.contains(digest) || self.old.contains(digest)
    }

    /// Remembers `digest`; false if it was remembered already.
    pub fn insert(&mut self, now: Instant, digest: Digest) -> bool {
        if self.contains(&digest) {
            return false;
        }
        let is_old = now - self.young_since >= self.generation_span;
        if is_old || self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
            self.young_since = now;
        }
        self.young.insert(digest)
    }

    /// Ids remembered.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(10);

    fn digest(n: u32) -> Digest {
        *blake3::hash(&n.to_le_bytes()).as_bytes()
    }

    #[test]
    fn an_id_is_new_once() {
        let mut seen = Seen::new(4, SPAN);
        assert!(seen.insert(Instant::ZERO, digest(1)));
        assert!(!seen.insert(Instant::ZERO, digest(1)));
        assert!(seen.contains(&digest(1)));
    }

    #[test]
    fn an_id_survives_the_generation_after_its_own_and_not_the_next() {
        let mut seen = Seen::new(4, SPAN);
        for n in 0..8 {
            seen.insert(Instant::ZERO, digest(n));
        }
        assert!(seen.contains(&digest(0)));
        seen.insert(Instant::ZERO, digest(8));
        assert!(!seen.contains(&digest(0)));
        assert!(seen.contains(&digest(4)));
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn a_generation_ends_at_its_span_as_well() {
        let mut seen = Seen::new(1000, SPAN);
        seen.insert(Instant::ZERO, digest(0));
        let edge = Instant::ZERO + SPAN;
        seen.insert(edge, digest(1));
        assert!(seen.contains(&digest(0)));
        seen.insert(edge + SPAN, digest(2));
        assert!(!seen.contains(&digest(0)));
        assert!(seen.contains(&digest(1)));
    }
}
