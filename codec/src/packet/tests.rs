//! Packets against the reference's bytes, its limits, and each other.

use proptest::prelude::*;

use super::*;
use crate::proto::put_message;

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).expect("the test's own hex")
}

fn encoded(packet: Packet<'_>) -> Vec<u8> {
    let mut buf = Vec::new();
    packet.encode(&mut buf);
    buf
}

fn msg(channel: u8, eof: bool, data: &[u8]) -> Packet<'_> {
    Packet::Msg(PacketMsg {
        channel: ChannelId(channel),
        eof,
        data,
    })
}

/// A `Packet` around the given bytes of a `PacketMsg`.
fn wrapped(msg: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    put_message(FIELD_MSG, msg, &mut body);
    body
}

#[test]
fn a_channel_id_is_shown_in_hex() {
    assert_eq!(ChannelId(0).to_string(), "0x00");
    assert_eq!(ChannelId(0x20).to_string(), "0x20");
    assert_eq!(ChannelId(0xff).to_string(), "0xff");
}

// Conformance item 15.
#[test]
fn ping_and_pong_have_the_bytes_of_the_reference() {
    assert_eq!(encoded(Packet::Ping), bytes("020a00"));
    assert_eq!(encoded(Packet::Pong), bytes("021200"));
    assert_eq!(Packet::decode(&bytes("0a00")), Ok(Packet::Ping));
    assert_eq!(Packet::decode(&bytes("1200")), Ok(Packet::Pong));
}

// Conformance item 15.
#[test]
fn a_message_packet_has_the_bytes_of_the_reference() {
    let data = b"data transmitted over the wire";
    let vector = [&bytes("1a2208011a1e")[..], data].concat();
    let packet = msg(1, false, data);
    assert_eq!(encoded(packet)[1..], vector);
    assert_eq!(Packet::decode(&vector), Ok(packet));
}

#[test]
fn delimited_packets_have_the_bytes_of_the_reference() {
    let abc = bytes("0b1a0908201001" /* header */)
        .into_iter()
        .chain(bytes("1a03616263"));
    assert_eq!(encoded(msg(0x20, true, b"abc")), abc.collect::<Vec<_>>());
    assert_eq!(
        encoded(msg(0, true, &[0x0a, 0x00])),
        bytes("081a0610011a020a00")
    );
}

#[test]
fn an_empty_packet_of_channel_zero_has_no_fields() {
    assert_eq!(encoded(msg(0, false, b"")), bytes("021a00"));
    assert_eq!(Packet::decode(&bytes("1a00")), Ok(msg(0, false, b"")));
}

// Conformance item 16.
#[test]
fn a_channel_over_255_does_not_alias_to_a_smaller_one() {
    let id = |value: u64| {
        let mut msg = vec![TAG_CHANNEL];
        varint::encode(value, &mut msg);
        wrapped(&msg)
    };
    assert_eq!(Packet::decode(&id(255)), Ok(msg(255, false, b"")));
    for value in [
        256,
        1025,
        u64::from(u32::MAX) + 2,
        (-1_i64) as u64,
        (-255_i64) as u64,
    ] {
        let refused = DecodeError::OutOfRange {
            field: "packet_msg.channel_id",
            value,
            max: 255,
        };
        assert_eq!(Packet::decode(&id(value)), Err(refused));
    }
}

// Conformance item 13.
#[test]
fn a_body_without_a_known_packet_is_refused() {
    let unknown = Err(DecodeError::UnknownMessage { what: "packet" });
    assert_eq!(Packet::decode(b""), unknown);
    assert_eq!(Packet::decode(&bytes("2200")), unknown);
}

// Conformance item 10.
#[test]
fn bytes_that_are_no_packet_are_refused() {
    let body_max = accepted_body_max(1024);
    assert!(decode_delimited(&[1, 2, 3, 4, 5], body_max).is_err());
}

#[test]
fn fields_in_any_order_and_unknown_ones_are_read() {
    let msg_bytes = bytes("1a0161" /* data */)
        .into_iter()
        .chain(bytes("1001" /* eof */));
    let msg_bytes = msg_bytes
        .chain(bytes("2a0100" /* unknown */))
        .chain(bytes("0820"));
    let mut body = bytes("f80107");
    body.extend(wrapped(&msg_bytes.collect::<Vec<_>>()));
    assert_eq!(Packet::decode(&body), Ok(msg(0x20, true, b"a")));
}

#[test]
fn the_last_value_of_a_field_wins() {
    let body = wrapped(&bytes("08200821100110001a01611a0162"));
    assert_eq!(Packet::decode(&body), Ok(msg(0x21, false, b"b")));
    let msg_then_ping = [wrapped(&bytes("0820")), bytes("0a00")].concat();
    assert_eq!(Packet::decode(&msg_then_ping), Ok(Packet::Ping));
}

