//! Who signs for a node: a key in memory, or a place that keeps the key to itself.
//!
//! | key | signs | where |
//! |---|---|---|
//! | [`NodeKey`] | at once | in the memory of the process, from `node_key.json` or a seed |
//! | another [`Signer`] | when it can | a token, a process of its own, a machine that guards keys |
//!
//! The handshake is a value and waits for nobody: of a [`LocalKey::Elsewhere`] it asks a signature and is
//! told it later ([`Handshake::poll_challenge`](crate::secret::Handshake::poll_challenge)).

use std::fmt;

use super::pair::{NodeKey, PublicKey, SIGNATURE_BYTES};
use crate::id::NodeId;

/// Signs with the key of a node.
///
/// It is called on a thread of its own, never on one that moves data, so it may take its time: a device or
/// another machine may be behind it. A connection waits for it no longer than the time of its handshake.
/// Calls may come from several threads at once.
pub trait Signer: Send + Sync + 'static {
    /// The key that verifies what [`Signer::sign`] signs. Asked once, at the start; it is who the node is.
    fn public_key(&self) -> PublicKey;

    /// The Ed25519 signature (RFC 8032) of `message` as it is, without any prefix.
    ///
    /// # Errors
    /// Why it cannot be had. That ends the connection that needed it, and no other.
    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], SignerError>;
}

/// Why a signature could not be had; shown to the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SignerError(String);

impl SignerError {
    /// An error with a sentence about what is wrong and how to mend it.
    pub fn new(problem: impl fmt::Display) -> Self {
        SignerError(problem.to_string())
    }
}

impl Signer for NodeKey {
    fn public_key(&self) -> PublicKey {
        NodeKey::public_key(self)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], SignerError> {
        Ok(NodeKey::sign(self, message))
    }
}

/// The key of a node as a handshake has it.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "a handshake has one; a box would leave a second place to wipe"
)]
pub enum LocalKey {
    /// The private key itself: it signs on the spot.
    Held(NodeKey),
    /// Its public half; the private one is with a [`Signer`].
    Elsewhere(PublicKey),
}

impl LocalKey {
    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        match self {
            LocalKey::Held(key) => key.public_key(),
            LocalKey::Elsewhere(key) => *key,
        }
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.public_key().id()
    }
}

impl From<NodeKey> for LocalKey {
    fn from(key: NodeKey) -> Self {
        LocalKey::Held(key)
    }
}

impl From<&NodeKey> for LocalKey {
    fn from(key: &NodeKey) -> Self {
        LocalKey::Held(key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_memory_is_a_signer_and_both_forms_of_it_are_one_node() {
        let key = NodeKey::from_seed([7; 32]);
        let signer: &dyn Signer = &key;
        let signature = signer.sign(b"message").expect("it is in memory");
        assert!(signer.public_key().verify(b"message", &signature).is_ok());
        let elsewhere = LocalKey::Elsewhere(key.public_key());
        assert_eq!(LocalKey::from(&key).id(), elsewhere.id());
        assert_eq!(elsewhere.id(), key.id());
    }
}
