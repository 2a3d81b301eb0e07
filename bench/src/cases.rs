//! What is measured, a file for each suite.

mod broadcast;
mod drain;
mod fan_out;
mod handshakes;
mod idle;
mod mixed;
mod ping_pong;
mod rivals;
mod scaling;

use crate::case::{Case, Plan};

/// Every case, in the order in which they run.
pub fn all(plan: &Plan) -> Vec<Case> {
    let suites = [
        drain::cases,
        ping_pong::cases,
        mixed::cases,
        broadcast::cases,
        fan_out::cases,
        handshakes::cases,
        scaling::cases,
        idle::cases,
    ];
    suites.iter().flat_map(|suite| suite(plan)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_is_done_by_ringwire_or_by_shards() {
        let plan = Plan {
            quick: true,
            full: true,
            cpus: [0, 1],
            limit: true,
            comet: Some("comet-bench".into()),
        };
        let cases = all(&plan);
        let names: BTreeSet<String> = cases.iter().map(Case::name).collect();
        assert_eq!(names.len(), cases.len());
        for case in &cases {
            let ours = |name: &str| name == "ringwire" || name.contains("shard");
            assert!(
                case.contenders
                    .iter()
                    .any(|contender| ours(&contender.name))
            );
        }
    }
}
