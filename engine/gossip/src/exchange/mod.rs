//! Who sends which shards of a large payload to whom, and who is asked for the rest.
//!
//! Shards are dealt out into sixteen stripes ([`Stripe`]). For each stripe of an origin a neighbour is the feed: it sends each
//! shard as soon as it has checked it, and the node passes it on at once to those that it feeds. So a hop costs the
//! time of a shard, and not that of a payload or a round trip. What no feed sends is announced and asked for, of
//! one neighbour at a time:
//!
//! ```text
//!  first payload of an origin                         further payloads
//!
//!  origin ── offer (manifest) ──▶ A ── offer ──▶ B     origin ── offer ──▶ A ── offer ──▶ B
//!         ── shards 0, 8, 16… ──▶   ── have {0} ──▶            ── shard 0 ─▶  ── shard 0 ─▶
//!                                   ◀── feed, want {0}        ── shard 8 ─▶  ── shard 8 ─▶
//!                                   ── shard 0 ─▶                 ◀── times ──▶    whose stripes came when
//! ```
//!
//! The origin sends each shard once, to one of its near neighbours. It shows more to a neighbour that has come to a
//! stop: if nobody else serves it, the origin does in the end. docs/gossip.md has the whole protocol.
//!
//! # What is promised
//!
//! 1. A node hashes no shard that it has, and asks for no more shards of a segment than it needs.
//! 2. A neighbour that says it has shards and does not send them costs the time of [`STALL_TICKS`] where it was asked, and
//!    two ticks where it is a feed, or the first if it sends others meanwhile, once; after that it is asked for one at a time, and feeds nothing for [`BARRED_TICKS`].
//! 3. Of two payloads that an origin has signed under one number none is delivered after both were heard of, and who passes
//!    on has both signatures to show for it.
//! 4. What is kept of a link is bounded, and so is what a link can have us send.
//!
//! # Its parts
//!
//! ```text
//!  exchange ─┬─ claims, waiting     which payloads are taken, and which wait for room
//!            ├─ payloads, payload   what is here of each, who has the rest and was shown what
//!            ├─ links, link         who is asked for how much, and how far it is to them
//!            ├─ feeding, trees      who feeds this node, and whom it feeds
//!            ├─ sends, queue        which shards wait to be sent
//!            ├─ announcer           what neighbours are told of what is here
//!            └─ restorable          segments whose last originals are waited for
//! ```
//!
//! # In which order
//!
//! The [`Exchange`] is told the time ([`Exchange::advance`]), then of links, messages, shards and ticks; whatever it was
//! told, drain [`Exchange::poll_output`] after it and then [`Exchange::poll_shard`], and say when shards have left
//! ([`Exchange::handle_left`]). Call [`Exchange::handle_due`] when [`Exchange::next_due`] has come, and
//! [`Exchange::announce`] once per turn, so that what came in one turn is announced in one message.

mod announcer;
mod claims;
mod config;
#[allow(
    clippy::module_inception,
    reason = "the exchange is the room's namesake"
)]
mod exchange;
mod feeding;
#[cfg(test)]
mod liars_tests;
mod link;
mod links;
mod message;
mod output;
mod payload;
mod payloads;
mod queue;
mod restorable;
mod sends;
mod shard_set;
#[cfg(test)]
mod signed_tests;
mod stripes;
#[cfg(test)]
mod tests;
mod tree;
mod trees;
#[cfg(test)]
mod verdict_tests;
mod waiting;

pub use claims::CLAIMS_MAX;
pub use config::{ExchangeLimits, Identity};
pub use exchange::{Exchange, TICK};
pub use link::{ASKED_MAX, STALL_TICKS};
pub use message::{CONTROL_BYTES_MAX, Control, Times, fuzz_control};
pub use output::{Figures, Output};
pub use queue::AHEAD_MAX;
pub use shard_set::ShardSet;
pub use stripes::{STRIPES, Stripe, Stripes};
pub use tree::{BARRED_TICKS, CHILDREN_MAX, EARLIER_BY, ROOTS_MAX};
pub use trees::TREES_MAX;
pub use waiting::WAITING_MAX;
