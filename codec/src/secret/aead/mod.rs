//! The seam to authenticated encryption: one trait, two algorithms, two libraries.
//!
//! |  | aws-lc-rs (feature `aws-lc`, default) | RustCrypto (always built) |
//! |---|---|---|
//! | ChaCha20-Poly1305, frames | `aws_lc::ChaCha` | [`rustcrypto::ChaCha`] |
//! | AES-256-GCM, wide records | `aws_lc::AesGcm` | [`rustcrypto::AesGcm`] |
//!
//! Both work on memory the caller lends, in place or with the end of the plaintext apart, and allocate nothing per call. Both
//! give the same bytes, so the feature chooses speed, never behaviour; the tests seal with one and open with the
//! other.

#[cfg(feature = "aws-lc")]
pub mod aws_lc;
pub mod rustcrypto;

/// Bytes of a key, the same for both algorithms.
pub const KEY_BYTES: usize = 32;

/// Bytes of a nonce, the same for both algorithms.
pub const NONCE_BYTES: usize = 12;

/// Bytes of an authentication tag, the same for both algorithms.
pub const TAG_BYTES: usize = 16;

/// The most bytes one call may seal; far below what either algorithm bears.
pub const SEAL_BYTES_MAX: usize = 1 << 20;

/// ChaCha20-Poly1305 by the provider this build prefers.
#[cfg(feature = "aws-lc")]
pub type DefaultChaCha = aws_lc::ChaCha;
/// ChaCha20-Poly1305 by the provider this build prefers.
#[cfg(not(feature = "aws-lc"))]
pub type DefaultChaCha = rustcrypto::ChaCha;

/// AES-256-GCM by the provider this build prefers.
#[cfg(feature = "aws-lc")]
pub type DefaultAesGcm = aws_lc::AesGcm;
/// AES-256-GCM by the provider this build prefers.
#[cfg(not(feature = "aws-lc"))]
pub type DefaultAesGcm = rustcrypto::AesGcm;

/// The bytes are not what the holder of the key has sealed with this nonce and associated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("authentication failed")]
pub struct OpenError;

/// One key of an algorithm that encrypts and authenticates.
///
/// An implementation must be `Send`: a session moves once to the shard of its peer.
pub trait Aead: Send + Sized + 'static {
    /// Takes the key.
    fn new(key: &[u8; KEY_BYTES]) -> Self;

    /// Encrypts `in_out` and gives the tag over it and `aad`. A nonce must never be used twice.
    ///
    /// # Panics
    /// When `in_out` is longer than [`SEAL_BYTES_MAX`].
    fn seal(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], in_out: &mut [u8]) -> [u8; TAG_BYTES];

    /// Encrypts a text of which the end, `tail`, lies elsewhere and is not copied first where the library can do without.
    /// `sealed` is the text without it, then room for the tail and for the tag, [`TAG_BYTES`], both of which are written here.
    ///
    /// # Panics
    /// When `sealed` is shorter than tail and tag, or the text longer than [`SEAL_BYTES_MAX`].
    fn seal_with_tail(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        sealed: &mut [u8],
        tail: &[u8],
    ) {
        let (text, tag) = sealed
            .split_last_chunk_mut::<TAG_BYTES>()
            .expect("the caller leaves room for the tag");
        let head_len = text.len() - tail.len();
        text[head_len..].copy_from_slice(tail);
        *tag = self.seal(nonce, aad, text);
    }

    /// Verifies `tag` over `in_out` and `aad`, and decrypts `in_out`.
    ///
    /// # Errors
    /// [`OpenError`] when the tag does not verify; what `in_out` then holds is not specified.
    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), OpenError>;
}

#[cfg(test)]
mod tests;
