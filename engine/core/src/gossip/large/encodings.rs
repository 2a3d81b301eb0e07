//! Payloads that are being encoded, a segment a turn: so a shard of the engine is never away for longer than
//! a segment takes (docs/decisions/0063).

use std::collections::VecDeque;

use ringwire_gossip::coded::{Encoder, Encoding};

/// Payloads that may wait to be encoded on one shard.
pub(super) const ENCODINGS_MAX: usize = 8;

/// Payloads in the order they were published.
#[derive(Debug, Default)]
pub(super) struct Encodings(VecDeque<Encoding>);

impl Encodings {
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= ENCODINGS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one more; there is room.
    pub(super) fn push(&mut self, encoding: Encoding) {
        debug_assert!(!self.is_full(), "the caller has asked");
        self.0.push_back(encoding);
    }

    /// Encodes a segment of the first; gives the payload when that was its last.
    pub(super) fn advance(&mut self) -> Option<Encoder> {
        if self.0.front_mut()?.advance() {
            return None;
        }
        self.0.pop_front().map(Encoding::finish)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ringwire_gossip::coded::SHARD_BYTES_MIN;

    use super::*;

    #[test]
    fn payloads_are_encoded_in_order_and_a_segment_a_turn() {
        let mut encodings = Encodings::default();
        for (seq, shards) in [(1, 129), (2, 20)] {
            let payload = Bytes::from(vec![0; shards * SHARD_BYTES_MIN]);
            let encoding = Encoding::new([0; 32], seq, payload, SHARD_BYTES_MIN);
            encodings.push(encoding.expect("a length that is coded"));
        }
        assert!(encodings.advance().is_none() && encodings.advance().is_none());
        let first = encodings.advance().expect("two segments are done");
        assert_eq!(first.manifest().seq(), 1);
        assert!(encodings.advance().is_none());
        assert_eq!(
            encodings.advance().expect("one is done").manifest().seq(),
            2
        );
        assert!(encodings.is_empty());
    }
}
