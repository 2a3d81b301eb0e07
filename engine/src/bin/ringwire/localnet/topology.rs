//! Who dials whom: a ring with chords, so that messages need several hops and meet on the way.
//!
//! ```text
//!            0 ─── 1              each node is linked to the next one (the ring) and, for each
//!          ╱ │      ╲             chord, to one further ahead: a third of the way round for one
//!        7   │       2            chord, one and two fifths for two, and so on, never beyond the
//!        │   │       │            half. Drawn: 8 nodes, one of the chords.
//!        6   ╰─────╮ 3
//!          ╲       ╰╱             Of each pair the node with the higher number dials: it starts
//!            5 ─── 4              later, so it knows the other's address.
//! ```

use std::collections::{BTreeSet, VecDeque};

/// The connections of a local network.
pub(super) struct Topology {
    nodes: usize,
    /// (lower number, higher number); each pair once.
    pairs: BTreeSet<(usize, usize)>,
}

impl Topology {
    /// A ring of `nodes` (at least 2) with `chords` chords from each of them.
    pub(super) fn ring(nodes: usize, chords: usize) -> Self {
        let links = steps(nodes, chords)
            .flat_map(|step| (0..nodes).map(move |from| (from, (from + step) % nodes)));
        let pairs = links
            .filter(|(from, to)| from != to)
            .map(|(from, to)| (from.min(to), from.max(to)))
            .collect();
        Topology { nodes, pairs }
    }

    /// How many connections there are.
    pub(super) fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// Whom `node` dials: all of them started before it.
    pub(super) fn dialed_by(&self, node: usize) -> impl Iterator<Item = usize> {
        self.pairs
            .iter()
            .filter(move |(_, higher)| *higher == node)
            .map(|(lower, _)| *lower)
    }

    /// How many peers `node` ends up with.
    pub(super) fn degree(&self, node: usize) -> usize {
        self.neighbours(node).count()
    }

    /// Hops between the two nodes furthest from each other.
    pub(super) fn hops_max(&self) -> usize {
        (0..self.nodes)
            .map(|start| self.hops_from(start))
            .max()
            .unwrap_or(0)
    }

    fn neighbours(&self, node: usize) -> impl Iterator<Item = usize> {
        self.pairs
            .iter()
            .filter_map(move |&(lower, higher)| match node {
                _ if node == lower => Some(higher),
                _ if node == higher => Some(lower),
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
        (0..topology.nodes)
            .map(|node| topology.degree(node))
            .collect()
    }

    #[test]
    fn two_nodes_share_one_connection() {
        let topology = Topology::ring(2, 1);
        assert_eq!(topology.pairs(), 1);
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
        assert!(topology.pairs.contains(&(0, 3)));
        assert_eq!(degrees(&topology), [4; 8]);
        assert_eq!(topology.hops_max(), 2);
    }

    #[test]
    fn every_node_dials_only_those_before_it_and_reaches_all() {
        for nodes in 2..20 {
            for chords in 0..8 {
                let topology = Topology::ring(nodes, chords);
                let dialed = (0..nodes).map(|node| {
                    assert!(topology.dialed_by(node).all(|peer| peer < node));
                    topology.dialed_by(node).count()
                });
                assert_eq!(dialed.sum::<usize>(), topology.pairs());
                assert!(
                    topology.hops_max() <= nodes / 2,
                    "{nodes} nodes, {chords} chords"
                );
            }
        }
    }
}
