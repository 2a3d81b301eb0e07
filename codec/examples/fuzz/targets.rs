//! The decoders and the valid messages that their inputs are made from.

use std::net::Ipv6Addr;

use ringwire_codec::key::{NodeKey, fuzz_node_key_json};
use ringwire_codec::net_address::fuzz_net_address;
use ringwire_codec::node_info::{NodeInfo, NodeInfoOther, ProtocolVersion, fuzz_node_info};
use ringwire_codec::packet::{
    GoodbyeCode, PING, PONG, Packet, PacketGoodbye, PacketMsg, fuzz_packet,
};
use ringwire_codec::pex::fuzz_pex;
use ringwire_codec::secret::auth::fuzz_auth;
use ringwire_codec::secret::frame::fuzz_frame;
use ringwire_codec::secret::handshake::{Handshake, fuzz_handshake};
use ringwire_codec::secret::record::fuzz_record;
use ringwire_codec::{
    ChannelId, Extension, NetAddress, PexMessage, delimited::fuzz_delimited,
    extension::fuzz_extension, varint, varint::fuzz_varint,
};

/// One decoder.
pub(crate) struct Target {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Checks what must hold for any input.
    pub(crate) run: fn(&[u8]),
    /// Inputs that it accepts, or nearly so.
    pub(crate) samples: fn() -> Vec<Vec<u8>>,
}

/// All decoders, from the bottom up; the slow ones, which do public key cryptography, come last.
pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "varint",
        run: fuzz_varint,
        samples: varints,
    },
    Target {
        name: "delimited",
        run: fuzz_delimited,
        samples: delimited,
    },
    Target {
        name: "packet",
        run: fuzz_packet,
        samples: packets,
    },
    Target {
        name: "extension",
        run: fuzz_extension,
        samples: extensions,
    },
    Target {
        name: "node_info",
        run: fuzz_node_info,
        samples: node_infos,
    },
    Target {
        name: "pex",
        run: fuzz_pex,
        samples: pex_messages,
    },
    Target {
        name: "net_address",
        run: fuzz_net_address,
        samples: net_addresses,
    },
    Target {
        name: "auth",
        run: fuzz_auth,
        samples: auth_messages,
    },
    Target {
        name: "frame",
        run: fuzz_frame,
        samples: frames,
    },
    Target {
        name: "record",
        run: fuzz_record,
        samples: records,
    },
    Target {
        name: "node_key",
        run: fuzz_node_key_json,
        samples: node_keys,
    },
    Target {
        name: "handshake",
        run: fuzz_handshake,
        samples: handshakes,
    },
];

const OFFER: Extension = Extension {
    version: 1,
    record_bytes_max: 65_536,
    packet_payload_max: 16_384,
    gossip_features: 7,
};

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut buf = Vec::new();
    write(&mut buf);
    buf
}

/// The message behind its length.
fn body_of(stream: &[u8]) -> Vec<u8> {
    let message = ringwire_codec::delimited::decode(stream, stream.len());
    message
        .ok()
        .flatten()
        .expect("we wrote it whole")
        .body
        .to_vec()
}

fn node_key() -> NodeKey {
    NodeKey::from_seed([7; 32])
}

fn varints() -> Vec<Vec<u8>> {
    [0, 127, 128, 16_384, u64::MAX]
        .map(|value| written(|buf| varint::encode(value, buf)))
        .into()
}

fn delimited() -> Vec<Vec<u8>> {
    [0, 1, 127, 128, 300]
        .map(|len| written(|buf| ringwire_codec::delimited::encode(&vec![9; len], buf)))
        .into()
}

