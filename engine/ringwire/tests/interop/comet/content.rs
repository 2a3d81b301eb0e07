//! Messages that both ends make from a seed, and the digest by which they compare them.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::support::traffic::Rng;

/// The message of `seed`, as `content.go` makes it too: outputs of the generator, little-endian.
pub(crate) fn content(seed: u64, size: usize) -> Bytes {
    let mut rng = Rng::new(seed);
    let mut message = Vec::with_capacity(size.next_multiple_of(8));
    while message.len() < size {
        message.extend_from_slice(&rng.next().to_le_bytes());
    }
    message.truncate(size);
    Bytes::from(message)
}

/// SHA-256 in hex.
pub(crate) fn digest(message: &[u8]) -> String {
    hex::encode(Sha256::digest(message))
}
