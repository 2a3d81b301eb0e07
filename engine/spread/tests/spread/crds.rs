//! Solana's push and pull against what its code promises.

use std::time::Duration;

use ringwire_spread::contenders::Crds;
use ringwire_spread::scenario::Origins;
use ringwire_spread::{Report, Scenario, run};

fn scenario() -> Scenario {
    Scenario {
        nodes: 100,
        degree: 8,
        origins: Origins::Some(4),
        warm: 30,
        ..Scenario::default()
    }
}

fn crds(scenario: &Scenario) -> Report {
    run(scenario, |_, _| Crds::default(), |_, _| ()).expect("the scenario is sound")
}

#[test]
fn after_twenty_values_of_an_origin_each_node_keeps_two_feeds_of_it() {
    let report = crds(&scenario());
    assert!(report.is_whole(), "{report:?}");
    // A value goes back to who sent it, too: a copy for each link and not one less.
    for cold in &report.copies_by_seq[..18] {
        assert!((7.5..=8.0).contains(cold), "{cold}");
    }
    assert!((2.0..=2.2).contains(&report.copies), "{}", report.copies);
}

#[test]
fn with_more_links_than_active_peers_fanout_bounds_the_cold_copies_and_rotation_brings_some_back() {
    let report = crds(&Scenario {
        degree: 16,
        warm: 60,
        ..scenario()
    });
    assert!(report.is_whole(), "{report:?}");
    let cold = report.copies_by_seq[0];
    assert!((8.5..=9.3).contains(&cold), "{cold}");
    assert!((2.3..6.0).contains(&report.copies), "{}", report.copies);
}

#[test]
fn who_loses_both_feeds_waits_for_pull() {
    let report = crds(&Scenario {
        silent: 0.3,
        settle: Duration::from_secs(15),
        ..scenario()
    });
    assert!(report.is_whole(), "{report:?}");
    assert!(report.all > Duration::from_secs(2), "{:?}", report.all);
}

#[test]
fn new_nodes_are_served_before_anybody_pushes_to_them() {
    let report = crds(&Scenario {
        churn: 0.5,
        interval: Duration::from_secs(1),
        settle: Duration::from_secs(15),
        ..scenario()
    });
    assert!(report.is_whole(), "{report:?}");
}
