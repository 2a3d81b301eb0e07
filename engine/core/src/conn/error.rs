//! Why an established connection, or one on its way there, broke off. Each error names the rule and
//! whose fault it was.

use std::time::Duration;

use ringwire_codec::secret::{FrameError, RecordError};
use ringwire_codec::{Blame, ChannelId, DecodeError};
use thiserror::Error;

use super::Goodbye;
use crate::buffer::LayerError;

/// Why a connection was closed by its own rules.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnError {
    /// The peer did not answer a ping in time (item 5).
    #[error("no pong within {0:?}")]
    PongTimeout(Duration),
    /// A packet came on a channel that no reactor registered (item 11).
    #[error("packet on channel {0}, which is not registered")]
    UnknownChannel(ChannelId),
    /// A packet's length is over what we accept (item 12).
    #[error("packet of {len} bytes is over the accepted maximum of {max}")]
    PacketTooLong {
        /// Bytes the packet claims to have.
        len: u64,
        /// Bytes of the longest packet body accepted.
        max: u64,
    },
    /// A message grew over its channel's maximum; found before the bytes over it are kept.
    #[error("message of at least {len} bytes on channel {channel} is over its maximum of {max}")]
    MessageTooLong {
        /// The channel.
        channel: ChannelId,
        /// Bytes of the message so far.
        len: usize,
        /// The channel's `recv_message_capacity`.
        max: usize,
    },
    /// The shard's budget for received bytes was used up and others waited. The peer, which held more
    /// of it than its share, was read so that it finishes a message, and did not get on with it.
    #[error(
        "a message was not finished within {within:?}, while {held} bytes are held over a share of {share}"
    )]
    HoldsTooMuch {
        /// Bytes held for the peer.
        held: usize,
        /// Bytes that each peer may hold in any case.
        share: usize,
        /// The time it had.
        within: Duration,
    },
    /// The bytes of a packet are not a packet (items 10 and 16).
    #[error("bad packet: {0}")]
    BadEncoding(DecodeError),
    /// A well-formed packet is neither ping, pong nor message (item 13), or a goodbye from a peer
    /// that agreed on none.
    #[error("packet of an unknown kind")]
    UnknownPacket,
    /// A wide record ends in the middle of a packet; records hold whole packets.
    #[error("a record ends in the middle of a packet")]
    PacketSpansRecords,
    /// A CometBFT frame could not be opened or sealed.
    #[error(transparent)]
    Frame(FrameError),
    /// A wide record could not be opened or sealed.
    #[error(transparent)]
    Record(RecordError),
    /// The bytes of the peer's NodeInfo are not a NodeInfo, or more than a NodeInfo may have.
    #[error("bad NodeInfo: {0}")]
    NodeInfoEncoding(DecodeError),
    /// The peer spread its NodeInfo over more frames than any honest node.
    #[error("NodeInfo is spread over more than {0} frames")]
    NodeInfoTooManyFrames(usize),
    /// The peer offered wide records and sent plain frames behind its NodeInfo all the same.
    #[error("frame data behind the NodeInfo that agreed on wide records")]
    DataBeforeRecords,
    /// The peer closes, and says why; everything it sent before was delivered.
    #[error("the remote said goodbye: {0}")]
    Goodbye(Goodbye),
}

impl ConnError {
    /// Whose fault it was.
    pub fn blame(&self) -> Blame {
        match self {
            ConnError::PongTimeout(_) => Blame::Network,
            ConnError::Frame(error) => error.blame(),
            ConnError::Record(error) => error.blame(),
            ConnError::Goodbye(goodbye) => goodbye.blame(),
            ConnError::BadEncoding(error) | ConnError::NodeInfoEncoding(error) => error.blame(),
            _ => Blame::Peer,
        }
    }

    /// The name the conformance list has for what is wrong with a packet.
    #[cold]
    pub(super) fn from_packet(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLong {
                what: "delimited message",
                len,
                max,
            } => ConnError::PacketTooLong { len, max },
            DecodeError::UnknownMessage { .. } => ConnError::UnknownPacket,
            error => ConnError::BadEncoding(error),
        }
    }
}

impl From<LayerError> for ConnError {
    fn from(error: LayerError) -> Self {
        match error {
            LayerError::Frame(error) => ConnError::Frame(error),
            LayerError::Record(error) => ConnError::Record(error),
        }
    }
}
