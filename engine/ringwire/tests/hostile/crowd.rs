//! Attacks by number: more connections than an honest node would make.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};

use ringwire::Event;
use ringwire::error::{CloseReason, Reject};
use ringwire_codec::Packet;
use socket2::{Domain, Socket, Type};

use crate::arena::{Arena, HANDSHAKE_TIMEOUT, WITHIN, admitted, open_files};
use crate::support::comet_peer::Incoming;
use crate::support::loopback::IO_TIMEOUT;
use crate::support::node::ECHO;

/// Handshakes that one host may have in progress on each of the two shards: half of a shard's places.
const PER_IP: usize = 8;

/// Connects from another address of loopback, `127.0.0.host`: another host, as far as the engine can
/// tell.
fn connect_from(host: u8, addr: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let from = SocketAddr::from(([127, 0, 0, host], 0));
    socket
        .bind(&from.into())
        .expect("all of 127.0.0.0/8 is this machine");
    socket.connect(&addr.into()).expect("the listener is up");
    let stream = TcpStream::from(socket);
    stream
        .set_read_timeout(Some(IO_TIMEOUT))
        .and_then(|()| stream.set_write_timeout(Some(IO_TIMEOUT)))
        .expect("the timeout is not zero");
    stream
}

/// Waits until somebody is refused for a reason.
fn wait_refused(arena: &mut Arena, wanted: impl Fn(&Reject) -> bool) {
    let refused = arena.node.wait_event(WITHIN, |event| match event {
        Event::ConnectionRefused {
            reason: CloseReason::Rejected(reject),
            ..
        } => wanted(&reject).then_some(()),
        _ => None,
    });
    assert!(refused.is_some(), "nobody was refused for that reason");
}

#[test]
fn handshakes_that_one_host_stalls_keep_nobody_else_out() {
    // Many more than the places there are, and stalled for longer than the test takes.
    let arena = Arena::open_with(|config| {
        config.max_num_handshakes = 32;
        config.max_num_handshakes_per_ip = PER_IP;
        config.handshake_timeout = WITHIN * 6;
    });
    let Some(mut arena) = arena else { return };
    let files = open_files();
    let addr = arena.node.engine.handle().listen_addr();
    let stalled: Vec<TcpStream> = (0..200).map(|_| connect_from(2, addr)).collect();
    wait_refused(&mut arena, |reject| {
        let Reject::HandshakesFromIp { ip, limit } = reject else {
            panic!("refused for {reject}");
        };
        ip.to_string() == "127.0.0.2" && *limit == PER_IP
    });
    // A stranger from elsewhere gets in at once, and is served.
    let mut peer = admitted(connect_from(3, addr));
    peer.writer
        .message(ECHO[0], b"in time")
        .expect("the engine reads");
    let answer = loop {
        match peer.reader.next().expect("the engine answers") {
            Incoming::Message(channel, message) => break (channel, message),
            _ => peer.writer.packet(&Packet::Pong).expect("the engine reads"),
        }
    };
    assert_eq!(answer, (ECHO[0], b"in time".to_vec()));
    // None of those that stall counts as a peer.
    assert_eq!(arena.node.engine.handle().peer_count(), 2);
    drop((peer, stalled));
    arena.must_hold(files);
}

#[test]
fn a_flood_of_connections_to_a_full_node_is_refused_at_accept_by_name() {
    let arena = Arena::open_with(|config| {
        config.max_num_inbound_peers = 1;
        config.handshake_timeout = HANDSHAKE_TIMEOUT;
    });
    let Some(mut arena) = arena else { return };
    let files = open_files();
    let addr = arena.node.engine.handle().listen_addr();
    for round in 0..20 {
        let flood: Vec<TcpStream> = (0..50).map(|n| connect_from(4 + n % 8, addr)).collect();
        let local_addr = |stream: &TcpStream| stream.local_addr().expect("it is connected");
        let mut waiting: BTreeSet<SocketAddr> = flood.iter().map(local_addr).collect();
        let all_refused = arena.node.wait_event(WITHIN, |event| {
            if let Event::ConnectionRefused {
                remote_addr,
                id,
                reason,
            } = event
                && waiting.remove(&remote_addr.socket_addr()?)
            {
                let full = reason == CloseReason::Rejected(Reject::InboundFull(1));
                // A shard hears by message that the node is full: what it accepted just before, it
                // waits for as for anybody.
                let early =
                    round == 0 && reason == CloseReason::HandshakeTimeout(HANDSHAKE_TIMEOUT);
                assert!(full || early, "round {round}: closed for {reason:?}");
                assert_eq!(id, None);
            }
            waiting.is_empty().then_some(())
        });
        assert!(
            all_refused.is_some(),
            "round {round}: some were not refused"
        );
        arena.must_go_on("a flood of connections");
    }
    arena.must_hold(files);
}
