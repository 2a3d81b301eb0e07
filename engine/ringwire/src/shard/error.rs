//! Why an engine did not start, or ended before it was told to.

use std::any::Any;
use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use ringwire_core::config::ConfigError;
use ringwire_core::peer::ShardId;
use thiserror::Error;

use crate::transport::TransportError;

/// Why an engine did not start. Whatever was started is gone again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting cannot work.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The operating system gave no randomness for keys.
    #[error("no randomness from the operating system: {0}")]
    Entropy(String),
    /// The ring or the listening socket could not be set up.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The file of the address book is there and cannot be read, is something else than an address
    /// book, or is damaged and cannot be set aside.
    #[error(
        "address book {}: {source}; let this user read and write the file and its directory, or \
         name another file, or /dev/null to keep none",
        path.display()
    )]
    AddrBook {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file of a gossip's numbers is there and cannot be read, or is something else.
    #[error(
        "the numbers of this node's gossip, {}: {source}; let this user read the file, or move it away: then they begin \
         at the time",
        path.display()
    )]
    GossipNumbers {
        /// The file.
        path: PathBuf,
        /// What the operating system said, or what it holds.
        source: io::Error,
    },
    /// A document cannot be kept in the file that was named for it.
    #[error("document \"{document}\" {}: {source}; name another file", path.display())]
    Document {
        /// The document's name.
        document: Cow<'static, str>,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start the thread of shard {}: {source}; raise the limit of processes (ulimit -u)", shard.0)]
    Thread {
        /// Whose thread.
        shard: ShardId,
        /// What the operating system said.
        source: io::Error,
    },
    /// The process may lock less memory than a shard needs.
    #[error(
        "the process may lock {} KiB of memory, each shard needs {} KiB: raise the limit (ulimit -l, \
         LimitMEMLOCK= in a systemd unit, --ulimit memlock= for a container)",
        limit >> 10, needed >> 10
    )]
    LockedMemory {
        /// Bytes that the process may lock.
        limit: u64,
        /// Bytes that each shard needs.
        needed: u64,
    },
    /// The executor of a shard could not be set up.
    #[error(
        "cannot set up the executor of shard {}: {message}; it needs io_uring and 512 KiB of locked \
         memory (ulimit -l)",
        shard.0
    )]
    Executor {
        /// Whose executor.
        shard: ShardId,
        /// What glommio said.
        message: String,
    },
    /// A reactor panicked as it was made or started. The others were dropped without their `stop`.
    #[error("reactor {reactor} panicked on shard {} as it started: {message}", shard.0)]
    ReactorPanic {
        /// Where.
        shard: ShardId,
        /// Name of the reactor.
        reactor: String,
        /// The panic's message.
        message: String,
    },
    /// A shard panicked as it started, outside of every reactor.
    #[error("shard {} panicked as it started: {message}", shard.0)]
    Panicked {
        /// Which shard.
        shard: ShardId,
        /// The panic's message.
        message: String,
    },
}

/// Why a shard ended before it was told to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("shard {} failed: {message}", shard.0)]
pub struct ShardFault {
    /// Which shard.
    pub shard: ShardId,
    /// A panic's message, or what the ring said.
    pub message: String,
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| String::from("panicked"))
}
