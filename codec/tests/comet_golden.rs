//! What CometBFT itself encoded, read by this codec and written again byte for byte.
//!
//! `testdata/README.md` says which releases wrote the vectors, and with which command.

use ringwire_codec::{
    ChannelId, NetAddress, NodeInfo, NodeInfoOther, NodeKey, Packet, PacketMsg, PexMessage,
    ProtocolVersion, packet,
};
use serde::Deserialize;

/// The lines of CometBFT that wrote vectors.
const LINES: [Line; 2] = [
    Line {
        name: "v0.38",
        p2p_protocol: 8,
        wire: include_str!("../testdata/comet-v0.38/wire.jsonl"),
        node_key: include_str!("../testdata/comet-v0.38/node_key.json"),
    },
    Line {
        name: "v1",
        p2p_protocol: 9,
        wire: include_str!("../testdata/comet-v1/wire.jsonl"),
        node_key: include_str!("../testdata/comet-v1/node_key.json"),
    },
];

struct Line {
    name: &'static str,
    p2p_protocol: u64,
    wire: &'static str,
    node_key: &'static str,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Value {
    NodeKey {
        id: String,
    },
    NodeInfo {
        node_info: Box<Info>,
    },
    PexRequest,
    PexAddrs {
        addresses: Vec<String>,
    },
    Ping,
    Pong,
    PacketMsg {
        channel: u8,
        eof: bool,
        seed: u64,
        size: usize,
    },
}

#[derive(Deserialize)]
struct Vector {
    bytes: String,
    #[serde(flatten)]
    value: Value,
}

/// NodeInfo in the JSON of CometBFT.
#[derive(Deserialize)]
struct Info {
    protocol_version: Version,
    id: String,
    listen_addr: String,
    network: String,
    version: String,
    channels: String,
    moniker: String,
    other: Other,
}

#[derive(Deserialize)]
struct Version {
    p2p: u64,
    block: u64,
    app: u64,
}

#[derive(Deserialize)]
struct Other {
    tx_index: String,
    rpc_address: String,
}

impl Line {
    /// All vectors of the line: what was encoded, and its bytes.
    fn vectors(&self) -> Vec<(Value, Vec<u8>)> {
        let lines = self.wire.lines();
        lines
            .map(|line| {
                let vector: Vector = serde_json::from_str(line).expect("a vector a line");
                (vector.value, hex::decode(vector.bytes).expect("hex"))
            })
            .collect()
    }

    /// What `check` makes of each vector it takes; fails if it takes none.
    fn each<T>(&self, mut check: impl FnMut(Value, Vec<u8>) -> Option<T>) -> Vec<T> {
        let vectors = self.vectors();
        let checked: Vec<T> = vectors
            .into_iter()
            .filter_map(|(value, bytes)| check(value, bytes))
            .collect();
        assert!(!checked.is_empty(), "{}: no vector of this kind", self.name);
        checked
    }
}

impl Info {
    fn value(self) -> NodeInfo {
        NodeInfo {
            protocol_version: ProtocolVersion {
                p2p: self.protocol_version.p2p,
                block: self.protocol_version.block,
                app: self.protocol_version.app,
            },
            node_id: self.id.parse().expect("an id"),
            listen_addr: self.listen_addr,
            network: self.network,
            version: self.version,
            channels: hex::decode(self.channels)
                .expect("a byte for each channel")
                .into_iter()
                .map(ChannelId)
                .collect(),
            moniker: self.moniker,
            other: NodeInfoOther {
                tx_index: self.other.tx_index,
                rpc_address: self.other.rpc_address,
            },
            extension: None,
        }
    }
}

/// The generator of the vectors' payloads (xorshift64*), as content.go describes it.
fn content(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::new();
    while bytes.len() < size {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

#[test]
fn a_node_info_of_comet_reads_as_what_it_was_and_writes_the_same_bytes() {
    for line in &LINES {
        let versions = line.each(|value, bytes| {
            let Value::NodeInfo { node_info } = value else {
                return None;
            };
            let (read, consumed) = NodeInfo::decode(&bytes).unwrap().expect("it is whole");
            assert_eq!(consumed, bytes.len(), "{}", line.name);
            assert_eq!(read, node_info.value(), "{}", line.name);
            let mut written = Vec::new();
            read.encode(&mut written);
            assert_eq!(hex::encode(written), hex::encode(bytes), "{}", line.name);
            Some(read.protocol_version.p2p)
        });
        assert!(versions.contains(&line.p2p_protocol), "{versions:?}");
    }
}

// Conformance item 81.
#[test]
fn peer_exchange_of_comet_reads_as_what_it_was_and_writes_the_same_bytes() {
    for line in &LINES {
        line.each(|value, bytes| {
            let expected = match value {
                Value::PexRequest => PexMessage::Request,
                Value::PexAddrs { addresses } => PexMessage::Addrs(parsed(&addresses)),
                _ => return None,
            };
            let read = PexMessage::decode(&bytes).unwrap();
            assert_eq!(read, expected, "{}", line.name);
            let mut written = Vec::new();
            read.encode(&mut written);
            assert_eq!(hex::encode(written), hex::encode(bytes), "{}", line.name);
            Some(())
        });
    }
}

fn parsed(addresses: &[String]) -> Vec<NetAddress> {
    let parsed = addresses.iter().map(|text| text.parse());
    parsed.collect::<Result<_, _>>().expect("addresses")
}

// Conformance item 15.
#[test]
fn packets_of_comet_read_as_what_they_were_and_write_the_same_bytes() {
    for line in &LINES {
        line.each(|value, bytes| {
            let data;
            let expected = match value {
                Value::Ping => Packet::Ping,
                Value::Pong => Packet::Pong,
                Value::PacketMsg {
                    channel,
                    eof,
                    seed,
                    size,
                } => {
                    data = content(seed, size);
                    Packet::Msg(PacketMsg {
                        channel: ChannelId(channel),
                        eof,
                        data: &data,
                    })
                }
                _ => return None,
            };
            check_packet(line, &bytes, &expected);
            Some(())
        });
    }
}

fn check_packet(line: &Line, bytes: &[u8], expected: &Packet<'_>) {
    let most = packet::packet_body_max(1024) + 1;
    let (read, consumed) = packet::decode_delimited(bytes, most)
        .unwrap()
        .expect("it is whole");
    assert_eq!((&read, consumed), (expected, bytes.len()), "{}", line.name);
    let mut written = Vec::new();
    read.encode(&mut written);
    assert_eq!(hex::encode(written), hex::encode(bytes), "{}", line.name);
}

#[test]
fn a_node_key_of_comet_has_its_id_here_and_is_saved_as_comet_saves_it() {
    for line in &LINES {
        let key = NodeKey::from_json(line.node_key.as_bytes()).expect("a node key");
        assert_eq!(key.to_json().as_str(), line.node_key, "{}", line.name);
        line.each(|value, bytes| {
            let Value::NodeKey { id } = value else {
                return None;
            };
            assert_eq!(key.public_key().as_bytes(), &bytes[..], "{}", line.name);
            assert_eq!(key.id().to_string(), id, "{}", line.name);
            Some(())
        });
    }
}
