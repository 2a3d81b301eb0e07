//! The arguments, and the plan that they ask for.

use std::fmt::Write;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use ringwire_spread::Scenario;
use ringwire_spread::network::Model;
use ringwire_spread::overlay::Overlay;
use ringwire_spread::scenario::{Origins, ScenarioError};

use crate::comparison::Plan;
use crate::contenders::{ALL, Contender, find};
use crate::units::{pause, size, speed};

/// More nodes than this do not fit into a usual machine's memory.
const NODES_MAX: i64 = 100_000;

/// More than this is no warming up.
const WARM_MAX: i64 = 1000;

/// Arrivals whose moments a run keeps, at some 50 bytes each: a few gigabytes.
const ARRIVALS_MAX: u64 = 100_000_000;

/// More seeds than this tell nothing more.
const SEEDS_MAX: i64 = 1000;

/// Everything, as `--against` says it.
const EVERYTHING: &str = "all";

/// Runs gossip protocols on one model of a network, and shows what each costs and how fast it is.
///
/// The model: nodes live in real cities, so distance costs time. Each has one uplink and one downlink, which
/// all its links share, so copies cost time too. A run is a function of its seed: the same arguments give
/// the same figures. docs/simulation.md explains the model and every figure.
#[derive(Parser, Debug)]
#[command(name = "spread", version, max_term_width = 100, after_help = AFTER, after_long_help = after_long())]
pub(crate) struct Args {
    /// How many nodes there are
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(3..=NODES_MAX))]
    nodes: u32,

    /// Links of a node: an even number, from 2 to one less than the nodes
    #[arg(long, value_name = "N", default_value = "16")]
    degree: u32,

    /// Where all chance comes from: places, links, origins, moments
    #[arg(long, value_name = "N", default_value = "7")]
    seed: u64,

    /// Runs with so many seeds, from --seed on; figures are the median, the least and the most
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=SEEDS_MAX))]
    seeds: u32,

    /// How long each payload is: a number and B, kB, MB, KiB or MiB; 128 MiB at most
    #[arg(long, value_name = "SIZE", default_value = "4KiB", value_parser = size)]
    payload: u32,

    /// How nodes choose their links: `random`, `near` for one half of them near by, or `full` for all with all
    #[arg(long, value_name = "HOW", default_value = "random")]
    overlay: Overlay,

    /// A node's bits in a second, each way, with k, M or G; `free`: only distance costs time
    #[arg(long, value_name = "SPEED", default_value = "100M", value_parser = speed)]
    speed: Speed,

    /// Links begin with ten segments and double with each round trip, as TCP does
    #[arg(long)]
    slow_start: bool,

    /// How much longer than usual a piece is under way at most, as a share of the distance
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = jitter)]
    jitter: f64,

    /// How far nodes are from each other, as a share of the way on the map; 0.001 is one building
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = distance)]
    distance: f64,

    /// How many nodes publish, in turns, or `all`
    #[arg(long, value_name = "N", default_value = "4", value_parser = origins)]
    origins: Origins,

    /// Payloads of each origin before those that are measured; 1000 at most
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(0..=WARM_MAX))]
    warm: u32,

    /// Payloads that are measured, of all origins together
    #[arg(long, value_name = "N", default_value = "40")]
    messages: u32,

    /// From one payload to the next: half as much to one and a half times as much, by chance
    #[arg(long, value_name = "TIME", default_value = "250ms", value_parser = pause)]
    interval: Duration,

    /// How long a run waits for what is late. A large payload on a slow line needs more
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = pause)]
    settle: Duration,

    /// The share of nodes that leave in a minute; new ones take their places
    #[arg(long, value_name = "SHARE", default_value = "0")]
    churn: f64,

    /// The share of links that break in a minute; each is made again after two seconds
    #[arg(long, value_name = "SHARE", default_value = "0")]
    breaks: f64,

    /// `sleepers=SHARE`: so many nodes, 0.5 at most, hear and say nothing once all is warm
    #[arg(long, value_name = "WHAT", value_parser = attack)]
    attack: Option<Sleepers>,

    /// The protocol that is looked at
    #[arg(long, value_name = "NAME", default_value = ALL[0].name, hide_possible_values = true,
        value_parser = PossibleValuesParser::new(ALL.iter().map(|contender| contender.name)))]
    protocol: String,

    /// Those that it is compared with, divided by commas; `all` of them
    #[arg(long, value_name = "NAMES", value_delimiter = ',', hide_possible_values = true,
        value_parser = PossibleValuesParser::new(ALL.iter().map(|contender| contender.name).chain([EVERYTHING])))]
    against: Vec<String>,

    /// Runs that are played at once, each in memory of its own; without it as many as there are CPUs
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,

    /// Prints one JSON document in place of tables, and shows no progress
    #[arg(long)]
    pub(crate) json: bool,

    /// Draws how many nodes have a payload over time into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,

    /// The time of the drawing is on a logarithmic axis
    #[arg(long, requires = "svg")]
    pub(crate) log: bool,
}

