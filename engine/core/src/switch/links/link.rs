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
//! Here is what a socket has in any stage: its names, how it is read, what is on its way out, whether
//! it has ended. What it is used for has a type of its own.
//!
//! A link that left (closed or moved) is removed from the table at once; its [`PeerKey`] then
//! finds nobody, and neither does word about it that is still on its way.

use tracing::{Span, debug_span};

use crate::buffer::{BufferPool, Chunk};
use crate::error::{EarlyStep, NetworkError};
use crate::peer::{Direction, PeerKey, RemoteAddr};
use crate::switch::io::{LinkId, ReadMode, Transmit};
use crate::switch::links::handshake::{Handshake, Phase};
use crate::switch::message::AttemptId;
use crate::switch::peer::peer::Peer;
use crate::switch::timers::Entries;
use crate::time::Instant;

/// A socket and what it is being used for.
pub(crate) struct Link {
    /// The shell's name.
    id: LinkId,
    /// Our name; also the peer's, once it is one.
    key: PeerKey,
    remote: RemoteAddr,
    direction: Direction,
    /// The attempt that made it, when we dialed.
    attempt: Option<AttemptId>,
    stage: Stage,
    /// How the shell was last told to read.
    read: ReadMode,
    /// Whether a transmit is in flight.
    sending: bool,
    /// What has to be said and could not yet, because a transmit was in flight.
    unsent: Transmit,
    /// Set when the socket has ended; what came before that is still delivered.
    ended: Option<NetworkError>,
    /// Whether the link waits for its turn in `run`.
    marked: bool,
    /// Its entries in the timer heap.
    timers: Entries,
    /// What a log line about it stands in: who it is, as far as that is known.
    span: Span,
}

/// The names of a socket, and who made it.
pub(crate) struct Names {
    /// The shell's name.
    pub(crate) id: LinkId,
    /// The socket's remote address.
    pub(crate) remote: RemoteAddr,
    /// Who dialed.
    pub(crate) direction: Direction,
    /// The attempt that made it, when we dialed.
    pub(crate) attempt: Option<AttemptId>,
}

/// What a link is being used for.
pub(crate) enum Stage {
    /// It is nobody yet.
    Handshake(Handshake),
    /// Between two stages, within one call.
    Moving,
    /// Nobody's any more: it is closed once its last word is out, or at this instant in any case.
    Parting(Instant),
    /// A peer.
    Established(Box<Peer>),
}

impl Link {
    /// A socket as the shell hands it over: paused and idle.
    pub(crate) fn new(names: Names, key: PeerKey, stage: Stage) -> Self {
        let Names {
            id,
            remote,
            direction,
            attempt,
        } = names;
        let span =
            debug_span!(target: "ringwire::switch", "connection", addr = %remote, %direction);
        Link {
            id,
            key,
            remote,
            direction,
            attempt,
            stage,
            read: ReadMode::Pause,
            sending: false,
            unsent: Transmit::new(),
            ended: None,
            marked: false,
            timers: Entries::default(),
            span,
        }
    }

    /// The same socket as nobody's, with its last word; a transmit in flight is still in flight.
    pub(crate) fn parting(&self, key: PeerKey, last: Transmit, deadline: Instant) -> Self {
        let names = Names {
            id: self.id,
            remote: self.remote.clone(),
            direction: self.direction,
            attempt: None,
        };
        Link {
            sending: self.sending,
            unsent: last,
            span: self.span.clone(),
            ..Link::new(names, key, Stage::Parting(deadline))
        }
    }

    /// What a log line about it stands in.
    #[inline]
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    // ---- who it is --------------------------------------------------------------------------

    /// The shell's name.
    #[inline]
    pub(crate) fn id(&self) -> LinkId {
        self.id
    }

    /// Our name.
    #[inline]
    pub(crate) fn key(&self) -> PeerKey {
        self.key
    }

    /// The socket's remote address.
    pub(crate) fn remote(&self) -> &RemoteAddr {
        &self.remote
    }

