//! Attacks of peers that were admitted.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringwire::Event;
use ringwire::error::ConnError;
use ringwire::error::{CloseReason, NetworkError, SendError, TrySendError};
use ringwire_codec::secret::{FRAME_SEALED, FrameError};
use ringwire_codec::{ChannelId, NodeId, Packet, PacketMsg};
use ringwire_core::conn::heartbeat::PINGS_PER_SECOND_MAX;

use crate::arena::{
    ATTACKER_SEED, Arena, Attack, Held, WITHIN, admitted, info, open_files, oracle,
};
use crate::support::comet_peer::{CometPeer, Incoming};
use crate::support::loopback;
use crate::support::node::{BULK, ECHO, FAIL, FUSE, PANIC, REFUSE, SLOW};
use crate::support::oracle::Oracle;
use crate::support::traffic::MESSAGE_BYTES_MAX;

/// Gets admitted, sends a delimited body where packets belong, and stays.
fn send_body(stream: TcpStream, body: &[u8]) -> Held {
    let mut peer = admitted(stream);
    peer.writer
        .body(body)
        .expect("the engine reads until it knows better");
    hold(peer)
}

/// Gets admitted, sends a message, and stays.
fn send(stream: TcpStream, channel: ChannelId, message: &[u8]) -> Held {
    let mut peer = admitted(stream);
    // The engine may have closed before all of a long message is written.
    let _ = peer.writer.message(channel, message);
    hold(peer)
}

fn hold(peer: CometPeer) -> Held {
    Some(Box::new(peer))
}

fn connection(reason: &CloseReason, wanted: impl FnOnce(&ConnError) -> bool) -> bool {
    matches!(reason, CloseReason::Connection(error) if wanted(error))
}

fn reactor(reason: &CloseReason, says: &str) -> bool {
    matches!(reason, CloseReason::Reactor { error, .. } if error.message == says)
}

/// A peer that asks for more than it reads: the answers have nowhere to go.
fn never_read(stream: TcpStream) -> Held {
    let raw = stream.try_clone().expect("a socket can be duplicated");
    let CometPeer {
        reader, mut writer, ..
    } = admitted(stream);
    let question = vec![0x55; 60_000];
    while writer.message(ECHO[1], &question).is_ok() {}
    Some(Box::new((raw, reader)))
}

