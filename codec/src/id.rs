//! A node's name: the first twenty bytes of the SHA-256 of its public key.
//!
//! An id is written as forty lowercase hex digits in addresses, logs and files. It is short enough
//! to copy and long enough that nobody finds a second key for it, so knowing an id is enough to
//! recognise the node behind it: the secret handshake compares the key it has verified with the id
//! that was dialed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::key::PublicKey;

/// Bytes of a [`NodeId`].
pub const NODE_ID_BYTES: usize = 20;

/// Characters of a [`NodeId`] in text.
pub const NODE_ID_CHARS: usize = 2 * NODE_ID_BYTES;

/// The name of a node: SHA-256 of its Ed25519 public key, cut to [`NODE_ID_BYTES`].
///
/// The text form is lowercase hex. Parsing accepts uppercase digits, as the reference does, and
/// normalises them, so two ids are equal when they name the same node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; NODE_ID_BYTES]);

/// Why a text is not a [`NodeId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeIdError {
    /// The text does not have [`NODE_ID_CHARS`] bytes.
    #[error("a node id has {NODE_ID_CHARS} hex digits, found {found} bytes")]
    Length {
        /// Bytes of the text.
        found: usize,
    },
    /// A byte of the text is no hex digit.
    #[error("a node id is written in hex, but its byte {index} is not a hex digit")]
    NotHex {
        /// Position of the first such byte, from 0.
        index: usize,
    },
}

impl NodeId {
    /// Takes an id that is already in binary form.
    pub const fn from_bytes(bytes: [u8; NODE_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The id of the node that holds the private half of `key`.
    pub fn from_public_key(key: &PublicKey) -> Self {
        let digest = Sha256::digest(key.as_bytes());
        let mut id = [0; NODE_ID_BYTES];
        id.copy_from_slice(&digest[..NODE_ID_BYTES]);
        Self(id)
    }

    /// The id in binary form.
    pub const fn as_bytes(&self) -> &[u8; NODE_ID_BYTES] {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        if text.len() != NODE_ID_CHARS {
            return Err(NodeIdError::Length { found: text.len() });
        }
        let mut id = [0; NODE_ID_BYTES];
        match hex::decode_to_slice(text, &mut id) {
            Ok(()) => Ok(Self(id)),
            Err(hex::FromHexError::InvalidHexCharacter { index, .. }) => {
                Err(NodeIdError::NotHex { index })
            }
            // The length was checked above, so this arm is never taken; it stays total all the same.
            Err(_) => Err(NodeIdError::Length { found: text.len() }),
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; NODE_ID_CHARS];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.pad(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "730a5edc28c2f8daf2d9dce3a01d5f205e35e555";

    #[test]
    fn an_id_is_the_hash_of_the_public_key_cut_to_twenty_bytes() {
        let mut key = [0; 32];
        hex::decode_to_slice(
            "bc7cbcb5636375fa1d82434d466724d92377f53b980695dd49d26d0ce12205a5",
            &mut key,
        )
        .unwrap();
        assert_eq!(
            NodeId::from_public_key(&PublicKey::from_bytes(key)).to_string(),
            TEXT
        );
    }

    #[test]
    fn uppercase_digits_name_the_same_node() {
        let upper: NodeId = TEXT.to_uppercase().parse().unwrap();
        assert_eq!(upper, TEXT.parse().unwrap());
        assert_eq!(upper.to_string(), TEXT);
    }

    #[test]
    fn one_digit_more_or_less_is_refused() {
        assert_eq!(
            TEXT[1..].parse::<NodeId>(),
            Err(NodeIdError::Length { found: 39 })
        );
        assert_eq!(
            format!("{TEXT}0").parse::<NodeId>(),
            Err(NodeIdError::Length { found: 41 })
        );
        assert_eq!("".parse::<NodeId>(), Err(NodeIdError::Length { found: 0 }));
    }

    #[test]
    fn a_byte_that_is_no_hex_digit_is_named_by_its_position() {
        let text = TEXT.replacen('d', "g", 1);
        assert_eq!(
            text.parse::<NodeId>(),
            Err(NodeIdError::NotHex { index: 6 })
        );
        // Forty bytes that are not forty characters must not be cut inside a character.
        let wide = "é".repeat(20);
        assert_eq!(
            wide.parse::<NodeId>(),
            Err(NodeIdError::NotHex { index: 0 })
        );
    }

    #[test]
    fn json_carries_the_text_form() {
        let id: NodeId = TEXT.parse().unwrap();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{TEXT}\""));
        assert_eq!(serde_json::from_str::<NodeId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<NodeId>("\"abc\"").is_err());
    }

    proptest! {
        #[test]
        fn text_and_bytes_say_the_same(bytes: [u8; NODE_ID_BYTES]) {
            let id = NodeId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<NodeId>(), Ok(id));
        }
    }
}
