//! Puts messages together again from the packets of a stream.

use bytes::{Buf, Bytes, BytesMut};
use ringwire_codec::packet::{Packet, accepted_body_max, decode_delimited};
use ringwire_codec::secret::record::RECORD_PLAIN_MAX;
use rival::Failure;

/// The packets and the message that have begun.
pub(crate) struct Assembly {
    /// Plaintext from which no packet was read yet.
    stream: BytesMut,
    message: BytesMut,
    message_bytes: usize,
}

impl Assembly {
    /// Waits for messages of `message_bytes` at most.
    pub(crate) fn new(message_bytes: usize) -> Self {
        Assembly {
            stream: BytesMut::new(),
            message: BytesMut::new(),
            message_bytes,
        }
    }

    /// Told what follows in the stream.
    pub(crate) fn push(&mut self, plain: &[u8]) {
        self.stream.extend_from_slice(plain);
    }

    /// The next message that is whole.
    pub(crate) fn pop(&mut self) -> Result<Option<Bytes>, Failure> {
        let body_max = accepted_body_max(RECORD_PLAIN_MAX);
        while let Some((packet, consumed)) = decode_delimited(&self.stream, body_max)? {
            let Packet::Msg(part) = packet else {
                return Err("a packet that the bench never sends".into());
            };
            if self.message.len() + part.data.len() > self.message_bytes {
                return Err("a message that is too long".into());
            }
            self.message
                .reserve(self.message_bytes - self.message.len());
            self.message.extend_from_slice(part.data);
            let eof = part.eof;
            self.stream.advance(consumed);
            if eof {
                return Ok(Some(self.message.split().freeze()));
            }
        }
        Ok(None)
    }
}
