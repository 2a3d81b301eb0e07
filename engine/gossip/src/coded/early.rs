//! Shards that came before their manifest.
//!
//! A manifest and its shards travel different ways, so a shard can be a few milliseconds early. A few are
//! kept; anybody can send shards of manifests that will never come, so one link has a small part of the
//! place, and the oldest goes first.

use std::collections::VecDeque;

use super::manifest::ManifestId;
use super::shard::Shard;

/// Shards kept that are early: at most 4 MiB of them.
pub const EARLY_MAX: usize = 64;
/// Of these, shards from one link.
pub const EARLY_PER_LINK_MAX: usize = 8;

/// Early shards, each with the link it came by.
#[derive(Debug)]
pub(super) struct Early<L> {
    shards: VecDeque<(L, Shard)>,
}

impl<L: Copy + PartialEq> Early<L> {
    pub(super) fn new() -> Self {
        Early {
            shards: VecDeque::new(),
        }
    }

    /// Keeps a shard; false if it is there already, from whichever link.
    pub(super) fn push(&mut self, from: L, shard: Shard) -> bool {
        let is_known = |(_, known): &(L, Shard)| *known == shard;
        if self.shards.iter().any(is_known) {
            return false;
        }
        let is_of_link = |(link, _): &(L, Shard)| *link == from;
        let of_link = self.shards.iter().filter(|shard| is_of_link(shard)).count();
        if of_link >= EARLY_PER_LINK_MAX {
            let oldest = self.shards.iter().position(is_of_link);
            oldest.map(|at| self.shards.remove(at));
        } else if self.shards.len() >= EARLY_MAX {
            self.shards.pop_front();
        }
        self.shards.push_back((from, shard));
        debug_assert!(self.shards.len() <= EARLY_MAX);
        true
    }

    /// Takes the shards of a manifest out, in the order they came.
    pub(super) fn take(&mut self, manifest: ManifestId) -> Vec<(L, Shard)> {
        let is_of = |(_, shard): &(L, Shard)| shard.manifest() == manifest;
        let (taken, kept) = self.shards.drain(..).partition(is_of);
        let taken: VecDeque<_> = taken;
        self.shards = kept;
        taken.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(manifest: u8, index: u16) -> Shard {
        let id = ManifestId([manifest; 20]);
        Shard::new(id, 0, index, [].iter(), &[0; super::super::SHARD_BYTES_MIN])
    }

    #[test]
    fn one_link_has_an_eighth_of_the_place_and_loses_its_own_oldest() {
        let mut early = Early::new();
        early.push(1, shard(1, 0));
        for index in 0..=EARLY_PER_LINK_MAX as u16 {
            assert!(early.push(2, shard(2, index)));
        }
        assert_eq!(early.take(ManifestId([1; 20])).len(), 1);
        let kept = early.take(ManifestId([2; 20]));
        let kept: Vec<_> = kept.iter().map(|(_, shard)| shard.index()).collect();
        assert_eq!(kept, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn all_links_together_have_so_much_and_not_one_more() {
        let mut early = Early::new();
        for n in 0..=EARLY_MAX as u16 {
            early.push(n, shard(1, n));
        }
        let kept = early.take(ManifestId([1; 20]));
        assert_eq!(kept.len(), EARLY_MAX);
        assert_eq!(kept[0].0, 1, "the oldest is gone");
    }

    #[test]
    fn the_same_shard_is_kept_once() {
        let mut early = Early::new();
        assert!(early.push(1, shard(1, 0)));
        assert!(!early.push(2, shard(1, 0)));
    }
}
