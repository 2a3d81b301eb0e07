//! Where a message that came in several packets is put together.
//!
//! Its length is known only at its end, so the buffer starts at the size that the last message of
//! its channel needed and moves to the next size when that was too little:
//!
//! ```text
//!   take(size of the last message) ─▶ ######...... ─full─▶ take(twice) ─▶ #########.......
//!                                                                              │ end of message
//!        the pool  ◀── remainder, used again when the message is gone ─────────┴──▶ message
//! ```
//!
//! A message leaves with the buffer it was gathered in, unless that is much larger than the message:
//! what an application keeps must not pin many times its size.

use bytes::{Bytes, BytesMut};

use super::pool::{BufferPool, COPY_OUT_BYTES};

/// A message may pin a buffer of so many times its length.
pub(super) const PINNED_MAX: usize = 4;

/// Bytes of the smallest buffer that a message is gathered in: what comes in several packets is
/// seldom shorter.
const GATHER_BYTES_MIN: usize = 4096;

/// The part of a message that has come so far. Holds no memory between messages.
#[derive(Debug, Default)]
pub struct GatherBuf {
    bytes: BytesMut,
    /// Bytes of the last message: what the next one likely needs.
    usual: usize,
}

impl GatherBuf {
    /// Bytes gathered so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory taken; none between messages.
    pub fn room(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether no message has begun.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a part. No buffer is taken that holds more than `max` bytes, the longest message; the
    /// caller has checked that the parts together are no longer.
    #[inline]
    pub fn extend(&mut self, part: &[u8], max: usize, pool: &mut BufferPool) {
        let needed = self.bytes.len() + part.len();
        debug_assert!(needed <= max);
        if needed > self.bytes.capacity() {
            self.grow(needed, max, pool);
        }
        self.bytes.extend_from_slice(part);
    }

    /// The message, whole.
    pub fn finish(&mut self, pool: &mut BufferPool) -> Bytes {
        let mut gathered = std::mem::take(&mut self.bytes);
        let (len, room) = (gathered.len(), gathered.capacity());
        self.usual = len;
        let message = if len < COPY_OUT_BYTES {
            pool.copy_out(&gathered)
        } else if len < room / PINNED_MAX {
            Bytes::copy_from_slice(&gathered)
        } else {
            gathered.split().freeze()
        };
        pool.give_back_sized(gathered, room);
        message
    }

    /// Moves to a buffer that holds `needed`. Made by hand, because growing in place may take more
    /// than the maximum allows.
    #[cold]
    fn grow(&mut self, needed: usize, max: usize, pool: &mut BufferPool) {
        let likely = needed.max(self.usual.min(max));
        let mut grown = pool.take_sized(likely.max(GATHER_BYTES_MIN), max);
        grown.extend_from_slice(&self.bytes);
        let full = std::mem::replace(&mut self.bytes, grown);
        let room = full.capacity();
        pool.give_back_sized(full, room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::PoolLimits;

    const MAX: usize = 100_000;

    fn pool() -> BufferPool {
        BufferPool::new(PoolLimits::default())
    }

    fn gathered(gather: &mut GatherBuf, pool: &mut BufferPool, parts: &[usize]) -> Bytes {
        for (fill, part) in (0..).zip(parts) {
            gather.extend(&vec![fill; *part], MAX, pool);
        }
        gather.finish(pool)
    }

    #[test]
    fn a_message_is_its_parts_in_order() {
        let (mut gather, mut pool) = (GatherBuf::default(), pool());
        for parts in [
            &[1, 2, 3][..],
            &[4000, 95],
            &[4000, 96],
            &[50_000, 1, 49_999],
        ] {
            let message = gathered(&mut gather, &mut pool, parts);
            let expected: Vec<u8> = (0..)
                .zip(parts)
                .flat_map(|(fill, part)| vec![fill; *part])
                .collect();
            assert_eq!(message, expected);
            assert!(gather.is_empty() && gather.room() == 0);
        }
    }

    #[test]
    fn a_buffer_grows_by_class_and_never_over_the_longest_message() {
        let (mut gather, mut pool) = (GatherBuf::default(), pool());
        gather.extend(&[1; 10], 10_000, &mut pool);
        assert_eq!(gather.room(), 4096);
        gather.extend(&[2; 9_000], 10_000, &mut pool);
        assert_eq!(gather.room(), 10_000);
    }

    #[test]
    fn messages_of_the_same_length_use_one_buffer_in_turn_and_copy_nothing_twice() {
        let (mut gather, mut pool) = (GatherBuf::default(), pool());
        drop(gathered(&mut gather, &mut pool, &[30_000, 35_536]));
        let allocated = pool.counters().allocated;
        for _ in 0..10 {
            gather.extend(&[1], MAX, &mut pool);
            assert_eq!(gather.room(), 65_536);
            drop(gathered(&mut gather, &mut pool, &[30_000, 35_535]));
        }
        assert_eq!(pool.counters().allocated, allocated);
    }

    #[test]
    fn a_message_that_is_kept_stays_as_it_was() {
        let (mut gather, mut pool) = (GatherBuf::default(), pool());
        let kept: Vec<_> = (0..40)
            .map(|number| {
                gather.extend(&[number; 5_000], MAX, &mut pool);
                gather.finish(&mut pool)
            })
            .collect();
        for (number, message) in (0..).zip(&kept) {
            assert!(message[..] == [number; 5_000]);
        }
    }

    #[test]
    fn a_short_message_does_not_pin_the_buffer_of_a_long_one() {
        let (mut gather, mut pool) = (GatherBuf::default(), pool());
        drop(gathered(&mut gather, &mut pool, &[30_000, 35_000]));
        let (short, long) = (131_072 / PINNED_MAX - 1, 131_072 / PINNED_MAX);
        let buffer = |message: &Bytes| message.as_ptr();
        gather.usual = 65_537;
        gather.extend(&vec![1; short], 1 << 20, &mut pool);
        let gathered_in = gather.bytes.as_ptr();
        let message = gather.finish(&mut pool);
        assert_ne!(buffer(&message), gathered_in);
        gather.usual = 65_537;
        gather.extend(&vec![1; long], 1 << 20, &mut pool);
        let gathered_in = gather.bytes.as_ptr();
        assert_eq!(buffer(&gather.finish(&mut pool)), gathered_in);
    }
}
