//! Ed25519 keys: what signs, what verifies, and what names a node.
//!
//! Signatures are verified by the ZIP-215 rule, as CometBFT does since v0.38: it accepts exactly
//! one well-defined set of signatures on every platform, which a rule left to the library does not.

use std::fmt;
#[cfg(feature = "aws-lc")]
use std::sync::Arc;

#[cfg(feature = "aws-lc")]
use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_zebra::{Signature, SigningKey, VerificationKey};
use zeroize::{Zeroize, Zeroizing};

use crate::id::NodeId;

/// Bytes of a [`PublicKey`].
pub const PUBLIC_KEY_BYTES: usize = 32;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;

/// Bytes of the seed an Ed25519 private key grows from.
pub const SEED_BYTES: usize = 32;

/// The public half of a node's identity, as its 32 wire bytes.
///
/// Holding one proves nothing: the bytes may not even encode a point. [`PublicKey::verify`] is where
/// that is found out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; PUBLIC_KEY_BYTES]);

/// The y coordinates of all points of low order, little endian, in every form that ZIP-215 reads:
/// of order 1, 2, 4 and 8, then those of 0 and 1 with the field's prime added. No other of them
/// leaves room for that in 255 bits.
const LOW_ORDER: [[u8; PUBLIC_KEY_BYTES]; 7] = [
    small(1),
    near_prime(0xec),
    small(0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    near_prime(0xed),
    near_prime(0xee),
];

/// A number below 256.
const fn small(number: u8) -> [u8; PUBLIC_KEY_BYTES] {
    let mut bytes = [0; PUBLIC_KEY_BYTES];
    bytes[0] = number;
    bytes
}

/// A number beside the field's prime, 2^255 - 19, whose own lowest byte is 0xed.
const fn near_prime(lowest: u8) -> [u8; PUBLIC_KEY_BYTES] {
    let mut bytes = [0xff; PUBLIC_KEY_BYTES];
    bytes[0] = lowest;
    bytes[PUBLIC_KEY_BYTES - 1] = 0x7f;
    bytes
}

/// The signature does not belong to this key and message, by the ZIP-215 rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Ed25519 signature does not verify under the given public key (ZIP-215)")]
pub struct SignatureError;

impl PublicKey {
    /// Takes the 32 bytes as they came; any bytes are accepted here.
    pub const fn from_bytes(bytes: [u8; PUBLIC_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes as they go on the wire.
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    /// The id of the node that owns this key.
    pub fn id(&self) -> NodeId {
        NodeId::from_public_key(self)
    }

    /// Whether the key is a point of low order. Such a key has no private half: ZIP-215 lets anyone
    /// sign for it, so it names nobody and proves nothing.
    pub fn is_low_order(&self) -> bool {
        // The sign of x, the top bit, makes no difference: it tells a point from its negative.
        let mut y = self.0;
        y[PUBLIC_KEY_BYTES - 1] &= 0x7f;
        LOW_ORDER.contains(&y)
    }

    /// Checks `signature` over `message` by ZIP-215.
    ///
    /// # Errors
    /// [`SignatureError`] when the key is no point of the curve, the signature's scalar is not
    /// canonical, or the equation does not hold.
    pub fn verify(
        &self,
        message: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> Result<(), SignatureError> {
        let key = VerificationKey::try_from(self.0).map_err(|_| SignatureError)?;
        key.verify(&Signature::from_bytes(signature), message)
            .map_err(|_| SignatureError)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The private key of a node.
///
/// Memory is wiped on drop and `Debug` shows the id only. A clone is a second copy of the secret in
/// memory; each shard that runs handshakes needs one.
#[derive(Clone)]
pub struct NodeKey {
    signing: SigningKey,
    /// The same key for AWS-LC, which signs in half the time, and the same bytes (RFC 8032 leaves nothing to chance).
    #[cfg(feature = "aws-lc")]
    quick: Arc<Ed25519KeyPair>,
}

/// The operating system gave no random bytes, so no key could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no random bytes for a new key: {problem}; the process must be allowed the system call getrandom"
)]
pub struct EntropyError {
    /// What the operating system said.
    pub problem: String,
}

impl NodeKey {
    /// A new key, from the operating system's random bytes. To keep it, [`NodeKey::save`] it.
    ///
    /// # Errors
    /// [`EntropyError`]: a sandbox that forbids the system call; Linux itself always answers.
    pub fn generate() -> Result<Self, EntropyError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        getrandom::fill(&mut *seed).map_err(|error| EntropyError {
            problem: error.to_string(),
        })?;
        Ok(Self::from_seed(*seed))
    }

    /// The key that grows from `seed` (RFC 8032, 5.1.5). The seed must come from a good source of
    /// chance; it is the whole secret.
    pub fn from_seed(mut seed: [u8; SEED_BYTES]) -> Self {
        let signing = SigningKey::from(seed);
        #[cfg(feature = "aws-lc")]
        let quick = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are a seed");
        seed.zeroize();
        Self {
            signing,
            #[cfg(feature = "aws-lc")]
            quick: Arc::new(quick),
        }
    }

    /// Signs `message` as it is, without any prefix.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        #[cfg(feature = "aws-lc")]
        return self
            .quick
            .sign(message)
            .as_ref()
            .try_into()
            .expect("a signature has 64 bytes");
        #[cfg(not(feature = "aws-lc"))]
        self.signing.sign(message).to_bytes()
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.signing.verification_key().into())
    }

    /// The node's id, the hash of [`NodeKey::public_key`].
    pub fn id(&self) -> NodeId {
        self.public_key().id()
    }

    /// A secret for another use than signing. Only who holds this key can tell it, and it tells
    /// nothing of the key. `context` names the use: a text that no other use has (BLAKE3's
    /// `derive_key`).
    pub fn derive_secret(&self, context: &str) -> [u8; 32] {
        blake3::derive_key(context, self.seed())
    }

    /// The seed, for the file that keeps it.
    pub(super) fn seed(&self) -> &[u8; SEED_BYTES] {
        self.signing.as_bytes()
    }
}

impl Drop for NodeKey {
    fn drop(&mut self) {
        self.signing.zeroize();
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeKey")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_seeds_give_the_reference_keys() {
        let key = NodeKey::from_seed([0xa1; 32]);
        assert_eq!(
            key.public_key().to_string(),
            "bc7cbcb5636375fa1d82434d466724d92377f53b980695dd49d26d0ce12205a5"
        );
        assert_eq!(
            key.id().to_string(),
            "730a5edc28c2f8daf2d9dce3a01d5f205e35e555"
        );
        let key = NodeKey::from_seed([0xb2; 32]);
        assert_eq!(
            key.id().to_string(),
            "b28baab33e1f95a78c7e9547554c3e95a2e38030"
        );
    }

    #[test]
    fn generated_keys_work_and_no_two_are_equal() {
        let keys = [(); 2].map(|()| NodeKey::generate().unwrap());
        assert_ne!(keys[0].id(), keys[1].id());
        let signature = keys[0].sign(b"challenge");
        assert_eq!(
            keys[0].public_key().verify(b"challenge", &signature),
            Ok(())
        );
    }

    #[cfg(feature = "aws-lc")]
    #[test]
    fn both_libraries_make_the_same_signature() {
        for seed in 0..32 {
            let key = NodeKey::from_seed([seed; 32]);
            let message = vec![seed; usize::from(seed) * 9];
            assert_eq!(key.sign(&message), key.signing.sign(&message).to_bytes());
        }
    }

    #[test]
    fn derived_secrets_differ_by_key_and_use_and_are_always_the_same() {
        let (key, other) = (NodeKey::from_seed([1; 32]), NodeKey::from_seed([2; 32]));
        let secret = key.derive_secret("one use");
        assert_eq!(secret, NodeKey::from_seed([1; 32]).derive_secret("one use"));
        assert_ne!(secret, key.derive_secret("another use"));
        assert_ne!(secret, other.derive_secret("one use"));
    }

    #[test]
    fn a_signature_verifies_under_its_own_key_and_message_only() {
        let (key, other) = (NodeKey::from_seed([1; 32]), NodeKey::from_seed([2; 32]));
        let signature = key.sign(b"challenge");
        assert_eq!(key.public_key().verify(b"challenge", &signature), Ok(()));
        assert_eq!(
            key.public_key().verify(b"Challenge", &signature),
            Err(SignatureError)
        );
        assert_eq!(
            other.public_key().verify(b"challenge", &signature),
            Err(SignatureError)
        );
    }

    #[test]
    fn keys_of_low_order_are_told_apart_since_zip_215_lets_anyone_sign_for_them() {
        let low_order = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            // Not canonical: the first point again, written as its value plus the field's prime.
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        let mut signature = [0; SIGNATURE_BYTES];
        signature[0] = 1;
        for text in low_order {
            let key = PublicKey::from_bytes(hex::decode(text).unwrap().try_into().unwrap());
            assert_eq!(key.verify(b"any", &signature), Ok(()), "{text}");
            assert!(key.is_low_order(), "{text}");
        }
        assert!(!NodeKey::from_seed([1; 32]).public_key().is_low_order());
    }

    #[test]
    fn the_table_of_low_orders_has_exactly_the_keys_anyone_can_sign_for() {
        // With R the identity and s zero, the equation 8sB = 8R + 8kA holds for a point A of low
        // order whatever k is, and for any other only if the hash k is zero.
        let mut signature = [0; SIGNATURE_BYTES];
        signature[0] = 1;
        let signs_for_all = |bytes| {
            let key = PublicKey::from_bytes(bytes);
            key.verify(b"any", &signature).is_ok()
        };
        let neighbours = (0..=255u8).flat_map(|lowest| {
            let listed = LOW_ORDER.map(|mut y| {
                y[0] = lowest;
                y
            });
            listed.into_iter().flat_map(|mut y| {
                let positive = y;
                y[31] |= 0x80;
                [positive, y]
            })
        });
        let mut found = 0;
        for bytes in neighbours {
            let is_low = PublicKey::from_bytes(bytes).is_low_order();
            assert_eq!(is_low, signs_for_all(bytes), "{}", hex::encode(bytes));
            found += usize::from(is_low);
        }
        assert!(
            found > 2 * LOW_ORDER.len(),
            "both sides of the edge were met"
        );
    }

    #[test]
    fn bytes_that_are_no_point_are_refused_when_they_verify() {
        let mut bytes = [0; 32];
        bytes[0] = 2;
        assert_eq!(
            PublicKey::from_bytes(bytes).verify(b"any", &[0; SIGNATURE_BYTES]),
            Err(SignatureError)
        );
    }

    #[test]
    fn debug_output_never_shows_the_secret() {
        let text = format!("{:?}", NodeKey::from_seed([0xa1; 32]));
        assert!(text.contains("730a5edc28c2f8daf2d9dce3a01d5f205e35e555"));
        assert!(!text.contains("a1a1") && !text.contains("161"));
    }
}
