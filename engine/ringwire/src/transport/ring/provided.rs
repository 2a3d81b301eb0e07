//! The provided-buffer ring: receive chunks the kernel picks from when bytes arrive, so that a
//! waiting connection holds no memory.
//!
//! ```text
//!   BufferPool ──refill──▶ slots[id] + entry in the ring ──bytes arrive──▶ take(id) ──▶ Chunk
//! ```
//!
//! Invariant: slot `id` holds a buffer exactly while the kernel owns that id, that is from
//! `refill` until the completion that names it. Ids without a buffer are in `vacant`.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use ringwire_core::buffer::pool::{CHUNK_BYTES, RECV_BYTES, RECV_HEADROOM};
use ringwire_core::buffer::{Buffer, BufferPool};

use super::super::error::TransportError;
use super::Kernel;

/// The only buffer group of a ring.
pub(crate) const BUFFER_GROUP: u16 = 0;
/// The kernel wants the ring of buffers aligned to a page.
const PAGE_BYTES: usize = 4096;
/// What the kernel allows.
const BUFFERS_MAX: usize = 1 << 15;
/// Buffers lent to the kernel at first. The kernel takes them in turn, the longest unused first, so
/// all that are lent pass through the cache: two of them fit there beside what is sealed, sixteen
/// do not (docs/decisions, 19). More are lent once several links have waited at the same time.
const LENT_FIRST: usize = 2;
/// Turns that received something but used at most a quarter of what was lent, after which half as
/// much is lent.
const NARROW_AFTER: usize = 1024;

/// Receive buffers lent to the kernel.
pub(super) struct ProvidedBuffers {
    entries: NonNull<BufRingEntry>,
    layout: Layout,
    /// Buffers by id.
    slots: Box<[Option<Buffer>]>,
    /// Ids without a buffer.
    vacant: Vec<u16>,
    /// Buffers to lend, up to the number of slots.
    lent_target: usize,
    /// Turns in a row that used few of them.
    modest_turns: usize,
    /// Where the next buffer is put; the kernel sees it when it is published.
    tail: u16,
}

impl ProvidedBuffers {
    /// Registers room for `count` buffers (a power of two up to 32 768) with the kernel. It stays
    /// empty until [`ProvidedBuffers::refill`].
    pub(super) fn new(kernel: &Kernel, count: usize) -> Result<Self, TransportError> {
        if !count.is_power_of_two() || count > BUFFERS_MAX {
            let rule = "must be a power of two up to 32768";
            return Err(TransportError::Config {
                field: "provided_buffers",
                found: count,
                rule,
            });
        }
        let provided = Self::allocate(count);
        // SAFETY: the entries are valid, zeroed and page-aligned, and outlive the registration:
        // they are freed by `Drop` after `unregister`, or leaked with `self`.
        let registered = unsafe {
            kernel.submitter().register_buf_ring_with_flags(
                provided.entries.as_ptr() as u64,
                count as u16,
                BUFFER_GROUP,
                0,
            )
        };
        registered.map_err(|source| TransportError::Setup {
            step: "register provided buffers",
            source,
            mend: "use Linux 6.1 or newer; if memory is short raise the limit of locked memory",
        })?;
        Ok(provided)
    }

    /// Buffers the kernel can still fill, as far as its completions were seen.
    pub(super) fn available(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// Lends twice as many buffers from now on.
    pub(super) fn widen(&mut self) {
        self.lent_target = (self.lent_target * 2).min(self.slots.len());
        self.modest_turns = 0;
    }

    /// Lends half as many once few were used for long. What is lent already stays so until bytes
    /// come.
    fn narrow_if_modest(&mut self) {
        let used = self.lent_target.saturating_sub(self.available());
        if used > self.lent_target / 4 {
            self.modest_turns = 0;
        } else if used > 0 {
            self.modest_turns += 1;
        }
        if self.modest_turns >= NARROW_AFTER && self.lent_target > LENT_FIRST {
            self.lent_target /= 2;
            self.modest_turns = 0;
        }
    }

    /// Puts chunks of the pool behind vacant ids until enough are lent, as far as the pool can
    /// give.
    pub(super) fn refill(&mut self, pool: &mut BufferPool) {
        self.narrow_if_modest();
        let before = self.tail;
        while self.available() < self.lent_target {
            let id = self
                .vacant
                .pop()
                .expect("fewer buffers are lent than there are ids");
            let Some(chunk) = pool.take_chunk() else {
                self.vacant.push(id);
                break;
            };
            self.provide(id, chunk);
        }
        if self.tail != before {
            self.publish();
        }
    }

    /// The buffer a completion names; the kernel has let go of it.
    pub(super) fn take(&mut self, id: u16) -> Buffer {
        let buffer = self.slots[usize::from(id)].take();
        self.vacant.push(id);
        buffer.expect("the kernel completes only with buffers it was given")
    }

    /// Ends the registration. Nothing that could pick a buffer may be in flight.
    pub(super) fn unregister(&mut self, kernel: &Kernel) {
        // Failure would mean that it was not registered; closing the ring ends it all the same.
        let _ = kernel.submitter().unregister_buf_ring(BUFFER_GROUP);
    }

    /// Gives all memory away for good, because the kernel may still write to it.
    pub(super) fn leak(&mut self) {
        std::mem::forget(std::mem::replace(self, Self::allocate(1)));
    }

    fn allocate(count: usize) -> Self {
        let layout = Layout::array::<BufRingEntry>(count)
            .and_then(|layout| layout.align_to(PAGE_BYTES))
            .expect("at most 32768 entries of 16 bytes");
        // SAFETY: the layout has a size: count is a power of two, so at least one.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(entries) = NonNull::new(memory.cast()) else {
            handle_alloc_error(layout)
        };
        ProvidedBuffers {
            entries,
            layout,
            slots: (0..count).map(|_| None).collect(),
            vacant: (0..count as u16).rev().collect(),
            lent_target: count.min(LENT_FIRST),
            modest_turns: 0,
            tail: 0,
        }
    }

    fn provide(&mut self, id: u16, mut chunk: Buffer) {
        assert_eq!(chunk.len(), CHUNK_BYTES, "the pool gives whole chunks");
        let mask = self.slots.len() as u16 - 1;
        let address = chunk[RECV_HEADROOM..].as_mut_ptr() as u64;
        // SAFETY: masked, the place lies within the allocation; an entry is plain numbers; and the
        // kernel does not look at places from its head to our published tail other than those it
        // was given, of which there are fewer than entries because `id` was vacant.
        let entry = unsafe { self.entries.add(usize::from(self.tail & mask)).as_mut() };
        entry.set_addr(address);
        entry.set_len(RECV_BYTES as u32);
        entry.set_bid(id);
        self.slots[usize::from(id)] = Some(chunk);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&self) {
        // SAFETY: `entries` is the start of the registered ring, where the tail lies in the first
        // entry's reserved field. It is aligned, and shared with the kernel only atomically.
        let tail =
            unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries.as_ptr()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

impl Drop for ProvidedBuffers {
    fn drop(&mut self) {
        // SAFETY: allocated in `allocate` with this layout. The ring either was never registered,
        // or was unregistered, or is closed already; `Ring::drop` leaks `self` where that is not
        // sure.
        unsafe { dealloc(self.entries.as_ptr().cast(), self.layout) }
    }
}
