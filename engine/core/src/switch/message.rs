//! What the shards of one node tell each other. Owned values and reference-counted bytes only.
//!
//! The coordinator (shard 0) owns what must be true for the whole node; this is the conversation
//! by which a connection becomes a peer. A shard that is its own coordinator, or its own home,
//! holds the same conversation with itself.
//!
//! ```text
//!   asking shard            coordinator               home shard
//!        │ ── Admit(candidate) ──▶ │                        │
//!        │ ◀── Verdict(pass) ───── │                        │
//!        │ ═══════════ Output::Move(parcel) ══════════════▶ │ init_peer, start, add_peer
//!        │                         │ ◀──────── Joined ───── │
//!        │                         │          …             │ remove_peer returned
//!        │                         │ ◀──────── Left ─────── │ only now is the id free
//! ```

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NetAddress, NodeId};

use crate::config::Config;
use crate::conn::Upgraded;
use crate::error::{CloseReason, Reject};
use crate::peer::{BanOrigin, Direction, PeerKey, RemoteAddr, ShardId};
use crate::reactor::Note;
use crate::time::Instant;

/// The coordinator's name of an admitted connection. Never given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub(crate) u64);

/// The coordinator's name of one attempt to dial. Never given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AttemptId(pub(crate) u64);

/// The coordinator's word that a connection may become a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pass {
    /// Name of the admitted connection.
    pub ticket: Ticket,
    /// Where the peer is to live.
    pub home: ShardId,
    /// Whether the operator listed the peer as persistent.
    pub persistent: bool,
}

/// A connection that has proved who it is and asks to become a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The asking shard's key of the link.
    pub link: PeerKey,
    /// Authenticated id of the remote.
    pub id: NodeId,
    /// The socket's remote address.
    pub remote_addr: RemoteAddr,
    /// Who dialed.
    pub direction: Direction,
    /// Our attempt that made it, when we dialed.
    pub attempt: Option<AttemptId>,
    /// Whether the remote carries the Ringwire extension, so that it breaks ties as we do.
    pub breaks_ties: bool,
}

/// A change of what every shard must know to refuse a socket before it costs a handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GateUpdate {
    /// Whether the budget of inbound peers is used up.
    InboundFull(bool),
    /// A peer at this address was admitted at that time.
    Occupied(IpAddr, Instant),
    /// A peer at this address is gone.
    Vacated(IpAddr),
    /// The host of the address is banned until then.
    Banned {
        /// An address of it.
        ip: IpAddr,
        /// When the ban ends.
        until: Instant,
        /// Who made it.
        origin: BanOrigin,
    },
    /// The host of the address is no longer banned.
    Unbanned(IpAddr),
}

/// A connection on its way to its home shard: keys, bytes read so far, NodeInfo.
#[derive(Debug)]
pub struct Parcel {
    pub(crate) upgraded: Box<Upgraded>,
    /// The socket's remote address, should it fail on its way.
    pub(crate) remote: RemoteAddr,
    pub(crate) direction: Direction,
    pub(crate) pass: Pass,
}

/// A message between two shards of a node.
#[derive(Debug)]
pub enum ShardMessage {
    /// To the coordinator: may this connection become a peer?
    Admit(Candidate),
    /// From the coordinator: the answer.
    Verdict {
        /// The asking shard's key of the link.
        link: PeerKey,
        /// Yes, and where; or why not.
        verdict: Result<Pass, Reject>,
    },
    /// To the coordinator: the peer is up on its home shard.
    Joined(Ticket),
    /// To the coordinator: the connection is gone, every reactor was told; the id is free.
    Left {
        /// Which connection.
        ticket: Ticket,
        /// Why it ended.
        reason: CloseReason,
    },
    /// From the coordinator: is this peer there?
    Probe {
        /// Which connection.
        ticket: Ticket,
        /// How long it may be silent until it is closed, if silence closes it.
        within: Option<Duration>,
    },
    /// To the coordinator: the peer of a probe has said something.
    Probed(Ticket),
    /// From the coordinator: close this connection, it lost a simultaneous dial or was banned.
    Revoke {
        /// Which connection.
        ticket: Ticket,
        /// Why.
        reject: Reject,
    },
    /// From the coordinator: news for the gate.
    Gate(GateUpdate),
    /// From the coordinator: connect to this address.
    Dial {
        /// Name of the attempt.
        attempt: AttemptId,
        /// Whom and where.
        address: NetAddress,
    },
    /// From the coordinator: the attempt is not needed any more.
    CancelDial {
        /// Which attempt.
        attempt: AttemptId,
        /// Why: its node has connected to us meanwhile, or nobody wants it any more.
        reason: CloseReason,
    },
    /// To the coordinator: who was dialed has proven to be there, by its key.
    DialProven(AttemptId),
    /// To the coordinator: the attempt ended without asking for admission.
    DialEnded {
        /// Which attempt.
        attempt: AttemptId,
        /// Why.
        reason: CloseReason,
    },
    /// From the coordinator: go by this configuration from now on.
    Reconfigure {
        /// Number of the change.
        number: u64,
        /// What holds now. Who the node is has not changed.
        config: Arc<Config>,
    },
    /// To the coordinator: this shard goes by the configuration of that change.
    Reconfigured(u64),
    /// To all: everything this shard had to say before this round of the shutdown has been said.
    Draining {
        /// 0 or 1, see the shutdown's module.
        round: u8,
    },
    /// From one instance of a reactor to another.
    Note {
        /// Index of the reactor; the same on all shards.
        reactor: u16,
        /// The note.
        note: Note,
    },
    /// Queue a message for every peer of the receiving shard that has room.
    Broadcast {
        /// Channel.
        channel: ChannelId,
        /// Payload, shared.
        message: Bytes,
    },
}

/// What travels between shards travels between threads.
const fn assert_send<T: Send>() {}
const _: () = {
    assert_send::<ShardMessage>();
    assert_send::<Parcel>();
};
