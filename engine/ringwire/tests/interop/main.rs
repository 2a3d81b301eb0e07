//! Interoperability: what we say on the wire is put before implementations that nobody of this
//! project wrote, and the other way round.
//!
//! ```text
//!   secret.rs   our pure handshake and frames ── blocking socket ── oracle
//!   engine.rs   a running engine ── its ring ── oracle, with NodeInfo and packets on top
//!   comet/      a running engine ── its ring ── CometBFT's own switch, built from its Go code
//!   nodes/      an engine, or a network around a seed of ours ── whole CometBFT nodes, unmodified
//! ```
//!
//! Each test runs against every oracle, or every line of CometBFT, and with each side as the one
//! that dials.

mod comet;
mod engine;
mod golang;
mod nodes;
mod pure;
mod secret;
#[allow(dead_code, reason = "each test program uses a part of what they share")]
#[path = "../support/mod.rs"]
mod support;
