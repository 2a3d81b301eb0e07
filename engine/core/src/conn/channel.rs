//! One channel of one connection: the queue and cursor of what is sent, the gathering of what is
//! received.
//!
//! ```text
//!  try_send ─▶ [ m3 | m2 | m1 ] ─▶ packets        sent: bytes of m1 already in packets
//!                            ^ front, in transmission, counted until its last packet is formed
//!
//!  packets ─▶ gather ##########...... ─eof─▶ [ r1 | r2 ] ─▶ pulled
//! ```
//!
//! Invariants: `sent < front.len()`, or `sent == 0`; a message never grows over
//! `recv_message_capacity`, checked before a byte over it is kept; gathering
//! holds no memory between messages, so the largest one pins nothing (docs/quirks.md, quirk 29). An
//! empty message is one packet without data, sent and accepted like any other (quirk 1).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::packet::{PACKET_HEADER_MAX, packet_header_len};
use ringwire_codec::{ChannelId, PacketHeader};

use super::{ChannelDescriptor, ChannelStatus, ConnError};
use crate::buffer::{BufferPool, GatherBuf, SendBuf, memory_cost};
use crate::time::Instant;

/// Room below which no further packet is begun in a send buffer, unless the message ends in it.
const PACKET_ROOM_MIN: usize = 256;
/// Ids from here on take one byte more in each packet (quirk 19).
const LONG_ID: u8 = 0x80;

/// What one written packet amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrittenPacket {
    /// Bytes of header and payload.
    pub(super) bytes: usize,
    /// Since when its message was queued, if it ended with it.
    pub(super) ended: Option<Instant>,
}

/// A message with the turn in which it came to where it waits.
#[derive(Debug)]
struct Waiting {
    message: Bytes,
    since: Instant,
}

/// A channel's state. Everything is bounded by its descriptor.
#[derive(Debug)]
pub(super) struct Channel {
    descriptor: ChannelDescriptor,
    queue: VecDeque<Waiting>,
    /// What it costs to keep the queue.
    queued_bytes: usize,
    sent: usize,
    gather: GatherBuf,
    /// Messages gathered whole so far.
    gathered_count: u64,
    ready: VecDeque<Waiting>,
    recently_sent: RecentBytes,
}

impl Channel {
    pub(super) fn new(descriptor: ChannelDescriptor, now: Instant) -> Self {
        Channel {
            descriptor,
            queue: VecDeque::new(),
            queued_bytes: 0,
            sent: 0,
            gather: GatherBuf::default(),
            gathered_count: 0,
            ready: VecDeque::new(),
            recently_sent: RecentBytes {
                bytes: 0,
                since: now,
            },
        }
    }

    pub(super) fn id(&self) -> ChannelId {
        self.descriptor.id
    }

    /// Bytes of the longest message, sent or received.
    pub(super) fn message_max(&self) -> usize {
        self.descriptor.recv_message_capacity
    }

    // ---- sending ----------------------------------------------------------------------------

    /// Whether another message would be taken: by this channel's own capacity (quirk 17).
    pub(super) fn can_send(&self) -> bool {
        self.queue.len() < self.descriptor.send_queue_capacity
    }

    /// Messages queued, the one in transmission included.
    pub(super) fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of memory that the queued messages cost; the one in transmission counts to its end.
    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Queues a message; the caller has checked [`Channel::can_send`] and its length.
    pub(super) fn enqueue(&mut self, message: Bytes, since: Instant) {
        debug_assert!(self.can_send() && message.len() <= self.message_max());
        self.queued_bytes += memory_cost(message.len());
        self.queue.push_back(Waiting { message, since });
    }

    /// Writes the next packet of the message in transmission. `None` if `buf` has too little room
    /// for a packet worth its header, or for all of a message that fits the next record.
    ///
    /// # Panics
    /// If nothing is queued.
    #[inline]
    pub(super) fn write_packet(
        &mut self,
        buf: &mut SendBuf,
        payload_max: usize,
        now: Instant,
    ) -> Option<WrittenPacket> {
        let front = self.queue.front().expect("only a busy channel is picked");
        let (message, since) = (&front.message, front.since);
        let rest = message.len() - self.sent;
        let len = self.payload_len(rest, buf.room(), payload_max)?;
        let eof = len == rest;
        // A message that the next record takes whole is not cut: its reader gets it as a slice of that record.
        let fits_the_next = rest <= payload_max && buf.is_begun_record();
        if !eof && (fits_the_next || buf.room() < PACKET_ROOM_MIN) {
            return None;
        }
        let header = |out: &mut [u8; PACKET_HEADER_MAX]| {
            PacketHeader::encode(self.descriptor.id, eof, len, out)
        };
        let header_len = buf.put_behind_header(header, message, self.sent..self.sent + len);
        if eof {
            self.queued_bytes -= memory_cost(message.len());
            self.queue.pop_front();
            self.sent = 0;
        } else {
            self.sent += len;
        }
        let bytes = header_len + len;
        self.recently_sent.add(now, bytes as u64);
        Some(WrittenPacket {
            bytes,
            ended: eof.then_some(since),
        })
    }

