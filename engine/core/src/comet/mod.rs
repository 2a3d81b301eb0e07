//! What an application must know to speak to nodes of CometBFT: which channels they have, and how
//! these are set.
//!
//! Nothing of the engine depends on it: a channel is whatever an application declares. The example
//! `comet_peer` follows a chain with it.

pub mod channels;
#[cfg(feature = "prost")]
mod messages;

#[cfg(feature = "prost")]
pub use messages::{blocksync, mempool};
