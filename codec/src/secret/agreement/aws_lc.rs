//! X25519 by aws-lc-rs.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};

use crate::secret::shared_secret::SharedSecret;

/// An ephemeral key pair; AWS-LC wipes what it frees.
pub(in crate::secret) struct Ephemeral {
    secret: PrivateKey,
    public: [u8; 32],
}

impl super::Ephemeral for Ephemeral {
    fn new(secret: &[u8; 32]) -> Self {
        let secret = PrivateKey::from_private_key(&X25519, secret).expect("any 32 bytes are a key");
        let public = secret
            .compute_public_key()
            .expect("a key has a public half");
        let public = public.as_ref().try_into().expect("it has 32 bytes");
        Ephemeral { secret, public }
    }

    fn public(&self) -> &[u8; 32] {
        &self.public
    }

    fn agree(&self, remote: &[u8; 32]) -> Option<SharedSecret> {
        let remote = UnparsedPublicKey::new(&X25519, remote);
        // Of 32 bytes it refuses only what gives zero.
        agreement::agree(&self.secret, remote, (), |shared| {
            let shared = shared.try_into().expect("a secret has 32 bytes");
            Ok(SharedSecret::from_bytes(shared))
        })
        .ok()
    }
}
