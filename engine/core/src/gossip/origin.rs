//! Who an origin is, and whether it has signed something: it is a node's public key where nodes sign.

use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::{NodeId, PublicKey};
use ringwire_gossip::coded::Origin;

/// Whether `origin` has signed the bytes that `signed` makes; takes some 40 µs besides.
pub(super) fn has_signed<B: AsRef<[u8]>>(
    origin: [u8; 32],
    signature: &[u8; SIGNATURE_BYTES],
    signed: impl FnOnce() -> B,
) -> bool {
    signer(origin).is_some_and(|key| key.verify(signed().as_ref(), signature).is_ok())
}

/// The key that an origin is where nodes sign. `None` for one of low order, for which anybody can sign.
pub(super) fn signer(origin: Origin) -> Option<PublicKey> {
    let key = PublicKey::from_bytes(origin);
    (!key.is_low_order()).then_some(key)
}

/// The node that an origin is: its public key, or its name where nobody signs.
pub(super) fn node_of(origin: &Origin, is_signed: bool) -> NodeId {
    match is_signed {
        true => PublicKey::from_bytes(*origin).id(),
        false => NodeId::from_bytes(*origin.first_chunk().expect("an origin has 32 bytes")),
    }
}
