//! What stands before the content of each message: its place in the run and when it was sent.
//!
//! ```text
//!   | sequence, u64 LE | sent, u64 LE nanoseconds | content … |
//! ```
//!
//! The sequence keeps messages of equal content apart (gossip would take the second for a copy of
//! the first) and lets a node put them in order; the time gives the delay, since all nodes of the
//! process read one clock.

use bytes::{Bytes, BytesMut};

/// Bytes before the content.
pub(super) const STAMP_BYTES: usize = 16;

/// Place and time of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Place in the run, from zero.
    pub(super) sequence: u64,
    /// When it was published: nanoseconds since the run began.
    pub(super) sent_nanos: u64,
}

impl Stamp {
    /// The message as it travels.
    pub(super) fn seal(self, content: &[u8]) -> Bytes {
        let mut message = BytesMut::with_capacity(STAMP_BYTES + content.len());
        message.extend_from_slice(&self.sequence.to_le_bytes());
        message.extend_from_slice(&self.sent_nanos.to_le_bytes());
        message.extend_from_slice(content);
        message.freeze()
    }

    /// Stamp and content of a message; none if it is too short to carry a stamp.
    pub(super) fn open(mut message: Bytes) -> Option<(Stamp, Bytes)> {
        if message.len() < STAMP_BYTES {
            return None;
        }
        let content = message.split_off(STAMP_BYTES);
        let (sequence, sent_nanos) = message.split_at(8);
        let stamp = Stamp {
            sequence: u64::from_le_bytes(sequence.try_into().ok()?),
            sent_nanos: u64::from_le_bytes(sent_nanos.try_into().ok()?),
        };
        Some((stamp, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_opened() {
        let stamp = Stamp {
            sequence: u64::MAX - 1,
            sent_nanos: 7,
        };
        for content in [&b""[..], b"x", &[9; 5000]] {
            let (opened, found) = Stamp::open(stamp.seal(content)).expect("long enough");
            assert_eq!((opened, &found[..]), (stamp, content));
        }
    }

    #[test]
    fn a_message_too_short_for_a_stamp_is_refused() {
        assert!(Stamp::open(Bytes::from_static(&[0; STAMP_BYTES])).is_some());
        assert!(Stamp::open(Bytes::from_static(&[0; STAMP_BYTES - 1])).is_none());
    }
}
