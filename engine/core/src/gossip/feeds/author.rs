//! [`Author`]: signs what this node publishes, and checks that others' messages are their origins'.
//!
//! An origin is a node's public key. What is signed is in [`MessageId`]: all of a message or bundle that must not
//! change on the way, for one channel of one network.

use ringwire_codec::PublicKey;
use ringwire_codec::key::{SIGNATURE_BYTES, Signed};
use ringwire_gossip::feeds::{Delivery, MessageId, SIGNED_BYTES, Scope};
use thiserror::Error;

use crate::gossip::origin::signer;

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

/// What an origin is said to have signed.
#[derive(Debug)]
pub(super) struct Claim {
    origin: PublicKey,
    bytes: [u8; SIGNED_BYTES],
    signature: [u8; SIGNATURE_BYTES],
}

impl Claim {
    /// What is to be checked.
    pub(super) fn signed(&self) -> Signed<'_> {
        Signed {
            key: self.origin,
            message: &self.bytes,
            signature: &self.signature,
        }
    }
}

/// Signs messages of one channel, and says what their signatures must be of.
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

    /// What proves that the message is its origin's, if its signature is right. Takes a hash over the payload.
    ///
    /// # Errors
    /// [`Unproven`] if nothing can prove that.
    pub(super) fn claim(&self, message: &Delivery) -> Result<Claim, Unproven> {
        let signature = message.signature.ok_or(Unproven::Unsigned)?;
        let origin = signer(message.origin).ok_or(Unproven::Forged)?;
        let bytes = MessageId::of(&self.scope, message).signed();
        Ok(Claim {
            origin,
            bytes,
            signature,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::Bytes;
    use ringwire_codec::NodeKey;
    use ringwire_codec::key::BatchVerifier;

    use super::*;

    fn check(author: &Author, message: &Delivery) -> Result<(), Unproven> {
        let claim = author.claim(message)?;
        let holds = BatchVerifier::new([5; 32]).verify(&[claim.signed()])[0];
        holds.then_some(()).ok_or(Unproven::Forged)
    }

    /// A message of this key's owner, signed by it.
    pub(in crate::gossip::feeds) fn signed(key: &NodeKey, author: &Author) -> Delivery {
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
        assert_eq!(check(&author, &message), Ok(()));
        let forged = |change: &dyn Fn(&mut Delivery)| {
            let mut forged = message.clone();
            change(&mut forged);
            check(&author, &forged)
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
            assert_eq!(check(&elsewhere, &message), Err(Unproven::Forged));
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
        assert_eq!(check(&author, &message), Err(Unproven::Forged));
    }
}
