//! Hostile peers on real sockets, one after the other, against one engine, while an honest peer
//! talks to the same engine all the time.
//!
//! ```text
//!   attack  ──┐                        closed, with the reason the table names
//!             ├── engine, 2 shards ──▶
//!   honest  ──┘                        every echo comes back, before, during and after
//! ```
//!
//! `handshake.rs` holds the attacks of strangers, `crowd.rs` those that are many, `peer.rs` those of
//! admitted peers.

mod arena;
mod crowd;
mod handshake;
mod peer;
#[allow(dead_code, reason = "each test program uses a part of what they share")]
#[path = "../support/mod.rs"]
mod support;
