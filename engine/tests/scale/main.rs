//! A thousand nodes from three seeds, with churn, liars and an eclipse attempt, in simulated time.
//!
//! A run is a function of its seed. `cargo run --release --example scale` runs any size.

mod eclipse;
mod network;

use network::report::Report;
use network::{Plan, run};

/// What every run must show.
fn assert_promises(report: &Report) {
    let Report {
        forming,
        under_churn,
        ..
    } = report;
    println!("{report}");
    assert!(
        forming.one_graph_at.is_some(),
        "the honest nodes hang together"
    );
    assert!(forming.ninety_nine_at.is_some(), "they get their quota");
    assert_eq!(under_churn.components_max, 1, "they stay one graph");
    assert_eq!(under_churn.eclipsed_max, 0, "nobody is eclipsed");
}

#[test]
fn a_thousand_nodes_find_each_other_and_stay_together() {
    assert_promises(&run(&Plan::new(7, 1000), |_| {}));
}
