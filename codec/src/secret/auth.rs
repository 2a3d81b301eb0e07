//! The message that proves an identity: a node key and its signature over the challenge.
//!
//! ```text
//! AuthSigMessage { pub_key: PublicKey { oneof sum { bytes ed25519 = 1; … } } = 1; bytes sig = 2 }
//!
//!  66 │ 0a 22 │ 0a 20 ├─ key, 32 ─┤ 12 40 ├─ signature, 64 ─┤     103 bytes with its length
//! ```
//!
//! Other key types exist in the message's definition, but a node is named by an Ed25519 key, so any
//! other is refused, as the reference does.

use crate::delimited;
use crate::error::DecodeError;
use crate::key::{PUBLIC_KEY_BYTES, PublicKey, SIGNATURE_BYTES};
use crate::proto::Fields;

/// The longest message that is accepted, in bytes without its length. The message itself has 102;
/// the rest is room for fields that a later version may add. The reference allows a mebibyte, which
/// would let an unknown peer make us gather it.
pub const AUTH_BODY_MAX: usize = 1024;

/// Bytes of the message as we write it, with its length.
pub const AUTH_BYTES: usize = 103;

const FIELD_PUB_KEY: u32 = 1;
const FIELD_SIGNATURE: u32 = 2;
const FIELD_ED25519: u32 = 1;
const FIELD_SECP256K1: u32 = 2;

const KEY_NAME: &str = "auth_sig_message.pub_key";
const SIGNATURE_NAME: &str = "auth_sig_message.sig";

/// What a peer claims to be, and its proof; not verified yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthMessage {
    /// The claimed identity.
    pub key: PublicKey,
    /// The signature over the challenge.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl AuthMessage {
    /// The message with its length in front, as it goes into a frame.
    #[must_use]
    pub fn encode(&self) -> [u8; AUTH_BYTES] {
        let mut out = [0; AUTH_BYTES];
        out[..5].copy_from_slice(&[0x66, 0x0a, 0x22, 0x0a, 0x20]);
        out[5..37].copy_from_slice(self.key.as_bytes());
        out[37..39].copy_from_slice(&[0x12, 0x40]);
        out[39..].copy_from_slice(&self.signature);
        out
    }

    /// Reads the message from its bytes without the length.
    ///
    /// # Errors
    /// [`DecodeError`] naming the field: not protobuf, no key, a key that is not Ed25519, a key or a
    /// signature of the wrong size.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut key = None;
        let mut signature: &[u8] = &[];
        let mut fields = Fields::new(body, "auth_sig_message");
        while let Some(field) = fields.next()? {
            match field.number {
                FIELD_PUB_KEY => key = decode_key(field.bytes(KEY_NAME)?)?.or(key),
                FIELD_SIGNATURE => signature = field.bytes(SIGNATURE_NAME)?,
                _ => {}
            }
        }
        let no_key = DecodeError::BadValue {
            field: KEY_NAME,
            rule: "an ed25519 key must be set",
        };
        let bad_signature = DecodeError::BadValue {
            field: SIGNATURE_NAME,
            rule: "must have 64 bytes",
        };
        Ok(Self {
            key: key.ok_or(no_key)?,
            signature: signature.try_into().map_err(|_| bad_signature)?,
        })
    }
}

/// The Ed25519 key of a `PublicKey` message, or `None` when the message sets none at all.
fn decode_key(message: &[u8]) -> Result<Option<PublicKey>, DecodeError> {
    let mut key = None;
    let mut fields = Fields::new(message, KEY_NAME);
    while let Some(field) = fields.next()? {
        match field.number {
            FIELD_ED25519 => {
                let rule = "an ed25519 key must have 32 bytes";
                let bytes: [u8; PUBLIC_KEY_BYTES] =
                    field
                        .bytes(KEY_NAME)?
                        .try_into()
                        .map_err(|_| DecodeError::BadValue {
                            field: KEY_NAME,
                            rule,
                        })?;
                key = Some(PublicKey::from_bytes(bytes));
            }
            FIELD_SECP256K1 => {
                let rule = "must be an ed25519 key, not secp256k1";
                return Err(DecodeError::BadValue {
                    field: KEY_NAME,
                    rule,
                });
            }
            _ => {}
        }
    }
    Ok(key)
}

/// Fuzz entry: what is read is written back to something that reads the same.
#[doc(hidden)]
pub fn fuzz_auth(bytes: &[u8]) {
    let Ok(message) = AuthMessage::decode(bytes) else {
        return;
    };
    let written = message.encode();
    let again = delimited::decode(&written, AUTH_BODY_MAX).expect("within the limit");
    let body = again.expect("whole").body;
    assert_eq!(AuthMessage::decode(body), Ok(message));
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: AuthMessage = AuthMessage {
        key: PublicKey::from_bytes([0xaa; 32]),
        signature: [0xbb; 64],
    };

    fn body() -> Vec<u8> {
        MESSAGE.encode()[1..].to_vec()
    }

    fn refused(body: &[u8]) -> (&'static str, &'static str) {
        match AuthMessage::decode(body).unwrap_err() {
            DecodeError::BadValue { field, rule } => (field, rule),
            other => panic!("not the expected kind of error: {other}"),
        }
    }

    #[test]
    fn a_message_is_read_back_whatever_the_order_of_its_fields() {
        let body = body();
        assert_eq!(AuthMessage::decode(&body), Ok(MESSAGE));
        let swapped = [&body[36..], &body[..36]].concat();
        assert_eq!(AuthMessage::decode(&swapped), Ok(MESSAGE));
    }

    #[test]
    fn unknown_fields_are_stepped_over() {
        let body = [&body()[..], &[0x7a, 0x02, 1, 2]].concat();
        assert_eq!(AuthMessage::decode(&body), Ok(MESSAGE));
    }

    // Conformance item 22.
    #[test]
    fn a_missing_key_is_refused() {
        let none = (KEY_NAME, "an ed25519 key must be set");
        assert_eq!(refused(&body()[36..]), none);
        assert_eq!(refused(&[&[0x0a, 0x00], &body()[36..]].concat()), none);
        assert_eq!(refused(&[]), none);
    }

    // Conformance item 22.
    #[test]
    fn a_key_that_is_not_ed25519_is_refused() {
        let mut body = body();
        body[2] = 0x12;
        assert_eq!(
            refused(&body),
            (KEY_NAME, "must be an ed25519 key, not secp256k1")
        );
        body[2] = 0x1a;
        assert_eq!(refused(&body), (KEY_NAME, "an ed25519 key must be set"));
    }

    #[test]
    fn a_key_or_signature_of_another_size_is_refused() {
        let short_key = [&[0x0a, 0x21, 0x0a, 0x1f][..], &[1; 31], &body()[36..]].concat();
        assert_eq!(
            refused(&short_key),
            (KEY_NAME, "an ed25519 key must have 32 bytes")
        );
        assert_eq!(
            refused(&body()[..36]),
            (SIGNATURE_NAME, "must have 64 bytes")
        );
        let long = [&body()[..36], &[0x12, 65], &[1; 65]].concat();
        assert_eq!(refused(&long), (SIGNATURE_NAME, "must have 64 bytes"));
    }

    #[test]
    fn a_message_cut_anywhere_is_refused() {
        let body = body();
        for len in 0..body.len() {
            assert!(AuthMessage::decode(&body[..len]).is_err(), "{len} bytes");
            fuzz_auth(&body[..len]);
        }
        fuzz_auth(&body);
    }
}