const PEER_ATTACKS: &[Attack] = &[
    Attack {
        name: "garbage instead of a packet",
        act: |stream| send_body(stream, &[0x01, 0x02, 0x03, 0x04, 0x05]),
        named: |reason| connection(reason, |error| matches!(error, ConnError::BadEncoding(_))),
    },
    Attack {
        name: "a packet of a kind that does not exist",
        act: |stream| send_body(stream, &[0x22, 0x00]),
        named: |reason| connection(reason, |error| *error == ConnError::UnknownPacket),
    },
    Attack {
        name: "an empty packet",
        act: |stream| send_body(stream, &[]),
        named: |reason| connection(reason, |error| *error == ConnError::UnknownPacket),
    },
    Attack {
        name: "a packet over the accepted size",
        act: |stream| {
            let data = &[0; 1124];
            let mut peer = admitted(stream);
            let packet = Packet::Msg(PacketMsg {
                channel: ECHO[1],
                eof: true,
                data,
            });
            peer.writer
                .packet(&packet)
                .expect("the engine reads until it knows better");
            hold(peer)
        },
        named: |reason| {
            connection(reason, |error| {
                matches!(error, ConnError::PacketTooLong { .. })
            })
        },
    },
    Attack {
        name: "a channel that is not registered",
        act: |stream| send(stream, ChannelId(0x77), b"hello"),
        named: |reason| {
            connection(reason, |error| {
                *error == ConnError::UnknownChannel(ChannelId(0x77))
            })
        },
    },
    Attack {
        name: "a channel over 255, which must not alias",
        act: |stream| {
            send_body(
                stream,
                &[0x1a, 0x07, 0x08, 0xa1, 0x08, 0x10, 0x01, 0x1a, 0x00],
            )
        },
        named: |reason| connection(reason, |error| matches!(error, ConnError::BadEncoding(_))),
    },
    Attack {
        name: "a message a byte over its channel's maximum",
        act: |stream| send(stream, ECHO[1], &vec![0; MESSAGE_BYTES_MAX + 1]),
        named: |reason| {
            connection(reason, |error| {
                matches!(error, ConnError::MessageTooLong { .. })
            })
        },
    },
    Attack {
        name: "a garbled frame",
        act: |stream| {
            let mut raw = stream.try_clone().expect("a socket can be duplicated");
            let peer = admitted(stream);
            raw.write_all(&[0xef; FRAME_SEALED])
                .expect("the engine still reads");
            hold(peer)
        },
        named: |reason| {
            connection(reason, |error| {
                *error == ConnError::Frame(FrameError::NotAuthentic)
            })
        },
    },
    Attack {
        name: "a message that the reactor refuses unseen",
        act: |stream| send(stream, FUSE, REFUSE),
        named: |reason| reactor(reason, "refused unseen"),
    },
    Attack {
        name: "a message that the reactor fails on",
        act: |stream| send(stream, FUSE, FAIL),
        named: |reason| reactor(reason, "failed as told"),
    },
    Attack {
        name: "a message that the reactor panics on",
        act: |stream| send(stream, FUSE, PANIC),
        named: |reason| matches!(reason, CloseReason::ReactorPanic { .. }),
    },
    Attack {
        name: "questions without end whose answers are never read",
        act: never_read,
        named: |reason| reactor(reason, SLOW),
    },
    Attack {
        name: "hanging up within a message",
        act: |stream| {
            let raw = stream.try_clone().expect("a socket can be duplicated");
            let mut peer = admitted(stream);
            let packet = Packet::Msg(PacketMsg {
                channel: ECHO[1],
                eof: false,
                data: &[1; 1000],
            });
            peer.writer.packet(&packet).expect("the engine reads");
            raw.shutdown(Shutdown::Both).expect("the connection is up");
            hold(peer)
        },
        named: |reason| {
            matches!(
                reason,
                CloseReason::Network(NetworkError::Eof | NetworkError::Io { .. })
            )
        },
    },
];

// Conformance items 10, 11, 12, 13, 16 and 66.
#[test]
fn a_peer_that_breaks_a_rule_is_closed_by_name_and_disturbs_nobody() {
    let Some(arena) = Arena::open() else { return };
    arena.face_all(PEER_ATTACKS);
}

/// Pings of a flood. Each costs its sender a frame of 1044 bytes; the answers are rationed.
const PINGS: usize = 20_000;

// Conformance items 6 and 7.
#[test]
fn a_flood_of_pings_and_unasked_pongs_costs_nobody_anything() {
    let Some(mut arena) = Arena::open() else {
        return;
    };
    let files = open_files();
    let mut peer = admitted(loopback::connect(arena.node.engine.handle().listen_addr()));
    let began = Instant::now();
    for _ in 0..PINGS {
        peer.writer
            .packet(&Packet::Ping)
            .expect("the engine reads on");
        peer.writer
            .packet(&Packet::Pong)
            .expect("the engine reads on");
    }
    // Whatever pongs the flood earned come first; the message behind it is answered all the same.
    peer.writer
        .message(ECHO[1], b"still there?")
        .expect("the engine reads on");
    let mut pongs = 0;
    let answer = loop {
        match peer.reader.next().expect("the engine answers") {
            Incoming::Pong => pongs += 1,
            answer => break answer,
        }
    };
    assert_eq!(answer, Incoming::Message(ECHO[1], b"still there?".to_vec()));
    // The engine's seconds begin within ours, so there is one more of them at each end.
    let rationed = PINGS_PER_SECOND_MAX * (began.elapsed().as_secs() as u32 + 2);
    assert!(
        (1..=rationed).contains(&pongs),
        "{PINGS} pings earned {pongs} pongs"
    );
    drop(peer);
    arena
        .node
        .engine
        .handle()
        .wait_for_peers_blocking(1, WITHIN)
        .expect("the honest peer is there");
    arena.must_hold(files);
}

