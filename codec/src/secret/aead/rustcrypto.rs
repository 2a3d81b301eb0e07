//! The pure-Rust provider: the RustCrypto crates `chacha20poly1305` and `aes-gcm`.
//!
//! Always built, so that a platform without a C toolchain can run a node and so that the tests can
//! set it against the other provider.

use aes_gcm::Aes256Gcm;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit, Nonce, Tag};

use super::{Aead, KEY_BYTES, NONCE_BYTES, OpenError, SEAL_BYTES_MAX, TAG_BYTES};

/// ChaCha20-Poly1305 (RFC 8439).
pub struct ChaCha(ChaCha20Poly1305);

/// AES-256-GCM (NIST SP 800-38D), its key schedule on the heap as it is larger than all the rest of
/// a session.
pub struct AesGcm(Box<Aes256Gcm>);

impl Aead for ChaCha {
    fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(ChaCha20Poly1305::new(key.into()))
    }

    fn seal(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], in_out: &mut [u8]) -> [u8; TAG_BYTES] {
        seal(&self.0, nonce.into(), aad, in_out).into()
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), OpenError> {
        open(&self.0, nonce.into(), aad, in_out, tag.into())
    }
}

impl Aead for AesGcm {
    fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Box::new(Aes256Gcm::new(key.into())))
    }

    fn seal(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], in_out: &mut [u8]) -> [u8; TAG_BYTES] {
        seal(&*self.0, nonce.into(), aad, in_out).into()
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), OpenError> {
        open(&*self.0, nonce.into(), aad, in_out, tag.into())
    }
}

fn seal<C: AeadInOut>(cipher: &C, nonce: &Nonce<C>, aad: &[u8], in_out: &mut [u8]) -> Tag<C> {
    assert!(
        in_out.len() <= SEAL_BYTES_MAX,
        "a record is never longer than {SEAL_BYTES_MAX}"
    );
    cipher
        .encrypt_inout_detached(nonce, aad, in_out.into())
        .expect("the only failure is a length over the algorithm's limit, checked above")
}

fn open<C: AeadInOut>(
    cipher: &C,
    nonce: &Nonce<C>,
    aad: &[u8],
    in_out: &mut [u8],
    tag: &Tag<C>,
) -> Result<(), OpenError> {
    cipher
        .decrypt_inout_detached(nonce, aad, in_out.into(), tag)
        .map_err(|_| OpenError)
}
