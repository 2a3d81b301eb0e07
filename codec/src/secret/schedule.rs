//! The keys that grow from the shared secret: two for frames, two more for wide records.
//!
//! Neither side is the first or the second by role, since both run the same code. They are told
//! apart by their ephemeral public keys, compared byte by byte: the owner of the smaller one is the
//! *lower* side. Every key belongs to one direction.
//!
//! Frames, as the reference derives them, with HKDF-SHA256 (no salt) over the shared secret:
//!
//! ```text
//!  okm:  ├── upper to lower, 32 ──┤├── lower to upper, 32 ──┤├── not used, 32 ──┤
//! ```
//!
//! Wide records, with BLAKE3 in its key derivation mode under [`WIDE_CONTEXT`], once for each
//! direction, over
//!
//! ```text
//!  ├ side, 1 ┤├ secret, 32 ┤├ challenge, 32 ┤├ u32 LE ┤├ lower NodeInfo ┤├ u32 LE ┤├ upper NodeInfo ┤
//!   sender:                                   length                     length
//!   0 lower, 1 upper
//! ```
//!
//! All parts have a fixed size or their length before them, so no two different inputs look alike.
//! The NodeInfo messages are in there because they carry the offer of wide records: should the two
//! ends ever disagree about what was offered, no record opens.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::aead::KEY_BYTES;
use super::shared_secret::SharedSecret;
use super::transcript::CHALLENGE_BYTES;

/// The context string of the wide keys. Another layout of their input takes another string.
pub const WIDE_CONTEXT: &str = "ringwire 2026 wide record keys v1";

const FRAME_INFO: &[u8] = b"TENDERMINT_SECRET_CONNECTION_KEY_AND_CHALLENGE_GEN";

const SIDE_LOWER: u8 = 0;
const SIDE_UPPER: u8 = 1;

/// The two keys of the frames of a connection; wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct FrameKeys {
    /// Seals what the lower side sends.
    pub lower_to_upper: [u8; KEY_BYTES],
    /// Seals what the upper side sends.
    pub upper_to_lower: [u8; KEY_BYTES],
}

impl FrameKeys {
    /// Derives both keys from the shared secret, as the reference does.
    pub fn derive(secret: &SharedSecret) -> Self {
        let mut okm = Zeroizing::new([0; 2 * KEY_BYTES]);
        Hkdf::<Sha256>::new(None, secret.as_bytes())
            .expand(FRAME_INFO, okm.as_mut_slice())
            .expect("64 bytes are less than the 8160 that HKDF-SHA256 can give");
        let mut keys = Self {
            lower_to_upper: [0; KEY_BYTES],
            upper_to_lower: [0; KEY_BYTES],
        };
        keys.upper_to_lower.copy_from_slice(&okm[..KEY_BYTES]);
        keys.lower_to_upper.copy_from_slice(&okm[KEY_BYTES..]);
        keys
    }

    /// The key we seal with and the one we open with.
    #[must_use]
    pub const fn send_and_recv(&self, local_is_lower: bool) -> KeyPair<'_> {
        by_side(local_is_lower, &self.lower_to_upper, &self.upper_to_lower)
    }
}

/// The two keys of the wide records of a connection; wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct WideKeys {
    /// Seals what the lower side sends.
    pub lower_to_upper: [u8; KEY_BYTES],
    /// Seals what the upper side sends.
    pub upper_to_lower: [u8; KEY_BYTES],
}

