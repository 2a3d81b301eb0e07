//! Large payloads among liars: a fifth of all nodes breaks one of the rules, and honest nodes get each payload once.
//!
//! Each node asserts in each turn that what it has under way stays within its bound.

use std::time::Duration;

use ringwire_gossip::coded::Limits;
use ringwire_spread::large::{LargeLie, LargeNode};
use ringwire_spread::scenario::Origins;
use ringwire_spread::{NodeIndex, Report, Scenario, run};

/// A fifth of the nodes are liars: each fifth.
const EACH: u32 = 5;

/// What a node may have under way: a few payloads of the run, far less than all liars together promise.
const UNDER_WAY: Limits = Limits {
    bytes_max: 32 << 20,
    account_bytes_max: 8 << 20,
    payloads_max: 64,
    account_payloads_max: 8,
    idle_sweeps_max: 10,
};

fn scenario() -> Scenario {
    Scenario {
        nodes: 40,
        degree: 10,
        origins: Origins::Some(2),
        payload_bytes: 512 * 1024,
        warm: 2,
        messages: 4,
        interval: Duration::from_secs(2),
        settle: Duration::from_secs(30),
        ..Scenario::default()
    }
}

fn play(scenario: &Scenario, lie: Option<LargeLie>) -> Report {
    let node = |node: NodeIndex, seed| {
        let honest = LargeNode::among_liars(node, seed, scenario.nodes, UNDER_WAY);
        match lie {
            Some(lie) if node.0.is_multiple_of(EACH) => honest.lying(lie),
            _ => honest,
        }
    };
    run(scenario, node, |_, _| ()).expect("the scenario is sound")
}

/// All honest nodes get each payload, once, the last of them so long after it was published at most; half of them hardly later
/// than without liars, and in no more copies.
fn assert_harmless(lie: LargeLie, all_max: Duration) {
    let honest = play(&scenario(), None);
    let report = play(&scenario(), Some(lie));
    assert!(report.is_whole(), "{lie:?}: {report:?}");
    assert_ne!(report.sends, honest.sends, "{lie:?} changes nothing");
    assert!(report.all < all_max, "{lie:?}: {:?}", report.all);
    let half_max = honest.half.mul_f64(1.25);
    assert!(report.half < half_max, "{lie:?}: {:?}", report.half);
    assert!(report.copies < 1.1, "{lie:?}: {}", report.copies);
}

#[test]
fn neighbours_that_announce_shards_and_send_none_keep_no_payload_back() {
    assert_harmless(LargeLie::Withhold, Duration::from_millis(3000));
}

#[test]
fn neighbours_that_send_a_shard_now_and_then_keep_no_payload_back() {
    assert_harmless(
        LargeLie::Drip(Duration::from_millis(500)),
        Duration::from_millis(3500),
    );
}

#[test]
fn wrong_bytes_under_a_true_manifest_keep_no_payload_back() {
    assert_harmless(LargeLie::Corrupt, Duration::from_millis(800));
}

#[test]
fn a_manifest_forged_in_anothers_name_keeps_no_payload_back() {
    assert_harmless(LargeLie::Impersonate, Duration::from_millis(800));
}

#[test]
fn floods_of_manifests_keep_no_payload_back() {
    assert_harmless(LargeLie::Flood, Duration::from_millis(800));
}

#[test]
fn sleepers_that_all_fall_silent_at_once_keep_no_payload_back() {
    let sleepers = Scenario {
        silent: 1.0 / f64::from(EACH),
        ..scenario()
    };
    let report = play(&sleepers, None);
    assert!(report.is_whole(), "{report:?}");
}
