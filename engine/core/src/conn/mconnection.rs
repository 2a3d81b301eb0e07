//! The established connection: many channels over one record layer.
//!
//! `MConnection` decides nothing itself. It asks its parts in order:
//!
//! ```text
//!  told      handle_received ─▶ RecvBuf, receive bucket
//!            handle_timeout  ─▶ Heartbeat
//!  pulled    next_message    ─▶ RecvBuf opens ─▶ Heartbeat | Channel gathers ─▶ highest priority
//!  drained   poll_transmit   ─▶ Pace, Heartbeat, then while the send bucket allows: Scheduler, Channel
//!  asked     wants_read, has_output, poll_timeout, is_flushed, status
//! ```
//!
//! What is promised: a message is delivered whole, once, in order within its channel, or the
//! connection ends with a [`ConnError`]; messages that came whole before the fault are delivered
//! first. Nothing is written by a timer: output exists from the moment it is queued. When nobody
//! pulls, at most [`AgreedLimits`] and the channels' own capacities are held, [`wants_read`] turns
//! false, and TCP pushes back.
//!
//! [`wants_read`]: MConnection::wants_read

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ringwire_codec::packet::{self, PING, PONG};
use ringwire_codec::{ChannelId, Packet};

use super::arrivals::Arrivals;
use super::channel::Channel;
use super::channel_set::ChannelSet;
use super::flow::{TokenBucket, packet_bytes};
use super::heartbeat::Heartbeat;
use super::pace::Pace;
use super::scheduler::Scheduler;
use super::{
    AgreedLimits, ChannelDescriptor, ConnError, ConnectionCounters, ConnectionStatus, Goodbye,
    MConnectionConfig, Received, RecordLayer,
};
use crate::buffer::{BufferPool, Chunk, Framing, RecvBuf, Sealer, SendBuf, Transmit};
use crate::error::TrySendError;
use crate::metrics::Waits;
use crate::time::Instant;

/// Bytes of whole messages opened ahead of the one that is pulled, so that a vote behind a block is
/// seen and can overtake it.
const READ_AHEAD_BYTES: usize = 256 * 1024;
/// Received bytes not yet opened at which reading stops.
const BACKLOG_BYTES: usize = 256 * 1024;

/// What a peer has begun to send and only it can finish: of its messages the one that takes most, or
/// a packet of which the end is still to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unfinished {
    /// The channel of the message; none for a packet.
    channel: Option<ChannelId>,
    /// Messages of the channel, or packets, that ended before it: so that the next one is another.
    number: u64,
    /// Bytes of it that have come.
    pub bytes: usize,
    /// Bytes of it that may come in all.
    pub max: usize,
}

/// One established connection. See the module's picture.
#[derive(Debug)]
pub struct MConnection {
    framing: Framing,
    limits: AgreedLimits,
    sealer: Sealer,
    recv: RecvBuf,
    arrivals: Arrivals,
    channels: ChannelSet,
    scheduler: Scheduler,
    pace: Pace,
    heartbeat: Heartbeat,
    send_bucket: TokenBucket,
    recv_bucket: TokenBucket,
    /// Bytes came that nobody has tried to open yet, or the next message has no place to go.
    unread: bool,
    /// The message at the start of the opened plaintext, which was read and found no room.
    waiting: Option<Single>,
    failure: Option<ConnError>,
    flushing: bool,
    /// Messages that ended in the write in flight.
    written: Waits,
    since: Instant,
    counters: ConnectionCounters,
}

impl MConnection {
    /// A connection over the record layer that [`super::Upgrade`] agreed on.
    ///
    /// # Panics
    /// If two descriptors have the same id, one has priority 0, or there are over 255; the switch
    /// checks its reactors' channels at build time.
    pub fn new(
        config: MConnectionConfig,
        descriptors: &[ChannelDescriptor],
        layer: RecordLayer,
        now: Instant,
    ) -> Self {
        let RecordLayer {
            framing,
            limits,
            sealer,
            recv,
        } = layer;
        // What came behind NodeInfo is read without waiting for more.
        let leftover = recv.backlog_bytes();
        let unread = leftover > 0;
        let mut connection = MConnection {
            framing,
            limits,
            sealer,
            recv,
            arrivals: Arrivals::new(leftover, now),
            channels: ChannelSet::new(descriptors, now),
            scheduler: Scheduler::new(descriptors.iter().map(|d| d.priority)),
            pace: Pace::new(),
            heartbeat: Heartbeat::new(config.ping_interval, config.pong_timeout, now),
            send_bucket: TokenBucket::new(config.send_rate),
            recv_bucket: TokenBucket::new(config.recv_rate),
            unread,
            waiting: None,
            failure: None,
            flushing: false,
            written: Waits::default(),
            since: now,
            counters: ConnectionCounters::default(),
        };
        connection.note_reading(now);
        connection
    }

