//! [`Publisher`]: payloads of this node's application on their way to be spread.
//!
//! ```text
//!  asked ────▶ refused if there is no room ─┐
//!  published ▶ waits for room ──────────────┴─▶ encoded, a segment a turn ──▶ Encoder
//! ```

use std::collections::VecDeque;

use bytes::Bytes;
use ringwire_gossip::coded::{Encoder, Encoding, Fault, Origin, shard_bytes_of};
use thiserror::Error;

use super::encodings::{ENCODINGS_MAX, Encodings};

/// Why a payload is not published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum PublishRefused {
    /// Payloads wait to be encoded, as many as may: try again later, or on another shard.
    #[error("{} payloads wait to be encoded already", ENCODINGS_MAX)]
    Busy,
    /// The payload is too short to be coded, or too long.
    #[error("not a large payload: {0}")]
    Length(Fault),
}

/// What a publisher has counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Published {
    /// Payloads that were begun to be encoded.
    pub(super) begun: u64,
    /// Payloads that were published and could not be.
    pub(super) refused: u64,
}

/// What is to be published on one shard.
#[derive(Debug)]
pub(super) struct Publisher {
    /// What the payloads name as their origin.
    origin: Origin,
    /// The number of the next.
    next_seq: u64,
    /// Bytes of a shard; what suits a payload's length if that is not set.
    shard_bytes: Option<usize>,
    encodings: Encodings,
    /// What publishers gave beyond that: they learn only once a turn that there is no room.
    waiting: VecDeque<Bytes>,
    published: Published,
}

impl Publisher {
    /// Of an origin, whose numbers begin anywhere.
    pub(super) fn new(origin: Origin, first_seq: u64, shard_bytes: Option<usize>) -> Self {
        Publisher {
            origin,
            next_seq: first_seq,
            shard_bytes,
            encodings: Encodings::default(),
            waiting: VecDeque::new(),
            published: Published::default(),
        }
    }

    /// Whether publishers may go on.
    pub(super) fn has_room(&self) -> bool {
        !self.encodings.is_full() && self.waiting.is_empty()
    }

    /// Whether there is something to encode.
    pub(super) fn has_work(&self) -> bool {
        !self.encodings.is_empty()
    }

    /// What was counted.
    pub(super) fn published(&self) -> Published {
        self.published
    }

    /// Begins to encode a payload.
    ///
    /// # Errors
    /// [`PublishRefused`] if there is no room for it, or it is no large payload.
    pub(super) fn begin(&mut self, payload: Bytes) -> Result<(), PublishRefused> {
        if self.encodings.is_full() {
            return Err(PublishRefused::Busy);
        }
        let shard_bytes = self.shard_bytes;
        let shard_bytes = shard_bytes.unwrap_or_else(|| shard_bytes_of(payload.len()));
        let encoding = Encoding::new(self.origin, self.next_seq, payload, shard_bytes)
            .map_err(PublishRefused::Length)?;
        self.next_seq = self.next_seq.wrapping_add(1);
        self.encodings.push(encoding);
        self.published.begun += 1;
        Ok(())
    }

    /// Takes a payload whatever waits. One that cannot be published is counted.
    pub(super) fn push(&mut self, payload: Bytes) {
        if self.encodings.is_full() {
            self.waiting.push_back(payload);
        } else {
            self.begin_or_count(payload);
        }
    }

    /// Encodes a segment, and begins with what waits if there is room then. Gives the payload when that was its last.
    pub(super) fn advance(&mut self) -> Option<Encoder> {
        let encoder = self.encodings.advance();
        while !self.encodings.is_full()
            && let Some(payload) = self.waiting.pop_front()
        {
            self.begin_or_count(payload);
        }
        encoder
    }

    fn begin_or_count(&mut self, payload: Bytes) {
        if self.begin(payload).is_err() {
            self.published.refused += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use ringwire_gossip::coded::SHARD_BYTES_MIN;

    use super::*;

    fn publisher() -> Publisher {
        Publisher::new([1; 32], u64::MAX, Some(SHARD_BYTES_MIN))
    }

    /// A payload of one segment.
    fn payload() -> Bytes {
        vec![0; 20 * SHARD_BYTES_MIN].into()
    }

    /// Encodes segments until a payload is done, and gives its number.
    fn encode(publisher: &mut Publisher) -> u64 {
        while publisher.has_work() {
            if let Some(encoder) = publisher.advance() {
                return encoder.manifest().seq();
            }
        }
        panic!("there is nothing to encode");
    }

    #[test]
    fn who_asks_is_refused_without_room_and_who_publishes_waits_for_it() {
        let mut publisher = publisher();
        assert!(!publisher.has_work());
        for _ in 0..ENCODINGS_MAX {
            assert!(publisher.has_room());
            assert_eq!(publisher.begin(payload()), Ok(()));
        }
        assert_eq!(publisher.begin(payload()), Err(PublishRefused::Busy));
        publisher.push(payload());
        assert!(!publisher.has_room());
        assert_eq!(encode(&mut publisher), u64::MAX);
        assert!(!publisher.has_room(), "what waited has the place");
        assert_eq!(publisher.begin(payload()), Err(PublishRefused::Busy));
        for seq in 0..ENCODINGS_MAX as u64 {
            assert_eq!(encode(&mut publisher), seq);
        }
        assert!(publisher.has_room() && !publisher.has_work());
        let begun = ENCODINGS_MAX as u64 + 1;
        assert_eq!(publisher.published(), Published { begun, refused: 0 });
    }

    #[test]
    fn what_is_no_large_payload_is_refused_or_counted_and_has_no_number() {
        let mut publisher = publisher();
        let short = Bytes::from_static(b"vote");
        let refused = publisher.begin(short.clone());
        assert!(matches!(refused, Err(PublishRefused::Length(_))));
        publisher.push(short);
        assert_eq!(
            (publisher.published().refused, publisher.has_work()),
            (1, false)
        );
        publisher.push(payload());
        assert_eq!(encode(&mut publisher), u64::MAX);
    }
}
