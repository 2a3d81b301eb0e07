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

/// A lie, and how long after it was published the last honest node may have a payload.
type Row = (LargeLie, Duration);

/// What came of a lie: the report, and what each honest node has seen at the end.
struct Outcome {
    lie: LargeLie,
    report: Report,
    seen: Vec<LargeWatch>,
}

/// Plays each lie, and once without any. All honest nodes get each payload, once and not too late; half of them hardly later
/// than without liars, and in no more copies. A failure names all lies that did harm.
fn assert_harmless(scenario: &Scenario, rows: &[Row]) -> Vec<Outcome> {
    let (honest, _) = play(scenario, None);
    let mut harm = Vec::new();
    let mut outcomes = Vec::new();
    for &(lie, all_max) in rows {
        let (report, seen) = play(scenario, Some(lie));
        let promises = [
            ("all get each payload once", report.is_whole()),
            ("it changes something", report.sends != honest.sends),
            ("the last is not too late", report.all < all_max),
            ("half", report.half < honest.half.mul_f64(1.25)),
            ("copies", report.copies < 1.1),
        ];
        let broken = promises.into_iter().filter(|(_, holds)| !holds);
        harm.extend(broken.map(|(promise, _)| format!("{lie:?}: {promise}: {report:?}")));
        outcomes.push(Outcome { lie, report, seen });
    }
    assert!(harm.is_empty(), "{harm:#?}");
    outcomes
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
fn assert_found_out(Outcome { lie, report, seen }: &Outcome) {
    let found: u64 = seen.iter().map(|one| one.figures.bad_encodings).sum();
    // Each of eight liars has published two at least.
    assert!(found > 8 * seen.len() as u64, "{lie:?}: {found} times");
    for one in seen {
        assert_eq!(one.strange, 0, "{lie:?}: {one:?}");
        assert_eq!(one.under_way_bytes, 0, "{lie:?}: {one:?}");
    }
    // Two of them for a payload four times as long.
    assert!(
        report.control_share < 0.8,
        "{lie:?}: {}",
        report.control_share
    );
}

#[test]
fn neighbours_that_send_no_shard_or_one_now_and_then_or_wrong_bytes_keep_no_payload_back() {
    let drip = LargeLie::Drip(Duration::from_millis(500));
    let rows = [
        (LargeLie::Withhold, Duration::from_millis(3000)),
        (drip, Duration::from_millis(3500)),
        (LargeLie::Corrupt, Duration::from_millis(800)),
    ];
    assert_harmless(&scenario(), &rows);
}

#[test]
fn manifests_forged_in_anothers_name_and_floods_of_them_keep_no_payload_back() {
    let rows = [
        (LargeLie::Impersonate, Duration::from_millis(800)),
        (LargeLie::Flood, Duration::from_millis(800)),
        (LargeLie::FloodOfOrigins, Duration::from_millis(800)),
    ];
    assert_harmless(&scenario(), &rows);
}

#[test]
fn a_payload_that_is_none_or_ends_elsewhere_than_its_manifest_says_is_delivered_by_nobody() {
    let rows = [
        (LargeLie::Miscode, Duration::from_millis(800)),
        (LargeLie::Pad, Duration::from_millis(800)),
    ];
    let outcomes = assert_harmless(&long(), &rows);
    outcomes.iter().for_each(assert_found_out);
}

#[test]
fn of_two_payloads_of_one_number_no_node_delivers_both() {
    // Each node asserts that.
    let rows = [(LargeLie::Twice, Duration::from_millis(800))];
    for Outcome { seen, .. } in assert_harmless(&long(), &rows) {
        let found = |seen: &&LargeWatch| seen.figures.equivocations > 0;
        assert_eq!(seen.iter().filter(found).count(), seen.len(), "{seen:?}");
        assert!(seen.iter().all(|one| one.under_way_bytes == 0), "{seen:?}");
    }
}

#[test]
fn sleepers_that_all_fall_silent_at_once_keep_no_payload_back() {
    let sleepers = Scenario {
        silent: 1.0 / f64::from(EACH),
        ..scenario()
    };
    let (honest, _) = play(&scenario(), None);
    let (report, _) = play(&sleepers, None);
    assert!(report.is_whole(), "{report:?}");
    assert_ne!(report.sends, honest.sends, "nobody sleeps");
    // Each way that led over a sleeper is left when it has been silent for long enough, hop by hop. Of five seeds the slowest took 1.9 s.
    let all_max = Duration::from_millis(2500);
    assert!(report.all < all_max, "{:?}", report.all);
    assert!(report.copies < 1.15, "{}", report.copies);
}
