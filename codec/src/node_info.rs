//! NodeInfo: what each side says about itself once the channel is encrypted.
//!
//! ```text
//! DefaultNodeInfo { 1 protocol_version { 1 p2p ; 2 block ; 3 app } ; 2 default_node_id ;
//!   3 listen_addr ; 4 network ; 5 version ; 6 channels ; 7 moniker ;
//!   8 other { 1 tx_index ; 2 rpc_address } ; 4242 extension }
//! ```
//!
//! Three questions are asked of a peer's NodeInfo, in this order:
//!
//! 1. [`NodeInfo::decode`]: is it one at all, within 10 240 bytes?
//! 2. [`NodeInfo::validate`]: does each field keep its rule?
//! 3. [`NodeInfo::compatible_with`]: can we talk?
//!
//! That the node id belongs to the key of the handshake is for the caller to check: only it knows
//! the key. Unlike the reference, no name is looked up while a peer is judged.

use bytes::BufMut;
use smallvec::SmallVec;

use crate::delimited;
use crate::error::DecodeError;
use crate::extension::Extension;
use crate::id::NodeId;
use crate::net_address::parse_listen_address;
use crate::packet::ChannelId;

mod error;
mod wire;

pub use error::{NETWORK_CHARS_TOLD, NodeInfoError};

/// The longest encoded NodeInfo, in bytes without its length.
pub const NODE_INFO_BYTES_MAX: usize = 10_240;

/// The most channels a node may announce.
pub const CHANNELS_MAX: usize = 16;

/// The channels of a node.
pub type Channels = SmallVec<[ChannelId; CHANNELS_MAX]>;

/// The version of this protocol. Carried, but compared by nobody.
pub const P2P_PROTOCOL: u64 = 8;

/// The version of the block format. Peers must agree on it.
pub const BLOCK_PROTOCOL: u64 = 11;

/// The versions of the three protocols that a node speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProtocolVersion {
    /// This protocol, [`P2P_PROTOCOL`].
    pub p2p: u64,
    /// The block format, [`BLOCK_PROTOCOL`].
    pub block: u64,
    /// The application, from its own Info answer.
    pub app: u64,
}

impl Default for ProtocolVersion {
    fn default() -> Self {
        Self {
            p2p: P2P_PROTOCOL,
            block: BLOCK_PROTOCOL,
            app: 0,
        }
    }
}

/// What a node offers beside this protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeInfoOther {
    /// Whether it indexes transactions: "on", "off", or empty.
    pub tx_index: String,
    /// The address of its RPC server, or empty.
    pub rpc_address: String,
}

/// What a node says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// The protocol versions it speaks.
    pub protocol_version: ProtocolVersion,
    /// Its id.
    pub node_id: NodeId,
    /// Where it listens, `host:port`, with or without a protocol.
    pub listen_addr: String,
    /// The chain id.
    pub network: String,
    /// The version of its software, or empty.
    pub version: String,
    /// The channels it receives on.
    pub channels: Channels,
    /// The name its operator gave it.
    pub moniker: String,
    /// What it offers beside.
    pub other: NodeInfoOther,
    /// Ringwire's offer; `None` from a plain CometBFT node.
    pub extension: Option<Extension>,
}

impl NodeInfo {
    /// Reads the delimited NodeInfo at the start of `bytes`: it, and the bytes it took.
    ///
    /// `None` means that more bytes are needed.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLong`] over [`NODE_INFO_BYTES_MAX`], before it has come;
    /// [`DecodeError::BadValue`] for text that is not UTF-8 or an id that is not one; those of
    /// [`Extension::decode`]; and the errors of malformed protobuf.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        match delimited::decode(bytes, NODE_INFO_BYTES_MAX)? {
            None => Ok(None),
            Some(message) => Ok(Some((Self::decode_body(message.body)?, message.consumed))),
        }
    }

    /// Appends the NodeInfo behind its length to `buf`.
    ///
    /// # Panics
    ///
    /// If `buf` has too little room left.
    pub fn encode(&self, buf: &mut impl BufMut) {
        delimited::encode(&self.encode_body(), buf);
    }

    /// Checks each field against its own rule.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), NodeInfoError> {
        let bytes = self.encode_body().len();
        if bytes > NODE_INFO_BYTES_MAX {
            return Err(NodeInfoError::TooLong { bytes });
        }
        parse_listen_address(&self.listen_addr).map_err(NodeInfoError::ListenAddr)?;
        if !self.version.is_empty() && !is_printable(&self.version) {
            return Err(NodeInfoError::Version);
        }
        // The reference takes any text. Ours is printable, so that another one differs in any case.
        if !self.network.is_empty() && !is_printable(&self.network) {
            return Err(NodeInfoError::NetworkName);
        }
        self.validate_channels()?;
        if !is_printable(&self.moniker) {
            return Err(NodeInfoError::Moniker);
        }
        if !["", "on", "off"].contains(&self.other.tx_index.as_str()) {
            return Err(NodeInfoError::TxIndex);
        }
        let rpc_address = &self.other.rpc_address;
        if !rpc_address.is_empty() && !is_printable(rpc_address) {
            return Err(NodeInfoError::RpcAddress);
        }
        Ok(())
    }

    /// Checks that we, `self`, can talk with `other`: same block protocol, same network, and a
    /// common channel, unless we have none at all.
    ///
    /// # Errors
    ///
    /// The first difference found.
    pub fn compatible_with(&self, other: &Self) -> Result<(), NodeInfoError> {
        let (ours, theirs) = (self.protocol_version.block, other.protocol_version.block);
        if ours != theirs {
            return Err(NodeInfoError::BlockProtocol { ours, theirs });
        }
        if self.network != other.network {
            let theirs: String = other.network.chars().take(NETWORK_CHARS_TOLD).collect();
            return Err(NodeInfoError::Network {
                ours: self.network.as_str().into(),
                theirs: theirs.into(),
            });
        }
        let is_common = |channel| other.channels.contains(channel);
        if !self.channels.is_empty() && !self.channels.iter().any(is_common) {
            return Err(NodeInfoError::NoCommonChannel {
                ours: self.channels.clone(),
                theirs: other.channels.clone(),
            });
        }
        Ok(())
    }

    fn validate_channels(&self) -> Result<(), NodeInfoError> {
        let found = self.channels.len();
        if found > CHANNELS_MAX {
            return Err(NodeInfoError::TooManyChannels { found });
        }
        for (at, channel) in self.channels.iter().enumerate() {
            if self.channels[..at].contains(channel) {
                return Err(NodeInfoError::DuplicateChannel(*channel));
            }
        }
        Ok(())
    }
}

/// Printable ASCII, 32 to 126, that is not only spaces.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.bytes().any(|byte| byte != b' ')
}

/// Fuzz target: what is read can be written and read again, and is judged without a panic.
#[doc(hidden)]
pub fn fuzz_node_info(bytes: &[u8]) {
    if let Ok(Some((_, consumed))) = NodeInfo::decode(bytes) {
        assert!(consumed <= bytes.len());
    }
    let Ok(info) = NodeInfo::decode_body(bytes) else {
        return;
    };
    assert_eq!(
        NodeInfo::decode_body(&info.encode_body()).as_ref(),
        Ok(&info)
    );
    let _ = info.validate();
    let alone = info.compatible_with(&info);
    assert_eq!(alone, Ok(()));
}

#[cfg(test)]
mod tests;
