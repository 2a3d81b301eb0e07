//! One connection: MConnection and its parts. Pure.

use thiserror::Error;

use crate::error::Blame;

/// Why an established connection was closed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnError {
    /// The peer did not answer a ping in time.
    #[error("no pong within {0:?}")]
    PongTimeout(std::time::Duration),
}

impl ConnError {
    /// Whose fault it was.
    pub fn blame(&self) -> Blame {
        Blame::Peer
    }
}
