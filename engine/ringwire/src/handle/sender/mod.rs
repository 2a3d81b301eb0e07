//! Ways of their own into the shards, for threads that send much.
//!
//! [`Handle::send`](super::Handle::send) and its kin serve everybody: each message looks up where it goes, counts
//! references and takes a place that all threads share. These do that once, when they are made; then a message costs
//! a place in a ring of its own, and a wake-up only when the shard has found that ring empty.
//!
//! ```text
//!   PeerSender    to one peer           ── Lane ── inlet of the peer's shard
//!   Publisher     to a reactor          ── Lane ── inlet of the shard that publishes the channel
//!   Broadcaster   to all peers          ── Lane ── an inlet of each shard
//! ```

mod broadcaster;
mod lane;
mod peer_sender;
mod publisher;

pub use broadcaster::Broadcaster;
pub use peer_sender::PeerSender;
pub use publisher::Publisher;
