//! The model against what can be computed by hand.

use std::time::Duration;

use ringwire_spread::contenders::Flood;
use ringwire_spread::network::{FIRST_CHUNK_BYTES, Model};
use ringwire_spread::report::NEVER;
use ringwire_spread::scenario::Origins;
use ringwire_spread::{Report, Scenario, run};

fn small() -> Scenario {
    Scenario {
        nodes: 100,
        degree: 8,
        origins: Origins::Some(2),
        warm: 1,
        messages: 6,
        ..Scenario::default()
    }
}

fn flood(scenario: &Scenario) -> Report {
    run(scenario, |_, _| Flood::default(), |_, _| ()).expect("the scenario is sound")
}

#[test]
fn flooding_costs_one_copy_for_each_link_but_the_one_that_was_first() {
    let free = Model {
        bits_per_second: None,
        jitter: 0.0,
        ..Model::default()
    };
    let report = flood(&Scenario {
        model: free,
        ..small()
    });
    assert!(report.is_whole(), "{report:?}");
    // Two cycles may share a pair, so a node has a little less than eight links.
    assert!((6.5..=7.0).contains(&report.copies), "{}", report.copies);
}

#[test]
fn headers_are_those_of_records_packets_and_segments() {
    let report = flood(&Scenario {
        model: Model {
            bits_per_second: None,
            ..Model::default()
        },
        ..small()
    });
    // 4,101 bytes in one record: 4 of a packet, 21 of the record, three segments of 52.
    let each_copy = (4.0 + 21.0 + 3.0 * 52.0) / 4096.0;
    let expected = report.copies * each_copy;
    assert!(
        (report.header_share - expected).abs() < 1e-9,
        "{} and {expected}",
        report.header_share
    );
}

#[test]
fn what_fits_into_a_first_turn_leaves_in_one_and_a_byte_more_in_two() {
    let half = |payload_bytes| {
        let model = Model {
            bits_per_second: Some(10_000_000),
            jitter: 0.0,
            ..Model::default()
        };
        let report = flood(&Scenario {
            model,
            payload_bytes,
            ..small()
        });
        report.half.as_secs_f64()
    };
    // Flooding adds five bytes to a payload.
    let fits = FIRST_CHUNK_BYTES - 5;
    assert!(fits >= 4096);
    let (one_turn, two_turns) = (half(fits), half(fits + 1));
    assert!(two_turns > 1.1 * one_turn, "{one_turn} and {two_turns} s");
    assert!((half(fits - 1) / one_turn - 1.0).abs() < 0.01);
}

#[test]
fn a_run_that_ends_too_early_says_never() {
    let scenario = Scenario {
        settle: Duration::from_millis(1),
        ..small()
    };
    let report = flood(&scenario);
    assert!(!report.is_whole());
    assert_eq!(report.most, NEVER);
}

#[test]
fn a_little_churn_is_played_too() {
    let scenario = Scenario {
        churn: 1e-300,
        ..small()
    };
    assert!(flood(&scenario).is_whole());
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let again = |seed| flood(&Scenario { seed, ..small() });
    assert_eq!(again(1), again(1));
    assert_ne!(again(1).trace, again(2).trace);
}

#[test]
fn nodes_of_one_building_are_as_near_as_they_are_said_to_be() {
    let half = |distance| {
        let model = Model {
            bits_per_second: None,
            jitter: 0.0,
            distance,
            ..Model::default()
        };
        let report = flood(&Scenario { model, ..small() });
        (report.half.as_secs_f64(), report.direct_half.as_secs_f64())
    };
    let ((far, far_direct), (near, near_direct)) = (half(1.0), half(0.01));
    assert!((far / near / 100.0 - 1.0).abs() < 1e-3, "{far} and {near}");
    let direct = far_direct / near_direct;
    assert!((direct / 100.0 - 1.0).abs() < 1e-3, "{direct}");
}

#[test]
fn copies_cost_time_on_a_shared_uplink() {
    let slow = |bits_per_second| {
        let model = Model {
            bits_per_second,
            ..Model::default()
        };
        let payload_bytes = 1 << 20;
        flood(&Scenario {
            model,
            payload_bytes,
            interval: Duration::from_secs(20),
            settle: Duration::from_secs(30),
            ..small()
        })
    };
    let (free, shared) = (slow(None), slow(Some(100_000_000)));
    assert!(free.is_whole() && shared.is_whole());
    // Eight links share the origin's uplink: the first copy leaves whole after eight times 84 ms.
    assert!(
        shared.half > free.half + Duration::from_millis(600),
        "{shared:?}"
    );
}

#[test]
fn a_cold_window_costs_round_trips() {
    let report = |slow_start| {
        let model = Model {
            slow_start,
            ..Model::default()
        };
        flood(&Scenario {
            model,
            payload_bytes: 128 * 1024,
            interval: Duration::from_secs(5),
            ..small()
        })
    };
    let (open, cold) = (report(false), report(true));
    assert!(cold.is_whole());
    assert!(
        cold.half > open.half + Duration::from_millis(100),
        "{cold:?}"
    );
}

#[test]
fn the_silent_hear_and_the_new_get_what_comes_after_them() {
    let scenario = Scenario {
        silent: 0.2,
        churn: 0.5,
        interval: Duration::from_secs(1),
        ..small()
    };
    let report = flood(&scenario);
    assert!(report.is_whole(), "flooding is immune: {report:?}");
    let due_to_all = 6 * 99;
    assert!(
        report.due < due_to_all - 6 * 19,
        "silent and new nodes are not counted"
    );
}
