//! Gossip as values: bytes in, bytes out; no threads, clocks or sockets.
//!
//! [`coded`] is how a large payload travels: as Reed–Solomon coded shards, each of which a node can
//! check and pass on before it has the rest. [`exchange`] is who asks whom for which of them.
//! [`feeds`] is what neighbours say to each other of small and medium messages, and which
//! of them sends those of an origin.

#![forbid(unsafe_code)]

pub mod coded;
pub mod exchange;
pub mod feeds;
mod signing;
