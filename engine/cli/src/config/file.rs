//! Reads `config.toml`: ours, or that of a CometBFT node.
//!
//! A CometBFT home has many sections that are not ours (`[rpc]`, `[mempool]`, …); they are passed over.
//! Inside `[p2p]` and `[ringwire]` nothing is: a key that changes nothing here, or is read in another
//! way than it is written, becomes a warning; one that looks like a typing error becomes an error that
//! names the nearest known key. All faults of a file are reported at once, each with its line.
//!
//! Names are compared as CometBFT compares them, without regard to upper and lower case, and with `-`
//! for `_`, which Tendermint 0.35 wrote.

use std::ops::Range;

use ringwire::error::ConfigError;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};
use tracing::info;

use super::NodeConfig;
use super::instrumentation::{self, Instrumentation};
use super::nearest::nearest;
use super::settings::{self, P2P, RINGWIRE, Setting, TOP};
use super::sources::{Source, Sources};
use super::unused::UNUSED;

pub(crate) use error::{ConfigFileError, ConfigFileProblem, ConfigWarning};

mod error;

/// A configuration read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoadedConfig {
    /// The configuration; it keeps every rule of [`NodeConfig::check`].
    pub(crate) config: NodeConfig,
    /// What it says of metrics.
    pub(crate) instrumentation: Instrumentation,
    /// Keys that were understood and change nothing.
    pub(crate) warnings: Vec<ConfigWarning>,
    /// Where each value came from.
    pub(crate) sources: Sources,
}

impl LoadedConfig {
    /// Whether somebody names the network. The file of a CometBFT node does not: its chain id stands
    /// in `genesis_file`.
    pub(crate) fn names_network(&self) -> bool {
        let network = settings::path(RINGWIRE, "network");
        self.sources.of(&network) != Source::Default
    }
}

impl LoadedConfig {
    /// Gives limits that are still at a node's default those of a seed, and says which.
    pub(crate) fn fit_for_seed(&mut self) {
        let changed = self.config.engine.fit_for_seed();
        if !changed.is_empty() {
            let keys = changed.join(", ");
            info!("a seed's limits in place of a node's defaults: {keys}");
        }
        for key in changed {
            self.sources.note(key, Source::Seed);
        }
    }
}

impl NodeConfig {
    /// Reads a configuration from the text of a `config.toml`; `file` is its name for errors.
    ///
    /// # Errors
    /// All faults at once: bad TOML, unknown keys, values of a wrong kind, rules broken.
    pub(crate) fn from_toml(file: &str, text: &str) -> Result<LoadedConfig, ConfigFileError> {
        let mut reader = Reader::new(text);
        match DeTable::parse(text) {
            Ok(table) => reader.read_file(table.get_ref()),
            Err(error) => reader.refuse_text(&error),
        }
        reader.finish(file)
    }
}

/// What the parser says of a name that stands in a table twice.
const DUPLICATE_KEY: &str = "duplicate key";

