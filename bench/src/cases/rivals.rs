//! CometBFT as a contender: its own switch and connections in a Go program of ours
//! (`bench/rivals/comet`), with its default settings and with those of its own bench.

use std::path::{Path, PathBuf};
use std::process::Command;

use ringwire::peer::Framing;

use crate::case::{Case, Plan, Ran};

/// Settings for throughput: as it comes, and the largest of everything as in its own bench.
const DRAIN_SETTINGS: [&str; 2] = ["default", "maxed"];
/// Round trips with its flush timer, at most.
const DEFAULT_ROUNDS: u64 = 50;

pub(super) fn drain(
    plan: &Plan,
    case: Case,
    framing: Framing,
    message_bytes: usize,
    count: usize,
    senders: usize,
) -> Case {
    let args = vec![
        String::from("drain"),
        format!("-bytes={message_bytes}"),
        format!("-count={}", count / senders * senders),
        format!("-senders={senders}"),
    ];
    add(plan, case, framing, &DRAIN_SETTINGS, &args)
}

pub(super) fn broadcast(
    plan: &Plan,
    case: Case,
    framing: Framing,
    message_bytes: usize,
    each: usize,
    receivers: u32,
) -> Case {
    let args = vec![
        String::from("broadcast"),
        format!("-bytes={message_bytes}"),
        format!("-count={each}"),
        format!("-receivers={receivers}"),
    ];
    add(plan, case, framing, &DRAIN_SETTINGS, &args)
}

pub(super) fn ping_pong(
    plan: &Plan,
    case: Case,
    framing: Framing,
    bytes: usize,
    rounds: u64,
) -> Case {
    let args = |rounds: u64| {
        vec![
            String::from("ping-pong"),
            format!("-bytes={bytes}"),
            format!("-count={rounds}"),
        ]
    };
    // With the flush timer it comes with, a round trip takes it 200 ms, and all are alike.
    let case = add(
        plan,
        case,
        framing,
        &["default"],
        &args(rounds.min(DEFAULT_ROUNDS)),
    );
    add(plan, case, framing, &["flush0"], &args(rounds))
}

/// It speaks CometBFT framing only, and stands beside that.
fn add(plan: &Plan, case: Case, framing: Framing, settings: &[&str], args: &[String]) -> Case {
    let Some(program) = plan.comet.as_ref().filter(|_| framing == Framing::Comet) else {
        return case;
    };
    settings.iter().fold(case, |case, settings| {
        let program: PathBuf = program.clone();
        let mut args = args.to_vec();
        args.push(format!("-settings={settings}"));
        case.with(format!("CometBFT {settings}"), move || run(&program, &args))
    })
}

fn run(program: &Path, args: &[String]) -> Ran {
    let output = Command::new(program).args(args).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it said nothing");
        return Err(format!("{} {}: {last}", program.display(), args.join(" ")).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
