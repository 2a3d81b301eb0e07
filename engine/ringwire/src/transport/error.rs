//! What can go wrong in this room as a whole. A fault of one link is a
//! [`ringwire_core::error::NetworkError`] in a completion instead.

use std::io;

use ringwire_core::config::ListenAddr;
use thiserror::Error;

/// Why the transport cannot work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The kernel refused to set up a ring.
    #[error("cannot set up io_uring ({step}): {source}; {mend}")]
    Setup {
        /// Which step failed.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
        /// What the operator can do about it.
        mend: &'static str,
    },
    /// The system cannot tell which sockets are ready.
    #[error(
        "cannot wait for sockets ({step}): {source}; raise the limit of open files (ulimit -n), or set \
         transport = \"io_uring\""
    )]
    Poll {
        /// Which step failed.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A number in the ring's configuration cannot work.
    #[error("{field} is {found}: {rule}")]
    Config {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        found: usize,
        /// What it must be.
        rule: &'static str,
    },
    /// The kernel refused to take or complete operations; the ring is of no more use.
    #[error("io_uring_enter failed: {0}")]
    Enter(#[source] io::Error),
    /// The kernel refused the calls of a ring for so long that nothing is to be hoped for.
    #[error(
        "io_uring_enter was refused {calls} times in a row, over pauses of {span:?}: {source}; the \
         kernel lacks memory for requests: give the machine, or the cgroup of the process, more"
    )]
    Refused {
        /// Calls in a row.
        calls: u32,
        /// The pauses between them, together.
        span: std::time::Duration,
        /// What the kernel said to the last one.
        source: io::Error,
    },
    /// A listening socket could not be made.
    #[error("cannot listen on {address}: {source}; {mend}")]
    Listen {
        /// Where.
        address: ListenAddr,
        /// What the kernel said.
        source: io::Error,
        /// What the operator can do about it.
        mend: String,
    },
    /// The name to listen at stands for no address.
    #[error(
        "cannot listen on {name}: {source}; name an IP of this machine in p2p.laddr, or make the \
         name resolve"
    )]
    ListenName {
        /// The name, with the port.
        name: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start the resolver thread: {0}")]
    Thread(#[source] io::Error),
}
