//! The page: what was measured where, the charts, the figures.

use std::collections::BTreeMap;

use super::chart::{Chart, Scale, escape};
use super::table;
use crate::case::Row;
use crate::machine::Report;
use crate::measure::Spread;

/// Colours and sizes; light or dark as the reader has it. Series keep their colour in all charts
/// of a suite.
const STYLE: &str = "\
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2128;--dim:#667;--line:#d8dde3;\
--s0:#8a94a0;--s1:#0b7285;--s2:#d9730d;--s3:#a33ea1;--s4:#5c7a29}\
@media(prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e4e8ec;--dim:#98a2ad;--line:#333b44;\
--s0:#7d8894;--s1:#2bb3c9;--s2:#f0953e;--s3:#d37fd1;--s4:#9dbb5f}}\
body{background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif;max-width:1100px;\
margin:2rem auto;padding:0 1rem}h1,h2{line-height:1.2}h2{margin-top:2.5rem}\
.dim{color:var(--dim)}.warn{border:2px solid var(--s2);padding:.5rem 1rem}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:1.5rem}\
figure{margin:0}figcaption{font-weight:600}svg{width:100%;height:auto}\
svg text{fill:var(--fg);font-size:12px}svg .mid,svg .val{text-anchor:middle}\
svg .val{font-size:10px;fill:var(--dim)}svg .end{text-anchor:end;fill:var(--dim)}\
.grid{stroke:var(--line);fill:none}.whisker{stroke:var(--fg);fill:none;opacity:.7}\
.s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}.s4{fill:var(--s4)}\
table{border-collapse:collapse;font-size:14px;width:100%}\
th,td{text-align:left;padding:.15rem .6rem;border-bottom:1px solid var(--line)}\
td:nth-child(n+4){text-align:right;font-variant-numeric:tabular-nums}";

/// A chart of the page: one figure of one suite, its cases side by side.
struct View {
    bench: &'static str,
    /// Which of the suite's cases.
    shows: fn(&str) -> bool,
    figure: &'static str,
    title: &'static str,
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
    }
}

/// All cases of a suite.
const ALL: fn(&str) -> bool = |_| true;
/// Those with one sender.
const ONE: fn(&str) -> bool = |case| !case.contains('×');
/// Those with several.
const MANY: fn(&str) -> bool = |case| case.contains('×');

/// What is drawn, in this order, for each record layer.
#[rustfmt::skip]
const VIEWS: &[View] = &[
    view("drain", ONE, "throughput", "One link: throughput by message size (more is better)"),
    view("drain", ONE, "CPU per GiB", "One link: CPU per GiB, both ends (less is better)"),
    view("drain", MANY, "throughput", "One link, 8 and 16 senders: throughput (more is better)"),
    view("small", ALL, "messages", "200-byte messages on one link (more is better)"),
    view("broadcast-drain", ALL, "throughput", "One to seven: throughput, all receivers (more is better)"),
    view("fan-out", ALL, "throughput", "One to many: throughput, all receivers (more is better)"),
    view("scaling", ALL, "throughput", "Many links into one node, by shards (more is better)"),
    view("scaling", ALL, "CPU per GiB", "The node's CPU per GiB, by shards (less is better)"),
    view("handshakes", ALL, "connections per second of CPU", "Connections accepted per second of CPU (more is better)"),
];

/// Points of a distribution, by name.
const POINTS: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];
/// What an idle peer costs, by name.
const MEMORY: [&str; 2] = ["memory per peer, unused", "memory per peer, used"];

/// The whole page, in one file.
pub fn html(report: &Report) -> String {
    let machine = &report.machine;
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Ringwire, measured {0}</title><style>{STYLE}</style>\
         <h1>Ringwire, measured {0}</h1>\
         <p>{1}, {2} cores, Linux {3}, loopback. {4}, commit {5}. Medians of {6} runs, contenders in \
         turn; whiskers reach from the smallest run to the largest.</p>\
         <p class=\"dim\"><code>{7}</code></p>",
        escape(&machine.date),
        escape(&machine.cpu),
        machine.cores,
        escape(&machine.kernel),
        escape(&machine.rustc),
        escape(machine.commit.as_deref().unwrap_or("unknown")),
        report.runs,
        escape(&machine.command),
    );
    if report.quick {
        html += "<p class=\"warn\">A quick run: it shows that everything works, and its figures \
                 mean nothing.</p>";
    }
    for (framing, title) in [
        ("wide", "Wide records, AES-256-GCM"),
        ("comet", "CometBFT framing, ChaCha20-Poly1305"),
    ] {
        let rows: Vec<&Row> = report
            .rows
            .iter()
            .filter(|row| row.framing == framing)
            .collect();
        if !rows.is_empty() {
            html += &format!("<h2>{title}</h2><div class=\"charts\">");
            charts(&rows)
                .into_iter()
                .for_each(|chart| html += &figure(&chart));
            html += "</div>";
        }
    }
    html += "<h2>All figures</h2>";
    for (bench, rows) in suites(&report.rows) {
        html += &format!("<details><summary>{}</summary>", escape(bench));
        html += &table::html(&rows);
        html += "</details>";
    }
    html + "</html>\n"
}

