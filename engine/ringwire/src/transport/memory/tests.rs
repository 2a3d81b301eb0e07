//! The transport in memory, two shards of it in one thread.

use ringwire_core::buffer::PoolLimits;
use ringwire_core::config::ListenAddr;

use super::*;
use crate::transport::listener::Entrance;
use crate::transport::tests::{PATIENCE, Rig, one};
use crate::transport::transport::Transport;

/// A shard of a network.
fn shard(hub: &Hub) -> Rig {
    Rig::of(Transport::in_memory(hub.clone()), PoolLimits::default())
}

/// A shard that accepts, and where.
fn listening(hub: &Hub) -> (Rig, RemoteAddr) {
    let (mut rig, address) = (shard(hub), hub.next_address());
    let mut bound = hub.bind(&[address.into()], 1).expect("it is free");
    let entrance = Entrance::Memory(bound.remove(0).remove(0));
    rig.transport.listen(entrance).expect("it listens");
    (rig, address.into())
}

fn dial(rig: &mut Rig, to: &RemoteAddr) -> Result<LinkId, NetworkError> {
    rig.transport.dial(DialId(1), to.clone(), PATIENCE);
    rig.until("a dial", |completion| match completion {
        Completion::Connected { link, .. } => Some(Ok(link)),
        Completion::DialFailed { error, .. } => Some(Err(error)),
        _ => None,
    })
}

fn accepted(rig: &mut Rig) -> (LinkId, RemoteAddr) {
    rig.until("a connection", |completion| match completion {
        Completion::Accepted { link, remote } => Some((link, remote)),
        _ => None,
    })
}

fn received(rig: &mut Rig, link: LinkId) -> Vec<u8> {
    let chunk = rig.received(link);
    let bytes = chunk.received().to_vec();
    rig.pool.give_back_chunk(chunk.bytes);
    bytes
}

/// Two shards with a connection between them, dialer first.
fn pair() -> (Rig, LinkId, Rig, LinkId) {
    let hub = Hub::default();
    let (mut listener, address) = listening(&hub);
    let (mut dialer, from) = listening(&hub);
    let ours = dial(&mut dialer, &address).expect("somebody listens");
    let (theirs, remote) = accepted(&mut listener);
    assert_eq!(remote.ip(), from.ip(), "from where it listens");
    (dialer, ours, listener, theirs)
}

#[test]
fn what_is_written_is_read_in_order_however_much_it_is() {
    let (mut dialer, ours, mut listener, theirs) = pair();
    let all: Vec<u8> = (0..1_000_000).map(|at: usize| (at % 251) as u8).collect();
    dialer.transport.transmit(ours, one(&all));
    listener.transport.read(theirs, ReadMode::Stream);
    let mut got = Vec::new();
    while got.len() < all.len() {
        dialer.turn(Duration::ZERO);
        got.extend(received(&mut listener, theirs));
    }
    assert_eq!(got, all);
    dialer.until("the end of the write", |completion| match completion {
        Completion::Sent { link, .. } if link == ours => Some(()),
        _ => None,
    });
}

#[test]
fn a_paused_link_holds_its_sender_up_and_once_reads_once() {
    let (mut dialer, ours, mut listener, theirs) = pair();
    dialer.transport.transmit(ours, one(&vec![7; 1 << 20]));
    for _ in 0..5 {
        dialer.turn(Duration::ZERO);
        listener.turn(Duration::ZERO);
    }
    let is_quiet = |out: &[Completion]| out.iter().all(|it| matches!(it, Completion::Woken));
    assert!(is_quiet(&dialer.out) && is_quiet(&listener.out));
    listener.transport.read(theirs, ReadMode::Once);
    assert!(!received(&mut listener, theirs).is_empty());
    listener.turn(Duration::ZERO);
    assert!(is_quiet(&listener.out), "once is once");
}

#[test]
fn what_was_written_before_a_close_is_read_and_who_writes_on_is_not_held_up() {
    let (mut dialer, ours, mut listener, theirs) = pair();
    dialer.transport.transmit(ours, one(b"goodbye"));
    dialer.transport.close(ours);
    dialer.turn(Duration::ZERO);
    assert_eq!(dialer.transport.link_count(), 0);
    listener.transport.transmit(theirs, one(&vec![0; 1 << 20]));
    listener.until("the end of the write", |completion| match completion {
        Completion::Sent { .. } => Some(()),
        _ => None,
    });
    listener.transport.read(theirs, ReadMode::Stream);
    assert_eq!(received(&mut listener, theirs), b"goodbye");
    assert_eq!(listener.closed(theirs), NetworkError::Eof);
    listener.transport.close(theirs);
    assert_eq!(listener.transport.link_count(), 0);
}

