//! [`UncheckedMessages`]: messages that wait for the owner's verdict, within a number of bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::held::Key;
use super::output::Delivery;
use super::slot::Slot;

/// What keeping a message for its check takes beside its payload: about what its entries in tables do.
const UNCHECKED_BYTES: usize = 256;

/// A message that came, and who sent it: it may wait for its verdict.
#[derive(Debug)]
pub(super) struct Unchecked {
    /// `None` when the link is gone.
    pub(super) slot: Option<Slot>,
    pub(super) came_at: Duration,
    /// When the link was asked for it, if it was.
    pub(super) asked_at: Option<Duration>,
    pub(super) left_ms: u32,
    pub(super) delivery: Delivery,
}

impl Unchecked {
    fn bytes(&self) -> usize {
        UNCHECKED_BYTES + self.delivery.payload.len()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct UncheckedMessages {
    waiting: BTreeMap<Key, Unchecked>,
    bytes: usize,
}

impl UncheckedMessages {
    /// Whether the message still finds room within so many bytes.
    pub(super) fn has_room(&self, message: &Unchecked, bytes_max: usize) -> bool {
        self.bytes + message.bytes() <= bytes_max
    }

    /// Whether half of so many bytes are taken.
    pub(super) fn is_half_full(&self, bytes_max: usize) -> bool {
        self.bytes >= bytes_max / 2 && self.bytes > 0
    }

    /// A message waits.
    pub(super) fn insert(&mut self, key: Key, message: Unchecked) {
        self.bytes += message.bytes();
        let before = self.waiting.insert(key, message);
        debug_assert!(before.is_none(), "a message is checked once");
    }

    /// The message has its verdict, or is not waited for any more.
    pub(super) fn remove(&mut self, key: Key) -> Option<Unchecked> {
        let message = self.waiting.remove(&key)?;
        self.bytes -= message.bytes();
        Some(message)
    }

    /// Another link may get this place.
    pub(super) fn handle_link_down(&mut self, slot: Slot) {
        for message in self.waiting.values_mut() {
            message.slot.take_if(|from| *from == slot);
        }
    }

    /// Bytes that their entries take, without payloads.
    pub(super) fn index_bytes(&self) -> usize {
        self.waiting.len() * UNCHECKED_BYTES
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::message::Alias;
    use super::*;

    fn message(slot: usize) -> Unchecked {
        Unchecked {
            slot: Slot::new(slot),
            came_at: Duration::ZERO,
            asked_at: None,
            left_ms: 0,
            delivery: Delivery {
                origin: [1; 32],
                seq: 5,
                index: 0,
                urgent: false,
                is_bundle: false,
                priority: 0,
                ends: false,
                signature: None,
                members: None,
                payload: Bytes::from_static(b"vote"),
            },
        }
    }

    #[test]
    fn messages_wait_within_their_bytes_and_forget_links_that_are_gone() {
        let mut unchecked = UncheckedMessages::default();
        let key = |seq| (Alias::new(1).unwrap().into(), seq);
        let two = 2 * (UNCHECKED_BYTES + 4);
        unchecked.insert(key(5), message(3));
        assert!(unchecked.has_room(&message(4), two));
        assert!(!unchecked.has_room(&message(4), two - 1));
        unchecked.insert(key(6), message(4));
        unchecked.handle_link_down(Slot::new(3).unwrap());
        assert_eq!(unchecked.remove(key(5)).unwrap().slot, None);
        assert_eq!(unchecked.remove(key(6)).unwrap().slot, Slot::new(4));
        assert!(unchecked.remove(key(6)).is_none());
        assert_eq!((unchecked.bytes, unchecked.index_bytes()), (0, 0));
    }
}
