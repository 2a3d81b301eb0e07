//! The reading cursor: received chunks in, one contiguous run of plaintext out.
//!
//! Frames and records are opened where the kernel put them. In frames the plaintext is a byte
//! stream that packets cross, so the piece of a packet left over from one frame and the data of the
//! next are brought together by moving the shorter of the two over the gap of tag and length:
//!
//! ```text
//!  0 ... read ######## plain ...gap... sealed ++++++++++++++++++++ end ......... bytes.len()
//!        opened, not consumed          received, not opened             tail room
//!
//!  next frame opened:  read ###### |tag|len| data ##########
//!  rest is shorter:            read ###### data ##########        the rest moves up
//!  data is shorter:    read ##########data####                    the data moves down
//! ```
//!
//! What is left at the end of a chunk (a piece of plaintext, a piece of a sealed unit) is joined
//! with the next chunk by copying the shorter side as well: the rest into the headroom in front of
//! the new bytes, or the new bytes into the tail behind the rest. Only packets larger than the
//! headroom, which a node must be configured to accept, make it grow a buffer of its own. A small
//! rest that waits for more bytes is parked in memory of its own size meanwhile, so that a shard can
//! hold many connections in the middle of a frame with few chunks. All these copies are counted.
//!
//! Invariant: `read <= plain <= sealed <= end <= bytes.len()`; every received byte is in exactly one
//! of: consumed, opened, sealed in front, queued.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::buffer::Buffer;
use super::gather::PINNED_MAX;
use super::layer::{LayerError, Opener};
use super::pool::{BufferPool, COPY_OUT_BYTES, Chunk};

/// Receives up to this size are copied behind the bytes before them when there is room, so that a
/// peer that sends byte by byte cannot make us hold a chunk for each byte.
const COALESCE_BYTES: usize = 2048;

/// A rest up to this size, too short to be opened, moves to memory of its own size, so that a peer
/// which stops in the middle of a frame does not keep a whole chunk from the others.
const PARK_BYTES: usize = 4096;

/// What joining cost so far; both figures only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JoinCounters {
    /// Times that bytes were copied to lie behind one another.
    pub joins: u64,
    /// Bytes so copied, sealed or plain.
    pub joined_bytes: u64,
}

/// Received bytes of one connection, opened piece by piece as they are asked for.
#[derive(Debug)]
pub struct RecvBuf {
    opener: Opener,
    front: Option<Window>,
    queued: VecDeque<Chunk>,
    queued_bytes: usize,
    counters: JoinCounters,
}

impl RecvBuf {
    /// An empty buffer whose units `opener` opens.
    pub fn new(opener: Opener) -> Self {
        RecvBuf {
            opener,
            front: None,
            queued: VecDeque::new(),
            queued_bytes: 0,
            counters: JoinCounters::default(),
        }
    }

    /// A buffer that starts with what an earlier stage has read too much: `plain` is opened
    /// already, `sealed` is not.
    pub fn with_leftover(opener: Opener, plain: &[u8], sealed: &[u8]) -> Self {
        let mut recv = RecvBuf::new(opener);
        if !plain.is_empty() || !sealed.is_empty() {
            recv.front = Some(Window::copied_from(plain, sealed));
        }
        recv
    }

    /// Takes a chunk in. Small ones are copied behind what is there, and go back to the pool.
    pub fn push(&mut self, chunk: Chunk, pool: &mut BufferPool) {
        if chunk.received().is_empty() || self.coalesce(chunk.received()) {
            pool.give_back_chunk(chunk.bytes);
            return;
        }
        self.queued_bytes += chunk.received().len();
        self.queued.push_back(chunk);
    }

    /// Received bytes that nobody has consumed yet.
    pub fn backlog_bytes(&self) -> usize {
        self.queued_bytes + self.front.as_ref().map_or(0, Window::backlog_bytes)
    }

