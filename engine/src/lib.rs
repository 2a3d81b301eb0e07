//! Ringwire: a thread-per-core peer-to-peer engine on io_uring that speaks the
//! Tendermint/CometBFT wire.
//!
//! Start with [`handle`] to embed an engine, with [`reactor`] to write a protocol over its
//! channels, and with `sim` to test that protocol on a simulated network. `docs/architecture.md`
//! is the map of the house.
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

pub use config::Config;
#[cfg(feature = "shard")]
pub use handle::{Builder, Engine, Handle, StartError};
pub use ringwire_codec as codec;
pub use ringwire_codec::{ChannelId, NetAddress, NodeId, NodeInfo, NodeKey};

/// The README's examples are compiled and run as tests.
#[cfg(all(doctest, feature = "shard"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// So are those of the page about embedding.
#[cfg(all(doctest, feature = "shard"))]
#[doc = include_str!("../../docs/embedding.md")]
pub struct Embedding;
