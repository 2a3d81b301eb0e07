//! Visits who is due until nobody is, and tells what it came to.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use indicatif::ProgressBar;
use ringwire_core::config::duration;
use ringwire_core::pex::Timestamp;
use serde_json::Value;

use super::journal::{self, Journal};
use super::map::Map;
use super::summary::Summary;
use crate::console;
use crate::failure::Failure;
use crate::flag_values::{time_over_zero, up_to};
use crate::probe::parse_list;
use crate::signals::{self, Hangup, Stop};
use crate::visit::{CREW_MAX, Crew, Known, Target, Visit, Visitor};
use crate::{stderr, terminal};

/// Longest time until a signal is noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Pause between two visits of a node where `--every` says nothing.
const PAUSE: Duration = Duration::from_secs(3600);

/// The shortest pause: the reference's own crawler comes back after two minutes.
const PAUSE_MIN: Duration = Duration::from_secs(120);

/// Draw the map of a network by asking each node whom it knows.
///
/// Begins with the seeds, visits every address that anybody tells, each once, one at a time for each
/// host, and leaves at once. Addresses of nodes of other chains are not followed. Ends when everybody was
/// visited, with how many nodes there are, of which versions, how far away; with --every it begins again.
/// With --out it goes on where the last run on that file was stopped.
#[derive(Args)]
pub(crate) struct CrawlArgs {
    /// Where to begin: ID@HOST:PORT, or ID@unix:///PATH for a node on this machine, commas between them; ID@
    /// may be missing.
    #[arg(long, value_name = "NODES", required = true, value_parser = parse_seeds)]
    seeds: Seeds,
    /// The chain to map; without it that of the first node that answers.
    #[arg(long, value_name = "CHAIN")]
    network: Option<String>,
    /// Go on for ever and visit each node so often; at least two minutes. Without it the crawl ends when
    /// everybody was visited once in the last hour.
    #[arg(long, value_name = "TIME", value_parser = parse_pause)]
    every: Option<Duration>,
    /// A file to add each address and visit to, as JSON lines; a crawl that is begun again goes on from it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Visits at the same time, 512 at most.
    #[arg(long, value_name = "N", default_value = "32", value_parser = up_to::<{ CREW_MAX as u64 }>)]
    at_once: NonZeroUsize,
    /// Time for one visit.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time_over_zero)]
    timeout: Duration,
    /// Addresses that are kept at most.
    #[arg(long, value_name = "N", default_value = "50000", value_parser = up_to::<{ u64::MAX }>)]
    nodes: NonZeroUsize,
    /// Print JSON, an object per line: each visit as it ends, and the summary.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug)]
struct Seeds(Vec<Target>);

fn parse_seeds(text: &str) -> Result<Seeds, String> {
    match parse_list(text)? {
        seeds if seeds.is_empty() => Err(String::from("there is none")),
        seeds => Ok(Seeds(seeds)),
    }
}

/// Runs the whole command.
pub(crate) fn run(args: &CrawlArgs) -> Result<(), Failure> {
    let stop = signals::install(Hangup::Ends)?;
    let mut map = Map::new(args.every.unwrap_or(PAUSE), args.nodes.get());
    let journal = match &args.out {
        Some(path) => Some(Journal::open(path, &mut map)?),
        None => None,
    };
    let visitor = Visitor::new("ringwire-crawl", args.timeout)?;
    let mut crawl = Crawl {
        crew: Crew::new(visitor, args.at_once)?,
        // A crawl that goes on is of the chain that it was of.
        chain: args.network.clone().or_else(|| map.commonest_chain()),
        map,
        journal,
        json: args.json,
        // Where nobody looks, a picture is only noise in a file.
        bar: (!args.json && stderr::is_terminal()).then(terminal::progress_bar),
    };
    for seed in &args.seeds.0 {
        crawl.learn(seed, None)?;
    }
    stop.begin();
    loop {
        crawl.visit_all(&stop)?;
        crawl.summarize()?;
        if args.every.is_none() || stop.is_asked() {
            return crawl.judge();
        }
        crawl.rest(&stop);
    }
}

fn parse_pause(text: &str) -> Result<Duration, String> {
    match duration::parse(text).map_err(|error| error.to_string())? {
        pause if pause < PAUSE_MIN => Err(format!(
            "nodes take more than one visit in {PAUSE_MIN:?} for an attack"
        )),
        pause => Ok(pause),
    }
}

struct Crawl {
    crew: Crew,
    map: Map,
    journal: Option<Journal>,
    chain: Option<String>,
    json: bool,
    bar: Option<ProgressBar>,
}

impl Crawl {
    /// Until nobody is due and nobody under way, or the operator has seen enough; what is under way
    /// then is left.
    fn visit_all(&mut self, stop: &Stop) -> Result<(), Failure> {
        while !stop.is_asked() {
            while self.crew.has_room()
                && let Some(target) = self.map.next(now())
            {
                self.crew.order(target);
            }
            if self.crew.away() == 0 {
                return Ok(());
            }
            if let Some(visit) = self.crew.report_within(LOOK_INTERVAL) {
                self.take(visit)?;
            }
            self.show();
        }
        Ok(())
    }

    fn take(&mut self, visit: Visit) -> Result<(), Failure> {
        let at = now();
        let event = journal::visited(&visit, at);
        self.map.visited(&visit.target, journal::found(&event), at);
        if self.json {
            console::print(&event.to_string())?;
        }
        self.keep(&event)?;
        let Some(info) = visit.node_info.as_ref().filter(|_| visit.is_ok()) else {
            return Ok(());
        };
        let chain = self.chain.get_or_insert_with(|| info.network.clone());
        if *chain != info.network {
            return Ok(());
        }
        let Known::Told(addresses) = visit.known else {
            return Ok(());
        };
        let from = info.node_id.to_string();
        for address in addresses {
            self.learn(&Target::from(address), Some(&from))?;
        }
        Ok(())
    }

    fn learn(&mut self, target: &Target, from: Option<&str>) -> Result<(), Failure> {
        let at = now();
        match self.map.learn(target, at) {
            true => self.keep(&journal::heard(target, from, at)),
            false => Ok(()),
        }
    }

    fn keep(&mut self, event: &Value) -> Result<(), Failure> {
        match &mut self.journal {
            Some(journal) => journal.add(event),
            None => Ok(()),
        }
    }

    fn show(&self) {
        if let Some(bar) = &self.bar {
            bar.set_length(self.map.len() as u64);
            bar.set_position(self.map.visited_len() as u64);
        }
    }

    fn summarize(&self) -> Result<(), Failure> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let summary = Summary::new(&self.map, self.chain.as_deref(), now());
        console::print(&match self.json {
            true => summary.to_json().to_string(),
            false => summary.to_text(),
        })
    }

    /// Waits until somebody is due.
    fn rest(&self, stop: &Stop) {
        while !stop.is_asked() && self.map.next_due().is_some() && !self.map.is_any_due(now()) {
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// A crawl that reached nobody has failed.
    fn judge(&self) -> Result<(), Failure> {
        let is_reached = |found: &super::map::Found| found.reachable;
        let mut places = self.map.places();
        match places.any(|(_, place)| place.found.as_ref().is_some_and(is_reached)) {
            true => Ok(()),
            false => Err(Failure::new(
                "nobody was reached; `ringwire probe` with the seeds says why",
            )),
        }
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix_nanos(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}