#[test]
fn a_peer_that_never_reads_fills_its_own_queue_and_no_other() {
    let Some(mut arena) = Arena::open() else {
        return;
    };
    let files = open_files();
    let peer = admitted(loopback::connect(arena.node.engine.handle().listen_addr()));
    let id = Oracle::key(ATTACKER_SEED).id();
    arena
        .node
        .engine
        .handle()
        .wait_for_peers_blocking(2, WITHIN)
        .expect("the attacker was admitted");
    let message = Bytes::from(vec![0x66; 100_000]);
    let deadline = Instant::now() + WITHIN;
    loop {
        assert!(
            Instant::now() < deadline,
            "the queue of a peer that never reads has no end"
        );
        match arena
            .node
            .engine
            .handle()
            .try_send(id, BULK[0], message.clone())
        {
            Ok(()) => continue,
            Err(full) => assert_eq!(full, TrySendError::Full(message.clone())),
        }
        // Room that is only being made shows soon, even if the engine had to wait for a CPU; room
        // that is not made stays away.
        match send_within(&arena, id, &message, Duration::from_millis(500)) {
            Ok(()) => {}
            Err(error) => break assert_eq!(error, SendError::Timeout(message)),
        }
    }
    arena.must_go_on("a peer that never reads");
    drop(peer);
    arena.must_hold(files);
}

fn send_within(
    arena: &Arena,
    id: NodeId,
    message: &Bytes,
    within: Duration,
) -> Result<(), SendError> {
    let engine = &arena.node.engine;
    engine
        .handle()
        .send_blocking(id, BULK[0], message.clone(), within)
}

/// Attackers that begin a long message each and stop.
const STALLING: u8 = 12;
/// Bytes of the message that each of them has sent.
const STALLED_BYTES: usize = 900_000;

#[test]
fn peers_that_stall_with_long_messages_stop_nobody_and_are_closed_for_who_waits() {
    // Each of the two shards has 2 MiB; six attackers there would hold 6 MiB.
    let budget = 4 << 20;
    let arena = Arena::open_with(|config| config.recv_budget_bytes = budget);
    let Some(mut arena) = arena else { return };
    let addr = arena.node.engine.handle().listen_addr();
    let stalled: Vec<_> = (0..STALLING)
        .map(|number| {
            let seed = [0x80 + number; 32];
            let stream = loopback::connect(addr);
            let peer = CometPeer::establish(oracle(), stream, seed, &info(seed));
            let mut peer = peer.expect("it is in order so far");
            // The engine stops reading some of them, so each writes on a thread of its own.
            std::thread::spawn(move || {
                for _ in 0..STALLED_BYTES / 1000 {
                    let part = PacketMsg {
                        channel: ECHO[1],
                        eof: false,
                        data: &[number; 1000],
                    };
                    if peer.writer.packet(&Packet::Msg(part)).is_err() {
                        break;
                    }
                }
                peer
            })
        })
        .collect();
    let too_much = |reason: &CloseReason| {
        connection(reason, |error| {
            matches!(error, ConnError::HoldsTooMuch { .. })
        })
    };
    let deadline = Instant::now() + 3 * WITHIN;
    let closed = loop {
        arena.must_go_on("peers that stall");
        let closed = arena.node.wait_event(WITHIN / 20, |event| match event {
            Event::PeerRemoved { reason, .. } => Some(reason),
            _ => None,
        });
        assert!(
            closed.is_some() || Instant::now() < deadline,
            "nobody is closed for those who wait"
        );
        if let Some(closed) = closed {
            break closed;
        }
    };
    assert!(too_much(&closed), "closed for {closed:?}");
    // At once more may be held: all that a turn of the ring brought (decision 18). It falls to the
    // budget, a favoured message on each shard, and what those on trial may have.
    let most = budget as u64 + 2 * (MESSAGE_BYTES_MAX as u64 + (1 << 20));
    let held = |arena: &Arena| -> u64 {
        let shards = arena.node.engine.handle().counters_blocking();
        shards
            .iter()
            .map(|shard| shard.metrics.recv_held_bytes)
            .sum()
    };
    while held(&arena) > most {
        assert!(Instant::now() < deadline, "{} bytes are held", held(&arena));
        arena.must_go_on("one of them was closed");
    }
    // Whoever still writes ends when the engine does.
    drop(stalled);
}
