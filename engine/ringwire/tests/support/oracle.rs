//! The oracles: two implementations of the secret connection, written by others from the
//! reference and from its specification. Where both agree with us, our reading of the wire is
//! nobody's private opinion.
//!
//! Both are put behind the same two traits: one delimited protobuf message in, one out. What they
//! cannot do is worked around here and nowhere else:
//!
//! * `tendermint-p2p` panics when a read asks for less than a frame holds, so it is always given
//!   room for a whole frame.
//! * `cometbft-p2p` reads whole messages only and drops what follows a message within its last
//!   frame. So whoever talks to it starts each message in a frame of its own
//!   ([`Oracle::keeps_streams`]).

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use cometbft_p2p::{ReadMsg, SecretReader, SecretWriter, WriteMsg};
use prost::encoding::{DecodeContext, WireType};
use ringwire_codec::secret::FRAME_DATA_MAX;
use ringwire_codec::{NodeKey, PublicKey, delimited};
use tendermint_p2p::secret_connection as tendermint;

/// The longest message an oracle reads, without its length.
pub(crate) const ORACLE_MESSAGE_MAX: usize = cometbft_p2p::MAX_MSG_LEN - 3;

/// One implementation.
#[derive(Clone, Copy)]
pub(crate) struct Oracle {
    /// Its name on the registry.
    pub(crate) name: &'static str,
    /// Whether it can read messages that follow each other within a frame.
    pub(crate) keeps_streams: bool,
    shake: fn(TcpStream, [u8; 32]) -> Result<Opened, String>,
}

/// All implementations there are to ask.
pub(crate) const ORACLES: [Oracle; 2] = [
    Oracle {
        name: "tendermint-p2p",
        keeps_streams: true,
        shake: shake_tendermint,
    },
    Oracle {
        name: "cometbft-p2p",
        keeps_streams: false,
        shake: shake_comet,
    },
];

impl Oracle {
    /// Runs the oracle's handshake with the identity that `seed` makes.
    pub(crate) fn shake(&self, stream: TcpStream, seed: [u8; 32]) -> Result<Opened, String> {
        (self.shake)(stream, seed)
    }

    /// The public key the oracle derives from `seed` is the one we derive.
    pub(crate) fn key(seed: [u8; 32]) -> PublicKey {
        NodeKey::from_seed(seed).public_key()
    }
}

/// An oracle's secret connection after its handshake, split for two threads.
pub(crate) struct Opened {
    /// What it receives.
    pub(crate) reader: Box<dyn MessageRead>,
    /// What it sends.
    pub(crate) writer: Box<dyn MessageWrite>,
    /// Whom it thinks it talks to.
    pub(crate) remote_key: PublicKey,
}

/// Reads delimited messages out of a secret connection.
pub(crate) trait MessageRead: Send {
    /// The body of the next message; an error also at the end of the stream.
    fn read(&mut self) -> Result<Vec<u8>, String>;
}

/// Writes delimited messages into a secret connection.
pub(crate) trait MessageWrite: Send {
    /// Sends one message; its length is put before it.
    fn write(&mut self, body: &[u8]) -> Result<(), String>;
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

// ---- tendermint-p2p -----------------------------------------------------------------------------

fn shake_tendermint(stream: TcpStream, seed: [u8; 32]) -> Result<Opened, String> {
    let key = ed25519_consensus::SigningKey::from(seed);
    let version = tendermint::Version::V0_34;
    let connection =
        tendermint::SecretConnection::new(stream, key, version).map_err(|error| text(error.0))?;
    let tendermint::PublicKey::Ed25519(remote) = connection.remote_pubkey();
    let (writer, reader) = connection.split().map_err(|error| text(error.0))?;
    Ok(Opened {
        reader: Box::new(TendermintReader {
            connection: reader,
            stream: BytesMut::new(),
        }),
        writer: Box::new(TendermintWriter(writer)),
        remote_key: PublicKey::from_bytes(remote.to_bytes()),
    })
}

struct TendermintReader {
    connection: tendermint::Receiver<TcpStream>,
    /// Plaintext that came and was not asked for yet.
    stream: BytesMut,
}

impl MessageRead for TendermintReader {
    fn read(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let message = delimited::decode(&self.stream, ORACLE_MESSAGE_MAX).map_err(text)?;
            if let Some(message) = message {
                let (body, consumed) = (message.body.to_vec(), message.consumed);
                self.stream.advance(consumed);
                return Ok(body);
            }
            let mut frame = [0; FRAME_DATA_MAX];
            let len = self.connection.read(&mut frame).map_err(text)?;
            self.stream.extend_from_slice(&frame[..len]);
        }
    }
}

struct TendermintWriter(tendermint::Sender<TcpStream>);

impl MessageWrite for TendermintWriter {
    fn write(&mut self, body: &[u8]) -> Result<(), String> {
        let mut message = BytesMut::with_capacity(delimited::encoded_len(body.len()));
        delimited::encode(body, &mut message);
        self.0.write_all(&message).map_err(text)
    }
}

// ---- cometbft-p2p -------------------------------------------------------------------------------

fn shake_comet(stream: TcpStream, seed: [u8; 32]) -> Result<Opened, String> {
    let key = cometbft_p2p::IdentitySecret::from_bytes(&seed);
    let connection = cometbft_p2p::SecretConnection::new(stream, &key).map_err(text)?;
    let cometbft_p2p::PublicKey::Ed25519(remote) = connection.peer_public_key();
    let remote_key = PublicKey::from_bytes(remote.to_bytes());
    let (reader, writer) = connection.split();
    Ok(Opened {
        reader: Box::new(reader),
        writer: Box::new(writer),
        remote_key,
    })
}

impl MessageRead for SecretReader<TcpStream> {
    fn read(&mut self) -> Result<Vec<u8>, String> {
        let body: Body = self.read_msg().map_err(text)?;
        Ok(body.0.to_vec())
    }
}

impl MessageWrite for SecretWriter<TcpStream> {
    fn write(&mut self, body: &[u8]) -> Result<(), String> {
        self.write_msg(&Body(Bytes::copy_from_slice(body)))
            .map_err(text)
    }
}

/// Any message, encoded already: lets an interface of protobuf types carry our own encodings.
#[derive(Debug, Default)]
struct Body(Bytes);

impl prost::Message for Body {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        _tag: u32,
        _wire_type: WireType,
        _buf: &mut impl Buf,
        _context: DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        unreachable!("a body is taken whole by decode_length_delimited")
    }

    fn decode_length_delimited(mut buf: impl Buf) -> Result<Self, prost::DecodeError> {
        let len = prost::decode_length_delimiter(&mut buf)?;
        Ok(Body(buf.copy_to_bytes(len)))
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}
