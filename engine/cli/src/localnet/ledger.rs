//! What one node holds of a run, and whether it is what was sent: each message once, every byte.
//!
//! ```text
//!   arrivals ──▶ | 0 1 2 3 4 | · 6 7 · 9 |          in order up to `next`: hashed and forgotten
//!                            ▲                      ahead of a gap: kept until the gap is closed
//!                           next
//! ```
//!
//! Two digests come of it. `stream` is the BLAKE3 of the contents in order: that of the input, if
//! the node can rebuild it byte for byte. `set` is the sum of the BLAKE3 of each message with its
//! sequence, so it does not depend on the order of arrival.

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;

/// Messages kept ahead of a gap at most. The window of the sender is far below it, so more means
/// that a message was lost for good.
const EARLY_MAX: usize = 1 << 16;

/// The messages of a run as one node has them.
#[derive(Default)]
pub(super) struct Ledger {
    /// Sequence of the first message not here yet.
    next: u64,
    /// Messages behind a gap.
    early: BTreeMap<u64, Bytes>,
    content_bytes: u64,
    stream: blake3::Hasher,
    set: SetDigest,
}

/// A message that should not have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum LedgerError {
    /// It was here before.
    #[error("message {0} came twice")]
    Duplicate(u64),
    /// One before it is missing for so long that it cannot come any more.
    #[error("message {0} is missing")]
    Lost(u64),
}

/// What a node holds, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holding {
    /// Messages.
    pub(super) messages: u64,
    /// Bytes of their contents.
    pub(super) content_bytes: u64,
    /// Digest of the contents in order. Says nothing while a gap is open.
    pub(super) stream: blake3::Hash,
    /// Digest of the messages in any order.
    pub(super) set: SetDigest,
    /// The first message that is missing though a later one is here.
    pub(super) gap: Option<u64>,
}

impl Ledger {
    /// Takes a message in.
    ///
    /// # Errors
    /// It came twice, or too many are kept behind a gap.
    pub(super) fn enter(&mut self, sequence: u64, content: Bytes) -> Result<(), LedgerError> {
        if sequence < self.next || self.early.contains_key(&sequence) {
            return Err(LedgerError::Duplicate(sequence));
        }
        if self.early.len() == EARLY_MAX && sequence != self.next {
            return Err(LedgerError::Lost(self.next));
        }
        self.content_bytes += content.len() as u64;
        self.set.add(sequence, &content);
        self.early.insert(sequence, content);
        while let Some(content) = self.early.remove(&self.next) {
            self.stream.update(&content);
            self.next += 1;
        }
        Ok(())
    }

    /// Messages taken in so far.
    pub(super) fn messages(&self) -> u64 {
        self.next + self.early.len() as u64
    }

    /// Bytes of the contents taken in so far.
    pub(super) fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// What is held now.
    pub(super) fn holding(&self) -> Holding {
        Holding {
            messages: self.messages(),
            content_bytes: self.content_bytes,
            stream: self.stream.finalize(),
            set: self.set,
            gap: (!self.early.is_empty()).then_some(self.next),
        }
    }
}

/// A digest of a set of messages: the sum of their hashes, modulo 2^256 in four lanes. Unlike an
/// exclusive or, a sum does not forget a message that is there twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SetDigest([u64; 4]);

impl SetDigest {
    fn add(&mut self, sequence: u64, content: &[u8]) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&sequence.to_le_bytes()).update(content);
        let hash = hasher.finalize();
        for (lane, part) in self.0.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
            // Chunks of exactly eight bytes convert without fail.
            let part = u64::from_le_bytes(part.try_into().unwrap_or_default());
            *lane = lane.wrapping_add(part);
        }
    }

    /// The first `digits` (at most 64) hex digits.
    pub(super) fn hex(&self, digits: usize) -> String {
        let mut text: String = self.0.iter().map(|lane| format!("{lane:016x}")).collect();
        text.truncate(digits);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter_all(order: &[u64]) -> Ledger {
        let mut ledger = Ledger::default();
        for sequence in order {
            ledger
                .enter(*sequence, content(*sequence))
                .expect("each message once");
        }
        ledger
    }

    fn content(sequence: u64) -> Bytes {
        Bytes::from(format!("content {sequence};"))
    }

    #[test]
    fn any_order_of_arrival_gives_the_same_holding() {
        let straight = enter_all(&[0, 1, 2, 3, 4]).holding();
        assert_eq!(enter_all(&[4, 0, 3, 1, 2]).holding(), straight);
        assert_eq!(straight.messages, 5);
        let whole: Vec<u8> = (0..5).flat_map(content).collect();
        assert_eq!(straight.stream, blake3::hash(&whole));
        assert_eq!(straight.content_bytes, whole.len() as u64);
    }

    #[test]
    fn a_message_that_comes_twice_is_refused_before_and_behind_a_gap() {
        let mut ledger = enter_all(&[0, 1, 3]);
        assert_eq!(ledger.enter(1, content(1)), Err(LedgerError::Duplicate(1)));
        assert_eq!(ledger.enter(3, content(3)), Err(LedgerError::Duplicate(3)));
        assert_eq!(ledger.messages(), 3);
    }

    #[test]
    fn a_gap_is_named_until_it_is_closed() {
        let mut ledger = enter_all(&[0, 2]);
        assert_eq!(ledger.holding().gap, Some(1));
        ledger.enter(1, content(1)).expect("the missing one");
        assert_eq!(ledger.holding().gap, None);
    }

    #[test]
    fn a_gap_that_stays_open_is_reported_as_a_loss() {
        let mut ledger = Ledger::default();
        for sequence in 1..=EARLY_MAX as u64 {
            assert_eq!(ledger.enter(sequence, Bytes::new()), Ok(()));
        }
        let beyond = EARLY_MAX as u64 + 1;
        assert_eq!(
            ledger.enter(beyond, Bytes::new()),
            Err(LedgerError::Lost(0))
        );
        assert_eq!(
            ledger.enter(0, Bytes::new()),
            Ok(()),
            "the missing one is still welcome"
        );
    }

    #[test]
    fn another_content_or_place_gives_another_digest() {
        let mut other = Ledger::default();
        other.enter(0, content(1)).expect("the first");
        assert_ne!(other.holding().set, enter_all(&[0]).holding().set);
        let mut swapped = Ledger::default();
        swapped.enter(0, content(1)).expect("the first");
        swapped.enter(1, content(0)).expect("the second");
        assert_ne!(swapped.holding().set, enter_all(&[0, 1]).holding().set);
        assert_eq!(swapped.holding().set.hex(16).len(), 16);
    }
}
