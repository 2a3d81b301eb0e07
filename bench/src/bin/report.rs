//! Makes a page with charts of the figures of a run:
//! `cargo run -p ringwire-bench --bin report -- figures.json > page.html`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ringwire_bench::machine::Report;
use ringwire_bench::report::page;

/// Makes a page with charts of the figures of a run: one file without anything from outside, on
/// standard output.
#[derive(Parser)]
#[command(name = "report")]
struct Options {
    /// What `--json` of the system bench wrote
    figures: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let path = options.figures.display();
    let text = match std::fs::read_to_string(&options.figures) {
        Ok(text) => text,
        Err(error) => return complain(format!("cannot read {path}: {error}")),
    };
    match serde_json::from_str::<Report>(&text) {
        Ok(report) => print!("{}", page::html(&report)),
        Err(error) => {
            return complain(format!("{path} is not what `--json` writes: {error}"));
        }
    }
    ExitCode::SUCCESS
}

fn complain(problem: String) -> ExitCode {
    eprintln!("report: {problem}");
    ExitCode::FAILURE
}
