//! The medians of a run as a page of Markdown: what the documentation keeps of a run is printed, never
//! written by hand. All figures with their spread fill a file twenty times as large, which stays out of
//! the repository.

use std::fmt::Write;

use super::chart::short;
use super::page::suites;
use super::view::MEMORY;
use crate::case::Figure;
use crate::machine::Report;

/// The figures that are shown, in this order, where a suite has them.
const COLUMNS: &[&str] = &[
    "throughput",
    "CPU per GiB",
    "CPU per million messages",
    "p50",
    "p99",
    "p99.9",
    "connections per second of CPU",
    MEMORY[0],
    MEMORY[1],
    "CPU, all peers idle",
    "copies per message",
    "allocations per message",
];
/// Suites of small messages, whose CPU time is told by messages; that of others by bytes.
const BY_MESSAGE: &[&str] = &["small"];

/// Where and how the run was made, and a table for each suite: medians, and after a comma the ratio to
/// the case's first contender.
pub fn page(report: &Report) -> String {
    head(report) + &tables(report)
}

fn head(report: &Report) -> String {
    let machine = &report.machine;
    let mut head = format!(
        "# Measured {}\n\n{}, {} cores, Linux {}, loopback. {}, commit {}. Medians of {} runs, contenders in \
         turn; after\na comma the ratio to the case's first contender, taken pair by pair.\n{}\n\n```sh\n{}\n```\n",
        machine.date,
        machine.cpu,
        machine.cores,
        machine.kernel,
        machine.rustc,
        machine.commit.as_deref().unwrap_or("unknown"),
        report.runs,
        machine.speeds_sentence(),
        machine.command,
    );
    if report.quick {
        head += "\nA quick run: it shows that everything works, and its figures mean nothing.\n";
    }
    head
}

fn tables(report: &Report) -> String {
    let mut text = String::new();
    for (bench, rows) in suites(&report.rows) {
        let columns: Vec<&str> = COLUMNS
            .iter()
            .copied()
            .filter(|name| match *name {
                "CPU per million messages" => BY_MESSAGE.contains(&bench),
                _ => true,
            })
            .filter(|name| rows.iter().any(|row| row.figure(name).is_some()))
            .collect();
        let headings = columns.join(" | ");
        let rule = "|---".repeat(columns.len() + 2);
        write!(text, "\n| {bench} | | {headings} |\n{rule}|\n").expect("a String takes all");
        let mut last = String::new();
        for row in rows {
            let case = format!("{} {}", row.framing, row.case);
            let name = if case == last { "" } else { &case };
            let cells = columns
                .iter()
                .map(|name| row.figure(name).map_or(String::new(), cell));
            let cells = cells.collect::<Vec<_>>().join(" | ");
            writeln!(text, "| {name} | {} | {cells} |", row.contender).expect("a String takes all");
            last = case;
        }
    }
    text
}

fn cell(figure: &Figure) -> String {
    let median = format!("{} {}", short(figure.spread.median), figure.unit);
    match &figure.ratio {
        Some(ratio) => format!("{}, {:.2}", median.trim_end(), ratio.median),
        None => median.trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Row;
    use crate::machine::Machine;
    use crate::measure::Spread;

    fn row(contender: &str, figures: &[(&str, f64)], ratio: Option<f64>) -> Row {
        let figure = |(name, value): &(&str, f64)| Figure {
            name: (*name).to_owned(),
            unit: String::from("u"),
            spread: Spread::of(vec![*value]),
            ratio: ratio.map(|ratio| Spread::of(vec![ratio])),
        };
        Row {
            bench: String::from("drain"),
            framing: String::from("wide"),
            case: String::from("1 KiB"),
            contender: contender.to_owned(),
            figures: figures.iter().map(figure).collect(),
        }
    }

    #[test]
    fn a_suite_is_a_table_of_the_figures_it_has() {
        let report = Report {
            machine: Machine::here(),
            runs: 1,
            quick: false,
            rows: vec![
                row("limit", &[("throughput", 1000.0), ("max", 7.0)], None),
                row(
                    "ringwire",
                    &[("throughput", 900.0), ("CPU per GiB", 0.5)],
                    Some(0.9),
                ),
            ],
        };
        let expected = "\n| drain | | throughput | CPU per GiB |\n|---|---|---|---|\n\
                        | wide 1 KiB | limit | 1000 u |  |\n\
                        |  | ringwire | 900 u, 0.90 | 0.50 u, 0.90 |\n";
        assert_eq!(tables(&report), expected);
        let page = page(&report);
        assert!(page.starts_with("# Measured ") && page.ends_with(expected));
    }
}
