//! `idle`: what a connected peer costs while nothing happens: resident memory of the node's
//! process per peer, before and ten seconds after each has exchanged a 60 KiB message, and its CPU.
//!
//! Node and peers are processes of their own. 10,000 peers only with `--full`, and only where the
//! limits of open files and local ports allow it; if not, the case says what is missing.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use ringwire::peer::Framing;

use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::child::{Child, NodeSample, Orders, Request};
use crate::engine::{BY_READINESS, Failure};
use crate::measure::open_files_max;
use crate::outcome::{Named, Outcome};

/// Bytes that each peer sends and gets back.
const MESSAGE_BYTES: usize = 60 << 10;
/// Descriptors a node needs beside those of its peers.
const OTHER_FILES: u64 = 200;
/// Memory hardly varies from run to run, and a run takes half a minute.
const RUNS_MAX: usize = 3;

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let mut counts = vec![plan.amount(50, 1_000)];
    if plan.full {
        counts.push(10_000);
    }
    let rest = plan.amount(Duration::from_millis(500), Duration::from_secs(10));
    let mut cases = Vec::new();
    for framing in FRAMINGS {
        for count in &counts {
            let count = *count;
            cases.push(
                Case::new("idle", framing, format!("{count} peers"))
                    .at_most(RUNS_MAX)
                    .with("ringwire", move || run(framing, count, rest, false))
                    .with(BY_READINESS, move || run(framing, count, rest, true)),
            );
        }
    }
    cases
}

fn run(framing: Framing, count: usize, rest: Duration, by_readiness: bool) -> Ran {
    check_room(count)?;
    let wide = framing == Framing::Wide;
    let (mut node, address) = start_node(wide, 1, &[], by_readiness)?;
    let mut crowd = Child::start(&Orders::Crowd {
        wide,
        address,
        cpus: Vec::new(),
        humble: false,
    })?;
    let empty: NodeSample = node.ask(Request::Sample)?;
    let _: f64 = crowd.ask(Request::Connect(count))?;
    let (fresh, idle) = at_rest(&mut node, count, rest)?;
    let _: f64 = crowd.ask(Request::Exchange(MESSAGE_BYTES))?;
    let (used, _) = at_rest(&mut node, count, rest)?;
    let per_peer = |now: &NodeSample| {
        let grown = now.resident_bytes.saturating_sub(empty.resident_bytes);
        grown as f64 / 1024.0 / count as f64
    };
    Ok(Outcome {
        others: vec![
            Named::new("memory per peer, unused", "KiB", per_peer(&fresh)),
            Named::new("memory per peer, used", "KiB", per_peer(&used)),
            Named::new("CPU, all peers idle", "% of a core", idle * 100.0),
        ],
        ..Outcome::default()
    })
}

/// Whether this machine lets one process have so many connections, and one address so many ports.
/// The processes ask for all the open files they may have themselves.
fn check_room(peers: usize) -> Result<(), Failure> {
    let (files, needed) = (open_files_max(), peers as u64 + OTHER_FILES);
    if files < needed {
        return Err(format!(
            "{peers} peers need {needed} open files and this user may have {files}: \
             raise the hard limit, `ulimit -Hn`"
        )
        .into());
    }
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let mut ends = range.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(first)), Some(Ok(last))) = (ends.next(), ends.next()) else {
        return Err(format!("no range of local ports: {range}").into());
    };
    // All of them dial one address from one address.
    let ports = last.saturating_sub(first) + 1;
    if ports < needed {
        return Err(format!(
            "{peers} peers need {needed} local ports and there are {ports}: \
             widen net.ipv4.ip_local_port_range"
        )
        .into());
    }
    Ok(())
}

/// A node alone in its process, and where it listens.
pub(super) fn start_node(
    wide: bool,
    shards: u16,
    cpus: &[usize],
    by_readiness: bool,
) -> Result<(Child, SocketAddr), Failure> {
    let mut node = Child::start(&Orders::Node {
        wide,
        shards,
        cpus: cpus.to_vec(),
        by_readiness,
    })?;
    let address = node.answer()?;
    Ok((node, address))
}

/// Lets the node rest; returns how it is then, and which part of a core it used meanwhile.
fn at_rest(node: &mut Child, peers: usize, rest: Duration) -> Result<(NodeSample, f64), Failure> {
    let before: NodeSample = node.ask(Request::Sample)?;
    thread::sleep(rest);
    let after: NodeSample = node.ask(Request::Sample)?;
    if after.peers != peers {
        return Err(format!("{} of {peers} peers are connected", after.peers).into());
    }
    let cpu = (after.cpu_secs - before.cpu_secs) / (after.at_secs - before.at_secs);
    Ok((after, cpu))
}
