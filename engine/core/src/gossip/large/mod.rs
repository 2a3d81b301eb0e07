//! Gossip of large payloads, of more than 128 KiB and up to 128 MiB: each comes to each node about once, in
//! shards that are passed on as soon as they are checked.
//!
//! What is said and why is [`ringwire_gossip::exchange`]; here it meets the engine. A payload's origin says which
//! shard of the engine owns it. That one has the conversation about it with all peers of the node,
//! and codes it; the others carry messages:
//!
//! ```text
//!  peer ── control or shard ──▶ its home shard ── note ──▶ owner of the id: Exchange
//!  peer ◀── outbox of the home shard ◀── note ─────────────┘        └──▶ the application
//! ```
//!
//! Only references to shards travel between shards of the engine.

mod author;
mod config;
mod conversation;
mod counters;
mod encodings;
#[allow(
    clippy::module_inception,
    reason = "the reactor is the room's namesake"
)]
mod large;
mod note;
mod peer_line;
mod publisher;
mod verdicts;

pub use config::LargeConfig;
pub use large::{Large, Publish};
pub use publisher::PublishRefused;
pub use verdicts::LargeOffer;
