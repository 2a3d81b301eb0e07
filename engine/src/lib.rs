//! Ringwire: a thread-per-core peer-to-peer engine on io_uring that speaks the
//! Tendermint/CometBFT wire.

pub mod buffer;
pub mod config;
pub mod conn;
pub mod error;
pub mod gossip;
#[cfg(feature = "shard")]
pub mod handle;
pub mod metrics;
pub mod peer;
pub mod reactor;
#[cfg(feature = "shard")]
pub mod shard;
pub mod switch;
pub mod time;
#[cfg(feature = "shard")]
pub mod transport;
