//! Whether an origin, which is a node's public key, has signed something.

use ringwire_codec::PublicKey;
use ringwire_codec::key::SIGNATURE_BYTES;

/// Whether `origin` has signed the bytes that `signed` makes; takes some 40 µs besides.
pub(super) fn has_signed<B: AsRef<[u8]>>(
    origin: [u8; 32],
    signature: &[u8; SIGNATURE_BYTES],
    signed: impl FnOnce() -> B,
) -> bool {
    let origin = PublicKey::from_bytes(origin);
    // Anybody can sign for a key of low order.
    !origin.is_low_order() && origin.verify(signed().as_ref(), signature).is_ok()
}
