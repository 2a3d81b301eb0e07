//! What a visit brought.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId, NodeInfo};
use ringwire_core::error::CloseReason;
use thiserror::Error;

use super::Target;

/// How far a visit had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The secret connection.
    Handshake,
    /// The exchange of NodeInfos.
    NodeInfo,
    /// The question whom it knows. The node has heard who we are and may refuse us.
    Asking,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Handshake => "in the secret handshake",
            Step::NodeInfo => "before its NodeInfo",
            Step::Asking => "after the NodeInfos",
        })
    }
}

/// Why a visit did not reach its end.
#[derive(Debug, Error)]
pub(crate) enum VisitError {
    /// The name has no address.
    #[error("the name cannot be resolved: {0}")]
    Name(#[source] io::Error),
    /// Nobody accepts connections there.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The connection broke.
    #[error("the connection broke {0}: {1}")]
    Broken(Step, #[source] io::Error),
    /// The node ended the connection.
    #[error("it hung up {0}")]
    HungUp(Step),
    /// The node said nothing for too long.
    #[error("it said nothing {0} within {1:?}")]
    Silent(Step, Duration),
    /// What it said breaks a rule.
    #[error("{0}")]
    Refused(#[source] CloseReason),
    /// Another node is there.
    #[error("another node is there: its id is {0}")]
    OtherId(NodeId),
    /// The node is of another chain than was asked for.
    #[error("it is of the chain {found:?}")]
    OtherNetwork {
        /// What it says its chain is.
        found: String,
    },
}

/// Whom a node knows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The visit did not come so far.
    NotAsked,
    /// The node has no channel for the question: its peer exchange is off.
    NoChannel,
    /// Its answer, at most 250 addresses.
    Told(Vec<NetAddress>),
}

/// One visit.
#[derive(Debug)]
pub(crate) struct Visit {
    /// To whom.
    pub(crate) target: Target,
    /// The address that answered; none of a Unix socket.
    pub(crate) addr: Option<SocketAddr>,
    /// Time until TCP was connected: one round trip. None over a Unix socket.
    pub(crate) round_trip: Option<Duration>,
    /// Time from there until both sides knew each other.
    pub(crate) handshake: Option<Duration>,
    /// What the node says of itself; not to be trusted, and not for a terminal as it is.
    pub(crate) node_info: Option<NodeInfo>,
    /// Whom it knows.
    pub(crate) known: Known,
    /// Why the visit ended early.
    pub(crate) error: Option<VisitError>,
}

impl Visit {
    /// A visit that has not begun.
    pub(super) fn new(target: Target) -> Self {
        Visit {
            target,
            addr: None,
            round_trip: None,
            handshake: None,
            node_info: None,
            known: Known::NotAsked,
            error: None,
        }
    }

    /// Whether the node is there, is who it should be, and took the visitor in.
    pub(crate) fn is_ok(&self) -> bool {
        self.error.is_none()
    }
}

/// What strangers say, fit for a terminal and a table: printable ASCII, and so many characters at most.
pub(crate) fn harmless(text: &str, chars_max: usize) -> String {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    text.chars().map(printable).take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_say_cannot_command_a_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{202e}", 20), "a?[2Jb?");
        assert_eq!(harmless("abcdef", 3), "abc");
    }
}
