//! CAT does what its authors claim, and what it costs.

use std::time::Duration;

use ringwire_spread::contenders::{Cat, Flood};
use ringwire_spread::network::Model;
use ringwire_spread::scenario::Origins;
use ringwire_spread::{Report, Scenario, run};

fn small() -> Scenario {
    Scenario {
        nodes: 100,
        degree: 10,
        origins: Origins::Some(2),
        warm: 2,
        messages: 10,
        ..Scenario::default()
    }
}

fn free(payload_bytes: u32) -> Scenario {
    Scenario {
        payload_bytes,
        model: Model {
            bits_per_second: None,
            jitter: 0.0,
            ..Model::default()
        },
        ..small()
    }
}

fn cat(scenario: &Scenario) -> Report {
    run(scenario, |_, salt| Cat::new(salt), |_, _| ()).expect("the scenario is sound")
}

#[test]
fn everything_comes_once_and_is_sent_once() {
    for (payload_bytes, degree) in [(200, 8), (4096, 10), (128 * 1024, 16)] {
        let report = cat(&Scenario {
            payload_bytes,
            degree,
            interval: Duration::from_secs(1),
            ..small()
        });
        assert!(report.is_whole(), "{report:?}");
        assert!((report.copies - 1.0).abs() < 1e-9, "{}", report.copies);
    }
}

#[test]
fn a_hop_costs_three_ways_instead_of_one() {
    let scenario = free(1024);
    let flood = run(&scenario, |_, _| Flood::default(), |_, _| ()).expect("it is sound");
    let ratio = cat(&scenario).half.as_secs_f64() / flood.half.as_secs_f64();
    // A little more than three, since the first announcer is asked, who may be far.
    assert!((3.0..=4.0).contains(&ratio), "{ratio}");
}

#[test]
fn transactions_of_one_signer_come_in_order_however_close_they_are() {
    let scenario = Scenario {
        origins: Origins::Some(1),
        messages: 60,
        interval: Duration::from_millis(2),
        ..small()
    };
    let report = cat(&scenario);
    assert!(report.is_whole(), "{report:?}");
}

#[test]
fn the_silent_announce_nothing_so_nobody_waits_for_them() {
    let report = cat(&Scenario {
        silent: 0.3,
        ..small()
    });
    assert!(report.is_whole(), "{report:?}");
    assert!(report.all < Duration::from_secs(1), "{report:?}");
}

#[test]
fn who_falls_silent_with_a_request_holds_up_all_that_the_signer_sends_later() {
    let coverage = |silent| {
        let scenario = Scenario {
            silent,
            interval: Duration::from_millis(500),
            // The last transactions of the warm part are under way when nodes fall silent.
            settle: Duration::from_millis(200),
            ..small()
        };
        cat(&scenario).coverage()
    };
    let (healthy, stuck) = (coverage(0.0), coverage(0.3));
    assert!(healthy > 0.9, "only the last is cut off: {healthy}");
    // The timer takes a minute, and sequences wait for each other.
    assert!(stuck < healthy - 0.1, "{stuck} against {healthy}");
}

#[test]
fn a_new_node_takes_part() {
    let scenario = Scenario {
        churn: 0.5,
        messages: 60,
        ..small()
    };
    let report = cat(&scenario);
    assert!(report.coverage() > 0.99, "{report:?}");
    assert_eq!(report.doubled, 0);
}
