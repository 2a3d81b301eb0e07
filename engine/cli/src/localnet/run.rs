//! One run: start, connect, spread, stop, check. Whatever happens, every engine is stopped.

use std::thread;
use std::time::Duration;

use ringwire::gossip::Feeder;
use ringwire_codec::NodeId;

use super::args::{LocalnetArgs, Plan};
use super::formation::{self, Formed};
use super::ledger::Holding;
use super::network::Network;
use super::progress::Progress;
use super::publisher::{Input, Publisher};
use super::reach::Reach;
use super::report::{Delay, NodeReport, Report, SeedReport, messages};
use super::tally::{Receipt, Tally};
use crate::console;
use crate::failure::Failure;
use crate::node::{self, Node};
use crate::signals::{self, Hangup, Stop};

/// Runs the whole command.
pub(crate) fn run(args: &LocalnetArgs) -> Result<(), Failure> {
    let stop = signals::install(Hangup::Ends)?;
    let plan = args.plan()?;
    let (source, total) = args.source()?;
    let input = Input::read(source, total)?;
    let tally = Tally::new(args.nodes);
    stop.begin();
    let network = Network::start(args, &plan)?;
    let spread = spread(args, network, &plan, &tally, input, &stop)?;
    if spread.sent.messages == 0 {
        return Err(Failure::new(
            "the input is empty: nothing was spread, so nothing was checked",
        ));
    }
    let report = check(args, &tally, spread)?;
    match args.json {
        true => console::print_json(&report.to_json()),
        false => console::print(&report.to_string()),
    }
}

/// What the publisher and the nodes know when the engines have stopped.
struct Spread {
    formed: Formed,
    sent: Holding,
    elapsed: Duration,
    seed: Option<SeedReport>,
    ends: Vec<NodeEnd>,
}

/// A node just before it stopped.
struct NodeEnd {
    id: NodeId,
    peers: usize,
    duplicates: u64,
    control_bytes: Option<u64>,
    spread: node::Spread,
}

/// Everything between start and verdict. The receivers end when the engines do, so a copy that
/// comes late is counted as well.
fn spread(
    args: &LocalnetArgs,
    network: Network,
    plan: &Plan,
    tally: &Tally,
    input: Input,
    stop: &Stop,
) -> Result<Spread, Failure> {
    thread::scope(|scope| {
        for (number, node) in network.nodes().iter().enumerate() {
            let subscription = node.subscribe()?;
            scope.spawn(move || {
                subscription.for_each(|message| tally.receive(number, message));
            });
        }
        let mut progress = Progress::new(args.quiet);
        let mut publisher = Publisher::new(args, network.nodes(), tally, stop)?;
        let published =
            formation::wait_until_formed(&network, plan, args.timeout, &mut progress, stop)
                .and_then(|formed| Ok((formed, publisher.publish_all(input, &mut progress)?)));
        progress.finish();
        let sent = publisher.sent();
        let ends = network.nodes().iter().map(node_end).collect::<Vec<_>>();
        let seed = network.seed().map(seed_report);
        let stopped = network.shutdown();
        let (formed, elapsed) = published?;
        let ends = ends.into_iter().collect::<Result<_, _>>()?;
        stopped.map(|()| Spread {
            formed,
            sent,
            elapsed,
            seed,
            ends,
        })
    })
}

fn node_end(node: &Node) -> Result<NodeEnd, Failure> {
    Ok(NodeEnd {
        id: node.address().id,
        peers: node.peer_ids().len(),
        duplicates: node.duplicates(),
        control_bytes: node.control_bytes(),
        spread: node.spread()?,
    })
}

