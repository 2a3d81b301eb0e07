//! libsodium, built from the sources that its crate brings.

use std::ptr::{null, null_mut};

use libsodium_sys as sodium;
use ringwire_codec::secret::aead::{Aead, OpenError};

pub(super) struct ChaCha([u8; 32]);
/// The expanded key, at an address that does not change.
pub(super) struct AesGcm(Box<sodium::crypto_aead_aes256gcm_state_>);

/// Has the library look which instructions the CPU has.
fn init() {
    // SAFETY: it may be called at any time and by any thread; it takes nothing.
    let done = unsafe { sodium::sodium_init() };
    assert!(done >= 0, "libsodium does not start");
}

impl Aead for ChaCha {
    fn new(key: &[u8; 32]) -> Self {
        init();
        ChaCha(*key)
    }

    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        let (mut tag, text) = ([0; 16], in_out.as_mut_ptr());
        // SAFETY: text is `in_out.len()` bytes that may be read and written, in place as the library allows; tag,
        // nonce and key have the lengths of this construction.
        let failed = unsafe {
            sodium::crypto_aead_chacha20poly1305_ietf_encrypt_detached(
                text,
                tag.as_mut_ptr(),
                null_mut(),
                text,
                in_out.len() as u64,
                aad.as_ptr(),
                aad.len() as u64,
                null(),
                nonce.as_ptr(),
                self.0.as_ptr(),
            )
        };
        assert_eq!(failed, 0, "pieces are short");
        tag
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        let text = in_out.as_mut_ptr();
        // SAFETY: as for `seal`.
        let failed = unsafe {
            sodium::crypto_aead_chacha20poly1305_ietf_decrypt_detached(
                text,
                null_mut(),
                text,
                in_out.len() as u64,
                tag.as_ptr(),
                aad.as_ptr(),
                aad.len() as u64,
                nonce.as_ptr(),
                self.0.as_ptr(),
            )
        };
        (failed == 0).then_some(()).ok_or(OpenError)
    }
}

impl Aead for AesGcm {
    fn new(key: &[u8; 32]) -> Self {
        init();
        // SAFETY: it takes nothing.
        let is_there = unsafe { sodium::crypto_aead_aes256gcm_is_available() };
        assert_eq!(
            is_there, 1,
            "libsodium has AES-GCM for CPUs with AES instructions alone"
        );
        // SAFETY: the state is plain bytes, which the next call fills.
        let mut state: Box<sodium::crypto_aead_aes256gcm_state_> =
            Box::new(unsafe { std::mem::zeroed() });
        // SAFETY: the state is ours, and the key has the 32 bytes of this construction.
        let failed =
            unsafe { sodium::crypto_aead_aes256gcm_beforenm(&raw mut *state, key.as_ptr()) };
        assert_eq!(failed, 0, "any key is one");
        AesGcm(state)
    }

    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        let (mut tag, text) = ([0; 16], in_out.as_mut_ptr());
        // SAFETY: as for ChaCha20-Poly1305; the state was filled by `new`.
        let failed = unsafe {
            sodium::crypto_aead_aes256gcm_encrypt_detached_afternm(
                text,
                tag.as_mut_ptr(),
                null_mut(),
                text,
                in_out.len() as u64,
                aad.as_ptr(),
                aad.len() as u64,
                null(),
                nonce.as_ptr(),
                &raw const *self.0,
            )
        };
        assert_eq!(failed, 0, "pieces are short");
        tag
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        let text = in_out.as_mut_ptr();
        // SAFETY: as for `seal`.
        let failed = unsafe {
            sodium::crypto_aead_aes256gcm_decrypt_detached_afternm(
                text,
                null_mut(),
                text,
                in_out.len() as u64,
                tag.as_ptr(),
                aad.as_ptr(),
                aad.len() as u64,
                nonce.as_ptr(),
                &raw const *self.0,
            )
        };
        (failed == 0).then_some(()).ok_or(OpenError)
    }
}
