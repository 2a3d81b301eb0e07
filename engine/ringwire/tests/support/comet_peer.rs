//! A plain CometBFT peer: an oracle's secret connection with NodeInfo and packets on top.
//!
//! ```text
//!   NodeInfo, packets    made here, with the codec's messages
//!   secret connection    the oracle's
//!   socket               blocking
//! ```
//!
//! It holds its partner to the reference's limits: a packet body over 1034 bytes, a channel that
//! was not announced, or a message that the reference would refuse is an error here.

use std::net::TcpStream;

use bytes::{Buf, BytesMut};
use ringwire_codec::packet::packet_body_max;
use ringwire_codec::{
    ChannelId, NodeInfo, NodeInfoOther, Packet, PacketMsg, ProtocolVersion, PublicKey, delimited,
};

use super::oracle::{MessageRead, MessageWrite, Opened, Oracle};

/// Payload of the largest packet a node with default settings sends.
pub(crate) const PACKET_PAYLOAD_MAX: usize = 1024;

/// Both directions of an established connection.
pub(crate) struct CometPeer {
    /// Packets from the partner.
    pub(crate) reader: PacketReader,
    /// Packets to the partner.
    pub(crate) writer: PacketWriter,
    /// What the partner said of itself.
    pub(crate) node_info: NodeInfo,
    /// Who the partner proved to be.
    pub(crate) remote_key: PublicKey,
}

impl CometPeer {
    /// Secret connection and NodeInfo exchange over a fresh socket.
    pub(crate) fn establish(
        oracle: Oracle,
        stream: TcpStream,
        seed: [u8; 32],
        info: &NodeInfo,
    ) -> Result<CometPeer, String> {
        let Opened {
            mut reader,
            mut writer,
            remote_key,
        } = oracle.shake(stream, seed)?;
        writer.write(&body_of(info))?;
        let mut theirs = BytesMut::new();
        delimited::encode(&reader.read()?, &mut theirs);
        let (node_info, _) = NodeInfo::decode(&theirs)
            .map_err(|error| error.to_string())?
            .ok_or("half a NodeInfo came as a whole message")?;
        Ok(CometPeer {
            reader: PacketReader {
                messages: reader,
                announced: info.channels.to_vec(),
            },
            writer: PacketWriter(writer),
            node_info,
            remote_key,
        })
    }
}

/// The NodeInfo of a plain node with the identity of `seed`.
pub(crate) fn node_info(seed: [u8; 32], network: &str, channels: &[ChannelId]) -> NodeInfo {
    NodeInfo {
        protocol_version: ProtocolVersion::default(),
        node_id: Oracle::key(seed).id(),
        listen_addr: String::from("tcp://127.0.0.1:26656"),
        network: String::from(network),
        version: String::from("0.38.17"),
        channels: channels.iter().copied().collect(),
        moniker: String::from("plain"),
        other: NodeInfoOther::default(),
        extension: None,
    }
}

/// The protobuf bytes of a NodeInfo, without their length.
pub(crate) fn body_of(info: &NodeInfo) -> Vec<u8> {
    let mut message = BytesMut::new();
    info.encode(&mut message);
    delimited_body(&message)
}

fn delimited_body(message: &[u8]) -> Vec<u8> {
    let whole = delimited::decode(message, message.len()).expect("our own message is in order");
    whole.expect("our own message is whole").body.to_vec()
}

/// What comes in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A ping, to be answered.
    Ping,
    /// A pong.
    Pong,
    /// A whole message.
    Message(ChannelId, Vec<u8>),
}

/// Packets from the partner, gathered into messages.
pub(crate) struct PacketReader {
    messages: Box<dyn MessageRead>,
    announced: Vec<ChannelId>,
}

impl PacketReader {
    /// The next ping, pong or whole message.
    ///
    /// A message's packets must follow each other here: the tests send on one channel at a time
    /// where they use this, and [`PacketReader::packet`] where they do not.
    pub(crate) fn next(&mut self) -> Result<Incoming, String> {
        let mut gathered: Option<(ChannelId, Vec<u8>)> = None;
        loop {
            match self.packet()? {
                Part::Ping => return Ok(Incoming::Ping),
                Part::Pong => return Ok(Incoming::Pong),
                Part::Of { channel, eof, data } => {
                    let (first, mut message) = gathered.take().unwrap_or((channel, Vec::new()));
                    if first != channel {
                        return Err(format!("{channel} cuts into a message on {first}"));
                    }
                    message.extend_from_slice(&data);
                    if eof {
                        return Ok(Incoming::Message(channel, message));
                    }
                    gathered = Some((channel, message));
                }
            }
        }
    }

    /// The next packet, held to the reference's limits.
    pub(crate) fn packet(&mut self) -> Result<Part, String> {
        let body = self.messages.read()?;
        if body.len() > packet_body_max(PACKET_PAYLOAD_MAX) {
            return Err(format!("a packet body of {} bytes", body.len()));
        }
        match Packet::decode(&body).map_err(|error| error.to_string())? {
            Packet::Ping => Ok(Part::Ping),
            Packet::Goodbye(_) => Err(String::from("a goodbye, which CometBFT does not know")),
            Packet::Pong => Ok(Part::Pong),
            Packet::Msg(PacketMsg { channel, eof, data }) => {
                if !self.announced.contains(&channel) {
                    return Err(format!("a packet on {channel}, which was not announced"));
                }
                Ok(Part::Of {
                    channel,
                    eof,
                    data: data.to_vec(),
                })
            }
        }
    }
}

/// One packet that came in.
pub(crate) enum Part {
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A part of a message.
    Of {
        /// Of which channel.
        channel: ChannelId,
        /// Whether it is the last part.
        eof: bool,
        /// Its bytes.
        data: Vec<u8>,
    },
}

/// Packets to the partner.
pub(crate) struct PacketWriter(pub(crate) Box<dyn MessageWrite>);

impl PacketWriter {
    /// Sends a whole message in packets of the reference's size; an empty one is one empty packet.
    pub(crate) fn message(&mut self, channel: ChannelId, message: &[u8]) -> Result<(), String> {
        let mut rest = message;
        loop {
            let (data, after) = rest.split_at(rest.len().min(PACKET_PAYLOAD_MAX));
            let eof = after.is_empty();
            self.packet(&Packet::Msg(PacketMsg { channel, eof, data }))?;
            if eof {
                return Ok(());
            }
            rest = after;
        }
    }

    /// Sends one packet.
    pub(crate) fn packet(&mut self, packet: &Packet<'_>) -> Result<(), String> {
        let mut message = BytesMut::new();
        packet.encode(&mut message);
        let prefix = message.len() - delimited_body(&message).len();
        message.advance(prefix);
        self.body(&message)
    }

    /// Sends a delimited body that may be anything.
    pub(crate) fn body(&mut self, body: &[u8]) -> Result<(), String> {
        self.0.write(body)
    }
}
