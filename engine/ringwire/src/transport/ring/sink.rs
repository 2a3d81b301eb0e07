//! Where the bytes of closed Unix sockets go: memory that the kernel writes to and nobody reads.
//!
//! One for all links of a ring: what they write into each other's bytes is of no interest to anybody.

use std::cell::UnsafeCell;

/// Bytes that one receive discards at most.
const SINK_BYTES: usize = 64 * 1024;

/// The sink of a ring; it takes no memory until it is used.
#[derive(Debug, Default)]
pub(super) struct Sink(Option<Box<UnsafeCell<[u8; SINK_BYTES]>>>);

impl Sink {
    /// Where the kernel may write, and how much. It lies where it is until the sink is dropped, or for ever
    /// after [`Sink::leak`].
    pub(super) fn memory(&mut self) -> (*mut u8, u32) {
        let memory = self
            .0
            .get_or_insert_with(|| Box::new(UnsafeCell::new([0; SINK_BYTES])));
        (memory.get().cast(), SINK_BYTES as u32)
    }

    /// Gives the memory away for good, because the kernel may still write to it.
    pub(super) fn leak(&mut self) {
        std::mem::forget(self.0.take());
    }
}