/// One pass over a file.
struct Reader<'t> {
    text: &'t str,
    config: NodeConfig,
    instrumentation: Instrumentation,
    warnings: Vec<ConfigWarning>,
    problems: Vec<ConfigFileProblem>,
    /// Where each setting of the file stands, so that broken rules can be traced to a line.
    lines: Vec<(String, usize)>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Reader {
            text,
            config: NodeConfig::default(),
            instrumentation: Instrumentation::default(),
            warnings: Vec::new(),
            problems: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn read_file(&mut self, file: &DeTable<'_>) {
        for (key, value) in in_order(file, |name| is_exact(TOP, name) || is_section(name)) {
            let (name, line) = (key.get_ref().as_ref(), self.line(key.span()));
            let ours = [P2P, RINGWIRE].into_iter();
            let mut ours = ours.filter(|section| section.eq_ignore_ascii_case(name));
            match (ours.next(), value.get_ref().as_table()) {
                (Some(section), Some(table)) => {
                    self.note_name(line, TOP, name, section);
                    self.read_section(section, table);
                }
                (Some(section), None) => {
                    let rule = format!("must be a section: write [{section}] above its keys");
                    self.refuse(line, section, rule);
                }
                (None, Some(table)) if name.eq_ignore_ascii_case(instrumentation::SECTION) => {
                    self.read_instrumentation(table);
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
        for (key, value) in in_order(table, |name| is_exact(section, name)) {
            let (name, line) = (key.get_ref().as_ref(), self.line(key.span()));
            if !self.read_setting(section, name, line, value.get_ref())
                && !self.pass_over(section, name, line, value.get_ref())
            {
                self.doubt_key(section, name, line);
            }
        }
    }

    /// The keys of the metrics. All others are CometBFT's own.
    fn read_instrumentation(&mut self, table: &DeTable<'_>) {
        let mut read: Vec<(String, usize)> = Vec::new();
        for (key, value) in in_order(table, |name| name == plain_name(name)) {
            let (name, line) = (key.get_ref().as_ref(), self.line(key.span()));
            let plain = plain_name(name);
            // Of several spellings the exact one holds, then the first, as elsewhere.
            if read.iter().any(|(before, _)| *before == plain) {
                continue;
            }
            let path = settings::path(instrumentation::SECTION, &plain);
            match self.instrumentation.read(&plain, value.get_ref()) {
                Some(Ok(notes)) => {
                    for note in notes {
                        self.warn(line, path.clone(), note);
                    }
                }
                Some(Err(rule)) => self.refuse(line, &path, rule),
                None => continue,
            }
            read.push((plain, line));
        }
        let namespace = read.iter().find(|(key, _)| key == "namespace");
        if let (Some((_, line)), Some(fault)) = (namespace, self.instrumentation.namespace_fault())
            && self.instrumentation.prometheus
        {
            let path = settings::path(instrumentation::SECTION, "namespace");
            self.refuse(*line, &path, fault);
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
        let Some(setting) = setting(section, &plain_name(name)) else {
            return false;
        };
        let path = setting.path();
        if let Some((_, first)) = self.lines.iter().find(|(set, _)| *set == path) {
            let note = format!("is passed over: line {first} sets {}", setting.key);
            self.warn(line, settings::path(section, name), note);
            return true;
        }
        self.note_name(line, section, name, setting.key);
        self.lines.push((path.clone(), line));
        match (setting.read)(&mut self.config, value) {
            Ok(notes) => {
                for note in notes {
                    self.warn(line, path.clone(), note);
                }
            }
            Err(rule) => self.refuse(line, &path, rule),
        }
        true
    }

    /// Notes a key that changes nothing; false if it is none of those.
    fn pass_over(&mut self, section: &str, name: &str, line: usize, value: &DeValue<'_>) -> bool {
        let plain = plain_name(name);
        let mut known = UNUSED.iter();
        let Some(unused) = known.find(|known| known.section == section && known.key == plain)
        else {
            return false;
        };
        if !unused.asks_for_nothing(value) {
            let note = format!("is not used: {}", unused.reason);
            self.warn(line, settings::path(section, name), note);
        }
        true
    }

    /// A key that nobody knows. In CometBFT's section it may be one of a chain's own, unless it looks
    /// like a misspelt one.
    fn doubt_key(&mut self, section: &str, name: &str, line: usize) {
        let path = settings::path(section, name);
        match meant(section, name) {
            Some(meant) => self.refuse(line, &path, meant),
            None if section == P2P => {
                let note = String::from("is not used: nothing here has that name");
                self.warn(line, path, note);
            }
            None => {
                let rule = "there is no such key; remove it or look the keys up in a new home";
                self.refuse(line, &path, String::from(rule));
            }
        }
    }

    /// A section that is not ours is passed over, unless it looks like a misspelt one of ours.
    fn doubt_section(&mut self, name: &str, line: usize) {
        if let Some(meant) = nearest(name, [RINGWIRE]) {
            self.refuse(
                line,
                name,
                format!("there is no such section; did you mean [{meant}]?"),
            );
        }
    }

    /// Notes a name that is not spelled as it is here.
    fn note_name(&mut self, line: usize, section: &str, name: &str, known: &str) {
        if name != known {
            let note = format!("is read as {known}");
            self.warn(line, settings::path(section, name), note);
        }
    }

    fn warn(&mut self, line: usize, key: String, note: String) {
        self.warnings.push(ConfigWarning { line, key, note });
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
        // The parser shows the name in a picture of the line, which has no place here.
        let name = error.span().and_then(|span| self.text.get(span));
        let problem = match name {
            Some(name) if problem == DUPLICATE_KEY => {
                format!("{name} stands here a second time; take one of the two out")
            }
            _ => problem,
        };
        let line = error.span().map(|span| self.line(span));
        self.problems.push(ConfigFileProblem {
            line,
            key: None,
            problem,
        });
    }

    fn finish(mut self, file: &str) -> Result<LoadedConfig, ConfigFileError> {
        let broken = self.config.problems().into_iter();
        let traced = broken.filter(|error| self.could_be_read(error));
        let traced: Vec<_> = traced.map(|error| self.trace(error)).collect();
        self.problems.extend(traced);
        if self.problems.is_empty() {
            self.warnings.sort_by_key(|warning| warning.line);
            let mut sources = Sources::default();
            for (path, line) in self.lines {
                sources.note(path, Source::File { line });
            }
            return Ok(LoadedConfig {
                config: self.config,
                instrumentation: self.instrumentation,
                warnings: self.warnings,
                sources,
            });
        }
        self.problems.sort_by_key(|problem| problem.line);
        Err(ConfigFileError {
            file: file.to_owned(),
            problems: self.problems,
        })
    }

    /// Whether neither the key of a rule nor one that it is held against has a fault already. Such a
    /// value stands at its default, so what is said of it is no fault of the file.
    fn could_be_read(&self, error: &ConfigError) -> bool {
        let has_fault = |key: &str| {
            let mut faulty = self.problems.iter().filter_map(|it| it.key.as_deref());
            faulty.any(|faulty| faulty == key)
        };
        !keys_of(error).any(has_fault)
    }

    /// Finds the line that set the key of a broken rule; where that stands at its default, the line of one that it
    /// is held against.
    fn trace(&self, error: ConfigError) -> ConfigFileProblem {
        let line_of = |key: &str| {
            let mut lines = self.lines.iter();
            lines.find(|(path, _)| path == key).map(|(_, line)| *line)
        };
        let line = keys_of(&error).find_map(line_of);
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

/// The settings that a broken rule looked at, the one that it is about first.
fn keys_of(error: &ConfigError) -> impl Iterator<Item = &'static str> {
    std::iter::once(error.key).chain(error.against.iter().copied())
}

/// The entries of a table by their place in the file, those with an exact name first, so that they
/// win over others that mean the same; the parser keeps them by name.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
    is_exact: impl Fn(&str) -> bool,
) -> Vec<(&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| (!is_exact(key.get_ref()), key.span().start));
    entries
}

fn is_section(name: &str) -> bool {
    [P2P, RINGWIRE].contains(&name)
}

fn is_exact(section: &str, name: &str) -> bool {
    setting(section, name).is_some()
}

fn setting(section: &str, name: &str) -> Option<&'static Setting> {
    settings::all().find(|known| known.section == section && known.key == name)
}

/// A name as it is spelled here.
fn plain_name(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

/// What somebody meant who wrote a key that nobody knows.
fn meant(section: &str, name: &str) -> Option<String> {
    let name = plain_name(name);
    if let Some(setting) = settings::all().find(|setting| setting.key == name) {
        return Some(match setting.section {
            TOP => String::from("belongs to the top of the file, above all sections"),
            section => format!("belongs to the section [{section}]"),
        });
    }
    let unused = UNUSED.iter().filter(|unused| unused.section == section);
    let known = settings::all().filter(|setting| setting.section == section);
    let names = known.map(|setting| setting.key);
    let nearest = nearest(&name, names.chain(unused.map(|unused| unused.key)))?;
    Some(format!("there is no such key; did you mean {nearest}?"))
}

#[cfg(test)]
mod tests;
