//! The limit per message: the least code that makes a packet of each message, seals many of them
//! together, and at the other end finds each message and hands it on.
//!
//! Packets and their fields are those of the wire (the codec's own), and so are frames and records. What
//! is missing is all that makes a node of it: channels and their queues, priorities, rates, pings, many
//! peers, and any message that is longer than a packet.

use std::hint::black_box;
use std::io;
use std::net::TcpStream;
use std::thread;

use ringwire::ChannelId;
use ringwire::peer::Framing;
use ringwire_codec::PacketHeader;
use ringwire_codec::packet::{PACKET_HEADER_MAX, accepted_body_max, decode_canonical_msg};
use ringwire_codec::secret::frame::{FRAME_DATA_MAX, FRAME_HEADER, FRAME_SEALED};
use ringwire_codec::secret::record::RECORD_OVERHEAD;

use super::ends::{Buffers, Receiver, Sender};
use super::manner::{self, Manner};
use super::{
    Opener, RECEIVE_BYTES_MIN, RECORD_PLAIN, RECORD_SEALED, Sealer, loopback_pair, one_write,
};
use crate::measure::{Sample, Stopwatch, pin_to};

/// Bytes of the longest message that is one packet on both framings.
pub const MESSAGE_BYTES_MAX: usize = 1024;

const CHANNEL: ChannelId = ChannelId(0x20);
/// Where the plaintext of a record begins.
const RECORD_HEADER: usize = 4;

/// Moves `count` messages of `message_bytes` one way; the sender on `cpus[0]`, the receiver on
/// `cpus[1]`. In the manner that moves bytes fastest.
///
/// # Errors
/// When loopback sockets fail.
///
/// # Panics
/// If a message is longer than [`MESSAGE_BYTES_MAX`].
pub fn messages(
    framing: Framing,
    message_bytes: usize,
    count: usize,
    cpus: [usize; 2],
) -> io::Result<Sample> {
    assert!(
        message_bytes <= MESSAGE_BYTES_MAX,
        "one packet is one message"
    );
    let manner = manner::best(framing, 1, cpus)?;
    move_messages(framing, message_bytes, count, cpus, manner)
}

fn move_messages(
    framing: Framing,
    message_bytes: usize,
    count: usize,
    cpus: [usize; 2],
    manner: Manner,
) -> io::Result<Sample> {
    let (end, other) = loopback_pair()?;
    let stopwatch = Stopwatch::start();
    let sender = thread::spawn(move || {
        pin_to(cpus[0]);
        send(end, framing, manner, Packets::new(message_bytes, count))
    });
    let receiver = thread::spawn(move || {
        pin_to(cpus[1]);
        receive(other, framing, manner, message_bytes, count)
    });
    sender.join().expect("the sender does not panic")?;
    receiver.join().expect("the receiver does not panic")?;
    Ok(stopwatch.stop())
}

/// The packets of all messages, one after the other.
struct Packets {
    header: [u8; PACKET_HEADER_MAX],
    header_len: usize,
    message: Vec<u8>,
    left: usize,
    /// Bytes of the next packet that are out already, where packets are cut.
    begun: usize,
}