    /// Who dialed.
    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    /// The attempt that made it and answers for it, when we dialed.
    pub(crate) fn attempt(&self) -> Option<AttemptId> {
        self.attempt
    }

    /// The coordinator answers for the attempt from here on.
    pub(crate) fn forget_attempt(&mut self) {
        self.attempt = None;
    }

    // ---- what it is used for ----------------------------------------------------------------

    /// The peer, if the link is one.
    #[inline]
    pub(crate) fn peer(&self) -> Option<&Peer> {
        match &self.stage {
            Stage::Established(peer) => Some(peer),
            _ => None,
        }
    }

    /// The peer, if the link is one.
    #[inline]
    pub(crate) fn peer_mut(&mut self) -> Option<&mut Peer> {
        match &mut self.stage {
            Stage::Established(peer) => Some(peer),
            _ => None,
        }
    }

    /// The peer of a link that is forgotten.
    pub(crate) fn into_peer(self) -> Option<Box<Peer>> {
        match self.stage {
            Stage::Established(peer) => Some(peer),
            _ => None,
        }
    }

    /// The handshake, if the link is nobody yet.
    pub(crate) fn handshake(&self) -> Option<&Handshake> {
        match &self.stage {
            Stage::Handshake(handshake) => Some(handshake),
            _ => None,
        }
    }

    /// The handshake, if the link is nobody yet.
    pub(crate) fn handshake_mut(&mut self) -> Option<&mut Handshake> {
        match &mut self.stage {
            Stage::Handshake(handshake) => Some(handshake),
            _ => None,
        }
    }

