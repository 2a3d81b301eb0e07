//! Signatures of manifests, for a model in which nobody looks for another's key.
//!
//! Of an origin and a manifest there is one signature, and another of each other pair. So what is forged, changed or
//! not signed is found as in the engine, at the price of a hash.

use ringwire_gossip::coded::{Manifest, ManifestScope, Offer, SIGNATURE_BYTES, Signature};

/// Whether an offer is its origin's.
pub(super) fn is_signed(offer: &Offer) -> bool {
    offer.signature == Some(sign(&offer.manifest))
}

/// What stands for an origin's signature of a manifest.
pub(super) fn sign(manifest: &Manifest) -> Signature {
    let mut hasher = blake3::Hasher::new_keyed(&manifest.origin());
    hasher.update(&ManifestScope::new("model", 0).signed(manifest));
    let mut signature = [0; SIGNATURE_BYTES];
    hasher.finalize_xof().fill(&mut signature);
    signature
}

#[cfg(test)]
mod tests {
    use ringwire_gossip::coded::{Layout, PAYLOAD_BYTES_MIN, SHARD_BYTES};

    use super::*;

    #[test]
    fn what_is_changed_of_a_signed_manifest_or_not_signed_is_not_its_origins() {
        let layout = Layout::new(PAYLOAD_BYTES_MIN, SHARD_BYTES).expect("a length that is coded");
        let manifest = |origin, seq, root| Manifest::new([origin; 32], seq, layout, [root; 32]);
        let manifest_of_one = manifest(1, 2, 3);
        let offer = Offer {
            manifest: manifest_of_one,
            signature: Some(sign(&manifest_of_one)),
        };
        assert!(is_signed(&offer));
        for manifest in [manifest(2, 2, 3), manifest(1, 3, 3), manifest(1, 2, 4)] {
            assert!(!is_signed(&Offer { manifest, ..offer }));
        }
        assert!(!is_signed(&offer.manifest.into()));
    }
}
