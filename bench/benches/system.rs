//! The whole-system bench: Ringwire beside the limit and beside rivals, in turn.
//!
//! `cargo bench -p ringwire-bench --bench system -- --help`

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use ringwire_bench::alloc::Counting;
use ringwire_bench::case::{Case, Figure, Plan, Row};
use ringwire_bench::machine::{Machine, Report, try_to_write};
use ringwire_bench::revision::Revision;
use ringwire_bench::rivals::{Built, RIVALS};
use ringwire_bench::selection::{check_alone, check_cpus, select};
use ringwire_bench::{cases, child, measure, noise};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Throughput, latency, memory and CPU of whole Ringwire nodes over loopback, beside the least code
/// that moves the same sealed bytes (`limit`) and beside rivals.
///
/// Contenders take turns; figures are medians over the runs, with the smallest and largest in
/// brackets; ratios are taken pair by pair. A case whose runs were not alike is measured again.
/// docs/benchmarks.md explains every case.
#[derive(Parser)]
#[command(
    name = "system",
    bin_name = "cargo bench -p ringwire-bench --bench system --"
)]
struct Options {
    /// Run only the case of this name, or else those whose names contain it: `drain`,
    /// `ping-pong/wide`, `drain/wide 1 KiB`. Several are separated by commas, and each must select
    /// a case
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Who runs beside Ringwire, separated by commas; any other word is a commit, as git names it:
    /// what Ringwire was there is built and stands beside what it is here. Rivals are built on demand
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = LIMIT,
        value_parser = Contenders
    )]
    against: Vec<String>,
    /// Also write the figures to a file, which the program `report` makes a page of. It is tried
    /// before the first case and written anew after each, so that a run that is cut off keeps what
    /// it has
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Small amounts, and two runs unless --runs says otherwise: checks that everything works,
    /// measures nothing
    #[arg(long)]
    quick: bool,
    /// Also what takes many minutes: 200 receivers, 10,000 idle peers
    #[arg(long)]
    full: bool,
    /// Runs of each contender [default: 5, with --quick 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,
    /// CPUs of the limit's sender and receiver [default: the first two that may be used]
    #[arg(long, value_name = "CPU", num_args = 2)]
    cpus: Vec<usize>,
    /// Print the names of the cases and run nothing
    #[arg(long, conflicts_with_all = ["json", "runs", "against", "cpus"])]
    list: bool,
    /// Given by cargo; means nothing here.
    #[arg(long, hide = true)]
    bench: bool,
}

const LIMIT: &str = "limit";
const ALL: &str = "all";
const NONE: &str = "none";

/// Runs of each contender, of a real run and of a quick one.
const RUNS: u16 = 5;
const QUICK_RUNS: u16 = 2;

/// Times that a noisy case is measured. Its figures then stand, and the end of the run names it.
const TRIES_MAX: u32 = 3;

/// Exit code of a call that makes no sense; clap uses the same.
const MISUSED: u8 = 2;

/// Reads who runs beside Ringwire; what is not in its list may be a commit.
#[derive(Clone)]
struct Contenders;

impl TypedValueParser for Contenders {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(contenders()))
    }
}

/// Who may run beside Ringwire, commits aside.
fn contenders() -> impl Iterator<Item = PossibleValue> {
    let own = [
        PossibleValue::new(LIMIT).help("the least code that moves the same sealed bytes"),
        PossibleValue::new(ALL).help("the limit and every rival"),
        PossibleValue::new(NONE).help("nobody: for profiles"),
    ];
    let rivals = RIVALS.iter();
    let rivals = rivals.map(|rival| PossibleValue::new(rival.name).help(rival.about));
    own.into_iter().chain(rivals)
}

impl Options {
    fn asks_for(&self, contender: &str) -> bool {
        let mut against = self.against.iter();
        against.any(|name| name == contender || name == ALL)
    }

    fn runs(&self) -> u16 {
        self.runs.unwrap_or(match self.quick {
            true => QUICK_RUNS,
            false => RUNS,
        })
    }

    /// What the command line asks for and cannot have, found before anything is built or run.
    fn check(&self) -> Result<(), String> {
        self.revision()?;
        check_alone("--against", &self.against, &[NONE, ALL])?;
        check_cpus(&self.cpus, &measure::usable_cpus())
    }