/// The verdict: a report if every node holds what was sent, else the first that does not.
fn check(args: &LocalnetArgs, tally: &Tally, spread: Spread) -> Result<Report, Failure> {
    let mut nodes = Vec::with_capacity(spread.ends.len());
    let ids: Vec<NodeId> = spread.ends.iter().map(|end| end.id).collect();
    for (number, end) in spread.ends.iter().enumerate() {
        let receipt = tally.receipt(number);
        compare(number, &receipt.holding, &spread.sent)?;
        nodes.push(node_report(end, &receipt, &ids));
    }
    if let Some(fault) = tally.fault() {
        return Err(Failure::new(fault));
    }
    Ok(Report {
        nodes,
        holding: spread.sent,
        has_input: args.has_input(),
        elapsed: spread.elapsed,
        topology: args.topology,
        gossip: args.gossip,
        formed: spread.formed.elapsed,
        connections: spread.formed.graph.pairs(),
        hops_max: spread.formed.graph.hops_max(),
        seed: spread.seed,
    })
}

fn seed_report(seed: &Node) -> SeedReport {
    let handle = seed.handle();
    SeedReport {
        id: seed.address().id.to_string(),
        requests: node::figure(&handle, "pex_requests_received"),
        answers: node::figure(&handle, "pex_answers_sent"),
    }
}

/// Holds a node's ledger against that of the source.
fn compare(number: usize, held: &Holding, sent: &Holding) -> Result<(), Failure> {
    let fault = if let Some(missing) = held.gap {
        format!("message {missing} is missing")
    } else if held.messages != sent.messages {
        format!("holds {} of {}", held.messages, messages(sent.messages))
    } else if held != sent {
        String::from("holds contents that differ from what was sent")
    } else {
        return Ok(());
    };
    Err(Failure::new(format!("node {number}: {fault}")))
}

fn node_report(end: &NodeEnd, receipt: &Receipt, ids: &[NodeId]) -> NodeReport {
    let nanos = Duration::from_nanos;
    NodeReport {
        id: end.id.to_string(),
        peers: end.peers,
        received: receipt.received,
        received_bytes: receipt.received_bytes,
        duplicates: end.duplicates,
        control_bytes: end.control_bytes,
        reach: Reach::of(&end.spread.reaches),
        fed_by: fed_by(&end.spread.feeders, ids),
        delay: Delay {
            p50: nanos(receipt.delays.value_at_quantile(0.50)),
            p99: nanos(receipt.delays.value_at_quantile(0.99)),
            max: nanos(receipt.delays.max()),
        },
    }
}

/// Which node sends the messages of each, by number.
fn fed_by(feeders: &[Feeder], ids: &[NodeId]) -> Vec<Option<usize>> {
    let of = |id: &NodeId| {
        let feeder = feeders.iter().find(|feeder| feeder.origin == *id)?.feeder;
        ids.iter().position(|id| *id == feeder)
    };
    ids.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::ledger::Ledger;
    use super::*;

    fn holding(messages: &[(u64, &'static str)]) -> Holding {
        let mut ledger = Ledger::default();
        for (sequence, content) in messages {
            ledger
                .enter(*sequence, Bytes::from_static(content.as_bytes()))
                .expect("each once");
        }
        ledger.holding()
    }

    fn fault(held: &[(u64, &'static str)]) -> Option<String> {
        let sent = holding(&[(0, "a"), (1, "b")]);
        match compare(3, &holding(held), &sent) {
            Err(Failure::Message(message)) => Some(message),
            _ => None,
        }
    }

    #[test]
    fn a_node_that_holds_what_was_sent_is_content() {
        assert_eq!(fault(&[(1, "b"), (0, "a")]), None);
    }

    #[test]
    fn loss_and_damage_are_told_apart() {
        assert_eq!(
            fault(&[(0, "a")]).as_deref(),
            Some("node 3: holds 1 of 2 messages")
        );
        assert_eq!(
            fault(&[(1, "b")]).as_deref(),
            Some("node 3: message 0 is missing")
        );
        let damaged = fault(&[(0, "a"), (1, "c")]);
        assert!(damaged.is_some_and(|fault| fault.contains("differ from what was sent")));
    }
}
