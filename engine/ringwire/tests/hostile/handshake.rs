//! Attacks of strangers: everything that can go wrong before somebody is a peer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use bytes::BytesMut;
use ringwire::Event;
use ringwire::error::ConnError;
use ringwire::error::{CloseReason, NetworkError, Reject};
use ringwire_codec::node_info::NODE_INFO_BYTES_MAX;
use ringwire_codec::secret::handshake::EPHEMERAL_BYTES;
use ringwire_codec::secret::{FRAME_SEALED, FrameError, Handshake, HandshakeError, Progress};
use ringwire_codec::{ChannelId, NodeInfo, NodeInfoError, NodeKey};

use crate::arena::{
    ATTACKER_SEED, Arena, Attack, ENGINE_SEED, HANDSHAKE_TIMEOUT, HONEST_SEED, Held, WITHIN, info,
    open_files, secret,
};
use crate::support::comet_peer::body_of;
use crate::support::loopback;
use crate::support::oracle::Opened;

/// An ephemeral key message whose key is the curve's base point: a good key, nobody's secret.
fn ephemeral(key: [u8; 32]) -> Vec<u8> {
    [&[0x22, 0x0a, 0x20], &key[..]].concat()
}

fn base_point() -> [u8; 32] {
    let mut key = [0; 32];
    key[0] = 9;
    key
}

fn say(mut stream: TcpStream, bytes: &[u8]) -> Held {
    stream
        .write_all(bytes)
        .expect("the engine reads until it knows better");
    Some(Box::new(stream))
}

/// Finishes the secret connection and sends `body` where the NodeInfo belongs.
fn introduce(stream: TcpStream, seed: [u8; 32], body: &[u8]) -> Held {
    let Opened {
        reader, mut writer, ..
    } = secret(stream, seed);
    // The engine may have closed before all of a long body is written.
    let _ = writer.write(body);
    Some(Box::new((reader, writer)))
}

/// A NodeInfo in order but for one thing.
fn introduce_with(stream: TcpStream, change: impl FnOnce(&mut NodeInfo)) -> Held {
    let mut info = info(ATTACKER_SEED);
    change(&mut info);
    introduce(stream, ATTACKER_SEED, &body_of(&info))
}

fn rejected(reason: &CloseReason, wanted: impl FnOnce(&Reject) -> bool) -> bool {
    matches!(reason, CloseReason::Rejected(reject) if wanted(reject))
}

fn bad_info(reason: &CloseReason, wanted: NodeInfoError) -> bool {
    rejected(reason, |reject| *reject == Reject::NodeInfo(wanted))
}

fn ended(reason: &CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::Network(NetworkError::Eof | NetworkError::Io { .. })
            | CloseReason::Handshake(HandshakeError::Closed(_))
    )
}

