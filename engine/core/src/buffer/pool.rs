//! The slab of a shard: receive chunks and send buffers that come back when their last slice is
//! dropped, wherever that happens.
//!
//! A [`Buffer`] is initialised once, when it is made. Slices cut from it share its reference count, so
//! any thread may drop them; the pool keeps the empty remainder of each lent buffer and takes the
//! memory back as soon as that remainder is the only reference left. No lock, no message, no free
//! list across threads.
//!
//! ```text
//!   fresh ──take──▶ in use ──give_back──▶ lent (slices alive?) ──no slices──▶ idle ──take──▶ …
//! ```
//!
//! Chunks for receiving keep a headroom in front of the bytes the kernel writes, so that the rest
//! of a record that straddles two receives is joined by copying the rest alone.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::buffer::{Buffer, Origin};
pub use super::buffer::{CHUNK_BYTES, RECV_BYTES, RECV_HEADROOM, SEND_BYTES};
use super::reuse::Reuse;

/// Messages shorter than this are copied out on delivery, so that a small message which the
/// application keeps never pins a chunk.
pub const COPY_OUT_BYTES: usize = 4096;
/// Bytes of an arena from which small copies are cut: one allocation for many messages.
const ARENA_BYTES: usize = 16 * 1024;

/// Spent arenas that are waited for; older ones are left to whoever keeps their messages. A connection
/// reads a quarter of their bytes ahead, and as much waits in a subscription that keeps up.
const ARENAS_LENT_MAX: usize = 64;
/// Smallest and largest size of memory that is made to measure and used again; the sizes between are
/// powers of two. The smallest holds the rest of a frame's header.
const SIZED_BYTES_MIN: usize = 64;
const SIZED_BYTES_MAX: usize = 1 << 20;
const SIZED_CLASSES: usize = (SIZED_BYTES_MAX / SIZED_BYTES_MIN).ilog2() as usize + 1;
/// Bytes of the memory of one size that is waited for, two pieces of it at least: as many as arenas
/// have, for the same reason.
const SIZED_LENT_BYTES: usize = 1 << 20;
/// Pieces of one size that are waited for at most. With the line above that is 1 MiB of each size from
/// 4 KiB to 512 KiB, 2 MiB of the largest, and 1 MiB of all smaller ones together.
const SIZED_LENT_MAX: usize = 256;

/// The part of the chunks that may be out as slices, and not with a connection any more, before
/// messages are copied instead: one in so many. Whoever keeps messages keeps chunks, and the rest is
/// for receiving.
const LENT_SHARE: usize = 4;
/// The part of the chunks that is never cut: one in so many. What slices are cut from while it is at
/// the front of a connection comes home lent, however much of it was read; were all chunks cut, an
/// application that keeps messages could keep them all.
const UNCUT_SHARE: usize = 4;

/// Chunks that one trim frees at most: giving pages back costs system calls, and a shard that frees
/// all of a burst at once would hold up its peers.
const CHUNKS_PER_TRIM: usize = 16;

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
    pub bytes: Buffer,
    /// First received byte.
    pub start: usize,
    /// One past the last received byte.
    pub end: usize,
}

impl Chunk {
    /// A chunk that holds a copy of `received`; for tests and simulated links.
    pub fn copied_from(received: &[u8]) -> Self {
        let mut bytes = Buffer::from(BytesMut::zeroed(RECV_HEADROOM + received.len()));
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
    chunks_idle: Vec<Buffer>,
    /// The fewest idle chunks since the last trim: nobody has needed these.
    chunks_spare: usize,
    /// Remainders of chunks whose slices may still be alive, oldest first.
    chunks_lent: VecDeque<Buffer>,
    /// Chunks from which slices were cut that may be alive: those lent and those still in use.
    chunks_cut: usize,
    chunks_made: usize,
    send_idle: Vec<Buffer>,
    arena: BytesMut,
    arenas: Reuse,
    sized: [Reuse; SIZED_CLASSES],
    counters: PoolCounters,
}

impl BufferPool {
    /// An empty pool: buffers are made when first asked for.
    pub fn new(limits: PoolLimits) -> Self {
        BufferPool {
            limits,
            chunks_idle: Vec::new(),
            chunks_spare: 0,
            chunks_lent: VecDeque::new(),
            chunks_cut: 0,
            chunks_made: 0,
            send_idle: Vec::new(),
            arena: BytesMut::new(),
            arenas: Reuse::new(ARENA_BYTES, ARENAS_LENT_MAX),
            sized: std::array::from_fn(|class| {
                let bytes = SIZED_BYTES_MIN << class;
                Reuse::new(bytes, (SIZED_LENT_BYTES / bytes).clamp(2, SIZED_LENT_MAX))
            }),
            counters: PoolCounters::default(),
        }
    }