    // ---- sending ----------------------------------------------------------------------------

    /// Queues a message, or says at once why not and hands it back where it can be sent again.
    ///
    /// # Errors
    /// `UnknownChannel`, `TooLong`, `Full`; `NotConnected` once a flush has begun.
    pub fn try_send(
        &mut self,
        now: Instant,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), TrySendError> {
        let index = self
            .channels
            .index(channel)
            .ok_or(TrySendError::UnknownChannel(channel))?;
        let slot = self.channels.at(index);
        if self.flushing {
            return Err(TrySendError::NotConnected(message));
        }
        let (len, max) = (message.len(), slot.message_max());
        if len > max {
            return Err(TrySendError::TooLong { len, max });
        }
        if !slot.can_send() {
            return Err(TrySendError::Full(message));
        }
        slot.enqueue(message, now);
        self.scheduler.wake(index);
        Ok(())
    }

    /// Whether `try_send` would take a message on `channel` now.
    pub fn can_send(&self, channel: ChannelId) -> bool {
        !self.flushing && self.channels.find(channel).is_some_and(Channel::can_send)
    }

    /// Messages in the send queue of `channel`, the one in transmission included.
    pub fn queue_len(&self, channel: ChannelId) -> usize {
        self.channels.find(channel).map_or(0, Channel::queue_len)
    }

    /// Whether `poll_transmit` has something to give now.
    pub fn has_output(&self, now: Instant) -> bool {
        self.heartbeat.has_output() || (self.scheduler.is_busy() && self.may_send(now))
    }

