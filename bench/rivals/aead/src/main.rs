//! How fast well-kept libraries seal and open what Ringwire's record layers seal and open, beside the one that
//! the engine uses. `run.sh` builds it twice and prints the table.
//!
//! ```text
//!   run.sh ──▶ rival-aead table ──▶ rival-aead measure NAME     a process for each library, in turn,
//!                              └──▶ OTHER-BUILD measure NAME    as often as there are rounds
//! ```
//!
//! A library that is slowed down by a neighbour is slowed down for one round, and ratios are taken within a round.

mod library;
mod measure;
mod table;

use std::process::ExitCode;

const USAGE: &str =
    "rival-aead measure NAME | rival-aead table [--rounds NUMBER] [--beside PROGRAM]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["measure", name] => library::measure(name),
        ["table", ref options @ ..] => table::Options::read(options).and_then(|it| it.print()),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rival-aead: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Why nothing was measured.
type Failure = Box<dyn std::error::Error>;
