//! What an origin signs: a keyed hash behind a text, for one channel of one network.

/// The key of all hashes that are signed on a channel of a network: BLAKE3 `derive_key` of the channel's id and the
/// network's name.
pub(crate) fn scope_key(context: &str, network: &str, channel: u8) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(&[channel]);
    hasher.update(network.as_bytes());
    *hasher.finalize().as_bytes()
}

/// A hash behind the text that says what it is of.
///
/// # Panics
/// Unless `N` is their length together.
pub(crate) fn behind<const N: usize>(prefix: &[u8], hash: &[u8; 32]) -> [u8; N] {
    let mut bytes = [0; N];
    let (text, rest) = bytes.split_at_mut(prefix.len());
    text.copy_from_slice(prefix);
    rest.copy_from_slice(hash);
    bytes
}
