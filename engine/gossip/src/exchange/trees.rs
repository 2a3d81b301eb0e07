//! [`Trees`]: the trees of all origins, bounded.

use std::collections::BTreeMap;

use super::tree::Tree;
use crate::coded::Origin;

/// Origins of large payloads whose trees are remembered: some hundred KiB of memory. The one that published
/// longest ago makes room.
pub const TREES_MAX: usize = 256;

#[derive(Debug)]
struct Used<L> {
    tree: Tree<L>,
    tick: u64,
}

/// The trees of all origins.
#[derive(Debug)]
pub(super) struct Trees<L> {
    trees: BTreeMap<Origin, Used<L>>,
}

impl<L: Copy + Ord> Trees<L> {
    pub(super) fn new() -> Self {
        Trees {
            trees: BTreeMap::new(),
        }
    }

    pub(super) fn find(&self, origin: &Origin) -> Option<&Tree<L>> {
        self.trees.get(origin).map(|used| &used.tree)
    }

    pub(super) fn find_mut(&mut self, origin: &Origin) -> Option<&mut Tree<L>> {
        self.trees.get_mut(origin).map(|used| &mut used.tree)
    }

    /// The tree of an origin of which a payload is here.
    pub(super) fn plant(&mut self, origin: Origin, tick: u64) -> &mut Tree<L> {
        if !self.trees.contains_key(&origin) && self.trees.len() >= TREES_MAX {
            let oldest = self.trees.iter().min_by_key(|(_, used)| used.tick);
            if let Some(oldest) = oldest.map(|(origin, _)| *origin) {
                self.trees.remove(&oldest);
            }
        }
        let fresh = || Used {
            tree: Tree::new(),
            tick,
        };
        let used = self.trees.entry(origin).or_insert_with(fresh);
        used.tick = tick;
        &mut used.tree
    }

    pub(super) fn remove_link(&mut self, link: L) {
        for used in self.trees.values_mut() {
            used.tree.remove_link(link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(number: usize) -> Origin {
        let mut origin = [0; 32];
        origin[..8].copy_from_slice(&number.to_le_bytes());
        origin
    }

    #[test]
    fn the_origin_that_published_longest_ago_makes_room() {
        let mut trees: Trees<u8> = Trees::new();
        for number in 0..TREES_MAX {
            trees.plant(origin(number), number as u64);
        }
        trees.plant(origin(0), TREES_MAX as u64);
        assert!(trees.find(&origin(1)).is_some());
        trees.plant(origin(TREES_MAX), TREES_MAX as u64 + 1);
        assert!(trees.find(&origin(0)).is_some());
        assert!(trees.find(&origin(1)).is_none());
    }
}
