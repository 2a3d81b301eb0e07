//! `fan-out`: one node to fifty, and to two hundred with `--full`; and what one receiver that
//! takes 20 ms for a message costs the others.
//!
//! All nodes are shards of one process and share its CPUs.

use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use ringwire::peer::Framing;
use ringwire::reactor::ChannelDescriptor;

use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::engine::reactors::{Sink, Source};
use crate::engine::{BY_READINESS, DATA, Setup, Star, channel, wait_for};
use crate::limit;
use crate::measure::Stopwatch;
use crate::outcome::Outcome;

/// Messages that may wait per peer.
const QUEUE: usize = 64;
/// How long the slow receiver takes for a message: the reference's own bench uses the same.
const SLOW: Duration = Duration::from_millis(20);

/// What is sent to all.
#[derive(Clone, Copy)]
pub(super) struct Spread {
    /// Bytes of a message.
    pub(super) message_bytes: usize,
    /// Messages to each receiver.
    pub(super) each: usize,
    /// Who gets them.
    pub(super) receivers: u32,
    /// How long the first receiver takes for each; it is waited for only if it is as fast as the
    /// others, and never counted.
    pub(super) slow: Option<Duration>,
}

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let mut cases = Vec::new();
    let all: &[u32] = if plan.full { &[50, 200] } else { &[50] };
    for framing in FRAMINGS {
        for receivers in all {
            for kib in [1usize, 64] {
                cases.push(case(plan, framing, *receivers, kib << 10));
            }
        }
        cases.push(slow_case(plan, framing));
    }
    cases
}

fn case(plan: &Plan, framing: Framing, receivers: u32, message_bytes: usize) -> Case {
    let total: usize = plan.amount(50 << 20, 1 << 30);
    let work = Spread {
        message_bytes,
        each: total / message_bytes / receivers as usize,
        receivers,
        slow: None,
    };
    let name = format!("1 → {receivers} {} KiB", message_bytes >> 10);
    Case::new("fan-out", framing, name)
        .with_some("limit", limit(plan, framing, work))
        .with("ringwire", move || spread(Setup::polled(framing), work))
        .with(BY_READINESS, move || {
            spread(Setup::polled(framing).by_readiness(), work)
        })
}

/// The same work twice, the first receiver slow or not; both times only the others are counted.
fn slow_case(plan: &Plan, framing: Framing) -> Case {
    let with = |slow| Spread {
        message_bytes: 65_536,
        each: plan.amount(40, 320),
        receivers: 50,
        slow: Some(slow),
    };
    let (fast, slow) = (with(Duration::ZERO), with(SLOW));
    Case::new("fan-out", framing, "1 → 50 64 KiB one slow")
        .with("all fast", move || spread(Setup::polled(framing), fast))
        .with("ringwire", move || spread(Setup::polled(framing), slow))
}

pub(super) fn limit(
    plan: &Plan,
    framing: Framing,
    work: Spread,
) -> Option<impl FnMut() -> Ran + 'static> {
    let (cpus, receivers) = (plan.cpus, work.receivers as usize);
    let each = work.each * work.message_bytes;
    plan.limit.then_some(move || -> Ran {
        let sample = limit::fan_out(framing, each, receivers, cpus)?;
        Ok(Outcome {
            messages: 0,
            ..Outcome::moved(&sample, receivers as u64, each as u64)
        })
    })
}

fn channels() -> Vec<ChannelDescriptor> {
    vec![channel(DATA, 5, QUEUE)]
}

pub(super) fn spread(setup: Setup, work: Spread) -> Ran {
    let (done, finished) = mpsc::channel();
    let (ignored, _unread) = mpsc::channel();
    let message = Bytes::from(vec![0x5a; work.message_bytes]);
    let star = Star::connect(
        setup,
        work.receivers,
        move || Source::new(channels(), message.clone(), work.each),
        move |number| {
            let odd = work.slow.filter(|_| number == 1);
            Sink {
                channels: channels(),
                expected: work.each,
                message_bytes: work.message_bytes,
                delay: odd.unwrap_or_default(),
                done: if odd.is_some() { &ignored } else { &done }.clone(),
            }
        },
    )?;
    let counted = work.receivers - u32::from(work.slow.is_some());
    let stopwatch = Stopwatch::start();
    star.fire(DATA)?;
    wait_for(&finished, counted as usize)?;
    let sample = stopwatch.stop();
    star.stop()?;
    let messages = work.each as u64 * u64::from(counted);
    Ok(Outcome::moved(&sample, messages, work.message_bytes as u64))
}
