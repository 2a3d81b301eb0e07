//! The fast provider: AWS-LC through `aws-lc-rs`.
//!
//! It picks the best code for the CPU at run time, so a default build runs at full speed. The key is
//! expanded once, when it is taken; a call then allocates nothing.

use std::marker::PhantomData;

use aws_lc_rs::aead::{
    AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};

use super::{Aead, KEY_BYTES, NONCE_BYTES, OpenError, SEAL_BYTES_MAX, TAG_BYTES};

/// ChaCha20-Poly1305 (RFC 8439).
pub type ChaCha = Key<ChaCha20Poly1305>;

/// AES-256-GCM (NIST SP 800-38D).
pub type AesGcm = Key<Aes256Gcm>;

/// A key of algorithm `A`: the library's keys know theirs only when the program runs.
pub struct Key<A> {
    key: LessSafeKey,
    algorithm: PhantomData<A>,
}

/// An algorithm of the library, chosen when the program is compiled.
pub trait Choice: Send + 'static {
    /// The library's name of it. It takes keys of `KEY_BYTES` and gives tags of `TAG_BYTES`.
    const ALGORITHM: &'static Algorithm;
}

/// Chooses [`ChaCha`].
pub enum ChaCha20Poly1305 {}

/// Chooses [`AesGcm`].
pub enum Aes256Gcm {}

impl Choice for ChaCha20Poly1305 {
    const ALGORITHM: &'static Algorithm = &CHACHA20_POLY1305;
}

impl Choice for Aes256Gcm {
    const ALGORITHM: &'static Algorithm = &AES_256_GCM;
}

impl<A: Choice> Aead for Key<A> {
    fn new(key: &[u8; KEY_BYTES]) -> Self {
        let key = UnboundKey::new(A::ALGORITHM, key);
        Self {
            key: LessSafeKey::new(key.expect("the algorithm takes keys of KEY_BYTES")),
            algorithm: PhantomData,
        }
    }

    fn seal(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], in_out: &mut [u8]) -> [u8; TAG_BYTES] {
        assert!(
            in_out.len() <= SEAL_BYTES_MAX,
            "a record is never longer than {SEAL_BYTES_MAX}"
        );
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), in_out)
            .expect("the only failure is a length over the algorithm's limit, checked above");
        tag.as_ref()
            .try_into()
            .expect("both algorithms have tags of TAG_BYTES")
    }

    fn seal_with_tail(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        sealed: &mut [u8],
        tail: &[u8],
    ) {
        assert!(
            sealed.len() <= SEAL_BYTES_MAX + TAG_BYTES,
            "a record is never longer than {SEAL_BYTES_MAX}"
        );
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let (head, tail_and_tag) = sealed.split_at_mut(sealed.len() - tail.len() - TAG_BYTES);
        self.key
            .seal_in_place_scatter(nonce, Aad::from(aad), head, tail, tail_and_tag)
            .expect("the room is that of tail and tag, and the length was checked above");
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), OpenError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.key
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, in_out)
            .map(|_| ())
            .map_err(|_| OpenError)
    }
}
