//! Why a NodeInfo is refused: a rule of its own that it breaks, or a difference from ours.

use std::fmt::Write as _;

use thiserror::Error;

use crate::error::Blame;
use crate::net_address::NetAddressError;
use crate::packet::ChannelId;

use super::Channels;

/// Characters of another node's network that an error names: a chain id has fifty at most, and what
/// a stranger claims need not fill a log.
pub const NETWORK_CHARS_TOLD: usize = 64;

/// Why a NodeInfo is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NodeInfoError {
    /// Longer than [`NODE_INFO_BYTES_MAX`](super::NODE_INFO_BYTES_MAX). Only our own can be: a
    /// peer's is refused while it is read.
    #[error("node info takes {bytes} bytes, at most 10240 are allowed")]
    TooLong {
        /// Its encoded length.
        bytes: usize,
    },
    /// The listen address is not `host:port`.
    #[error("listen_addr: {0}")]
    ListenAddr(#[source] NetAddressError),
    /// The version is set but blank or not printable ASCII.
    #[error("version must be empty, or printable ASCII that is not blank")]
    Version,
    /// The network is set but blank or not printable ASCII.
    #[error("network must be empty, or printable ASCII that is not blank")]
    NetworkName,
    /// More than [`CHANNELS_MAX`](super::CHANNELS_MAX) channels.
    #[error("{found} channels, at most 16 are allowed")]
    TooManyChannels {
        /// How many there are.
        found: usize,
    },
    /// A channel is listed twice.
    #[error("channel {0} is listed twice")]
    DuplicateChannel(ChannelId),
    /// The moniker is empty, blank or not printable ASCII.
    #[error("moniker must be printable ASCII that is not blank")]
    Moniker,
    /// `tx_index` is not one of its three values.
    #[error("other.tx_index must be \"on\", \"off\" or empty")]
    TxIndex,
    /// The RPC address is set but blank or not printable ASCII.
    #[error("other.rpc_address must be empty, or printable ASCII that is not blank")]
    RpcAddress,
    /// The other node has another block format.
    #[error("block protocol {theirs} differs from ours, {ours}")]
    BlockProtocol {
        /// Our block protocol.
        ours: u64,
        /// The other node's.
        theirs: u64,
    },
    /// The other node is of another chain.
    #[error("network {theirs:?} differs from ours, {ours:?}")]
    Network {
        /// Our network.
        ours: Box<str>,
        /// The first [`NETWORK_CHARS_TOLD`] characters of the other node's.
        theirs: Box<str>,
    },
    /// Not one channel is common to both.
    #[error(
        "no common channel: ours are {}, theirs are {}",
        list(.ours),
        list(.theirs)
    )]
    NoCommonChannel {
        /// Our channels.
        ours: Channels,
        /// The other node's.
        theirs: Channels,
    },
}

impl NodeInfoError {
    /// Whether the NodeInfo is in order but its node is not one for us.
    #[must_use]
    pub const fn is_incompatible(&self) -> bool {
        matches!(
            self,
            Self::BlockProtocol { .. } | Self::Network { .. } | Self::NoCommonChannel { .. }
        )
    }

    /// Whose fault it is when a peer's NodeInfo is refused for this. [`Self::TooLong`] is found
    /// only in our own.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::TooLong { .. } => Blame::Local,
            _ => Blame::Peer,
        }
    }
}

/// The ids of channels, as a list for people.
fn list(channels: &[ChannelId]) -> String {
    let mut text = String::new();
    for (at, channel) in channels.iter().enumerate() {
        let separator = if at == 0 { "" } else { " " };
        let _ = write!(text, "{separator}{channel}");
    }
    match text.is_empty() {
        true => String::from("none"),
        false => text,
    }
}
