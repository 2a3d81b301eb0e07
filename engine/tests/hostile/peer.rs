//! Attacks of peers that were admitted.

use std::io::Write;
use std::net::TcpStream;

use ringwire::conn::ConnError;
use ringwire::error::{CloseReason, NetworkError};
use ringwire_codec::secret::{FRAME_SEALED, FrameError};
use ringwire_codec::{ChannelId, Packet, PacketMsg};

use crate::arena::{Arena, Attack, Held, WITHIN, admitted, open_files};
use crate::support::comet_peer::{CometPeer, Incoming};
use crate::support::loopback;
use crate::support::node::{ECHO, FAIL, FUSE, PANIC, REFUSE, SLOW};
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

// Conformance items 10, 11, 12, 13, 16, 61 and 66.
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
            let mut peer = admitted(stream);
            let packet = Packet::Msg(PacketMsg {
                channel: ECHO[1],
                eof: false,
                data: &[1; 1000],
            });
            peer.writer.packet(&packet).expect("the engine reads");
            None
        },
        named: |reason| {
            matches!(
                reason,
                CloseReason::Network(NetworkError::Eof | NetworkError::Io { .. })
            )
        },
    },
];

#[test]
fn a_peer_that_breaks_a_rule_is_closed_by_name_and_disturbs_nobody() {
    let Some(arena) = Arena::open() else { return };
    arena.face_all(PEER_ATTACKS);
}

// Conformance items 6 and 7.
#[test]
fn a_flood_of_pings_and_unasked_pongs_costs_nobody_anything() {
    let Some(mut arena) = Arena::open() else {
        return;
    };
    let files = open_files();
    let mut peer = admitted(loopback::connect(arena.node.engine.listen_addr()));
    for _ in 0..20_000 {
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
    loop {
        match peer.reader.next().expect("the engine answers") {
            Incoming::Pong => {}
            answer => {
                assert_eq!(answer, Incoming::Message(ECHO[1], b"still there?".to_vec()));
                break;
            }
        }
    }
    drop(peer);
    arena
        .node
        .engine
        .wait_for_peers_blocking(1, WITHIN)
        .expect("the honest peer is there");
    arena.must_hold(files);
}
