//! A thousand nodes from three seeds, with churn, liars and an eclipse attempt, in simulated time.
//!
//! A run is a function of its seed. The example program `scale` runs any size for any time and
//! prints the same report; docs/simulation.md says what its lines mean.
//!
//! The longest test of all stands here. Tests begin in the order of their names, so it runs beside nearly all
//! others of this program, and they stand back for it.

mod eclipse;
mod network;

use std::time::Duration;

use network::books::{BUCKET_LEN, OLD_BUCKETS_PER_GROUP};
use network::report::Report;
use network::{Plan, run};

/// What every run must show.
fn assert_promises(report: &Report) {
    println!("{report}");
    assert_the_network_formed(report);
    assert_it_stayed(report);
    assert_nobody_was_eclipsed(report);
}

fn assert_the_network_formed(report: &Report) {
    let forming = report.forming;
    let by = |at: Option<u64>, limit: u64| at.is_some_and(|seconds| seconds <= limit);
    assert!(by(forming.one_graph_at, 120), "one graph: {forming:?}");
    assert!(by(forming.ninety_nine_at, 120), "99 % quota: {forming:?}");
    assert!(by(forming.all_at, 300), "all quotas: {forming:?}");
}

fn assert_it_stayed(report: &Report) {
    let churn = report.under_churn;
    assert!(churn.looks > 0 && churn.nodes_min > 0, "{churn:?}");
    assert_eq!(churn.components_max, 1, "the honest graph fell apart");
    assert!(churn.quota_share_min >= 0.99, "{churn:?}");
    assert!(churn.quota_share_lately_min >= 0.99, "{churn:?}");
    assert_eq!(churn.eclipsed_max, 0, "{churn:?}");
}

fn assert_nobody_was_eclipsed(report: &Report) {
    let eclipse = &report.eclipse;
    assert!(eclipse.books > 0 && eclipse.new_max > 0, "{eclipse:?}");
    // The theory: a bucket has 64 places, and one group has four old buckets.
    assert!(eclipse.bucket_len_max <= BUCKET_LEN, "{eclipse:?}");
    assert!(eclipse.new_max <= BUCKET_LEN * eclipse.new_buckets_max);
    assert!(
        eclipse.new_max <= BUCKET_LEN * eclipse.source_groups_max,
        "{eclipse:?}"
    );
    assert!(
        eclipse.old_buckets_max <= OLD_BUCKETS_PER_GROUP,
        "{eclipse:?}"
    );
    // What it comes to: far less of the picks than of the addresses on offer.
    assert!(eclipse.share_without_buckets > 0.85, "{eclipse:?}");
    // The theory bounds places and picks, not the share of the addresses: a book that knows few
    // others holds many of the attacker's.
    assert!(eclipse.pick_share_max < 0.25, "{eclipse:?}");
    assert!(report.attacker_outbound_share < 0.05);
}

/// Lets tests that begin after this call run behind the calling one, which else has a small part of a core while they
/// last and is then alone. The runner's first thread starts them, and on Linux a thread inherits its niceness.
fn let_others_stand_back() {
    // The first thread has the process's id, and the call concerns that thread alone. Refused, it takes longer.
    let _ = rustix::process::setpriority_process(Some(rustix::process::getpid()), 10);
}

#[test]
fn a_thousand_nodes_find_each_other_and_stay_together_among_liars() {
    let_others_stand_back();
    let mut plan = Plan::new(7, 1000);
    (plan.forming, plan.span) = (Duration::from_secs(300), Duration::from_secs(1500));
    assert_promises(&run(&plan, |_| {}));
}

#[test]
fn the_same_seed_gives_the_same_network_twice_and_another_seed_another() {
    let trace_of = |seed| {
        let mut plan = Plan::new(seed, 60);
        (plan.forming, plan.span) = (Duration::from_secs(120), Duration::from_secs(600));
        // Enough leave and join that the joining is a part of what is compared.
        plan.churn_per_hour = 2.0;
        let report = run(&plan, |_| {});
        assert!(report.left > 10, "{} left", report.left);
        (report.trace.clone(), report.to_json())
    };
    let first = trace_of(1);
    assert_eq!(first, trace_of(1));
    assert_ne!(first.0, trace_of(2).0);
}
