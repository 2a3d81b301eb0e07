//! The page: what was measured where, the charts, the figures.

use super::chart::{Chart, escape};
use super::style::{COLOURS, DRAWING, PAGE};
use super::{summary, table, terms, view};
use crate::case::Row;
use crate::machine::Report;

/// The whole page, in one file.
pub fn html(report: &Report) -> String {
    let machine = &report.machine;
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Ringwire, measured {0}</title><style>{COLOURS}{DRAWING}{PAGE}</style>\
         <h1>Ringwire, measured {0}</h1>\
         <p>{1}, {2} cores, Linux {3}, loopback. {4}, commit {5}. Medians of {6} runs, contenders in \
         turn; whiskers reach from the smallest run to the largest. <a href=\"#terms\">What the words \
         mean</a>.</p>\
         <p>{8}</p><p class=\"dim\"><code>{7}</code></p>",
        escape(&machine.date),
        escape(&machine.cpu),
        machine.cores,
        escape(&machine.kernel),
        escape(&machine.rustc),
        escape(machine.commit.as_deref().unwrap_or("unknown")),
        report.runs,
        escape(&machine.command),
        escape(&machine.speeds_sentence()),
    );
    if report.quick {
        html += "<p class=\"warn\">A quick run: it shows that everything works, and its figures \
                 mean nothing.</p>";
    }
    html += &summary::html(&report.rows);
    for (framing, title) in view::FRAMINGS {
        let rows: Vec<&Row> = report
            .rows
            .iter()
            .filter(|row| row.framing == framing)
            .collect();
        if rows.is_empty() {
            continue;
        }
        html += &format!("<h2>{title}</h2>");
        for (section, charts) in view::sections(&rows) {
            html += &format!("<h3>{section}</h3><div class=\"charts\">");
            charts.iter().for_each(|chart| html += &figure(chart));
            html += "</div>";
        }
    }
    html += "<h2>All figures</h2>";
    for (bench, rows) in suites(&report.rows) {
        html += &format!("<details><summary>{}</summary>", escape(bench));
        html += &table::html(&rows);
        html += "</details>";
    }
    html + &terms::html() + "</html>\n"
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
pub(super) fn suites(rows: &[Row]) -> Vec<(&str, Vec<&Row>)> {
    let mut suites: Vec<(&str, Vec<&Row>)> = Vec::new();
    for row in rows {
        match suites.iter_mut().find(|(bench, _)| *bench == row.bench) {
            Some((_, rows)) => rows.push(row),
            None => suites.push((&row.bench, vec![row])),
        }
    }
    suites
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Figure;
    use crate::machine::Machine;
    use crate::measure::Spread;
    use crate::report::view::MEMORY;

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

    #[test]
    fn every_link_of_a_page_leads_to_a_place_on_it() {
        let mut report = report();
        report.rows[1].contender = String::from("ringwire");
        let html = html(&report);
        let links = html.split("href=\"#").skip(1);
        let places: Vec<&str> = links.filter_map(|rest| rest.split('"').next()).collect();
        assert!(places.len() > 5, "{places:?}");
        for place in places {
            assert!(html.contains(&format!("id=\"{place}\"")), "{place}");
        }
    }
}
