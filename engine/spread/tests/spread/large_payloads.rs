//! Large payloads in coded shards, over whole networks: what they cost and how fast they are.

use std::time::Duration;

use ringwire_spread::large::LargeNode;
use ringwire_spread::network::Model;
use ringwire_spread::scenario::Origins;
use ringwire_spread::{Report, Scenario, run};

fn scenario() -> Scenario {
    Scenario {
        nodes: 60,
        degree: 10,
        origins: Origins::Some(2),
        payload_bytes: 512 * 1024,
        warm: 4,
        messages: 4,
        interval: Duration::from_secs(2),
        settle: Duration::from_secs(5),
        ..Scenario::default()
    }
}

fn play(scenario: &Scenario) -> Report {
    let make = |node, seed| LargeNode::new(node, seed, scenario.nodes);
    run(scenario, make, |_, _| ()).expect("the scenario is sound")
}

#[test]
fn payloads_of_all_lengths_come_once() {
    for payload_bytes in [128 * 1024 + 1, 1_000_000, 5 << 20] {
        let report = play(&Scenario {
            nodes: 20,
            degree: 6,
            warm: 1,
            messages: 2,
            payload_bytes,
            ..scenario()
        });
        assert!(report.is_whole(), "{payload_bytes}: {report:?}");
    }
}

#[test]
fn payloads_that_are_all_published_at_once_take_little_longer_than_the_lines_do() {
    // Each node is behind by seconds: whoever is only busy must not be taken for one that keeps shards back.
    let bits_per_second = 300_000_000;
    let scenario = Scenario {
        nodes: 8,
        degree: 6,
        origins: Origins::All,
        payload_bytes: 1 << 20,
        warm: 0,
        messages: 64,
        interval: Duration::ZERO,
        model: Model {
            bits_per_second: Some(bits_per_second),
            jitter: 0.0,
            distance: 0.001,
            ..Model::default()
        },
        ..Scenario::default()
    };
    let report = play(&scenario);
    assert!(report.is_whole(), "{report:?}");
    let payloads = f64::from(scenario.messages * scenario.payload_bytes);
    let lines = Duration::from_secs_f64(payloads * 8.0 / bits_per_second as f64);
    assert!(report.all < lines.mul_f64(1.25), "{:?}", report.all);
    assert!(report.copies < 1.2, "{} copies", report.copies);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(play(&scenario()).trace, play(&scenario()).trace);
}

#[test]
fn a_payload_costs_hardly_more_than_a_copy_and_leaves_its_origin_about_once() {
    let report = play(&scenario());
    assert!(report.is_whole(), "{report:?}");
    assert!(
        (1.0..1.3).contains(&report.copies),
        "{} copies",
        report.copies
    );
    let uplink = report.origin_uplink;
    assert!((1.0..1.3).contains(&uplink), "{uplink}");
}

#[test]
fn a_fifth_of_silent_nodes_keeps_no_payload_from_the_others() {
    let report = play(&Scenario {
        silent: 0.2,
        settle: Duration::from_secs(15),
        ..scenario()
    });
    assert!(report.is_whole(), "{report:?}");
}
