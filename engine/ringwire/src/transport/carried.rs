//! A connection between two transports: what one gave up and the next has not taken over.

use std::os::fd::OwnedFd;

#[cfg(feature = "testing")]
use super::memory::End;

/// The connection of a link that moves.
#[derive(Debug)]
pub(crate) enum Carried {
    /// A socket.
    Socket(OwnedFd),
    /// One side of a connection in memory.
    #[cfg(feature = "testing")]
    Memory(End),
}

impl From<OwnedFd> for Carried {
    fn from(socket: OwnedFd) -> Self {
        Carried::Socket(socket)
    }
}

impl Carried {
    /// The socket.
    ///
    /// # Panics
    /// If it is none: an engine has one transport for all its shards.
    pub(crate) fn into_socket(self) -> OwnedFd {
        match self {
            Carried::Socket(socket) => socket,
            #[cfg(feature = "testing")]
            Carried::Memory(_) => unreachable!("all shards of an engine move bytes one way"),
        }
    }
}
