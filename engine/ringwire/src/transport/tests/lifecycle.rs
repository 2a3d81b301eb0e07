//! Dialing, closing, dropping, waking.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use socket2::{Domain, Socket, Type};

use super::*;

both_ways! {
    a_refused_dial_says_so_and_leaves_nothing_behind;
    a_dial_nobody_answers_ends_at_its_time_limit;
    a_cancelled_dial_is_never_heard_of_again;
    a_dial_cancelled_as_it_connects_closes_its_socket;
    closing_lets_a_write_in_flight_end;
    closing_with_unread_input_cuts_off_nothing_that_was_written;
    a_remote_can_send_on_after_the_close_and_hears_of_it_where_it_reads;
    a_remote_that_never_ends_holds_a_closed_link_only_for_its_time_limit;
    a_link_that_never_wrote_closes_at_once;
    closing_waits_no_longer_than_its_time_limit_for_a_write;
    a_closed_link_is_unknown_and_its_slot_belongs_to_another;
    a_listener_that_stops_is_closed_and_another_can_follow;
    a_transport_dropped_with_everything_in_flight_closes_everything;
    a_transport_dropped_before_its_first_turn_is_fine;
    a_wake_from_another_thread_ends_the_sleep;
    a_wake_before_the_turn_is_seen_without_sleeping;
    nothing_pending_means_a_turn_sleeps_its_time;
    of_a_hundred_thousand_racing_wakes_none_is_lost;
}

/// A listener that never accepts and whose backlog is full: a further connect hangs.
fn black_hole() -> (Socket, Vec<Socket>, SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    listener.bind(&any.into()).expect("binds");
    listener.listen(0).expect("listens");
    let address = listener
        .local_addr()
        .expect("bound")
        .as_socket()
        .expect("IPv4");
    let fill = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("non-blocking");
        let _ = socket.connect(&address.into());
        socket
    };
    (listener, (0..8).map(|_| fill()).collect(), address)
}

fn dial_failure(rig: &mut Rig) -> (DialId, NetworkError) {
    rig.until("a failed dial", |completion| match completion {
        Completion::DialFailed { dial, error } => Some((dial, error)),
        _ => None,
    })
}

fn a_refused_dial_says_so_and_leaves_nothing_behind(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    // Bound and not listening: it refuses, and nobody else can be given the port.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("binds");
    let address = socket.local_addr().expect("bound").as_socket();
    rig.transport
        .dial(DialId(3), address.expect("IPv4").into(), PATIENCE);
    let (dial, error) = dial_failure(&mut rig);
    assert_eq!(dial, DialId(3));
    let NetworkError::Io {
        operation: "connect",
        message,
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(message.contains("refused"), "{message}");
    rig.until_links(0);
}

fn a_dial_nobody_answers_ends_at_its_time_limit(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (_listener, _fill, address) = black_hole();
    let start = Instant::now();
    rig.transport
        .dial(DialId(4), address.into(), Duration::from_millis(150));
    assert_eq!(
        dial_failure(&mut rig),
        (DialId(4), NetworkError::DialTimeout)
    );
    assert!(start.elapsed() >= Duration::from_millis(150));
    rig.until_links(0);
}

fn a_cancelled_dial_is_never_heard_of_again(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (_listener, _fill, address) = black_hole();
    rig.transport.dial(DialId(5), address.into(), PATIENCE);
    rig.turn(Duration::from_millis(5));
    rig.transport.cancel_dial(DialId(5));
    rig.transport.cancel_dial(DialId(6));
    rig.until_links(0);
    assert!(rig.out.is_empty(), "{:?}", rig.out);
}

fn a_dial_cancelled_as_it_connects_closes_its_socket(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    // Submitted, connected and cancelled within one turn.
    rig.transport.dial(
        DialId(8),
        listener.local_addr().expect("bound").into(),
        PATIENCE,
    );
    rig.transport.cancel_dial(DialId(8));
    rig.until_links(0);
    assert!(rig.out.is_empty(), "{:?}", rig.out);
    let (mut orphan, _) = listener.accept().expect("it did connect");
    assert!(matches!(orphan.read(&mut [0; 1]), Ok(0) | Err(_)));
}

fn closing_lets_a_write_in_flight_end(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (link, mut theirs) = rig.pair();
    let sent = pattern(8 << 20);
    rig.transport.transmit(link, one(&sent));
    rig.turn(Duration::ZERO);
    rig.transport.close(link);
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).expect("reads to the end");
        got
    });
    rig.until_links(0);
    assert!(reader.join().expect("the reader ends") == sent);
    assert!(
        rig.out.is_empty(),
        "nothing is reported after close: {:?}",
        rig.out
    );
}