    /// The commit that stands beside this one, if one is asked for.
    fn revision(&self) -> Result<Option<Revision>, String> {
        let is_commit = |word: &&String| contenders().all(|known| known.get_name() != *word);
        let words: Vec<&String> = self.against.iter().filter(is_commit).collect();
        match words[..] {
            [] => Ok(None),
            [word] => Revision::find(word).map(Some).map_err(|problem| {
                let known: Vec<String> = contenders()
                    .map(|known| known.get_name().to_owned())
                    .collect();
                let known = known.join(", ");
                format!("--against {word}: not one of {known}, and {problem}")
            }),
            [one, another, ..] => Err(format!(
                "--against {one},{another}: one commit at a time can stand beside this one"
            )),
        }
    }

    /// The CPUs of the limit's sender and receiver; the same twice where there is one alone.
    fn cpus(&self) -> [usize; 2] {
        let usable = measure::usable_cpus();
        let first = self.cpus.first().or(usable.first()).copied().unwrap_or(0);
        let second = self.cpus.get(1).or(usable.get(1)).copied().unwrap_or(first);
        [first, second]
    }

    /// The cases that are asked for, of those that the plan has.
    fn select(&self, plan: &Plan) -> Result<Vec<bool>, String> {
        let names =
            |plan: &Plan| -> Vec<String> { cases::all(plan).iter().map(Case::name).collect() };
        select(&names(plan), &self.only).map_err(|nothing| {
            let full = Plan {
                full: true,
                ..plan.clone()
            };
            match !plan.full && select(&names(&full), &self.only).is_ok() {
                true => format!("{nothing} (there is such a case with --full)"),
                false => nothing.to_string(),
            }
        })
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some(child::ORDERS) {
        return be_a_child(&args.next().unwrap_or_default());
    }
    let options = Options::parse();
    let mut plan = Plan {
        quick: options.quick,
        full: options.full,
        cpus: options.cpus(),
        limit: options.asks_for(LIMIT),
        rivals: Vec::new(),
    };
    // The cases are the same without the rivals, which take minutes to build.
    let checked = options.check().and_then(|()| options.select(&plan));
    let selected = match checked {
        Ok(selected) => selected,
        Err(problem) => return misused(&problem),
    };
    if options.list {
        let listed = cases::all(&plan).into_iter().zip(selected);
        let listed = listed.filter(|(_, is_selected)| *is_selected);
        listed.for_each(|(case, _)| println!("{}", case.name()));
        return ExitCode::SUCCESS;
    }
    if let Some(path) = &options.json
        && let Err(error) = try_to_write(path)
    {
        return misused(&format!(
            "--json {}: cannot write there: {error}",
            path.display()
        ));
    }
    let mut complaints = Vec::new();
    plan.rivals = rivals(&options, &mut complaints);
    let cases = cases::all(&plan).into_iter().zip(selected);
    let cases = cases.filter_map(|(case, is_selected)| is_selected.then_some(case));
    let cases = match beside_revision(&options, &plan, cases.collect()) {
        Ok(cases) => cases,
        Err(problem) => return misused(&problem),
    };
    measure::raise_open_files();
    run(&options, cases, &mut complaints);
    for complaint in &complaints {
        eprintln!("bench: {complaint}");
    }
    match complaints.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn be_a_child(orders: &str) -> ExitCode {
    match child::live(orders) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: a child process: {error}");
            ExitCode::FAILURE
        }
    }
}

fn misused(problem: &str) -> ExitCode {
    eprintln!("bench: {problem}");
    ExitCode::from(MISUSED)
}

