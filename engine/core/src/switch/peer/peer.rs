//! An admitted peer on its home shard: its connection, and what else is known of it from `init_peer`
//! to `remove_peer`.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ringwire_codec::ChannelId;

use crate::buffer::{BufferPool, Chunk, Transmit};
use crate::conn::{ConnError, ConnectionStatus, Goodbye, MConnection, Received, Unfinished};
use crate::error::{CloseReason, TrySendError};
use crate::peer::PeerInfo;
use crate::switch::message::Ticket;
use crate::switch::node::reconnect::STABLE_AFTER;
use crate::switch::peer::queues::Queues;
use crate::switch::reactors::channel_table::ChannelTable;
use crate::time::{Deadline, Instant};

/// What is granted for reading the answer to a probe that came while we stood still ourselves.
const LATE_GRACE: Duration = Duration::from_secs(1);

/// An admitted peer.
pub(crate) struct Peer {
    /// Shared with the calls to reactors.
    info: Rc<PeerInfo>,
    conn: MConnection,
    /// The coordinator's name of it.
    ticket: Ticket,
    queues: Queues,
    /// Bit `i`: a reactor wants no messages of channel number `i` from it now.
    held_back: u16,
    /// Bytes held for it, as the budget last counted them.
    held: usize,
    /// When what it sent and nobody took is dropped; set when its socket has ended.
    forget_at: Option<Instant>,
    /// Set once it was decided to close the peer after what is queued.
    closing: Option<Closing>,
    /// Set while the coordinator waits for a sign of life.
    probe: Option<Probe>,
}

/// The end of a peer that was decided and has not come.
struct Closing {
    reason: CloseReason,
    /// When it is closed whether flushed or not.
    deadline: Instant,
    /// Whether the connection was told to flush: nothing new is queued from then on.
    flushing: bool,
}

/// A question of the coordinator that the peer has not answered yet (see `probe`).
struct Probe {
    /// Packets that had come when the present question was asked.
    packets: u64,
    /// When silence ends the connection; never for a dial that waits.
    deadline: Option<Deadline>,
}

/// What a look for the next message brought.
pub(crate) struct Pulled {
    pub(crate) message: Option<Received>,
    /// Whether there was one of a channel that takes none.
    pub(crate) is_held_back: bool,
}

impl Peer {
    /// A peer that was admitted just now.
    pub(crate) fn new(info: Rc<PeerInfo>, conn: MConnection, ticket: Ticket) -> Self {
        Peer {
            info,
            conn,
            ticket,
            queues: Queues::default(),
            held_back: 0,
            held: 0,
            forget_at: None,
            closing: None,
            probe: None,
        }
    }

    /// What is known of it; shared with the calls to reactors.
    #[inline]
    pub(crate) fn info(&self) -> &Rc<PeerInfo> {
        &self.info
    }

    /// The coordinator's name of it.
    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// How its connection is.
    pub(crate) fn status(&self, now: Instant) -> ConnectionStatus {
        self.conn.status(now)
    }

    /// When something of it is due next.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let closing = self.closing.as_ref().map(|closing| closing.deadline);
        let probe = self.probe.as_ref().and_then(|probe| probe.deadline);
        [
            self.conn.poll_timeout(),
            self.queues.next_at(),
            closing,
            probe.map(|deadline| deadline.at()),
            self.forget_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Other rates of its connection from now on.
    pub(crate) fn set_rates(&mut self, now: Instant, send_rate: u64, recv_rate: u64) {
        self.conn.set_rates(now, send_rate, recv_rate);
    }

    /// Something of the connection is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), ConnError> {
        self.conn.handle_timeout(now)
    }

    // ---- what it sends ----------------------------------------------------------------------

    /// Bytes came; they are opened when its messages are pulled.
    #[inline]
    pub(crate) fn store(&mut self, chunk: Chunk, now: Instant, pool: &mut BufferPool) {
        self.conn.handle_received(chunk, now, pool);
    }

