//! Where attacks happen: the engine, the honest peer beside it, and the count of open files.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringwire::error::CloseReason;
use ringwire::error::DialError;
use ringwire::{Config, Handle};
use ringwire_codec::{NodeInfo, Packet};

use crate::support::comet_peer::{self, CometPeer, Incoming};
use crate::support::loopback;
use crate::support::node::{self, ECHO, NETWORK, Node, address_at};
use crate::support::oracle::{ORACLES, Opened, Oracle};
use crate::support::traffic::Traffic;

pub(crate) const ENGINE_SEED: [u8; 32] = [0x2a; 32];
pub(crate) const HONEST_SEED: [u8; 32] = [0x2b; 32];
pub(crate) const ATTACKER_SEED: [u8; 32] = [0x2c; 32];

/// How long a handshake may take where a test waits for the end of that time. The honest peer has to
/// make it within that, on a machine that does other work; all other tests leave the default.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long anything here is waited for: generous, for a machine that does other work.
pub(crate) const WITHIN: Duration = Duration::from_secs(30);

/// One attack: what is done on a fresh connection, and the reason it must be closed for.
pub(crate) struct Attack {
    /// What it is, for the test's words.
    pub(crate) name: &'static str,
    /// Does it. Whatever it gives back stays open until the engine has closed the connection.
    pub(crate) act: fn(TcpStream) -> Held,
    /// Whether this is the reason that names what was done.
    pub(crate) named: fn(&CloseReason) -> bool,
}

/// Keeps an attacker's end open, so that it is the engine that must close.
pub(crate) type Held = Option<Box<dyn std::any::Any>>;

/// The engine under attack.
pub(crate) struct Arena {
    // Fields are dropped in this order: the honest peer leaves before its engine does.
    honest: Honest,
    pub(crate) node: Node,
    // Open files are counted for the whole process, so arenas follow each other.
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

impl Arena {
    /// Starts the engine and its honest peer; `None`, with a loud word, without io_uring.
    pub(crate) fn open() -> Option<Arena> {
        Self::open_with(|_| ())
    }

    /// The same with an engine of other limits.
    pub(crate) fn open_with(adjust: impl FnOnce(&mut Config)) -> Option<Arena> {
        // A test that failed has left nothing behind that the next one could trip over.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let node = Node::start(ENGINE_SEED, 2, |config| {
            config.max_num_handshakes = 256;
            adjust(config);
        })?;
        let honest = Honest::connect(node.engine.handle().listen_addr());
        node.engine
            .handle()
            .wait_for_peers_blocking(1, WITHIN)
            .expect("the honest peer was admitted");
        Some(Arena {
            node,
            honest,
            _alone: alone,
        })
    }

    /// Runs one attack and holds the engine to its answer.
    pub(crate) fn face(&mut self, attack: &Attack) {
        self.face_together(std::slice::from_ref(attack));
    }

    /// Runs attacks at the same time: those that time alone ends take no longer than one of them.
    pub(crate) fn face_together(&mut self, attacks: &[Attack]) {
        let addr = self.node.engine.handle().listen_addr();
        let mut waiting: BTreeMap<SocketAddr, Faced> = attacks
            .iter()
            .map(|attack| Faced::begin(attack, addr))
            .collect();
        let all_closed = self.node.wait_event(WITHIN, |event| {
            let (remote, reason) = node::closed(event)?;
            if let Some(faced) = waiting.remove(&remote) {
                faced.must_end_for(&reason);
            }
            waiting.is_empty().then_some(())
        });
        let open: Vec<_> = waiting.values().map(|faced| faced.attack.name).collect();
        assert!(all_closed.is_some(), "never closed: {open:?}");
        attacks
            .iter()
            .for_each(|attack| self.honest.must_go_on(attack.name));
    }

    /// Lets the engine dial the attacker and holds it to the same answer.
    pub(crate) fn face_dialed(&self, attack: &Attack) {
        dial_to_attack(self.node.engine.handle(), ATTACKER_SEED, attack);
        self.honest.must_go_on(attack.name);
    }

    /// The same with dials to all at the same time, each to the id of another key: there is one dial to an id.
    pub(crate) fn face_dialed_together(&self, attacks: &[([u8; 32], &Attack)]) {
        let engine = self.node.engine.handle();
        thread::scope(|scope| {
            for &(seed, attack) in attacks {
                let engine = engine.clone();
                scope.spawn(move || dial_to_attack(&engine, seed, attack));
            }
        });
        self.honest.must_go_on("dials to those who attack");
    }

    /// Runs all attacks and checks that none left a file open.
    pub(crate) fn face_all(mut self, attacks: &[Attack]) {
        // The first round may open what stays open for good.
        attacks.iter().take(1).for_each(|attack| self.face(attack));
        let before = open_files();
        attacks.iter().for_each(|attack| self.face(attack));
        self.must_hold(before);
    }

    /// Checks that the honest peer is answered as before.
    pub(crate) fn must_go_on(&self, during: &str) {
        self.honest.must_go_on(during);
    }

    /// Checks that the count of open files comes back to `files` and the honest peer is well.
    pub(crate) fn must_hold(&mut self, files: usize) {
        self.honest.must_go_on("the end");
        let deadline = Instant::now() + WITHIN;
        while open_files() > files && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(
            open_files() <= files,
            "{} files were open, {} are",
            files,
            open_files()
        );
        assert_eq!(
            self.node.engine.handle().peer_count(),
            1,
            "only the honest peer is left"
        );
    }
}

