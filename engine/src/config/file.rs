//! Reads `config.toml`: ours, or that of a CometBFT node.
//!
//! A CometBFT home has many sections that are not ours ([rpc], [mempool], …); they are passed over.
//! Inside `[p2p]` and `[ringwire]` nothing is: a key that is known and changes nothing here becomes
//! a warning, one that nobody knows becomes an error that names the nearest known key. All faults
//! of a file are reported at once, each with its line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::nearest::nearest;
use super::settings::{self, IGNORED, P2P, RINGWIRE, TOP};
use super::{Config, ConfigError};

pub use error::{ConfigFileError, ConfigFileProblem, ConfigWarning};

mod error;

/// A configuration read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedConfig {
    /// The configuration; it keeps every rule of [`Config::check`].
    pub config: Config,
    /// Keys that were understood and change nothing.
    pub warnings: Vec<ConfigWarning>,
    /// Whether the file names the network. That of a CometBFT node does not: its chain id stands in
    /// `genesis_file`.
    pub names_network: bool,
}

impl Config {
    /// Reads a configuration from the text of a `config.toml`; `file` is its name for errors.
    ///
    /// # Errors
    /// All faults at once: bad TOML, unknown keys, values of a wrong kind, rules broken.
    pub fn from_toml(file: &str, text: &str) -> Result<LoadedConfig, ConfigFileError> {
        let mut reader = Reader::new(text);
        match DeTable::parse(text) {
            Ok(table) => reader.read_file(table.get_ref()),
            Err(error) => reader.refuse_text(&error),
        }
        reader.finish(file)
    }
}

