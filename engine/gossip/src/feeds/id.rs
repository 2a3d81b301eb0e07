//! [`MessageId`]: what an origin signs of a message.

use crate::coded::Origin;

const ID_KEY: &[u8; 32] = b"ringwire gossip feeds message id";

/// A keyed BLAKE3 of a message's origin, number, urgency, priority and payload. It is what an origin signs. The
/// time that the message has left is not in it, since each hop shortens that.
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
}
