//! Adds the rivals to a case: a contender for each of their settings that fits it, and each run a
//! start of its program.
//!
//! A rate does not depend on the amount, and some rivals would take minutes for ours. So each of
//! them first does a part of the work, which is not counted, and then as much as it does in a few
//! seconds.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use ringwire::peer::Framing;

use crate::case::{Case, Plan, Ran};
use crate::engine::Failure;
use crate::rivals::Settings;

/// Messages that gossipsub is given at most. It drops what finds no room, and asks again only for
/// the 5,000 ids that one announcement names: of 16,000 messages some never arrived.
const GOSSIPSUB_MESSAGES_MAX: usize = 5000;

/// About how long a run of a rival takes at most.
const RUN_SECS: f64 = 3.0;
/// The first run does this part of the work.
const PROBE_PART: usize = 64;
/// The fewest messages that say how fast a rival is: two for each of sixteen senders.
const PROBE_MIN: usize = 32;

pub(super) fn drain(
    plan: &Plan,
    case: Case,
    framing: Framing,
    message_bytes: usize,
    count: usize,
    senders: usize,
) -> Case {
    let work = || args("drain", message_bytes).and("senders", senders);
    let wants = |settings: &Settings| settings.throughput.then(|| (work(), count));
    add(plan, case, framing, wants)
}

pub(super) fn broadcast(
    plan: &Plan,
    case: Case,
    framing: Framing,
    message_bytes: usize,
    each: usize,
    receivers: u32,
) -> Case {
    let work = || args("broadcast", message_bytes).and("receivers", receivers);
    let wants = |settings: &Settings| settings.throughput.then(|| (work(), each));
    add(plan, case, framing, wants)
}

pub(super) fn gossip(
    plan: &Plan,
    case: Case,
    framing: Framing,
    message_bytes: usize,
    count: usize,
    receivers: u32,
) -> Case {
    let work = || args("gossip", message_bytes).and("receivers", receivers);
    let wants = |settings: &Settings| {
        settings
            .gossip
            .then(|| (work(), count.min(GOSSIPSUB_MESSAGES_MAX)))
    };
    add(plan, case, framing, wants)
}

pub(super) fn ping_pong(
    plan: &Plan,
    case: Case,
    framing: Framing,
    bytes: usize,
    rounds: u64,
) -> Case {
    add_sized(plan, case, framing, |settings| {
        let rounds = rounds.min(settings.rounds_max);
        (rounds > 0).then(|| args("ping-pong", bytes).and("count", rounds))
    })
}

pub(super) fn timeframe(
    plan: &Plan,
    case: Case,
    framing: Framing,
    message_bytes: usize,
    span: Duration,
    senders: usize,
) -> Case {
    let work = || {
        let args = args("timeframe", message_bytes).and("secs", span.as_secs_f64());
        args.and("senders", senders)
    };
    let wants = |settings: &Settings| settings.throughput.then(work);
    add_sized(plan, case, framing, wants)
}

pub(super) fn delay(
    plan: &Plan,
    case: Case,
    framing: Framing,
    message_bytes: usize,
    span: Duration,
    delay: Duration,
) -> Case {
    let work = || {
        let args = args("delay", message_bytes).and("secs", span.as_secs_f64());
        args.and("delay-ms", delay.as_millis())
    };
    add_sized(plan, case, framing, |settings| settings.delay.then(work))
}

/// What a program is told.
#[derive(Clone)]
struct Args(Vec<String>);

fn args(work: &str, message_bytes: usize) -> Args {
    Args(vec![work.to_owned()]).and("bytes", message_bytes)
}

impl Args {
    fn and(mut self, flag: &str, value: impl ToString) -> Self {
        self.0.push(format!("-{flag}={}", value.to_string()));
        self
    }
}

/// Adds rivals whose amount is found out.
fn add(
    plan: &Plan,
    case: Case,
    framing: Framing,
    wants: impl Fn(&Settings) -> Option<(Args, usize)>,
) -> Case {
    let is_quick = plan.quick;
    contenders(plan, case, framing, wants, |program, (args, asked)| {
        // A quick run's amounts are small as they are.
        let mut fitting = is_quick.then_some(asked);
        move || {
            let count = match fitting {
                Some(count) => count,
                None => *fitting.insert(program.fitting(&args, asked)?),
            };
            program.run(&args.clone().and("count", count))
        }
    })
}

/// Adds rivals whose work has its size.
fn add_sized(
    plan: &Plan,
    case: Case,
    framing: Framing,
    wants: impl Fn(&Settings) -> Option<Args>,
) -> Case {
    contenders(plan, case, framing, wants, |program, args| {
        move || program.run(&args)
    })
}

fn contenders<W, R: FnMut() -> Ran + 'static>(
    plan: &Plan,
    mut case: Case,
    framing: Framing,
    wants: impl Fn(&Settings) -> Option<W>,
    run: impl Fn(Program, W) -> R,
) -> Case {
    for built in &plan.rivals {
        let fitting = built.rival.settings.iter();
        for settings in fitting.filter(|settings| settings.framings.contains(&framing)) {
            if let Some(work) = wants(settings) {
                let program = Program {
                    path: built.program.clone(),
                    settings: settings.name,
                };
                case = case.with(settings.contender, run(program, work));
            }
        }
    }
    case
}

/// A rival's program, set up in one way.
struct Program {
    path: PathBuf,
    settings: &'static str,
}

impl Program {
    /// How many messages it moves in a few seconds, at most those that were asked for.
    fn fitting(&self, args: &Args, asked: usize) -> Result<usize, Failure> {
        let part = (asked / PROBE_PART).max(PROBE_MIN);
        if part >= asked {
            return Ok(asked);
        }
        let probe = self.run(&args.clone().and("count", part))?;
        Ok(fitting(part, probe.wall_secs, asked))
    }

    fn run(&self, args: &Args) -> Ran {
        let Args(args) = args.clone().and("settings", self.settings);
        let output = Command::new(&self.path).args(&args).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("it said nothing");
            return Err(format!("{} {}: {last}", self.path.display(), args.join(" ")).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// What is done in [`RUN_SECS`] by somebody who did a part in so many seconds.
fn fitting(part: usize, secs: f64, asked: usize) -> usize {
    let count = part as f64 * RUN_SECS / secs;
    // A float that is too large becomes the largest integer.
    (count as usize).clamp(part, asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_rival_gets_what_it_does_in_a_few_seconds_and_a_fast_one_everything() {
        assert_eq!(fitting(1000, 1.0, 64_000), 3000);
        assert_eq!(fitting(1000, 0.01, 64_000), 64_000);
        assert_eq!(fitting(1000, 0.0, 64_000), 64_000);
        assert_eq!(
            fitting(1000, 60.0, 64_000),
            1000,
            "a part can always be done"
        );
    }
}
