//! The page on standard output: what was played, a table for each group of figures, and what went wrong.

use std::fmt::Write;

use ringwire_spread::Scenario;
use ringwire_spread::report::Spread;
use ringwire_spread::scenario::Origins;

use crate::comparison::{Comparison, Outcome};
use crate::figures::{Figure, GROUPS, Group};
use crate::table::Table;

/// Digits of a trace that are shown: enough to tell runs apart.
const TRACE_DIGITS: usize = 16;

/// Why writing cannot fail.
const TEXT: &str = "a String takes all that is written to it";

/// The whole page.
pub(crate) fn page(comparison: &Comparison) -> String {
    let mut page = String::new();
    writeln!(page, "{}", told(comparison)).expect(TEXT);
    for group in &GROUPS {
        writeln!(page, "\n{}", group.title).expect(TEXT);
        for line in table(comparison, group).lines() {
            writeln!(page, "{line}").expect(TEXT);
        }
    }
    writeln!(page, "\nTraces").expect(TEXT);
    for line in traces(comparison).lines() {
        writeln!(page, "{line}").expect(TEXT);
    }
    let faults = faults(comparison);
    if !faults.is_empty() {
        writeln!(page, "\n{}", faults.join("\n")).expect(TEXT);
    }
    page
}

/// The scenario in words.
fn told(comparison: &Comparison) -> String {
    let plan = &comparison.plan;
    let Scenario {
        nodes,
        degree,
        overlay,
        payload_bytes,
        messages,
        interval,
        silent,
        churn,
        breaks,
        seed,
        ..
    } = plan.scenario;
    let speed = match plan.scenario.model.bits_per_second {
        Some(bits) => format!("{} Mbit/s up and down", bits as f64 / 1e6),
        None => String::from("free links"),
    };
    let start = match plan.scenario.model.slow_start {
        true => "slow start",
        false => "no slow start",
    };
    let origins = match plan.scenario.origins {
        Origins::Some(count) => format!("{count} of them publish"),
        Origins::All => String::from("all of them publish"),
    };
    let seeds = match plan.seeds {
        1 => format!("seed {seed}"),
        seeds => format!(
            "seeds {seed}..{}: median (least..most)",
            seed.wrapping_add(u64::from(seeds) - 1)
        ),
    };
    let warm = plan.scenario.warm_messages();
    format!(
        "{nodes} nodes, degree {degree}, {overlay} overlay; {speed}, {start}; {origins}\n\
         {warm} payloads to warm up, then {messages} measured, of {payload_bytes} B, one every {interval:?}; \
         silent {silent}, churn {churn} and breaks {breaks} a minute\n{seeds}"
    )
}

fn table(comparison: &Comparison, group: &Group) -> Table {
    let heads = group.figures.iter().map(|figure| figure.head.to_owned());
    let mut table = Table::new(std::iter::once(String::from("protocol")).chain(heads));
    for outcome in &comparison.outcomes {
        let cells = group.figures.iter().map(|figure| {
            let spread = figure.spread(comparison, outcome);
            spread.map_or_else(String::new, |spread| cell(figure, spread))
        });
        table.push(std::iter::once(outcome.name.to_owned()).chain(cells));
    }
    table
}

/// The figure, and the range if there is one.
fn cell(figure: &Figure, Spread { median, min, max }: Spread) -> String {
    let number = |value: f64| match value {
        value if value == f64::INFINITY => String::from("never"),
        value if value.is_finite() => format!("{value:.*}", figure.digits),
        _ => String::from("-"),
    };
    match [median, min, max].map(number) {
        [median, min, max] if min == max => median,
        [median, min, max] => format!("{median} ({min}..{max})"),
    }
}

/// A column for each seed.
fn traces(comparison: &Comparison) -> Table {
    let seeds = comparison
        .free
        .iter()
        .map(|run| format!("seed {}", run.seed));
    let mut table = Table::new(std::iter::once(String::from("protocol")).chain(seeds));
    for Outcome { name, runs } in &comparison.outcomes {
        let traces = runs
            .iter()
            .map(|run| run.report.trace.chars().take(TRACE_DIGITS).collect());
        table.push(std::iter::once(String::from(*name)).chain(traces));
    }
    table
}

/// A line for each run that lost or doubled something, and none if all is well.
fn faults(comparison: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();
    for Outcome { name, runs } in &comparison.outcomes {
        for run in runs.iter().filter(|run| !run.report.is_whole()) {
            let report = &run.report;
            lines.push(format!(
                "NOT WHOLE: {name}, seed {}: of {} arrivals {} are missing and {} came twice",
                run.seed,
                report.due,
                report.due - report.delivered,
                report.doubled
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::{comparison, plan};

    #[test]
    fn a_page_has_a_row_for_each_protocol_in_each_table_and_is_the_same_again() {
        let first = page(&comparison(1));
        assert_eq!(
            first
                .lines()
                .filter(|line| line.starts_with("flood "))
                .count(),
            GROUPS.len() + 1
        );
        assert!(first.starts_with("30 nodes, degree 8, random overlay; 100 Mbit/s up and down, no slow start; 2 of them"), "{first}");
        assert!(!first.contains("NOT WHOLE"));
        assert_eq!(first, page(&comparison(1)));
    }

    #[test]
    fn several_seeds_show_the_least_and_the_most() {
        let page = page(&comparison(3));
        assert!(page.contains("seeds 7..9: median (least..most)"), "{page}");
        assert!(page.contains("seed 9"), "{page}");
        assert!(page.contains("never"), "flooding is never warm: {page}");
        let copies = page.lines().find(|line| line.starts_with("flood "));
        assert!(copies.is_some_and(|line| line.contains("..")), "{page}");
    }

    #[test]
    fn what_is_lost_or_doubled_is_told() {
        let mut comparison = comparison(2);
        let report = &mut comparison.outcomes[0].runs[1].report;
        (report.delivered, report.doubled) = (report.due - 1, 2);
        let page = page(&comparison);
        let line = "NOT WHOLE: flood, seed 8: of 116 arrivals 1 are missing and 2 came twice";
        assert!(page.contains(line), "{page}");
        assert!(!comparison.is_whole());
        assert_eq!(plan(2).seeds, 2);
    }

    #[test]
    fn a_figure_that_is_no_number_is_a_dash() {
        let spread = Spread {
            median: f64::NAN,
            min: f64::NAN,
            max: f64::NAN,
        };
        assert_eq!(cell(&GROUPS[0].figures[0], spread), "-");
    }
}
