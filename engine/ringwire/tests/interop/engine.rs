//! A running engine against plain CometBFT peers made of the oracles, over real sockets.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use ringwire::Handle;
use ringwire::error::CloseReason;
use ringwire::error::DialError;
use ringwire::peer::Framing;
use ringwire_codec::secret::HandshakeError;
use ringwire_codec::{ChannelId, NodeKey, Packet};

use crate::support::comet_peer::{self, CometPeer, Incoming, PacketReader, PacketWriter, Part};
use crate::support::loopback;
use crate::support::node::{self, BULK, ECHO, HASH, NETWORK, Node, address_at};
use crate::support::oracle::{ORACLES, Oracle};
use crate::support::traffic::{Digest, MESSAGE_BYTES_MAX, Traffic};

const ENGINE_SEED: [u8; 32] = [0x1a; 32];
const ORACLE_SEED: [u8; 32] = [0x1b; 32];
const WITHIN: Duration = Duration::from_secs(30);

/// Bytes in each direction of each channel of a bulk test.
const BULK_BYTES: usize = 16 << 20;

fn start() -> Option<Node> {
    Node::start(ENGINE_SEED, 2, |_| {})
}

fn establish(oracle: Oracle, stream: TcpStream) -> CometPeer {
    let info = comet_peer::node_info(ORACLE_SEED, NETWORK, &node::channels());
    CometPeer::establish(oracle, stream, ORACLE_SEED, &info)
        .unwrap_or_else(|error| panic!("{}: {error}", oracle.name))
}

/// The oracle dials the engine.
fn dialed_by(oracle: Oracle, node: &Node) -> CometPeer {
    let peer = establish(
        oracle,
        loopback::connect(node.engine.handle().listen_addr()),
    );
    node.engine
        .handle()
        .wait_for_peers_blocking(1, WITHIN)
        .expect("the oracle was admitted");
    peer
}

/// The engine dials the oracle.
fn dials(oracle: Oracle, node: &Node) -> CometPeer {
    let (listener, addr) = loopback::listen();
    thread::scope(|scope| {
        let peer = scope.spawn(|| {
            let mut peer = establish(oracle, loopback::accept(&listener));
            // A dial is answered when the link is known to stand: the engine asks at once.
            assert_eq!(peer.reader.next(), Ok(Incoming::Ping), "{}", oracle.name);
            peer.writer.packet(&Packet::Pong).expect("the engine reads");
            peer
        });
        let id = Oracle::key(ORACLE_SEED).id();
        assert_eq!(
            node.engine.handle().dial_blocking(address_at(id, addr)),
            Ok(id),
            "{}",
            oracle.name
        );
        peer.join().expect("the oracle establishes")
    })
}

/// Everything a plain peer may ask of an engine, one question after the other.
fn check_conversation(oracle: Oracle, node: &Node, mut peer: CometPeer) {
    check_node_info(oracle, node, &peer);
    peer.writer.packet(&Packet::Ping).expect("the engine reads");
    assert_eq!(peer.reader.next(), Ok(Incoming::Pong), "{}", oracle.name);
    for size in [
        0,
        1,
        127,
        128,
        1000,
        1022,
        1023,
        1024,
        1025,
        2048,
        65_536,
        MESSAGE_BYTES_MAX,
    ] {
        let message = Traffic::new(size as u64, size)
            .at_most(size)
            .fold(Vec::new(), joined);
        assert_eq!(message.len(), size);
        check_hash(oracle, &mut peer, &message);
        // A message of several packets comes back in frames that this oracle cannot take apart.
        if size <= 1022 || oracle.keeps_streams {
            check_echo(oracle, &mut peer, &message);
        }
    }
    // Nothing of this made the engine leave CometBFT's framing or hang up.
    let peers = node.engine.handle().peers();
    assert_eq!(peers.len(), 1, "{}", oracle.name);
    assert_eq!(peers[0].framing, Framing::Comet, "{}", oracle.name);
}

fn joined(mut message: Vec<u8>, part: bytes::Bytes) -> Vec<u8> {
    message.extend_from_slice(&part);
    message
}