fn run(options: &Options, cases: Vec<Case>, complaints: &mut Vec<String>) {
    let mut report = Report {
        machine: Machine::measured(options.cpus()[0]),
        runs: usize::from(options.runs()),
        quick: options.quick,
        rows: Vec::new(),
    };
    println!("{}", report.machine.speeds_sentence());
    let (all, began) = (cases.len(), Instant::now());
    for (number, mut case) in (1..).zip(cases) {
        let name = case.name();
        let runs = report.runs.min(case.runs_max);
        let place = format!("[{number}/{all}, {}] {name}", clock(began.elapsed()));
        note(&place);
        let mut tries = 0;
        let (done, failures) = loop {
            let measured = case.run(runs, |run, contender| {
                progress(&format!("{place}: {contender}, run {} of {runs}", run + 1));
            });
            progress("");
            // A quick run measures nothing, so there is nothing to be had by a second.
            let Some(problem) = noise::complaint(&measured.0).filter(|_| !options.quick) else {
                break measured;
            };
            tries += 1;
            if tries == TRIES_MAX {
                complaints.push(format!("NOISY {TRIES_MAX} times: {name}: {problem}"));
                break measured;
            }
            eprintln!("bench: {name} is measured again: {problem}");
        };
        println!("{name}");
        done.iter().for_each(print_row);
        for failure in failures {
            complaints.push(format!("NOT MEASURED: {name}: {failure}"));
        }
        report.rows.extend(done);
        if let Some(path) = &options.json
            && let Err(error) = report.write(path)
        {
            complaints.push(format!("cannot write {}: {error}", path.display()));
        }
    }
    note(&format!("{all} cases took {}", clock(began.elapsed())));
}

/// Time as a clock shows it, in minutes and seconds.
fn clock(span: Duration) -> String {
    let secs = span.as_secs();
    format!("{}:{:02}", secs / 60, secs % 60)
}

/// Shows what is going on, where somebody watches; an empty text takes it away.
fn progress(text: &str) {
    let mut watched = std::io::stderr().lock();
    if watched.is_terminal() {
        // Nothing is lost when the terminal is gone.
        let _ = write!(watched, "\r\x1b[2K{text}");
        let _ = watched.flush();
    }
}

/// Says how far it is, once a case, where nobody watches and a log is read.
fn note(text: &str) {
    if !std::io::stderr().is_terminal() {
        eprintln!("bench: {text}");
    }
}

fn print_row(row: &Row) {
    println!("  {}", row.contender);
    for figure in &row.figures {
        println!("    {}", line_of(figure));
    }
}

fn line_of(figure: &Figure) -> String {
    let spread = &figure.spread;
    let value = format!("{} {}", short(spread.median), figure.unit);
    let line = format!(
        "{:<26} {value:>18}  ({}..{})",
        figure.name,
        short(spread.min),
        short(spread.max)
    );
    match &figure.ratio {
        Some(ratio) => format!(
            "{line:<72} ratio {:.2} ({:.2}..{:.2})",
            ratio.median, ratio.min, ratio.max
        ),
        None => line,
    }
}

/// A figure with about three digits that mean something.
fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.1.. => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// The cases with what Ringwire was at the commit that is asked for, if one is.
fn beside_revision(options: &Options, plan: &Plan, cases: Vec<Case>) -> Result<Vec<Case>, String> {
    let Some(revision) = options.revision()? else {
        return Ok(cases);
    };
    progress(&format!("building Ringwire at {}", revision.commit));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("revisions");
    let earlier = revision.build(&folder)?;
    progress("");
    let alone = Plan {
        limit: false,
        rivals: Vec::new(),
        ..plan.clone()
    };
    let ours = cases::all(&alone);
    let add = |case: Case| {
        let name = case.name();
        let ours = ours.iter().find(|ours| ours.name() == name);
        let ours = ours.into_iter().flat_map(|ours| &ours.contenders);
        let ours: Vec<String> = ours.map(|ours| ours.name.clone()).collect();
        earlier.stand_beside(case, &ours, plan)
    };
    cases.into_iter().map(add).collect()
}

/// Builds the rivals that are asked for. One that does not build is named loudly, and its rows are
/// absent.
fn rivals(options: &Options, complaints: &mut Vec<String>) -> Vec<Built> {
    // A folder of their own: the lock of ours is not held against their builds.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("rivals");
    let mut built = Vec::new();
    for rival in RIVALS.iter().filter(|rival| options.asks_for(rival.name)) {
        progress(&format!("building the program that drives {}", rival.name));
        let outcome = rival.build(&target);
        progress("");
        match outcome {
            Ok(rival) => built.push(rival),
            Err(error) => {
                let complaint = format!("NO ROWS OF {}: {error}", rival.name);
                // Said at once, and again at the end, as hours may lie between.
                eprintln!("bench: {complaint}");
                complaints.push(complaint);
            }
        }
    }
    built
}
