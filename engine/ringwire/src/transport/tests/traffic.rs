//! Bytes in and out.

use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc;

use super::*;

both_ways! {
    an_accepted_connection_is_echoed;
    links_start_paused_with_nagle_off_and_report_the_remote_address;
    once_reads_once_and_then_waits_to_be_asked_again;
    a_paused_link_lets_the_sender_block_and_loses_nothing;
    switching_modes_back_and_forth_loses_nothing;
    a_transmit_of_more_buffers_than_one_call_takes_arrives_in_order;
    a_transmit_without_bytes_is_sent_at_once;
    the_end_of_the_remote_is_reported_once_after_its_last_bytes;
    a_write_to_a_dead_remote_closes_the_link;
    a_link_moves_between_transports_with_its_unread_bytes;
    who_is_never_idle_hears_of_other_links_all_the_same;
    a_flood_on_one_link_leaves_the_others_their_turns;
    two_transports_on_two_threads_exchange_64_mib_both_ways;
}

fn an_accepted_connection_is_echoed(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let address = rig.listen();
    let mut client = TcpStream::connect(address).expect("connects");
    let link = rig.accept();
    rig.transport.read(link, ReadMode::Stream);
    for message in [b"one".as_slice(), b"two", &pattern(50_000)] {
        client.write_all(message).expect("writes");
        let mut echoed = 0;
        while echoed < message.len() {
            let chunk = rig.received(link);
            assert_eq!(
                chunk.received(),
                &message[echoed..echoed + chunk.received().len()]
            );
            echoed += chunk.received().len();
            rig.transport.transmit(link, one(chunk.received()));
            rig.pool.give_back_chunk(chunk.bytes);
            rig.sent(link);
        }
        let mut back = vec![0; message.len()];
        client.read_exact(&mut back).expect("reads");
        assert_eq!(back, message);
    }
}

fn links_start_paused_with_nagle_off_and_report_the_remote_address(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let address = rig.listen();
    let mut client = TcpStream::connect(address).expect("connects");
    client.write_all(b"early").expect("writes");
    let (link, remote) = rig.until("a connection", |completion| match completion {
        Completion::Accepted { link, remote } => Some((link, remote)),
        _ => None,
    });
    assert_eq!(remote, client.local_addr().unwrap().into());
    rig.expect_silence(Duration::from_millis(50));
    let (carried, _) = rig.transport.release(link).expect("nothing is in flight");
    let socket = carried.into_socket();
    assert_eq!(
        socket2::SockRef::from(&socket).tcp_notsent_lowat().unwrap(),
        128 * 1024
    );
    assert!(TcpStream::from(socket).nodelay().unwrap());
}

fn once_reads_once_and_then_waits_to_be_asked_again(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (link, mut theirs) = rig.pair();
    rig.transport.read(link, ReadMode::Once);
    theirs.write_all(b"first").expect("writes");
    assert_eq!(rig.received(link).received(), b"first");
    theirs.write_all(b"second").expect("writes");
    rig.expect_silence(Duration::from_millis(50));
    rig.transport.read(link, ReadMode::Once);
    assert_eq!(rig.received(link).received(), b"second");
}

