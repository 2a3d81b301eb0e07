//! The network forms: waits until everybody has enough peers and everybody can be reached.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use super::args::Plan;
use super::graph::Graph;
use super::network::Network;
use super::progress::Progress;
use crate::failure::Failure;
use crate::node::Node;
use crate::signals::Stop;

/// Pause between two looks at who is connected.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A network in which messages reach everybody.
pub(super) struct Formed {
    /// Who was connected to whom, on both sides.
    pub(super) graph: Graph,
    /// From the start of the first node on.
    pub(super) elapsed: Duration,
}

/// Waits until the network is what `plan` wants. Gives up when nothing moves for `timeout`.
pub(super) fn wait_until_formed(
    network: &Network,
    plan: &Plan,
    timeout: Duration,
    progress: &mut Progress,
    stop: &Stop,
) -> Result<Formed, Failure> {
    let wanted = wanted(plan, network.nodes().len());
    let total: usize = wanted.iter().sum();
    progress.begin("peers", Some(total as u64));
    let mut moved = (Instant::now(), 0, 0);
    loop {
        let graph = connections(network.nodes());
        let (degrees, parts) = (graph.degrees(), graph.parts());
        let there = degrees
            .iter()
            .zip(&wanted)
            .map(|(has, wants)| has.min(wants));
        let there: usize = there.sum();
        progress.update(there as u64, || {
            format!("{} connections, {parts} parts", graph.pairs())
        });
        if there == total && parts == 1 {
            let elapsed = network.began().elapsed();
            return Ok(Formed { graph, elapsed });
        }
        if stop.is_asked() {
            return Err(Failure::new("interrupted"));
        }
        if (graph.pairs(), parts) != (moved.1, moved.2) {
            moved = (Instant::now(), graph.pairs(), parts);
        } else if moved.0.elapsed() > timeout {
            return Err(stalled(&graph, &wanted, parts));
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

/// How many peers each node must have.
fn wanted(plan: &Plan, nodes: usize) -> Vec<usize> {
    match plan {
        // It dials so many, or knows everybody.
        Plan::Seed { outbound_peers } => vec![(*outbound_peers).min(nodes - 1); nodes],
        Plan::Wired(graph) => graph.degrees(),
    }
}

/// Who is connected to whom; a connection counts when both sides know of it.
fn connections(nodes: &[Node]) -> Graph {
    let numbers: BTreeMap<_, _> = nodes
        .iter()
        .enumerate()
        .map(|(number, node)| (node.address().id, number))
        .collect();
    let mut seen = BTreeSet::new();
    for (number, node) in nodes.iter().enumerate() {
        // The seed, which comes and goes, has no number.
        let peers = node.peer_ids();
        let peers = peers.iter().filter_map(|id| numbers.get(id));
        seen.extend(peers.map(|peer| (number, *peer)));
    }
    let both = seen
        .iter()
        .filter(|(from, to)| seen.contains(&(*to, *from)));
    Graph::new(nodes.len(), both.copied())
}

fn stalled(graph: &Graph, wanted: &[usize], parts: usize) -> Failure {
    let degrees = graph.degrees();
    let lonely = degrees
        .iter()
        .zip(wanted)
        .position(|(has, wants)| has < wants);
    Failure::new(match lonely {
        Some(node) => format!(
            "node {node} has {} of {} peers; --log info tells why",
            degrees[node], wanted[node]
        ),
        None => format!("the network fell into {parts} parts; --log info tells why"),
    })
}
