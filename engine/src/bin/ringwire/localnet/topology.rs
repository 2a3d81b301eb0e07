//! Who dials whom: a ring with chords, so that messages need several hops and meet on the way.
//!
//! ```text
//!            0 ─── 1              each node dials the next one (the ring) and, for each chord,
//!          ╱ │      ╲             one further ahead: a third of the way round for one chord, one
//!        7   │       2            and two fifths for two, and so on, never beyond the half.
//!        │   │       │
//!        6   ╰─────╮ 3            drawn: 8 nodes, the chord 0–3. A pair that both sides would
//!          ╲       ╰╱             dial is dialed by one of them only.
//!            5 ─── 4
//! ```

use std::collections::{BTreeSet, VecDeque};

/// The connections of a local network.
pub(super) struct Topology {
    nodes: usize,
    /// (who dials, who is dialed); each pair once.
    dials: Vec<(usize, usize)>,
}

impl Topology {
    /// A ring of `nodes` (at least 2) with `chords` chords from each of them.
    pub(super) fn ring(nodes: usize, chords: usize) -> Self {
        let mut pairs = BTreeSet::new();
        let mut dials = Vec::new();
        for step in steps(nodes, chords) {
            for from in 0..nodes {
                let to = (from + step) % nodes;
                if from != to && pairs.insert((from.min(to), from.max(to))) {
                    dials.push((from, to));
                }
            }
        }
        Topology { nodes, dials }
    }

    /// (who dials, who is dialed), each pair once.
    pub(super) fn dials(&self) -> &[(usize, usize)] {
        &self.dials
    }

    /// How many peers `node` ends up with.
    pub(super) fn degree(&self, node: usize) -> usize {
        self.neighbours(node).count()
    }

    /// Hops between the two nodes furthest from each other.
    pub(super) fn hops_max(&self) -> usize {
        (0..self.nodes).map(|start| self.hops_from(start)).max().unwrap_or(0)
    }

    fn neighbours(&self, node: usize) -> impl Iterator<Item = usize> {
        self.dials.iter().filter_map(move |&(from, to)| match node {
            _ if node == from => Some(to),
            _ if node == to => Some(from),
            _ => None,
        })
    }

    fn hops_from(&self, start: usize) -> usize {
        let mut hops = vec![None; self.nodes];
        hops[start] = Some(0);
        let mut reached = VecDeque::from([(start, 0)]);
        let mut furthest = 0;
        while let Some((node, distance)) = reached.pop_front() {
            furthest = distance;
            for next in self.neighbours(node) {
                if hops[next].is_none() {
                    hops[next] = Some(distance + 1);
                    reached.push_back((next, distance + 1));
                }
            }
        }
        furthest
    }
}

/// How far ahead each node dials: one for the ring, then one step per chord.
fn steps(nodes: usize, chords: usize) -> impl Iterator<Item = usize> {
    let chord = move |n: usize| (n * nodes + chords) / (2 * chords + 1);
    std::iter::once(1).chain((1..=chords).map(chord))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn degrees(topology: &Topology) -> Vec<usize> {
        (0..topology.nodes).map(|node| topology.degree(node)).collect()
    }

    #[test]
    fn two_nodes_share_one_connection() {
        let topology = Topology::ring(2, 1);
        assert_eq!(topology.dials(), [(0, 1)]);
        assert_eq!(degrees(&topology), [1, 1]);
        assert_eq!(topology.hops_max(), 1);
    }

    #[test]
    fn a_ring_without_chords_has_two_peers_each() {
        let topology = Topology::ring(8, 0);
        assert_eq!(degrees(&topology), [2; 8]);
        assert_eq!(topology.hops_max(), 4);
    }

    #[test]
    fn a_chord_goes_a_third_of_the_way_round() {
        let topology = Topology::ring(8, 1);
        assert!(topology.dials().contains(&(0, 3)));
        assert_eq!(degrees(&topology), [4; 8]);
        assert_eq!(topology.hops_max(), 2);
    }

    #[test]
    fn nobody_dials_itself_and_no_pair_is_dialed_twice() {
        for nodes in 2..20 {
            for chords in 0..8 {
                let topology = Topology::ring(nodes, chords);
                let pairs: BTreeSet<_> =
                    topology.dials().iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
                assert_eq!(pairs.len(), topology.dials().len(), "{nodes} nodes, {chords} chords");
                assert!(topology.dials().iter().all(|(from, to)| from != to));
                assert!(topology.hops_max() <= nodes / 2);
            }
        }
    }
}
