//! The counter that makes each nonce unique under its key.
//!
//! ```text
//!  ├ 4 zero bytes ┤├ counter, u64 little-endian ┤
//! ```
//!
//! Each direction has its own key and its own counter, from 0, one step for each frame or record. No
//! caller ever sees or sets a nonce, so none can be used twice.

use super::aead::NONCE_BYTES;

/// The counter has been used up; the key must not seal or open anything more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NonceExhausted;

/// Gives one nonce after the other, and refuses rather than starting again.
#[derive(Debug)]
pub(super) struct NonceCounter {
    next: u64,
}

impl NonceCounter {
    pub(super) const fn new() -> Self {
        Self { next: 0 }
    }

    /// A counter just before its end, for tests of what follows.
    #[cfg(test)]
    pub(super) const fn at_last() -> Self {
        Self { next: u64::MAX - 1 }
    }

    /// The nonce whose turn it is. It stays so until [`NonceCounter::advance`].
    ///
    /// The value `u64::MAX` is never given out, as in the reference, which stops there.
    pub(super) fn current(&self) -> Result<[u8; NONCE_BYTES], NonceExhausted> {
        if self.next == u64::MAX {
            return Err(NonceExhausted);
        }
        let mut nonce = [0; NONCE_BYTES];
        nonce[4..].copy_from_slice(&self.next.to_le_bytes());
        Ok(nonce)
    }

    /// Marks the current nonce as used.
    pub(super) fn advance(&mut self) {
        debug_assert!(
            self.next < u64::MAX,
            "only a nonce that was given out is used up"
        );
        self.next = self.next.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_four_zero_bytes_and_a_little_endian_counter() {
        let mut counter = NonceCounter::new();
        assert_eq!(counter.current(), Ok([0; NONCE_BYTES]));
        for _ in 0..0x0102 {
            counter.advance();
        }
        assert_eq!(counter.current(), Ok([0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn the_counter_stops_at_its_end_instead_of_starting_again() {
        let mut counter = NonceCounter::at_last();
        assert!(counter.current().is_ok());
        counter.advance();
        assert_eq!(counter.current(), Err(NonceExhausted));
        assert_eq!(counter.current(), Err(NonceExhausted));
    }
}
