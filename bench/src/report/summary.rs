//! The figures in short: a line for what most people ask first.

use std::fmt::Write;

use super::chart::{escape, short};
use super::view::figure_of;
use crate::case::Row;

/// What is asked first, if it was measured: suite, case, figure, whether more is better.
const LINES: &[(&str, &str, &str, bool)] = &[
    ("drain", "1 KiB", "throughput", true),
    ("drain", "64 KiB", "throughput", true),
    ("drain", "64 KiB", "CPU per GiB", false),
    ("small", "200 B", "throughput", true),
    ("broadcast-drain", "1 → 7 64 KiB", "throughput", true),
    ("gossip", "8 nodes 64 KiB", "throughput", true),
    ("ping-pong", "64 B asleep", "p50", false),
    ("ping-pong", "64 B polled", "p50", false),
];
const US: &str = "ringwire";
const LIMIT: &str = "limit";

/// A table of them; empty if none was measured.
pub(super) fn html(rows: &[Row]) -> String {
    let mut lines = String::new();
    for framing in ["wide", "comet"] {
        for (bench, case, figure, more_is_better) in LINES {
            let of_case = rows
                .iter()
                .filter(|row| row.framing == framing && row.bench == *bench && row.case == *case);
            let values: Vec<(&str, f64, &str)> = of_case
                .filter_map(|row| {
                    let (spread, unit) = figure_of(row, figure)?;
                    Some((row.contender.as_str(), spread.median, unit))
                })
                .collect();
            if let Some(cells) = cells(&values, *more_is_better) {
                let what = escape(&format!("{bench} {case}, {figure}"));
                writeln!(lines, "<tr><td>{framing}</td><td>{what}</td>{cells}</tr>")
                    .expect("a String takes all that is written to it");
            }
        }
    }
    if lines.is_empty() {
        return lines;
    }
    format!(
        "<h2>In short</h2><table class=\"short\"><thead><tr><th>records</th><th>what</th><th>ringwire</th>\
         <th>the limit</th><th>best rival</th></tr></thead><tbody>{lines}</tbody></table>"
    )
}

/// Ours, the limit and the best of the others; nothing without ours.
fn cells(values: &[(&str, f64, &str)], more_is_better: bool) -> Option<String> {
    let named = |name: &str| values.iter().find(|(contender, ..)| *contender == name);
    let (_, ours, unit) = named(US)?;
    let others = values
        .iter()
        .filter(|(name, ..)| ![US, LIMIT].contains(name));
    let best = match more_is_better {
        true => others.max_by(|a, b| a.1.total_cmp(&b.1)),
        false => others.min_by(|a, b| a.1.total_cmp(&b.1)),
    };
    let limit = named(LIMIT).map_or_else(String::new, |(_, value, _)| short(*value));
    let best = best.map_or_else(String::new, |(name, value, _)| {
        format!("{}, {}", short(*value), escape(name))
    });
    let ours = format!("{} {}", short(*ours), escape(unit));
    Some(format!("<td>{ours}</td><td>{limit}</td><td>{best}</td>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_rival_is_the_fastest_or_the_cheapest_and_never_the_limit() {
        let values = [
            (LIMIT, 9.0, "MB/s"),
            (US, 5.0, "MB/s"),
            ("slow", 1.0, "MB/s"),
            ("fast", 2.0, "MB/s"),
        ];
        let cells = |more| cells(&values, more).expect("ours is there");
        assert_eq!(
            cells(true),
            "<td>5.00 MB/s</td><td>9.00</td><td>2.00, fast</td>"
        );
        assert!(cells(false).ends_with("<td>1.00, slow</td>"));
    }
}
