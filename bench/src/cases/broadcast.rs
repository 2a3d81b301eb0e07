//! `broadcast-drain`: one node to seven, each of which gets every message; throughput is summed
//! over the receivers, as in the reference's own bench.

use ringwire::peer::Framing;

use super::fan_out::{Spread, limit, spread};
use super::rivals;
use crate::case::{Case, FRAMINGS, Plan};
use crate::engine::{BY_READINESS, Setup};

/// Receivers.
const RECEIVERS: u32 = 7;

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let mut cases = Vec::new();
    for framing in FRAMINGS {
        for kib in [1usize, 8, 64, 512] {
            cases.push(case(plan, framing, kib << 10));
        }
    }
    cases
}

fn case(plan: &Plan, framing: Framing, message_bytes: usize) -> Case {
    let total: usize = plan.amount(28 << 20, 1 << 30);
    let each = total / message_bytes / RECEIVERS as usize;
    let work = Spread {
        message_bytes,
        each,
        receivers: RECEIVERS,
        slow: None,
    };
    let name = format!("1 → {RECEIVERS} {} KiB", message_bytes >> 10);
    let case = Case::new("broadcast-drain", framing, name)
        .with_some("limit", limit(plan, framing, work))
        .with("ringwire", move || spread(Setup::polled(framing), work))
        .with(BY_READINESS, move || {
            spread(Setup::polled(framing).by_readiness(), work)
        });
    rivals::broadcast(plan, case, framing, message_bytes, each, RECEIVERS)
}