    /// How many of the `rest` bytes fit in `room` together with their header, in one packet.
    #[inline]
    fn payload_len(&self, rest: usize, room: usize, payload_max: usize) -> Option<usize> {
        let id = self.descriptor.id;
        // At least one byte, so that a message always gets on.
        let payload_max = payload_max
            .saturating_sub(usize::from(id.0 >= LONG_ID))
            .max(1);
        // Where any header fits, its exact length does not matter.
        if rest <= payload_max && rest + PACKET_HEADER_MAX <= room {
            return Some(rest);
        }
        room.checked_sub(packet_header_len(id, true, payload_max))
            .map(|room| rest.min(room).min(payload_max))
    }

    // ---- receiving --------------------------------------------------------------------------

    /// Whether a message that ends now would find a place in the queue.
    pub(super) fn has_room(&self) -> bool {
        self.ready.len() < self.descriptor.recv_queue_capacity.max(1)
    }

    /// Checks that `len` more bytes leave the message within its maximum.
    #[inline]
    pub(super) fn check_len(&self, len: usize) -> Result<(), ConnError> {
        let (len, max) = (self.gather.len() + len, self.message_max());
        if len > max {
            return Err(ConnError::MessageTooLong {
                channel: self.id(),
                len,
                max,
            });
        }
        Ok(())
    }

    /// Whether a message has begun and not ended.
    pub(super) fn is_gathering(&self) -> bool {
        !self.gather.is_empty()
    }

    /// Bytes of the message being gathered that have come.
    pub(super) fn gathered_len(&self) -> usize {
        self.gather.len()
    }

    /// Messages that were gathered whole: the number of the one being gathered.
    pub(super) fn gathered_count(&self) -> u64 {
        self.gathered_count
    }

    /// Bytes of memory taken by the message being gathered.
    pub(super) fn gathering_bytes(&self) -> usize {
        self.gather.room()
    }

    /// Adds a part to the message being gathered; its length was checked before.
    #[inline]
    pub(super) fn gather(&mut self, data: &[u8], pool: &mut BufferPool) {
        let max = self.message_max();
        self.gather.extend(data, max, pool);
    }

    /// The gathered message.
    pub(super) fn finish(&mut self, pool: &mut BufferPool) -> Bytes {
        self.gathered_count += 1;
        self.gather.finish(pool)
    }

    /// Puts a whole message where it waits to be pulled.
    pub(super) fn push_ready(&mut self, message: Bytes, since: Instant) {
        debug_assert!(self.has_room());
        self.ready.push_back(Waiting { message, since });
    }

    /// The oldest message that waits, and when it had come.
    pub(super) fn pop_ready(&mut self) -> Option<(Bytes, Instant)> {
        let Waiting { message, since } = self.ready.pop_front()?;
        Some((message, since))
    }

    /// Whether a message waits.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn status(&self, now: Instant) -> ChannelStatus {
        ChannelStatus {
            id: self.descriptor.id,
            send_queue_capacity: self.descriptor.send_queue_capacity,
            send_queue_size: self.queue.len(),
            priority: self.descriptor.priority,
            recently_sent: self.recently_sent.at(now),
        }
    }
}

/// The reference's `recentlySent`: bytes, of which a fifth is forgotten every two seconds. Kept for
/// the status alone; the scheduler has a rule of its own.
#[derive(Clone, Copy, Debug)]
struct RecentBytes {
    bytes: u64,
    since: Instant,
}

impl RecentBytes {
    const PERIOD: Duration = Duration::from_secs(2);
    /// Periods after which any 64-bit figure has decayed to nothing.
    const PERIODS_MAX: u64 = 200;

    #[inline]
    fn add(&mut self, now: Instant, bytes: u64) {
        if now - self.since >= Self::PERIOD {
            self.bytes = self.at(now);
            self.since = now;
        }
        self.bytes += bytes;
    }

    fn at(&self, now: Instant) -> u64 {
        let periods = (now - self.since).as_secs() / Self::PERIOD.as_secs();
        (0..periods.min(Self::PERIODS_MAX)).fold(self.bytes, |bytes, _| bytes - bytes.div_ceil(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::PoolLimits;

    #[test]
    fn a_fifth_of_what_was_sent_is_forgotten_every_two_seconds() {
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let mut recent = RecentBytes {
            bytes: 0,
            since: at(0),
        };
        recent.add(at(0), 1000);
        assert_eq!(recent.at(at(1)), 1000);
        assert_eq!(recent.at(at(2)), 800);
        assert_eq!(recent.at(at(4)), 640);
        recent.add(at(2), 200);
        assert_eq!(recent.at(at(3)), 1000);
        assert_eq!(recent.at(at(100_000)), 0);
    }

    #[test]
    fn a_part_that_makes_the_message_too_long_is_named_before_it_is_kept() {
        let mut descriptor = ChannelDescriptor::new(ChannelId(1), 1);
        descriptor.recv_message_capacity = 10_000;
        let mut channel = Channel::new(descriptor, Instant::ZERO);
        let mut pool = BufferPool::new(PoolLimits::default());
        channel.gather(&[1; 9_010], &mut pool);
        assert_eq!(channel.check_len(990), Ok(()));
        let error = ConnError::MessageTooLong {
            channel: ChannelId(1),
            len: 10_001,
            max: 10_000,
        };
        assert_eq!(channel.check_len(991), Err(error));
        assert_eq!(channel.finish(&mut pool).len(), 9_010);
        assert!(!channel.is_gathering());
    }
}
