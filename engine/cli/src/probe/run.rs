//! Visits all targets and tells of each as soon as it is known.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;

use super::report::{heads, row, visit_json};
use super::targets;
use crate::console;
use crate::failure::Failure;
use crate::flag_values::{time_over_zero, up_to};
use crate::stderr;
use crate::visit::{CREW_MAX, Crew, Visit, VisitError, Visitor, harmless};

/// Ask nodes who they are, and whether they answer.
///
/// Dials each node, shakes hands, and tells its chain, moniker and version, whether its id is the one
/// asked for, the round trip, and how many addresses it knows; or exactly why not. A line as each
/// answers. Wants no home and no network: it takes part in whatever network it finds, for a moment,
/// under a key made for the run. Ends with exit code 1 unless all nodes are as they should be.
#[derive(Args)]
pub(crate) struct ProbeArgs {
    /// ID@HOST:PORT, or ID@unix:///PATH for a node on this machine; ID@ may be missing. Lists of them with
    /// commas, files with such lists or with the chain.json of the chain registry, or - for standard input.
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
    /// The chain that all of them must be of.
    #[arg(long, value_name = "CHAIN")]
    network: Option<String>,
    /// Time for one visit, from the first packet to the last answer.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time_over_zero)]
    timeout: Duration,
    /// Visits at the same time, 512 at most.
    #[arg(long, value_name = "N", default_value = "64", value_parser = up_to::<{ CREW_MAX as u64 }>)]
    at_once: NonZeroUsize,
    /// Print JSON, an object per line.
    #[arg(long)]
    json: bool,
}

/// Runs the whole command.
pub(crate) fn run(args: &ProbeArgs) -> Result<(), Failure> {
    let targets = targets::gather(&args.nodes)?;
    let total = targets.len();
    let visitor = Visitor::new("ringwire-probe", args.timeout)?;
    let size = args
        .at_once
        .min(NonZeroUsize::new(total).unwrap_or(NonZeroUsize::MIN));
    let mut crew = Crew::new(visitor, size)?;
    for target in targets {
        crew.order(target);
    }
    if !args.json {
        console::print(&heads())?;
    }
    let mut tally = Tally::default();
    while let Some(visit) = crew.report() {
        let visit = judged(visit, args.network.as_deref());
        console::print(&match args.json {
            true => visit_json(&visit).to_string(),
            false => row(&visit),
        })?;
        tally.count(&visit);
    }
    tally.judge(total)
}

/// A node of another chain than was asked for is as good as none.
fn judged(mut visit: Visit, network: Option<&str>) -> Visit {
    if let (None, Some(wanted), Some(info)) = (&visit.error, network, &visit.node_info)
        && info.network != wanted
    {
        visit.error = Some(VisitError::OtherNetwork {
            found: info.network.clone(),
        });
    }
    visit
}

/// What all visits came to.
#[derive(Default)]
struct Tally {
    ok: usize,
    /// Nodes that told their chain, by chain.
    chains: BTreeMap<String, usize>,
}

impl Tally {
    fn count(&mut self, visit: &Visit) {
        self.ok += usize::from(visit.is_ok());
        if let Some(info) = &visit.node_info {
            let chain = harmless(&info.network, 60);
            *self.chains.entry(chain).or_default() += 1;
        }
    }

    fn judge(&self, total: usize) -> Result<(), Failure> {
        let chains = self.chains.iter();
        let chains: Vec<_> = chains
            .map(|(chain, nodes)| format!("{chain} {nodes}"))
            .collect();
        let sum = format!(
            "{} of {total} as they should be; by chain: {}",
            self.ok,
            match chains.is_empty() {
                true => String::from("none told"),
                false => chains.join(", "),
            }
        );
        match self.ok == total {
            true => {
                stderr::say(&sum);
                Ok(())
            }
            false => Err(Failure::new(sum)),
        }
    }
}
