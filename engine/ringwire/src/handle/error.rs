//! What the calls of a handle answer when they cannot do what they are asked.

use ringwire_codec::ChannelId;
use ringwire_core::config::ConfigError;
use ringwire_core::error::CloseReason;
use thiserror::Error;

use crate::shard::error::ShardFault;

/// Why a dial brought no peer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DialError {
    /// It did not connect, or the connection was refused on either side.
    #[error(transparent)]
    Closed(#[from] CloseReason),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// Why a running node was not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// It would break a rule: nothing was changed.
    #[error(transparent)]
    Refused(#[from] ConfigError),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// There were not enough peers in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{connected} of {wanted} peers connected in time")]
pub struct PeersTimeout {
    /// Peers at the end.
    pub connected: usize,
    /// Peers waited for.
    pub wanted: usize,
}

/// Why a channel cannot be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// No channel of that id is registered.
    #[error(
        "channel {0} is not registered on this node: declare it with Builder::channel or by a reactor"
    )]
    UnknownChannel(ChannelId),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// Why an engine did not end as it should.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// A shard had failed; the others were stopped in order.
    #[error(transparent)]
    Failed(#[from] ShardFault),
    /// Some shards did not end in time, most likely within a reactor that does not return. Their
    /// threads are left behind.
    #[error("{0} shards did not end in time; does a reactor block?")]
    Hung(usize),
}
