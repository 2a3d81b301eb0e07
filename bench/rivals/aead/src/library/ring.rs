//! ring: BoringSSL's code behind an interface in Rust.

use std::marker::PhantomData;

use ring::aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ringwire_codec::secret::aead::{Aead, OpenError};

pub(super) type ChaCha = Key<ChaCha20Poly1305>;
pub(super) type AesGcm = Key<Aes256Gcm>;

pub(super) struct Key<A>(LessSafeKey, PhantomData<A>);

pub(super) trait Choice: Send + 'static {
    const ALGORITHM: &'static Algorithm;
}

pub(super) enum ChaCha20Poly1305 {}
pub(super) enum Aes256Gcm {}

impl Choice for ChaCha20Poly1305 {
    const ALGORITHM: &'static Algorithm = &CHACHA20_POLY1305;
}

impl Choice for Aes256Gcm {
    const ALGORITHM: &'static Algorithm = &AES_256_GCM;
}

impl<A: Choice> Aead for Key<A> {
    fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(A::ALGORITHM, key).expect("both take 32 bytes");
        Key(LessSafeKey::new(key), PhantomData)
    }

    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(aad), in_out)
            .expect("pieces are short");
        tag.as_ref().try_into().expect("tags have 16 bytes")
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened =
            self.0
                .open_in_place_separate_tag(nonce, Aad::from(aad), (*tag).into(), in_out, 0..);
        opened.map(|_| ()).map_err(|_| OpenError)
    }
}