fn check_node_info(oracle: Oracle, node: &Node, peer: &CometPeer) {
    let info = &peer.node_info;
    assert_eq!(
        peer.remote_key,
        NodeKey::from_seed(ENGINE_SEED).public_key(),
        "{}",
        oracle.name
    );
    assert_eq!(
        info.node_id,
        node.engine.handle().node_id(),
        "{}",
        oracle.name
    );
    assert_eq!(info.network, NETWORK, "{}", oracle.name);
    // The port that was taken, not the port 0 that was asked for.
    let listens = node.engine.handle().listen_addr().to_string();
    assert_eq!(info.listen_addr, listens, "{}", oracle.name);
    assert_eq!(info.validate(), Ok(()), "{}", oracle.name);
    // The engine offers wide records to everyone; a plain peer reads over the offer.
    assert!(info.extension.is_some(), "{}", oracle.name);
    assert!(
        node::channels().iter().all(|id| info.channels.contains(id)),
        "{:?}",
        info.channels
    );
}

fn check_echo(oracle: Oracle, peer: &mut CometPeer, message: &[u8]) {
    for channel in ECHO {
        peer.writer
            .message(channel, message)
            .expect("the engine reads");
        let echo = peer.reader.next();
        let size = message.len();
        assert!(
            echo == Ok(Incoming::Message(channel, message.to_vec())),
            "{}: {size} bytes on {channel} came back changed: {}",
            oracle.name,
            echo.map_or_else(|error| error, |_| String::from("other bytes")),
        );
    }
}

fn check_hash(oracle: Oracle, peer: &mut CometPeer, message: &[u8]) {
    peer.writer
        .message(HASH, message)
        .expect("the engine reads");
    let expected = blake3::hash(message).as_bytes().to_vec();
    let answer = peer.reader.next();
    assert_eq!(
        answer,
        Ok(Incoming::Message(HASH, expected)),
        "{}",
        oracle.name
    );
}

// Conformance items 7, 48 and 50.
#[test]
fn an_engine_answers_every_oracle_that_dials_it() {
    for oracle in ORACLES {
        let Some(node) = start() else { return };
        let peer = dialed_by(oracle, &node);
        check_conversation(oracle, &node, peer);
    }
}

#[test]
fn an_engine_answers_every_oracle_it_dials() {
    for oracle in ORACLES {
        let Some(node) = start() else { return };
        let peer = dials(oracle, &node);
        check_conversation(oracle, &node, peer);
    }
}

// Conformance item 44.
#[test]
fn an_engine_that_dialed_another_node_says_which_it_found() {
    for oracle in ORACLES {
        let Some(node) = start() else { return };
        let (listener, addr) = loopback::listen();
        let expected = NodeKey::from_seed([0x1c; 32]).id();
        let found = Oracle::key(ORACLE_SEED).id();
        let dialed = thread::scope(|scope| {
            // What the oracle makes of it is its own affair.
            scope.spawn(|| oracle.shake(loopback::accept(&listener), ORACLE_SEED).err());
            node.engine
                .handle()
                .dial_blocking(address_at(expected, addr))
        });
        let error = HandshakeError::WrongId { expected, found };
        let refused = DialError::Closed(CloseReason::Handshake(error));
        assert_eq!(dialed, Err(refused), "{}", oracle.name);
    }
}

// Conformance item 8: an engine's ping is one the oracle can answer.
#[test]
fn an_engine_pings_and_takes_the_oracles_pong() {
    thread::scope(|scope| {
        for oracle in ORACLES {
            scope.spawn(move || check_pings(oracle));
        }
    });
}

fn check_pings(oracle: Oracle) {
    // Long enough for an oracle that has to wait for a CPU.
    let quick = |config: &mut ringwire::Config| {
        config.ping_interval = Duration::from_millis(2100);
        config.pong_timeout = Duration::from_millis(2000);
    };
    let Some(node) = Node::start(ENGINE_SEED, 1, quick) else {
        return;
    };
    let mut peer = dialed_by(oracle, &node);
    // The pong to the first was taken if a second comes, which is after its time limit.
    for _ in 0..3 {
        assert_eq!(peer.reader.next(), Ok(Incoming::Ping), "{}", oracle.name);
        peer.writer.packet(&Packet::Pong).expect("the engine reads");
    }
    assert_eq!(
        node.engine.handle().peer_count(),
        1,
        "{}: each pong was taken",
        oracle.name
    );
}