const SECRET_ATTACKS: &[Attack] = &[
    Attack {
        name: "another protocol",
        act: |stream| say(stream, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        named: |reason| matches_malformed(reason, 0),
    },
    Attack {
        name: "garbage behind a right length",
        act: |stream| say(stream, &[0x22, 0x0b, 0x20, 0xff, 0xff]),
        named: |reason| matches_malformed(reason, 1),
    },
    Attack {
        name: "a key of 31 bytes",
        act: |stream| say(stream, &[0x22, 0x0a, 0x1f, 0xff]),
        named: |reason| matches_malformed(reason, 2),
    },
    Attack {
        name: "a key of low order",
        act: |stream| say(stream, &ephemeral([0; 32])),
        named: |reason| *reason == CloseReason::Handshake(HandshakeError::EphemeralLowOrder),
    },
    Attack {
        name: "the engine's own key sent back",
        act: |mut stream| {
            let mut key = [0; EPHEMERAL_BYTES];
            stream
                .read_exact(&mut key)
                .expect("the engine sends its key first");
            say(stream, &key)
        },
        named: |reason| *reason == CloseReason::Handshake(HandshakeError::EphemeralReflected),
    },
    Attack {
        name: "garbage instead of an authentication",
        act: |stream| {
            say(
                stream,
                &[&ephemeral(base_point())[..], &[0xab; FRAME_SEALED]].concat(),
            )
        },
        named: |reason| {
            let error = HandshakeError::AuthFrame(FrameError::NotAuthentic);
            *reason == CloseReason::Handshake(error)
        },
    },
];

/// Those that only time ends.
const SILENCES: &[Attack] = &[
    Attack {
        name: "silence",
        act: |stream| Some(Box::new(stream)),
        named: timed_out,
    },
    Attack {
        name: "half a key, then silence",
        act: |stream| say(stream, &ephemeral(base_point())[..17]),
        named: timed_out,
    },
    Attack {
        name: "half an authentication, then silence",
        act: |stream| {
            say(
                stream,
                &[&ephemeral(base_point())[..], &[0xab; 500]].concat(),
            )
        },
        named: timed_out,
    },
    Attack {
        name: "no NodeInfo",
        act: |stream| Some(Box::new(secret(stream, ATTACKER_SEED).writer)),
        named: timed_out,
    },
];

fn timed_out(reason: &CloseReason) -> bool {
    *reason == CloseReason::HandshakeTimeout(HANDSHAKE_TIMEOUT)
}

fn matches_malformed(reason: &CloseReason, at: usize) -> bool {
    matches!(
        reason,
        CloseReason::Handshake(HandshakeError::EphemeralMalformed { offset, .. }) if *offset == at
    )
}

const NODE_INFO_ATTACKS: &[Attack] = &[
    Attack {
        name: "a NodeInfo that is none",
        act: |stream| introduce(stream, ATTACKER_SEED, &[0xff; 100]),
        named: |reason| {
            matches!(
                reason,
                CloseReason::Connection(ConnError::NodeInfoEncoding(_))
            )
        },
    },
    Attack {
        name: "a NodeInfo a byte too long",
        act: |stream| introduce(stream, ATTACKER_SEED, &vec![0; NODE_INFO_BYTES_MAX + 1]),
        named: |reason| {
            matches!(
                reason,
                CloseReason::Connection(ConnError::NodeInfoEncoding(_))
            )
        },
    },
    Attack {
        name: "a garbled frame instead of a NodeInfo",
        act: |stream| {
            let raw = stream.try_clone().expect("a socket can be duplicated");
            let opened = secret(stream, ATTACKER_SEED);
            say(raw, &[0xcd; FRAME_SEALED]);
            Some(Box::new(opened.reader))
        },
        named: |reason| {
            *reason == CloseReason::Connection(ConnError::Frame(FrameError::NotAuthentic))
        },
    },
    Attack {
        name: "another network",
        act: |stream| introduce_with(stream, |info| info.network = String::from("elsewhere")),
        named: |reason| {
            let is_it = |error: &NodeInfoError| matches!(error, NodeInfoError::Network { theirs, .. } if &**theirs == "elsewhere");
            rejected(
                reason,
                |reject| matches!(reject, Reject::NodeInfo(error) if is_it(error)),
            )
        },
    },
    Attack {
        name: "another block protocol",
        act: |stream| introduce_with(stream, |info| info.protocol_version.block = 10),
        named: |reason| {
            bad_info(
                reason,
                NodeInfoError::BlockProtocol {
                    ours: 11,
                    theirs: 10,
                },
            )
        },
    },
    Attack {
        name: "no common channel",
        act: |stream| {
            introduce_with(stream, |info| {
                info.channels = [ChannelId(0x7e)].into_iter().collect();
            })
        },
        named: |reason| {
            let is_it = |error: &NodeInfoError| {
                matches!(error, NodeInfoError::NoCommonChannel { theirs, .. }
                    if theirs[..] == [ChannelId(0x7e)])
            };
            rejected(
                reason,
                |reject| matches!(reject, Reject::NodeInfo(error) if is_it(error)),
            )
        },
    },
    Attack {
        name: "an empty moniker",
        act: |stream| introduce_with(stream, |info| info.moniker.clear()),
        named: |reason| bad_info(reason, NodeInfoError::Moniker),
    },
    Attack {
        name: "a channel listed twice",
        act: |stream| {
            introduce_with(stream, |info| {
                info.channels = [ChannelId(0x21), ChannelId(0x21)].into_iter().collect();
            })
        },
        named: |reason| bad_info(reason, NodeInfoError::DuplicateChannel(ChannelId(0x21))),
    },
    Attack {
        name: "somebody else's id",
        act: |stream| {
            introduce_with(stream, |info| {
                info.node_id = NodeKey::from_seed(HONEST_SEED).id();
            })
        },
        named: |reason| rejected(reason, |reject| matches!(reject, Reject::IdMismatch { .. })),
    },
];

/// Those whose NodeInfo is in order and whose identity is not theirs to have here.
const IDENTITY_ATTACKS: &[Attack] = &[
    Attack {
        name: "the id of a connected peer",
        act: |stream| introduce(stream, HONEST_SEED, &body_of(&info(HONEST_SEED))),
        named: |reason| rejected(reason, |reject| matches!(reject, Reject::DuplicateId(_))),
    },
    Attack {
        name: "the engine's own id",
        act: |stream| introduce(stream, ENGINE_SEED, &body_of(&info(ENGINE_SEED))),
        named: |reason| rejected(reason, |reject| *reject == Reject::IsSelf),
    },
];

// Conformance items 23 and 24.
#[test]
fn who_breaks_the_secret_connection_is_closed_by_name_and_disturbs_nobody() {
    let Some(arena) = Arena::open() else { return };
    arena.face_all(SECRET_ATTACKS);
}

// Conformance items 42, 43 and 45.
#[test]
fn who_introduces_itself_wrongly_is_closed_by_name_and_disturbs_nobody() {
    let Some(arena) = Arena::open() else { return };
    arena.face_all(NODE_INFO_ATTACKS);
}

// Conformance items 46 and 54.
#[test]
fn who_comes_as_the_engine_or_as_one_of_its_peers_is_refused_by_name() {
    let Some(arena) = Arena::open() else {
        return;
    };
    arena.face_all(IDENTITY_ATTACKS);
}

#[test]
fn a_node_that_was_dialed_has_no_more_rights_than_one_that_dials() {
    let Some(arena) = Arena::open() else {
        return;
    };
    for attack in SECRET_ATTACKS.iter().chain(NODE_INFO_ATTACKS) {
        arena.face_dialed(attack);
    }
}

/// An arena in which handshakes run out of time.
fn hurried() -> Option<Arena> {
    Arena::open_with(|config| config.handshake_timeout = HANDSHAKE_TIMEOUT)
}

#[test]
fn who_falls_silent_within_the_handshake_is_closed_when_its_time_is_up() {
    let Some(mut arena) = hurried() else { return };
    let files = open_files();
    arena.face_together(SILENCES);
    arena.must_hold(files);
}

#[test]
fn a_node_that_was_dialed_and_falls_silent_is_closed_when_its_time_is_up() {
    let Some(arena) = hurried() else { return };
    // Only the last of them comes to prove who it is.
    let seeds = [[1; 32], [2; 32], [3; 32], ATTACKER_SEED];
    let dials: Vec<_> = seeds.into_iter().zip(SILENCES).collect();
    assert_eq!(dials.len(), SILENCES.len());
    arena.face_dialed_together(&dials);
}

/// Says the first `len` bytes of an honest handshake, then hangs up.
fn stop_after(stream: &mut TcpStream, len: usize) {
    let key = NodeKey::from_seed(ATTACKER_SEED);
    let mut handshake = Handshake::new(&key, [0x2d; 32], None);
    let mut left = len;
    let mut heard = BytesMut::new();
    loop {
        while let Some(bytes) = handshake.poll_transmit() {
            let now = bytes.len().min(left);
            stream
                .write_all(&bytes[..now])
                .expect("the engine reads so far");
            left -= now;
        }
        if left == 0 {
            return;
        }
        let mut bytes = [0; EPHEMERAL_BYTES];
        stream
            .read_exact(&mut bytes)
            .expect("the engine sends its key");
        heard.extend_from_slice(&bytes);
        let progress = handshake.handle_bytes(&mut heard);
        assert!(
            matches!(progress, Ok(Progress::NeedMore)),
            "the engine's key is good"
        );
    }
}

#[test]
fn hanging_up_at_every_byte_of_the_handshake_leaves_nothing_behind() {
    let Some(mut arena) = Arena::open() else {
        return;
    };
    let files = open_files();
    for len in 0..=EPHEMERAL_BYTES + FRAME_SEALED {
        let mut stream = loopback::connect(arena.node.engine.handle().listen_addr());
        let from = stream
            .local_addr()
            .expect("a connected socket has an address");
        stop_after(&mut stream, len);
        drop(stream);
        let reason = arena.node.wait_closed(from, WITHIN);
        let reason = reason.unwrap_or_else(|| panic!("hung up after {len} bytes: never closed"));
        assert!(
            ended(&reason),
            "hung up after {len} bytes: closed for {reason:?}"
        );
    }
    arena.must_hold(files);
}

#[test]
fn a_handshake_of_one_byte_at_a_time_gets_no_more_time_than_another() {
    let Some(mut arena) = hurried() else { return };
    let mut stream = loopback::connect(arena.node.engine.handle().listen_addr());
    let from = stream
        .local_addr()
        .expect("a connected socket has an address");
    let began = Instant::now();
    for byte in ephemeral(base_point()) {
        // Once the engine has closed, writing fails; until then each byte keeps the line alive.
        if stream.write_all(&[byte]).is_err() || began.elapsed() > 3 * HANDSHAKE_TIMEOUT {
            break;
        }
        thread::sleep(HANDSHAKE_TIMEOUT / 8);
    }
    let reason = arena.node.wait_closed(from, WITHIN);
    assert!(
        reason.as_ref().is_some_and(timed_out),
        "closed for {reason:?}"
    );
    arena.must_go_on("a slow handshake");
}

#[test]
fn more_handshakes_than_allowed_are_turned_away_and_the_honest_still_get_in() {
    let Some(mut arena) = Arena::open() else {
        return;
    };
    let files = open_files();
    let addr = arena.node.engine.handle().listen_addr();
    let stalled: Vec<_> = (0..400).map(|_| loopback::connect(addr)).collect();
    let full = arena.node.wait_event(WITHIN, |event| match event {
        Event::ConnectionRefused { reason, .. } => rejected(&reason, |reject| {
            matches!(reject, Reject::HandshakesFull(_))
        })
        .then_some(()),
        _ => None,
    });
    assert!(full.is_some(), "nobody was told that handshakes are full");
    drop(stalled);
    arena.must_hold(files);
}
