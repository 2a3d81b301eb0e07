//! Drives every decoder of the crate with mutated messages, on stable Rust and without a fuzzing
//! engine.
//!
//! ```text
//! cargo run -p ringwire-codec --example fuzz -- --iterations 1000000 [--seed N] [--target NAME]
//! ```
//!
//! Each decoder has a `fuzz_*` function that checks what must hold for any bytes: no panic, limits
//! kept, what is read can be written and read again. The inputs follow from the seed alone, so a
//! failure is repeated by running with the seed that it printed. It has no feedback from the code
//! it runs; for that there are the same targets for cargo-fuzz in `codec/fuzz`.

mod mutate;
mod targets;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::Instant;

use mutate::Mutator;
use targets::{TARGETS, Target};

const USAGE: &str = "usage: fuzz [--iterations N] [--seed N] [--target NAME]";

/// How often the progress of a target is shown.
const REPORTS: u64 = 10;

struct Options {
    iterations: u64,
    seed: u64,
    target: Option<String>,
}

fn main() -> ExitCode {
    let options = match parse_options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    for target in TARGETS {
        let is_wanted = options
            .target
            .as_deref()
            .is_none_or(|name| name == target.name);
        if is_wanted && !run(target, &options) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn parse_options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        iterations: 1_000_000,
        seed: 1,
        target: None,
    };
    while let Some(name) = args.next() {
        let value = args.next().ok_or(format!("{name} needs a value"))?;
        let number = || {
            let not_a_number = |_| format!("{name} needs a number, not {value:?}");
            value.parse().map_err(not_a_number)
        };
        match name.as_str() {
            "--iterations" => options.iterations = number()?,
            "--seed" => options.seed = number()?,
            "--target" if TARGETS.iter().any(|target| target.name == value) => {
                options.target = Some(value);
            }
            "--target" => {
                let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                return Err(format!(
                    "no target {value:?}; there are {}",
                    names.join(", ")
                ));
            }
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}

/// Runs one target; false if an input made it panic.
fn run(target: &Target, options: &Options) -> bool {
    let started = Instant::now();
    let mut mutator = Mutator::new((target.samples)(), options.seed);
    let report_every = (options.iterations / REPORTS).max(1);
    for iteration in 1..=options.iterations {
        let input = mutator.next_input();
        if panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
            eprintln!(
                "{}: failed at iteration {iteration} of seed {}, input {}",
                target.name,
                options.seed,
                hex::encode(input)
            );
            return false;
        }
        if iteration % report_every == 0 {
            eprintln!("{}: {iteration} of {}", target.name, options.iterations);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}: {} inputs passed in {seconds:.1} s",
        target.name, options.iterations
    );
    true
}
