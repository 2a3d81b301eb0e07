//! [`MessageId`]: what a message is known by in the whole network; and [`ShortIds`]: what two neighbours
//! call it between themselves.
//!
//! A short id is a hash under a key that only the two ends of a link know. So nobody else can make two
//! messages that share one, and what collides on one link does not collide on the others.

use crate::coded::Origin;

const ID_KEY: &[u8; 32] = b"ringwire gossip feeds message id";

/// What a message is known by: a keyed BLAKE3 of its origin, number, urgency, priority and payload. It is
/// what an origin signs. The time that it has left is not in it, since each hop shortens that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId(pub [u8; 32]);

impl MessageId {
    /// The id of a message. Costs one hash over the payload.
    pub fn of(origin: &Origin, seq: u64, urgent: bool, priority: u8, payload: &[u8]) -> Self {
        // Every field before the payload has a fixed length, so no two messages hash the same bytes.
        let mut hasher = blake3::Hasher::new_keyed(ID_KEY);
        hasher.update(origin);
        hasher.update(&seq.to_le_bytes());
        hasher.update(&[u8::from(urgent), priority]);
        hasher.update(payload);
        MessageId(*hasher.finalize().as_bytes())
    }
}

/// What the two ends of one link call a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShortId(pub u64);

/// Makes the short ids of one link.
#[derive(Clone)]
pub struct ShortIds {
    key: [u8; 32],
}

impl ShortIds {
    /// Both ends give the same key, which nobody else knows: one derived from the connection's secret.
    pub fn new(key: [u8; 32]) -> Self {
        ShortIds { key }
    }

    /// What this link calls the message. Costs a hash of 32 bytes.
    pub fn of(&self, id: &MessageId) -> ShortId {
        let hash = blake3::keyed_hash(&self.key, &id.0);
        let first = hash.as_bytes().first_chunk();
        ShortId(u64::from_le_bytes(*first.expect("a hash has 32 bytes")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_changes_the_id() {
        let id = MessageId::of(&[1; 32], 7, false, 3, b"vote");
        let others = [
            MessageId::of(&[2; 32], 7, false, 3, b"vote"),
            MessageId::of(&[1; 32], 8, false, 3, b"vote"),
            MessageId::of(&[1; 32], 7, true, 3, b"vote"),
            MessageId::of(&[1; 32], 7, false, 4, b"vote"),
            MessageId::of(&[1; 32], 7, false, 3, b"veto"),
            MessageId::of(&[1; 32], 7, false, 3, b""),
        ];
        for other in others {
            assert_ne!(id, other);
        }
        assert_eq!(id, MessageId::of(&[1; 32], 7, false, 3, b"vote"));
    }

    #[test]
    fn two_links_call_a_message_by_different_names_and_both_ends_of_one_by_the_same() {
        let id = MessageId([5; 32]);
        let [ours, theirs, others] = [[1; 32], [1; 32], [2; 32]].map(ShortIds::new);
        assert_eq!(ours.of(&id), theirs.of(&id));
        assert_ne!(ours.of(&id), others.of(&id));
    }
}
