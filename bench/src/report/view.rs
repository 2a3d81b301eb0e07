//! What is drawn: which figures of which cases stand in one chart, and in which order.

use std::collections::BTreeMap;

use super::chart::{Chart, Scale, Series};
use super::style;
use crate::case::Row;
use crate::measure::Spread;

/// The record layers, and how they are called.
pub(super) const FRAMINGS: [(&str, &str); 2] = [
    ("wide", "Wide records, AES-256-GCM"),
    ("comet", "CometBFT framing, ChaCha20-Poly1305"),
];

/// A chart of the page: one figure of one suite, its cases side by side.
struct View {
    bench: &'static str,
    /// Which of the suite's cases.
    shows: fn(&str) -> bool,
    figure: &'static str,
    title: &'static str,
    scale: Scale,
}

const fn view(
    bench: &'static str,
    shows: fn(&str) -> bool,
    figure: &'static str,
    title: &'static str,
) -> View {
    View {
        bench,
        shows,
        figure,
        title,
        scale: Scale::Linear,
    }
}

impl View {
    const fn by_powers(mut self) -> Self {
        self.scale = Scale::Log;
        self
    }
}

/// All cases of a suite.
const ALL: fn(&str) -> bool = |_| true;
/// Those with one sender.
const ONE: fn(&str) -> bool = |case| !case.contains('×');
/// Those with several.
const MANY: fn(&str) -> bool = |case| case.contains('×');

/// The chart that says most.
const MAIN: View = view(
    "drain",
    ONE,
    "throughput",
    "One link: throughput by message size (more is better)",
);

#[rustfmt::skip]
const THROUGHPUT: &[View] = &[
    MAIN,
    view("drain", ONE, "CPU per GiB", "One link: CPU per GiB, both ends (less is better)"),
    view("small", ALL, "messages", "One link: messages of 200 bytes (more is better)"),
    view("drain", MANY, "throughput", "One link, 8 and 16 senders: throughput (more is better)"),
    view("publish", ALL, "throughput", "Published by threads, to one peer: throughput (more is better)"),
    view("broadcast", ALL, "throughput", "Broadcast by threads, 1 → 7: throughput (more is better)"),
    view("subscribe", ALL, "throughput", "From threads to a thread's subscription: throughput (more is better)"),
    view("send-timeframe", ALL, "throughput", "One link, a fixed time: throughput (more is better)"),
    view("broadcast-drain", ALL, "throughput", "One to seven: throughput, all receivers (more is better)"),
    view("fan-out", ALL, "throughput", "One to many: throughput, all receivers (more is better)"),
    view("gossip", ALL, "throughput", "Gossip, eight nodes: throughput, all receivers (more is better)"),
];

#[rustfmt::skip]
const NODES: &[View] = &[
    view("handshakes", ALL, "connections per second of CPU", "Connections accepted per second of CPU (more is better)"),
    view("scaling", ALL, "throughput", "Many links into one node, by shards (more is better)"),
    view("scaling", ALL, "CPU per GiB", "The node's CPU per GiB, by shards (less is better)"),
];

/// Votes beside an application that takes its time.
const DELAY: View = view(
    "delay",
    ALL,
    "p99",
    "Votes while an application takes so long for another peer's message: p99 (less is better)",
)
.by_powers();

/// Points of a distribution, by name.
const POINTS: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];
/// Distributions that are no chart of their own: they say what another says, or stand in one.
const UNDRAWN: fn(&Row) -> bool = |row| row.bench == "delay" || row.case.starts_with("1024 B");
/// What an idle peer costs, by name.
pub(super) const MEMORY: [&str; 2] = ["memory per peer, unused", "memory per peer, used"];

/// The main chart for rows of one record layer, if they have it.
pub(super) fn main_chart(rows: &[&Row]) -> Option<Chart> {
    by_case(rows, &MAIN)
}