#[test]
fn a_close_waits_a_while_for_its_write_and_then_cuts_it_off() {
    let (mut dialer, ours, mut listener, theirs) = pair();
    dialer.transport.transmit(ours, one(&vec![7; 1 << 20]));
    dialer.transport.close(ours);
    dialer.turn(Duration::ZERO);
    assert!(dialer.transport.is_closing());
    let start = Instant::now();
    while dialer.transport.link_count() > 0 {
        dialer.turn(Duration::from_millis(50));
        assert!(start.elapsed() < PATIENCE);
    }
    assert!(start.elapsed() >= Duration::from_millis(900));
    listener.transport.read(theirs, ReadMode::Stream);
    let NetworkError::Io { operation, .. } = listener.closed(theirs) else {
        panic!("it was cut off");
    };
    assert_eq!(operation, "recv");
}

#[test]
fn nobody_there_is_a_refused_dial_and_an_address_is_free_once_its_listener_is_gone() {
    let hub = Hub::default();
    let (listener, address) = listening(&hub);
    let at: ListenAddr = address.socket_addr().expect("an IP").into();
    let error = hub
        .bind(std::slice::from_ref(&at), 2)
        .expect_err("it is taken");
    assert!(
        error.to_string().contains("another engine of this network"),
        "{error}"
    );
    let mut dialer = shard(&hub);
    dial(&mut dialer, &address).expect("somebody listens");
    // It goes without having accepted.
    drop(listener);
    dial(&mut dialer, &address).expect_err("nobody listens");
    hub.bind(&[at], 2).expect("it is free");
    let unix = RemoteAddr::Unix("/p".into());
    dial(&mut dialer, &unix).expect_err("there are none in memory");
}

#[test]
fn a_cancelled_dial_is_never_heard_of_again() {
    let hub = Hub::default();
    let (mut listener, address) = listening(&hub);
    let mut dialer = shard(&hub);
    dialer.transport.dial(DialId(3), address, PATIENCE);
    dialer.transport.cancel_dial(DialId(3));
    dialer.turn(Duration::ZERO);
    assert!(dialer.out.is_empty(), "{:?}", dialer.out);
    let (link, _) = accepted(&mut listener);
    listener.transport.read(link, ReadMode::Once);
    assert_eq!(listener.closed(link), NetworkError::Eof);
}

#[test]
fn a_link_moves_to_another_shard_with_what_it_has_not_read() {
    let (mut dialer, ours, mut listener, theirs) = pair();
    dialer.transport.transmit(ours, one(b"unread"));
    dialer.turn(Duration::ZERO);
    listener.transport.read(theirs, ReadMode::Once);
    assert!(listener.transport.release(theirs).is_none(), "it is read");
    listener.transport.read(theirs, ReadMode::Pause);
    let (end, remote) = listener.transport.release(theirs).expect("it is paused");
    let mut home = shard(&Hub::default());
    let link = home.transport.adopt(end, remote);
    home.transport.read(link, ReadMode::Stream);
    assert_eq!(received(&mut home, link), b"unread");
    dialer.transport.transmit(ours, one(b"and more"));
    dialer.turn(Duration::ZERO);
    assert_eq!(received(&mut home, link), b"and more");
    drop(dialer);
    assert_eq!(home.closed(link), NetworkError::Eof);
}

#[test]
fn a_wake_or_a_word_of_another_thread_ends_the_sleep() {
    let (dialer, ours, mut listener, theirs) = pair();
    listener.transport.read(theirs, ReadMode::Stream);
    listener.turn(Duration::ZERO);
    let start = Instant::now();
    // A ring may not leave its thread; this way to move bytes may.
    let (Transport::Memory(mut memory), mut pool) = (dialer.transport, dialer.pool) else {
        unreachable!("it is in memory");
    };
    let writer = std::thread::spawn(move || {
        memory.transmit(ours, one(b"good morning"));
        let turned = memory.turn(&mut pool, Wait::Until(Duration::ZERO), &mut Vec::new());
        turned.expect("a turn");
        memory
    });
    while !listener
        .out
        .iter()
        .any(|it| matches!(it, Completion::Received { .. }))
    {
        listener.turn(PATIENCE);
        assert!(start.elapsed() < PATIENCE, "it slept through");
    }
    writer.join().expect("no panic");
    let waker = listener.transport.waker();
    std::thread::spawn(move || waker.wake());
    listener.out.clear();
    while !listener
        .out
        .iter()
        .any(|it| matches!(it, Completion::Woken))
    {
        listener.turn(PATIENCE);
    }
    assert!(start.elapsed() < PATIENCE);
}