#[test]
fn a_known_field_of_the_wrong_wire_type_is_refused() {
    let wrong = |field, found| Err(DecodeError::WrongWireType { field, found });
    assert_eq!(
        Packet::decode(&bytes("0801")),
        wrong("packet.packet_ping", 0)
    );
    assert_eq!(
        Packet::decode(&wrapped(&bytes("0a00"))),
        wrong("packet_msg.channel_id", 2)
    );
    assert_eq!(
        Packet::decode(&wrapped(&bytes("1801"))),
        wrong("packet_msg.data", 0)
    );
}

#[test]
fn trailing_garbage_is_refused() {
    let truncated = |what| Err(DecodeError::Truncated { what });
    assert_eq!(Packet::decode(&bytes("0a00ff")), truncated("packet"));
    assert_eq!(Packet::decode(&bytes("0a01ff")), truncated("packet_ping"));
    assert_eq!(
        Packet::decode(&wrapped(&bytes("0820ff"))),
        truncated("packet_msg")
    );
}

#[test]
fn the_body_limits_are_those_of_the_reference() {
    assert_eq!(packet_body_max(1024), 1034);
    assert_eq!(accepted_body_max(1024), 1035);
    assert_eq!(encoded(msg(1, true, &[0; 1024])).len(), 1036);
    assert_eq!(encoded(msg(1, false, &[0; 1024])).len(), 1034);
}

// Conformance item 12.
#[test]
fn a_full_packet_passes_on_every_channel_and_a_longer_one_is_refused() {
    for payload_max in [
        1, 100, 115, 116, 117, 118, 119, 127, 128, 1024, 16_370, 16_384, 65_000,
    ] {
        let body_max = accepted_body_max(payload_max);
        for channel in [0, 1, 0x7f, 0x80, 0xff] {
            let data = vec![0x55; payload_max];
            let packet = msg(channel, true, &data);
            let stream = encoded(packet);
            assert_eq!(
                decode_delimited(&stream, body_max),
                Ok(Some((packet, stream.len())))
            );
        }
        let data = vec![0x55; payload_max + 1];
        let longer = encoded(msg(0xff, true, &data));
        assert!(matches!(
            decode_delimited(&longer, body_max),
            Err(DecodeError::TooLong { .. })
        ));
    }
}

#[test]
fn the_longest_header_fits_its_buffer() {
    let mut out = [0; PACKET_HEADER_MAX];
    let len = PacketHeader::encode(ChannelId(0xff), true, PACKET_DATA_MAX, &mut out);
    assert_eq!(len, PACKET_HEADER_MAX);
    assert_eq!(
        len,
        packet_header_len(ChannelId(0xff), true, PACKET_DATA_MAX)
    );
}

#[test]
#[should_panic(expected = "at most 1 GiB")]
fn more_data_than_a_packet_can_carry_is_our_own_fault() {
    let mut out = [0; PACKET_HEADER_MAX];
    PacketHeader::encode(ChannelId(1), true, PACKET_DATA_MAX + 1, &mut out);
}

#[test]
fn every_proper_prefix_of_a_packet_asks_for_more() {
    let stream = encoded(msg(0x22, true, &[3; 300]));
    for len in 0..stream.len() {
        assert_eq!(decode_delimited(&stream[..len], 1035), Ok(None));
    }
}

#[test]
fn the_canonical_reader_takes_every_packet_we_write() {
    for channel in [0, 1, 0x7f, 0x80, 0xff] {
        for data in [&b""[..], b"a", &[0; 2000]] {
            for eof in [false, true] {
                let stream = encoded(msg(channel, eof, data));
                let body = delimited::decode(&stream, 4000).unwrap().unwrap().body;
                assert_eq!(
                    decode_canonical(body).map(Packet::Msg),
                    Some(msg(channel, eof, data))
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(channel: u8, eof: bool, data: Vec<u8>, tail: Vec<u8>) {
        let packet = msg(channel, eof, &data);
        let mut stream = encoded(packet);
        let len = stream.len();
        prop_assert_eq!(len - data.len(), packet_header_len(ChannelId(channel), eof, data.len()));
        stream.extend(tail);
        let read = decode_delimited(&stream, accepted_body_max(data.len()));
        prop_assert_eq!(read, Ok(Some((packet, len))));
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        fuzz_packet(&bytes);
    }

    #[test]
    fn any_message_bytes_are_answered(msg: Vec<u8>) {
        fuzz_packet(&wrapped(&msg));
    }
}