/// Bits in a second; [`None`] for free links. A name, since clap takes a bare `Option` for an argument that
/// may be missing.
type Speed = Option<u64>;

/// A share of nodes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Sleepers(f64);

const AFTER: &str = "`--help` names the protocols and gives examples.";

fn after_long() -> String {
    let mut text = String::from("Protocols:\n");
    for Contender { name, what, .. } in ALL {
        writeln!(text, "  {name:<14} {what}").expect("a String takes all that is written to it");
    }
    text.push_str(
        "\n\
         Examples:\n  \
         A thousand nodes, transactions, everything side by side, over five seeds:\n    \
         spread --nodes 1000 --against all --seeds 5\n  \
         Blocks of 1 MiB over TCP that starts slowly:\n    \
         spread --payload 1MiB --slow-start --interval 5s --settle 30s\n  \
         What a fifth of silent nodes does, drawn:\n    \
         spread --attack sleepers=0.2 --against all --svg spread.svg\n\n\
         The exit code is 0 if every protocol brought every payload once, 1 if one lost or doubled a payload or the \
         result could not be written, 2 if the arguments are wrong.",
    );
    text
}

impl Args {
    /// What they ask for. The error is about arguments that do not fit each other, or a file that cannot be
    /// written.
    pub(crate) fn plan(&self) -> Result<Plan, clap::Error> {
        let scenario = self.scenario();
        scenario.check().map_err(|problem| refusal(&problem))?;
        let arrivals = u64::from(self.messages) * u64::from(self.nodes);
        if arrivals > ARRIVALS_MAX {
            return Err(refused(&format!(
                "--messages {} to --nodes {} are {arrivals} arrivals to remember: take fewer of one, {ARRIVALS_MAX} fit",
                self.messages, self.nodes
            )));
        }
        if let Some(path) = &self.svg {
            // Now, and not after minutes of work.
            let opened = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path);
            opened.map_err(|error| {
                refused(&format!(
                    "--svg {} cannot be written: {error}. Name a file in a folder that exists",
                    path.display()
                ))
            })?;
        }
        Ok(Plan {
            scenario,
            seeds: self.seeds,
            contenders: self.contenders(),
            threads: self.threads(),
        })
    }

    fn scenario(&self) -> Scenario {
        Scenario {
            seed: self.seed,
            nodes: self.nodes,
            degree: self.degree,
            overlay: self.overlay,
            model: Model {
                bits_per_second: self.speed,
                slow_start: self.slow_start,
                jitter: self.jitter,
                distance: self.distance,
            },
            origins: self.origins,
            payload_bytes: self.payload,
            warm: self.warm,
            messages: self.messages,
            interval: self.interval,
            settle: self.settle,
            silent: self.attack.map_or(0.0, |Sleepers(share)| share),
            churn: self.churn,
            breaks: self.breaks,
        }
    }

    fn threads(&self) -> usize {
        let usual = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        self.threads.unwrap_or(usual).get()
    }

    /// The protocol, and then those against it, none twice.
    fn contenders(&self) -> Vec<&'static Contender> {
        let mut contenders: Vec<&'static Contender> = Vec::new();
        let mut add = |contender: &'static Contender| {
            if contenders.iter().all(|other| other.name != contender.name) {
                contenders.push(contender);
            }
        };
        find(&self.protocol).into_iter().for_each(&mut add);
        for name in &self.against {
            match name.as_str() {
                EVERYTHING => ALL.iter().for_each(&mut add),
                name => find(name).into_iter().for_each(&mut add),
            }
        }
        contenders
    }
}

