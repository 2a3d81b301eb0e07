//! One socket of a shard, from the moment it is there until the switch forgets it.
//!
//! ```text
//!  accepted ─┐                                        ┌─ home is another shard ─▶ Leaving ─▶ Move
//!            ├▶ Connected ─▶ Upgrading ─▶ Asking ─────▶ (verdict)
//!  dialed ───┘      │            │          │           └─ home is here ─┐
//!                   └─ refused ──┴──────────┴─▶ Close    adopted ────────┴─▶ Established
//!                                                                                │ stopped
//!                                        Close ◀── flushed, or its time is up ── Closing
//!
//! A Close waits in Parting when there is a last word to say and a transmit is in flight.
//! ```
//!
//! A link that left (closed or moved) is removed from the table at once; its [`PeerKey`] then
//! finds nobody, and neither does word about it that is still on its way.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use ringwire_codec::node_info::CHANNELS_MAX;
use ringwire_codec::{ChannelId, NodeId};

use crate::conn::{MConnection, Upgrade, UpgradeStage, Upgraded};
use crate::error::{CloseReason, EarlyStep, NetworkError};
use crate::peer::{Direction, PeerInfo, PeerKey};
use crate::switch::io::{LinkId, ReadMode, ReplyToken, Transmit};
use crate::switch::message::{AttemptId, Pass, Ticket};
use crate::switch::peer::probe::Probe;
use crate::switch::timers::Entries;
use crate::time::{Deadline, Instant};

/// A socket and what it is being used for.
pub(crate) struct Link {
    /// The shell's name.
    pub(crate) id: LinkId,
    /// Our name; also the peer's, once it is one.
    pub(crate) key: PeerKey,
    /// The socket's remote address.
    pub(crate) remote: SocketAddr,
    /// Who dialed.
    pub(crate) direction: Direction,
    /// The attempt that made it, when we dialed.
    pub(crate) attempt: Option<AttemptId>,
    /// What it is being used for.
    pub(crate) stage: Stage,
    /// How the shell was last told to read.
    pub(crate) read: ReadMode,
    /// Whether a transmit is in flight.
    pub(crate) sending: bool,
    /// What the upgrade has to say and could not yet, because a transmit was in flight.
    pub(crate) unsent: Transmit,
    /// Set when the socket has ended; what came before that is still delivered.
    pub(crate) ended: Option<NetworkError>,
    /// Whether the link waits for its turn in `run`.
    pub(crate) dirty: bool,
    /// Its entries in the timer heap.
    pub(crate) timers: Entries,
}

/// What a link is being used for.
pub(crate) enum Stage {
    /// TCP is up and no more: the handshake begins when its turn comes, because even the first
    /// step costs a key pair.
    Connected {
        /// The id that was dialed.
        expected_id: Option<NodeId>,
        /// When the handshake must have ended.
        deadline: Deadline,
    },
    /// Secret handshake and NodeInfo exchange.
    Upgrading {
        /// The machine.
        upgrade: Box<Upgrade>,
        /// Whether something came that has not been looked at; at most one receive, because we
        /// read once. It is copied, so that a link which waits for its turn holds no chunk.
        has_received: bool,
        /// When the handshake must have ended.
        deadline: Deadline,
        /// Whether the remote has proven its key: what is left is its NodeInfo.
        exchanging: bool,
    },
    /// The coordinator is deciding.
    Asking {
        /// Keys, NodeInfo, bytes read so far.
        upgraded: Box<Upgraded>,
        /// When the coordinator must have answered.
        deadline: Deadline,
    },
    /// Admitted elsewhere; moves as soon as no transmit is in flight.
    Leaving {
        /// As above.
        upgraded: Box<Upgraded>,
        /// Where to, under which ticket.
        pass: Pass,
    },
    /// Between two stages, within one call.
    Moving,
    /// Nobody's any more: it is closed once its last word is out (see `goodbye`).
    Parting {
        /// When it is closed in any case.
        deadline: Instant,
    },
    /// A peer.
    Established(Box<Peer>),
}

/// An admitted peer on its home shard.
pub(crate) struct Peer {
    /// Shared with the calls to reactors.
    pub(crate) info: Rc<PeerInfo>,
    /// The connection.
    pub(crate) conn: MConnection,
    /// The coordinator's name of it.
    pub(crate) ticket: Ticket,
    /// Sends that wait for room, in order.
    pub(crate) waiting: VecDeque<WaitingSend>,
    /// Bit `i`: channel number `i` answered `Full` and its reactor wants to hear of room.
    pub(crate) starved: u16,
    /// Bit `i`: a reactor wants no messages of channel number `i` from it now.
    pub(crate) held_back: u16,
    /// Bit `i`: the gauge of channel number `i` is on its way to the shell.
    pub(crate) touched: u16,
    /// Fill of each channel's queue, by number, as the gauges last showed it.
    pub(crate) gauged: [usize; CHANNELS_MAX],
    /// Bytes held for it, as the budget last counted them.
    pub(crate) held: usize,
    /// When what it sent and nobody took is dropped; set when its socket has ended.
    pub(crate) forget_at: Option<Instant>,
    /// Bytes queued for it, as the budget last counted them.
    pub(crate) queued: usize,
    /// Set once it was decided to close the peer after what is queued.
    pub(crate) closing: Option<Closing>,
    /// Set while the coordinator waits for a sign of life.
    pub(crate) probe: Option<Probe>,
}

