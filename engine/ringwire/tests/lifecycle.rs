//! Starting and stopping over and over: nothing may be left behind, and nothing may hang.
//!
//! One test per program: the counts of descriptors and threads are those of the whole process.

mod common;

use std::time::{Duration, Instant};

use common::{builder, descriptors, resident_kib, settled, skip_without_ring, threads};

/// How long a shutdown is waited for: generous, for a machine that does other work.
const WITHIN: Duration = Duration::from_secs(30);

/// Starts and stops in a plain run; with [`ENDURANCE`] set, a thousand.
const ROUNDS: u16 = 150;
const ENDURANCE: &str = "RINGWIRE_ENDURANCE";

#[test]
fn many_starts_and_a_hundred_engines_at_once_leave_nothing_behind() {
    if skip_without_ring() {
        return;
    }
    // What is set up once and for all shall not count.
    start_and_stop(1);
    start_and_stop(3);
    let (descriptors_before, threads_before) = (descriptors(), threads());

    start_and_stop_many();
    start_a_hundred_at_once();

    assert!(
        settled(threads, threads_before),
        "{} threads, {threads_before} before",
        threads()
    );
    assert!(
        settled(descriptors, descriptors_before),
        "{} descriptors, {descriptors_before} before",
        descriptors()
    );
}

fn start_and_stop_many() {
    let rounds = if std::env::var_os(ENDURANCE).is_some() {
        1000
    } else {
        eprintln!("SHORTENED to {ROUNDS} rounds: set {ENDURANCE}=1 for a thousand");
        ROUNDS
    };
    let (started, memory_before) = (Instant::now(), resident_kib());
    for round in 0..rounds {
        start_and_stop(1 + round % 3);
    }
    let grown = resident_kib().saturating_sub(memory_before);
    println!(
        "{rounds} starts and stops took {:?}, memory grew by {grown} KiB",
        started.elapsed()
    );
    assert!(
        grown < 32 * 1024,
        "{rounds} engines left {grown} KiB behind"
    );
}

fn start_a_hundred_at_once() {
    let started = Instant::now();
    let engines: Vec<_> = (0..100)
        .map(|_| builder(1).start().expect("an engine among many"))
        .collect();
    println!("100 engines at once started in {:?}", started.elapsed());
    for engine in &engines {
        engine
            .handle()
            .shutdown_blocking(WITHIN)
            .expect("an orderly end");
    }
}

fn start_and_stop(shards: u16) {
    let engine = builder(shards).start().expect("an engine");
    engine
        .handle()
        .shutdown_blocking(WITHIN)
        .expect("an orderly end");
}