fn packets() -> Vec<Vec<u8>> {
    let msg = |channel, eof, data: &[u8]| {
        let packet = Packet::Msg(PacketMsg {
            channel: ChannelId(channel),
            eof,
            data,
        });
        body_of(&written(|buf| packet.encode(buf)))
    };
    let goodbye = |code, text| {
        let packet = Packet::Goodbye(PacketGoodbye { code, text });
        body_of(&written(|buf| packet.encode(buf)))
    };
    vec![
        PING[1..].to_vec(),
        PONG[1..].to_vec(),
        msg(0, true, &[0x0a, 0x00]),
        msg(0x20, true, b"a vote"),
        msg(0x21, false, &[1; 200]),
        msg(0xff, true, b""),
        goodbye(GoodbyeCode::Full, "no room"),
        goodbye(GoodbyeCode::Other(u32::MAX), ""),
    ]
}

fn extensions() -> Vec<Vec<u8>> {
    vec![written(|buf| OFFER.encode(buf))]
}

fn node_infos() -> Vec<Vec<u8>> {
    let mut info = NodeInfo {
        protocol_version: ProtocolVersion::default(),
        node_id: node_key().id(),
        listen_addr: "tcp://0.0.0.0:26656".into(),
        network: "chain-1".into(),
        version: "0.38.17".into(),
        channels: [0x40, 0x20, 0x21, 0x22, 0x00]
            .map(ChannelId)
            .into_iter()
            .collect(),
        moniker: "node".into(),
        other: NodeInfoOther {
            tx_index: "on".into(),
            rpc_address: "tcp://0.0.0.0:26657".into(),
        },
        extension: None,
    };
    let plain = written(|buf| info.encode(buf));
    info.extension = Some(OFFER);
    let offering = written(|buf| info.encode(buf));
    // With and without the length: the target reads both forms.
    vec![body_of(&plain), body_of(&offering), plain, offering]
}

fn pex_messages() -> Vec<Vec<u8>> {
    let id = node_key().id();
    let ips = [
        [127, 0, 0, 1].into(),
        Ipv6Addr::from_bits(u128::MAX / 3).into(),
    ];
    let addresses = ips.map(|ip| NetAddress::from_ip(id, ip, 26_656)).into();
    [PexMessage::Request, PexMessage::Addrs(addresses)]
        .map(|message| written(|buf| message.encode(buf)))
        .into()
}

fn net_addresses() -> Vec<Vec<u8>> {
    let id = node_key().id();
    [
        "127.0.0.1:1",
        "[2001:0:1234::1]:65535",
        "[::ffff:1.2.3.4]:7",
        "seed.example.com:26656",
    ]
    .iter()
    .flat_map(|place| [format!("{id}@{place}"), format!("tcp://{id}@{place}")])
    .map(String::into_bytes)
    .collect()
}

/// An authentication message: the key in a message of its own, then the signature.
fn auth_messages() -> Vec<Vec<u8>> {
    let key = node_key().public_key();
    let head = [0x0a, 0x22, 0x0a, 0x20];
    vec![[&head[..], key.as_bytes(), &[0x12, 0x40], &[5; 64]].concat()]
}

/// Plain frames: four bytes of length, the data, and padding that the target adds.
fn frames() -> Vec<Vec<u8>> {
    [0u32, 5, 1023, 1024, 1025]
        .map(|len| [&len.to_le_bytes()[..], &[3; 1024]].concat())
        .into()
}

/// Records that nobody sealed, with right and wrong lengths.
fn records() -> Vec<Vec<u8>> {
    [1u32, 64, 4096, 4097]
        .map(|len| [&len.to_le_bytes()[..], &[3; 100]].concat())
        .into()
}

fn node_keys() -> Vec<Vec<u8>> {
    vec![node_key().to_json().as_bytes().to_vec()]
}

/// What a peer sends first, alone and followed by a plain authentication message.
fn handshakes() -> Vec<Vec<u8>> {
    let mut remote = Handshake::new(node_key(), [4; 32], None);
    let hello = remote
        .poll_transmit()
        .expect("a handshake speaks first")
        .to_vec();
    let delimited_auth = [&[0x66][..], &auth_messages()[0]].concat();
    let both = [&hello[..], &delimited_auth].concat();
    vec![hello, delimited_auth, both]
}
