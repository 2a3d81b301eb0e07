//! X25519 by x25519-dalek.

use x25519_dalek::{PublicKey, StaticSecret};

use crate::secret::shared_secret::SharedSecret;

/// An ephemeral key pair; the secret half wipes itself.
pub(in crate::secret) struct Ephemeral {
    secret: StaticSecret,
    public: [u8; 32],
}

impl super::Ephemeral for Ephemeral {
    fn new(secret: &[u8; 32]) -> Self {
        let secret = StaticSecret::from(*secret);
        let public = PublicKey::from(&secret).to_bytes();
        Ephemeral { secret, public }
    }

    fn public(&self) -> &[u8; 32] {
        &self.public
    }

    fn agree(&self, remote: &[u8; 32]) -> Option<SharedSecret> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(*remote));
        let is_secret = shared.was_contributory();
        is_secret.then(|| SharedSecret::from_bytes(shared.to_bytes()))
    }
}
