//! Packets: what a connection carries once its handshake is over.
//!
//! ```text
//! Packet    { oneof { PacketPing = 1 {} ; PacketPong = 2 {} ; PacketMsg = 3 ;
//!                     PacketGoodbye = 4242 } }                      the last between Ringwire nodes
//! PacketMsg { int32 channel_id = 1 ; bool eof = 2 ; bytes data = 3 }
//!
//! ├──────────────── header ────────────────┤├─ data ─┤
//!  0b   1a 09   08 20     10 01   1a 03      61 62 63     channel 0x20, last of its message, "abc"
//!  len  msg len channel   eof     data len
//! ```
//!
//! A message is the data of successive packets of one channel up to one with `eof`; packets of
//! different channels interleave freely. The data is always the last field, so a packet is sent as
//! a small header ([`PacketHeader`]) followed by the payload where it lies, and read without a
//! copy.
//!
//! One packet is read for about each kilobyte of traffic. So the order of fields that every known
//! encoder writes is read by straight code (`decode_canonical`), and only what differs from it by
//! the general reader; a fuzz target holds the two against each other.

use std::fmt;

use bytes::BufMut;

use crate::delimited;
use crate::error::DecodeError;
use crate::proto::{Fields, bytes_tag, varint_tag};
use crate::varint;

mod goodbye;

pub use goodbye::{
    GOODBYE_BODY_MAX, GOODBYE_FIELD, GOODBYE_TEXT_MAX, GOODBYE_VERSION, GoodbyeCode, PacketGoodbye,
    goodbye_text,
};

/// A ping with its length, ready to send.
pub const PING: [u8; 3] = [0x02, 0x0a, 0x00];

/// A pong with its length, ready to send.
pub const PONG: [u8; 3] = [0x02, 0x12, 0x00];

/// The most bytes that lie before the data of a delimited packet.
///
/// Three lengths of up to five bytes, four one-byte tags, two bytes of channel, one of `eof`.
pub const PACKET_HEADER_MAX: usize = 22;

/// The most data bytes one packet can be asked to carry, 1 GiB. It keeps every length within the
/// five bytes counted in [`PACKET_HEADER_MAX`]; the limits of real connections are far below.
pub const PACKET_DATA_MAX: usize = 1 << 30;

const FIELD_PING: u32 = 1;
const FIELD_PONG: u32 = 2;
const FIELD_MSG: u32 = 3;
const FIELD_CHANNEL: u32 = 1;
const FIELD_EOF: u32 = 2;
const FIELD_DATA: u32 = 3;

// All six tags are below 128, so each is one byte.
const TAG_MSG: u8 = bytes_tag(FIELD_MSG) as u8;
const TAG_CHANNEL: u8 = varint_tag(FIELD_CHANNEL) as u8;
const TAG_EOF: u8 = varint_tag(FIELD_EOF) as u8;
const TAG_DATA: u8 = bytes_tag(FIELD_DATA) as u8;

/// The number of a channel. Ids under 0x80 cost one byte less in each packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u8);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

