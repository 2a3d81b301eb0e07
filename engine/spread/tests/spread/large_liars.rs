//! Large payloads among liars: a fifth of all nodes breaks one of the rules, and honest nodes get each payload once.
//!
//! Each node asserts in each turn that what it has under way stays within its bound.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ringwire_gossip::coded::Limits;
use ringwire_spread::large::{LargeLie, LargeNode, LargeWatch};
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

/// The report, and what each honest node has seen at the end.
fn play(scenario: &Scenario, lie: Option<LargeLie>) -> (Report, Vec<LargeWatch>) {
    let mut watches: Vec<Rc<Cell<LargeWatch>>> = Vec::new();
    let node = |node: NodeIndex, seed| {
        let honest = LargeNode::among_liars(node, seed, scenario.nodes, UNDER_WAY);
        match lie {
            Some(lie) if node.0.is_multiple_of(EACH) => honest.lying(lie),
            _ => {
                watches.push(Rc::default());
                honest.watched(Rc::clone(&watches[watches.len() - 1]))
            }
        }
    };
    let report = run(scenario, node, |_, _| ()).expect("the scenario is sound");
    let seen = watches.iter().map(|watch| watch.get()).collect();
    (report, seen)
}

/// All honest nodes get each payload, once, the last of them so long after it was published at most; half of them hardly later
/// than without liars, and in no more copies. Gives what they have seen.
fn assert_harmless(
    scenario: &Scenario,
    lie: LargeLie,
    all_max: Duration,
) -> (Report, Vec<LargeWatch>) {
    let (honest, _) = play(scenario, None);
    let (report, seen) = play(scenario, Some(lie));
    assert!(report.is_whole(), "{lie:?}: {report:?}");
    assert_ne!(report.sends, honest.sends, "{lie:?} changes nothing");
    assert!(report.all < all_max, "{lie:?}: {:?}", report.all);
    let half_max = honest.half.mul_f64(1.25);
    assert!(report.half < half_max, "{lie:?}: {:?}", report.half);
    assert!(report.copies < 1.1, "{lie:?}: {}", report.copies);
    (report, seen)
}

/// A wrong payload of the liars is offered for a minute, and forgotten by all after that.
fn long() -> Scenario {
    Scenario {
        settle: Duration::from_secs(150),
        ..scenario()
    }
}

/// What the origins of payloads have done wrongly is found out, delivered by nobody, forgotten by all, and costs about a copy for
/// each node.
fn assert_found_out(lie: LargeLie, all_max: Duration) {
    let (report, nodes) = assert_harmless(&long(), lie, all_max);
    let found: u64 = nodes.iter().map(|seen| seen.figures.bad_encodings).sum();
    // Each of eight liars has published two at least.
    assert!(found > 8 * nodes.len() as u64, "{lie:?}: {found} times");
    for seen in &nodes {
        assert_eq!(seen.strange, 0, "{lie:?}: {seen:?}");
        assert_eq!(seen.under_way_bytes, 0, "{lie:?}: {seen:?}");
    }
    // Two of them for a payload four times as long.
    assert!(
        report.control_share < 0.8,
        "{lie:?}: {}",
        report.control_share
    );
}

#[test]
fn neighbours_that_announce_shards_and_send_none_keep_no_payload_back() {
    assert_harmless(&scenario(), LargeLie::Withhold, Duration::from_millis(3000));
}

#[test]
fn neighbours_that_send_a_shard_now_and_then_keep_no_payload_back() {
    assert_harmless(
        &scenario(),
        LargeLie::Drip(Duration::from_millis(500)),
        Duration::from_millis(3500),
    );
}

#[test]
fn wrong_bytes_under_a_true_manifest_keep_no_payload_back() {
    assert_harmless(&scenario(), LargeLie::Corrupt, Duration::from_millis(800));
}

#[test]
fn a_manifest_forged_in_anothers_name_keeps_no_payload_back() {
    assert_harmless(
        &scenario(),
        LargeLie::Impersonate,
        Duration::from_millis(800),
    );
}

#[test]
fn floods_of_manifests_keep_no_payload_back() {
    assert_harmless(&scenario(), LargeLie::Flood, Duration::from_millis(800));
}

#[test]
fn floods_of_manifests_by_fresh_origins_keep_no_payload_back() {
    assert_harmless(
        &scenario(),
        LargeLie::FloodOfOrigins,
        Duration::from_millis(800),
    );
}

#[test]
fn shards_that_are_of_no_payload_are_delivered_by_nobody() {
    assert_found_out(LargeLie::Miscode, Duration::from_millis(800));
}

#[test]
fn a_payload_that_does_not_end_where_its_manifest_says_is_delivered_by_nobody() {
    assert_found_out(LargeLie::Pad, Duration::from_millis(800));
}

#[test]
fn of_two_payloads_of_one_number_no_node_delivers_both() {
    // Each node asserts that.
    let (_, seen) = assert_harmless(&long(), LargeLie::Twice, Duration::from_millis(800));
    let found = |seen: &&LargeWatch| seen.figures.equivocations > 0;
    assert_eq!(seen.iter().filter(found).count(), seen.len(), "{seen:?}");
    assert!(seen.iter().all(|one| one.under_way_bytes == 0), "{seen:?}");
}

#[test]
fn sleepers_that_all_fall_silent_at_once_keep_no_payload_back() {
    let sleepers = Scenario {
        silent: 1.0 / f64::from(EACH),
        ..scenario()
    };
    let (report, _) = play(&sleepers, None);
    assert!(report.is_whole(), "{report:?}");
}
