//! [`Offer`]: a manifest with its origin's signature, and what is signed.
//!
//! The pure rooms neither sign nor check: [`ManifestScope::signed`] gives the bytes, and who has keys does it.

use super::manifest::{MANIFEST_BYTES, Manifest};
use crate::signing;

const SCOPE_CONTEXT: &str = "ringwire 2026-11 gossip large scope";

/// What stands before the hash of a manifest where it is signed. So no signature of another use can be one of a manifest.
const SIGNED_PREFIX: &[u8; 30] = b"ringwire gossip large manifest";

/// Bytes that an origin signs of a manifest.
pub const SIGNED_MANIFEST_BYTES: usize = SIGNED_PREFIX.len() + 32;

/// Bytes of a [`Signature`].
pub const SIGNATURE_BYTES: usize = 64;

/// A signature by Ed25519.
pub type Signature = [u8; SIGNATURE_BYTES];

/// Where manifests are valid: on one channel of one network. A manifest of one scope is none in another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ManifestScope([u8; 32]);

impl ManifestScope {
    /// The scope of a channel of a network: BLAKE3 `derive_key` of the channel's id and the network's name.
    pub fn new(network: &str, channel: u8) -> Self {
        ManifestScope(signing::scope_key(SCOPE_CONTEXT, network, channel))
    }

    /// The bytes that the origin signs: the prefix, and a BLAKE3 of the manifest, keyed with the scope.
    pub fn signed(&self, manifest: &Manifest) -> [u8; SIGNED_MANIFEST_BYTES] {
        let encoded: [u8; MANIFEST_BYTES] = manifest.encode();
        let hash = blake3::keyed_hash(&self.0, &encoded);
        signing::behind(SIGNED_PREFIX, hash.as_bytes())
    }
}

/// What an origin says of a payload, as it travels. Whether the signature is right is for who has taken it to find out; the
/// manifest's id does not depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    /// The manifest.
    pub manifest: Manifest,
    /// Its origin's signature; none where nobody signs.
    pub signature: Option<Signature>,
}

impl From<Manifest> for Offer {
    /// Without a signature.
    fn from(manifest: Manifest) -> Self {
        Offer {
            manifest,
            signature: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Layout, PAYLOAD_BYTES_MIN, SHARD_BYTES};
    use super::*;

    fn manifest(seq: u64) -> Manifest {
        let layout = Layout::new(PAYLOAD_BYTES_MIN, SHARD_BYTES).unwrap();
        Manifest::new([1; 32], seq, layout, [2; 32])
    }

    #[test]
    fn every_manifest_channel_and_network_is_signed_differently() {
        let scope = ManifestScope::new("chain", 0x63);
        let signed = scope.signed(&manifest(7));
        assert!(signed.starts_with(SIGNED_PREFIX));
        let others = [
            scope.signed(&manifest(8)),
            ManifestScope::new("chain", 0x64).signed(&manifest(7)),
            ManifestScope::new("chains", 0x63).signed(&manifest(7)),
        ];
        assert!(others.iter().all(|other| *other != signed));
        assert_eq!(scope.signed(&manifest(7)), signed);
    }
}