    /// Bytes of memory that this takes beside the pool's chunks, or of what waits in these: a window
    /// of our own has up to four times what it holds, and that is what a budget must count.
    pub fn held_bytes(&self) -> usize {
        let front = self.front.as_ref();
        self.queued_bytes + front.map_or(0, Window::held_bytes)
    }

    /// The plaintext opened so far and not consumed. In record mode it never crosses two records.
    #[inline]
    pub fn plain(&self) -> &[u8] {
        self.front.as_ref().map_or(&[], Window::plain)
    }

    /// Whether a packet may go on behind the end of [`RecvBuf::plain`].
    pub fn is_stream(&self) -> bool {
        self.opener.is_stream()
    }

    /// Opens the next frame or record; `false` means that more bytes must be received first. Chunks
    /// that were read to their end go back to the pool.
    ///
    /// # Errors
    /// [`LayerError`]; the connection must be closed.
    pub fn open_next(&mut self, pool: &mut BufferPool) -> Result<bool, LayerError> {
        loop {
            if let Some(front) = &mut self.front
                && front.open_next(&mut self.opener)?
            {
                return Ok(true);
            }
            if !self.load_next(pool) {
                if self.backlog_bytes() <= PARK_BYTES {
                    self.park(pool);
                }
                return Ok(false);
            }
        }
    }

    /// Drops the first `len` bytes of [`RecvBuf::plain`].
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    pub fn consume(&mut self, len: usize) {
        if let Some(front) = &mut self.front {
            front.read += len;
            assert!(front.read <= front.plain, "only opened bytes are consumed");
        }
    }

    /// Consumes `used` bytes and returns the last `len` of them: a slice of the chunk if they are
    /// many, a copy of their own if they are few (see [`COPY_OUT_BYTES`]), or if slices keep too much
    /// memory alive already.
    ///
    /// # Panics
    /// If `len <= used <= plain().len()` does not hold.
    #[inline]
    pub fn take(&mut self, used: usize, len: usize, pool: &mut BufferPool) -> Bytes {
        assert!(
            len <= used && used <= self.plain().len(),
            "only opened bytes are taken"
        );
        let Some(front) = &mut self.front else {
            return Bytes::new();
        };
        if len < COPY_OUT_BYTES || front.pins_too_much(len) || !pool.may_lend(&front.bytes) {
            front.read += used;
            return pool.copy_out(&front.bytes[front.read - len..front.read]);
        }
        front.cut(used, len, pool)
    }

    /// Moves everything that was received and not consumed into memory of our own, and gives all
    /// chunks back. For the moment when the pool has no chunk left: what peers sent and nobody
    /// pulls must not keep other peers from being read.
    pub fn park(&mut self, pool: &mut BufferPool) {
        let pooled = self.front.as_ref().is_some_and(Window::is_pooled);
        if !pooled && self.queued.is_empty() {
            return;
        }
        let backlog_bytes = self.backlog_bytes();
        let mut parked = Window::with_room(backlog_bytes, pool);
        if let Some(front) = self.front.take() {
            parked.append_opened(front.plain());
            parked.append(front.sealed());
            front.give_back(pool);
        }
        for chunk in self.queued.drain(..) {
            parked.append(chunk.received());
            pool.give_back_chunk(chunk.bytes);
        }
        self.queued_bytes = 0;
        self.count_join(backlog_bytes);
        self.front = Some(parked);
    }

    /// Gives all memory back. What was not consumed is lost: for a connection that closes.
    pub fn release(&mut self, pool: &mut BufferPool) {
        if let Some(front) = self.front.take() {
            front.give_back(pool);
        }
        for chunk in self.queued.drain(..) {
            pool.give_back_chunk(chunk.bytes);
        }
        self.queued_bytes = 0;
    }

    /// What joining cost so far.
    pub fn counters(&self) -> JoinCounters {
        self.counters
    }

