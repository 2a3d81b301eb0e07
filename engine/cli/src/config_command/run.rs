//! The two questions.

use clap::{Args, Subcommand};

use super::{check, show};
use crate::failure::Failure;
use crate::home::Home;

/// Check the configuration of a home, or show what is in force.
#[derive(Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    home: Home,
    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    question: Question,
}

#[derive(Subcommand)]
enum Question {
    /// Say all that is wrong with config.toml, each with its line and how to mend it.
    ///
    /// Exit codes: 0 it is in order (what is odd about it is said all the same), 1 something is wrong,
    /// or it cannot be read, 2 the command was called in a wrong way.
    Check,
    /// Show every setting, its value, and where that came from: default, config.toml and its line,
    /// environment, flag, or an order.
    ///
    /// Asks the node that runs on the home; if none does, shows what a node would go by that is started
    /// there without flags.
    Show,
}

/// Runs the whole command.
pub(crate) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    match args.question {
        Question::Check => check::run(&args.home, args.json),
        Question::Show => show::run(&args.home, args.json),
    }
}