fn a_paused_link_lets_the_sender_block_and_loses_nothing(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (link, mut theirs) = rig.pair();
    rig.transport.read(link, ReadMode::Stream);
    theirs.write_all(b"x").expect("writes");
    assert_eq!(rig.received(link).received(), b"x");
    rig.transport.read(link, ReadMode::Pause);
    rig.turn(Duration::from_millis(10));

    theirs.set_nonblocking(true).expect("non-blocking");
    let block = pattern(64 * 1024);
    let mut written = 0;
    loop {
        match theirs.write(&block) {
            Ok(bytes) => written += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
        assert!(written < 256 << 20, "the sender never blocks");
        rig.turn(Duration::ZERO);
        assert!(
            rig.out.is_empty(),
            "a paused link reports nothing: {:?}",
            rig.out
        );
    }
    drop(theirs);
    rig.transport.read(link, ReadMode::Stream);
    let mut read = 0;
    while read < written {
        let chunk = rig.received(link);
        read += chunk.received().len();
        rig.pool.give_back_chunk(chunk.bytes);
    }
    assert_eq!(read, written);
    assert_eq!(rig.closed(link), NetworkError::Eof);
}

fn switching_modes_back_and_forth_loses_nothing(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (link, mut theirs) = rig.pair();
    let sent = pattern(4 << 20);
    let copy = sent.clone();
    let writer = std::thread::spawn(move || theirs.write_all(&copy).expect("writes"));
    let modes = [
        ReadMode::Stream,
        ReadMode::Pause,
        ReadMode::Once,
        ReadMode::Stream,
    ];
    let mut got = Vec::new();
    for mode in modes.into_iter().cycle() {
        rig.transport.read(link, mode);
        rig.turn(Duration::from_millis(1));
        for completion in std::mem::take(&mut rig.out) {
            match completion {
                Completion::Received { chunk, .. } => {
                    got.extend_from_slice(chunk.received());
                    rig.pool.give_back_chunk(chunk.bytes);
                }
                Completion::Closed { .. } => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
        if got.len() == sent.len() {
            break;
        }
    }
    writer.join().expect("the writer ends");
    assert!(got == sent);
}

fn a_transmit_of_more_buffers_than_one_call_takes_arrives_in_order(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (link, mut theirs) = rig.pair();
    let sent = pattern(3000 * 100);
    let buffers: Transmit = sent
        .chunks(100)
        .map(|part| BytesMut::from(part).into())
        .collect();
    rig.transport.transmit(link, buffers);
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; 3000 * 100];
        theirs.read_exact(&mut got).expect("reads");
        got
    });
    assert_eq!(rig.sent(link).len(), 3000);
    assert!(reader.join().expect("the reader ends") == sent);
}

fn a_transmit_without_bytes_is_sent_at_once(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (link, _theirs) = rig.pair();
    rig.transport.transmit(link, Transmit::new());
    assert!(rig.sent(link).is_empty());
    rig.transport.transmit(link, one(b""));
    assert_eq!(rig.sent(link).len(), 1);
}

fn the_end_of_the_remote_is_reported_once_after_its_last_bytes(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (link, mut theirs) = rig.pair();
    rig.transport.read(link, ReadMode::Stream);
    theirs.write_all(b"bye").expect("writes");
    drop(theirs);
    assert_eq!(rig.received(link).received(), b"bye");
    assert_eq!(rig.closed(link), NetworkError::Eof);
    rig.expect_silence(Duration::from_millis(30));
    // The id stays valid until it is closed, and what is sent meanwhile goes nowhere.
    rig.transport.transmit(link, one(b"too late"));
    rig.transport.close(link);
    rig.until_links(0);
}

fn a_write_to_a_dead_remote_closes_the_link(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (link, theirs) = rig.pair();
    drop(theirs);
    let error = loop {
        rig.transport.transmit(link, one(&pattern(1000)));
        let ended = rig.until("an answer", |completion| match completion {
            Completion::Sent { .. } => Some(None),
            Completion::Closed { error, .. } => Some(Some(error)),
            _ => None,
        });
        if let Some(error) = ended {
            break error;
        }
    };
    assert!(
        matches!(
            error,
            NetworkError::Io {
                operation: "send",
                ..
            }
        ),
        "{error:?}"
    );
}

fn a_link_moves_between_transports_with_its_unread_bytes(way: Way) {
    let (Some(mut first), Some(mut second)) = (Rig::new(way), Rig::new(way)) else {
        return;
    };
    let (link, mut theirs) = first.pair();
    first.transport.read(link, ReadMode::Once);
    assert!(
        first.transport.release(link).is_none(),
        "a receive is in flight"
    );
    theirs.write_all(b"hello").expect("writes");
    assert_eq!(first.received(link).received(), b"hello");
    theirs.write_all(b"again").expect("writes");
    let (socket, remote) = first.transport.release(link).expect("nothing is in flight");
    assert!(first.transport.release(link).is_none(), "it is gone");

    let link = second.transport.adopt(socket, remote);
    second.transport.read(link, ReadMode::Stream);
    assert_eq!(second.received(link).received(), b"again");
}

