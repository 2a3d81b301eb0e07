//! Gossip: one message to every node, delivered once.
//!
//! [`Flood`] pushes each new message to every peer that speaks its channel. What makes that cheap
//! enough to start with is [`Seen`]: a node answers a copy it knows with one lookup.

mod backlog;
mod reactor;
mod seen;

pub use reactor::{Flood, FloodConfig};
pub use seen::{Digest, Seen};
