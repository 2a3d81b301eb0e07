//! `ping-pong`: a message there and back, with nothing else on the link or beside bulk.
//!
//! *Asleep*: both sides sleep in the kernel between messages; *polled*: both watch for up to 50 µs
//! before they sleep; *bulk*: 64 KiB messages fill the link in the direction of the ping, on a
//! channel of higher priority, as block parts do.

use std::sync::mpsc;
use std::time::Instant;

use bytes::Bytes;
use ringwire::peer::Framing;
use ringwire::reactor::ChannelDescriptor;

use super::rivals;
use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::engine::reactors::{Bouncer, Pinger, Source, histogram};
use crate::engine::{BY_READINESS, DATA, Setup, Star, VOTE, channel, wait_for};
use crate::limit;
use crate::outcome::Outcome;

/// Bytes of a bulk message.
const BULK_BYTES: usize = 65_536;

#[derive(Clone, Copy, PartialEq)]
enum Load {
    Asleep,
    Polled,
    Bulk,
}

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let mut cases = Vec::new();
    for framing in FRAMINGS {
        for bytes in [64, 1024] {
            for load in [Load::Asleep, Load::Polled, Load::Bulk] {
                cases.push(case(plan, framing, bytes, load));
            }
        }
    }
    cases
}

fn case(plan: &Plan, framing: Framing, bytes: usize, load: Load) -> Case {
    let (how, rounds) = match load {
        Load::Asleep => ("asleep", plan.amount(500, 20_000)),
        Load::Polled => ("polled", plan.amount(500, 20_000)),
        Load::Bulk => ("bulk", plan.amount(200, 5_000)),
    };
    let (polled, cpus) = (load == Load::Polled, plan.cpus);
    let wants_limit = plan.limit && load != Load::Bulk;
    let limit = wants_limit.then_some(move || -> Ran {
        let histogram = limit::ping_pong(framing, bytes, rounds, polled, cpus)?;
        Ok(Outcome::timed(&histogram))
    });
    let case = Case::new("ping-pong", framing, format!("{bytes} B {how}"))
        .with_some("limit", limit)
        .with("ringwire", move || {
            ringwire(setup(framing, load), bytes, rounds, load)
        })
        .with(BY_READINESS, move || {
            ringwire(setup(framing, load).by_readiness(), bytes, rounds, load)
        });
    match load {
        Load::Bulk | Load::Polled => case,
        Load::Asleep => rivals::ping_pong(plan, case, framing, bytes, rounds),
    }
}

fn channels() -> Vec<ChannelDescriptor> {
    vec![channel(DATA, 10, 100), channel(VOTE, 7, 100)]
}

fn setup(framing: Framing, load: Load) -> Setup {
    match load {
        Load::Asleep => Setup::asleep(framing),
        Load::Polled | Load::Bulk => Setup::polled(framing),
    }
}

fn ringwire(setup: Setup, bytes: usize, rounds: u64, load: Load) -> Ran {
    let (done, finished) = mpsc::channel();
    let bulk = if load == Load::Bulk { usize::MAX } else { 0 };
    let star = Star::connect(
        setup,
        1,
        move || Pinger {
            channel: VOTE,
            message: Bytes::from(vec![0x5a; bytes]),
            left: rounds,
            sent_at: Instant::now(),
            histogram: histogram(),
            bulk: Source::new(channels(), Bytes::from(vec![0; BULK_BYTES]), bulk),
            done: done.clone(),
        },
        |_| Bouncer {
            channels: channels(),
            channel: VOTE,
        },
    )?;
    star.fire(VOTE)?;
    let histogram = wait_for(&finished, 1)?.remove(0);
    star.stop()?;
    Ok(Outcome::timed(&histogram))
}
