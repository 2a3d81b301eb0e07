//! Gossip of messages of up to 128 KiB: each comes to each node about once, by the shortest way.
//!
//! What is said and why is [`ringwire_gossip::feeds`]; here it meets the engine. One shard of the engine has
//! the conversation with all peers of the node; the others carry messages:
//!
//! ```text
//!  peer ── control or body ──▶ its home shard ── note ──▶ shard of the conversation: Feeds
//!  peer ◀── outbox of the home shard ◀── note ────────────┘      └── note ──▶ home shard ──▶ the application
//! ```
//! Only references to bodies travel between shards of the engine.

mod author;
mod config;
mod conversation;
mod counters;
mod crowd;
#[allow(
    clippy::module_inception,
    reason = "the reactor is the room's namesake"
)]
mod feeds;
mod members;
mod neighbours;
mod note;
mod outboxes;
mod proofs;
mod unpublished;
mod views;

pub use config::{FeedsConfig, KeptNumbers};
pub use feeds::Feeds;
pub use members::SetMembers;
#[cfg(test)]
pub(super) use note::FeedsTimer;
pub use views::{Feeder, HowFar, MessageReach, WhoFeeds};
