//! The bytes of a NodeInfo: which field has which number.
//!
//! The reader borrows every text until the whole message is read, so a field that comes many times
//! is copied once.

use super::{NodeInfo, NodeInfoOther, ProtocolVersion};
use crate::error::DecodeError;
use crate::extension::{EXTENSION_FIELD, Extension};
use crate::id::NodeId;
use crate::packet::ChannelId;
use crate::proto::{Fields, put_bytes, put_message, put_varint};

pub(super) const FIELD_PROTOCOL_VERSION: u32 = 1;
pub(super) const FIELD_NODE_ID: u32 = 2;
pub(super) const FIELD_LISTEN_ADDR: u32 = 3;
pub(super) const FIELD_NETWORK: u32 = 4;
pub(super) const FIELD_VERSION: u32 = 5;
pub(super) const FIELD_CHANNELS: u32 = 6;
pub(super) const FIELD_MONIKER: u32 = 7;
pub(super) const FIELD_OTHER: u32 = 8;

impl NodeInfo {
    pub(super) fn encode_body(&self) -> Vec<u8> {
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

    pub(super) fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
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
    pub(super) const ZERO: Self = Self {
        p2p: 0,
        block: 0,
        app: 0,
    };

    pub(super) fn encode_body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_varint(1, self.p2p, &mut body);
        put_varint(2, self.block, &mut body);
        put_varint(3, self.app, &mut body);
        body
    }

    pub(super) fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
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
    pub(super) fn encode_body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_bytes(1, self.tx_index.as_bytes(), &mut body);
        put_bytes(2, self.rpc_address.as_bytes(), &mut body);
        body
    }

    pub(super) fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
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