fn figure(chart: &Chart) -> String {
    let Some(svg) = chart.svg() else {
        return String::new();
    };
    let (title, unit) = (escape(&chart.title), escape(&chart.unit));
    format!(
        "<figure><figcaption>{title} <span class=\"dim\">{unit}</span></figcaption>{svg}</figure>"
    )
}

/// The suites in the order in which they ran.
fn suites(rows: &[Row]) -> Vec<(&str, Vec<&Row>)> {
    let mut suites: Vec<(&str, Vec<&Row>)> = Vec::new();
    for row in rows {
        match suites.iter_mut().find(|(bench, _)| *bench == row.bench) {
            Some((_, rows)) => rows.push(row),
            None => suites.push((&row.bench, vec![row])),
        }
    }
    suites
}

fn charts(rows: &[&Row]) -> Vec<Chart> {
    let mut charts: Vec<Chart> = VIEWS
        .iter()
        .filter_map(|view| by_case(rows, view))
        .collect();
    // Latencies: a chart for each case that has them, its percentiles side by side.
    let mut cases: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| figure_of(row, "p50").is_some()) {
        cases.entry((&row.bench, &row.case)).or_default().push(row);
    }
    for ((bench, case), rows) in cases {
        let title = format!("{bench}, {case}: latency (less is better)");
        charts.extend(by_figure(&rows, title, &POINTS, Scale::Log, |row| {
            row.contender.clone()
        }));
    }
    let idle: Vec<&Row> = rows
        .iter()
        .copied()
        .filter(|row| row.bench == "idle")
        .collect();
    let title = String::from("Resident memory per idle peer (less is better)");
    charts.extend(by_figure(&idle, title, &MEMORY, Scale::Linear, |row| {
        row.case.clone()
    }));
    charts
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
    let series = names.iter().map(|name| {
        let values = groups.iter().map(|case| value(case, name)).collect();
        (name.clone(), values)
    });
    Some(Chart {
        title: String::from(view.title),
        unit: unit_of(rows.first()?, view.figure),
        scale: Scale::Linear,
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
        (name(row), values.collect())
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

fn figure_of<'a>(row: &'a Row, name: &str) -> Option<(Spread, &'a str)> {
    let figure = row.figures.iter().find(|figure| figure.name == name)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Figure;
    use crate::machine::Machine;

    fn report() -> Report {
        let row = |bench: &str, contender: &str, name: &str, unit: &str| Row {
            bench: bench.to_owned(),
            framing: String::from("wide"),
            case: String::from("64 KiB"),
            contender: contender.to_owned(),
            figures: vec![Figure {
                name: name.to_owned(),
                unit: unit.to_owned(),
                spread: Spread::of(vec![2.0, 3.0]),
                ratio: None,
            }],
        };
        Report {
            machine: Machine::here(),
            runs: 2,
            quick: true,
            rows: vec![
                row("drain", "limit", "throughput", "MB/s"),
                row("drain", "<ringwire>", "throughput", "MB/s"),
                row("mixed", "ringwire", "p50", "µs"),
                row("idle", "ringwire", MEMORY[0], "KiB"),
            ],
        }
    }

    #[test]
    fn a_page_has_its_charts_and_figures_and_nothing_from_outside() {
        let html = html(&report());
        assert_eq!(
            html.matches("<svg").count(),
            3,
            "throughput, latency, memory"
        );
        assert!(
            !html.contains("http") && !html.contains("<script"),
            "it works offline"
        );
        assert!(html.contains("&lt;ringwire&gt;") && !html.contains("<ringwire>"));
        assert!(html.contains("prefers-color-scheme:dark"));
        assert!(html.contains("mean nothing"), "a quick run says so");
    }
}
