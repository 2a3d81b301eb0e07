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
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            if let Some(key) = &problem.key {
                write!(f, ": {key}")?;
            }
            write!(f, ": {}", problem.problem)?;
        }
        Ok(())
    }
}