    /// A buffer of [`CHUNK_BYTES`] initialised bytes to receive into, or `None` when the budget is
    /// out with peers and applications.
    pub fn take_chunk(&mut self) -> Option<Buffer> {
        if let Some(chunk) = self.chunks_idle.pop() {
            self.chunks_spare = self.chunks_spare.min(self.chunks_idle.len());
            return Some(chunk);
        }
        if let Some(chunk) = self.reclaim_any() {
            return Some(chunk);
        }
        if self.chunks_made == self.limits.chunks_max {
            self.counters.exhausted += 1;
            return None;
        }
        self.chunks_made += 1;
        self.counters.allocated += 1;
        Some(Buffer::chunk())
    }

    /// Takes a chunk back, or what is left of it after slices were cut off its front. Memory that no
    /// pool made, or another pool did, is dropped.
    pub fn give_back_chunk(&mut self, remainder: Buffer) {
        let all_are_home = self.chunks_idle.len() + self.chunks_lent.len() == self.chunks_made;
        if remainder.origin() != Origin::Chunk || all_are_home {
            return;
        }
        if remainder.len() == CHUNK_BYTES {
            return self.chunks_idle.push(remainder);
        }
        match self.reclaim(remainder) {
            Ok(chunk) => self.chunks_idle.push(chunk),
            Err(lent) => self.chunks_lent.push_back(lent),
        }
    }

    /// Whether a message may leave as a slice of `chunk`: what is kept must never leave the shard
    /// without memory to receive into. It may not once the application, or a queue, keeps the slices
    /// of a quarter of all chunks, nor as the first of its chunk once three quarters of all are cut.
    pub(super) fn may_lend(&mut self, chunk: &Buffer) -> bool {
        let chunks_max = self.limits.chunks_max;
        if chunk.origin() != Origin::Chunk {
            return true;
        }
        if !chunk.is_cut() && self.chunks_cut >= chunks_max - chunks_max / UNCUT_SHARE {
            return false;
        }
        if self.chunks_lent.len() < chunks_max.div_ceil(LENT_SHARE) {
            return true;
        }
        self.reclaim_oldest()
    }

    /// Cuts the first `len` bytes of a buffer off, to be kept by anybody.
    pub fn cut(&mut self, buffer: &mut Buffer, len: usize) -> Bytes {
        let is_first = buffer.origin() == Origin::Chunk && !buffer.is_cut();
        self.chunks_cut += usize::from(is_first);
        buffer.cut(len)
    }

    /// Frees idle chunks and memory made to measure that nobody has needed since the last call, so that a
    /// burst does not keep its memory for ever; call it now and then while [`BufferPool::is_idling`].
    pub fn trim(&mut self) {
        let freed = self.chunks_spare.min(CHUNKS_PER_TRIM);
        let kept = self.chunks_idle.len() - freed;
        self.chunks_idle.truncate(kept);
        self.chunks_made -= freed;
        self.chunks_spare = kept;
        self.sized.iter_mut().for_each(Reuse::trim);
    }

    /// Whether a trim may have something to free, now or later.
    pub fn is_idling(&self) -> bool {
        !self.chunks_idle.is_empty() || self.sized.iter().any(Reuse::is_lending)
    }

    /// A buffer of [`SEND_BYTES`] initialised bytes to seal into.
    pub fn take_send(&mut self) -> Buffer {
        self.send_idle.pop().unwrap_or_else(|| {
            self.counters.allocated += 1;
            Buffer::send()
        })
    }