    /// Takes the handshake, in the middle of a call that gives the link another stage.
    pub(crate) fn take_handshake(&mut self) -> Option<Handshake> {
        match std::mem::replace(&mut self.stage, Stage::Moving) {
            Stage::Handshake(handshake) => Some(handshake),
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// Gives it another stage.
    pub(crate) fn set_stage(&mut self, stage: Stage) {
        if let Stage::Established(peer) = &stage {
            let (id, addr, direction) = (peer.info().id, &self.remote, self.direction);
            self.span = debug_span!(target: "ringwire::switch", "peer", %id, %addr, %direction);
        }
        self.stage = stage;
    }

    /// Whether the link is nobody's any more.
    pub(crate) fn is_parting(&self) -> bool {
        matches!(self.stage, Stage::Parting(_))
    }

    /// Whether the link is a peer, or nobody's any more: its turns are not a handshake's.
    #[inline]
    pub(crate) fn is_past_handshake(&self) -> bool {
        matches!(self.stage, Stage::Established(_) | Stage::Parting(_))
    }

    /// Whether the next turn of a link that is no peer yet takes a step of its handshake: what
    /// costs far more than looking whether there is one.
    pub(crate) fn is_step_due(&self) -> bool {
        let Some(handshake) = self.handshake() else {
            return false;
        };
        match handshake.phase() {
            Phase::Connected => self.ended.is_none(),
            Phase::Upgrading => handshake.has_received(),
            Phase::Leaving => self.ended.is_none() && !self.is_writing(),
            Phase::Asking => false,
        }
    }

    /// Stores what came; the link's turn looks at it.
    #[inline]
    pub(crate) fn store(&mut self, chunk: Chunk, now: Instant, pool: &mut BufferPool) {
        if self.read == ReadMode::Once {
            self.read = ReadMode::Pause;
        }
        match &mut self.stage {
            Stage::Established(peer) => peer.store(chunk, now, pool),
            Stage::Handshake(handshake) => handshake.store(chunk, pool),
            Stage::Moving | Stage::Parting(_) => pool.give_back_chunk(chunk.bytes),
        }
    }

    // ---- how it is read ---------------------------------------------------------------------

    /// How it is to be read from now on; says whether that is news for the shell.
    #[inline]
    pub(crate) fn set_read(&mut self, mode: ReadMode) -> bool {
        // `Once` is used up by each receive, so it is always news.
        let is_news = self.read != mode || mode == ReadMode::Once;
        self.read = mode;
        is_news
    }

    /// Whether it is read until we say otherwise.
    pub(crate) fn is_read(&self) -> bool {
        self.read == ReadMode::Stream
    }

    // ---- what is on its way out -------------------------------------------------------------

    /// Whether a transmit is in flight.
    #[inline]
    pub(crate) fn is_sending(&self) -> bool {
        self.sending
    }

    /// Whether something is on its way out, or waits for that.
    pub(crate) fn is_writing(&self) -> bool {
        self.sending || self.has_unsent()
    }

    /// Whether something waits for the transmit in flight to end.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// A transmit is handed to the shell.
    ///
    /// # Panics
    /// If one is in flight.
    #[inline]
    pub(crate) fn begin_transmit(&mut self) {
        assert!(!self.sending, "one transmit per link is in flight");
        self.sending = true;
    }

    /// The transmit in flight was written.
    #[inline]
    pub(crate) fn end_transmit(&mut self) {
        self.sending = false;
    }

    /// Takes in what the handshake has to say.
    pub(crate) fn hear_handshake(&mut self) {
        if let Stage::Handshake(handshake) = &mut self.stage {
            let said = std::iter::from_fn(|| handshake.poll_transmit());
            self.unsent.extend(said.map(Into::into));
        }
    }

    /// Takes what waits to be said, if nothing is in flight.
    pub(crate) fn take_sendable(&mut self) -> Option<Transmit> {
        let is_sendable = !self.sending && self.has_unsent();
        is_sendable.then(|| self.take_unsent())
    }

    /// Takes what waits to be said.
    pub(crate) fn take_unsent(&mut self) -> Transmit {
        std::mem::take(&mut self.unsent)
    }

    // ---- its end ----------------------------------------------------------------------------

    /// The socket has ended; a peer's bytes from before that may be taken until `forget_at`.
    pub(crate) fn end(&mut self, error: NetworkError, forget_at: Instant) {
        self.ended = Some(error);
        if let Some(peer) = self.peer_mut() {
            peer.forget_at(forget_at);
        }
    }

    /// How the socket ended, if it has.
    #[inline]
    pub(crate) fn ended(&self) -> Option<&NetworkError> {
        self.ended.as_ref()
    }

    /// What it means that the socket has ended before the connection was of any use, if it has. Of
    /// one that we accepted nothing can be said: anybody may come and go.
    pub(crate) fn ended_early(&self) -> Option<NetworkError> {
        let error = self.ended.clone()?;
        if self.direction == Direction::Inbound {
            return Some(error);
        }
        let step = self.handshake().map(Handshake::early_step);
        Some(NetworkError::ClosedEarly {
            step: step.unwrap_or(EarlyStep::Admission),
            cause: Box::new(error),
        })
    }

    // ---- its turns --------------------------------------------------------------------------

    /// It wants a turn; says whether that is news.
    #[inline]
    pub(crate) fn mark(&mut self) -> bool {
        !std::mem::replace(&mut self.marked, true)
    }

    /// Whether it waits for its turn.
    pub(crate) fn is_marked(&self) -> bool {
        self.marked
    }

    /// Its turn has come.
    #[inline]
    pub(crate) fn begin_turn(&mut self) {
        self.marked = false;
    }

    /// When something of the link is due next.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Handshake(handshake) => handshake.deadline_at(),
            Stage::Parting(deadline) => Some(*deadline),
            Stage::Moving => None,
            Stage::Established(peer) => peer.next_at(),
        }
    }

    /// The deadline for which an entry has to be made in the timer heap, if one is missing; notes it.
    pub(crate) fn entry_wanted(&mut self) -> Option<Instant> {
        let want = self.next_at()?;
        self.timers.must_add(want).then_some(want)
    }

    /// An entry of it came up; says whether something is due.
    pub(crate) fn handle_fired(&mut self, at: Instant, now: Instant) -> bool {
        self.timers.handle_fired(at);
        self.next_at().is_some_and(|want| want <= now)
    }
}
