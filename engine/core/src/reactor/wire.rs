//! Channels whose messages have a type.

use std::marker::PhantomData;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use thiserror::Error;

use super::context::Context;
use super::reactor::{Envelope, Reactor};
use crate::error::{ReactorError, TrySendError};
use crate::peer::PeerKey;

/// A message that is not in the form of its channel.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{field}: {problem}")]
pub struct WireError {
    /// Which field or part of it.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl WireError {
    /// What is wrong with a field, in words that go on from its name.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        WireError {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// How messages of a type are written and read.
///
/// ```
/// use bytes::Bytes;
/// use ringwire_core::reactor::{Wire, WireError};
///
/// /// A height, eight bytes on the wire.
/// #[derive(Debug, PartialEq)]
/// struct Height(u64);
///
/// impl Wire for Height {
///     fn encode(&self) -> Bytes {
///         Bytes::copy_from_slice(&self.0.to_be_bytes())
///     }
///
///     fn decode(bytes: Bytes) -> Result<Self, WireError> {
///         let bytes = <[u8; 8]>::try_from(&bytes[..]);
///         let bytes = bytes.map_err(|_| WireError::new("height", "must have eight bytes"))?;
///         Ok(Height(u64::from_be_bytes(bytes)))
///     }
/// }
///
/// assert_eq!(Height::decode(Height(7).encode()), Ok(Height(7)));
/// let refused = Height::decode(Bytes::from_static(b"7")).unwrap_err();
/// assert_eq!(refused.to_string(), "height: must have eight bytes");
/// ```
pub trait Wire: Sized {
    /// The message as bytes.
    fn encode(&self) -> Bytes;

    /// Reads a whole message.
    ///
    /// # Errors
    /// What the bytes break, and in which field.
    fn decode(bytes: Bytes) -> Result<Self, WireError>;
}

/// Bytes are a message as they are.
impl Wire for Bytes {
    fn encode(&self) -> Bytes {
        self.clone()
    }

    fn decode(bytes: Bytes) -> Result<Self, WireError> {
        Ok(bytes)
    }
}

/// A protobuf message, by prost.
#[cfg(feature = "prost")]
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Proto<M>(pub M);

#[cfg(feature = "prost")]
impl<M: prost::Message + Default> Wire for Proto<M> {
    fn encode(&self) -> Bytes {
        self.0.encode_to_vec().into()
    }

    fn decode(bytes: Bytes) -> Result<Self, WireError> {
        // prost names the path of the field before the first colon, when it knows one.
        M::decode(bytes).map(Proto).map_err(|error| {
            let text = error.to_string();
            let text = text
                .strip_prefix("failed to decode Protobuf message: ")
                .unwrap_or(&text);
            let (field, problem) = text.split_once(": ").unwrap_or(("message", text));
            WireError {
                field: field.to_owned(),
                problem: problem.to_owned(),
            }
        })
    }
}

/// A channel and the type of its messages.
pub struct TypedChannel<M> {
    id: ChannelId,
    message: PhantomData<fn() -> M>,
}

impl<M> Clone for TypedChannel<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for TypedChannel<M> {}

impl<M: Wire> TypedChannel<M> {
    /// The channel of this id.
    pub const fn new(id: ChannelId) -> Self {
        TypedChannel {
            id,
            message: PhantomData,
        }
    }

    /// Its id.
    pub const fn id(self) -> ChannelId {
        self.id
    }

    /// Reads a message that came on it.
    ///
    /// # Errors
    /// What does not decode closes the peer, for good: it speaks another protocol, or lies.
    pub fn decode(self, envelope: &Envelope<'_>) -> Result<M, ReactorError> {
        debug_assert_eq!(envelope.channel, self.id);
        M::decode(envelope.message.clone())
            .map_err(|error| ReactorError::new(format!("channel {:#04x}: {error}", self.id.0)))
    }

    /// Queues a message for one peer of the shard.
    ///
    /// # Errors
    /// As [`Context::try_send`].
    pub fn try_send<R: Reactor>(
        self,
        cx: &mut Context<'_, R>,
        peer: PeerKey,
        message: &M,
    ) -> Result<(), TrySendError> {
        cx.try_send(peer, self.id, message.encode())
    }

    /// Queues a message for every peer that has room, as [`Context::try_broadcast`].
    pub fn try_broadcast<R: Reactor>(self, cx: &mut Context<'_, R>, message: &M) -> usize {
        cx.try_broadcast(self.id, message.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_travel_as_they_are() {
        let message = Bytes::from_static(b"as it is");
        assert_eq!(Bytes::decode(message.encode()), Ok(message));
    }

    #[cfg(feature = "prost")]
    #[test]
    fn a_protobuf_message_comes_back_and_what_is_none_names_its_field() {
        #[derive(Clone, PartialEq, prost::Message)]
        struct Vote {
            #[prost(int64, tag = "1")]
            height: i64,
            #[prost(string, tag = "2")]
            voter: String,
        }
        let vote = Proto(Vote {
            height: 7,
            voter: String::from("ada"),
        });
        assert_eq!(Proto::decode(vote.encode()), Ok(vote));
        // Field 2 is text, and these two bytes are none.
        let error = Proto::<Vote>::decode(Bytes::from_static(&[0x12, 2, 0xff, 0xff]));
        let error = error.expect_err("no UTF-8");
        assert_eq!(error.field, "Vote.voter", "{error}");
    }
}