type Digests = BTreeMap<ChannelId, (u64, u64, blake3::Hash)>;

fn traffic(channel: ChannelId, direction: u64) -> Traffic {
    Traffic::new(u64::from(channel.0) << 8 | direction, BULK_BYTES)
}

fn expected(direction: u64) -> Digests {
    BULK.into_iter()
        .map(|channel| (channel, Digest::of(traffic(channel, direction))))
        .collect()
}

#[test]
fn bulk_on_several_channels_travels_both_ways_at_once_unchanged() {
    let oracle = ORACLES[0];
    assert!(
        oracle.keeps_streams,
        "bulk needs an oracle that reads streams"
    );
    let Some(node) = start() else { return };
    let CometPeer {
        mut reader,
        mut writer,
        ..
    } = dialed_by(oracle, &node);
    let handle = node.engine.handle();
    let to_engine: Digests = thread::scope(|scope| {
        let received: Vec<_> = BULK
            .into_iter()
            .map(|channel| {
                let handle = &handle;
                scope.spawn(move || (channel, receive_all(handle, channel)))
            })
            .collect();
        for channel in BULK {
            let handle = &handle;
            scope.spawn(move || send_all(handle, channel));
        }
        scope.spawn(move || write_in_turn(&mut writer));
        let from_engine = scope.spawn(move || gather_all(&mut reader));
        assert_eq!(
            from_engine.join().expect("the oracle reads on"),
            expected(0)
        );
        received
            .into_iter()
            .map(|end| end.join().expect("the engine delivers"))
            .collect()
    });
    assert_eq!(to_engine, expected(1));
}

/// The engine's side: all messages of a channel as the application gets them.
fn receive_all(handle: &Handle, channel: ChannelId) -> (u64, u64, blake3::Hash) {
    let mut messages = handle.subscribe(channel).expect("the channel is declared");
    let mut digest = Digest::default();
    while digest.bytes < BULK_BYTES as u64 {
        let delivery = messages.recv_timeout(WITHIN).expect("the oracle writes on");
        digest.add(&delivery.message);
    }
    digest.finish()
}

/// The engine's side: all messages of a channel sent through the handle.
fn send_all(handle: &Handle, channel: ChannelId) {
    let peer = Oracle::key(ORACLE_SEED).id();
    for message in traffic(channel, 0) {
        handle
            .send_blocking(peer, channel, message, WITHIN)
            .expect("the oracle reads on");
    }
}

/// The oracle's side: one message of each channel in turn.
fn write_in_turn(writer: &mut PacketWriter) {
    let mut sources = BULK.map(|channel| (channel, traffic(channel, 1)));
    let mut wrote = true;
    while std::mem::take(&mut wrote) {
        for (channel, source) in &mut sources {
            if let Some(message) = source.next() {
                writer
                    .message(*channel, &message)
                    .expect("the engine reads on");
                wrote = true;
            }
        }
    }
}

/// The oracle's side: packets of all channels, gathered as the reference gathers them.
fn gather_all(reader: &mut PacketReader) -> Digests {
    let mut gathering: BTreeMap<_, _> = BULK
        .into_iter()
        .map(|channel| (channel, (Vec::new(), Digest::default())))
        .collect();
    while gathering
        .values()
        .any(|(_, digest)| digest.bytes < BULK_BYTES as u64)
    {
        match reader.packet().expect("the engine writes on") {
            Part::Ping | Part::Pong => {}
            Part::Of { channel, eof, data } => {
                let (message, digest) = gathering.get_mut(&channel).expect("a channel of the test");
                message.extend_from_slice(&data);
                if eof {
                    digest.add(message);
                    message.clear();
                }
            }
        }
    }
    gathering
        .into_iter()
        .map(|(channel, (_, digest))| (channel, digest.finish()))
        .collect()
}
