//! Starting and stopping over and over: nothing may be left behind, and nothing may hang.
//!
//! One test per program: the counts of descriptors and threads are those of the whole process.

mod common;

use std::time::{Duration, Instant};

use common::{builder, descriptors, settled, skip_without_ring, threads};

const WITHIN: Duration = Duration::from_secs(2);

#[test]
fn a_thousand_starts_and_a_hundred_engines_at_once_leave_nothing_behind() {
    if skip_without_ring() {
        return;
    }
    start_and_stop(1);
    start_and_stop(3);
    let (descriptors_before, threads_before) = (descriptors(), threads());
    let memory_before = common::resident_kib();

    let started = Instant::now();
    for round in 0..1000 {
        start_and_stop(1 + round % 3);
    }
    println!("1000 starts and stops of 1 to 3 shards took {:?}", started.elapsed());

    let started = Instant::now();
    let engines: Vec<_> =
        (0..100).map(|_| builder(1).start().expect("an engine among many")).collect();
    println!("100 engines at once started in {:?}", started.elapsed());
    for engine in &engines {
        engine.shutdown_blocking(WITHIN).expect("an orderly end");
    }
    drop(engines);

    assert!(settled(threads, threads_before), "{} threads, {threads_before} before", threads());
    assert!(
        settled(descriptors, descriptors_before),
        "{} descriptors, {descriptors_before} before",
        descriptors()
    );
    let grown = common::resident_kib().saturating_sub(memory_before);
    println!("resident memory grew by {grown} KiB");
    assert!(grown < 64 * 1024, "1100 engines left {grown} KiB behind");
}

fn start_and_stop(shards: u16) {
    let engine = builder(shards).start().expect("an engine");
    engine.shutdown_blocking(WITHIN).expect("an orderly end");
}
