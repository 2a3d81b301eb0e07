//! Length-delimited messages: a varint length, then so many bytes.
//!
//! ```text
//! ├ varint length ┤├──── body, length bytes ────┤├ what follows is not ours
//!         consumed = both parts
//! ```
//!
//! Every message of the protocol travels this way: the handshake messages, NodeInfo and each
//! packet. A length over the caller's limit is refused from the prefix alone, before the body is
//! waited for, so a peer cannot make us hold room for a message we would never accept.

use bytes::BufMut;

use crate::error::DecodeError;
use crate::varint;

/// One delimited message that has come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimited<'a> {
    /// The message itself, borrowed from the input.
    pub body: &'a [u8],
    /// Bytes of the input that prefix and body take together.
    pub consumed: usize,
}

/// Reads the delimited message at the start of `bytes`; `max` limits its body, in bytes.
///
/// `None` means that more bytes are needed.
///
/// # Errors
///
/// [`DecodeError::TooLong`] for a length over `max`, [`DecodeError::VarintOverflow`] for a length
/// that is not a varint of 64 bits.
#[inline]
pub fn decode(bytes: &[u8], max: usize) -> Result<Option<Delimited<'_>>, DecodeError> {
    let Some((len, prefix_len)) = varint::decode(bytes)? else {
        return Ok(None);
    };
    if len > max as u64 {
        return Err(DecodeError::TooLong {
            what: "delimited message",
            len,
            max: max as u64,
        });
    }
    // `len` fits, as it is not over `max`; the sum is compared by subtraction, so it cannot wrap.
    let len = len as usize;
    let after_prefix = &bytes[prefix_len..];
    Ok(after_prefix.get(..len).map(|body| Delimited {
        body,
        consumed: prefix_len + len,
    }))
}

/// The number of bytes that a body of `body_len` bytes takes together with its prefix.
#[must_use]
pub const fn encoded_len(body_len: usize) -> usize {
    varint::encoded_len(body_len as u64) + body_len
}

/// Appends `body` behind its length to `buf`.
///
/// # Panics
///
/// If `buf` has less than [`encoded_len`] bytes of room left.
pub fn encode(body: &[u8], buf: &mut impl BufMut) {
    varint::encode(body.len() as u64, buf);
    buf.put_slice(body);
}

/// Fuzz target: a message that is read lies within its input and its limit, and is written back.
#[doc(hidden)]
pub fn fuzz_delimited(bytes: &[u8]) {
    const MAX: usize = 300;
    let Ok(Some(message)) = decode(bytes, MAX) else {
        return;
    };
    assert!(message.body.len() <= MAX && message.consumed <= bytes.len());
    let mut written = Vec::new();
    encode(message.body, &mut written);
    assert_eq!(written.len(), encoded_len(message.body.len()));
    let again = decode(&written, MAX).expect("we wrote it within the limit");
    assert_eq!(again.map(|again| again.body), Some(message.body));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(body: &[u8]) -> Vec<u8> {
        let mut buf = Vec::new();
        encode(body, &mut buf);
        buf
    }

    // Conformance item 96.
    #[test]
    fn bodies_of_any_length_come_back_one_after_the_other() {
        let bodies: Vec<Vec<u8>> = [0, 1, 127, 128, 4096].map(|len| vec![7; len]).to_vec();
        let stream: Vec<u8> = bodies.iter().flat_map(|body| encoded(body)).collect();
        let mut rest = stream.as_slice();
        for body in &bodies {
            let message = decode(rest, 4096).unwrap().unwrap();
            assert_eq!(message.body, body.as_slice());
            rest = &rest[message.consumed..];
        }
        assert!(rest.is_empty());
    }

    // Conformance item 96.
    #[test]
    fn a_body_at_the_limit_passes_and_one_byte_more_is_refused() {
        let bytes = encoded(&[1; 200]);
        assert_eq!(decode(&bytes, 200).unwrap().unwrap().body.len(), 200);
        let too_long = DecodeError::TooLong {
            what: "delimited message",
            len: 200,
            max: 199,
        };
        assert_eq!(decode(&bytes, 199), Err(too_long));
    }

    // Conformance item 96.
    #[test]
    fn a_length_over_the_limit_is_refused_before_the_body_has_come() {
        assert!(matches!(
            decode(&[0xc8, 0x01], 199),
            Err(DecodeError::TooLong { len: 200, .. })
        ));
        let mut longest = [0xff; 10];
        longest[9] = 1;
        assert!(matches!(
            decode(&longest, usize::MAX - 1),
            Err(DecodeError::TooLong { .. })
        ));
    }

    // Conformance item 96.
    #[test]
    fn every_proper_prefix_asks_for_more() {
        let bytes = encoded(&[9; 150]);
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len], 150), Ok(None));
        }
    }

    // Conformance item 96.
    #[test]
    fn a_length_that_is_no_varint_is_an_error() {
        assert_eq!(decode(&[0xff; 11], 10), Err(DecodeError::VarintOverflow));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(body: Vec<u8>, tail: Vec<u8>) {
            let mut bytes = encoded(&body);
            let consumed = bytes.len();
            bytes.extend(tail);
            let message = Delimited { body: &body, consumed };
            prop_assert_eq!(decode(&bytes, body.len()), Ok(Some(message)));
        }

        #[test]
        fn any_bytes_are_answered(bytes: Vec<u8>) {
            fuzz_delimited(&bytes);
        }
    }
}
