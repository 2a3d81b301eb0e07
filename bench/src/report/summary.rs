//! The figures in short: a line for what most people ask first.

use std::fmt::Write;

use super::chart::{escape, short};
use super::terms;
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

const COMET: &str = "CometBFT";
/// The framing that CometBFT speaks.
const COMET_FRAMING: &str = "comet";
/// Headings behind the two that say what a line is about.
const HEADINGS: [&str; 4] = ["ringwire", "the limit", "× CometBFT", "best rival"];

/// A contender, its median and the unit.
type Value<'a> = (&'a str, f64, &'a str);

/// A table of them; empty if none was measured.
pub(super) fn html(rows: &[Row]) -> String {
    let mut lines = String::new();
    for framing in ["wide", COMET_FRAMING] {
        for (bench, case, figure, more_is_better) in LINES {
            let values = values(rows, framing, bench, case, figure);
            // CometBFT stands beside its own framing only, and is compared with both of ours.
            let comet = values_of_comet(rows, bench, case, figure, *more_is_better);
            if let Some(cells) = cells(&values, comet, *more_is_better) {
                let what = format!("{} {}, {figure}", terms::link(bench), escape(case));
                let framing = terms::link(framing);
                writeln!(lines, "<tr><td>{framing}</td><td>{what}</td>{cells}</tr>")
                    .expect("a String takes all that is written to it");
            }
        }
    }
    if lines.is_empty() {
        return lines;
    }
    let headings = HEADINGS.map(|heading| format!("<th>{}</th>", terms::link(heading)));
    format!(
        "<h2>In short</h2><table class=\"short\"><thead><tr><th>records</th><th>what</th>{}\
         </tr></thead><tbody>{lines}</tbody></table>",
        headings.concat()
    )
}

/// Who did a case, with the median of one figure.
fn values<'a>(
    rows: &'a [Row],
    framing: &str,
    bench: &str,
    case: &str,
    figure: &str,
) -> Vec<Value<'a>> {
    let of_case = rows
        .iter()
        .filter(|row| row.framing == framing && row.bench == bench && row.case == case);
    let values = of_case.filter_map(|row| {
        let (spread, unit) = figure_of(row, figure)?;
        Some((row.contender.as_str(), spread.median, unit))
    });
    values.collect()
}

/// CometBFT's figure with its best settings.
fn values_of_comet(
    rows: &[Row],
    bench: &str,
    case: &str,
    figure: &str,
    more_is_better: bool,
) -> Option<f64> {
    let values = values(rows, COMET_FRAMING, bench, case, figure);
    let comet = values
        .into_iter()
        .filter(|(name, ..)| name.starts_with(COMET));
    best(comet, more_is_better).map(|(_, value, _)| value)
}

fn best<'a>(values: impl Iterator<Item = Value<'a>>, more_is_better: bool) -> Option<Value<'a>> {
    match more_is_better {
        true => values.max_by(|a, b| a.1.total_cmp(&b.1)),
        false => values.min_by(|a, b| a.1.total_cmp(&b.1)),
    }
}

/// Ours, the limit, how many times as good as CometBFT, and the best of the others; nothing without
/// ours.
fn cells(values: &[Value<'_>], comet: Option<f64>, more_is_better: bool) -> Option<String> {
    let named = |name: &str| values.iter().find(|(contender, ..)| *contender == name);
    let (_, ours, unit) = named(US)?;
    let others = values.iter().copied();
    let others = others.filter(|(name, ..)| ![US, LIMIT].contains(name));
    let limit = named(LIMIT).map_or_else(String::new, |(_, value, _)| short(*value));
    let times = comet.map_or_else(String::new, |comet| {
        let times = if more_is_better {
            ours / comet
        } else {
            comet / ours
        };
        format!("{} ×", short(times))
    });
    let rival = best(others, more_is_better).map_or_else(String::new, |(name, value, _)| {
        format!("{}, {}", short(value), escape(name))
    });
    let texts = [
        format!("{} {}", short(*ours), escape(unit)),
        limit,
        times,
        rival,
    ];
    let cells = HEADINGS.iter().zip(texts).map(|(heading, text)| {
        // On a narrow page a line stands below the other, and each cell says what it is.
        format!("<td data-head=\"{heading}\">{text}</td>")
    });
    Some(cells.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [Value<'static>; 4] = [
        (LIMIT, 9.0, "MB/s"),
        (US, 5.0, "MB/s"),
        ("slow", 1.0, "MB/s"),
        ("fast", 2.0, "MB/s"),
    ];

    #[test]
    fn the_best_rival_is_the_fastest_or_the_cheapest_and_never_the_limit() {
        let cells = |more| cells(&VALUES, None, more).expect("ours is there");
        assert_eq!(
            cells(true),
            "<td data-head=\"ringwire\">5.00 MB/s</td><td data-head=\"the limit\">9.00</td>\
             <td data-head=\"× CometBFT\"></td><td data-head=\"best rival\">2.00, fast</td>"
        );
        assert!(cells(false).ends_with(">1.00, slow</td>"));
    }

    #[test]
    fn twice_as_good_as_comet_is_two_times_whether_more_is_better_or_less() {
        let times = |comet, more| cells(&VALUES, Some(comet), more).expect("ours is there");
        assert!(times(2.5, true).contains(">2.00 ×<"));
        assert!(times(10.0, false).contains(">2.00 ×<"));
    }
}
