//! Looks at everything, and shows it to eyes or to programs.

use std::path::PathBuf;

use clap::Args;
use ringwire::TransportChoice;
use ringwire::machine;
use ringwire::machine::{Finding, Verdict};
use ringwire_core::config::SHARDS_MAX;
use serde_json::{Value, json};

use super::{home, network};
use crate::config::{LoadedConfig, NodeConfig};
use crate::console;
use crate::failure::Failure;
use crate::flag_values::within;
use crate::home::Home;
use crate::home_dir;

/// Look whether this machine can run a node.
///
/// Looks at everything a node needs of this machine: the kernel and its io_uring, limits, CPUs; with
/// --home or RINGWIRE_HOME also at what its node needs, and asks its seeds and peers who they are. Changes nothing. Ends with exit code 1 if a node could not run.
#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// Shards the node will have; without it those of the home, else one per usable CPU.
    #[arg(long, value_name = "N", value_parser = within::<usize, 1, { SHARDS_MAX as u64 }>)]
    shards: Option<usize>,
    /// Look at the home of a node, too: its files and file system, its port, room on the disk, the
    /// clock, and whether its seeds and persistent peers answer.
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Runs the whole command.
pub(crate) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let home = args.home.clone().or_else(home_dir::named).map(Home::at);
    let loaded = home.as_ref().and_then(loaded);
    let engine = loaded.as_ref().map(|loaded| &loaded.config.engine);
    let of_home = engine
        .map(|engine| engine.shards)
        .filter(|shards| *shards > 0);
    let shards = args
        .shards
        .or(of_home)
        .unwrap_or_else(|| machine::available_cpus().len().max(1));
    let transport = engine.map_or_else(TransportChoice::default, |engine| engine.transport);
    let mut findings = machine::check(shards, transport);
    if let Some(home) = home {
        findings.extend(home::check(&home, loaded.as_ref()));
        findings.extend(network::check(&home, loaded.as_ref().map(|it| &it.config)));
    }
    if args.json {
        console::print_json(&to_json(&findings))?;
    } else {
        console::print(&table(&findings))?;
    }
    match machine::verdict(&findings) {
        Verdict::Fail => Err(Failure::new("a node cannot run here; mend what says FAIL")),
        Verdict::Ok | Verdict::Warn => Ok(()),
    }
}

/// What the node of a home goes by, the defaults where there is no config.toml; none where it has
/// faults. Read once, since what is odd about it is logged.
fn loaded(home: &Home) -> Option<LoadedConfig> {
    match home.has_config() {
        true => home.load_config().ok(),
        false => NodeConfig::from_toml("", "").ok(),
    }
}

fn to_json(findings: &[Finding]) -> Value {
    let rows = findings.iter().map(|finding| {
        json!({
            "what": finding.what,
            "verdict": word(finding.verdict).to_lowercase(),
            "found": finding.found,
            "mend": finding.mend,
        })
    });
    json!({
        "verdict": word(machine::verdict(findings)).to_lowercase(),
        "findings": rows.collect::<Vec<_>>(),
    })
}

/// A row per finding; how to mend it stands below.
fn table(findings: &[Finding]) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.what.len())
        .max()
        .unwrap_or(0);
    let mut rows = Vec::new();
    for finding in findings {
        let verdict = word(finding.verdict);
        rows.push(format!(
            "{verdict:<4}  {:<width$}  {}",
            finding.what, finding.found
        ));
        if !finding.mend.is_empty() {
            rows.push(format!(
                "      {:<width$}  to mend it: {}",
                "", finding.mend
            ));
        }
    }
    rows.join("\n")
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(what: &'static str, verdict: Verdict, mend: &str) -> Finding {
        Finding {
            what,
            verdict,
            found: String::from("found"),
            mend: mend.to_owned(),
        }
    }

    #[test]
    fn what_must_be_mended_says_how() {
        let findings = [
            finding("a", Verdict::Ok, ""),
            finding("long name", Verdict::Fail, "do that"),
        ];
        let expected = "ok    a          found\n\
                        FAIL  long name  found\n\
                        \u{20}                to mend it: do that";
        assert_eq!(table(&findings), expected);
        assert_eq!(to_json(&findings)["verdict"], "fail");
        assert_eq!(to_json(&findings)["findings"][1]["mend"], "do that");
    }
}
