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
//! * `aws-lc` (default): AEAD by aws-lc-rs. Without it the pure-Rust provider is used.

#![deny(unsafe_code)]

pub mod handle;
pub mod shard;
pub mod transport;

pub use bytes;
pub use handle::{Builder, Engine, Handle, StartError};
pub use ringwire_codec as codec;
pub use ringwire_codec::{ChannelId, NetAddress, NodeId, NodeInfo, NodeKey};
pub use ringwire_core::config::Config;
pub use ringwire_core::reactor::ChannelDescriptor;
pub use ringwire_core::switch::{Delivery, Event};
pub use ringwire_core::{
    comet, config, conn, document, error, gossip, metrics, peer, pex, reactor, switch, time,
};

/// The README's examples are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

/// So are those of the page that registries show.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct CrateReadme;

/// And those of the page about embedding.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
pub struct Embedding;
