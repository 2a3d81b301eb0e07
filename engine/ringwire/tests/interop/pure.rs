//! Our handshake and frames, driven by the plainest shell there is: a blocking socket.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::{Buf, BytesMut};
use ringwire_codec::secret::frame::FRAME_HEADER;
use ringwire_codec::secret::{
    FRAME_DATA_MAX, FRAME_SEALED, FrameOpener, FrameSealer, Handshake, HandshakeError, Progress,
};
use ringwire_codec::{NodeId, NodeKey, PublicKey, delimited};

use crate::support::oracle::{MessageRead, MessageWrite, ORACLE_MESSAGE_MAX};
use crate::support::traffic::Rng;

/// Our side of a secret connection, split for two threads.
pub(crate) struct Ours {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) remote_key: PublicKey,
}

impl Ours {
    /// Runs our handshake over `stream` to its end.
    pub(crate) fn shake(
        mut stream: TcpStream,
        key: &NodeKey,
        expected: Option<NodeId>,
        rng: &mut Rng,
    ) -> Result<Ours, HandshakeError> {
        let mut handshake = Handshake::new(key, rng.seed(), expected);
        let mut sealed = BytesMut::new();
        loop {
            while let Some(bytes) = handshake.poll_transmit() {
                stream
                    .write_all(&bytes)
                    .expect("the oracle reads its handshake");
            }
            if read_some(&mut stream, &mut sealed) == 0 {
                return Err(handshake.handle_close());
            }
            if let Progress::Done(session) = handshake.handle_bytes(&mut sealed)? {
                // Our authentication may still wait: theirs came with their ephemeral key.
                while let Some(bytes) = handshake.poll_transmit() {
                    stream
                        .write_all(&bytes)
                        .expect("the oracle reads its handshake");
                }
                assert!(
                    session.early_data.is_empty(),
                    "an oracle sends its proof alone"
                );
                let read_stream = stream.try_clone().expect("a socket can be duplicated");
                let opener = session.opener;
                return Ok(Ours {
                    reader: Reader {
                        stream: read_stream,
                        opener,
                        sealed,
                        plain: BytesMut::new(),
                    },
                    writer: Writer {
                        stream,
                        sealer: session.sealer,
                        cut: Cut::Whole,
                    },
                    remote_key: session.remote_key,
                });
            }
        }
    }
}

fn read_some(stream: &mut TcpStream, into: &mut BytesMut) -> usize {
    let mut bytes = [0; 16 * FRAME_SEALED];
    // A reset is an end like any other: what matters is that nothing more comes.
    let len = stream.read(&mut bytes).unwrap_or(0);
    into.extend_from_slice(&bytes[..len]);
    len
}

/// Opens frames as they come.
pub(crate) struct Reader {
    stream: TcpStream,
    opener: FrameOpener,
    sealed: BytesMut,
    plain: BytesMut,
}

impl Reader {
    /// The next frame as it travelled, still sealed.
    pub(crate) fn sealed_frame(&mut self) -> Result<BytesMut, String> {
        while self.sealed.len() < FRAME_SEALED {
            if read_some(&mut self.stream, &mut self.sealed) == 0 {
                return Err(String::from("the stream ended"));
            }
        }
        Ok(self.sealed.split_to(FRAME_SEALED))
    }

    /// Opens a frame and keeps its data.
    pub(crate) fn open(&mut self, mut frame: BytesMut) -> Result<(), String> {
        let data = self
            .opener
            .open(&mut frame)
            .map_err(|error| error.to_string())?;
        self.plain.extend_from_slice(&frame[data]);
        Ok(())
    }
}

impl MessageRead for Reader {
    fn read(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let message = delimited::decode(&self.plain, ORACLE_MESSAGE_MAX)
                .map_err(|error| error.to_string())?;
            if let Some(message) = message {
                let (body, consumed) = (message.body.to_vec(), message.consumed);
                self.plain.advance(consumed);
                return Ok(body);
            }
            let frame = self.sealed_frame()?;
            self.open(frame)?;
        }
    }
}

/// How the writer divides a message into frames.
pub(crate) enum Cut {
    /// Full frames and a rest, as the reference does.
    Whole,
    /// Frames of random length, which the reference would accept as well.
    Random(Rng),
}

/// Seals frames and sends them.
pub(crate) struct Writer {
    stream: TcpStream,
    sealer: FrameSealer,
    /// How messages are divided.
    pub(crate) cut: Cut,
}

impl Writer {
    /// Seals `data` as one frame.
    pub(crate) fn seal(&mut self, data: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; FRAME_SEALED];
        frame[FRAME_HEADER..FRAME_HEADER + data.len()].copy_from_slice(data);
        self.sealer
            .seal(&mut frame, data.len())
            .expect("the data fits and nonces are left");
        frame
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream
            .write_all(bytes)
            .map_err(|error| error.to_string())
    }
}

impl MessageWrite for Writer {
    fn write(&mut self, body: &[u8]) -> Result<(), String> {
        let mut message = BytesMut::with_capacity(delimited::encoded_len(body.len()));
        delimited::encode(body, &mut message);
        let mut rest = &message[..];
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let len = match &mut self.cut {
                Cut::Whole => FRAME_DATA_MAX,
                Cut::Random(rng) => 1 + rng.below(FRAME_DATA_MAX),
            };
            let (data, after) = rest.split_at(len.min(rest.len()));
            frames.extend_from_slice(&self.seal(data));
            rest = after;
        }
        self.send(&frames)
    }
}
