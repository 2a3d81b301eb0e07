//! Ringwire: a thread-per-core peer-to-peer engine on io_uring that speaks the
//! Tendermint/CometBFT wire.
//!
//! Start with [`handle`] to embed an engine, with [`reactor`] to write a protocol over its
//! channels, and with `sim` to test that protocol on a simulated network; [`comet`] has the channels
//! of a CometBFT node. `docs/architecture.md` is the map of the house.
//!
//! This crate is the only one an application needs: [`bytes`], in which messages come and go, and
//! the types of the wire ([`codec`]) are part of it.
//!
//! # Features
//!
//! * `shard` (default): the shell, that is executors, ring, sockets, [`handle`]. Without it only the
//!   pure rooms are built, on any platform.
//! * `aws-lc` (default): AEAD by aws-lc-rs. Without it the pure-Rust provider is used.
//! * `cli` (default): what only the `ringwire` program needs; libraries switch it off.

#![deny(unsafe_code)]

pub mod buffer;
pub mod chance;
pub mod comet;
pub mod config;
pub mod conn;
pub mod document;
pub mod error;
pub mod gossip;
#[cfg(feature = "shard")]
pub mod handle;
pub mod metrics;
pub mod peer;
pub mod pex;
pub mod reactor;
#[cfg(feature = "shard")]
pub mod shard;
pub mod sim;
pub mod switch;
pub mod time;
#[cfg(feature = "shard")]
pub mod transport;

pub use bytes;
pub use config::Config;
#[cfg(feature = "shard")]
pub use handle::{Builder, Engine, Handle, StartError};
pub use reactor::ChannelDescriptor;
pub use ringwire_codec as codec;
pub use ringwire_codec::{ChannelId, NetAddress, NodeId, NodeInfo, NodeKey};
pub use switch::{Delivery, Event};

/// The README's examples are compiled and run as tests.
#[cfg(all(doctest, feature = "shard"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// So are those of the page about embedding.
#[cfg(all(doctest, feature = "shard"))]
#[doc = include_str!("../../docs/embedding.md")]
pub struct Embedding;