/// A peer on its way out.
pub(crate) struct Closing {
    /// Why.
    pub(crate) reason: CloseReason,
    /// When it is closed whether flushed or not.
    pub(crate) deadline: Instant,
    /// Whether the connection was told to flush: nothing new is queued from then on.
    pub(crate) flushing: bool,
}

/// A send of the application that waits for room.
pub(crate) struct WaitingSend {
    /// On which channel.
    pub(crate) channel: ChannelId,
    /// What.
    pub(crate) message: Bytes,
    /// How long it may wait.
    pub(crate) deadline: Option<Instant>,
    /// Who wants to know.
    pub(crate) token: Option<ReplyToken>,
}

impl Link {
    /// The peer, if the link is one.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        match &self.stage {
            Stage::Established(peer) => Some(peer),
            _ => None,
        }
    }

    /// The peer, if the link is one.
    pub(crate) fn peer_mut(&mut self) -> Option<&mut Peer> {
        match &mut self.stage {
            Stage::Established(peer) => Some(peer),
            _ => None,
        }
    }

    /// Whether the link is a peer, or nobody's any more: its turns are not a handshake's.
    pub(crate) fn is_past_handshake(&self) -> bool {
        matches!(self.stage, Stage::Established(_) | Stage::Parting { .. })
    }

    /// Whether the next turn of a link that is no peer yet takes a step of its handshake: what
    /// costs far more than looking whether there is one.
    pub(crate) fn is_step_due(&self) -> bool {
        match &self.stage {
            Stage::Connected { .. } => self.ended.is_none(),
            Stage::Upgrading { has_received, .. } => *has_received,
            Stage::Leaving { .. } => self.ended.is_none() && !self.is_writing(),
            _ => false,
        }
    }

    /// Whether something is on its way out, or waits for that.
    pub(crate) fn is_writing(&self) -> bool {
        self.sending || !self.unsent.is_empty()
    }

    /// Whether the link is nobody's any more.
    pub(crate) fn is_parting(&self) -> bool {
        matches!(self.stage, Stage::Parting { .. })
    }

    /// Whether a handshake can go on only when the remote says something.
    pub(crate) fn waits_for_remote(&self) -> bool {
        matches!(
            self.stage,
            Stage::Upgrading {
                has_received: false,
                ..
            }
        )
    }

    /// Whether the remote of a handshake has proven its key, and has been sent our NodeInfo.
    pub(crate) fn has_proven(&self) -> bool {
        match &self.stage {
            Stage::Connected { .. } => false,
            Stage::Upgrading { exchanging, .. } => *exchanging,
            _ => true,
        }
    }

    /// What it means that the socket has ended now, before the connection was of any use. Of one
    /// that we accepted nothing can be said: anybody may come and go.
    pub(crate) fn ended_early(&self, error: NetworkError) -> NetworkError {
        let step = match &self.stage {
            _ if self.direction == Direction::Inbound => return error,
            Stage::Connected { .. } => EarlyStep::SecretConnection,
            Stage::Upgrading { upgrade, .. } => match upgrade.stage() {
                UpgradeStage::SecretConnection => EarlyStep::SecretConnection,
                UpgradeStage::NodeInfo | UpgradeStage::Over => EarlyStep::NodeInfo,
            },
            _ => EarlyStep::Admission,
        };
        NetworkError::ClosedEarly {
            step,
            cause: Box::new(error),
        }
    }

    /// When something of the link is due next.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Connected { deadline, .. }
            | Stage::Upgrading { deadline, .. }
            | Stage::Asking { deadline, .. } => Some(deadline.at()),
            Stage::Parting { deadline } => Some(*deadline),
            Stage::Leaving { .. } | Stage::Moving => None,
            Stage::Established(peer) => peer.next_at(),
        }
    }
}

impl Peer {
    fn next_at(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().filter_map(|send| send.deadline).min();
        let closing = self.closing.as_ref().map(|closing| closing.deadline);
        let silent = self.probe.and_then(|probe| probe.deadline());
        let heartbeat = self.conn.poll_timeout();
        [heartbeat, waiting, closing, silent, self.forget_at]
            .into_iter()
            .flatten()
            .min()
    }
}
