//! Everything that is wrong with a config.toml, and what is odd about it.

use serde_json::{Value, json};

use crate::config::{ConfigFileProblem, ConfigWarning, NodeConfig};
use crate::console;
use crate::failure::Failure;
use crate::genesis;
use crate::home::Home;
use crate::metrics;
use crate::table::number_of;

/// What a look at a file found.
#[derive(Default)]
struct Findings {
    faults: Vec<ConfigFileProblem>,
    oddities: Vec<ConfigWarning>,
}

/// Runs the command: says what was found, and fails if a node would not start.
pub(super) fn run(home: &Home, json: bool) -> Result<(), Failure> {
    let name = home.config_file().display().to_string();
    let findings = look(home, &name)?;
    match json {
        true => console::print_json(&to_json(&name, &findings))?,
        false => console::print(&to_text(&name, &findings))?,
    }
    match findings.faults.len() {
        0 => Ok(()),
        faults => Err(Failure::new(format!(
            "{name}: {}",
            number_of(faults, "fault")
        ))),
    }
}

/// A sentence about each fault for which a node of the home would not start.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn faults(home: &Home) -> Result<Vec<String>, Failure> {
    let name = home.config_file().display().to_string();
    let findings = look(home, &name)?;
    let faults = findings.faults.iter();
    Ok(faults.map(|fault| fault.sentence(&name)).collect())
}

/// Reads all that a start reads of the home before the node runs.
fn look(home: &Home, name: &str) -> Result<Findings, Failure> {
    let mut findings = Findings::default();
    match NodeConfig::from_toml(name, &home.config_text()?) {
        Ok(loaded) => {
            findings.oddities.clone_from(&loaded.warnings);
            findings.note(
                "instrumentation.prometheus_listen_addr",
                metrics::check_address(&loaded.instrumentation).map_err(Failure::new),
            );
            if !loaded.names_network() {
                let genesis = home.file(&loaded.config.genesis_file);
                findings.note("genesis_file", genesis::chain_id(&genesis).map(drop));
            }
        }
        Err(error) => findings.faults = error.problems,
    }
    Ok(findings)
}

impl Findings {
    /// Notes what is wrong beside the settings.
    fn note(&mut self, key: &str, checked: Result<(), Failure>) {
        if let Err(failure) = checked {
            self.faults.push(ConfigFileProblem {
                line: None,
                key: Some(key.to_owned()),
                problem: failure.to_string(),
            });
        }
    }
}

fn to_text(name: &str, findings: &Findings) -> String {
    let Findings { faults, oddities } = findings;
    let faults = faults.iter().map(|fault| fault.sentence(name));
    let oddities = oddities.iter().map(|oddity| format!("{name}: {oddity}"));
    let mut lines: Vec<_> = faults.chain(oddities).collect();
    if findings.faults.is_empty() {
        lines.push(format!("{name}: in order"));
    }
    lines.join("\n")
}

fn to_json(name: &str, findings: &Findings) -> Value {
    let fault = |fault: &ConfigFileProblem| json!({ "line": fault.line, "key": fault.key, "problem": fault.problem });
    let oddity = |oddity: &ConfigWarning| json!({ "line": oddity.line, "key": oddity.key, "note": oddity.note });
    json!({
        "file": name,
        "in_order": findings.faults.is_empty(),
        "faults": findings.faults.iter().map(fault).collect::<Vec<_>>(),
        "oddities": findings.oddities.iter().map(oddity).collect::<Vec<_>>(),
    })
}
