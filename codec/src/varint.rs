//! Unsigned LEB128 varints, as protobuf writes them: seven bits a byte, lowest first, the top bit
//! set on every byte but the last.
//!
//! ```text
//! 300 = 0b10_0101100   ─►   1·0101100  0·0000010   =  ac 02
//! ```
//!
//! Invariant: what [`encode`] writes is [`encoded_len`] bytes long and [`decode`] reads it back.
//! Longer spellings of a number (`80 00` for 0) are read, as the reference reads them, up to ten
//! bytes and 64 bits.

use bytes::BufMut;

use crate::error::DecodeError;

/// The most bytes a varint of 64 bits can take.
pub const VARINT_BYTES_MAX: usize = 10;

const MORE: u8 = 0x80;
const BITS_PER_BYTE: u32 = 7;

/// The number of bytes that `value` takes, 1 to 10.
#[must_use]
pub const fn encoded_len(value: u64) -> usize {
    // Nearly all numbers here are lengths of packets and their parts: one comparison, or two.
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => (u64::BITS - value.leading_zeros()).div_ceil(BITS_PER_BYTE) as usize,
    }
}

/// Appends `value` to `buf`.
///
/// # Panics
///
/// If `buf` has less than [`encoded_len`] bytes of room left.
pub fn encode(value: u64, buf: &mut impl BufMut) {
    let mut bytes = [0; VARINT_BYTES_MAX];
    let len = write(value, &mut bytes);
    buf.put_slice(&bytes[..len]);
}

/// Writes `value` at the start of `out` and returns how many bytes it took.
///
/// # Panics
///
/// If `out` is shorter than [`encoded_len`] of the value.
#[inline]
pub fn write(value: u64, out: &mut [u8]) -> usize {
    // As in `decode`: one byte or two without a loop.
    match (value, &mut *out) {
        (0..0x80, [byte, ..]) => {
            *byte = value as u8;
            1
        }
        (0x80..0x4000, [low, high, ..]) => {
            *low = (value & 0xff) as u8 | MORE;
            *high = (value >> BITS_PER_BYTE) as u8;
            2
        }
        _ => write_long(value, out),
    }
}

fn write_long(mut value: u64, out: &mut [u8]) -> usize {
    let mut at = 0;
    while value >= u64::from(MORE) {
        // The mask keeps the low byte only, so nothing is lost by the cast.
        out[at] = (value & 0xff) as u8 | MORE;
        value >>= BITS_PER_BYTE;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

/// Reads the varint at the start of `bytes`: its value and the number of bytes it took.
///
/// `None` means that the bytes end before the varint does, so more are needed.
///
/// # Errors
///
/// [`DecodeError::VarintOverflow`] for more than ten bytes or more than 64 bits, as soon as that is
/// certain.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Option<(u64, usize)>, DecodeError> {
    // Tags and small integers take one byte, lengths of packets from 128 bytes to 16 KiB two.
    match *bytes {
        [] => Ok(None),
        [byte, ..] if byte < MORE => Ok(Some((u64::from(byte), 1))),
        [low, high, ..] if high < MORE => {
            let value = u64::from(low & !MORE) | u64::from(high) << BITS_PER_BYTE;
            Ok(Some((value, 2)))
        }
        _ => decode_long(bytes),
    }
}

fn decode_long(bytes: &[u8]) -> Result<Option<(u64, usize)>, DecodeError> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        // Nine bytes carry 63 bits, so the tenth has room for the last bit and nothing more.
        if at == VARINT_BYTES_MAX - 1 && byte > 1 {
            return Err(DecodeError::VarintOverflow);
        }
        value |= u64::from(byte & !MORE) << (BITS_PER_BYTE as usize * at);
        if byte < MORE {
            return Ok(Some((value, at + 1)));
        }
    }
    Ok(None)
}

/// Fuzz target: whatever is read can be written and read again.
#[doc(hidden)]
pub fn fuzz_varint(bytes: &[u8]) {
    let Ok(Some((value, len))) = decode(bytes) else {
        return;
    };
    assert!(len <= bytes.len().min(VARINT_BYTES_MAX));
    let mut written = Vec::new();
    encode(value, &mut written);
    assert!(written.len() <= len);
    assert_eq!(decode(&written), Ok(Some((value, written.len()))));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(value: u64) -> Vec<u8> {
        let mut buf = Vec::new();
        encode(value, &mut buf);
        buf
    }

    #[test]
    fn known_values_have_their_known_bytes() {
        assert_eq!(encoded(0), [0]);
        assert_eq!(encoded(127), [0x7f]);
        assert_eq!(encoded(128), [0x80, 0x01]);
        assert_eq!(encoded(300), [0xac, 0x02]);
        assert_eq!(
            encoded(u64::MAX),
            [255, 255, 255, 255, 255, 255, 255, 255, 255, 1]
        );
    }

    #[test]
    fn the_length_changes_at_each_seven_bits() {
        for bytes in 1..=9 {
            let first_longer = 1u64 << (7 * bytes);
            assert_eq!(encoded_len(first_longer - 1), bytes);
            assert_eq!(encoded_len(first_longer), bytes + 1);
        }
    }

    #[test]
    fn every_proper_prefix_asks_for_more() {
        let whole = encoded(u64::MAX);
        for len in 0..whole.len() {
            assert_eq!(decode(&whole[..len]), Ok(None));
        }
    }

    #[test]
    fn sixty_four_bits_pass_and_sixty_five_are_refused() {
        let mut bytes = [0xff; 10];
        bytes[9] = 1;
        assert_eq!(decode(&bytes), Ok(Some((u64::MAX, 10))));
        bytes[9] = 2;
        assert_eq!(decode(&bytes), Err(DecodeError::VarintOverflow));
    }

    #[test]
    fn an_eleventh_byte_is_refused() {
        assert_eq!(decode(&[0x80; 10]), Err(DecodeError::VarintOverflow));
        assert_eq!(decode(&[0x80; 9]), Ok(None));
    }

    #[test]
    fn a_longer_spelling_is_read_as_the_reference_reads_it() {
        assert_eq!(decode(&[0x80, 0x00]), Ok(Some((0, 2))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value: u64, tail: Vec<u8>) {
            let mut bytes = encoded(value);
            let len = bytes.len();
            prop_assert_eq!(len, encoded_len(value));
            bytes.extend(tail);
            prop_assert_eq!(decode(&bytes), Ok(Some((value, len))));
        }

        #[test]
        fn any_bytes_are_answered(bytes: Vec<u8>) {
            fuzz_varint(&bytes);
        }
    }
}
