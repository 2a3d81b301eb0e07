//! [`Author`]: signs what this node publishes, and checks that others' messages are their origins'.
//!
//! An origin is a node's public key. What is signed is in [`MessageId`]: all of a message or bundle that must not
//! change on the way, for one channel of one network.

use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_gossip::feeds::{Delivery, MessageId, Scope};
use thiserror::Error;

use crate::gossip::origin::has_signed;

/// A message is not its origin's, as far as anybody can tell. No honest node passes it on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(super) enum Unproven {
    /// It has no signature.
    #[error(
        "a message without its origin's signature; all nodes of a channel must sign, or none (FeedsConfig::signed)"
    )]
    Unsigned,
    /// Its signature is none of this origin's, or not of this message.
    #[error("a message that its origin did not sign so")]
    Forged,
}

/// Signs and checks messages of one channel.
#[derive(Debug)]
pub(super) struct Author {
    scope: Scope,
}

impl Author {
    /// Of a channel of a network.
    pub(super) fn new(network: &str, channel: u8) -> Self {
        Author {
            scope: Scope::new(network, channel),
        }
    }

    /// Signs a message that has all else, with `sign`.
    pub(super) fn sign(
        &self,
        message: &mut Delivery,
        sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE_BYTES],
    ) {
        let id = MessageId::of(&self.scope, message);
        message.signature = Some(sign(&id.signed()));
    }

    /// Checks that the message is its origin's; takes some 40 µs, and a hash over the payload.
    ///
    /// # Errors
    /// [`Unproven`] if it is not.
    pub(super) fn check(&self, message: &Delivery) -> Result<(), Unproven> {
        let signature = message.signature.as_ref().ok_or(Unproven::Unsigned)?;
        let signed = || MessageId::of(&self.scope, message).signed();
        has_signed(message.origin, signature, signed)
            .then_some(())
            .ok_or(Unproven::Forged)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ringwire_codec::{NodeKey, PublicKey};

    use super::*;

    fn signed(key: &NodeKey, author: &Author) -> Delivery {
        let mut message = Delivery {
            origin: *key.public_key().as_bytes(),
            seq: 7,
            index: 0,
            urgent: true,
            is_bundle: false,
            priority: 3,
            ends: false,
            signature: None,
            members: None,
            payload: Bytes::from_static(b"vote"),
        };
        author.sign(&mut message, |bytes| key.sign(bytes));
        message
    }

    #[test]
    fn what_an_origin_signed_is_its_own_and_nothing_else_is() {
        let (key, other) = (NodeKey::from_seed([1; 32]), NodeKey::from_seed([2; 32]));
        let author = Author::new("chain", 0x72);
        let message = signed(&key, &author);
        assert_eq!(author.check(&message), Ok(()));
        let forged = |change: &dyn Fn(&mut Delivery)| {
            let mut forged = message.clone();
            change(&mut forged);
            author.check(&forged)
        };
        let others_key = *other.public_key().as_bytes();
        let by_other = signed(&other, &author).signature;
        let changes: [&dyn Fn(&mut Delivery); 9] = [
            &|message| message.seq += 1,
            &|message| message.priority = 4,
            &|message| message.urgent = false,
            &|message| message.is_bundle = true,
            &|message| message.ends = true,
            &|message| message.payload = Bytes::from_static(b"veto"),
            &|message| message.origin = others_key,
            &|message| message.signature = by_other,
            &|message| message.signature = Some([0; 64]),
        ];
        for change in changes {
            assert_eq!(forged(change), Err(Unproven::Forged));
        }
        assert_eq!(
            forged(&|message| message.signature = None),
            Err(Unproven::Unsigned)
        );
        for elsewhere in [Author::new("chain", 0x73), Author::new("another", 0x72)] {
            assert_eq!(elsewhere.check(&message), Err(Unproven::Forged));
        }
    }

    #[test]
    fn a_key_for_which_anybody_can_sign_is_no_origin() {
        // The neutral point with the signature R = neutral, S = 0 holds for every message by ZIP-215.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let author = Author::new("chain", 0x72);
        let mut message = signed(&NodeKey::from_seed([1; 32]), &author);
        (message.origin, message.signature) = (neutral, Some(signature));
        let id = MessageId::of(&author.scope, &message);
        let key = PublicKey::from_bytes(neutral);
        assert!(
            key.verify(&id.signed(), &signature).is_ok(),
            "as the rule has it"
        );
        assert_eq!(author.check(&message), Err(Unproven::Forged));
    }
}
