//! Makes a page with charts of the figures of a run:
//! `cargo run -p ringwire-bench --bin report -- figures.json > page.html`, or its main chart alone:
//! `cargo run -p ringwire-bench --bin report -- --chart throughput figures.json > throughput.svg`,
//! or its medians as a page of Markdown: `... --bin report -- --markdown figures.json`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use ringwire_bench::machine::Report;
use ringwire_bench::report::{markdown, page, picture};

/// Makes a page with charts of the figures of a run: one file without anything from outside, on
/// standard output.
#[derive(Parser)]
#[command(name = "report")]
struct Options {
    /// One chart alone, as an SVG file
    #[arg(long, value_name = "NAME")]
    chart: Option<Picture>,
    /// The medians as a page of Markdown
    #[arg(long, conflicts_with = "chart")]
    markdown: bool,
    /// What `--json` of the system bench wrote
    figures: PathBuf,
}

/// A chart that there is alone.
#[derive(Clone, Copy, ValueEnum)]
enum Picture {
    /// Throughput over one link by message size
    Throughput,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let path = options.figures.display();
    let text = match std::fs::read_to_string(&options.figures) {
        Ok(text) => text,
        Err(error) => return complain(format!("cannot read {path}: {error}")),
    };
    let report: Report = match serde_json::from_str(&text) {
        Ok(report) => report,
        Err(error) => {
            return complain(format!("{path} is not what `--json` writes: {error}"));
        }
    };
    let made = match options.chart {
        None if options.markdown => Some(markdown::page(&report)),
        None => Some(page::html(&report)),
        Some(Picture::Throughput) => picture::throughput(&report),
    };
    match made {
        Some(made) => print!("{made}"),
        None => return complain(format!("{path} has no figures of that chart")),
    }
    ExitCode::SUCCESS
}

fn complain(problem: String) -> ExitCode {
    eprintln!("report: {problem}");
    ExitCode::FAILURE
}
