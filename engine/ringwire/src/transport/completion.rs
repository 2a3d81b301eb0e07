//! What a turn of a transport is asked for, and what it reports.

use std::io;
use std::time::Duration;

use ringwire_core::buffer::{BufferPool, Chunk};
use ringwire_core::error::NetworkError;
use ringwire_core::peer::RemoteAddr;
use ringwire_core::switch::io::{DialId, LinkId, Transmit};

/// How long a turn may sleep when nothing has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// Not at all.
    None,
    /// Until something happens, for this long at most.
    Until(Duration),
}

/// Something that happened to the sockets of a shard.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a turn's completions share one reused vector; a box per write would be an allocation"
)]
pub(crate) enum Completion {
    /// A connection was accepted. The link starts paused.
    Accepted {
        /// Its name from now on.
        link: LinkId,
        /// Who connected; an IPv4 address seen through an IPv6 socket is given as IPv4.
        remote: RemoteAddr,
    },
    /// Accepting fails (no descriptors, no memory). It is tried again every
    /// [`ACCEPT_PAUSE`](super::accepting::ACCEPT_PAUSE) and reported once until it works again.
    AcceptFailed {
        /// Why.
        error: NetworkError,
    },
    /// A dial connected. The link starts paused.
    Connected {
        /// The dial, which is over now.
        dial: DialId,
        /// The link's name from now on.
        link: LinkId,
        /// The address dialed.
        remote: RemoteAddr,
    },
    /// A dial failed, and is over.
    DialFailed {
        /// Which.
        dial: DialId,
        /// Why.
        error: NetworkError,
    },
    /// Bytes came. May still follow shortly after a `Pause`.
    Received {
        /// On which link.
        link: LinkId,
        /// The bytes.
        chunk: Chunk,
    },
    /// A transmit was written whole.
    Sent {
        /// On which link.
        link: LinkId,
        /// Its buffers, for the pool.
        buffers: Transmit,
    },
    /// The link failed or the remote closed it. The last word about this link; it must still be
    /// given up with [`Transport::close`](super::Transport::close).
    Closed {
        /// Which link.
        link: LinkId,
        /// Why.
        error: NetworkError,
    },
    /// A waker of the transport was used since the last turn: look into the inboxes.
    Woken,
}

/// An error of the operating system as the pure rooms know it.
pub(super) fn io_error(operation: &'static str, error: &io::Error) -> NetworkError {
    NetworkError::Io {
        operation,
        message: error.to_string(),
    }
}

/// Buffers of a write that nobody is told of return to the pool.
pub(super) fn give_back(buffers: Transmit, pool: &mut BufferPool) {
    buffers
        .into_iter()
        .for_each(|buffer| pool.give_back_send(buffer));
}
