//! What is wrong with a file, and what in it is odd.

use std::fmt;

use thiserror::Error;

/// A key that changes nothing, or whose value was understood in another way than it is written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {key} {note}")]
pub(crate) struct ConfigWarning {
    /// Line of the file, from 1.
    pub(crate) line: usize,
    /// The key with its section.
    pub(crate) key: String,
    /// What is odd, and how it was read: a sentence that goes on from the key.
    pub(crate) note: String,
}

/// Everything that is wrong with a file: one sentence per line of its message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) struct ConfigFileError {
    /// Name of the file, as it was given.
    pub(crate) file: String,
    /// The faults, in the order of the file; at least one.
    pub(crate) problems: Vec<ConfigFileProblem>,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigFileProblem {
    /// Line of the file, from 1; none if the fault is in a default that the file did not change.
    pub(crate) line: Option<usize>,
    /// The key with its section; none if the text is not TOML.
    pub(crate) key: Option<String>,
    /// What is wrong and how to mend it.
    pub(crate) problem: String,
}

impl fmt::Display for ConfigFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentences = self
            .problems
            .iter()
            .map(|problem| problem.sentence(&self.file));
        f.write_str(&sentences.collect::<Vec<_>>().join("\n"))
    }
}

impl ConfigFileProblem {
    /// Where it is in `file`, what is wrong, and how to mend it.
    pub(crate) fn sentence(&self, file: &str) -> String {
        let line = self.line.map(|line| format!(":{line}"));
        let key = self.key.as_ref().map(|key| format!(": {key}"));
        let (line, key) = (line.unwrap_or_default(), key.unwrap_or_default());
        format!("{file}{line}{key}: {}", self.problem)
    }
}