    /// The next write: pong and ping first, then packets as the scheduler picks them. Ask again
    /// after the write has ended; what is queued meanwhile joins the next one.
    ///
    /// # Errors
    /// The nonces of the direction are used up.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        pool: &mut BufferPool,
    ) -> Result<Option<Transmit>, ConnError> {
        // Of a write whose end nobody told nothing is known.
        self.written.clear();
        let mut transmit = Transmit::new();
        let buffers_max = self.pace.begin_write(now);
        while transmit.len() < buffers_max && self.has_output(now) {
            let mut buf = SendBuf::new(pool.take_send(), &self.sealer);
            self.write_control(now, &mut buf);
            self.write_packets(now, &mut buf);
            let written = buf.written() as u64;
            let sealed = buf.seal(&mut self.sealer)?;
            self.counters.sent_bytes += sealed.len() as u64;
            self.send_bucket.take(now, written);
            transmit.push(sealed);
        }
        // A write that the rate cut short says nothing of the link.
        let is_full = !transmit.is_empty() && self.scheduler.is_busy() && self.may_send(now);
        self.pace.handle_written(now, is_full);
        Ok((!transmit.is_empty()).then_some(transmit))
    }

    /// The write that [`MConnection::poll_transmit`] gave is done. Tells of the messages that ended in
    /// it: the number of their channel in the order of registration, how long ago they were queued, and
    /// how many they are.
    #[inline]
    pub fn handle_written(&mut self, now: Instant, tell: impl FnMut(usize, Duration, u64)) {
        self.written.end(now, tell);
    }

    /// From now on nothing more is taken; what is queued goes out without regard to the rate.
    pub fn begin_flush(&mut self) {
        self.flushing = true;
    }

    /// Whether a flush was begun and all that was queued has been handed out by `poll_transmit`.
    pub fn is_flushed(&self) -> bool {
        self.flushing && !self.scheduler.is_busy()
    }

    /// Seals our last word, to be sent behind all else, if the peer reads such words.
    pub fn seal_goodbye(&mut self, goodbye: &Goodbye) -> Option<BytesMut> {
        goodbye.seal(&self.limits, &mut self.sealer)
    }

    /// Other rates in both directions, from now on; zero means no limit.
    pub fn set_rates(&mut self, now: Instant, send_rate: u64, recv_rate: u64) {
        self.send_bucket.set_rate(now, send_rate);
        self.recv_bucket.set_rate(now, recv_rate);
        self.note_reading(now);
    }

    // ---- receiving --------------------------------------------------------------------------

    /// Bytes came. They are opened when messages are pulled.
    pub fn handle_received(&mut self, chunk: Chunk, now: Instant, pool: &mut BufferPool) {
        let bytes = chunk.received().len() as u64;
        self.counters.received_bytes += bytes;
        self.recv_bucket
            .take(now, packet_bytes(self.framing, bytes));
        self.arrivals.handle_received(bytes, now);
        self.recv.push(chunk, pool);
        self.unread = true;
        self.note_reading(now);
    }

    /// The next whole message: of the channels that `accepts` names, the one of highest priority.
    /// Pings and pongs are dealt with as they are met. `None` when nothing acceptable has come.
    ///
    /// # Errors
    /// What the peer did wrong, after everything that came whole before it has been pulled. The
    /// connection must then be closed; asking again gives the same answer.
    pub fn next_message(
        &mut self,
        now: Instant,
        pool: &mut BufferPool,
        accepts: impl FnMut(ChannelId) -> bool,
    ) -> Result<Option<Received>, ConnError> {
        if self.failure.is_none()
            && let Err(error) = self.read_ahead(now, pool)
        {
            self.failure = Some(error);
        }
        self.note_reading(now);
        if let Some(received) = self.channels.pop_ready(accepts) {
            self.counters.received_messages += 1;
            return Ok(Some(received));
        }
        match &self.failure {
            Some(error) => Err(error.clone()),
            None => Ok(None),
        }
    }

    /// Whether the socket should be read: little waits to be opened, and the peer has not sent more
    /// than its rate.
    pub fn wants_read(&self, now: Instant) -> bool {
        self.failure.is_none()
            && self.recv_bucket.is_ready(now)
            && self.recv.backlog_bytes() < self.limits.packet_bytes_max().max(BACKLOG_BYTES)
    }

    // ---- what is held -----------------------------------------------------------------------

    /// Bytes of memory held for what came and was not pulled: not opened, half gathered, or whole.
    pub fn held_bytes(&self) -> usize {
        self.recv.held_bytes() + self.channels.held_bytes()
    }

    /// Bytes of memory that the messages which wait to be sent cost. Clones share their payload, so
    /// a message that waits at many peers is counted at each.
    pub fn queued_bytes(&self) -> usize {
        self.channels.queued_bytes()
    }

    /// Those of the held bytes that no whole message takes.
    pub fn unfinished_bytes(&self) -> usize {
        self.held_bytes() - self.channels.ready_bytes()
    }

    /// Whether something came that could not be looked at so far: whole messages before it are to be
    /// pulled first. Says so as well between a receive and the pull after it.
    pub fn is_unread(&self) -> bool {
        self.unread
    }

    /// The largest of what the peer has begun and not finished.
    pub fn unfinished(&self) -> Option<Unfinished> {
        let message = self.channels.largest_gathering().map(|channel| Unfinished {
            channel: Some(channel.id()),
            number: channel.gathered_count(),
            bytes: channel.gathered_len(),
            max: channel.message_max(),
        });
        let packet = self.unfinished_packet();
        [message, packet]
            .into_iter()
            .flatten()
            .max_by_key(|unfinished| unfinished.bytes)
    }

    /// The same one as it is now; nothing once it is finished.
    pub fn follow(&self, former: &Unfinished) -> Option<Unfinished> {
        let now = match former.channel {
            None => self.unfinished_packet()?,
            Some(id) => {
                let channel = self.channels.find(id)?;
                Unfinished {
                    number: channel.gathered_count(),
                    bytes: channel.gathered_len(),
                    ..*former
                }
            }
        };
        (now.number == former.number && now.bytes > 0).then_some(now)
    }

    /// Its owner does not read the socket although [`MConnection::wants_read`]: until something is
    /// received or pulled, no pong can be expected.
    pub fn note_held_back(&mut self, now: Instant) {
        self.heartbeat.handle_reading(now, false);
    }

    // ---- signs of life ----------------------------------------------------------------------

    /// Has the peer pinged now, whenever the next ping would be due.
    pub fn ping_now(&mut self, now: Instant) {
        self.heartbeat.ping_now(now);
    }

    /// Packets of any kind that have come, but a goodbye: signs that the peer is there and takes us
    /// for one.
    pub fn packets_heard(&self) -> u64 {
        self.counters.received_packets + self.heartbeat.beats_heard()
    }

    /// How long the peer took to answer a ping, if it did since this was asked last.
    #[inline]
    pub fn take_round_trip(&mut self) -> Option<Duration> {
        self.heartbeat.take_round_trip()
    }

    // ---- time and state ---------------------------------------------------------------------

    /// When `handle_timeout` wants to be called at the latest; afterwards `has_output` and
    /// `wants_read` may answer otherwise.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = [
            Some(self.heartbeat.poll_timeout()),
            self.send_bucket.poll_timeout(),
            self.recv_bucket.poll_timeout(),
        ];
        waits.into_iter().flatten().min()
    }

    /// Time passed; calling early is harmless.
    ///
    /// # Errors
    /// [`ConnError::PongTimeout`].
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ConnError> {
        self.send_bucket.handle_timeout(now);
        self.recv_bucket.handle_timeout(now);
        self.note_reading(now);
        self.heartbeat.handle_timeout(now)
    }

    /// Copies what was received and not pulled into memory of its own size and gives its chunks
    /// back: for the moment when the pool runs out and other connections wait to be read.
    pub fn park(&mut self, pool: &mut BufferPool) {
        self.recv.park(pool);
    }

    /// Gives all receive memory back to the pool; call it when the connection is closed.
    pub fn release(&mut self, pool: &mut BufferPool) {
        self.recv.release(pool);
    }

    /// What the connection did so far.
    pub fn counters(&self) -> ConnectionCounters {
        let joins = self.recv.counters();
        ConnectionCounters {
            joins: joins.joins,
            joined_bytes: joins.joined_bytes,
            pings_dropped: self.heartbeat.pings_dropped(),
            ..self.counters
        }
    }

    /// A snapshot for whoever asks from outside.
    pub fn status(&self, now: Instant) -> ConnectionStatus {
        ConnectionStatus {
            duration: now - self.since,
            framing: self.framing,
            recv_backlog_bytes: self.recv.backlog_bytes(),
            round_trip: self.heartbeat.round_trip(),
            counters: self.counters(),
            channels: self.channels.status(now),
        }
    }

    // ---- details ----------------------------------------------------------------------------

    /// Tells the heartbeat whether a pong could be seen by now.
    fn note_reading(&mut self, now: Instant) {
        let reading = !self.unread && self.wants_read(now);
        self.heartbeat.handle_reading(now, reading);
    }

    fn unfinished_packet(&self) -> Option<Unfinished> {
        let bytes = self.recv.backlog_bytes();
        (bytes > 0).then(|| Unfinished {
            channel: None,
            number: self.counters.received_packets,
            bytes,
            max: self.limits.packet_bytes_max().max(bytes),
        })
    }

    fn may_send(&self, now: Instant) -> bool {
        self.flushing || self.send_bucket.is_ready(now)
    }

    fn write_control(&mut self, now: Instant, buf: &mut SendBuf) {
        if self.heartbeat.take_pong() {
            buf.put(&PONG);
        }
        if self.heartbeat.take_ping(now) {
            buf.put(&PING);
        }
    }

    /// Fills `buf` with packets while it has room and the rate allows.
    fn write_packets(&mut self, now: Instant, buf: &mut SendBuf) {
        if !self.may_send(now) {
            return;
        }
        if !self.flushing {
            buf.limit(self.send_bucket.allowance(now));
        }
        while let Some(index) = self.scheduler.pick() {
            let channel = self.channels.at(index);
            let payload_max = self.limits.payload_send_max;
            let Some(written) = channel.write_packet(buf, payload_max, now) else {
                break;
            };
            let drained = channel.queue_len() == 0;
            self.scheduler.charge(index, written.bytes);
            if drained {
                self.scheduler.rest(index);
            }
            self.counters.sent_packets += 1;
            if let Some(since) = written.ended {
                self.counters.sent_messages += 1;
                self.written.add(index, since);
            }
        }
    }

    /// Opens and files what has come, until nothing whole is left, enough waits to be pulled, or
    /// the next message finds its channel's queue full.
    fn read_ahead(&mut self, now: Instant, pool: &mut BufferPool) -> Result<(), ConnError> {
        let mut came_at = self.opened_came_at();
        while self.channels.ready_bytes() < READ_AHEAD_BYTES {
            match self.read_packet(pool)? {
                Read::Full => return Ok(()),
                Read::Partial => {
                    if !self.recv.open_next(pool)? {
                        self.unread = false;
                        self.arrivals.handle_all_opened();
                        return Ok(());
                    }
                    came_at = self.opened_came_at();
                }
                Read::Ping { used } => {
                    self.recv.consume(used);
                    self.heartbeat.handle_ping(now);
                }
                Read::Pong { used } => {
                    self.recv.consume(used);
                    self.heartbeat.handle_pong(came_at);
                }
                Read::Single(Single { index, used, len }) => {
                    let message = self.recv.take(used, len, pool);
                    self.channels.file(index, message, came_at);
                }
                Read::Part { index, used, eof } => {
                    self.recv.consume(used);
                    if eof {
                        let message = self.channels.at(index).finish(pool);
                        self.channels.file(index, message, came_at);
                    }
                }
            }
        }
        Ok(())
    }

    /// When the last byte of what is opened came.
    #[inline]
    fn opened_came_at(&mut self) -> Instant {
        let unopened = self.recv.backlog_bytes() - self.recv.plain().len();
        self.arrivals.open(unopened)
    }

    /// Looks at the next packet and gathers its data if it is a part of a longer message. Nothing
    /// is consumed yet.
    #[inline]
    fn read_packet(&mut self, pool: &mut BufferPool) -> Result<Read, ConnError> {
        // A queue of one message, the default, is full whenever the next one is looked at: what was read of
        // it then still holds.
        if let Some(single) = self.waiting {
            if !self.channels.at(single.index).has_room() {
                return Ok(Read::Full);
            }
            self.waiting = None;
            self.counters.received_packets += 1;
            return Ok(Read::Single(single));
        }
        let plain = self.recv.plain();
        let body_max = self.limits.packet_body_max;
        let other = || packet::decode_delimited(plain, body_max).map_err(ConnError::from_packet);
        let (msg, used) = match packet::decode_canonical_msg(plain, body_max) {
            Some(found) => found,
            None => match other()? {
                Some((Packet::Msg(msg), used)) => (msg, used),
                Some((Packet::Ping, used)) => return Ok(Read::Ping { used }),
                Some((Packet::Pong, used)) => return Ok(Read::Pong { used }),
                Some((Packet::Goodbye(goodbye), _)) if self.limits.goodbye => {
                    return Err(ConnError::Goodbye(goodbye.into()));
                }
                Some((Packet::Goodbye(_), _)) => return Err(ConnError::UnknownPacket),
                None if plain.is_empty() || self.recv.is_stream() => return Ok(Read::Partial),
                None => return Err(ConnError::PacketSpansRecords),
            },
        };
        let index = self
            .channels
            .index(msg.channel)
            .ok_or(ConnError::UnknownChannel(msg.channel))?;
        let channel = self.channels.at(index);
        let len = msg.data.len();
        channel.check_len(len)?;
        // The data is the tail of the packet in every known encoder; where it is not, it is
        // gathered, which costs a copy and nothing else.
        let at_tail = len == 0 || std::ptr::eq(&plain[used - len..used], msg.data);
        let single = msg.eof && at_tail && !channel.is_gathering();
        let single = single.then_some(Single { index, used, len });
        if msg.eof && !channel.has_room() {
            self.waiting = single;
            return Ok(Read::Full);
        }
        self.counters.received_packets += 1;
        if let Some(single) = single {
            return Ok(Read::Single(single));
        }
        channel.gather(msg.data, pool);
        Ok(Read::Part {
            index,
            used,
            eof: msg.eof,
        })
    }
}

/// A message of the channel at `index` that is one packet: the last `len` of its `used` bytes.
#[derive(Clone, Copy, Debug)]
struct Single {
    index: usize,
    used: usize,
    len: usize,
}

/// What lies at the start of the opened plaintext. Holds no borrow, so that acting on it is free to
/// move the buffer on.
enum Read {
    /// Nothing whole.
    Partial,
    /// The end of a message whose channel has no room for it now.
    Full,
    /// A ping.
    Ping { used: usize },
    /// A pong.
    Pong { used: usize },
    /// A message in one packet.
    Single(Single),
    /// A part of a message, gathered already.
    Part {
        index: usize,
        used: usize,
        eof: bool,
    },
}

#[cfg(test)]
#[path = "mconnection_tests.rs"]
mod tests;