fn closing_with_unread_input_cuts_off_nothing_that_was_written(way: Way) {
    let Some(mut rig) = Rig::closing_within(way, PATIENCE) else {
        return;
    };
    let (link, mut theirs) = rig.pair();
    theirs
        .write_all(&pattern(1 << 20))
        .expect("room in the kernel");
    let sent = pattern(4 << 20);
    rig.transport.transmit(link, one(&sent));
    // The rest finds room in the kernels, which take little unsent; they hold it when the link closes.
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; (4 << 20) - (64 << 10)];
        theirs.read_exact(&mut got).expect("reads most of it");
        (theirs, got)
    });
    rig.sent(link);
    let (mut theirs, mut got) = reader.join().expect("the reader ends");
    rig.transport.close(link);
    rig.turn(Duration::from_millis(20));
    theirs.read_to_end(&mut got).expect("reads to the end");
    assert!(got == sent);
    drop(theirs);
    let start = Instant::now();
    rig.until_links(0);
    assert!(
        start.elapsed() < PATIENCE / 2,
        "the remote's end ends the wait"
    );
}

fn a_remote_can_send_on_after_the_close_and_hears_of_it_where_it_reads(way: Way) {
    let Some(mut rig) = Rig::closing_within(way, PATIENCE) else {
        return;
    };
    let (link, mut theirs) = rig.pair();
    rig.transport.close(link);
    let remote = std::thread::spawn(move || {
        // More than the kernels hold, so all of it goes only if it is taken.
        theirs.write_all(&pattern(48 << 20)).expect("no reset");
        theirs.read(&mut [0; 1]).expect("no reset")
    });
    rig.until_links(0);
    assert_eq!(remote.join().expect("the remote ends"), 0);
    assert!(rig.out.is_empty(), "{:?}", rig.out);
}

fn a_remote_that_never_ends_holds_a_closed_link_only_for_its_time_limit(way: Way) {
    let close_timeout = Duration::from_millis(100);
    let Some(mut rig) = Rig::closing_within(way, close_timeout) else {
        return;
    };
    let (link, mut theirs) = rig.pair();
    let flood = std::thread::spawn(move || while theirs.write_all(&[1; 1 << 16]).is_ok() {});
    rig.transport.read(link, ReadMode::Stream);
    rig.turn(Duration::from_millis(5));
    let start = Instant::now();
    rig.transport.close(link);
    rig.until_links(0);
    assert!(start.elapsed() >= close_timeout, "the remote had its time");
    assert!(start.elapsed() < PATIENCE / 2);
    flood.join().expect("the flood ends with a reset");
}

fn a_link_that_never_wrote_closes_at_once(way: Way) {
    let Some(mut rig) = Rig::closing_within(way, PATIENCE) else {
        return;
    };
    let address = rig.listen();
    let _client = TcpStream::connect(address).expect("connects");
    let link = rig.accept();
    let start = Instant::now();
    rig.transport.close(link);
    rig.until_links(0);
    assert!(start.elapsed() < PATIENCE / 2);
}

fn closing_waits_no_longer_than_its_time_limit_for_a_write(way: Way) {
    let close_timeout = Duration::from_millis(100);
    let Some(mut rig) = Rig::closing_within(way, close_timeout) else {
        return;
    };
    let (link, _theirs) = rig.pair();
    rig.transport.transmit(link, one(&pattern(64 << 20)));
    rig.transport.read(link, ReadMode::Stream);
    rig.turn(Duration::ZERO);
    let start = Instant::now();
    rig.transport.close(link);
    rig.transport.close(link);
    rig.until_links(0);
    assert!(start.elapsed() >= close_timeout, "the write had its time");
    assert!(start.elapsed() < PATIENCE / 2);
}

fn a_closed_link_is_unknown_and_its_slot_belongs_to_another(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (old, _theirs) = rig.pair();
    rig.transport.close(old);
    rig.until_links(0);
    let (new, mut theirs) = rig.pair();
    assert_ne!(old, new);
    rig.transport.close(old);
    rig.transport.read(old, ReadMode::Pause);
    rig.transport.transmit(old, one(b"to nobody"));
    assert!(rig.transport.release(old).is_none());
    rig.transport.transmit(new, one(b"to you"));
    rig.sent(new);
    let mut got = [0; 6];
    theirs.read_exact(&mut got).expect("reads");
    assert_eq!(&got, b"to you");
}

fn a_listener_that_stops_is_closed_and_another_can_follow(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let address = rig.listen();
    rig.transport.stop_listening();
    let start = Instant::now();
    while TcpStream::connect(address).is_ok() {
        rig.turn(Duration::from_millis(5));
        assert!(start.elapsed() < PATIENCE, "the listener stays open");
    }
    let address = rig.listen();
    let _client = TcpStream::connect(address).expect("connects");
    rig.accept();
}

