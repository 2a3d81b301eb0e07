//! The protocol of Ringwire as values: bytes and events in, bytes and actions out.
//!
//! Nothing here has a thread, a clock, a socket or a file: `now` and seeds come in as arguments, and
//! what is to be done comes out as values. So the same code runs on the shards of the crate
//! `ringwire`, in the simulator of `ringwire-sim`, and under a fuzzer.
//!
//! ```text
//!   time chance document config error ◀── buffer ◀── conn ◀── peer, reactor ◀── pex, gossip, switch
//! ```
//!
//! `a ◀── b` reads "b may import a"; a test of this crate checks it.
//!
//! An application depends on `ringwire`, which has what it needs of this crate under its own names.
//! This one is for whoever builds another shell around the protocol; its interface may change with
//! any release.

// The slab alone opts out: see `buffer::buffer`.
#![deny(unsafe_code)]

pub mod buffer;
pub mod chance;
pub mod comet;
pub mod config;
pub mod conn;
pub mod document;
pub mod error;
pub mod gossip;
pub mod metrics;
pub mod peer;
pub mod pex;
pub mod reactor;
pub mod switch;
pub mod time;
