//! The JSON document of `--json`. docs/simulation.md explains its keys.

use std::collections::BTreeMap;
use std::time::Duration;

use ringwire_spread::Scenario;
use ringwire_spread::report::Spread;
use ringwire_spread::scenario::Origins;
use serde::Serialize;

use crate::comparison::{Comparison, Outcome, Run};
use crate::figures::{Figure, GROUPS, ms};

/// The document, with a newline at its end.
pub(crate) fn document(comparison: &Comparison) -> String {
    let document = Document::of(comparison);
    let text = serde_json::to_string_pretty(&document).expect("keys are strings, values are plain");
    text + "\n"
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    scenario: Played,
    is_whole: bool,
    protocols: Vec<Protocol<'a>>,
    free_flood: Vec<One<'a>>,
}

#[derive(Serialize)]
struct Played {
    nodes: u32,
    degree: u32,
    overlay: String,
    /// `null`: free links.
    bits_per_second: Option<u64>,
    slow_start: bool,
    jitter: f64,
    distance: f64,
    origins: u32,
    payload_bytes: u32,
    warm: u32,
    messages: u32,
    interval_ms: f64,
    settle_ms: f64,
    sleepers: f64,
    churn: f64,
    breaks: f64,
    seeds: Vec<u64>,
}

#[derive(Serialize)]
struct Protocol<'a> {
    name: &'a str,
    is_whole: bool,
    figures: BTreeMap<&'static str, Option<Range>>,
    runs: Vec<One<'a>>,
}

/// A figure over the seeds. `null` where it is never reached.
#[derive(Serialize)]
struct Range {
    median: f64,
    min: f64,
    max: f64,
}

#[derive(Serialize)]
struct One<'a> {
    seed: u64,
    is_whole: bool,
    due: u64,
    delivered: u64,
    figures: BTreeMap<&'static str, f64>,
    direct_half_ms: f64,
    direct_p99_ms: f64,
    copies_by_seq: &'a [f64],
    curve: Vec<(f64, f64)>,
    direct_curve: Vec<(f64, f64)>,
    trace: &'a str,
}

impl<'a> Document<'a> {
    fn of(comparison: &'a Comparison) -> Self {
        let Comparison {
            plan,
            free,
            outcomes,
        } = comparison;
        Document {
            version: env!("CARGO_PKG_VERSION"),
            scenario: Played::of(&plan.scenario, free),
            is_whole: comparison.is_whole(),
            protocols: outcomes
                .iter()
                .map(|outcome| Protocol::of(comparison, outcome))
                .collect(),
            free_flood: free.iter().map(|run| One::of(run, run)).collect(),
        }
    }
}

impl Played {
    fn of(scenario: &Scenario, runs: &[Run]) -> Self {
        Played {
            nodes: scenario.nodes,
            degree: scenario.degree,
            overlay: scenario.overlay.to_string(),
            bits_per_second: scenario.model.bits_per_second,
            slow_start: scenario.model.slow_start,
            jitter: scenario.model.jitter,
            distance: scenario.model.distance,
            origins: match scenario.origins {
                Origins::Some(count) => count,
                Origins::All => scenario.nodes,
            },
            payload_bytes: scenario.payload_bytes,
            warm: scenario.warm,
            messages: scenario.messages,
            interval_ms: ms(scenario.interval),
            settle_ms: ms(scenario.settle),
            sleepers: scenario.silent,
            churn: scenario.churn,
            breaks: scenario.breaks,
            seeds: runs.iter().map(|run| run.seed).collect(),
        }
    }
}

impl<'a> Protocol<'a> {
    fn of(comparison: &'a Comparison, outcome: &'a Outcome) -> Self {
        let range = |figure: &Figure| {
            let spread = figure.spread(comparison, outcome)?;
            let Spread { median, min, max } = spread;
            Some(Range { median, min, max })
        };
        let runs = outcome.runs.iter().zip(&comparison.free);
        Protocol {
            name: outcome.name,
            is_whole: outcome.is_whole(),
            figures: figures()
                .map(|figure| (figure.key, range(figure)))
                .collect(),
            runs: runs.map(|(run, free)| One::of(run, free)).collect(),
        }
    }
}

impl<'a> One<'a> {
    fn of(run: &'a Run, free: &Run) -> Self {
        let report = &run.report;
        let figure = |figure: &Figure| (figure.key, (figure.of)(report, &free.report));
        One {
            seed: run.seed,
            is_whole: report.is_whole(),
            due: report.due,
            delivered: report.delivered,
            figures: figures().map(figure).collect(),
            direct_half_ms: ms(report.direct_half),
            direct_p99_ms: ms(report.direct_most),
            copies_by_seq: &report.copies_by_seq,
            curve: points(&report.curve),
            direct_curve: points(&report.direct_curve),
            trace: &report.trace,
        }
    }
}

fn figures() -> impl Iterator<Item = &'static Figure> {
    GROUPS.iter().flat_map(|group| group.figures)
}

fn points(curve: &[(Duration, f64)]) -> Vec<(f64, f64)> {
    curve
        .iter()
        .map(|(time, share)| (ms(*time), *share))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::comparison;

    fn document_of(seeds: u32) -> serde_json::Value {
        serde_json::from_str(&document(&comparison(seeds))).expect("it is JSON")
    }

    #[test]
    fn a_document_has_every_figure_of_every_run() {
        let document = document_of(2);
        assert_eq!(document["scenario"]["seeds"], serde_json::json!([7, 8]));
        assert_eq!(document["protocols"][0]["name"], "flood");
        let runs = document["protocols"][0]["runs"].as_array().expect("runs");
        assert_eq!(runs.len(), 2);
        for figure in figures() {
            let keys = [&runs[1]["figures"], &document["protocols"][0]["figures"]];
            for keys in keys {
                assert!(keys.get(figure.key).is_some(), "{} in {keys}", figure.key);
            }
        }
        assert_eq!(runs[0]["trace"].as_str().map(str::len), Some(64));
    }

    #[test]
    fn what_is_never_reached_is_null_and_free_flooding_is_once_itself() {
        let document = document_of(1);
        assert!(document["protocols"][0]["figures"]["warm_after"]["median"].is_null());
        let free = &document["free_flood"][0]["figures"];
        assert_eq!(free["half_by_free"], 1.0);
        assert!(document["protocols"][0]["figures"]["half_by_free"]["median"].as_f64() > Some(1.0));
    }

    #[test]
    fn the_page_explains_every_key() {
        let page = include_str!("../../../../docs/simulation.md");
        let document = document_of(1);
        let objects = [
            &document,
            &document["scenario"],
            &document["protocols"][0],
            &document["protocols"][0]["runs"][0],
        ];
        for object in objects {
            for key in object.as_object().expect("an object").keys() {
                assert!(
                    page.contains(&format!("`{key}`")),
                    "docs/simulation.md is silent on {key}"
                );
            }
        }
    }
}