/// One packet, borrowed from the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
    /// Carries a message or a part of one.
    Msg(PacketMsg<'a>),
    /// Says why its sender closes; never sent to a node of CometBFT.
    Goodbye(PacketGoodbye<'a>),
}

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketMsg<'a> {
    /// The channel whose message this is.
    pub channel: ChannelId,
    /// Whether the message ends here.
    pub eof: bool,
    /// The bytes of this part; empty is allowed.
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet from the body of a delimited message. The data is borrowed, not copied.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnknownMessage`] if it is none of the four packets,
    /// [`DecodeError::OutOfRange`] for a channel id that is negative or over 255 (the reference
    /// reads an int32; cutting it to a byte would alias channels), [`DecodeError::BadValue`] and
    /// [`DecodeError::TooLong`] for a goodbye without code or with a text that breaks its rule, and
    /// the errors of malformed protobuf.
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        match decode_canonical(body) {
            Some(msg) => Ok(Self::Msg(msg)),
            None => decode_general(body),
        }
    }

    /// Appends the packet behind its length to `buf`.
    ///
    /// # Panics
    ///
    /// If `buf` has too little room left, the data is over [`PACKET_DATA_MAX`], or the text of a
    /// goodbye is over [`GOODBYE_TEXT_MAX`] or not printable.
    pub fn encode(&self, buf: &mut impl BufMut) {
        match self {
            Self::Ping => buf.put_slice(&PING),
            Self::Pong => buf.put_slice(&PONG),
            Self::Msg(msg) => {
                let mut header = [0; PACKET_HEADER_MAX];
                let len = PacketHeader::encode(msg.channel, msg.eof, msg.data.len(), &mut header);
                buf.put_slice(&header[..len]);
                buf.put_slice(msg.data);
            }
            Self::Goodbye(goodbye) => goodbye.encode(buf),
        }
    }
}

/// Reads the delimited packet at the start of `bytes`: the packet and the bytes it took.
///
/// `None` means that more bytes are needed. `body_max` is the largest body accepted, see
/// [`accepted_body_max`].
///
/// # Errors
///
/// [`DecodeError::TooLong`] for a body over `body_max`, found before it has come, and the errors of
/// [`Packet::decode`].
#[inline]
pub fn decode_delimited(
    bytes: &[u8],
    body_max: usize,
) -> Result<Option<(Packet<'_>, usize)>, DecodeError> {
    match delimited::decode(bytes, body_max)? {
        None => Ok(None),
        Some(message) => Ok(Some((Packet::decode(message.body)?, message.consumed))),
    }
}

/// Reads the delimited packet at the start of `bytes` if it has come whole and is a [`PacketMsg`]
/// in the order of fields that every known encoder writes, which nearly every packet is; and the
/// bytes it took. `None` says only that it is something else: then ask [`decode_delimited`].
///
/// That function would do for all. But a [`Packet`] is put together in memory, where channel and
/// `eof` are written as two bytes and read back as one word; the CPU cannot do that before all that
/// was written earlier has left its store buffer, and a message was just copied. The parts alone
/// stay in registers.
#[inline]
pub fn decode_canonical_msg(bytes: &[u8], body_max: usize) -> Option<(PacketMsg<'_>, usize)> {
    let message = delimited::decode(bytes, body_max).ok().flatten()?;
    Some((decode_canonical(message.body)?, message.consumed))
}

/// The largest packet body that a CometBFT node accepts whose `max_packet_msg_payload_size` is
/// `payload_max`: 1034 bytes for 1024.
///
/// The reference computes it for channel 1, so a full last packet of a channel from 0x80 up is one
/// byte over it and must not be sent.
#[must_use]
pub const fn packet_body_max(payload_max: usize) -> usize {
    body_len(ChannelId(0x01), true, payload_max)
}

/// The largest packet body that we accept for a payload limit of `payload_max`: 1035 bytes for
/// 1024.
///
/// It has the room that [`packet_body_max`] forgets for the channels from 0x80 up.
#[must_use]
pub const fn accepted_body_max(payload_max: usize) -> usize {
    body_len(ChannelId(0xff), true, payload_max)
}

/// Writes all of a delimited packet that lies before its data.
#[derive(Debug)]
pub struct PacketHeader;

impl PacketHeader {
    /// Writes the header into `out` and returns its length: header and data together are the
    /// packet.
    ///
    /// # Panics
    ///
    /// If `data_len` is over [`PACKET_DATA_MAX`].
    #[inline]
    pub fn encode(
        channel: ChannelId,
        eof: bool,
        data_len: usize,
        out: &mut [u8; PACKET_HEADER_MAX],
    ) -> usize {
        assert!(
            data_len <= PACKET_DATA_MAX,
            "a packet carries at most 1 GiB"
        );
        let msg_len = msg_len(channel, eof, data_len);
        let body_len = 1 + varint::encoded_len(msg_len as u64) + msg_len;
        let mut at = varint::write(body_len as u64, out);
        out[at] = TAG_MSG;
        at += 1 + varint::write(msg_len as u64, &mut out[at + 1..]);
        if channel.0 != 0 {
            out[at] = TAG_CHANNEL;
            at += 1 + varint::write(u64::from(channel.0), &mut out[at + 1..]);
        }
        if eof {
            out[at..at + 2].copy_from_slice(&[TAG_EOF, 1]);
            at += 2;
        }
        if data_len != 0 {
            out[at] = TAG_DATA;
            at += 1 + varint::write(data_len as u64, &mut out[at + 1..]);
        }
        at
    }
}

/// The length of the header that [`PacketHeader::encode`] writes, in bytes.
#[must_use]
pub const fn packet_header_len(channel: ChannelId, eof: bool, data_len: usize) -> usize {
    delimited::encoded_len(body_len(channel, eof, data_len)) - data_len
}

/// Encoded length of a `Packet` that holds this `PacketMsg`.
const fn body_len(channel: ChannelId, eof: bool, data_len: usize) -> usize {
    1 + delimited::encoded_len(msg_len(channel, eof, data_len))
}

/// Encoded length of a `PacketMsg`.
const fn msg_len(channel: ChannelId, eof: bool, data_len: usize) -> usize {
    let channel_len = match channel.0 {
        0 => 0,
        id => 1 + varint::encoded_len(id as u64),
    };
    let eof_len = if eof { 2 } else { 0 };
    let data_field_len = if data_len == 0 {
        0
    } else {
        1 + delimited::encoded_len(data_len)
    };
    channel_len + eof_len + data_field_len
}

/// Reads a `PacketMsg` whose fields lie in ascending order without anything else beside them.
/// `None` says only that it is something else; the general reader decides what.
#[inline(always)]
fn decode_canonical(body: &[u8]) -> Option<PacketMsg<'_>> {
    let msg = strip_rest(body.strip_prefix(&[TAG_MSG])?)?;
    let (channel, msg) = match *msg {
        [TAG_CHANNEL, id, ref rest @ ..] if id < 0x80 => (id, rest),
        [TAG_CHANNEL, low, 0x01, ref rest @ ..] => (low, rest),
        _ => (0, msg),
    };
    let (eof, msg) = match *msg {
        [TAG_EOF, 0x01, ref rest @ ..] => (true, rest),
        _ => (false, msg),
    };
    let data = match *msg {
        [] => msg,
        [TAG_DATA, ref rest @ ..] => strip_rest(rest)?,
        _ => return None,
    };
    Some(PacketMsg {
        channel: ChannelId(channel),
        eof,
        data,
    })
}

/// The bytes behind a length that covers all the rest of the input.
#[inline(always)]
fn strip_rest(bytes: &[u8]) -> Option<&[u8]> {
    // Lengths of one byte or two, which are nearly all: without the ways that reading a number may fail.
    match *bytes {
        [len, ref rest @ ..] if len < 0x80 => (usize::from(len) == rest.len()).then_some(rest),
        [low, high, ref rest @ ..] if high < 0x80 => {
            let len = usize::from(low & 0x7f) | usize::from(high) << 7;
            (len == rest.len()).then_some(rest)
        }
        _ => strip_rest_behind_long(bytes),
    }
}

#[cold]
fn strip_rest_behind_long(bytes: &[u8]) -> Option<&[u8]> {
    let (len, len_len) = varint::decode(bytes).ok().flatten()?;
    let rest = &bytes[len_len..];
    (len == rest.len() as u64).then_some(rest)
}

/// Reads any packet. The last member of the oneof wins, as in the reference.
fn decode_general(body: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let mut fields = Fields::new(body, "packet");
    let mut packet = None;
    while let Some(field) = fields.next()? {
        match field.number {
            FIELD_PING => {
                Fields::new(field.bytes("packet.packet_ping")?, "packet_ping").skip_all()?;
                packet = Some(Packet::Ping);
            }
            FIELD_PONG => {
                Fields::new(field.bytes("packet.packet_pong")?, "packet_pong").skip_all()?;
                packet = Some(Packet::Pong);
            }
            GOODBYE_FIELD => {
                let fields = field.bytes("packet.packet_goodbye")?;
                packet = Some(Packet::Goodbye(PacketGoodbye::decode(fields)?));
            }
            FIELD_MSG => packet = Some(Packet::Msg(decode_msg(field.bytes("packet.packet_msg")?)?)),
            _ => {}
        }
    }
    packet.ok_or(DecodeError::UnknownMessage { what: "packet" })
}

fn decode_msg(msg: &[u8]) -> Result<PacketMsg<'_>, DecodeError> {
    let mut fields = Fields::new(msg, "packet_msg");
    let mut msg = PacketMsg {
        channel: ChannelId(0),
        eof: false,
        data: &[],
    };
    while let Some(field) = fields.next()? {
        match field.number {
            FIELD_CHANNEL => {
                let id = field.varint_up_to("packet_msg.channel_id", u64::from(u8::MAX))?;
                // Not over 255, checked above.
                msg.channel = ChannelId(id as u8);
            }
            FIELD_EOF => msg.eof = field.varint("packet_msg.eof")? != 0,
            FIELD_DATA => msg.data = field.bytes("packet_msg.data")?,
            _ => {}
        }
    }
    Ok(msg)
}

/// Fuzz target: both readers agree, and what is read can be written and read again.
#[doc(hidden)]
pub fn fuzz_packet(bytes: &[u8]) {
    let packet = Packet::decode(bytes);
    assert_eq!(packet, decode_general(bytes));
    let Ok(packet) = packet else { return };
    let mut written = Vec::new();
    packet.encode(&mut written);
    let body_max = accepted_body_max(bytes.len());
    let read = decode_delimited(&written, body_max);
    assert_eq!(read, Ok(Some((packet, written.len()))));
    // What we write ourselves is read the short way.
    let msg = match packet {
        Packet::Msg(msg) => Some((msg, written.len())),
        _ => None,
    };
    assert_eq!(decode_canonical_msg(&written, body_max), msg);
}

#[cfg(test)]
mod tests;