impl Packets {
    fn new(message_bytes: usize, count: usize) -> Self {
        let mut header = [0; PACKET_HEADER_MAX];
        let header_len = PacketHeader::encode(CHANNEL, true, message_bytes, &mut header);
        Packets {
            header,
            header_len,
            message: vec![0x5a; message_bytes],
            left: count,
            begun: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Puts as many whole packets as fit; returns the bytes put.
    fn put_whole(&mut self, room: &mut [u8]) -> usize {
        let packet = self.header_len + self.message.len();
        let mut at = 0;
        while self.left > 0 && room.len() - at >= packet {
            let (header, message) = room[at..at + packet].split_at_mut(self.header_len);
            header.copy_from_slice(&self.header[..self.header_len]);
            message.copy_from_slice(&self.message);
            at += packet;
            self.left -= 1;
        }
        at
    }

    /// Fills all of the room, and cuts the last packet if need be; returns the bytes put.
    fn put_stream(&mut self, room: &mut [u8]) -> usize {
        let packet = self.header_len + self.message.len();
        let mut at = 0;
        while self.left > 0 && at < room.len() {
            let end = packet.min(self.begun + room.len() - at);
            at += self.put_part(self.begun, end, &mut room[at..]);
            self.begun = end;
            if end == packet {
                self.begun = 0;
                self.left -= 1;
            }
        }
        at
    }

    /// Bytes `from..to` of a packet.
    fn put_part(&self, from: usize, to: usize, room: &mut [u8]) -> usize {
        let header = &self.header[from.min(self.header_len)..to.min(self.header_len)];
        let message = &self.message[from.max(self.header_len) - self.header_len
            ..to.max(self.header_len) - self.header_len];
        room[..header.len()].copy_from_slice(header);
        room[header.len()..header.len() + message.len()].copy_from_slice(message);
        header.len() + message.len()
    }
}

fn send(
    stream: TcpStream,
    framing: Framing,
    manner: Manner,
    mut packets: Packets,
) -> io::Result<()> {
    let mut sealer = Sealer::new(framing);
    let (write_bytes, _) = one_write(framing, manner.write_bytes);
    let mut buffers = Buffers::new(write_bytes, 1, manner);
    let mut sender = Sender::new(vec![stream], manner)?;
    while !packets.is_over() {
        sender.write_each(&mut buffers, |_, buffer| {
            let mut at = 0;
            while !packets.is_over() && buffer.len() - at >= unit_bytes(framing) {
                at += seal_unit(&mut sealer, &mut buffer[at..], &mut packets);
            }
            at
        })?;
    }
    Ok(())
}

fn unit_bytes(framing: Framing) -> usize {
    match framing {
        Framing::Comet => FRAME_SEALED,
        Framing::Wide => RECORD_SEALED,
    }
}

/// Fills and seals one frame or record at the start of `room`; returns its bytes.
fn seal_unit(sealer: &mut Sealer, room: &mut [u8], packets: &mut Packets) -> usize {
    match sealer {
        Sealer::Comet(sealer) => {
            let frame = &mut room[..FRAME_SEALED];
            let data = packets.put_stream(&mut frame[FRAME_HEADER..FRAME_HEADER + FRAME_DATA_MAX]);
            let sealed = sealer.seal(frame, data);
            sealed.expect("the counter is far from its end");
            FRAME_SEALED
        }
        Sealer::Wide(sealer) => {
            let plain = packets.put_whole(&mut room[RECORD_HEADER..RECORD_HEADER + RECORD_PLAIN]);
            let record = &mut room[..plain + RECORD_OVERHEAD];
            let sealed = sealer.seal(record);
            sealed.expect("the counter is far from its end");
            plain + RECORD_OVERHEAD
        }
    }
}

fn receive(
    stream: TcpStream,
    framing: Framing,
    manner: Manner,
    message_bytes: usize,
    count: usize,
) -> io::Result<()> {
    let mut receiver = Receiver::new(stream, manner)?;
    let mut opener = Opener::new(framing);
    let mut buffer = vec![0u8; RECEIVE_BYTES_MIN.max(2 * manner.write_bytes)];
    let mut messages = Messages {
        message_bytes,
        left: count,
        cut: Vec::new(),
    };
    let mut filled = 0;
    while messages.left > 0 {
        filled += receiver.read_some(&mut buffer[filled..])?;
        let consumed = opener.open(&mut buffer[..filled], |plain| messages.take(plain));
        buffer.copy_within(consumed..filled, 0);
        filled -= consumed;
    }
    Ok(())
}

/// Finds the messages in what was opened.
struct Messages {
    message_bytes: usize,
    left: usize,
    /// The beginning of a packet whose end is in the next frame.
    cut: Vec<u8>,
}

impl Messages {
    fn take(&mut self, plain: &[u8]) {
        if self.cut.is_empty() {
            let rest = self.take_whole(plain);
            self.cut.extend_from_slice(rest);
            return;
        }
        let mut joined = std::mem::take(&mut self.cut);
        joined.extend_from_slice(plain);
        let rest = self.take_whole(&joined).len();
        joined.drain(..joined.len() - rest);
        self.cut = joined;
    }

    /// Hands on each whole message; returns what is left behind them.
    fn take_whole<'a>(&mut self, mut plain: &'a [u8]) -> &'a [u8] {
        let body_max = accepted_body_max(MESSAGE_BYTES_MAX);
        while let Some((packet, used)) = decode_canonical_msg(plain, body_max) {
            assert_eq!(
                packet.data.len(),
                self.message_bytes,
                "a message was cut or mixed"
            );
            black_box(packet.data);
            self.left -= 1;
            plain = &plain[used..];
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::super::manner::Way;
    use super::*;

    #[test]
    fn every_message_comes_in_both_framings_however_packets_fall() {
        for framing in [Framing::Comet, Framing::Wide] {
            for message_bytes in [1, 200, 1000, MESSAGE_BYTES_MAX] {
                for way in [Way::Calls, Way::Ring] {
                    let manner = Manner {
                        way,
                        write_bytes: 65_536,
                        spins: false,
                    };
                    let moved = move_messages(framing, message_bytes, 5_000, [0, 0], manner);
                    moved.expect("loopback works");
                }
            }
        }
    }
}
