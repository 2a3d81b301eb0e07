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
use thiserror::Error;

use crate::delimited;
use crate::error::{Blame, DecodeError};
use crate::extension::{EXTENSION_FIELD, Extension};
use crate::id::NodeId;
use crate::net_address::{NetAddressError, parse_listen_address};
use crate::packet::ChannelId;
use crate::proto::{Fields, put_bytes, put_message, put_varint};

/// The longest encoded NodeInfo, in bytes without its length.
pub const NODE_INFO_BYTES_MAX: usize = 10_240;

/// The most channels a node may announce.
pub const CHANNELS_MAX: usize = 16;

/// The version of this protocol. Carried, but compared by nobody.
pub const P2P_PROTOCOL: u64 = 8;

/// The version of the block format. Peers must agree on it.
pub const BLOCK_PROTOCOL: u64 = 11;

const FIELD_PROTOCOL_VERSION: u32 = 1;
const FIELD_NODE_ID: u32 = 2;
const FIELD_LISTEN_ADDR: u32 = 3;
const FIELD_NETWORK: u32 = 4;
const FIELD_VERSION: u32 = 5;
const FIELD_CHANNELS: u32 = 6;
const FIELD_MONIKER: u32 = 7;
const FIELD_OTHER: u32 = 8;

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
    pub channels: SmallVec<[ChannelId; CHANNELS_MAX]>,
    /// The name its operator gave it.
    pub moniker: String,
    /// What it offers beside.
    pub other: NodeInfoOther,
    /// Ringwire's offer; `None` from a plain CometBFT node.
    pub extension: Option<Extension>,
}

/// Why a NodeInfo is not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NodeInfoError {
    /// Longer than [`NODE_INFO_BYTES_MAX`]. Only our own can be: a peer's is refused while read.
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
    /// More than [`CHANNELS_MAX`] channels.
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
    #[error("network differs from ours")]
    Network,
    /// Not one channel is common to both.
    #[error("no common channel")]
    NoCommonChannel,
}

impl NodeInfoError {
    /// Whether the NodeInfo is in order but its node is not one for us.
    #[must_use]
    pub const fn is_incompatible(&self) -> bool {
        matches!(
            self,
            Self::BlockProtocol { .. } | Self::Network | Self::NoCommonChannel
        )
    }

    /// Whose fault it is when a peer's NodeInfo is refused for this. [`Self::TooLong`] is found only
    /// in our own.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::TooLong { .. } => Blame::Local,
            _ => Blame::Peer,
        }
    }
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

    /// Checks that we, `self`, can talk with `other`: same block protocol, same network, and a common
    /// channel, unless we have none at all.
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
            return Err(NodeInfoError::Network);
        }
        let is_common = |channel| other.channels.contains(channel);
        if !self.channels.is_empty() && !self.channels.iter().any(is_common) {
            return Err(NodeInfoError::NoCommonChannel);
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

    fn encode_body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_message(
            FIELD_PROTOCOL_VERSION,
            &self.protocol_version.encode_body(),
            &mut body,
        );
        put_bytes(
            FIELD_NODE_ID,
            self.node_id.to_string().as_bytes(),
            &mut body,
        );
        put_bytes(FIELD_LISTEN_ADDR, self.listen_addr.as_bytes(), &mut body);
        put_bytes(FIELD_NETWORK, self.network.as_bytes(), &mut body);
        put_bytes(FIELD_VERSION, self.version.as_bytes(), &mut body);
        let channels: Vec<u8> = self.channels.iter().map(|channel| channel.0).collect();
        put_bytes(FIELD_CHANNELS, &channels, &mut body);
        put_bytes(FIELD_MONIKER, self.moniker.as_bytes(), &mut body);
        put_message(FIELD_OTHER, &self.other.encode_body(), &mut body);
        if let Some(extension) = &self.extension {
            let mut bytes = Vec::new();
            extension.encode(&mut bytes);
            put_message(EXTENSION_FIELD, &bytes, &mut body);
        }
        body
    }

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        let mut protocol_version = ProtocolVersion::ZERO;
        let (mut node_id, mut listen_addr, mut network, mut version) = ("", "", "", "");
        let (mut channels, mut moniker) = (&[][..], "");
        let mut other = NodeInfoOther::default();
        let mut extension = None;
        let mut fields = Fields::new(body, "node_info");
        while let Some(field) = fields.next()? {
            match field.number {
                FIELD_PROTOCOL_VERSION => {
                    let bytes = field.bytes("node_info.protocol_version")?;
                    protocol_version = ProtocolVersion::decode_body(bytes)?;
                }
                FIELD_NODE_ID => node_id = field.text("node_info.default_node_id")?,
                FIELD_LISTEN_ADDR => listen_addr = field.text("node_info.listen_addr")?,
                FIELD_NETWORK => network = field.text("node_info.network")?,
                FIELD_VERSION => version = field.text("node_info.version")?,
                FIELD_CHANNELS => channels = field.bytes("node_info.channels")?,
                FIELD_MONIKER => moniker = field.text("node_info.moniker")?,
                FIELD_OTHER => {
                    other = NodeInfoOther::decode_body(field.bytes("node_info.other")?)?;
                }
                EXTENSION_FIELD => {
                    extension = Some(Extension::decode(field.bytes("node_info.extension")?)?);
                }
                _ => {}
            }
        }
        Ok(Self {
            protocol_version,
            node_id: parse_node_id(node_id)?,
            listen_addr: listen_addr.to_owned(),
            network: network.to_owned(),
            version: version.to_owned(),
            channels: channels.iter().copied().map(ChannelId).collect(),
            moniker: moniker.to_owned(),
            other,
            extension,
        })
    }
}

impl ProtocolVersion {
    /// What a message without any field says.
    const ZERO: Self = Self {
        p2p: 0,
        block: 0,
        app: 0,
    };

    fn encode_body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_varint(1, self.p2p, &mut body);
        put_varint(2, self.block, &mut body);
        put_varint(3, self.app, &mut body);
        body
    }

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        let mut version = Self::ZERO;
        let mut fields = Fields::new(body, "node_info.protocol_version");
        while let Some(field) = fields.next()? {
            match field.number {
                1 => version.p2p = field.varint("protocol_version.p2p")?,
                2 => version.block = field.varint("protocol_version.block")?,
                3 => version.app = field.varint("protocol_version.app")?,
                _ => {}
            }
        }
        Ok(version)
    }
}

impl NodeInfoOther {
    fn encode_body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_bytes(1, self.tx_index.as_bytes(), &mut body);
        put_bytes(2, self.rpc_address.as_bytes(), &mut body);
        body
    }

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        let (mut tx_index, mut rpc_address) = ("", "");
        let mut fields = Fields::new(body, "node_info.other");
        while let Some(field) = fields.next()? {
            match field.number {
                1 => tx_index = field.text("other.tx_index")?,
                2 => rpc_address = field.text("other.rpc_address")?,
                _ => {}
            }
        }
        Ok(Self {
            tx_index: tx_index.to_owned(),
            rpc_address: rpc_address.to_owned(),
        })
    }
}

fn parse_node_id(text: &str) -> Result<NodeId, DecodeError> {
    let rule = "must be 40 hexadecimal digits";
    text.parse().map_err(|_| DecodeError::BadValue {
        field: "node_info.default_node_id",
        rule,
    })
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
