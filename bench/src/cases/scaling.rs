//! `scaling`: what a node takes in over many links with one shard, two, and so on up to one per
//! CPU, with `--full` up to sixteen in any case.
//!
//! The load comes from another process. Where there are fewer CPUs than twice the shards, the two
//! share them, and the figure to read is the node's CPU per GiB: it says what a shard more costs,
//! not how much faster the node is.

use std::thread;
use std::time::Duration;

use ringwire::peer::Framing;

use super::idle::start_node;
use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::child::{Child, NodeSample, Orders, Request};
use crate::outcome::{Named, Outcome};

/// Peers that send.
const LINKS: usize = 16;
const MESSAGE_BYTES: usize = 65_536;
/// Shards of a full run at most, also where they have to share the CPUs.
const SHARDS_MAX: usize = 16;
/// Time before the measured window.
const WARM_UP: Duration = Duration::from_millis(300);

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let span = plan.amount(Duration::from_millis(500), Duration::from_secs(4));
    let cpus = thread::available_parallelism().map_or(1, |cpus| cpus.get());
    let powers = std::iter::successors(Some(1), |shards| Some(shards * 2));
    let most = if plan.full {
        cpus.max(SHARDS_MAX)
    } else {
        cpus
    };
    let shards: Vec<usize> = powers.take_while(|shards| *shards <= most).collect();
    let case = |framing| {
        let name = format!("{LINKS} links 64 KiB");
        let case = Case::new("scaling", framing, name);
        shards.iter().fold(case, |case, shards| {
            let (shards, name) = (*shards, plural(*shards));
            case.with(name, move || run(framing, shards, span))
        })
    };
    FRAMINGS.map(case).into_iter().collect()
}

fn plural(shards: usize) -> String {
    match shards {
        1 => String::from("1 shard"),
        _ => format!("{shards} shards"),
    }
}

fn run(framing: Framing, shards: usize, span: Duration) -> Ran {
    let wide = framing == Framing::Wide;
    let (mut node, address) = start_node(wide, u16::try_from(shards)?, &[], false)?;
    let mut crowd = Child::start(&Orders::Crowd {
        wide,
        address,
        cpus: Vec::new(),
        humble: false,
    })?;
    let _: f64 = crowd.ask(Request::Connect(LINKS))?;
    let all = span + WARM_UP * 2;
    crowd.tell(Request::Flood {
        bytes: MESSAGE_BYTES,
        secs: all.as_secs_f64(),
    })?;
    thread::sleep(WARM_UP);
    let before: NodeSample = node.ask(Request::Sample)?;
    thread::sleep(span);
    let after: NodeSample = node.ask(Request::Sample)?;
    let crowd_cpu: f64 = crowd.answer()?;
    Ok(Outcome {
        wall_secs: after.at_secs - before.at_secs,
        cpu_secs: Some(after.cpu_secs - before.cpu_secs),
        bytes: after.received_bytes - before.received_bytes,
        messages: after.received_messages - before.received_messages,
        others: vec![Named::new(
            "cores used by the load",
            "",
            crowd_cpu / all.as_secs_f64(),
        )],
        ..Outcome::default()
    })
}
