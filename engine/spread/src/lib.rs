//! Gossip protocols side by side on one model of a network; a run is a function of its seed.
//!
//! A protocol is a [`Machine`]: it is told of links, messages and timers, and says what to send. The
//! [`Network`](network::Network) carries what it sends: each node has one uplink and one downlink that all its links share, and lives
//! in a city, so that distance costs time. A [`Scenario`] says how many nodes there are, how they are linked,
//! who publishes what, and what goes wrong; [`run`] plays it and gives a [`Report`].
//!
//! Left out: what computing costs, loss of packets (TCP hides it), handshakes, discovery.

#![forbid(unsafe_code)]

pub mod contenders;
pub mod feeds;
pub mod large;
mod ledger;
pub mod liars;
pub mod machine;
pub mod network;
pub mod overlay;
pub mod place;
pub mod report;
pub mod scenario;
mod world;

pub use machine::{Context, LinkId, Machine, Message, NodeIndex, Payload, Priority, Size};
pub use report::Report;
pub use scenario::Scenario;
pub use world::run;
