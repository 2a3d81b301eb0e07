//! One look at the network: who has the outbound peers it wants, and does the graph hang together.

use std::collections::{BTreeMap, BTreeSet};

use ringwire_sim::World;

/// What was seen of the honest nodes that were looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sample {
    /// Seconds since the start.
    pub(crate) at_seconds: u64,
    /// Nodes looked at.
    pub(crate) nodes: usize,
    /// Those with as many outbound peers as they want.
    pub(crate) with_quota: usize,
    /// Those that have, or had at the look before: a peer that left is replaced within a minute.
    pub(crate) with_quota_lately: usize,
    /// Components of the graph of these nodes and of the connections between them.
    pub(crate) components: usize,
    /// Nodes all of whose outbound peers live in the attacker's /16.
    pub(crate) eclipsed: usize,
}

/// Looks at `nodes`. `was_short` says who lacked peers at the look before, and is told who does now.
pub(crate) fn look(
    world: &World,
    nodes: &BTreeSet<u32>,
    quota: usize,
    is_attacker: impl Fn(u32) -> bool,
    was_short: &mut BTreeSet<u32>,
) -> Sample {
    let outbound: BTreeMap<u32, Vec<u32>> = nodes
        .iter()
        .map(|&node| (node, world.outbound_of(node)))
        .collect();
    let short: BTreeSet<u32> = outbound
        .iter()
        .filter(|(_, peers)| peers.len() < quota)
        .map(|(node, _)| *node)
        .collect();
    let short_twice = short.intersection(was_short).count();
    let is_eclipsed =
        |peers: &&Vec<u32>| !peers.is_empty() && peers.iter().all(|peer| is_attacker(*peer));
    let sample = Sample {
        at_seconds: world.now().as_nanos() / 1_000_000_000,
        nodes: nodes.len(),
        with_quota: nodes.len() - short.len(),
        with_quota_lately: nodes.len() - short_twice,
        components: components(nodes, &outbound),
        eclipsed: outbound.values().filter(is_eclipsed).count(),
    };
    *was_short = short;
    sample
}

/// Components of the graph of `nodes` and of those edges that lie between two of them.
fn components(nodes: &BTreeSet<u32>, edges: &BTreeMap<u32, Vec<u32>>) -> usize {
    let mut parent: BTreeMap<u32, u32> = nodes.iter().map(|node| (*node, *node)).collect();
    let mut count = nodes.len();
    for (from, peers) in edges {
        for to in peers.iter().filter(|to| nodes.contains(to)) {
            let (left, right) = (root(&mut parent, *from), root(&mut parent, *to));
            if left != right {
                parent.insert(left, right);
                count -= 1;
            }
        }
    }
    count
}

fn root(parent: &mut BTreeMap<u32, u32>, node: u32) -> u32 {
    let mut at = node;
    while parent[&at] != at {
        // Every step halves the way for the next one.
        let above = parent[&parent[&at]];
        parent.insert(at, above);
        at = above;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_one_component_when_edges_between_them_join_them_whoever_dialed() {
        let nodes: BTreeSet<u32> = (0..5).collect();
        let edges = |pairs: &[(u32, u32)]| {
            let mut edges: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for (from, to) in pairs {
                edges.entry(*from).or_default().push(*to);
            }
            edges
        };
        assert_eq!(components(&nodes, &edges(&[])), 5);
        assert_eq!(components(&nodes, &edges(&[(0, 1), (2, 1), (3, 4)])), 2);
        assert_eq!(
            components(&nodes, &edges(&[(0, 1), (2, 1), (3, 4), (4, 0)])),
            1
        );
        // A way through somebody who is not looked at is none.
        assert_eq!(components(&nodes, &edges(&[(0, 9), (1, 9)])), 5);
    }
}
