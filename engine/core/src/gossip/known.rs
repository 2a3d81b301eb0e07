//! What one peer has sent us lately, so that it is not sent back to it.
//!
//! Only what is under way matters: a copy that came from the peer while the same message waits for
//! it here, or while another shard decides whether it is new. So a short memory does, in two
//! generations: when the young one is full or old it becomes the old one, and the former old one is
//! forgotten whole. What was forgotten too early costs a duplicate and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use super::seen::Digest;
use crate::time::Instant;

/// Ids in one generation: what a peer sends while a claim crosses to another shard and back, many
/// times over. Two generations are about 100 KiB, taken only by peers that send so much.
const GENERATION_MAX: usize = 1024;
/// Time after which a generation ends in any case: longer than a message waits for a peer that is
/// not too slow.
const GENERATION_SPAN: Duration = Duration::from_secs(30);

/// A bounded memory of ids, in ordered sets: a peer can choose ids by trying messages, and no choice
/// may make a lookup slow.
#[derive(Debug, Default)]
pub(super) struct Known {
    young: BTreeSet<Digest>,
    old: BTreeSet<Digest>,
    young_since: Instant,
}

impl Known {
    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.young.contains(digest) || self.old.contains(digest)
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    pub(super) fn insert(&mut self, now: Instant, digest: Digest) {
        let is_old = now - self.young_since >= GENERATION_SPAN;
        if is_old || self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_since = now;
        }
        self.young.insert(digest);
    }

    /// Forgets everything and frees its memory.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: usize) -> Digest {
        *blake3::hash(&n.to_le_bytes()).as_bytes()
    }

    #[test]
    fn an_id_survives_the_generation_after_its_own_and_not_the_next() {
        let mut known = Known::default();
        for n in 0..2 * GENERATION_MAX {
            known.insert(Instant::ZERO, digest(n));
        }
        assert!(known.contains(&digest(0)));
        known.insert(Instant::ZERO, digest(2 * GENERATION_MAX));
        assert!(!known.contains(&digest(0)));
        assert!(known.contains(&digest(GENERATION_MAX)));
    }

    #[test]
    fn a_generation_ends_at_its_span_as_well() {
        let mut known = Known::default();
        let edge = Instant::ZERO + GENERATION_SPAN;
        known.insert(Instant::ZERO, digest(0));
        known.insert(edge, digest(1));
        assert!(known.contains(&digest(0)));
        known.insert(edge + GENERATION_SPAN, digest(2));
        assert!(!known.contains(&digest(0)));
        assert!(known.contains(&digest(1)));
    }
}
