//! The `ringwire` program: a node, a local network of nodes, and what an operator needs around them.
//!
//! ```text
//!   init ─▶ config/config.toml, config/node_key.json ─▶ start      one node, a gossip pipe
//!           doctor: can this machine run it?            seed       one node that tells others of others
//!                                                       peers      what a running node knows
//!                                                       top        the same, live, with rates
//!                                                       localnet   many nodes, checked traffic
//!                                                       ctl        changes a running node
//!           config: is the file in order, what is in force?
//!           completions, man: for packages; version
//! ```
//!
//! Results go to standard output, logs and progress to standard error, so that the program stands in
//! pipes. Exit codes: 0 all went well, 1 it failed and said why, 2 it was called in a wrong way.

#![deny(unsafe_code)]

mod allocator;
mod book;
mod completions;
mod config;
mod config_command;
mod console;
mod control;
mod crawl;
mod ctl;
mod doctor;
mod failure;
mod flag_values;
mod genesis;
mod gossip;
mod gossip_way;
mod home;
mod home_dir;
mod init;
mod localnet;
mod logging;
mod man;
mod metrics;
mod node;
mod overrides;
mod peers;
mod probe;
mod reload;
mod seed;
mod service;
mod show_node_id;
mod signals;
mod start;
mod stderr;
mod table;
mod terminal;
mod threads;
mod top;
mod version;
mod visit;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::failure::Failure;
use crate::flag_values::take_negative_numbers;
use crate::logging::LogArgs;

/// Exit code of a run that failed.
const FAILED: u8 = 1;
/// Exit code of a call that makes no sense; clap uses the same.
const MISUSED: u8 = 2;

/// A thread-per-core peer-to-peer engine on io_uring that speaks the Tendermint/CometBFT wire.
///
/// Results go to standard output, logs to standard error. Exit codes: 0 all went well, 1 it failed
/// and said why, 2 it was called in a wrong way; 128 and the signal's number when a signal ended it
/// at once.
#[derive(Parser)]
#[command(
    name = "ringwire",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten, next_help_heading = "Logging")]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

// Each command is described where its arguments are.
#[derive(Subcommand)]
enum Command {
    Init(init::InitArgs),
    ShowNodeId(show_node_id::ShowNodeIdArgs),
    Start(start::StartArgs),
    Seed(seed::SeedArgs),
    Peers(peers::PeersArgs),
    Ctl(ctl::CtlArgs),
    Config(config_command::ConfigArgs),
    Probe(probe::ProbeArgs),
    Crawl(crawl::CrawlArgs),
    Top(top::TopArgs),
    Localnet(localnet::LocalnetArgs),
    Doctor(doctor::DoctorArgs),
    Version(version::VersionArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    /// What is logged when nobody asks for anything else.
    fn default_log(&self) -> &'static str {
        match self {
            Command::Start(_) => "info",
            // A node that is stopped loses its peers; in a network of many that is only noise.
            Command::Localnet(_) => "error",
            _ => "warn",
        }
    }

    fn run(self) -> Result<(), Failure> {
        match self {
            Command::Init(args) => init::run(&args),
            Command::ShowNodeId(args) => show_node_id::run(&args),
            Command::Start(args) => start::run(&args),
            Command::Seed(args) => seed::run(&args),
            Command::Peers(args) => peers::run(&args),
            Command::Ctl(args) => ctl::run(&args),
            Command::Config(args) => config_command::run(&args),
            Command::Probe(args) => probe::run(&args),
            Command::Crawl(args) => crawl::run(&args),
            Command::Top(args) => top::run(&args),
            Command::Localnet(args) => localnet::run(&args),
            Command::Doctor(args) => doctor::run(&args),
            Command::Version(args) => version::run(&args),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
        }
    }
}

fn main() -> ExitCode {
    let called = take_negative_numbers(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&called).unwrap_or_else(|error| error.exit());
    // Held to the end: what was said last is written when it is dropped.
    let _stderr = match stderr::install() {
        Ok(guard) => guard,
        // Without its thread nothing can be said either.
        Err(_) => return ExitCode::from(FAILED),
    };
    if let Err(error) = cli.log.install(cli.command.default_log()) {
        stderr::say(&format!("error: {error}"));
        return ExitCode::from(MISUSED);
    }
    match cli.command.run() {
        // A reader that has seen enough is no failure of ours.
        Ok(()) | Err(Failure::StdoutClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            stderr::say(&format!("error: {failure}"));
            ExitCode::from(match failure {
                Failure::Misused(_) => MISUSED,
                _ => FAILED,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    /// The longs of flags with a value, each behind the words of its command.
    fn valued(command: &clap::Command, words: &[String]) -> Vec<Vec<String>> {
        let words = [words, &[command.get_name().to_owned()]].concat();
        let flags = command.get_arguments();
        let flags = flags.filter(|flag| flag.get_action().takes_values());
        let longs = flags.filter_map(|flag| flag.get_long());
        let here = longs.map(|long| [&*words, &[format!("--{long}")]].concat());
        let below = command.get_subcommands();
        let below = below.flat_map(|command| valued(command, &words));
        here.chain(below).collect()
    }

    #[test]
    fn a_flag_judges_a_negative_number_itself() {
        let command = take_negative_numbers(Cli::command());
        let calls = valued(&command, &[]);
        assert!(calls.len() > 40, "{calls:?}");
        for call in calls {
            let read = command
                .clone()
                .try_get_matches_from([&*call, &["-1".into()]].concat());
            // It may want more than this, or take the value for a text.
            let kind = read.err().map(|error| error.kind());
            assert_ne!(kind, Some(ErrorKind::UnknownArgument), "{call:?}");
        }
    }
}
