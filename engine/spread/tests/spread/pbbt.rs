//! Celestia's propagation reactor does what its authors claim, and what it costs.

use std::time::Duration;

use ringwire_spread::contenders::{Flood, Pbbt};
use ringwire_spread::scenario::Origins;
use ringwire_spread::{Report, Scenario, run};

/// Blocks of so many parts of 64 KiB.
fn blocks(parts: u32) -> Scenario {
    Scenario {
        nodes: 60,
        degree: 10,
        origins: Origins::Some(2),
        warm: 1,
        messages: 4,
        payload_bytes: parts * 64 * 1024,
        interval: Duration::from_secs(5),
        settle: Duration::from_secs(20),
        ..Scenario::default()
    }
}

fn pbbt(scenario: &Scenario) -> Report {
    run(scenario, |_, _| Pbbt::default(), |_, _| ()).expect("the scenario is sound")
}

#[test]
fn blocks_of_all_lengths_come_once() {
    for payload_bytes in [1000, 64 * 1024, 64 * 1024 + 1, 1 << 20] {
        let report = pbbt(&Scenario {
            payload_bytes,
            ..blocks(1)
        });
        assert!(report.is_whole(), "{payload_bytes}: {report:?}");
    }
}

#[test]
fn a_proposer_sends_its_block_hardly_more_than_once() {
    let report = pbbt(&blocks(64));
    // Each parity part once, and two data parts to each of ten peers.
    let expected = 1.0 + 2.0 * 10.0 / 64.0;
    assert!(
        (expected - 0.1..=expected + 0.1).contains(&report.origin_uplink),
        "{}",
        report.origin_uplink
    );
}

#[test]
fn large_blocks_cost_less_than_two_copies_and_arrive_sooner_than_flooded_ones() {
    let scenario = blocks(32);
    let report = pbbt(&scenario);
    assert!((1.0..2.0).contains(&report.copies), "{}", report.copies);
    let flood = run(&scenario, |_, _| Flood::default(), |_, _| ()).expect("it is sound");
    assert!(report.most < flood.most / 2, "{report:?}");
}

#[test]
fn blocks_of_few_parts_are_asked_for_twice() {
    let (few, more) = (pbbt(&blocks(16)), pbbt(&blocks(17)));
    assert!(few.copies > more.copies + 0.5, "{few:?} and {more:?}");
}

#[test]
fn parts_that_only_the_silent_were_offered_cost_a_timer() {
    let scenario = Scenario {
        silent: 0.3,
        ..blocks(32)
    };
    let report = pbbt(&scenario);
    assert!(report.is_whole(), "{report:?}");
    // Three in ten parity parts went nowhere, so nobody can decode before the proposer is asked again.
    assert!(report.half > Duration::from_millis(2500), "{report:?}");
}

#[test]
fn a_new_node_takes_part() {
    let scenario = Scenario {
        churn: 0.5,
        ..blocks(8)
    };
    let report = pbbt(&scenario);
    assert!(report.is_whole(), "{report:?}");
}
