//! What it costs to keep a message: the one figure by which every queue of the engine is bounded.
//!
//! The payload alone says little. A queue of eight-byte messages holds mostly handles, headers and
//! the allocator's rounding, so a bound on payload would let a peer take a hundred times as much
//! memory as it names. Everything that keeps messages of peers therefore charges
//! [`memory_cost`]:
//!
//! ```text
//!   ENTRY_BYTES                         + payload, rounded up to the allocator's class
//!   handle in the queue, room to grow,     jemalloc has four classes per doubling, so at most
//!   header that the clones share           a quarter is lost
//! ```
//!
//! What a slice pins beside its own bytes is bounded elsewhere: messages under
//! [`super::COPY_OUT_BYTES`] are never slices of a chunk, and of the chunks only a part may be out
//! as slices (see [`super::BufferPool`]).

use bytes::Bytes;

/// Bytes that a queued message costs beside its payload: a queue's entry with a handle, an id and a
/// channel (56 bytes), the same again because a queue that grows has up to twice the room, and the
/// counted header of the shared payload.
pub const ENTRY_BYTES: usize = 144;

const _: () = assert!(
    2 * (size_of::<Bytes>() + 24) + 32 <= ENTRY_BYTES,
    "an entry is charged in full"
);

/// Bytes of memory that a queue needs at most to keep a message of so many bytes.
#[inline]
#[must_use]
pub const fn memory_cost(payload_bytes: usize) -> usize {
    ENTRY_BYTES + payload_bytes + payload_bytes / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The allocator's class of a size: four per doubling, steps of 16 bytes below 128.
    fn class_of(bytes: usize) -> usize {
        let step = match bytes {
            0..=128 => 16,
            _ => (bytes - 1).next_power_of_two() / 8,
        };
        bytes.next_multiple_of(step)
    }

    #[test]
    fn a_message_is_charged_its_class_and_its_entry() {
        for bytes in (0..9000).chain([65_536, 1_000_003, 22_020_096]) {
            let least = class_of(bytes) + 2 * (size_of::<Bytes>() + 24);
            assert!(memory_cost(bytes) >= least, "{bytes} bytes");
        }
    }

    #[test]
    fn an_empty_message_is_not_free() {
        assert_eq!(memory_cost(0), ENTRY_BYTES);
        assert!(memory_cost(8) > 8 * 16);
    }
}
