//! The main chart alone, as a picture for other pages: throughput over one link by message size,
//! one record layer under the other.

use std::fmt::Write;

use super::chart::{Chart, HEIGHT, WIDTH, escape};
use super::style::{COLOURS, DRAWING};
use super::view::{FRAMINGS, main_chart};
use crate::case::Row;
use crate::machine::Report;

/// Room for the title above a chart.
const HEAD: f64 = 26.0;
/// Room for where and when, below all.
const FOOT: f64 = 24.0;
/// Space around all.
const EDGE: f64 = 12.0;

/// The picture as an SVG file; nothing if the run has no such figures.
pub fn throughput(report: &Report) -> Option<String> {
    let charts = FRAMINGS.iter().filter_map(|(framing, title)| {
        let rows: Vec<&Row> = report
            .rows
            .iter()
            .filter(|row| row.framing == *framing)
            .collect();
        Some((*title, main_chart(&rows)?))
    });
    let charts: Vec<(&str, Chart)> = charts.collect();
    if charts.is_empty() {
        return None;
    }
    let (width, chart_height) = (WIDTH + 2.0 * EDGE, HEAD + HEIGHT);
    let height = charts.len() as f64 * chart_height + FOOT + EDGE;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui,sans-serif"><title>Throughput over one link by message size</title><style>{COLOURS}{DRAWING}</style><rect width="{width}" height="{height}" style="fill:var(--bg)"/>"#
    );
    for (place, (title, chart)) in (0..).zip(&charts) {
        let y = f64::from(place) * chart_height;
        let drawing = chart.drawing()?;
        let title = escape(&format!(
            "{title}: {} by message size, one link",
            chart.unit
        ));
        write!(
            svg,
            r#"<g transform="translate({EDGE} {y})"><text class="head" x="0" y="18">{title}</text><g transform="translate(0 {HEAD})">{drawing}</g></g>"#
        )
        .expect("a String takes all that is written to it");
    }
    let machine = &report.machine;
    let foot = format!(
        "{}, {} cores of {}, loopback, median of {} runs; whiskers: smallest and largest",
        machine.date, machine.cores, machine.cpu, report.runs
    );
    let (x, y) = (EDGE, height - EDGE);
    let foot = escape(&foot);
    write!(svg, r#"<text x="{x}" y="{y}">{foot}</text></svg>"#)
        .expect("a String takes all that is written to it");
    Some(svg + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Figure;
    use crate::machine::Machine;
    use crate::measure::Spread;

    #[test]
    fn the_picture_stands_alone_and_is_none_without_its_figures() {
        let mut report = Report {
            machine: Machine::here(),
            runs: 1,
            quick: false,
            rows: Vec::new(),
        };
        assert!(throughput(&report).is_none());
        report.rows = ["wide", "comet"]
            .map(|framing| Row {
                bench: String::from("drain"),
                framing: framing.to_owned(),
                case: String::from("64 KiB"),
                contender: String::from("ringwire"),
                figures: vec![Figure {
                    name: String::from("throughput"),
                    unit: String::from("MB/s"),
                    spread: Spread::of(vec![1.0]),
                    ratio: None,
                }],
            })
            .to_vec();
        let svg = throughput(&report).expect("two charts");
        assert!(svg.starts_with("<svg xmlns=") && svg.contains("prefers-color-scheme:dark"));
        assert_eq!(
            svg.matches("class=\"ours\" x").count(),
            4,
            "legend and bar, twice"
        );
        assert_eq!(svg.matches("<svg").count(), 1);
    }
}
