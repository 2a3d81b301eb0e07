//! The transport in memory, two shards of it in one thread.

use bytes::BytesMut;
use ringwire_core::buffer::PoolLimits;
use ringwire_core::config::ListenAddr;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// A shard of a network.
struct Rig {
    memory: Memory,
    pool: BufferPool,
    out: Vec<Completion>,
}

impl Rig {
    fn new(hub: &Hub) -> Rig {
        Rig {
            memory: Memory::new(hub.clone()),
            pool: BufferPool::new(PoolLimits::default()),
            out: Vec::new(),
        }
    }

    fn listening(hub: &Hub) -> (Rig, RemoteAddr) {
        let (mut rig, address) = (Rig::new(hub), hub.next_address());
        let mut bound = hub.bind(&[address.into()], 1).expect("it is free");
        rig.memory.listen(bound.remove(0).remove(0));
        (rig, address.into())
    }

    fn turn(&mut self, wait: Duration) {
        self.memory
            .turn(&mut self.pool, Wait::Until(wait), &mut self.out)
            .expect("a turn");
    }

    fn until<T>(&mut self, what: &str, mut done: impl FnMut(Completion) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            let mut reported = std::mem::take(&mut self.out).into_iter();
            if let Some(found) = reported.by_ref().find_map(&mut done) {
                self.out = reported.collect();
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
            self.turn(Duration::from_millis(20));
        }
    }

    fn dial(&mut self, to: &RemoteAddr) -> Result<LinkId, NetworkError> {
        self.memory.dial(DialId(1), to.clone(), PATIENCE);
        self.until("a dial", |completion| match completion {
            Completion::Connected { link, .. } => Some(Ok(link)),
            Completion::DialFailed { error, .. } => Some(Err(error)),
            _ => None,
        })
    }

    fn accepted(&mut self) -> (LinkId, RemoteAddr) {
        self.until("a connection", |completion| match completion {
            Completion::Accepted { link, remote } => Some((link, remote)),
            _ => None,
        })
    }

    fn received(&mut self) -> Vec<u8> {
        let chunk = self.until("bytes", |completion| match completion {
            Completion::Received { chunk, .. } => Some(chunk),
            _ => None,
        });
        let bytes = chunk.received().to_vec();
        self.pool.give_back_chunk(chunk.bytes);
        bytes
    }

    fn closed(&mut self) -> NetworkError {
        self.until("the end of a link", |completion| match completion {
            Completion::Closed { error, .. } => Some(error),
            _ => None,
        })
    }
}

fn one(bytes: &[u8]) -> Transmit {
    Transmit::from_iter([BytesMut::from(bytes).into()])
}

/// Two shards with a connection between them, dialer first.
fn pair() -> (Rig, LinkId, Rig, LinkId) {
    let hub = Hub::default();
    let (mut listener, address) = Rig::listening(&hub);
    let (mut dialer, _) = Rig::listening(&hub);
    let ours = dialer.dial(&address).expect("somebody listens");
    let (theirs, remote) = listener.accepted();
    assert_eq!(remote.ip(), Some(dialer.memory.ip), "from where it listens");
    (dialer, ours, listener, theirs)
}

