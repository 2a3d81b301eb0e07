//! How a handshake fails: at which stage, by which rule, and through whose fault.

use super::AUTH_FRAMES_MAX;
use crate::error::{Blame, DecodeError};
use crate::id::NodeId;
use crate::secret::frame::FrameError;

/// Which message of the peer a handshake waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeStage {
    /// The peer's ephemeral key, in clear.
    EphemeralKey,
    /// The peer's proof of identity, sealed.
    Authentication,
}

/// Why a handshake failed. It cannot be continued after any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The stream ended before the handshake did.
    #[error("handshake: the connection ended while waiting for the peer's {0}")]
    Closed(HandshakeStage),
    /// The first bytes are not an ephemeral key message; most often the peer speaks something else.
    #[error(
        "handshake: byte {offset} of the ephemeral key message is {found:#04x}, \
         must be {expected:#04x}{}",
        guess(*offset, *found)
    )]
    EphemeralMalformed {
        /// Position of the byte, from 0.
        offset: usize,
        /// The byte found.
        found: u8,
        /// The byte that must stand there.
        expected: u8,
    },
    /// The peer sent our own ephemeral key back.
    #[error("handshake: the peer's ephemeral key is our own, sent back")]
    EphemeralReflected,
    /// The peer's ephemeral key is a point of low order, which makes the secret known to everyone.
    #[error("handshake: the peer's ephemeral key is of low order")]
    EphemeralLowOrder,
    /// A frame of the authentication could not be opened.
    #[error("handshake: authentication: {0}")]
    AuthFrame(FrameError),
    /// The authentication message took too many frames.
    #[error("handshake: authentication is spread over more than {AUTH_FRAMES_MAX} frames")]
    AuthTooManyFrames,
    /// The authentication message breaks a rule of its format.
    #[error("handshake: authentication: {0}")]
    AuthMalformed(DecodeError),
    /// The peer's signature is not its key's over our challenge.
    #[error("handshake: authentication: the signature over the challenge does not verify")]
    BadSignature,
    /// The peer's key is a point of low order, for which anyone can sign.
    #[error("handshake: authentication: the peer's key is of low order and proves nothing")]
    IdentityLowOrder,
    /// Another node answered than the one that was dialed.
    #[error("handshake: dialed node {expected}, but node {found} answered")]
    WrongId {
        /// The id that was dialed.
        expected: NodeId,
        /// The id that was proven.
        found: NodeId,
    },
    /// The handshake has already ended.
    #[error("handshake: told about bytes after its end")]
    Over,
}

impl HandshakeError {
    /// What the handshake was waiting for when it failed; `None` when it was over.
    #[must_use]
    pub const fn stage(&self) -> Option<HandshakeStage> {
        match self {
            Self::Closed(stage) => Some(*stage),
            Self::EphemeralMalformed { .. }
            | Self::EphemeralReflected
            | Self::EphemeralLowOrder => Some(HandshakeStage::EphemeralKey),
            Self::Over => None,
            _ => Some(HandshakeStage::Authentication),
        }
    }

    /// Whose fault it is.
    ///
    /// Until the handshake is over the peer has no proven name, so even [`Blame::Peer`] speaks of
    /// the address that was talked to and is never a reason to ban an id. A wrong id counts as the
    /// network's: the address may have passed to another node in good faith.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Closed(_) | Self::WrongId { .. } => Blame::Network,
            Self::AuthFrame(error) => error.blame(),
            Self::Over => Blame::Local,
            _ => Blame::Peer,
        }
    }
}

/// What a peer speaks whose first byte is none of ours, in words for the operator: most often a port was
/// mistaken for another of the same node.
fn guess(offset: usize, first: u8) -> &'static str {
    match (offset, first) {
        // "HTTP/1.1 400 Bad Request" of a server; GET, POST or PUT of a client.
        (0, b'H' | b'G' | b'P') => ": it seems to speak HTTP",
        // Records of the kinds alert and handshake.
        (0, 0x15 | 0x16) => ": it seems to speak TLS",
        (0, b'S') => ": it seems to speak SSH",
        _ => "",
    }
}

impl std::fmt::Display for HandshakeStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::EphemeralKey => "ephemeral key",
            Self::Authentication => "authentication",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_mistook_a_port_is_told_what_listens_there() {
        let told = |offset: usize, found: u8| {
            let error = HandshakeError::EphemeralMalformed {
                offset,
                found,
                expected: 0x22,
            };
            error.to_string()
        };
        let bare = "handshake: byte 0 of the ephemeral key message is 0x48, must be 0x22";
        assert_eq!(told(0, b'H'), format!("{bare}: it seems to speak HTTP"));
        assert!(told(0, 0x15).ends_with("it seems to speak TLS"));
        assert!(told(0, b'S').ends_with("it seems to speak SSH"));
        // Another first byte says nothing, and a later one may be chance.
        assert!(told(0, 0).ends_with("must be 0x22"));
        assert!(told(1, b'H').ends_with("must be 0x22"));
    }
}
