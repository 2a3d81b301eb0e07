//! jemalloc with a counter in front of it: how often memory was asked for.
//!
//! Threads count on cache lines of their own, so that counting does not become what is measured.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use jemallocator::Jemalloc;

/// Counters; threads take them in turn. More threads than counters share, which is slower and
/// still right.
const LANES: usize = 64;
/// The lane of a thread that has not allocated yet.
const NONE: usize = usize::MAX;

/// One counter, alone on its pair of cache lines.
#[repr(align(128))]
struct Lane(AtomicU64);

static COUNTS: [Lane; LANES] = [const { Lane(AtomicU64::new(0)) }; LANES];
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static LANE: Cell<usize> = const { Cell::new(NONE) };
}

/// The allocator of all benches: `#[global_allocator] static ALLOCATOR: Counting = Counting;`
#[derive(Debug)]
pub struct Counting;

/// How often this process has allocated or grown memory so far, all threads together. Stays zero
/// in a program that does not install [`Counting`].
pub fn allocations() -> u64 {
    COUNTS
        .iter()
        .map(|lane| lane.0.load(Ordering::Relaxed))
        .sum()
}

fn count() {
    // A `const` cell without a destructor needs no allocation and outlives the thread's others.
    let lane = LANE.with(|lane| {
        if lane.get() == NONE {
            lane.set(NEXT.fetch_add(1, Ordering::Relaxed) % LANES);
        }
        lane.get()
    });
    COUNTS[lane].0.fetch_add(1, Ordering::Relaxed);
}

// SAFETY: every call is passed on to jemalloc unchanged; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is jemalloc's.
        unsafe { Jemalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is jemalloc's.
        unsafe { Jemalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is jemalloc's, and all memory comes from jemalloc.
        unsafe { Jemalloc.realloc(memory, layout, bytes) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is jemalloc's, and all memory comes from jemalloc.
        unsafe { Jemalloc.dealloc(memory, layout) }
    }
}
