//! Plumtree against what its authors say of it.

use std::time::Duration;

use ringwire_spread::contenders::{Plumtree, PlumtreeConfig};
use ringwire_spread::scenario::Origins;
use ringwire_spread::{Report, Scenario, run};

fn scenario() -> Scenario {
    Scenario {
        nodes: 100,
        degree: 8,
        origins: Origins::Some(1),
        warm: 5,
        ..Scenario::default()
    }
}

fn plumtree(scenario: &Scenario) -> Report {
    run(scenario, |_, _| Plumtree::default(), |_, _| ()).expect("the scenario is sound")
}

#[test]
fn one_origin_costs_one_flood_and_then_one_copy() {
    let report = plumtree(&scenario());
    assert!(report.is_whole(), "{report:?}");
    let first = report.copies_by_seq[0];
    assert!((6.5..=7.0).contains(&first), "{first}");
    assert!((1.0..=1.02).contains(&report.copies), "{}", report.copies);
}

#[test]
fn a_broken_tree_mends_itself_and_each_break_costs_a_timeout() {
    let report = plumtree(&Scenario {
        silent: 0.2,
        ..scenario()
    });
    assert!(report.is_whole(), "{report:?}");
    let timeout = PlumtreeConfig::default().graft_timeout;
    assert!(report.all > timeout, "{:?}", report.all);
    assert!(report.copies < 1.5, "{}", report.copies);
}

#[test]
fn messages_under_way_at_once_break_the_tree_that_they_share() {
    let report = |interval| {
        plumtree(&Scenario {
            origins: Origins::Some(4),
            nodes: 300,
            interval,
            ..scenario()
        })
    };
    let apart = report(Duration::from_secs(3));
    let together = report(Duration::from_millis(50));
    assert!(apart.is_whole() && together.is_whole());
    assert!(apart.copies < 1.3, "{}", apart.copies);
    assert!(together.copies > apart.copies + 0.3, "{}", together.copies);
}

#[test]
fn new_nodes_grow_into_the_tree() {
    let report = plumtree(&Scenario {
        churn: 0.5,
        interval: Duration::from_secs(1),
        ..scenario()
    });
    assert!(report.is_whole(), "{report:?}");
}
