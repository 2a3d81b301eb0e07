//! Peers as the rest of the engine sees them: who they are, where they are, and the handle by
//! which one shard finds them again.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ringwire_codec::{ChannelId, NodeId, NodeInfo};

pub use crate::buffer::Framing;
use crate::time::Instant;

/// The number of a shard, from zero. Shard 0 is also the coordinator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The shard that owns what must be true for the whole node.
    pub const COORDINATOR: ShardId = ShardId(0);
}

/// A shard-local name of a peer. The generation makes a stale key harmless: it finds nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerKey {
    /// Place in the shard's peer slab.
    pub index: u32,
    /// How often that place was given away before.
    pub generation: u32,
}

/// Who opened the connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// The peer dialed us.
    Inbound,
    /// We dialed the peer.
    Outbound,
}

/// What is known about an admitted peer. Cheap to clone; never changes while the peer lives.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Shard-local key of the peer.
    pub key: PeerKey,
    /// Authenticated identity: the hash of the key that signed the handshake.
    pub id: NodeId,
    /// What the peer said of itself, validated.
    pub node_info: Arc<NodeInfo>,
    /// The socket's remote address.
    pub remote_addr: SocketAddr,
    /// Who opened the connection.
    pub direction: Direction,
    /// Whether the operator listed the peer as persistent (matched by id).
    pub persistent: bool,
    /// Record layer in use.
    pub framing: Framing,
    /// When the peer was admitted.
    pub since: Instant,
}

/// What is banned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BanTarget {
    /// A node, wherever it is.
    Id(NodeId),
    /// An address, whoever is there.
    Ip(IpAddr),
}

/// How many peers the whole node has, and how many it is about to have. Unconditional peers are
/// not counted (reference, `NumPeers`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Peers that we dialed, persistent ones included.
    pub outbound: usize,
    /// Peers that dialed us.
    pub inbound: usize,
    /// Dials under way, up to their admission.
    pub dialing: usize,
}

impl PeerInfo {
    /// Whether the peer announced `channel`; sending on any other would make it hang up.
    pub fn has_channel(&self, channel: ChannelId) -> bool {
        self.node_info.channels.contains(&channel)
    }
}