/// One pass over a file.
struct Reader<'t> {
    text: &'t str,
    config: Config,
    warnings: Vec<ConfigWarning>,
    problems: Vec<ConfigFileProblem>,
    /// Where each setting of the file stands, so that broken rules can be traced to a line.
    lines: Vec<(String, usize)>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Reader {
            text,
            config: Config::default(),
            warnings: Vec::new(),
            problems: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn read_file(&mut self, file: &DeTable<'_>) {
        for (key, value) in in_order(file) {
            let (name, line) = (key.get_ref().as_ref(), self.line(key.span()));
            let ours = [P2P, RINGWIRE].into_iter().find(|section| *section == name);
            match (ours, value.get_ref().as_table()) {
                (Some(section), Some(table)) => self.read_section(section, table),
                (Some(section), None) => {
                    let rule = format!("must be a section: write [{section}] above its keys");
                    self.refuse(line, section, rule);
                }
                (None, Some(_)) => self.doubt_section(name, line),
                (None, None) => {
                    // Whatever else stands at the top of a CometBFT file is not ours to judge.
                    if !self.read_setting(TOP, name, line, value.get_ref()) {
                        self.pass_over(TOP, name, line, value.get_ref());
                    }
                }
            }
        }
    }

    fn read_section(&mut self, section: &'static str, table: &DeTable<'_>) {
        for (key, value) in in_order(table) {
            let (name, line) = (key.get_ref().as_ref(), self.line(key.span()));
            if self.read_setting(section, name, line, value.get_ref()) {
                continue;
            }
            if !self.pass_over(section, name, line, value.get_ref()) {
                self.refuse(line, &settings::path(section, name), unknown(section, name));
            }
        }
    }

    /// Takes over a setting; false if there is none of that name.
    fn read_setting(
        &mut self,
        section: &'static str,
        name: &str,
        line: usize,
        value: &DeValue<'_>,
    ) -> bool {
        let mut known = settings::all();
        let Some(setting) = known.find(|known| known.section == section && known.key == name)
        else {
            return false;
        };
        self.lines.push((setting.path(), line));
        if let Err(rule) = (setting.read)(&mut self.config, value) {
            self.refuse(line, &setting.path(), rule);
        }
        true
    }

    /// Notes a key that changes nothing; false if it is none of those.
    fn pass_over(&mut self, section: &str, name: &str, line: usize, value: &DeValue<'_>) -> bool {
        let mut known = IGNORED.iter();
        let Some(ignored) = known.find(|known| known.section == section && known.key == name)
        else {
            return false;
        };
        if !says_nothing(value) {
            self.warnings.push(ConfigWarning {
                line,
                key: settings::path(section, name),
                reason: ignored.reason,
            });
        }
        true
    }

    /// A section that is not ours is passed over, unless it looks like a misspelt one of ours.
    fn doubt_section(&mut self, name: &str, line: usize) {
        let near_ringwire = nearest(name, [RINGWIRE]);
        let near_p2p = Some(P2P).filter(|p2p| name.eq_ignore_ascii_case(p2p));
        if let Some(meant) = near_ringwire.or(near_p2p) {
            self.refuse(
                line,
                name,
                format!("there is no such section; did you mean [{meant}]?"),
            );
        }
    }

    fn refuse(&mut self, line: usize, key: &str, problem: String) {
        let key = Some(key.to_owned());
        self.problems.push(ConfigFileProblem {
            line: Some(line),
            key,
            problem,
        });
    }

    fn refuse_text(&mut self, error: &toml::de::Error) {
        let problem = error
            .message()
            .lines()
            .next()
            .unwrap_or("this is not TOML")
            .to_owned();
        let line = error.span().map(|span| self.line(span));
        self.problems.push(ConfigFileProblem {
            line,
            key: None,
            problem,
        });
    }

    fn finish(mut self, file: &str) -> Result<LoadedConfig, ConfigFileError> {
        // Rules are checked only on what could be read, so that one fault is reported once.
        if self.problems.is_empty() {
            let broken = self.config.problems();
            let traced: Vec<_> = broken.into_iter().map(|error| self.trace(error)).collect();
            self.problems = traced;
        }
        if self.problems.is_empty() {
            let network = settings::path(RINGWIRE, "network");
            return Ok(LoadedConfig {
                config: self.config,
                warnings: self.warnings,
                names_network: self.lines.iter().any(|(path, _)| *path == network),
            });
        }
        self.problems.sort_by_key(|problem| problem.line);
        Err(ConfigFileError {
            file: file.to_owned(),
            problems: self.problems,
        })
    }

    /// Finds the line that set the key of a broken rule.
    fn trace(&self, error: ConfigError) -> ConfigFileProblem {
        let line = self
            .lines
            .iter()
            .find(|(path, _)| path == error.key)
            .map(|(_, line)| *line);
        ConfigFileProblem {
            line,
            key: Some(error.key.to_owned()),
            problem: error.problem,
        }
    }

    /// The line, from 1, on which `span` begins.
    fn line(&self, span: Range<usize>) -> usize {
        self.text
            .bytes()
            .take(span.start)
            .filter(|byte| *byte == b'\n')
            .count()
            + 1
    }
}

/// The entries of a table by their place in the file; the parser keeps them by name.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Whether an unused key is left at a value that asks for nothing.
fn says_nothing(value: &DeValue<'_>) -> bool {
    let off = |value: &DeValue<'_>| value.as_bool() == Some(false);
    match value.as_table() {
        Some(table) => table
            .get("enabled")
            .is_some_and(|enabled| off(enabled.get_ref())),
        None => off(value) || value.as_str() == Some(""),
    }
}

/// What to tell somebody who wrote a key that nobody knows.
fn unknown(section: &str, name: &str) -> String {
    if let Some(setting) = settings::all().find(|setting| setting.key == name) {
        return match setting.section {
            TOP => String::from("belongs to the top of the file, above all sections"),
            section => format!("belongs to the section [{section}]"),
        };
    }
    let ignored = IGNORED
        .iter()
        .filter(|ignored| ignored.section == section)
        .map(|ignored| ignored.key);
    let known = settings::all().filter(|setting| setting.section == section);
    match nearest(name, known.map(|setting| setting.key).chain(ignored)) {
        Some(meant) => format!("there is no such key; did you mean {meant}?"),
        None => String::from("there is no such key; remove it or look the keys up in a new home"),
    }
}

#[cfg(test)]
mod tests;