    /// Copies a small receive behind the bytes that came before it. `false` if there is no room, or
    /// nothing to go behind.
    fn coalesce(&mut self, received: &[u8]) -> bool {
        if received.len() > COALESCE_BYTES {
            return false;
        }
        let (bytes, end) = match (self.queued.back_mut(), &mut self.front) {
            (Some(last), _) => (&mut last.bytes, &mut last.end),
            (None, Some(front)) => (&mut front.bytes, &mut front.end),
            (None, None) => return false,
        };
        if received.len() > bytes.room_behind(*end) {
            return false;
        }
        bytes.write_behind(*end, received);
        *end += received.len();
        if !self.queued.is_empty() {
            self.queued_bytes += received.len();
        }
        self.count_join(received.len());
        true
    }

    /// Brings the next chunk to the front, joined with what is left there. `false` if none waits.
    fn load_next(&mut self, pool: &mut BufferPool) -> bool {
        if let Some(front) = self.front.take_if(|front| front.backlog_bytes() == 0) {
            front.give_back(pool);
        }
        let Some(chunk) = self.queued.pop_front() else {
            return false;
        };
        self.queued_bytes -= chunk.received().len();
        let window = match self.front.take() {
            None => Window::from(chunk),
            Some(front) => self.join(front, chunk, pool),
        };
        window.invariants();
        self.front = Some(window);
        true
    }

    /// Brings the rest of `front` and the bytes of `chunk` together by the cheapest copy that fits.
    fn join(&mut self, mut front: Window, chunk: Chunk, pool: &mut BufferPool) -> Window {
        let rest_len = front.backlog_bytes();
        let chunk_len = chunk.received().len();
        let tail_fits = chunk_len <= front.tail_room();
        if rest_len <= chunk.start && !(tail_fits && chunk_len < rest_len) {
            self.count_join(rest_len);
            let mut joined = Window::from(chunk);
            joined.prepend(front.plain(), front.sealed());
            front.give_back(pool);
            return joined;
        }
        if !tail_fits {
            self.count_join(rest_len);
            let mut grown = Window::with_room(rest_len + chunk_len, pool);
            grown.append_opened(front.plain());
            grown.append(front.sealed());
            std::mem::replace(&mut front, grown).give_back(pool);
        }
        self.count_join(chunk_len);
        front.append(chunk.received());
        pool.give_back_chunk(chunk.bytes);
        front
    }

    fn count_join(&mut self, bytes: usize) {
        self.counters.joins += 1;
        self.counters.joined_bytes += bytes as u64;
    }
}

/// The buffer at the front with its cursors; see the picture above.
#[derive(Debug)]
struct Window {
    bytes: Buffer,
    read: usize,
    plain: usize,
    sealed: usize,
    end: usize,
    /// Bytes of its memory if that was made to measure; none if it is a chunk.
    own: Option<usize>,
}

impl From<Chunk> for Window {
    fn from(chunk: Chunk) -> Self {
        let Chunk { bytes, start, end } = chunk;
        Window {
            bytes,
            read: start,
            plain: start,
            sealed: start,
            end,
            own: None,
        }
    }
}

impl Window {
    /// An empty window of our own for at least `bytes`, with as much again so that growing piece by
    /// piece copies each byte a bounded number of times.
    fn with_room(bytes: usize, pool: &mut BufferPool) -> Self {
        Window::own(pool.take_sized(2 * bytes.next_power_of_two(), usize::MAX))
    }

    /// An empty window in empty memory of our own, all of which it uses.
    fn own(memory: BytesMut) -> Self {
        let bytes = memory.capacity();
        Window {
            bytes: Buffer::from(memory),
            read: 0,
            plain: 0,
            sealed: 0,
            end: 0,
            own: Some(bytes),
        }
    }

    fn copied_from(plain: &[u8], sealed: &[u8]) -> Self {
        let bytes = 2 * (plain.len() + sealed.len()).next_power_of_two();
        let mut window = Window::own(BytesMut::with_capacity(bytes));
        window.append_opened(plain);
        window.append(sealed);
        window
    }

