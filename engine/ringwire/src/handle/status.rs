//! What a handle shows of peers.

use std::sync::Arc;
use std::time::Duration;

use ringwire_codec::{ChannelId, NodeId, NodeInfo};
use ringwire_core::peer::{Direction, Framing, RemoteAddr, ShardId};
use ringwire_core::time::Instant;

use crate::shard::queue_room::PeerEntry;

/// A connected peer as of now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStatus {
    /// Who.
    pub id: NodeId,
    /// How it calls itself.
    pub moniker: String,
    /// All that it says of itself, validated: software, network, where it listens, what else it
    /// serves.
    pub node_info: Arc<NodeInfo>,
    /// Where the other end of the socket is.
    pub remote_addr: RemoteAddr,
    /// Who opened the connection.
    pub direction: Direction,
    /// Record layer in use.
    pub framing: Framing,
    /// Whether the operator listed it as persistent.
    pub persistent: bool,
    /// Its home.
    pub shard: ShardId,
    /// How long it has been a peer.
    pub connected_for: Duration,
    /// Messages that wait to be sent, by channel.
    pub queued: Vec<(ChannelId, usize)>,
}

impl PeerStatus {
    /// The channels that the peer announced. On any other it is sent nothing.
    pub fn channels(&self) -> &[ChannelId] {
        &self.node_info.channels
    }

    pub(crate) fn new(entry: &PeerEntry, now: Instant) -> Self {
        let info = entry.info();
        PeerStatus {
            id: info.id,
            moniker: info.node_info.moniker.to_string(),
            node_info: Arc::clone(&info.node_info),
            remote_addr: info.remote_addr.clone(),
            direction: info.direction,
            framing: info.framing,
            persistent: info.persistent,
            shard: entry.shard(),
            connected_for: now - info.since,
            queued: entry.queues().collect(),
        }
    }
}