/// The charts for rows of one record layer, by what they are about.
pub(super) fn sections(rows: &[&Row]) -> Vec<(&'static str, Vec<Chart>)> {
    let of = |views: &[View]| {
        views
            .iter()
            .filter_map(|view| by_case(rows, view))
            .collect()
    };
    let throughput: Vec<Chart> = of(THROUGHPUT);
    let mut nodes = memory(rows);
    nodes.extend::<Vec<Chart>>(of(NODES));
    let mut latency = latencies(rows);
    latency.extend(by_case(rows, &DELAY));
    let sections = [
        ("Throughput", throughput),
        ("Latency", latency),
        ("Peers and shards", nodes),
    ];
    let drawn = sections.into_iter();
    drawn.filter(|(_, charts)| !charts.is_empty()).collect()
}

/// A chart for each case that has a distribution, its points side by side.
fn latencies(rows: &[&Row]) -> Vec<Chart> {
    let mut cases: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| figure_of(row, "p50").is_some()) {
        if !UNDRAWN(row) {
            cases.entry((&row.bench, &row.case)).or_default().push(row);
        }
    }
    let chart = |((bench, case), rows): ((&str, &str), Vec<&Row>)| {
        let title = format!("{bench}, {case}: latency (less is better)");
        by_figure(&rows, title, &POINTS, Scale::Log, |row| {
            row.contender.clone()
        })
    };
    cases.into_iter().filter_map(chart).collect()
}

fn memory(rows: &[&Row]) -> Vec<Chart> {
    let idle: Vec<&Row> = rows
        .iter()
        .copied()
        .filter(|row| row.bench == "idle")
        .collect();
    let title = String::from("Resident memory per idle peer (less is better)");
    let mut chart = by_figure(&idle, title, &MEMORY, Scale::Linear, |row| row.case.clone());
    // All are ours, so crowds of two sizes differ by the shade.
    if let Some(chart) = &mut chart {
        let shades = ["ours", "ours2"].into_iter().cycle();
        for (series, shade) in chart.series.iter_mut().zip(shades) {
            series.class = shade;
        }
    }
    chart.into_iter().collect()
}

/// One figure, a group for each case, a series for each contender.
fn by_case(rows: &[&Row], view: &View) -> Option<Chart> {
    let of_view = |row: &&&Row| row.bench == view.bench && (view.shows)(&row.case);
    let rows: Vec<&&Row> = rows
        .iter()
        .filter(of_view)
        .filter(|row| figure_of(row, view.figure).is_some())
        .collect();
    let groups = unique(rows.iter().map(|row| row.case.as_str()));
    let names = unique(rows.iter().map(|row| row.contender.as_str()));
    let value = |case: &str, name: &str| {
        let row = rows
            .iter()
            .find(|row| row.case == case && row.contender == name)?;
        figure_of(row, view.figure).map(|(spread, _)| spread)
    };
    let series = names.iter().map(|name| Series {
        class: style::class(name),
        values: groups.iter().map(|case| value(case, name)).collect(),
        name: name.clone(),
    });
    Some(Chart {
        title: String::from(view.title),
        unit: unit_of(rows.first()?, view.figure),
        scale: view.scale,
        series: series.collect(),
        groups,
    })
}

/// Several figures, a group for each, a series for each row.
fn by_figure(
    rows: &[&Row],
    title: String,
    figures: &[&str],
    scale: Scale,
    name: impl Fn(&Row) -> String,
) -> Option<Chart> {
    let series = rows.iter().map(|row| {
        let values = figures
            .iter()
            .map(|figure| figure_of(row, figure).map(|(spread, _)| spread));
        Series {
            name: name(row),
            class: style::class(&row.contender),
            values: values.collect(),
        }
    });
    Some(Chart {
        title,
        unit: unit_of(rows.first()?, figures[0]),
        scale,
        groups: figures.iter().map(|figure| figure.to_string()).collect(),
        series: series.collect(),
    })
}

fn unit_of(row: &Row, figure: &str) -> String {
    figure_of(row, figure).map_or_else(String::new, |(_, unit)| unit.to_owned())
}

/// A figure of a row by its name, and its unit.
pub(super) fn figure_of<'a>(row: &'a Row, name: &str) -> Option<(Spread, &'a str)> {
    let figure = row.figure(name)?;
    Some((figure.spread, &figure.unit))
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        if !unique.iter().any(|known| known == name) {
            unique.push(name.to_owned());
        }
    }
    unique
}
