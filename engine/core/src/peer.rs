//! Peers as the rest of the engine sees them: who they are, where they are, and the handle by
//! which one shard finds them again.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ringwire_codec::net_address::parse_listen_address;
use ringwire_codec::{ChannelId, NetAddress, NodeId, NodeInfo};

mod remote_addr;

pub use remote_addr::RemoteAddr;

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
    /// Where the other end of the socket is.
    pub remote_addr: RemoteAddr,
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
    /// A host, whoever is there: an IPv4 address, also where it is mapped into IPv6, or the whole /64
    /// of an IPv6 address, of which its holder has every address.
    Ip(IpAddr),
}

/// Who made a ban.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BanOrigin {
    /// The operator, through the application.
    Operator,
    /// A reactor, such as the peer exchange: automatic.
    Reactor,
}

/// A ban that holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ban {
    /// Whom.
    pub target: BanTarget,
    /// For how long from now.
    pub ends_in: Duration,
    /// Who made it.
    pub origin: BanOrigin,
}

impl fmt::Display for BanTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BanTarget::Id(id) => id.fmt(f),
            BanTarget::Ip(ip) => match ip.to_canonical() {
                IpAddr::V4(ip) => ip.fmt(f),
                IpAddr::V6(ip) => write!(f, "{ip}/64"),
            },
        }
    }
}

impl fmt::Display for Ban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.origin {
            BanOrigin::Operator => "the operator",
            BanOrigin::Reactor => "a reactor",
        };
        let seconds = self.ends_in.as_secs();
        write!(f, "{}, by {by}, for {seconds} s more", self.target)
    }
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

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        })
    }
}

impl PeerInfo {
    /// Whether the peer announced `channel`; sending on any other would make it hang up.
    pub fn has_channel(&self, channel: ChannelId) -> bool {
        self.node_info.channels.contains(&channel)
    }

    /// Where others may dial the peer: the address it announced, under its proven id.
    ///
    /// A peer that listens on all its addresses announces none of them (`0.0.0.0` or `::`); then it
    /// is the address it came from, with the port it announced; nothing if it came by a Unix socket.
    /// Nothing for a host name, which is never looked up because a peer said it (docs/quirks.md, quirk 16), and for port 0. Whether
    /// the address is of any use to others is for the address book to judge. The rule and its risk
    /// are those of docs/decisions/0014-peer-life.md.
    #[must_use]
    pub fn listen_address(&self) -> Option<NetAddress> {
        let (host, port) = parse_listen_address(&self.node_info.listen_addr).ok()?;
        let announced = host.ip()?;
        if port == 0 {
            return None;
        }
        let ip = match announced.is_unspecified() {
            true => self.remote_addr.ip()?,
            false => announced,
        };
        Some(NetAddress::from_ip(self.id, ip, port))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use ringwire_codec::{NodeInfoOther, ProtocolVersion};

    use super::*;

    fn peer_at(remote_addr: &str, listen_addr: &str) -> PeerInfo {
        let id = NodeId::from_bytes([0xab; 20]);
        let node_info = NodeInfo {
            protocol_version: ProtocolVersion::default(),
            node_id: id,
            listen_addr: String::from(listen_addr),
            network: String::from("net"),
            version: String::new(),
            channels: [ChannelId(1)].into_iter().collect(),
            moniker: String::from("peer"),
            other: NodeInfoOther::default(),
            extension: None,
        };
        PeerInfo {
            key: PeerKey {
                index: 0,
                generation: 0,
            },
            id,
            node_info: Arc::new(node_info),
            remote_addr: RemoteAddr::from(
                remote_addr.parse::<SocketAddr>().expect("a socket address"),
            ),
            direction: Direction::Inbound,
            persistent: false,
            framing: Framing::Comet,
            since: Instant::ZERO,
        }
    }

    #[test]
    fn a_peer_is_dialed_where_it_says_it_listens_or_where_it_came_from_and_never_by_name() {
        let (v4, v6) = ("9.8.7.6:50000", "[2a00::6]:50000");
        for (remote, announced, expected) in [
            (v4, "tcp://1.2.3.4:26656", Some("1.2.3.4:26656")),
            (v4, "1.2.3.4:26656", Some("1.2.3.4:26656")),
            (v4, "tcp://[2a00::1]:26656", Some("[2a00::1]:26656")),
            (v4, "[::ffff:1.2.3.4]:1", Some("1.2.3.4:1")),
            (v4, "tcp://0.0.0.0:26656", Some("9.8.7.6:26656")),
            (v4, "[::]:65535", Some("9.8.7.6:65535")),
            (v4, "[::ffff:0.0.0.0]:1", Some("9.8.7.6:1")),
            (v6, "0.0.0.0:26656", Some("[2a00::6]:26656")),
            ("[::ffff:9.8.7.6]:5", "0.0.0.0:26656", Some("9.8.7.6:26656")),
            (v4, "1.2.3.4:0", None),
            (v4, "0.0.0.0:0", None),
            (v4, "tcp://node.example.com:26656", None),
            (v4, "localhost:26656", None),
            (v4, "1.2.3.4", None),
            (v4, "", None),
            (v4, "1.2.3.4:65536", None),
        ] {
            let peer = peer_at(remote, announced);
            let found = peer.listen_address();
            let id = peer.id;
            let expected = expected.map(|at| format!("{id}@{at}").parse().expect("an address"));
            assert_eq!(found, expected, "{announced} from {remote}");
        }
    }
}
