//! [`Author`]: signs the manifests of what this node publishes, and checks that others' manifests are their origins'.
//!
//! An origin is a node's public key; [`ManifestScope`] says what it signs.

use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_gossip::coded::{Manifest, ManifestScope, Offer};
use thiserror::Error;

use crate::gossip::origin::has_signed;

/// A manifest is not its origin's, as far as anybody can tell. No honest node passes it on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(super) enum Unproven {
    /// It has no signature.
    #[error(
        "a manifest without its origin's signature; all nodes of a channel must sign, or none (LargeConfig::signed)"
    )]
    Unsigned,
    /// It has one, and this node cannot say of whom.
    #[error(
        "a manifest with a signature where nobody signs; all nodes of a channel must sign, or none (LargeConfig::signed)"
    )]
    Signed,
    /// Its signature is none of this origin's, or not of this manifest.
    #[error("a manifest that its origin did not sign so")]
    Forged,
}

/// Signs and checks manifests of one channel.
#[derive(Debug)]
pub(super) struct Author {
    scope: ManifestScope,
}

impl Author {
    /// Of a channel of a network.
    pub(super) fn new(network: &str, channel: u8) -> Self {
        Author {
            scope: ManifestScope::new(network, channel),
        }
    }

    /// Signs a manifest with `sign`.
    pub(super) fn sign(
        &self,
        manifest: &Manifest,
        sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE_BYTES],
    ) -> [u8; SIGNATURE_BYTES] {
        sign(&self.scope.signed(manifest))
    }

    /// Checks that a manifest is its origin's; takes some 40 µs.
    ///
    /// # Errors
    /// [`Unproven`] if it is not.
    pub(super) fn check(&self, offer: &Offer) -> Result<(), Unproven> {
        let signature = offer.signature.as_ref().ok_or(Unproven::Unsigned)?;
        let signed = || self.scope.signed(&offer.manifest);
        has_signed(offer.manifest.origin(), signature, signed)
            .then_some(())
            .ok_or(Unproven::Forged)
    }
}

#[cfg(test)]
mod tests {
    use ringwire_codec::{NodeKey, PublicKey};
    use ringwire_gossip::coded::{Layout, PAYLOAD_BYTES_MIN, SHARD_BYTES};

    use super::*;

    fn manifest(origin: [u8; 32], seq: u64, root: u8) -> Manifest {
        let layout = Layout::new(PAYLOAD_BYTES_MIN, SHARD_BYTES).expect("a length that is coded");
        Manifest::new(origin, seq, layout, [root; 32])
    }

    fn signed(key: &NodeKey, author: &Author) -> Offer {
        let manifest = manifest(*key.public_key().as_bytes(), 7, 1);
        let signature = Some(author.sign(&manifest, |bytes| key.sign(bytes)));
        Offer {
            manifest,
            signature,
        }
    }

    #[test]
    fn what_an_origin_signed_is_its_own_and_nothing_else_is() {
        let (key, other) = (NodeKey::from_seed([1; 32]), NodeKey::from_seed([2; 32]));
        let author = Author::new("chain", 0x63);
        let offer = signed(&key, &author);
        assert_eq!(author.check(&offer), Ok(()));
        let own = offer.manifest.origin();
        let manifests = [
            manifest(own, 8, 1),
            manifest(own, 7, 2),
            manifest(*other.public_key().as_bytes(), 7, 1),
        ];
        for manifest in manifests {
            let forged = Offer { manifest, ..offer };
            assert_eq!(author.check(&forged), Err(Unproven::Forged));
        }
        for signature in [signed(&other, &author).signature, Some([0; 64])] {
            let forged = Offer { signature, ..offer };
            assert_eq!(author.check(&forged), Err(Unproven::Forged));
        }
        let unsigned = Offer::from(offer.manifest);
        assert_eq!(author.check(&unsigned), Err(Unproven::Unsigned));
        for elsewhere in [Author::new("chain", 0x64), Author::new("another", 0x63)] {
            assert_eq!(elsewhere.check(&offer), Err(Unproven::Forged));
        }
    }

    #[test]
    fn a_key_for_which_anybody_can_sign_is_no_origin() {
        // The neutral point with the signature R = neutral, S = 0 holds for every message by ZIP-215.
        let (mut neutral, mut signature) = ([0; 32], [0; 64]);
        (neutral[0], signature[0]) = (1, 1);
        let author = Author::new("chain", 0x63);
        let manifest = manifest(neutral, 7, 1);
        let key = PublicKey::from_bytes(neutral);
        let signed = author.scope.signed(&manifest);
        assert!(
            key.verify(&signed, &signature).is_ok(),
            "as the rule has it"
        );
        let offer = Offer {
            manifest,
            signature: Some(signature),
        };
        assert_eq!(author.check(&offer), Err(Unproven::Forged));
    }
}