    /// Its next message of a channel that has room, and for which no reactor holds it back.
    #[inline]
    pub(crate) fn pull(
        &mut self,
        now: Instant,
        pool: &mut BufferPool,
        channels: &ChannelTable,
        mut has_room: impl FnMut(ChannelId) -> bool,
    ) -> Result<Pulled, ConnError> {
        let (mut is_held_back, held_back) = (false, self.held_back);
        let is_held = |channel| {
            let number = channels.number(channel);
            number.is_some_and(|number| held_back & (1 << number) != 0)
        };
        let message = self.conn.next_message(now, pool, |channel| {
            let is_open = has_room(channel) && !(held_back != 0 && is_held(channel));
            is_held_back |= !is_open;
            is_open
        })?;
        Ok(Pulled {
            message,
            is_held_back,
        })
    }

    /// A reactor wants no messages of a channel from it, or wants them again. Says whether that lets
    /// some come that were held back.
    pub(crate) fn set_held_back(&mut self, number: usize, is_held_back: bool) -> bool {
        let (bit, former) = (1 << number, self.held_back);
        if is_held_back {
            self.held_back |= bit;
            return false;
        }
        self.held_back &= !bit;
        former & bit != 0
    }

    /// Whether the connection has been of use, or lasted as if it had.
    pub(crate) fn was_of_use(&self, now: Instant) -> bool {
        self.conn.counters().received_bytes > 0 || now - self.info.since > STABLE_AFTER
    }

    /// Its socket has ended; what it sent before is dropped at `at`, if nobody has taken it by then.
    pub(crate) fn forget_at(&mut self, at: Instant) {
        self.forget_at.get_or_insert(at);
    }

    /// Whether what it sent before its socket ended is to be dropped.
    pub(crate) fn is_forgotten(&self, now: Instant) -> bool {
        self.forget_at.is_some_and(|at| at <= now)
    }

    /// Copies what was received and not pulled, and gives its chunks back.
    pub(crate) fn park(&mut self, pool: &mut BufferPool) {
        self.conn.park(pool);
    }

    /// Gives all its receive memory back.
    pub(crate) fn release(&mut self, pool: &mut BufferPool) {
        self.conn.release(pool);
    }

    // ---- what is held for it ----------------------------------------------------------------

    /// Bytes held for it, as the budget last counted them.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Counts what is held now: `count` is given what was counted last, to change it, and the bytes.
    #[inline]
    pub(crate) fn count_held(&mut self, count: impl FnOnce(&mut usize, usize)) {
        count(&mut self.held, self.conn.held_bytes());
    }

    /// Whether its socket should be read, as far as its own connection goes.
    #[inline]
    pub(crate) fn wants_read(&self, now: Instant) -> bool {
        self.conn.wants_read(now)
    }

    /// It would be read if it held less.
    pub(crate) fn note_held_back(&mut self, now: Instant) {
        self.conn.note_held_back(now);
    }

    /// Whether bytes of it came that nobody has tried to open yet.
    pub(crate) fn is_unread(&self) -> bool {
        self.conn.is_unread()
    }