#[test]
fn what_is_written_is_read_in_order_however_much_it_is() {
    let (mut dialer, ours, mut listener, theirs) = pair();
    let all: Vec<u8> = (0..1_000_000).map(|at: usize| (at % 251) as u8).collect();
    dialer.memory.transmit(ours, one(&all));
    listener.memory.read(theirs, ReadMode::Stream);
    let mut got = Vec::new();
    while got.len() < all.len() {
        dialer.turn(Duration::ZERO);
        got.extend(listener.received());
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
    dialer.memory.transmit(ours, one(&vec![7; 1 << 20]));
    for _ in 0..5 {
        dialer.turn(Duration::ZERO);
        listener.turn(Duration::ZERO);
    }
    let is_quiet = |out: &[Completion]| out.iter().all(|it| matches!(it, Completion::Woken));
    assert!(is_quiet(&dialer.out) && is_quiet(&listener.out));
    listener.memory.read(theirs, ReadMode::Once);
    assert!(!listener.received().is_empty());
    listener.turn(Duration::ZERO);
    assert!(is_quiet(&listener.out), "once is once");
}

#[test]
fn what_was_written_before_a_close_is_read_and_who_writes_on_is_not_held_up() {
    let (mut dialer, ours, mut listener, theirs) = pair();
    dialer.memory.transmit(ours, one(b"goodbye"));
    dialer.memory.close(ours);
    dialer.turn(Duration::ZERO);
    assert_eq!(dialer.memory.link_count(), 0);
    listener.memory.transmit(theirs, one(&vec![0; 1 << 20]));
    listener.until("the end of the write", |completion| match completion {
        Completion::Sent { .. } => Some(()),
        _ => None,
    });
    listener.memory.read(theirs, ReadMode::Stream);
    assert_eq!(listener.received(), b"goodbye");
    assert_eq!(listener.closed(), NetworkError::Eof);
    listener.memory.close(theirs);
    assert_eq!(listener.memory.link_count(), 0);
}

#[test]
fn a_close_waits_a_while_for_its_write_and_then_cuts_it_off() {
    let (mut dialer, ours, mut listener, theirs) = pair();
    dialer.memory.transmit(ours, one(&vec![7; 1 << 20]));
    dialer.memory.close(ours);
    dialer.turn(Duration::ZERO);
    assert!(dialer.memory.is_closing());
    let start = Instant::now();
    while dialer.memory.link_count() > 0 {
        dialer.turn(Duration::from_millis(50));
        assert!(start.elapsed() < PATIENCE);
    }
    assert!(start.elapsed() >= Duration::from_millis(900));
    listener.memory.read(theirs, ReadMode::Stream);
    let NetworkError::Io { operation, .. } = listener.closed() else {
        panic!("it was cut off");
    };
    assert_eq!(operation, "recv");
}

#[test]
fn nobody_there_is_a_refused_dial_and_an_address_is_free_once_its_listener_is_gone() {
    let hub = Hub::default();
    let (listener, address) = Rig::listening(&hub);
    let at: ListenAddr = address.socket_addr().expect("an IP").into();
    let error = hub
        .bind(std::slice::from_ref(&at), 2)
        .expect_err("it is taken");
    assert!(
        error.to_string().contains("another engine of this network"),
        "{error}"
    );
    let mut dialer = Rig::new(&hub);
    dialer.dial(&address).expect("somebody listens");
    // It goes without having accepted.
    drop(listener);
    dialer.dial(&address).expect_err("nobody listens");
    hub.bind(&[at], 2).expect("it is free");
    let unix = RemoteAddr::Unix("/p".into());
    dialer.dial(&unix).expect_err("there are none in memory");
}

#[test]
fn a_cancelled_dial_is_never_heard_of_again() {
    let hub = Hub::default();
    let (mut listener, address) = Rig::listening(&hub);
    let mut dialer = Rig::new(&hub);
    dialer.memory.dial(DialId(3), address, PATIENCE);
    dialer.memory.cancel_dial(DialId(3));
    dialer.turn(Duration::ZERO);
    assert!(dialer.out.is_empty(), "{:?}", dialer.out);
    let (link, _) = listener.accepted();
    listener.memory.read(link, ReadMode::Once);
    assert_eq!(listener.closed(), NetworkError::Eof);
}

#[test]
fn a_link_moves_to_another_shard_with_what_it_has_not_read() {
    let (mut dialer, ours, mut listener, theirs) = pair();
    dialer.memory.transmit(ours, one(b"unread"));
    dialer.turn(Duration::ZERO);
    listener.memory.read(theirs, ReadMode::Once);
    assert!(listener.memory.release(theirs).is_none(), "it is read");
    listener.memory.read(theirs, ReadMode::Pause);
    let (end, remote) = listener.memory.release(theirs).expect("it is paused");
    let mut home = Rig::new(&Hub::default());
    let link = home.memory.adopt(end, remote);
    home.memory.read(link, ReadMode::Stream);
    assert_eq!(home.received(), b"unread");
    dialer.memory.transmit(ours, one(b"and more"));
    dialer.turn(Duration::ZERO);
    assert_eq!(home.received(), b"and more");
    drop(dialer);
    assert_eq!(home.closed(), NetworkError::Eof);
}

#[test]
fn a_wake_or_a_word_of_another_thread_ends_the_sleep() {
    let (mut dialer, ours, mut listener, theirs) = pair();
    listener.memory.read(theirs, ReadMode::Stream);
    listener.turn(Duration::ZERO);
    let start = Instant::now();
    let writer = std::thread::spawn(move || {
        dialer.memory.transmit(ours, one(b"good morning"));
        dialer.turn(Duration::ZERO);
        dialer
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
    let waker = listener.memory.waker();
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
