//! Who is connected to whom: as it is planned, or as it turned out.
//!
//! ```text
//!            0 ─── 1              A ring with chords, so that messages need several hops and meet on
//!          ╱ │      ╲             the way: each node is linked to the next one (the ring) and, for
//!        7   │       2            each chord, to one further ahead: a third of the way round for one
//!        │   │       │            chord, one and two fifths for two, and so on, never beyond the
//!        6   ╰─────╮ 3            half. Drawn: 8 nodes, one of the chords.
//!          ╲       ╰╱
//!            5 ─── 4              Of each pair the node with the higher number dials: it starts
//!                                 later, so it knows the other's address.
//! ```

use std::collections::{BTreeSet, VecDeque};

/// The connections of a local network.
pub(super) struct Graph {
    nodes: usize,
    /// (lower number, higher number); each pair once.
    pairs: BTreeSet<(usize, usize)>,
}

impl Graph {
    /// `nodes` nodes and these links; order, repetition and links to oneself do not count.
    pub(super) fn new(nodes: usize, links: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let pairs = links
            .into_iter()
            .filter(|(from, to)| from != to)
            .map(|(from, to)| (from.min(to), from.max(to)))
            .collect();
        Graph { nodes, pairs }
    }

    /// A ring of `nodes` (at least 2) with `chords` chords from each of them.
    pub(super) fn ring(nodes: usize, chords: usize) -> Self {
        let links = steps(nodes, chords)
            .flat_map(|step| (0..nodes).map(move |from| (from, (from + step) % nodes)));
        Graph::new(nodes, links)
    }

    /// Everybody with everybody.
    pub(super) fn full(nodes: usize) -> Self {
        let links = (0..nodes).flat_map(|from| (0..from).map(move |to| (from, to)));
        Graph::new(nodes, links)
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

    /// How many peers each node has.
    pub(super) fn degrees(&self) -> Vec<usize> {
        (0..self.nodes)
            .map(|node| self.neighbours(node).count())
            .collect()
    }

    /// Into how many parts, without a connection between them, the network falls; one is whole.
    pub(super) fn parts(&self) -> usize {
        let mut unseen: BTreeSet<usize> = (0..self.nodes).collect();
        let mut parts = 0;
        while let Some(start) = unseen.first().copied() {
            parts += 1;
            for (node, _) in self.reached_from(start) {
                unseen.remove(&node);
            }
        }
        parts
    }

    /// Hops between the two nodes furthest from each other, of those that reach each other.
    pub(super) fn hops_max(&self) -> usize {
        (0..self.nodes)
            .filter_map(|start| self.reached_from(start).last().map(|(_, hops)| *hops))
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

    /// Every node that messages of `start` reach, with the hops to it, the nearest first.
    fn reached_from(&self, start: usize) -> Vec<(usize, usize)> {
        let mut is_reached = vec![false; self.nodes];
        is_reached[start] = true;
        let mut next = VecDeque::from([(start, 0)]);
        let mut reached = Vec::new();
        while let Some((node, hops)) = next.pop_front() {
            reached.push((node, hops));
            for neighbour in self.neighbours(node) {
                if !is_reached[neighbour] {
                    is_reached[neighbour] = true;
                    next.push_back((neighbour, hops + 1));
                }
            }
        }
        reached
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

    #[test]
    fn two_nodes_share_one_connection() {
        let graph = Graph::ring(2, 1);
        assert_eq!(graph.pairs(), 1);
        assert_eq!(graph.degrees(), [1, 1]);
        assert_eq!(graph.hops_max(), 1);
    }

    #[test]
    fn a_ring_without_chords_has_two_peers_each() {
        let graph = Graph::ring(8, 0);
        assert_eq!(graph.degrees(), [2; 8]);
        assert_eq!(graph.hops_max(), 4);
    }

    #[test]
    fn a_chord_goes_a_third_of_the_way_round() {
        let graph = Graph::ring(8, 1);
        assert!(graph.pairs.contains(&(0, 3)));
        assert_eq!(graph.degrees(), [4; 8]);
        assert_eq!(graph.hops_max(), 2);
    }

    #[test]
    fn every_node_dials_only_those_before_it_and_reaches_all() {
        for nodes in 2..20 {
            for chords in 0..8 {
                let graph = Graph::ring(nodes, chords);
                let dialed = (0..nodes).map(|node| {
                    assert!(graph.dialed_by(node).all(|peer| peer < node));
                    graph.dialed_by(node).count()
                });
                assert_eq!(dialed.sum::<usize>(), graph.pairs());
                assert!(
                    graph.hops_max() <= nodes / 2,
                    "{nodes} nodes, {chords} chords"
                );
            }
        }
    }

    #[test]
    fn a_full_network_is_one_hop_wide() {
        let graph = Graph::full(5);
        assert_eq!(graph.pairs(), 10);
        assert_eq!(graph.degrees(), [4; 5]);
        assert_eq!((graph.hops_max(), graph.parts()), (1, 1));
    }

    #[test]
    fn a_network_that_falls_apart_is_noticed() {
        let whole = Graph::new(4, [(0, 1), (1, 0), (2, 2), (1, 2), (2, 3)]);
        assert_eq!((whole.pairs(), whole.parts(), whole.hops_max()), (3, 1, 3));
        let apart = Graph::new(4, [(0, 1), (2, 3)]);
        assert_eq!((apart.parts(), apart.hops_max()), (2, 1));
        assert_eq!(Graph::new(3, []).parts(), 3);
    }
}
