//! graviola: proven assembly (s2n-bignum's and its own) behind an interface in Rust, without a C compiler.

use graviola::aead;
use ringwire_codec::secret::aead::{Aead, OpenError};

pub(super) struct ChaCha(aead::ChaCha20Poly1305);
pub(super) struct AesGcm(Box<aead::AesGcm>);

impl Aead for ChaCha {
    fn new(key: &[u8; 32]) -> Self {
        ChaCha(aead::ChaCha20Poly1305::new(*key))
    }

    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        let mut tag = [0; 16];
        self.0.encrypt(nonce, aad, in_out, &mut tag);
        tag
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        let opened = self.0.decrypt(nonce, aad, in_out, tag);
        opened.map_err(|_| OpenError)
    }
}

impl Aead for AesGcm {
    fn new(key: &[u8; 32]) -> Self {
        AesGcm(Box::new(aead::AesGcm::new(key)))
    }

    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        let mut tag = [0; 16];
        self.0.encrypt(nonce, aad, in_out, &mut tag);
        tag
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        let opened = self.0.decrypt(nonce, aad, in_out, tag);
        opened.map_err(|_| OpenError)
    }
}