    /// Bytes of what it has begun and not finished.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.conn.unfinished_bytes()
    }

    /// The largest message that it has begun and not finished.
    pub(crate) fn unfinished(&self) -> Option<Unfinished> {
        self.conn.unfinished()
    }

    /// How far such a message has come since.
    pub(crate) fn follow(&self, unfinished: &Unfinished) -> Option<Unfinished> {
        self.conn.follow(unfinished)
    }

    // ---- what is sent to it -----------------------------------------------------------------

    /// What waits for it outside its connection.
    #[inline]
    pub(crate) fn queues(&self) -> &Queues {
        &self.queues
    }

    /// What waits for it outside its connection.
    #[inline]
    pub(crate) fn queues_mut(&mut self) -> &mut Queues {
        &mut self.queues
    }

    /// Queues a message, or says why not.
    #[inline]
    pub(crate) fn try_send(
        &mut self,
        now: Instant,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), TrySendError> {
        self.conn.try_send(now, channel, message)
    }

    /// Whether a channel's queue takes another message.
    #[inline]
    pub(crate) fn can_send(&self, channel: ChannelId) -> bool {
        self.conn.can_send(channel)
    }

    /// Messages that a channel's queue of `capacity` holds or must take: those that were accepted and
    /// wait for room count, too, so that no more are accepted than the queue may hold.
    #[inline]
    pub(crate) fn fill(&self, channel: ChannelId, capacity: usize) -> usize {
        let accepted = self.queues.accepted_on(channel);
        (self.conn.queue_len(channel) + accepted).min(capacity)
    }

    /// Counts what is queued now, as [`Peer::count_held`] does.
    #[inline]
    pub(crate) fn count_queued(&mut self, count: impl FnOnce(&mut usize, usize)) {
        count(self.queues.queued_mut(), self.conn.queued_bytes());
    }

    /// Its next write.
    #[inline]
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        pool: &mut BufferPool,
    ) -> Result<Option<Transmit>, ConnError> {
        self.conn.poll_transmit(now, pool)
    }

    /// Its write is done; see [`MConnection::handle_written`].
    #[inline]
    pub(crate) fn handle_written(&mut self, now: Instant, tell: impl FnMut(usize, Duration, u64)) {
        self.conn.handle_written(now, tell);
    }

    // ---- its end ----------------------------------------------------------------------------

    /// It is to be closed after what is queued has been sent, at `deadline` in any case. The first
    /// reason stands, and the earliest deadline.
    pub(crate) fn begin_closing(&mut self, reason: CloseReason, deadline: Instant) {
        match &mut self.closing {
            Some(closing) => closing.deadline = closing.deadline.min(deadline),
            None => {
                self.closing = Some(Closing {
                    reason,
                    deadline,
                    flushing: false,
                });
            }
        }
    }

    /// Whether it was decided to close it.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether it is to be flushed as soon as nobody else has anything left for it.
    #[inline]
    pub(crate) fn wants_flush(&self) -> bool {
        let closing = self.closing.as_ref();
        closing.is_some_and(|closing| !closing.flushing) && self.queues.waiting_len() == 0
    }

    /// Nothing new is queued from now on.
    pub(crate) fn begin_flush(&mut self) {
        self.conn.begin_flush();
        if let Some(closing) = &mut self.closing {
            closing.flushing = true;
        }
    }

    /// Why it is closed now that its last byte was handed out, if it was.
    #[inline]
    pub(crate) fn flushed(&self) -> Option<&CloseReason> {
        let closing = self.closing.as_ref()?;
        self.conn.is_flushed().then_some(&closing.reason)
    }

    /// Why it is closed now that its time for that is over, if it is.
    pub(crate) fn overdue(&self, now: Instant) -> Option<&CloseReason> {
        let closing = self.closing.as_ref()?;
        (closing.deadline <= now).then_some(&closing.reason)
    }

    /// Why it was decided to close it.
    pub(crate) fn take_closing(&mut self) -> Option<CloseReason> {
        self.closing.take().map(|closing| closing.reason)
    }

    /// Seals our last word, if it reads such words.
    pub(crate) fn seal_goodbye(&mut self, goodbye: &Goodbye) -> Option<BytesMut> {
        self.conn.seal_goodbye(goodbye)
    }

    /// How long it took to answer a ping, if it did since this was asked last.
    #[inline]
    pub(crate) fn take_round_trip(&mut self) -> Option<Duration> {
        self.conn.take_round_trip()
    }

    // ---- is it there? -----------------------------------------------------------------------

    /// Asks it for a sign of life; with a limit, silence ends it.
    pub(crate) fn ask(&mut self, now: Instant, within: Option<Duration>) {
        self.conn.ping_now(now);
        self.probe = Some(Probe {
            packets: match within {
                // What came since the connection was admitted counts, too.
                None => 0,
                Some(_) => self.conn.packets_heard(),
            },
            deadline: within.map(|within| Deadline::new(now + within, LATE_GRACE)),
        });
    }

    /// Whether it was asked and has been heard since.
    #[inline]
    pub(crate) fn has_answered(&self) -> bool {
        let probe = self.probe.as_ref();
        probe.is_some_and(|probe| self.conn.packets_heard() > probe.packets)
    }

    /// Whether it was asked and has been silent for as long as it may. If not, its deadline may have
    /// been moved out.
    pub(crate) fn is_silent(&mut self, now: Instant) -> bool {
        let probe = self.probe.as_mut();
        let deadline = probe.and_then(|probe| probe.deadline.as_mut());
        deadline.is_some_and(|deadline| deadline.has_passed(now))
    }

    /// The question is answered, or asked no longer.
    pub(crate) fn end_probe(&mut self) {
        self.probe = None;
    }
}
