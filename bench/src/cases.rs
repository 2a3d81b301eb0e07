//! What is measured, a file for each suite.

mod broadcast;
mod delay;
mod drain;
mod fan_out;
mod gossip;
mod handshakes;
mod idle;
mod lanes;
mod mixed;
mod ping_pong;
mod rivals;
mod scaling;
mod subscribe;
mod timeframe;

use crate::case::{Case, Plan};

/// Every case, in the order in which they run.
pub fn all(plan: &Plan) -> Vec<Case> {
    let suites = [
        drain::cases,
        lanes::cases,
        subscribe::cases,
        timeframe::cases,
        delay::cases,
        ping_pong::cases,
        mixed::cases,
        broadcast::cases,
        fan_out::cases,
        gossip::cases,
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
    use crate::rivals::{Built, RIVALS};

    /// As if all of them had been built.
    fn every_rival() -> Vec<Built> {
        let built = RIVALS.iter().map(|rival| Built {
            rival,
            program: rival.name.into(),
        });
        built.collect()
    }

    /// Everything that can stand beside us, small amounts.
    fn plan(full: bool) -> Plan {
        Plan {
            quick: true,
            full,
            cpus: [0, 1],
            limit: true,
            rivals: every_rival(),
        }
    }

    #[test]
    fn every_case_has_a_name_of_its_own_and_is_done_by_ringwire_or_by_shards() {
        let cases = all(&plan(true));
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

    #[test]
    fn the_list_of_names_that_scripts_look_into_is_that_of_the_cases() {
        let plan = Plan {
            quick: false,
            ..plan(false)
        };
        let names: Vec<String> = all(&plan).iter().map(Case::name).collect();
        let kept: Vec<&str> = include_str!("../cases.txt").lines().collect();
        assert_eq!(
            kept, names,
            "write it anew: cargo bench -p ringwire-bench --bench system -- --list >bench/cases.txt"
        );
    }

    #[test]
    fn every_rival_stands_in_cases_of_throughput_and_of_round_trips_under_one_name_each() {
        let cases = all(&plan(false));
        for case in &cases {
            let names = case.contenders.iter().map(|contender| &contender.name);
            let apart: BTreeSet<&String> = names.clone().collect();
            assert_eq!(apart.len(), names.count(), "{}", case.name());
        }
        for rival in RIVALS {
            for bench in ["drain", "ping-pong", "broadcast-drain"] {
                let stands = |case: &&Case| {
                    let mut contenders = case.contenders.iter();
                    case.bench == bench
                        && contenders.any(|contender| {
                            let mut settings = rival.settings.iter();
                            settings.any(|settings| settings.contender == contender.name)
                        })
                };
                assert!(
                    cases.iter().any(|case| stands(&case)),
                    "{} {bench}",
                    rival.name
                );
            }
        }
    }
}
