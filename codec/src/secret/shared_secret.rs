//! The shared secret: the one value from which the challenge and all keys of a connection grow.
//!
//! A type of its own, so that it is wiped wherever it is dropped, prints nothing, and is never
//! taken for one of the public values of the same 32 bytes.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// What X25519 gave both sides; wiped on drop, never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SharedSecret([u8; 32]);

impl SharedSecret {
    /// Takes the 32 bytes of the Diffie-Hellman result.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself, for the derivation of keys.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let text = format!("{:?}", SharedSecret::from_bytes([0x77; 32]));
        assert_eq!(text, "SharedSecret(..)");
    }
}
