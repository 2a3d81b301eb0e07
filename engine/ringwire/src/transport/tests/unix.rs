//! Unix sockets, and several listeners at once.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use ringwire_core::config::ListenAddr;
use ringwire_core::peer::RemoteAddr;

use super::super::listener;
use super::*;

both_ways! {
    a_unix_connection_is_echoed_and_named_by_its_socket;
    a_dial_of_a_unix_socket_connects_or_says_why_not;
    closing_a_unix_link_with_unread_input_cuts_off_nothing_that_was_written;
    a_unix_link_moves_between_transports;
    connections_of_several_listeners_are_accepted_and_all_stop_together;
}

/// A directory, and the path of a socket in it.
fn scratch() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("p2p.sock").display().to_string();
    (dir, path)
}

fn listen(rig: &mut Rig, address: ListenAddr) -> ListenAddr {
    let mut bound = listener::bind(&[address], 1).expect("it is free");
    for listener in bound.of_shards.remove(0) {
        rig.transport.listen(listener).expect("it listens");
    }
    bound.addresses.remove(0)
}

fn accepted(rig: &mut Rig) -> (LinkId, RemoteAddr) {
    rig.until("a connection", |completion| match completion {
        Completion::Accepted { link, remote } => Some((link, remote)),
        _ => None,
    })
}

fn dial(rig: &mut Rig, path: &str) -> Result<LinkId, NetworkError> {
    let remote = RemoteAddr::Unix(path.into());
    rig.transport.dial(DialId(1), remote, PATIENCE);
    rig.until("the end of a dial", |completion| match completion {
        Completion::Connected { link, remote, .. } => {
            assert_eq!(remote, RemoteAddr::Unix(path.into()));
            Some(Ok(link))
        }
        Completion::DialFailed { error, .. } => Some(Err(error)),
        _ => None,
    })
}

fn a_unix_connection_is_echoed_and_named_by_its_socket(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (_dir, path) = scratch();
    listen(&mut rig, ListenAddr::Unix(path.clone()));
    let mut client = UnixStream::connect(&path).expect("connects");
    let (link, remote) = accepted(&mut rig);
    assert_eq!(remote, RemoteAddr::Unix(path.as_str().into()));
    rig.transport.read(link, ReadMode::Stream);
    let message = pattern(100_000);
    let writer = std::thread::spawn({
        let (mut client, message) = (client.try_clone().expect("clones"), message.clone());
        move || client.write_all(&message).expect("writes")
    });
    let mut heard = 0;
    while heard < message.len() {
        let chunk = rig.received(link);
        heard += chunk.received().len();
        rig.transport.transmit(link, one(chunk.received()));
        rig.pool.give_back_chunk(chunk.bytes);
        rig.sent(link);
    }
    writer.join().expect("no panic");
    let mut back = vec![0; message.len()];
    client.read_exact(&mut back).expect("reads");
    assert_eq!(back, message);
    drop(client);
    assert_eq!(rig.closed(link), NetworkError::Eof);
}

fn a_dial_of_a_unix_socket_connects_or_says_why_not(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (_dir, path) = scratch();
    let NetworkError::Io { message, .. } = dial(&mut rig, &path).expect_err("no file") else {
        panic!("the system says why");
    };
    assert!(message.contains("No such file"), "{message}");
    let listener = UnixListener::bind(&path).expect("a new path");
    let link = dial(&mut rig, &path).expect("somebody listens");
    let (mut theirs, _) = listener.accept().expect("accepts");
    rig.transport.transmit(link, one(b"hello"));
    rig.sent(link);
    let mut got = [0; 5];
    theirs.read_exact(&mut got).expect("reads");
    assert_eq!(&got, b"hello");
    rig.transport.close(link);
    drop(theirs);
    rig.until_links(0);
    drop(listener);
    let NetworkError::Io { message, .. } = dial(&mut rig, &path).expect_err("it is stale") else {
        panic!("the system says why");
    };
    assert!(message.contains("refused"), "{message}");
    rig.until_links(0);
}

fn closing_a_unix_link_with_unread_input_cuts_off_nothing_that_was_written(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    let remote = RemoteAddr::Unix("/p".into());
    let link = rig
        .transport
        .adopt(std::os::fd::OwnedFd::from(ours).into(), remote);
    theirs.write_all(&pattern(50_000)).expect("writes");
    rig.transport.transmit(link, one(b"goodbye"));
    rig.sent(link);
    rig.transport.close(link);
    // It sends on, and what it sends is discarded, until it reads that we are done.
    let writer = std::thread::spawn(move || {
        theirs
            .write_all(&pattern(1 << 20))
            .expect("nobody hung up on it");
        let mut last = Vec::new();
        theirs.read_to_end(&mut last).expect("reads to the end");
        last
    });
    rig.until_links(0);
    assert_eq!(writer.join().expect("no panic"), b"goodbye");
    assert!(rig.out.is_empty(), "{:?}", rig.out);
}

fn a_unix_link_moves_between_transports(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let Some(mut other) = Rig::new(way) else {
        return;
    };
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    let remote = RemoteAddr::Unix("/p".into());
    let link = rig
        .transport
        .adopt(std::os::fd::OwnedFd::from(ours).into(), remote.clone());
    theirs.write_all(b"unread").expect("writes");
    rig.turn(Duration::ZERO);
    let (socket, told) = rig.transport.release(link).expect("nothing is in flight");
    assert_eq!(told, remote);
    let link = other.transport.adopt(socket, told);
    other.transport.read(link, ReadMode::Once);
    assert_eq!(other.received(link).received(), b"unread");
}

fn connections_of_several_listeners_are_accepted_and_all_stop_together(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (_dir, path) = scratch();
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let tcp = listen(&mut rig, any.into())
        .socket_addr()
        .expect("it is TCP");
    let other = listen(&mut rig, any.into())
        .socket_addr()
        .expect("it is TCP");
    listen(&mut rig, ListenAddr::Unix(path.clone()));
    for _ in 0..3 {
        let one = TcpStream::connect(tcp).expect("connects");
        assert_eq!(
            accepted(&mut rig).1,
            one.local_addr().expect("bound").into()
        );
        let two = TcpStream::connect(other).expect("connects");
        assert_eq!(
            accepted(&mut rig).1,
            two.local_addr().expect("bound").into()
        );
        let _three = UnixStream::connect(&path).expect("connects");
        assert_eq!(accepted(&mut rig).1.ip(), None);
    }
    rig.transport.stop_listening();
    let start = Instant::now();
    while TcpStream::connect(tcp).is_ok() || TcpStream::connect(other).is_ok() {
        assert!(start.elapsed() < PATIENCE, "it listens on");
        rig.turn(Duration::from_millis(5));
    }
    assert!(UnixStream::connect(&path).is_err());
    assert!(
        !std::path::Path::new(&path).exists(),
        "its file goes with it"
    );
}
