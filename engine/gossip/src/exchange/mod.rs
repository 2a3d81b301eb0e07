//! Which neighbour has which shards of a large payload, and who is asked for which.
//!
//! Every shard is asked for, and asked of one neighbour at a time, so a payload comes about once. A node
//! announces a shard as soon as it has checked it, so a hop costs the time of a shard and one round trip,
//! not that of a payload:
//!
//! ```text
//!  origin ── offer (manifest) ──▶ A ── offer ──▶ B
//!         ── have {0,3,6…}    ──▶
//!         ◀── want {0,3}      ──
//!         ── shard 0          ──▶   ── have {0} ──▶
//!                                   ◀── want {0} ──     while shard 3 is still on its way to A
//! ```
//!
//! The origin shows each neighbour another part of the shards, so that each of them leaves it about once and
//! the neighbours exchange the rest. It shows more to a neighbour that has come to a stop: if nobody else
//! serves it, the origin does in the end.
//!
//! # What is promised
//!
//! 1. A node asks for no more shards of a segment than it needs, and accepts none that it has not asked for.
//! 2. A neighbour that says it has shards and does not send them costs the time of [`STALL_TICKS`], once;
//!    after that it is asked for one at a time, until it sends.
//! 3. What is kept of a link is bounded, and so is what a link can have us send.
//!
//! # In which order
//!
//! The [`Exchange`] is told of links, messages, shards and ticks; whatever it was told, drain
//! [`Exchange::poll_output`] after it, and call [`Exchange::announce`] once per turn, so that what came in
//! one turn is announced in one message.

#[allow(
    clippy::module_inception,
    reason = "the exchange is the room's namesake"
)]
mod exchange;
mod link;
mod message;
mod payload;
mod shard_set;
#[cfg(test)]
mod tests;

pub use exchange::{Exchange, ExchangeLimits, Figures, Output, TICK};
pub use link::{ASKED_MAX, STALL_TICKS};
pub use message::{CONTROL_BYTES_MAX, Control, fuzz_control};
pub use shard_set::ShardSet;
