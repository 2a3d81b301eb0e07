//! Why a command did not do what it was asked for.

use std::error::Error;
use std::fmt;

/// The end of a command that went wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What happened and how to mend it, for the operator.
    Message(String),
    /// The command was called in a way that makes no sense, and how to call it.
    Misused(String),
    /// Whoever read our standard output went away: there is nobody left to work for.
    StdoutClosed,
}

impl Failure {
    /// A failure with these words.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure::Message(message.into())
    }

    /// A wrong call, with these words.
    pub(crate) fn misused(message: impl Into<String>) -> Self {
        Failure::Misused(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::Message(message) | Failure::Misused(message) => message,
            Failure::StdoutClosed => "standard output was closed",
        })
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Message(error.to_string())
    }
}
