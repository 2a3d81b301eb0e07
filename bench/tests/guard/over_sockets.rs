//! System calls per message of two whole nodes over loopback, one as fast as it can to the other.
//!
//! Counted by the nodes themselves: how often their rings entered the kernel. A turn of a shard
//! enters once, whatever it has to do, so the figure tells how well turns are filled, and whether
//! records still share a write.
//!
//! How many messages meet in a turn depends on who runs when. So both nodes share one CPU here: then
//! each does all it can before the other runs, whatever else the machine does, and the figure repeats
//! within a tenth. On a CPU each it varies twofold.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use ringwire::peer::Framing;
use ringwire_bench::engine::reactors::{Sink, Source};
use ringwire_bench::engine::{DATA, Failure, Setup, Star, channel, wait_for};
use ringwire_bench::measure::pin_to;

use crate::baseline::{Baseline, alone, compare};
use crate::way;

/// Name, record layer, bytes of a message, and how many are sent.
const SCENARIOS: [(&str, Framing, usize, usize); 6] = [
    ("wide 200", Framing::Wide, 200, 100_000),
    ("wide 1024", Framing::Wide, 1024, 50_000),
    ("wide 65536", Framing::Wide, 65_536, 2_000),
    ("comet 200", Framing::Comet, 200, 100_000),
    ("comet 1024", Framing::Comet, 1024, 50_000),
    ("comet 65536", Framing::Comet, 65_536, 1_000),
];
/// Runs of which the best counts.
const RUNS: usize = 3;
/// How many times the baseline is let pass: kernels differ in what a socket takes at once.
const TOLERANCE: f64 = 1.5;
/// Messages that may wait for the link: as many as a bulk sender would allow.
const QUEUE: usize = 1000;

#[test]
fn a_message_costs_no_more_system_calls_than_the_baseline_allows() {
    let _alone = alone();
    if way::skip_without_ring() {
        return;
    }
    // The threads of the nodes are started from here and inherit it.
    let cpus = ringwire::machine::available_cpus();
    pin_to(*cpus.first().expect("this thread may run somewhere"));
    let mut measured = BTreeMap::new();
    for (name, framing, message_bytes, count) in SCENARIOS {
        let runs = (0..RUNS).map(|_| {
            let calls = system_calls(framing, message_bytes, count);
            calls.unwrap_or_else(|error| panic!("{name}: {error}"))
        });
        let runs: Vec<f64> = runs.collect();
        println!("{name}: {runs:.5?}");
        measured.insert(
            String::from(name),
            runs.into_iter().fold(f64::INFINITY, f64::min),
        );
    }
    if Baseline::rewrite(|baseline| baseline.over_sockets = measured.clone()) {
        return;
    }
    compare(
        &measured,
        &Baseline::committed().over_sockets,
        |now, was| match *now > was * TOLERANCE {
            true => vec![format!("system calls {now:.5} > {TOLERANCE} × {was:.5}")],
            false => Vec::new(),
        },
    );
}

/// System calls per message, both nodes together, from the first message to the last.
fn system_calls(framing: Framing, message_bytes: usize, count: usize) -> Result<f64, Failure> {
    let channels = || vec![channel(DATA, 5, QUEUE)];
    let message = Bytes::from(vec![7; message_bytes]);
    let (done, finished) = mpsc::channel();
    let star = Star::connect(
        Setup::asleep(framing),
        1,
        move || Source::new(channels(), message.clone(), count),
        move |_| Sink {
            channels: channels(),
            expected: count,
            message_bytes,
            delay: Duration::ZERO,
            done: done.clone(),
        },
    )?;
    let before = star.system_calls();
    star.fire(DATA)?;
    wait_for(&finished, 1)?;
    let calls = star.system_calls() - before;
    star.stop()?;
    Ok(calls as f64 / count as f64)
}
