//! [`Lane`]: one direction of a link, with what waits to leave and what waits to be read.

use std::collections::VecDeque;

use super::window::Window;
use crate::machine::{Message, Priority};

/// Bytes of a TCP segment's payload, and of its headers (IPv4, TCP with timestamps).
pub(super) const SEGMENT_BYTES: u32 = 1448;
const SEGMENT_HEADER_BYTES: u32 = 52;

/// A record around each chunk (docs/wire.md: header and tag of a wide record), a packet header around each message.
const RECORD_BYTES: u32 = 21;
const PACKET_BYTES: u32 = 4;

/// Bytes of messages that a lane sends in one turn: what fills three segments with the headers of a record and of a
/// packet. A payload of 4 KiB and the little that goes with it are one turn, and not one and a bit.
pub const CHUNK_BYTES: u32 = 3 * SEGMENT_BYTES - RECORD_BYTES - PACKET_BYTES;

/// The same of a lane that sent nothing for a while: ten segments, as Linux's `fq` gives (`initial_quantum`).
pub const FIRST_CHUNK_BYTES: u32 = 10 * SEGMENT_BYTES - RECORD_BYTES - PACKET_BYTES;

/// How long that is (`refill_delay` of `fq`).
const REFILL_NANOS: u64 = 40_000_000;

/// What a chunk of so many bytes of so many messages takes on the wire.
pub fn wire_bytes(bytes: u32, messages: u32) -> u32 {
    let framed = bytes + messages * PACKET_BYTES + RECORD_BYTES;
    framed + framed.div_ceil(SEGMENT_BYTES) * SEGMENT_HEADER_BYTES
}

/// A message, or the rest of it.
#[derive(Debug)]
struct Parcel<M> {
    message: M,
    bytes: u32,
    left: u32,
}

/// Part of a message, or some messages, on the way.
#[derive(Debug)]
pub(super) struct Chunk<M> {
    /// The messages that end in it.
    pub(super) messages: Vec<M>,
    pub(super) wire_bytes: u32,
    /// Of these, what is neither a message nor a part of one.
    pub(super) header_bytes: u32,
}

#[derive(Debug)]
pub(super) struct Lane<M> {
    pub(super) source: u32,
    pub(super) target: u32,
    /// The other direction of the same link.
    pub(super) reverse: u32,
    pub(super) latency_nanos: u64,
    pub(super) is_open: bool,
    pub(super) window: Window,
    /// Whether it waits for its turn at the uplink, or has it.
    pub(super) waits: bool,
    /// Whether a wake-up for its next acknowledgement is on its way.
    pub(super) wakes: bool,
    /// Chunks do not overtake each other, whatever the jitter.
    pub(super) last_arrival: u64,
    /// Chunks before the other end's downlink.
    pub(super) arrived: VecDeque<u32>,
    pub(super) arrived_bytes: u64,
    queues: [VecDeque<Parcel<M>>; 3],
    queued_bytes: u64,
    /// Bytes that may leave in the next turn, if they are more than a chunk.
    credit_bytes: u32,
    /// When it had its last turn.
    sent_at: u64,
}

impl<M: Message> Lane<M> {
    pub(super) fn new(
        source: u32,
        target: u32,
        reverse: u32,
        latency_nanos: u64,
        window: Window,
    ) -> Self {
        Lane {
            source,
            target,
            reverse,
            latency_nanos,
            is_open: true,
            window,
            waits: false,
            wakes: false,
            last_arrival: 0,
            arrived: VecDeque::new(),
            arrived_bytes: 0,
            queues: Default::default(),
            queued_bytes: 0,
            credit_bytes: FIRST_CHUNK_BYTES,
            sent_at: 0,
        }
    }

    pub(super) fn push(&mut self, message: M) {
        let bytes = message.size().bytes();
        self.queued_bytes += u64::from(bytes);
        let queue = match message.priority() {
            Priority::High => 0,
            Priority::Normal => 1,
            Priority::Low => 2,
        };
        self.queues[queue].push_back(Parcel {
            message,
            bytes,
            left: bytes,
        });
    }

    /// Bytes of messages that have not left.
    pub(super) fn queued_bytes(&self) -> u64 {
        self.queued_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    pub(super) fn queue_len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Takes out the messages of which no byte has left and for which `unwanted` is true.
    pub(super) fn cancel(&mut self, unwanted: impl Fn(&M) -> bool) -> usize {
        let before = self.queue_len();
        for queue in &mut self.queues {
            queue.retain(|parcel| {
                let stays = parcel.left < parcel.bytes || !unwanted(&parcel.message);
                if !stays {
                    self.queued_bytes -= u64::from(parcel.bytes);
                }
                stays
            });
        }
        before - self.queue_len()
    }

    /// Takes out what leaves in this turn. `None` when there is nothing.
    pub(super) fn take_turn(&mut self, now: u64) -> Option<Chunk<M>> {
        if now >= self.sent_at + REFILL_NANOS {
            self.credit_bytes = FIRST_CHUNK_BYTES;
        }
        let chunk = self.next_chunk(self.credit_bytes.max(CHUNK_BYTES))?;
        self.credit_bytes = self.credit_bytes.saturating_sub(chunk.wire_bytes);
        self.sent_at = now;
        Some(chunk)
    }

    /// Takes the next chunk out: the most urgent messages, as many as fit. `None` when there is nothing.
    pub(super) fn next_chunk(&mut self, bytes_max: u32) -> Option<Chunk<M>> {
        let mut room = bytes_max;
        let mut started = 0;
        let mut messages = Vec::new();
        for queue in &mut self.queues {
            while room > 0
                && let Some(parcel) = queue.front_mut()
            {
                started += 1;
                let taken = room.min(parcel.left);
                room -= taken;
                parcel.left -= taken;
                if parcel.left > 0 {
                    break;
                }
                messages.extend(queue.pop_front().map(|parcel| parcel.message));
            }
        }
        let bytes = bytes_max - room;
        self.queued_bytes -= u64::from(bytes);
        (started > 0).then(|| Chunk {
            messages,
            wire_bytes: wire_bytes(bytes, started),
            header_bytes: wire_bytes(bytes, started) - bytes,
        })
    }

    /// The link is gone, with all that waited.
    pub(super) fn close(&mut self) {
        self.is_open = false;
        self.queues = Default::default();
        self.queued_bytes = 0;
    }
}
