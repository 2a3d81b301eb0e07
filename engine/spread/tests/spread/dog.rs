//! DOG against what its authors say of it.

use std::time::Duration;

use ringwire_spread::contenders::{Dog, DogConfig, Reset};
use ringwire_spread::scenario::Origins;
use ringwire_spread::{Report, Scenario, run};

/// Long enough for the controllers, at one complaint of each node a second: 75 s.
fn scenario(origins: u32) -> Scenario {
    Scenario {
        nodes: 100,
        degree: 8,
        origins: Origins::Some(origins),
        warm: 300 / origins,
        ..Scenario::default()
    }
}

fn dog(scenario: &Scenario, config: DogConfig) -> Report {
    run(scenario, |_, _| Dog::new(config), |_, _| ()).expect("the scenario is sound")
}

#[test]
fn it_begins_as_flooding_and_ends_at_two_copies() {
    let report = dog(&scenario(1), DogConfig::default());
    assert!(report.is_whole(), "{report:?}");
    let first = report.copies_by_seq[0];
    assert!((6.5..=7.0).contains(&first), "{first}");
    assert!((1.7..=2.2).contains(&report.copies), "{}", report.copies);
}

#[test]
fn the_target_says_how_many_copies_there_are() {
    let config = DogConfig {
        target_redundancy: 2.0,
        ..DogConfig::default()
    };
    let report = dog(&scenario(1), config);
    assert!(report.is_whole(), "{report:?}");
    assert!((2.6..=3.3).contains(&report.copies), "{}", report.copies);
}

#[test]
fn duplicates_of_one_origin_hide_that_another_is_missing() {
    for reset in [Reset::One, Reset::All] {
        let config = DogConfig {
            reset,
            ..DogConfig::default()
        };
        let report = dog(&scenario(4), config);
        assert_eq!(report.doubled, 0);
        assert!(report.copies > 1.7, "two copies on average: {report:?}");
        let coverage = report.coverage();
        assert!((0.9..1.0).contains(&coverage), "{reset:?}: {coverage}");
    }
}

#[test]
fn lost_peers_are_forgotten_and_new_ones_are_served() {
    let scenario = Scenario {
        churn: 0.5,
        interval: Duration::from_secs(1),
        warm: 40,
        ..scenario(1)
    };
    let report = dog(&scenario, DogConfig::default());
    assert_eq!(report.doubled, 0);
    assert!(report.coverage() > 0.97, "{report:?}");
}
