//! Adds the rivals to a case: a contender for each of their settings that fits it, and each run a
//! start of its program.

use std::path::Path;
use std::process::Command;

use ringwire::peer::Framing;

use crate::case::{Case, Plan, Ran};
use crate::rivals::Settings;

pub(super) fn drain(
    plan: &Plan,
    case: Case,
    framing: Framing,
    message_bytes: usize,
    count: usize,
    senders: usize,
) -> Case {
    add(plan, case, framing, |settings| {
        settings.throughput.then(|| {
            vec![
                String::from("drain"),
                format!("-bytes={message_bytes}"),
                format!("-count={}", count / senders * senders),
                format!("-senders={senders}"),
            ]
        })
    })
}

pub(super) fn broadcast(
    plan: &Plan,
    case: Case,
    framing: Framing,
    message_bytes: usize,
    each: usize,
    receivers: u32,
) -> Case {
    add(plan, case, framing, |settings| {
        settings.throughput.then(|| {
            vec![
                String::from("broadcast"),
                format!("-bytes={message_bytes}"),
                format!("-count={each}"),
                format!("-receivers={receivers}"),
            ]
        })
    })
}

pub(super) fn ping_pong(
    plan: &Plan,
    case: Case,
    framing: Framing,
    bytes: usize,
    rounds: u64,
) -> Case {
    add(plan, case, framing, |settings| {
        (settings.rounds_max > 0).then(|| {
            vec![
                String::from("ping-pong"),
                format!("-bytes={bytes}"),
                format!("-count={}", rounds.min(settings.rounds_max)),
            ]
        })
    })
}

fn add(
    plan: &Plan,
    mut case: Case,
    framing: Framing,
    args: impl Fn(&Settings) -> Option<Vec<String>>,
) -> Case {
    for built in &plan.rivals {
        let fitting = built.rival.settings.iter();
        for settings in fitting.filter(|settings| settings.framings.contains(&framing)) {
            let Some(mut args) = args(settings) else {
                continue;
            };
            args.push(format!("-settings={}", settings.name));
            let program = built.program.clone();
            case = case.with(settings.contender, move || run(&program, &args));
        }
    }
    case
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
