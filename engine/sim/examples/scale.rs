//! Runs a network that finds itself from three seeds, with churn and liars, in simulated time:
//! `cargo run --release -p ringwire-sim --example scale -- --nodes 10000 --seed 7`.
//!
//! Prints the report of docs/simulation.md as a table, or with `--json` as JSON; what it took goes to
//! the standard error, so that two reports of a seed are equal to the last byte.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the example reads its arguments"
)]

#[path = "../tests/sim/at_scale/network/mod.rs"]
mod network;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use network::{Plan, run};

const USAGE: &str =
    "options: --nodes N (1000), --seed N (7), --minutes N (60), --starting SECONDS (60), --json";

struct Options {
    plan: Plan,
    json: bool,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut nodes, mut seed, mut minutes, mut starting) = (1000, 7, 60, 60);
    let mut json = false;
    while let Some(option) = arguments.next() {
        let mut number = || {
            let text = arguments.next().unwrap_or_default();
            text.parse::<u32>()
                .map_err(|_| format!("{option} takes a number, not '{text}'"))
        };
        match option.as_str() {
            "--nodes" => nodes = number()?,
            "--seed" => seed = u64::from(number()?),
            "--minutes" => minutes = u64::from(number()?),
            "--starting" => starting = u64::from(number()?),
            "--json" => json = true,
            _ => return Err(format!("unknown option '{option}'")),
        }
    }
    let mut plan = Plan::new(seed, nodes);
    plan.span = Duration::from_secs(60 * minutes);
    plan.starting = Duration::from_secs(starting);
    Ok(Options { plan, json })
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let start = Instant::now();
    let report = run(&options.plan, |sample| {
        eprintln!("{:>6.1} s  {sample:?}", start.elapsed().as_secs_f64());
    });
    match options.json {
        true => println!("{}", report.to_json()),
        false => println!("{report}"),
    }
    eprintln!("took {:.1} s", start.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}
