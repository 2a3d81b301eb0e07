//! How a flood behaves: its channel, and the bounds of its memory.

use std::time::Duration;

use crate::reactor::ChannelDescriptor;

/// How a [`super::Flood`] behaves.
#[derive(Clone, Debug)]
pub struct FloodConfig {
    /// The channel the messages travel on.
    pub channel: ChannelDescriptor,
    /// Bytes of memory that all messages which wait for peers may take, on all shards of the node
    /// together (each shard has an equal part, of 16 MiB at least): their payload, and what it costs to
    /// keep it. Half of it is shared by the peers that
    /// bring messages and the node's own publishers; who has used up its share is read less.
    pub budget_bytes: usize,
    /// Bytes of memory that may wait for one peer while others keep up; beyond it the peer is
    /// stopped as too slow. No source has more than a quarter of it waiting.
    pub backlog_bytes_max: usize,
    /// Ids of messages that a shard remembers, of all peers together; as many of the node itself.
    pub seen_max: usize,
    /// How long an id is remembered, unless there are too many.
    pub seen_span: Duration,
}

impl FloodConfig {
    /// The defaults for a channel: 256 MiB for all that waits, 64 MiB for one peer, 2^18 ids (about
    /// 25 MiB when they are there) for ten minutes.
    pub fn new(channel: ChannelDescriptor) -> Self {
        FloodConfig {
            channel,
            budget_bytes: 256 * 1024 * 1024,
            backlog_bytes_max: 64 * 1024 * 1024,
            seen_max: 1 << 18,
            seen_span: Duration::from_secs(600),
        }
    }
}
