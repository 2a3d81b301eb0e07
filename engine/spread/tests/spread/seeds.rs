//! Ringwire's gossip on a thousand small networks with faults: no payload is lost, none comes twice.
//!
//! Each test plays `RINGWIRE_SPREAD_SEEDS` seeds, 170 where that is not set; six tests are 1,020 networks.

use std::time::Duration;

use ringwire_spread::feeds::FeedsNode;
use ringwire_spread::network::Model;
use ringwire_spread::scenario::Origins;
use ringwire_spread::{NodeIndex, Scenario, run};

/// More than any of these networks needs; what is kept grows with links and origins, not with the length of a
/// run.
const STATE_BYTES_MAX: u64 = 128 * 1024;

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no arguments that it could read"
)]
fn seeds() -> u64 {
    let seeds = std::env::var("RINGWIRE_SPREAD_SEEDS");
    seeds.map_or(170, |seeds| {
        seeds.parse().expect("RINGWIRE_SPREAD_SEEDS is a number")
    })
}

/// From 30 to 60 nodes with eight links each: so many that hardly ever all of a node's neighbours are silent.
fn small(seed: u64) -> Scenario {
    let payloads = [200, 1024, 4096, 60_000];
    Scenario {
        seed,
        nodes: 30 + (seed % 31) as u32,
        degree: 8,
        origins: Origins::Some(2),
        payload_bytes: payloads[(seed % 4) as usize],
        warm: 3,
        messages: 6,
        // A digest has been sent to each of eight links after four seconds.
        settle: Duration::from_secs(8),
        ..Scenario::default()
    }
}

/// Every second node publishes bundles.
fn node(node: NodeIndex, seed: u64) -> FeedsNode {
    match node.0 % 2 {
        0 => FeedsNode::new(node, seed),
        _ => FeedsNode::bundling(node, seed),
    }
}

fn assert_whole(first_seed: u64, scenario: impl Fn(Scenario) -> Scenario) {
    for seed in first_seed..first_seed + seeds() {
        let scenario = scenario(small(seed));
        let report = run(&scenario, node, |_, _| ()).expect("the scenario is sound");
        let case = format!("{scenario:?}: {} of {}", report.delivered, report.due);
        assert!(report.is_whole(), "{case}, {} doubled", report.doubled);
        assert!(
            report.state_bytes < STATE_BYTES_MAX,
            "{case}: {} B",
            report.state_bytes
        );
    }
}

#[test]
fn nothing_is_lost_where_all_is_well() {
    assert_whole(0, |scenario| scenario);
}

#[test]
fn nothing_is_lost_when_a_fifth_of_all_nodes_falls_silent() {
    assert_whole(1_000_000, |scenario| Scenario {
        silent: 0.2,
        ..scenario
    });
}

#[test]
fn nothing_is_lost_while_nodes_come_and_go() {
    assert_whole(2_000_000, |scenario| Scenario {
        churn: 0.5,
        ..scenario
    });
}

#[test]
fn nothing_is_lost_while_nodes_fall_silent_come_and_go() {
    assert_whole(3_000_000, |scenario| Scenario {
        silent: 0.1,
        churn: 0.5,
        ..scenario
    });
}

#[test]
fn nothing_is_lost_on_slow_lines_with_cold_windows() {
    assert_whole(4_000_000, |scenario| Scenario {
        model: Model {
            bits_per_second: Some(5_000_000),
            slow_start: true,
            ..Model::default()
        },
        interval: Duration::from_millis(500),
        ..scenario
    });
}

#[test]
fn nothing_is_lost_where_every_node_publishes() {
    assert_whole(5_000_000, |scenario| Scenario {
        origins: Origins::All,
        warm: 1,
        payload_bytes: 200,
        interval: Duration::from_millis(20),
        ..scenario
    });
}