    /// Takes back a send buffer that was written, cut to any length. Others are dropped.
    pub fn give_back_send(&mut self, buffer: Buffer) {
        let is_wanted = self.send_idle.len() < self.limits.send_idle_max;
        if !is_wanted || buffer.origin() != Origin::Send {
            return;
        }
        if let Ok(buffer) = buffer.reclaim() {
            self.send_idle.push(buffer);
        }
    }

    /// A copy of a small message that pins no chunk; many share one allocation.
    #[inline]
    pub fn copy_out(&mut self, message: &[u8]) -> Bytes {
        self.counters.copied_out_bytes += message.len() as u64;
        if message.len() > ARENA_BYTES / 4 {
            return Bytes::copy_from_slice(message);
        }
        if self.arena.capacity() < message.len() {
            self.change_arena();
        }
        self.arena.extend_from_slice(message);
        self.arena.split().freeze()
    }

    /// What the pool did so far.
    pub fn counters(&self) -> PoolCounters {
        self.counters
    }

    /// Takes an arena whose messages are all gone in place of the spent one, or makes one. The
    /// first spent one never held memory, and is waited for like the others.
    #[cold]
    fn change_arena(&mut self) {
        self.arenas.give_back(std::mem::take(&mut self.arena));
        let (arena, fresh) = self.arenas.take();
        self.arena = arena;
        self.counters.allocated += u64::from(fresh);
    }

    /// Empty memory for about `bytes`, at least so many and at most `max`: what a message of several
    /// packets is gathered in, or what a rest of received bytes waits in.
    pub(super) fn take_sized(&mut self, bytes: usize, max: usize) -> BytesMut {
        let class = bytes.next_power_of_two().max(SIZED_BYTES_MIN);
        let (memory, fresh) = match self.sized(class) {
            Some(sized) if class <= max => sized.take(),
            _ => (BytesMut::with_capacity(class.min(max)), true),
        };
        self.counters.allocated += u64::from(fresh);
        memory
    }

    /// Takes back memory of [`BufferPool::take_sized`] that had `room`, or what is left of it after a
    /// message was split off.
    pub(super) fn give_back_sized(&mut self, remainder: BytesMut, room: usize) {
        if let Some(sized) = self.sized(room) {
            sized.give_back(remainder);
        }
    }

    /// The memory of exactly `class` bytes.
    fn sized(&mut self, class: usize) -> Option<&mut Reuse> {
        let exact = class.is_power_of_two() && class >= SIZED_BYTES_MIN;
        let number = (class / SIZED_BYTES_MIN).checked_ilog2()? as usize;
        self.sized.get_mut(number).filter(|_| exact)
    }

    /// Looks at each lent chunk at most once, oldest first, for one that came back.
    fn reclaim_any(&mut self) -> Option<Buffer> {
        for _ in 0..self.chunks_lent.len() {
            if self.reclaim_oldest() {
                return self.chunks_idle.pop();
            }
        }
        None
    }

    /// Looks whether the oldest lent chunk has come back, and takes the next one for the oldest if it
    /// has not.
    fn reclaim_oldest(&mut self) -> bool {
        let Some(oldest) = self.chunks_lent.pop_front() else {
            return false;
        };
        match self.reclaim(oldest) {
            Ok(chunk) => {
                self.chunks_idle.push(chunk);
                true
            }
            Err(oldest) => {
                self.chunks_lent.push_back(oldest);
                false
            }
        }
    }