/// A scenario that cannot be played, with the argument that has to change.
pub(crate) fn refusal(problem: &ScenarioError) -> clap::Error {
    let argument = match problem {
        ScenarioError::Nodes { .. } => "--nodes: ",
        ScenarioError::Degree { .. } => "--degree: ",
        ScenarioError::Origins { .. } | ScenarioError::Others { .. } => "--origins: ",
        ScenarioError::Share { what, .. } if what.contains("silent") => "--attack: ",
        ScenarioError::Share { what, .. } if what.contains("links") => "--breaks: ",
        ScenarioError::Share { .. } => "--churn: ",
        ScenarioError::Zero { what } if what.contains("messages") => "--messages: ",
        ScenarioError::Zero { what } if what.contains("origins") => "--origins: ",
        // What else there is, the readers of single arguments have refused.
        _ => "",
    };
    refused(&format!("{argument}{problem}"))
}

fn refused(problem: &str) -> clap::Error {
    Args::command().error(ErrorKind::ValueValidation, problem)
}

fn jitter(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=10.0).contains(&share) => Ok(share),
        _ => Err(String::from("write a share from 0 to 10, as in 0.05")),
    }
}

fn distance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=10.0).contains(&share) => Ok(share),
        _ => Err(String::from("write a share from 0 to 10, as in 0.001")),
    }
}

fn origins(text: &str) -> Result<Origins, String> {
    match text {
        "all" => Ok(Origins::All),
        _ => text
            .parse()
            .map(Origins::Some)
            .map_err(|_| String::from("write a number of nodes, or `all`")),
    }
}