fn a_transport_dropped_with_everything_in_flight_closes_everything(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let address = rig.listen();
    let (_hole, _fill, nowhere) = black_hole();
    let mut peers = Vec::new();
    for round in 0..20 {
        let (link, mut theirs) = rig.pair();
        rig.transport.read(link, ReadMode::Stream);
        rig.transport.transmit(link, one(&pattern(8 << 20)));
        theirs.write_all(b"some bytes").expect("writes");
        rig.transport.dial(DialId(round), nowhere.into(), PATIENCE);
        if round % 2 == 0 {
            rig.transport.close(link);
        }
        peers.push(theirs);
    }
    rig.turn(Duration::ZERO);
    let mut client = TcpStream::connect(address).expect("connects");
    client
        .set_read_timeout(Some(PATIENCE))
        .expect("sets a timeout");
    let start = Instant::now();
    drop(rig);
    assert!(
        start.elapsed() < PATIENCE / 2,
        "dropping took {:?}",
        start.elapsed()
    );
    // The one in the backlog and those in use: all hear that it is over.
    assert!(matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)));
    for mut peer in peers {
        let mut sink = vec![0; 1 << 20];
        while peer.read(&mut sink).is_ok_and(|bytes| bytes > 0) {}
    }
}

fn a_transport_dropped_before_its_first_turn_is_fine(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let (link, _theirs) = rig.pair();
    rig.transport.read(link, ReadMode::Stream);
    rig.transport.transmit(link, one(b"never submitted before"));
}

fn a_wake_from_another_thread_ends_the_sleep(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    let waker = rig.transport.waker();
    let sleeper = std::thread::current().id();
    let thread = std::thread::spawn(move || {
        assert_ne!(std::thread::current().id(), sleeper);
        std::thread::sleep(Duration::from_millis(30));
        waker.wake_by_ref();
        waker
    });
    let start = Instant::now();
    rig.transport
        .turn(&mut rig.pool, Wait::Until(PATIENCE), &mut rig.out)
        .expect("a turn");
    assert!(start.elapsed() < PATIENCE / 2);
    assert!(matches!(rig.out[..], [Completion::Woken]), "{:?}", rig.out);
    let waker = thread.join().expect("the thread ends");
    drop(rig);
    waker.wake();
}

fn a_wake_before_the_turn_is_seen_without_sleeping(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    rig.transport.waker().wake();
    assert!(rig.transport.has_pending());
    let start = Instant::now();
    rig.transport
        .turn(&mut rig.pool, Wait::Until(PATIENCE), &mut rig.out)
        .expect("a turn");
    assert!(start.elapsed() < PATIENCE / 2);
    assert!(matches!(rig.out[..], [Completion::Woken]), "{:?}", rig.out);
}

fn nothing_pending_means_a_turn_sleeps_its_time(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    rig.turn(Duration::ZERO);
    assert!(!rig.transport.has_pending());
    let start = Instant::now();
    rig.turn(Duration::from_millis(30));
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert!(rig.out.is_empty());
}

fn of_a_hundred_thousand_racing_wakes_none_is_lost(way: Way) {
    const WAKES: u64 = 100_000;
    // Every third may take a change of threads; a machine that does much else has to do fewer.
    let until = Instant::now() + Duration::from_secs(5);
    let Some(mut rig) = Rig::new(way) else { return };
    let (waker, inbox) = (rig.transport.waker(), Arc::new(AtomicU64::new(0)));
    let (asked, answered) = (Arc::clone(&inbox), Arc::new(AtomicU64::new(0)));
    let seen_by_sender = Arc::clone(&answered);
    let sender = std::thread::spawn(move || {
        for wake in (1..WAKES).take_while(|_| Instant::now() < until) {
            asked.store(wake, Ordering::Release);
            waker.wake_by_ref();
            // Every so often let the ring catch up, so that it is met asleep, awake and between.
            while wake % 3 == 0 && seen_by_sender.load(Ordering::Acquire) < wake {
                std::hint::spin_loop();
                std::thread::yield_now();
            }
        }
        asked.store(WAKES, Ordering::Release);
        waker.wake();
    });
    let mut seen = 0;
    while seen < WAKES {
        let slept = Instant::now();
        rig.transport
            .turn(&mut rig.pool, Wait::Until(PATIENCE), &mut rig.out)
            .expect("a turn");
        assert!(
            slept.elapsed() < PATIENCE / 2,
            "a wake-up was lost after {seen}"
        );
        if rig
            .out
            .drain(..)
            .any(|completion| matches!(completion, Completion::Woken))
        {
            seen = inbox.load(Ordering::Acquire);
            answered.store(seen, Ordering::Release);
        }
    }
    sender.join().expect("the sender ends");
}
