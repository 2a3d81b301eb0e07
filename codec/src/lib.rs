//! The wire format of the Tendermint/CometBFT peer-to-peer layer, and Ringwire's own wide records.
//!
//! Everything of the wire is a value: bytes in, values out, and back. There is no socket, entropy
//! source, thread or lock in this crate, so each rule of the wire can be tested, fuzzed and
//! simulated on its own. Only [`mod@file`] and the node key that is kept in one touch the world.
//!
//! ```text
//!  reactor message ─► packet ─► delimited ─► secret::frame  (CometBFT peers)
//!                                        └─► secret::record (Ringwire peers)
//! ```
//!
//! Two promises hold for every decoder:
//!
//! * the bytes of a peer never panic; what is wrong with them becomes a typed error that names the
//!   field and the rule;
//! * no length is trusted before it was compared with its limit, so nothing is allocated or waited
//!   for beyond it.
//!
//! The encoders write what gogoproto writes: fields in ascending order, default values left out,
//! the chosen member of a oneof written even when it is empty.

#![forbid(unsafe_code)]

pub mod delimited;
pub mod error;
pub mod extension;
pub mod file;
pub mod id;
pub mod key;
pub mod net_address;
pub mod node_info;
pub mod packet;
pub mod pex;
mod proto;
pub mod secret;
pub mod varint;

pub use delimited::Delimited;
pub use error::{Blame, DecodeError};
pub use extension::{Agreed, Extension};
pub use id::NodeId;
pub use key::{LocalKey, NodeKey, PublicKey, Signer, SignerError};
pub use net_address::{Host, NetAddress, NetAddressError, Reachability};
pub use node_info::{NodeInfo, NodeInfoError, NodeInfoOther, ProtocolVersion};
pub use packet::{ChannelId, GoodbyeCode, Packet, PacketGoodbye, PacketHeader, PacketMsg};
pub use pex::PexMessage;

/// The README's example is compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