/// Lets an engine dial the attacker, whom it takes for the owner of a key: it must end for the reason that names what was done.
fn dial_to_attack(engine: &Handle, seed: [u8; 32], attack: &Attack) {
    let (listener, addr) = loopback::listen();
    let id = Oracle::key(seed).id();
    let dialed = thread::scope(|scope| {
        scope.spawn(|| {
            let stream = loopback::accept(&listener);
            let mut probe = stream.try_clone().expect("a socket can be duplicated");
            let held = (attack.act)(stream);
            assert!(
                ends(&mut probe),
                "{}: the socket is still open",
                attack.name
            );
            drop(held);
        });
        engine.dial_blocking(address_at(id, addr))
    });
    match dialed {
        Err(DialError::Closed(reason)) if (attack.named)(&reason) => {}
        other => panic!("{}, dialed: the engine says {other:?}", attack.name),
    }
}

/// An attack that was begun.
struct Faced<'a> {
    attack: &'a Attack,
    probe: TcpStream,
    /// The attacker's end, open until the engine has closed.
    _held: Held,
}

impl<'a> Faced<'a> {
    /// Begins it on a fresh connection to the engine; returns that connection's address as well.
    fn begin(attack: &'a Attack, engine: SocketAddr) -> (SocketAddr, Faced<'a>) {
        let stream = loopback::connect(engine);
        let probe = stream.try_clone().expect("a socket can be duplicated");
        let from = stream
            .local_addr()
            .expect("a connected socket has an address");
        let faced = Faced {
            attack,
            probe,
            _held: (attack.act)(stream),
        };
        (from, faced)
    }

    /// Checks the reason that the engine gives, and that its end of the connection is closed.
    fn must_end_for(mut self, reason: &CloseReason) {
        let name = self.attack.name;
        assert!((self.attack.named)(reason), "{name}: closed for {reason:?}");
        assert!(ends(&mut self.probe), "{name}: the socket is still open");
    }
}

/// Reads what is left; whether the stream then ends instead of going on in silence.
fn ends(probe: &mut TcpStream) -> bool {
    use std::io::{ErrorKind, Read};
    let mut bytes = [0; 4096];
    loop {
        match probe.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            }
        }
    }
}

/// Open files of this process.
pub(crate) fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("Linux lists a process's files")
        .count()
}

/// The oracle whose secret connection attackers and the honest peer use.
pub(crate) fn oracle() -> Oracle {
    ORACLES[0]
}

/// The secret connection of an attacker, before any NodeInfo.
pub(crate) fn secret(stream: TcpStream, seed: [u8; 32]) -> Opened {
    oracle()
        .shake(stream, seed)
        .expect("an honest handshake succeeds")
}

/// An attacker that was admitted.
pub(crate) fn admitted(stream: TcpStream) -> CometPeer {
    let info = info(ATTACKER_SEED);
    CometPeer::establish(oracle(), stream, ATTACKER_SEED, &info).expect("it is in order so far")
}

/// A NodeInfo in order.
pub(crate) fn info(seed: [u8; 32]) -> NodeInfo {
    comet_peer::node_info(seed, NETWORK, &node::channels())
}

/// A peer that asks for echoes all the time and wants each one.
struct Honest {
    echoes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Honest {
    fn connect(addr: SocketAddr) -> Honest {
        let stream = loopback::connect(addr);
        let peer_stream = stream.try_clone().expect("a socket can be duplicated");
        let info = info(HONEST_SEED);
        let peer = CometPeer::establish(oracle(), peer_stream, HONEST_SEED, &info)
            .expect("the honest peer is in order");
        let (echoes, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counter, stopped) = (Arc::clone(&echoes), Arc::clone(&stop));
        let thread = thread::spawn(move || converse(peer, &counter, &stopped));
        Honest {
            echoes,
            stop,
            stream,
            thread: Some(thread),
        }
    }

    /// Waits for the next few echoes.
    fn must_go_on(&self, during: &str) {
        let wanted = self.echoes.load(Ordering::Relaxed) + 3;
        let deadline = Instant::now() + WITHIN;
        while self.echoes.load(Ordering::Relaxed) < wanted {
            assert!(
                Instant::now() < deadline,
                "{during}: the honest peer hears nothing any more"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        // Shutting down a socket that the engine has closed already is no fault.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(Err(panic)) = ended
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// The engine's next word, its pings answered: it asks whether the peer is there when somebody comes
/// with its key.
fn next_but_pings(peer: &mut CometPeer) -> Incoming {
    loop {
        match peer.reader.next() {
            Ok(Incoming::Ping) => peer
                .writer
                .packet(&Packet::Pong)
                .expect("the engine reads the honest peer"),
            Ok(other) => return other,
            Err(error) => panic!("the engine answers the honest peer no more: {error:?}"),
        }
    }
}

fn converse(mut peer: CometPeer, echoes: &AtomicU64, stop: &AtomicBool) {
    for (message, channel) in Traffic::new(9, usize::MAX)
        .at_most(20_000)
        .zip(ECHO.into_iter().cycle())
    {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        peer.writer
            .message(channel, &message)
            .expect("the engine reads the honest peer");
        let echo = next_but_pings(&mut peer);
        assert!(
            echo == Incoming::Message(channel, message.to_vec()),
            "an echo came back changed"
        );
        echoes.fetch_add(1, Ordering::Relaxed);
        // Enough to notice any pause, and CPU left for the attack.
        thread::sleep(Duration::from_millis(2));
    }
}
