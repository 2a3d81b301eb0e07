//! What a handshake leaves behind: the keys of a connection and the name of its other end.

use bytes::Bytes;

use crate::id::NodeId;
use crate::key::PublicKey;
use crate::secret::frame::{FrameOpener, FrameSealer};
use crate::secret::record::{RecordOpener, RecordSealer};
use crate::secret::schedule::WideKeys;
use crate::secret::shared_secret::SharedSecret;
use crate::secret::transcript::CHALLENGE_BYTES;

/// A connection whose other end is known: what the handshake leaves behind.
///
/// It is `Send`: it moves once, to the shard of its peer.
pub struct Session {
    /// The peer's identity, proven.
    pub remote_key: PublicKey,
    /// The id of [`Session::remote_key`].
    pub remote_id: NodeId,
    /// Seals what we send; frame 0 was our authentication.
    pub sealer: FrameSealer,
    /// Opens what we receive.
    pub opener: FrameOpener,
    /// What both sides signed; the same on both.
    pub challenge: [u8; CHALLENGE_BYTES],
    /// The secret under all keys; drop it as soon as the wide keys are derived or not wanted.
    pub shared_secret: SharedSecret,
    /// Whether our ephemeral key is the smaller one.
    pub local_is_lower: bool,
    /// Plaintext that followed the authentication within its last frame, at most one frame's data.
    /// No known node sends any, but the reference would read it, so it is the start of what comes
    /// next.
    pub early_data: Bytes,
}

impl Session {
    /// The wide record layer of this connection, once both sides have offered it.
    ///
    /// The messages are the protobuf bytes of both NodeInfos as they travelled, without lengths;
    /// `plain_max` is the agreed maximum of plaintext bytes.
    ///
    /// # Panics
    /// As [`RecordSealer::new`] and [`WideKeys::derive`].
    #[must_use]
    pub fn wide_records(
        &self,
        local_node_info: &[u8],
        remote_node_info: &[u8],
        plain_max: usize,
    ) -> (RecordSealer, RecordOpener) {
        let (lower, upper) = if self.local_is_lower {
            (local_node_info, remote_node_info)
        } else {
            (remote_node_info, local_node_info)
        };
        let keys = WideKeys::derive(&self.shared_secret, &self.challenge, lower, upper);
        let (send, recv) = keys.send_and_recv(self.local_is_lower);
        (
            RecordSealer::new(send, plain_max),
            RecordOpener::new(recv, plain_max),
        )
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("remote_id", &self.remote_id)
            .finish_non_exhaustive()
    }
}
