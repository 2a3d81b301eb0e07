//! The slab of a shard: receive chunks and send buffers that come back when their last slice is
//! dropped, wherever that happens.
//!
//! A buffer is a [`BytesMut`] whose bytes are initialised once, when it is made. Slices cut from
//! it (`split_to`, `freeze`) share its reference count, so any thread may drop them; the pool
//! keeps the empty remainder of each lent buffer and takes the memory back as soon as that
//! remainder is the only reference left. No lock, no message, no free list across threads.
//!
//! ```text
//!   fresh ──take──▶ in use ──give_back──▶ lent (slices alive?) ──no slices──▶ idle ──take──▶ …
//! ```
//!
//! Chunks for receiving keep a headroom in front of the bytes the kernel writes, so that the rest
//! of a record that straddles two receives is joined by copying the rest alone.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Bytes in front of a receive chunk, enough for the rest of any frame or record.
pub const RECV_HEADROOM: usize = 68 * 1024;
/// Bytes one receive can fill.
pub const RECV_BYTES: usize = 128 * 1024;
/// Bytes of a whole receive chunk.
pub const CHUNK_BYTES: usize = RECV_HEADROOM + RECV_BYTES;
/// Bytes of a send buffer: the largest sealed wide record, or 64 sealed frames.
pub const SEND_BYTES: usize = 68 * 1024;
/// Messages shorter than this are copied out on delivery, so that a small message which the
/// application keeps never pins a chunk.
pub const COPY_OUT_BYTES: usize = 4096;
/// Bytes of an arena from which small copies are cut: one allocation for many messages.
const ARENA_BYTES: usize = 16 * 1024;

const _: () = assert!(
    RECV_HEADROOM >= 65_536 + 20,
    "headroom holds the rest of a record"
);
const _: () = assert!(SEND_BYTES >= 65_536 + 20 && SEND_BYTES >= 64 * 1044);

/// How much memory a shard's pool may hold on to.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Receive chunks that exist at most, in use or lent.
    pub chunks_max: usize,
    /// Idle send buffers kept for the next write; more are freed.
    pub send_idle_max: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        PoolLimits {
            chunks_max: 256,
            send_idle_max: 64,
        }
    }
}

/// A received run of bytes: `bytes[start..end]` came from the socket, the rest is room.
///
/// ```text
///   0 ........ start ######## end ........ bytes.len()
///     headroom       received     unused
/// ```
#[derive(Debug)]
pub struct Chunk {
    /// The whole buffer, initialised.
    pub bytes: BytesMut,
    /// First received byte.
    pub start: usize,
    /// One past the last received byte.
    pub end: usize,
}

impl Chunk {
    /// A chunk that holds a copy of `received`; for tests and simulated links.
    pub fn copied_from(received: &[u8]) -> Self {
        let mut bytes = BytesMut::zeroed(RECV_HEADROOM + received.len());
        bytes[RECV_HEADROOM..].copy_from_slice(received);
        Chunk {
            start: RECV_HEADROOM,
            end: bytes.len(),
            bytes,
        }
    }

    /// The received bytes.
    pub fn received(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

/// What the pool did so far; every figure only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounters {
    /// Buffers allocated because none was free.
    pub allocated: u64,
    /// Buffers taken back from their last slice.
    pub reclaimed: u64,
    /// Times that no chunk could be given because `chunks_max` are out.
    pub exhausted: u64,
    /// Payload bytes copied out of a chunk so as not to pin it.
    pub copied_out_bytes: u64,
}

/// The pool of one shard. Not shared: only the slices cut from its buffers may leave the thread.
#[derive(Debug)]
pub struct BufferPool {
    limits: PoolLimits,
    /// Chunks nobody refers to, ready to be filled.
    chunks_idle: Vec<BytesMut>,
    /// Remainders of chunks whose slices may still be alive, oldest first.
    chunks_lent: VecDeque<BytesMut>,
    chunks_made: usize,
    send_idle: Vec<BytesMut>,
    arena: BytesMut,
    counters: PoolCounters,
}

impl BufferPool {
    /// An empty pool: buffers are made when first asked for.
    pub fn new(limits: PoolLimits) -> Self {
        BufferPool {
            limits,
            chunks_idle: Vec::new(),
            chunks_lent: VecDeque::new(),
            chunks_made: 0,
            send_idle: Vec::new(),
            arena: BytesMut::new(),
            counters: PoolCounters::default(),
        }
    }

