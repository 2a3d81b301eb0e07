//! A Merkle tree over BLAKE3.
//!
//! Leaves and nodes are hashed with different keys, so that no node can pass for a leaf. A node
//! without a sibling moves up as it is:
//!
//! ```text
//!           root                     the path of leaf 4 is [h(0..4)], that of leaf 0 has three hashes
//!         ┌──┴───┐
//!       0..4     4
//!      ┌──┴──┐   │                   where a leaf stands decides which hashes its path has;
//!     0·1   2·3  4                   the number of leaves is known to both sides
//! ```

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

const LEAF_KEY: &[u8; 32] = b"ringwire gossip coded shard leaf";
const NODE_KEY: &[u8; 32] = b"ringwire gossip coded shard node";

/// The hash of a leaf.
pub(super) fn leaf(data: &[u8]) -> Hash {
    *blake3::keyed_hash(LEAF_KEY, data).as_bytes()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut pair = [0; 64];
    pair[..32].copy_from_slice(left);
    pair[32..].copy_from_slice(right);
    *blake3::keyed_hash(NODE_KEY, &pair).as_bytes()
}

/// All hashes of a tree: the leaves first, the root last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// The tree of these leaves, of which there is at least one.
    pub(super) fn new(leaves: Vec<Hash>) -> Self {
        assert!(!leaves.is_empty(), "a tree has a root");
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let above = level.chunks(2).map(|pair| match pair {
                [left, right] => node(left, right),
                _ => pair[0],
            });
            let above = above.collect();
            levels.push(above);
        }
        Tree { levels }
    }

    pub(super) fn root(&self) -> Hash {
        self.levels[self.levels.len() - 1][0]
    }

    /// The hashes beside the way from a leaf to the root.
    pub(super) fn path(&self, leaf: usize) -> impl Iterator<Item = &Hash> {
        let below_root = &self.levels[..self.levels.len() - 1];
        let beside = below_root.iter().enumerate();
        beside.filter_map(move |(height, level)| level.get((leaf >> height) ^ 1))
    }
}

/// How many hashes the path of a leaf has, among so many leaves.
pub(super) fn path_len(leaf: usize, leaves: usize) -> usize {
    Climb::new(leaf, leaves)
        .filter(|step| *step != Step::Alone)
        .count()
}

/// The root that a leaf and its path lead to. The path has [`path_len`] hashes.
pub(super) fn climb<'a>(
    start: Hash,
    leaf: usize,
    leaves: usize,
    mut path: impl Iterator<Item = &'a Hash>,
) -> Option<Hash> {
    Climb::new(leaf, leaves).try_fold(start, |hash, step| match step {
        Step::Alone => Some(hash),
        Step::Left => path.next().map(|right| node(&hash, right)),
        Step::Right => path.next().map(|left| node(left, &hash)),
    })
}

/// Where a node stands on one level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Left,
    Right,
    Alone,
}

/// The steps from a leaf to the root.
struct Climb {
    index: usize,
    width: usize,
}

impl Climb {
    fn new(leaf: usize, leaves: usize) -> Self {
        Climb {
            index: leaf,
            width: leaves,
        }
    }
}

impl Iterator for Climb {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.width <= 1 {
            return None;
        }
        let step = match self.index % 2 {
            1 => Step::Right,
            _ if self.index + 1 == self.width => Step::Alone,
            _ => Step::Left,
        };
        self.index /= 2;
        self.width = self.width.div_ceil(2);
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|n| leaf(&n.to_le_bytes())).collect()
    }

    #[test]
    fn each_leaf_climbs_to_the_root_by_a_path_of_the_length_foretold() {
        for count in 1..=70 {
            let leaves = leaves(count);
            let tree = Tree::new(leaves.clone());
            for (index, hash) in leaves.iter().enumerate() {
                let path: Vec<_> = tree.path(index).collect();
                assert_eq!(path.len(), path_len(index, count), "{index} of {count}");
                let root = climb(*hash, index, count, path.into_iter());
                assert_eq!(root, Some(tree.root()), "{index} of {count}");
            }
        }
    }

    #[test]
    fn a_leaf_does_not_pass_for_its_neighbour() {
        let leaves = leaves(6);
        let tree = Tree::new(leaves.clone());
        for other in 1..6 {
            let root = climb(leaves[0], other, 6, tree.path(other));
            assert_ne!(root, Some(tree.root()), "in place {other}");
        }
    }

    #[test]
    fn a_path_that_ends_early_leads_nowhere() {
        let leaves = leaves(8);
        let tree = Tree::new(leaves.clone());
        assert_eq!(climb(leaves[3], 3, 8, tree.path(3).take(2)), None);
    }

    #[test]
    fn a_node_is_no_leaf() {
        let [left, right] = [leaf(b"left"), leaf(b"right")];
        let pair = [left, right].concat();
        assert_ne!(Tree::new(vec![left, right]).root(), leaf(&pair));
    }
}