    fn reclaim(&mut self, remainder: Buffer) -> Result<Buffer, Buffer> {
        let was_cut = remainder.is_cut();
        let chunk = remainder.reclaim()?;
        // One that was cut by another pool's hand is not counted here.
        self.chunks_cut = self.chunks_cut.saturating_sub(usize::from(was_cut));
        self.counters.reclaimed += 1;
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(chunks_max: usize) -> BufferPool {
        BufferPool::new(PoolLimits {
            chunks_max,
            send_idle_max: 2,
        })
    }

    #[test]
    fn a_chunk_given_back_whole_is_the_next_one_taken() {
        let mut pool = pool(1);
        for _ in 0..3 {
            let chunk = pool.take_chunk().expect("the last one came back");
            assert_eq!(chunk.len(), CHUNK_BYTES);
            pool.give_back_chunk(chunk);
        }
        assert_eq!(pool.counters().allocated, 1);
    }

    #[test]
    fn the_budget_is_kept_and_running_into_it_is_counted() {
        let mut pool = pool(2);
        let (one, two) = (pool.take_chunk(), pool.take_chunk());
        assert!(one.is_some() && two.is_some());
        assert!(pool.take_chunk().is_none());
        assert_eq!(pool.counters().exhausted, 1);
        pool.give_back_chunk(two.expect("taken above"));
        assert!(pool.take_chunk().is_some());
    }

    #[test]
    fn chunks_of_a_burst_are_freed_when_nobody_has_needed_them_from_one_trim_to_the_next() {
        let mut pool = pool(40);
        let burst: Vec<_> = (0..40).map(|_| pool.take_chunk()).collect();
        burst
            .into_iter()
            .flatten()
            .for_each(|chunk| pool.give_back_chunk(chunk));
        pool.trim();
        assert_eq!(pool.chunks_idle.len(), 40, "they were in use a moment ago");
        // Two are needed now and then.
        let used = [pool.take_chunk(), pool.take_chunk()];
        used.into_iter()
            .flatten()
            .for_each(|chunk| pool.give_back_chunk(chunk));
        pool.trim();
        assert_eq!(pool.chunks_idle.len(), 40 - CHUNKS_PER_TRIM);
        for _ in 0..2 {
            let used = [pool.take_chunk(), pool.take_chunk()];
            used.into_iter()
                .flatten()
                .for_each(|chunk| pool.give_back_chunk(chunk));
            pool.trim();
        }
        assert_eq!(pool.chunks_idle.len(), 2, "those that are needed stay");
        pool.trim();
        assert!(!pool.is_idling());
        // What was freed may be made again.
        assert!((0..40).all(|_| pool.take_chunk().is_some()));
    }

    #[test]
    #[allow(
        clippy::disallowed_methods,
        reason = "slices come home from other threads"
    )]
    fn a_chunk_comes_back_when_its_last_slice_is_dropped_on_any_thread() {
        let mut pool = pool(1);
        let mut chunk = pool.take_chunk().expect("a fresh pool");
        let slices = [pool.cut(&mut chunk, 5_000), pool.cut(&mut chunk, 70_000)];
        pool.give_back_chunk(chunk);
        assert!(pool.take_chunk().is_none(), "its slices are alive");
        std::thread::spawn(move || drop(slices))
            .join()
            .expect("dropping does not panic");
        assert_eq!(
            pool.take_chunk().map(|chunk| chunk.len()),
            Some(CHUNK_BYTES)
        );
        assert_eq!(pool.counters().reclaimed, 1);
    }

    #[test]
    fn a_chunk_whose_slices_are_gone_already_is_idle_at_once() {
        let mut pool = pool(1);
        let mut chunk = pool.take_chunk().expect("a fresh pool");
        drop(pool.cut(&mut chunk, 9_000));
        pool.give_back_chunk(chunk);
        assert_eq!(pool.counters().reclaimed, 1);
        assert!(pool.take_chunk().is_some());
    }

    #[test]
    fn slices_are_lent_until_a_quarter_of_the_chunks_is_kept_and_again_when_one_comes_back() {
        let mut pool = pool(8);
        let mut kept = Vec::new();
        for _ in 0..2 {
            let mut chunk = pool.take_chunk().expect("within the budget");
            assert!(pool.may_lend(&chunk));
            kept.push(pool.cut(&mut chunk, 5_000));
            pool.give_back_chunk(chunk);
        }
        let chunk = pool.take_chunk().expect("within the budget");
        assert!(!pool.may_lend(&chunk));
        kept.remove(0);
        // The oldest that is still kept is looked at in turn with the one that came back.
        assert!(pool.may_lend(&chunk) || pool.may_lend(&chunk));
    }

