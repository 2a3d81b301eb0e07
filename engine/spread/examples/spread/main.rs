//! Gossip protocols side by side on one model of a network:
//! `cargo run --release --example spread -- --nodes 1000 --degree 16 --seed 7 --payload 4KiB`.
//!
//! ```text
//!  arguments ─▶ scenario ─▶ comparison: each protocol, each seed ─▶ tables | JSON, and a chart
//! ```
//! docs/simulation.md explains the model, the options, and each figure.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the program writes files and plays runs on threads; the harness has neither"
)]

mod args;
mod chart;
mod comparison;
mod contenders;
mod figures;
mod json;
mod progress;
mod table;
mod text;
mod units;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::comparison::Comparison;
use crate::progress::Progress;

fn main() -> ExitCode {
    let args = Args::parse();
    let plan = match args.plan() {
        Ok(plan) => plan,
        Err(problem) => problem.exit(),
    };
    let progress = Progress::new(args.json, plan.total());
    let comparison = match Comparison::play(&plan, &progress) {
        Ok(comparison) => comparison,
        Err(problem) => args::refusal(&problem).exit(),
    };
    progress.finish();
    let output = match args.json {
        true => json::document(&comparison),
        false => text::page(&comparison),
    };
    let written = print(&output).and_then(|()| match &args.svg {
        Some(path) => std::fs::write(path, chart::svg(&comparison, args.log)),
        None => Ok(()),
    });
    match written {
        Err(error) => {
            eprintln!("error: the result could not be written: {error}");
            ExitCode::FAILURE
        }
        Ok(()) if comparison.is_whole() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
    }
}

/// Writes to standard output. A reader that has gone has read what it wanted.
fn print(output: &str) -> std::io::Result<()> {
    match std::io::stdout().write_all(output.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
