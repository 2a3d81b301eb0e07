//! [`MessageId`]: what an origin signs of a message or bundle.

use super::output::Delivery;
use crate::signing;

const SCOPE_CONTEXT: &str = "ringwire 2026-11 gossip feeds scope";

/// What stands before an id where it is signed. So no signature of another use, such as that of a handshake's 32
/// bytes, can be one of a message.
const SIGNED_PREFIX: &[u8; 26] = b"ringwire gossip feeds body";

/// Bytes that are signed.
pub const SIGNED_BYTES: usize = SIGNED_PREFIX.len() + 32;

/// Where messages are valid: on one channel of one network. A message of one scope is none in another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope([u8; 32]);

impl Scope {
    /// The scope of a channel of a network: BLAKE3 `derive_key` of the channel's id and the network's name.
    pub fn new(network: &str, channel: u8) -> Self {
        Scope(signing::scope_key(SCOPE_CONTEXT, network, channel))
    }
}

/// A BLAKE3, keyed with the scope, of all that must not change on the way: origin, number, flags, priority, whether
/// the message ends, the payload, and the members whom its origin sends it to. How much time is left is not in it, since each hop shortens that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId(pub [u8; 32]);

impl MessageId {
    /// The id of a message or bundle. Costs one hash over the payload.
    pub fn of(scope: &Scope, message: &Delivery) -> Self {
        // A hash of its own for the payload, whose blocks so lie where many are hashed at a time; and every field has a
        // fixed length, so no two messages hash the same bytes.
        let mut hasher = blake3::Hasher::new_keyed(&scope.0);
        hasher.update(&message.origin);
        hasher.update(&message.seq.to_le_bytes());
        hasher.update(&[
            u8::from(message.urgent),
            u8::from(message.is_bundle),
            message.priority,
            u8::from(message.ends),
        ]);
        hasher.update(blake3::hash(&message.payload).as_bytes());
        // The last field may be missing: who claims in an origin's name that all members have the message would have
        // others keep it back.
        if let Some(members) = &message.members {
            hasher.update(members);
        }
        MessageId(*hasher.finalize().as_bytes())
    }

    /// The bytes that the origin signs.
    pub fn signed(&self) -> [u8; SIGNED_BYTES] {
        signing::behind(SIGNED_PREFIX, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn vote() -> Delivery {
        Delivery {
            origin: [1; 32],
            seq: 7,
            index: 0,
            urgent: false,
            is_bundle: false,
            priority: 3,
            ends: false,
            signature: None,
            members: None,
            payload: Bytes::from_static(b"vote"),
        }
    }

    #[test]
    fn each_field_and_the_scope_change_the_id() {
        let scope = Scope::new("chain", 0x72);
        let id = |change: fn(&mut Delivery)| {
            let mut message = vote();
            change(&mut message);
            MessageId::of(&scope, &message)
        };
        let others = [
            id(|message| message.origin = [2; 32]),
            id(|message| message.seq = 8),
            id(|message| message.urgent = true),
            id(|message| message.is_bundle = true),
            id(|message| message.priority = 4),
            id(|message| message.ends = true),
            id(|message| message.payload = Bytes::from_static(b"veto")),
            id(|message| message.payload = Bytes::new()),
            id(|message| message.members = Some([0; 8])),
            id(|message| message.members = Some([1; 8])),
            MessageId::of(&Scope::new("chain", 0x73), &vote()),
            MessageId::of(&Scope::new("chains", 0x72), &vote()),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(id(|_| ()), *other);
            assert!(!others[..at].contains(other));
        }
        assert_eq!(id(|_| ()), id(|message| message.signature = Some([9; 64])));
        assert_eq!(id(|_| ()), id(|message| message.index = 1));
    }

    #[test]
    fn what_is_signed_is_always_the_same() {
        let id = MessageId::of(&Scope::new("chain", 0x72), &vote());
        let signed = id.signed();
        assert_eq!(&signed[..26], b"ringwire gossip feeds body");
        assert_eq!(signed[26..], id.0);
        // Another way to the same bytes, as docs/gossip.md has it.
        let scope = blake3::derive_key("ringwire 2026-11 gossip feeds scope", b"\x72chain");
        let mut hashed = vec![1; 32];
        hashed.extend(7_u64.to_le_bytes());
        hashed.extend([0, 0, 3, 0]);
        hashed.extend(blake3::hash(b"vote").as_bytes());
        assert_eq!(id.0, *blake3::keyed_hash(&scope, &hashed).as_bytes());
        let mut direct = vote();
        direct.members = Some(*b"memberss");
        hashed.extend(b"memberss");
        let id = MessageId::of(&Scope::new("chain", 0x72), &direct);
        assert_eq!(id.0, *blake3::keyed_hash(&scope, &hashed).as_bytes());
    }
}