    /// A buffer of [`CHUNK_BYTES`] initialised bytes to receive into, or `None` when the budget is
    /// out with peers and applications.
    pub fn take_chunk(&mut self) -> Option<BytesMut> {
        if let Some(chunk) = self.chunks_idle.pop().or_else(|| self.reclaim_chunk()) {
            return Some(chunk);
        }
        if self.chunks_made == self.limits.chunks_max {
            self.counters.exhausted += 1;
            return None;
        }
        self.chunks_made += 1;
        self.counters.allocated += 1;
        Some(BytesMut::zeroed(CHUNK_BYTES))
    }

    /// Takes a chunk back, or what is left of it after slices were cut off its front.
    pub fn give_back_chunk(&mut self, mut remainder: BytesMut) {
        if remainder.len() == CHUNK_BYTES {
            self.chunks_idle.push(remainder);
            return;
        }
        remainder.clear();
        match reclaim(remainder, CHUNK_BYTES) {
            Ok(chunk) => {
                self.counters.reclaimed += 1;
                self.chunks_idle.push(chunk);
            }
            Err(lent) => self.chunks_lent.push_back(lent),
        }
    }

    /// A chunk that is gone for good (its memory went elsewhere) no longer counts.
    pub fn forget_chunk(&mut self) {
        self.chunks_made = self.chunks_made.saturating_sub(1);
    }

    /// A buffer of [`SEND_BYTES`] initialised bytes to seal into.
    pub fn take_send(&mut self) -> BytesMut {
        self.send_idle.pop().unwrap_or_else(|| {
            self.counters.allocated += 1;
            BytesMut::zeroed(SEND_BYTES)
        })
    }

    /// Takes back a send buffer that was written, cut to any length.
    pub fn give_back_send(&mut self, mut buffer: BytesMut) {
        if self.send_idle.len() >= self.limits.send_idle_max {
            return;
        }
        buffer.clear();
        if let Ok(buffer) = reclaim(buffer, SEND_BYTES) {
            self.send_idle.push(buffer);
        }
    }

    /// A copy of a small message that pins no chunk; many share one allocation.
    pub fn copy_out(&mut self, message: &[u8]) -> Bytes {
        self.counters.copied_out_bytes += message.len() as u64;
        if message.len() > ARENA_BYTES / 4 {
            return Bytes::copy_from_slice(message);
        }
        if self.arena.capacity() < message.len() {
            self.arena = BytesMut::with_capacity(ARENA_BYTES);
        }
        self.arena.extend_from_slice(message);
        self.arena.split().freeze()
    }

    /// What the pool did so far.
    pub fn counters(&self) -> PoolCounters {
        self.counters
    }

    /// Looks at each lent chunk at most once, oldest first, for one that came back.
    fn reclaim_chunk(&mut self) -> Option<BytesMut> {
        for _ in 0..self.chunks_lent.len() {
            let lent = self.chunks_lent.pop_front()?;
            match reclaim(lent, CHUNK_BYTES) {
                Ok(chunk) => {
                    self.counters.reclaimed += 1;
                    return Some(chunk);
                }
                Err(lent) => self.chunks_lent.push_back(lent),
            }
        }
        None
    }
}

/// Makes a buffer whole again if `remainder` is the last reference to it.
fn reclaim(mut remainder: BytesMut, bytes: usize) -> Result<BytesMut, BytesMut> {
    debug_assert!(remainder.is_empty());
    if !remainder.try_reclaim(bytes) {
        return Err(remainder);
    }
    // SAFETY: buffers of the pool are made by `BytesMut::zeroed` with exactly `bytes` bytes, all
    // initialised, and are never reallocated: `try_reclaim` only succeeds by handing out the same
    // allocation from its start, so `bytes` initialised bytes lie behind the pointer.
    #[allow(
        unsafe_code,
        reason = "restores a length without clearing memory it will overwrite"
    )]
    unsafe {
        remainder.set_len(bytes);
    }
    Ok(remainder)
}