    fn plain(&self) -> &[u8] {
        &self.bytes[self.read..self.plain]
    }

    fn is_pooled(&self) -> bool {
        self.own.is_none()
    }

    fn held_bytes(&self) -> usize {
        self.own.unwrap_or_else(|| self.backlog_bytes())
    }

    /// Whether a slice of `len` bytes would keep many times as much memory of our own alive. (How
    /// many chunks slices keep alive is the pool's affair.)
    fn pins_too_much(&self, len: usize) -> bool {
        self.own.is_some_and(|bytes| len < bytes / PINNED_MAX)
    }

    fn sealed(&self) -> &[u8] {
        &self.bytes[self.sealed..self.end]
    }

    fn backlog_bytes(&self) -> usize {
        (self.plain - self.read) + (self.end - self.sealed)
    }

    fn tail_room(&self) -> usize {
        self.bytes.room_behind(self.end)
    }

    /// Puts the rest of an earlier buffer in front of the received bytes, sealed bytes last.
    fn prepend(&mut self, plain: &[u8], sealed: &[u8]) {
        debug_assert!(self.read == self.plain && self.plain == self.sealed);
        self.sealed -= sealed.len();
        self.bytes[self.sealed..self.sealed + sealed.len()].copy_from_slice(sealed);
        self.plain = self.sealed;
        self.read = self.plain - plain.len();
        self.bytes[self.read..self.plain].copy_from_slice(plain);
        self.invariants();
    }

    /// Adds plaintext to a window without sealed bytes.
    fn append_opened(&mut self, plain: &[u8]) {
        debug_assert!(self.sealed == self.end && self.plain == self.sealed);
        self.append(plain);
        self.plain = self.end;
        self.sealed = self.end;
    }

    fn append(&mut self, received: &[u8]) {
        self.bytes.write_behind(self.end, received);
        self.end += received.len();
        self.invariants();
    }

    /// Opens the unit at `sealed` if it is there whole.
    fn open_next(&mut self, opener: &mut Opener) -> Result<bool, LayerError> {
        let sealed = &mut self.bytes[self.sealed..self.end];
        let Some(len) = opener.unit_len(sealed)? else {
            return Ok(false);
        };
        let Some(unit) = sealed.get_mut(..len) else {
            return Ok(false);
        };
        let data = opener.open(unit)?;
        let data = self.sealed + data.start..self.sealed + data.end;
        self.sealed += len;
        self.adjoin(data.start, data.end);
        Ok(true)
    }

    /// Brings the opened bytes at `start..end` right behind the rest, or the rest before them.
    fn adjoin(&mut self, start: usize, end: usize) {
        let rest_len = self.plain - self.read;
        if rest_len <= end - start {
            self.bytes
                .copy_within(self.read..self.plain, start - rest_len);
            self.read = start - rest_len;
            self.plain = end;
        } else {
            self.bytes.copy_within(start..end, self.plain);
            self.plain += end - start;
        }
        self.invariants();
    }

    /// Consumes `used` bytes and cuts the last `len` of them off as a slice of this buffer.
    fn cut(&mut self, used: usize, len: usize, pool: &mut BufferPool) -> Bytes {
        let at = self.read + used;
        let mut message = pool.cut(&mut self.bytes, at);
        self.read = 0;
        self.plain -= at;
        self.sealed -= at;
        self.end -= at;
        self.invariants();
        message.split_off(at - len)
    }

    fn give_back(self, pool: &mut BufferPool) {
        match self.own {
            None => pool.give_back_chunk(self.bytes),
            Some(room) => pool.give_back_sized(self.bytes.into_memory(), room),
        }
    }

    #[inline]
    fn invariants(&self) {
        debug_assert!(self.read <= self.plain);
        debug_assert!(self.plain <= self.sealed);
        debug_assert!(self.sealed <= self.end);
        debug_assert!(self.end <= self.bytes.len());
    }
}

#[cfg(test)]
#[path = "recv_tests.rs"]
mod tests;
