//! What the instances of one node tell each other.
//!
//! ```text
//!   any shard ── Joined, Left, Wanted, Learned, Offence ──▶ coordinator's shard
//!   coordinator's shard ── Ask, Answer, Dismiss ──────────▶ any shard
//! ```
//!
//! An instance on the coordinator's shard tells itself in the same way, so there is one path for
//! everything.

use bytes::Bytes;
use ringwire_codec::{GoodbyeCode, NetAddress, NodeId};

use crate::error::CloseReason;
use crate::peer::{Direction, PeerInfo, PeerKey};

/// A note between instances.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PexNote {
    /// A peer was added.
    Joined(NodeId, Introduction),
    /// A peer is gone; who ended the connection.
    Left(NodeId, EndedBy),
    /// A peer asked, and is to be answered from the book as it is now.
    Wanted(PeerKey),
    /// A peer answered with these addresses.
    Learned(NodeId, Vec<NetAddress>),
    /// A peer that broke a rule is being closed.
    Offence(NodeId, String),
    /// A peer of yours is to be asked for addresses.
    Ask(NodeId),
    /// The answer for a peer of yours: the message to send. The key names the connection, so that
    /// an answer never comes to one that did not ask.
    Answer(PeerKey, Bytes),
    /// A peer of yours that only waits has to make room.
    Dismiss(NodeId),
}

/// Who ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndedBy {
    /// This node.
    Us,
    /// The other side, or the network.
    Remote,
    /// This node, because it stops.
    Shutdown,
}

impl EndedBy {
    /// Who is behind the reason of a peer's end.
    pub(super) fn of(reason: &CloseReason) -> Self {
        match reason {
            CloseReason::Network(_) => EndedBy::Remote,
            CloseReason::Goodbye(goodbye) if goodbye.code != GoodbyeCode::Duplicate => {
                EndedBy::Remote
            }
            CloseReason::Shutdown => EndedBy::Shutdown,
            _ => EndedBy::Us,
        }
    }
}

/// What the coordinator's shard needs to know of a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Introduction {
    /// Who dialed.
    pub(super) direction: Direction,
    /// Whether the operator wants it kept.
    pub(super) is_kept: bool,
    /// Whether it has the channel of the peer exchange.
    pub(super) speaks_pex: bool,
    /// Where it is: the socket's IP, and the port it listens on, or failing that the socket's; or its Unix
    /// socket.
    pub(super) place: NetAddress,
    /// Where it says that it listens.
    pub(super) listens_at: Option<NetAddress>,
}

impl Introduction {
    /// Introduces a peer that has its channel, or has not.
    pub(super) fn new(peer: &PeerInfo, is_kept: bool, speaks_pex: bool) -> Self {
        let listens_at = peer.listen_address();
        let mut place = peer.remote_addr.address_of(peer.id);
        if let (Direction::Inbound, Some(address), Some(_)) =
            (peer.direction, &listens_at, place.host.ip())
        {
            place.port = address.port;
        }
        Introduction {
            direction: peer.direction,
            is_kept,
            speaks_pex,
            place,
            listens_at,
        }
    }
}

impl PexNote {
    /// Bytes of payload that it keeps in memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            PexNote::Learned(_, addresses) => size_of_val(addresses.as_slice()),
            PexNote::Answer(_, message) => message.len(),
            PexNote::Offence(_, what) => what.len(),
            _ => 0,
        }
    }
}