fn attack(text: &str) -> Result<Sleepers, String> {
    let share = text
        .strip_prefix("sleepers=")
        .and_then(|share| share.parse().ok());
    share
        .map(Sleepers)
        .ok_or_else(|| String::from("write sleepers=SHARE, as in sleepers=0.2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &str) -> Result<Plan, String> {
        let arguments = std::iter::once("spread").chain(arguments.split_whitespace());
        let args = Args::try_parse_from(arguments).map_err(|error| error.to_string())?;
        args.plan().map_err(|error| error.to_string())
    }

    fn scenario(arguments: &str) -> Scenario {
        plan(arguments)
            .unwrap_or_else(|problem| panic!("{arguments}: {problem}"))
            .scenario
    }

    fn problem(arguments: &str) -> String {
        plan(arguments)
            .err()
            .unwrap_or_else(|| panic!("{arguments} are taken"))
    }

    #[test]
    fn the_arguments_are_sound_and_without_any_the_scenario_is_the_library_s() {
        Args::command().debug_assert();
        assert_eq!(scenario(""), Scenario::default());
        let plan = plan("").expect("the defaults");
        assert_eq!(plan.seeds, 1);
        assert_eq!(plan.contenders.len(), 1);
    }

    #[test]
    fn every_argument_reaches_the_scenario() {
        let scenario = scenario(
            "--nodes 100 --degree 8 --seed 3 --payload 1MiB --overlay near --speed 10M --slow-start \
             --jitter 0 --distance 0.5 --origins 12 --warm 2 --messages 5 --interval 2s --settle 30s --churn 0.01 --breaks 2 \
             --attack sleepers=0.2",
        );
        let expected = Scenario {
            seed: 3,
            nodes: 100,
            degree: 8,
            overlay: Overlay::Near,
            model: Model {
                bits_per_second: Some(10_000_000),
                slow_start: true,
                jitter: 0.0,
                distance: 0.5,
            },
            origins: Origins::Some(12),
            payload_bytes: 1 << 20,
            warm: 2,
            messages: 5,
            interval: Duration::from_secs(2),
            settle: Duration::from_secs(30),
            silent: 0.2,
            churn: 0.01,
            breaks: 2.0,
        };
        assert_eq!(scenario, expected);
        assert_eq!(self::scenario("--origins all").origins, Origins::All);
        assert_eq!(self::scenario("--speed free").model.bits_per_second, None);
    }

    #[test]
    fn what_cannot_be_played_names_the_argument_and_what_it_may_be() {
        let told = [
            ("--nodes 2", "--nodes"),
            ("--nodes 100001", "100001 is not in 3..=100000"),
            (
                "--degree 15",
                "--degree: a degree of 15 does not fit 1000 nodes: take an even number",
            ),
            (
                "--nodes 16",
                "--degree: a degree of 16 does not fit 16 nodes",
            ),
            ("--origins 1001", "--origins: there are 1000 nodes"),
            (
                "--origins 0",
                "--origins: the number of origins must be more than 0",
            ),
            (
                "--origins all --churn 0.1",
                "--origins: 1000 of 1000 nodes publish",
            ),
            ("--origins some", "a number of nodes, or `all`"),
            (
                "--messages 0",
                "--messages: the number of measured messages must be more than 0",
            ),
            (
                "--attack sleepers=0.6",
                "--attack: the share of silent nodes is 0.6",
            ),
            ("--attack liars=0.1", "sleepers=SHARE"),
            ("--churn 1.5", "--churn: the churn of a minute is 1.5"),
            (
                "--breaks 31",
                "--breaks: the share of links that break in a minute is 31",
            ),
            ("--jitter 11", "from 0 to 10, as in 0.05"),
            ("--distance 11", "from 0 to 10, as in 0.001"),
            ("--overlay far", "neither `random`, `near` nor `full`"),
            ("--payload 4K", "as in 4KiB"),
            ("--speed fast", "as in 100M"),
            ("--interval 250", "as in 250ms"),
            ("--protocol floot", "flood"),
            ("--messages 100001", "100001000 arrivals to remember"),
            ("--log", "--svg"),
            (
                "--svg /nowhere/to/be/found.svg",
                "--svg /nowhere/to/be/found.svg cannot be written",
            ),
        ];
        for (arguments, part) in told {
            let problem = problem(arguments);
            assert!(problem.contains(part), "{arguments}: {problem}");
        }
        assert!(plan("--messages 100000 --warm 1000 --nodes 1000").is_ok());
    }

    #[test]
    fn protocols_are_taken_once_in_the_order_of_the_arguments() {
        let names = |arguments| {
            let plan = plan(arguments).expect("they are known");
            let names = plan.contenders.iter().map(|contender| contender.name);
            names.collect::<Vec<_>>()
        };
        assert_eq!(names("--protocol flood --against flood,flood"), ["flood"]);
        let all: Vec<_> = ALL.iter().map(|contender| contender.name).collect();
        assert_eq!(names("--against all"), all);
        let last = all[all.len() - 1];
        let first = names(&format!("--protocol {last} --against all"))[0];
        assert_eq!(first, last);
    }

    #[test]
    fn the_help_names_every_protocol() {
        let help = Args::command().render_long_help().to_string();
        for contender in ALL {
            assert!(
                help.contains(contender.name) && help.contains(contender.what),
                "{help}"
            );
        }
    }
}
