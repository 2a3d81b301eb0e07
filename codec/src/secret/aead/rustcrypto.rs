//! The pure-Rust provider: the RustCrypto crates `chacha20poly1305` and `aes-gcm`.
//!
//! Always built, so that a platform without a C toolchain can run a node and so that the tests can
//! set it against the other provider.

use aes_gcm::Aes256Gcm;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::consts::{U12, U16, U32};
use chacha20poly1305::aead::{AeadInOut, KeyInit};

use super::{Aead, KEY_BYTES, NONCE_BYTES, OpenError, SEAL_BYTES_MAX, TAG_BYTES};

/// ChaCha20-Poly1305 (RFC 8439).
pub type ChaCha = Key<ChaCha20Poly1305>;

/// AES-256-GCM (NIST SP 800-38D).
pub type AesGcm = Key<Aes256Gcm>;

/// A key of cipher `C`, on the heap: the key schedule of AES-256-GCM is larger than all the rest
/// of a session.
pub struct Key<C>(Box<C>);

impl<C> Aead for Key<C>
where
    C: AeadInOut<NonceSize = U12, TagSize = U16> + KeyInit<KeySize = U32> + Send + 'static,
{
    fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Box::new(C::new(key.into())))
    }

    fn seal(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], in_out: &mut [u8]) -> [u8; TAG_BYTES] {
        assert!(
            in_out.len() <= SEAL_BYTES_MAX,
            "a record is never longer than {SEAL_BYTES_MAX}"
        );
        self.0
            .encrypt_inout_detached(nonce.into(), aad, in_out.into())
            .expect("the only failure is a length over the algorithm's limit, checked above")
            .into()
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), OpenError> {
        self.0
            .decrypt_inout_detached(nonce.into(), aad, in_out.into(), tag.into())
            .map_err(|_| OpenError)
    }
}