fn who_is_never_idle_hears_of_other_links_all_the_same(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let ((busy, mut sink), (quiet, mut theirs)) = (rig.pair(), rig.pair());
    let reader =
        std::thread::spawn(move || while sink.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {});
    rig.transport.read(quiet, ReadMode::Stream);
    rig.transport.transmit(busy, one(b"work"));
    theirs.write_all(b"news").expect("writes");
    let start = Instant::now();
    let mut is_heard = false;
    while !is_heard {
        // There is something to report each time, so it may never sleep.
        rig.transport
            .turn(&mut rig.pool, Wait::None, &mut rig.out)
            .expect("a turn");
        for completion in std::mem::take(&mut rig.out) {
            match completion {
                Completion::Sent { link, .. } => rig.transport.transmit(link, one(b"work")),
                Completion::Received { link, chunk } => {
                    assert_eq!((link, chunk.received()), (quiet, &b"news"[..]));
                    is_heard = true;
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
        assert!(start.elapsed() < PATIENCE, "the news never come");
    }
    drop(rig);
    reader.join().expect("the reader ends");
}

fn a_flood_on_one_link_leaves_the_others_their_turns(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let ((flooded, mut source), (quiet, mut theirs)) = (rig.pair(), rig.pair());
    let flood = std::thread::spawn(move || while source.write_all(&[1; 1 << 18]).is_ok() {});
    for link in [flooded, quiet] {
        rig.transport.read(link, ReadMode::Stream);
    }
    let first = rig.received(flooded);
    rig.pool.give_back_chunk(first.bytes);
    for round in 0..100u8 {
        theirs.write_all(&[round]).expect("writes");
        let start = Instant::now();
        loop {
            let (link, chunk) = rig.until("bytes", |completion| match completion {
                Completion::Received { link, chunk } => Some((link, chunk)),
                _ => None,
            });
            let (len, first) = (chunk.received().len(), chunk.received()[0]);
            rig.pool.give_back_chunk(chunk.bytes);
            if link == quiet {
                assert_eq!((len, first), (1, round));
                break;
            }
            assert!(start.elapsed() < PATIENCE, "the quiet link is never read");
        }
    }
    drop(rig);
    flood.join().expect("the flood ends with the link");
}

/// Sends `len` bytes and receives as many, on one link at once; returns their digests.
fn exchange(rig: &mut Rig, link: LinkId, seed: u8, len: usize) -> (blake3::Hash, blake3::Hash) {
    let (mut sent, mut received) = (blake3::Hasher::new(), blake3::Hasher::new());
    let (mut to_send, mut to_receive, mut sending) = (len, len, false);
    let mut turn = 0u8;
    let start = Instant::now();
    rig.transport.read(link, ReadMode::Stream);
    while to_send > 0 || to_receive > 0 || sending {
        if !sending && to_send > 0 {
            turn = turn.wrapping_add(1);
            let bytes = to_send.min(66_000);
            let mut buffer = rig.pool.take_send();
            buffer.truncate(bytes);
            buffer.fill(seed ^ turn);
            sent.update(&buffer);
            rig.transport.transmit(link, Transmit::from_iter([buffer]));
            (to_send, sending) = (to_send - bytes, true);
        }
        rig.turn(Duration::from_millis(100));
        for completion in std::mem::take(&mut rig.out) {
            match completion {
                Completion::Received { chunk, .. } => {
                    received.update(chunk.received());
                    to_receive -= chunk.received().len();
                    rig.pool.give_back_chunk(chunk.bytes);
                }
                Completion::Sent { buffers, .. } => {
                    buffers
                        .into_iter()
                        .for_each(|buffer| rig.pool.give_back_send(buffer));
                    sending = false;
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{to_send} to send, {to_receive} to receive"
        );
    }
    (sent.finalize(), received.finalize())
}

fn two_transports_on_two_threads_exchange_64_mib_both_ways(way: Way) {
    const LEN: usize = 64 << 20;
    let Some(mut rig) = Rig::new(way) else { return };
    let address = rig.listen();
    let (done, wait) = mpsc::channel::<()>();
    let dialer = std::thread::spawn(move || {
        let mut rig = Rig::new(way).expect("the first one worked");
        rig.transport.dial(DialId(7), address.into(), PATIENCE);
        let link = rig.until("the dial", |completion| match completion {
            Completion::Connected {
                dial: DialId(7),
                link,
                remote,
            } if remote == address.into() => Some(link),
            _ => None,
        });
        let digests = exchange(&mut rig, link, 1, LEN);
        // Hanging up early would be reported to the other side while it counts.
        wait.recv().expect("the other side ends");
        digests
    });
    let link = rig.accept();
    let (sent, received) = exchange(&mut rig, link, 2, LEN);
    done.send(()).expect("the dialer waits");
    let (their_sent, their_received) = dialer.join().expect("the dialer ends");
    assert_eq!(sent, their_received);
    assert_eq!(received, their_sent);
}