impl WideKeys {
    /// Derives both keys. The two messages are the protobuf bytes of each side's NodeInfo exactly as
    /// they travelled, without the length in front.
    ///
    /// # Panics
    /// When a message has 4 GiB or more; a NodeInfo is refused above 10 240 bytes.
    pub fn derive(
        secret: &SharedSecret,
        challenge: &[u8; CHALLENGE_BYTES],
        lower_node_info: &[u8],
        upper_node_info: &[u8],
    ) -> Self {
        let key = |side: u8| {
            let mut hasher = blake3::Hasher::new_derive_key(WIDE_CONTEXT);
            hasher.update(&[side]);
            hasher.update(secret.as_bytes());
            hasher.update(challenge);
            for message in [lower_node_info, upper_node_info] {
                let len = u32::try_from(message.len()).expect("a NodeInfo is at most 10240 bytes");
                hasher.update(&len.to_le_bytes());
                hasher.update(message);
            }
            *hasher.finalize().as_bytes()
        };
        Self {
            lower_to_upper: key(SIDE_LOWER),
            upper_to_lower: key(SIDE_UPPER),
        }
    }

    /// The key we seal with and the one we open with.
    #[must_use]
    pub const fn send_and_recv(&self, local_is_lower: bool) -> KeyPair<'_> {
        by_side(local_is_lower, &self.lower_to_upper, &self.upper_to_lower)
    }
}

/// The key to seal with, then the key to open with.
pub type KeyPair<'a> = (&'a [u8; KEY_BYTES], &'a [u8; KEY_BYTES]);

const fn by_side<'a>(
    local_is_lower: bool,
    lower_to_upper: &'a [u8; KEY_BYTES],
    upper_to_lower: &'a [u8; KEY_BYTES],
) -> KeyPair<'a> {
    if local_is_lower {
        (lower_to_upper, upper_to_lower)
    } else {
        (upper_to_lower, lower_to_upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../../testdata/derive-secrets-golden.csv");

    fn key(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    // Conformance item 21.
    #[test]
    fn all_golden_rows_of_the_reference_come_out() {
        let mut rows = 0;
        for row in GOLDEN.lines().filter(|row| !row.is_empty()) {
            let columns: Vec<_> = row.split(',').collect();
            let keys = FrameKeys::derive(&SharedSecret::from_bytes(key(columns[0])));
            let (recv, send) = match columns[1] {
                "true" => (keys.upper_to_lower, keys.lower_to_upper),
                _ => (keys.lower_to_upper, keys.upper_to_lower),
            };
            assert_eq!(
                (recv, send),
                (key(columns[2]), key(columns[3])),
                "row {rows}"
            );
            rows += 1;
        }
        assert_eq!(rows, 32);
    }

    fn wide(secret: u8, challenge: u8, lower: &[u8], upper: &[u8]) -> ([u8; 32], [u8; 32]) {
        let secret = SharedSecret::from_bytes([secret; 32]);
        let keys = WideKeys::derive(&secret, &[challenge; 32], lower, upper);
        (keys.lower_to_upper, keys.upper_to_lower)
    }

    #[test]
    fn each_input_of_the_wide_keys_changes_both() {
        let base = wide(1, 2, b"ab", b"c");
        let others = [
            wide(9, 2, b"ab", b"c"),
            wide(1, 9, b"ab", b"c"),
            wide(1, 2, b"aX", b"c"),
            wide(1, 2, b"ab", b"X"),
            // The same bytes, cut at another place.
            wide(1, 2, b"a", b"bc"),
        ];
        for other in others {
            assert_ne!(other.0, base.0);
            assert_ne!(other.1, base.1);
        }
    }

    #[test]
    fn the_two_directions_never_share_a_key() {
        let keys = wide(1, 2, b"same", b"same");
        assert_ne!(keys.0, keys.1);
        let keys = FrameKeys::derive(&SharedSecret::from_bytes([1; 32]));
        assert_ne!(keys.lower_to_upper, keys.upper_to_lower);
    }

    #[test]
    fn the_wide_keys_follow_the_documented_layout() {
        let mut input = vec![1];
        input.extend([7; 32]);
        input.extend([8; 32]);
        input.extend([2, 0, 0, 0]);
        input.extend(b"lo");
        input.extend([5, 0, 0, 0]);
        input.extend(b"upper");
        let expected = blake3::derive_key("ringwire 2026 wide record keys v1", &input);
        assert_eq!(wide(7, 8, b"lo", b"upper").1, expected);
    }
}