    #[test]
    fn a_quarter_of_the_chunks_is_never_cut_and_those_that_are_may_be_cut_on() {
        let mut pool = pool(8);
        let mut chunks: Vec<_> = (0..8).filter_map(|_| pool.take_chunk()).collect();
        let mut kept = Vec::new();
        for chunk in &mut chunks[..6] {
            assert!(pool.may_lend(chunk));
            kept.push(pool.cut(chunk, 5_000));
        }
        assert!(!pool.may_lend(&chunks[6]), "it would be the seventh");
        assert!(pool.may_lend(&chunks[0]), "its memory is lent already");
        let own = Chunk::copied_from(b"of a simulated link").bytes;
        assert!(pool.may_lend(&own));
        // All come home, as when the pool is empty: six of them lent, two ready.
        chunks
            .into_iter()
            .for_each(|chunk| pool.give_back_chunk(chunk));
        assert!((0..2).all(|_| pool.take_chunk().is_some()));
        assert!(pool.take_chunk().is_none());
        kept.clear();
        let chunk = pool.take_chunk().expect("they came back");
        assert!(pool.may_lend(&chunk));
    }

    #[test]
    fn a_chunk_of_a_simulated_link_is_not_kept() {
        let mut pool = pool(4);
        for _ in 0..10 {
            pool.give_back_chunk(Chunk::copied_from(b"bytes").bytes);
        }
        assert!(pool.chunks_lent.is_empty() && pool.chunks_idle.is_empty());
    }

    #[test]
    fn memory_that_no_pool_made_is_not_taken_in() {
        let mut pool = pool(4);
        let foreign = || Buffer::from(BytesMut::with_capacity(4 * CHUNK_BYTES));
        pool.give_back_send(foreign());
        let chunk = pool.take_chunk().expect("a fresh pool");
        pool.give_back_chunk(foreign());
        pool.give_back_send(chunk);
        assert!(pool.send_idle.is_empty());
        assert!(pool.chunks_idle.is_empty() && pool.chunks_lent.is_empty());
        assert!(pool.take_send().iter().all(|byte| *byte == 0));
    }

    #[test]
    fn send_buffers_come_back_whole_and_only_so_many_are_kept() {
        let mut pool = pool(1);
        let buffers: Vec<_> = (0..3).map(|_| pool.take_send()).collect();
        for mut buffer in buffers {
            buffer.truncate(100);
            pool.give_back_send(buffer);
        }
        assert_eq!(pool.send_idle.len(), 2);
        assert_eq!(pool.take_send().len(), SEND_BYTES);
        assert_eq!(pool.counters().allocated, 3);
    }

    #[test]
    fn an_arena_comes_back_when_its_messages_are_gone_and_not_before() {
        let mut pool = pool(1);
        let message = [7; 1000];
        let kept = pool.copy_out(&message);
        let first = kept.as_ptr();
        let copies = 0..2 * ARENA_BYTES / message.len();
        let others: Vec<_> = copies.map(|_| pool.copy_out(&message)).collect();
        let is_first = |copy: &Bytes| copy.as_ptr() == first;
        assert!(!others.iter().any(is_first), "still kept");
        drop(kept);
        let copies = 0..2 * ARENA_BYTES / message.len();
        let more: Vec<_> = copies.map(|_| pool.copy_out(&message)).collect();
        assert!(!more.iter().any(is_first), "others of the arena are kept");
        drop((others, more));
        let copies = 0..20 * ARENA_BYTES / message.len();
        let more: Vec<_> = copies.map(|_| pool.copy_out(&message)).collect();
        assert!(more.iter().any(is_first), "used again");
    }

    #[test]
    fn arenas_of_messages_that_are_kept_are_let_go() {
        let mut pool = pool(1);
        let kept: Vec<_> = (0..4 * ARENAS_LENT_MAX * 16)
            .map(|_| pool.copy_out(&[7; 1024]))
            .collect();
        assert_eq!(pool.arenas.lent_len(), ARENAS_LENT_MAX);
        assert!(kept.iter().all(|message| message[..] == [7; 1024]));
    }

    #[test]
    fn small_copies_share_an_allocation_and_are_counted() {
        let mut pool = pool(1);
        let (one, two) = (pool.copy_out(b"one"), pool.copy_out(b"two"));
        assert_eq!((&one[..], &two[..]), (&b"one"[..], &b"two"[..]));
        assert_eq!(one.as_ptr().wrapping_add(3), two.as_ptr());
        let large = vec![7; ARENA_BYTES];
        assert_eq!(pool.copy_out(&large), large);
        assert_eq!(pool.counters().copied_out_bytes, 6 + ARENA_BYTES as u64);
    }
}
