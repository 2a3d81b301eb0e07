//! The fast provider: AWS-LC through `aws-lc-rs`.
//!
//! It picks the best code for the CPU at run time, so a default build runs at full speed. The key is
//! expanded once, when it is taken; a call then allocates nothing.

use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::{Aead, KEY_BYTES, NONCE_BYTES, OpenError, SEAL_BYTES_MAX, TAG_BYTES};

/// ChaCha20-Poly1305 (RFC 8439).
pub struct ChaCha(LessSafeKey);

/// AES-256-GCM (NIST SP 800-38D).
pub struct AesGcm(LessSafeKey);

impl Aead for ChaCha {
    fn new(key: &[u8; KEY_BYTES]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key);
        Self(LessSafeKey::new(
            key.expect("the algorithm takes keys of KEY_BYTES"),
        ))
    }

    fn seal(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], in_out: &mut [u8]) -> [u8; TAG_BYTES] {
        seal(&self.0, nonce, aad, in_out)
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), OpenError> {
        open(&self.0, nonce, aad, in_out, tag)
    }
}

impl Aead for AesGcm {
    fn new(key: &[u8; KEY_BYTES]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key);
        Self(LessSafeKey::new(
            key.expect("the algorithm takes keys of KEY_BYTES"),
        ))
    }

    fn seal(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], in_out: &mut [u8]) -> [u8; TAG_BYTES] {
        seal(&self.0, nonce, aad, in_out)
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), OpenError> {
        open(&self.0, nonce, aad, in_out, tag)
    }
}

fn seal(
    key: &LessSafeKey,
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    in_out: &mut [u8],
) -> [u8; TAG_BYTES] {
    assert!(
        in_out.len() <= SEAL_BYTES_MAX,
        "a record is never longer than {SEAL_BYTES_MAX}"
    );
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(aad), in_out)
        .expect("the only failure is a length over the algorithm's limit, checked above");
    tag.as_ref()
        .try_into()
        .expect("both algorithms have tags of TAG_BYTES")
}

fn open(
    key: &LessSafeKey,
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    in_out: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), OpenError> {
    let nonce = Nonce::assume_unique_for_key(*nonce);
    key.open_in_place_separate_tag(nonce, Aad::from(aad), tag, in_out)
        .map(|_| ())
        .map_err(|_| OpenError)
}
