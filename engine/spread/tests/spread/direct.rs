//! Direct messages where all are linked with all: one hop while all is well, and nothing is lost or doubled while links
//! break, nodes come, go and fall silent, know different members, or lie.

use std::time::Duration;

use ringwire_gossip::feeds::FeedsConfig;
use ringwire_spread::feeds::FeedsNode;
use ringwire_spread::liars::{Liar, Lie};
use ringwire_spread::overlay::Overlay;
use ringwire_spread::scenario::Origins;
use ringwire_spread::{NodeIndex, Report, Scenario, run};

/// Networks that each test plays.
const SEEDS: u64 = 60;

/// From 8 to 31 nodes, all linked with all. Some of the payloads are too long to go directly.
fn full(seed: u64) -> Scenario {
    let payloads = [200, 4096, 30_000];
    Scenario {
        seed,
        nodes: 8 + (seed % 24) as u32,
        overlay: Overlay::Full,
        origins: Origins::Some(2),
        payload_bytes: payloads[(seed % 3) as usize],
        warm: 3,
        messages: 12,
        settle: Duration::from_secs(10),
        ..Scenario::default()
    }
}

fn member(scenario: &Scenario) -> impl Fn(NodeIndex, u64) -> FeedsNode {
    let nodes = scenario.nodes;
    move |node, seed| FeedsNode::new(node, seed).with_members(node, 0..nodes)
}

fn assert_whole(scenario: &Scenario, make: impl FnMut(NodeIndex, u64) -> FeedsNode) -> Report {
    let report = run(scenario, make, |_, _| ()).expect("the scenario is sound");
    assert!(
        report.is_whole(),
        "{scenario:?}: {} of {}, {} doubled",
        report.delivered,
        report.due,
        report.doubled
    );
    report
}

fn assert_all_whole(change: impl Fn(Scenario) -> Scenario) {
    for seed in 0..SEEDS {
        let scenario = change(full(seed));
        assert_whole(&scenario, member(&scenario));
    }
}

#[test]
fn each_member_gets_each_message_once_and_by_the_direct_way() {
    let scenario = Scenario {
        nodes: 100,
        origins: Origins::Some(20),
        payload_bytes: 200,
        warm: 1,
        ..full(1)
    };
    let direct = assert_whole(&scenario, member(&scenario));
    assert!(direct.copies < 1.000_001, "{}", direct.copies);
    // The last of 99 copies leaves 2.5 ms after the first, and ways are longer by 5 % at times.
    assert!(direct.most < direct.direct_most.mul_f64(1.05) + Duration::from_millis(5));
    let by_feeds = assert_whole(&scenario, FeedsNode::new);
    assert!(direct.copies < by_feeds.copies);
    assert!(direct.control_share < by_feeds.control_share);
}

#[test]
fn what_is_too_long_for_so_many_goes_by_feeds() {
    let scenario = Scenario {
        nodes: 60,
        payload_bytes: 8192,
        ..full(1)
    };
    let with_members = assert_whole(&scenario, member(&scenario));
    let without = assert_whole(&scenario, FeedsNode::new);
    assert_eq!(with_members.trace, without.trace);
}

#[test]
fn nothing_is_lost_while_links_break() {
    assert_all_whole(|scenario| Scenario {
        breaks: 6.0,
        ..scenario
    });
}

#[test]
fn nothing_is_lost_while_members_come_and_go() {
    assert_all_whole(|scenario| Scenario {
        churn: 0.8,
        ..scenario
    });
}

#[test]
fn nothing_is_lost_while_members_fall_silent_and_links_break() {
    assert_all_whole(|scenario| Scenario {
        silent: 0.2,
        breaks: 3.0,
        ..scenario
    });
}

#[test]
fn nothing_is_lost_where_members_are_linked_with_a_few_only() {
    assert_all_whole(|scenario| Scenario {
        overlay: Overlay::Random,
        degree: 6,
        ..scenario
    });
}

#[test]
fn nothing_is_lost_where_nodes_know_different_members() {
    for seed in 0..SEEDS {
        let scenario = Scenario {
            breaks: 2.0,
            ..full(seed)
        };
        // All know the first half of the nodes; each third lacks one more, and each fifth knows nobody.
        let half = scenario.nodes / 2;
        assert_whole(&scenario, |node, seed| {
            let members = match node.0 {
                number if number % 5 == 4 => 0..0,
                number if number % 3 == 2 => 1..half,
                _ => 0..half,
            };
            FeedsNode::new(node, seed).with_members(node, members)
        });
    }
}

#[test]
fn liars_among_members_cost_no_message() {
    for lie in [
        Lie::Favour,
        Lie::Withhold,
        Lie::Forge,
        Lie::Quiet,
        Lie::Foretell,
    ] {
        for seed in 0..SEEDS / 5 {
            let scenario = full(seed);
            assert_whole(&scenario, |node, seed| {
                let node_seed = seed;
                let honest = FeedsNode::among_liars(node, node_seed, FeedsConfig::default());
                let member = honest.with_members(node, 0..scenario.nodes);
                match node.0 % 4 {
                    1 => member.lying(Liar::new(lie, Duration::ZERO)),
                    _ => member,
                }
            });
        }
    }
}
