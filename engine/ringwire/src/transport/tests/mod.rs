//! Each way to move bytes with real sockets on the loopback: every test runs on all of them. Those of
//! the ring are skipped, loudly, where io_uring is refused.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ringwire_core::buffer::{BufferPool, Chunk, PoolLimits};
use ringwire_core::error::NetworkError;
use ringwire_core::switch::io::{DialId, LinkId, ReadMode, Transmit};

use super::completion::{Completion, Wait};
use super::readiness::{Readiness, ReadinessConfig};
use super::ring::{Ring, RingConfig};
use super::transport::Transport;
use super::way::Way;
use super::without_ring;

/// Longest a test waits for something that should take milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a test of each function for each way.
macro_rules! both_ways {
    ($($name:ident $(, ignore = $why:literal)?;)+) => {
        mod by_ring {
            $(
                #[test]
                $(#[ignore = $why])?
                fn $name() {
                    super::$name(super::Way::IoUring);
                }
            )+
        }

        mod by_readiness {
            $(
                #[test]
                $(#[ignore = $why])?
                fn $name() {
                    super::$name(super::Way::Readiness);
                }
            )+
        }
    };
}

mod endurance;
mod lifecycle;
mod limits;
mod traffic;
mod unix;

/// A transport with its pool and what it has reported.
pub(super) struct Rig {
    // Before the pool: the kernel must let go of buffers first.
    pub(super) transport: Transport,
    pub(super) pool: BufferPool,
    pub(super) out: Vec<Completion>,
}

impl Rig {
    pub(super) fn new(way: Way) -> Option<Rig> {
        Self::with(way, RingConfig::default(), PoolLimits::default())
    }

    /// A rig with these sizes; without a ring only the times count.
    pub(super) fn with(way: Way, config: RingConfig, limits: PoolLimits) -> Option<Rig> {
        let close_timeout = config.close_timeout;
        let transport = match way {
            Way::IoUring => Ring::new(config).map(Transport::Ring),
            Way::Readiness => Ok(Transport::Readiness(
                Readiness::new(ReadinessConfig { close_timeout }).expect("it needs nothing"),
            )),
        };
        match transport {
            Ok(transport) => Some(Self::of(transport, limits)),
            Err(error) => {
                without_ring::skip(error);
                None
            }
        }
    }

    /// A rig of this transport.
    pub(super) fn of(transport: Transport, limits: PoolLimits) -> Rig {
        Rig {
            transport,
            pool: BufferPool::new(limits),
            out: Vec::new(),
        }
    }

    /// A rig whose closed links have this long to end in order.
    fn closing_within(way: Way, close_timeout: Duration) -> Option<Rig> {
        let config = RingConfig {
            close_timeout,
            ..RingConfig::default()
        };
        Self::with(way, config, PoolLimits::default())
    }

    /// The ring, of a rig that has one.
    pub(super) fn ring(&mut self) -> &mut Ring {
        match &mut self.transport {
            Transport::Ring(ring) => ring,
            _ => panic!("this rig has no ring"),
        }
    }

    pub(super) fn turn(&mut self, wait: Duration) {
        self.transport
            .turn(&mut self.pool, Wait::Until(wait), &mut self.out)
            .expect("a turn");
    }

    /// Turns until `done` finds what it wants among the completions, which are consumed up to it.
    pub(super) fn until<T>(
        &mut self,
        what: &str,
        mut done: impl FnMut(Completion) -> Option<T>,
    ) -> T {
        let start = Instant::now();
        loop {
            let mut reported = std::mem::take(&mut self.out).into_iter();
            if let Some(found) = reported.by_ref().find_map(&mut done) {
                self.out = reported.collect();
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
            self.turn(Duration::from_millis(100));
        }
    }

    /// Turns until the transport holds `links` links; returns what was reported meanwhile.
    pub(super) fn until_links(&mut self, links: usize) {
        let start = Instant::now();
        while self.transport.link_count() != links {
            assert!(
                start.elapsed() < PATIENCE,
                "waited too long for {links} links"
            );
            self.turn(Duration::from_millis(20));
        }
    }

    /// Turns for a while and expects to hear nothing.
    fn expect_silence(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.turn(Duration::from_millis(10));
            assert!(self.out.is_empty(), "unexpected: {:?}", self.out);
        }
    }

    fn listen(&mut self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let address = listener.local_addr().expect("a bound socket");
        self.transport.listen(listener.into()).expect("it listens");
        address
    }

    fn accept(&mut self) -> LinkId {
        self.until("a connection", |completion| match completion {
            Completion::Accepted { link, .. } => Some(link),
            _ => None,
        })
    }

    /// A link of this rig and the plain socket at its other end.
    pub(super) fn pair(&mut self) -> (LinkId, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let remote = listener.local_addr().expect("a bound socket");
        let ours = TcpStream::connect(remote).expect("connects");
        let (theirs, _) = listener.accept().expect("accepts");
        theirs
            .set_read_timeout(Some(PATIENCE))
            .expect("sets a timeout");
        theirs
            .set_write_timeout(Some(PATIENCE))
            .expect("sets a timeout");
        let ours = std::os::fd::OwnedFd::from(ours);
        (self.transport.adopt(ours.into(), remote.into()), theirs)
    }

    pub(super) fn received(&mut self, wanted: LinkId) -> Chunk {
        self.until("bytes", |completion| match completion {
            Completion::Received { link, chunk } if link == wanted => Some(chunk),
            _ => None,
        })
    }

    pub(super) fn closed(&mut self, wanted: LinkId) -> NetworkError {
        self.until("the end of a link", |completion| match completion {
            Completion::Closed { link, error } if link == wanted => Some(error),
            _ => None,
        })
    }

    pub(super) fn sent(&mut self, wanted: LinkId) -> Transmit {
        self.until("a transmit to be written", |completion| match completion {
            Completion::Sent { link, buffers } if link == wanted => Some(buffers),
            _ => None,
        })
    }
}

pub(super) fn one(bytes: &[u8]) -> Transmit {
    Transmit::from_iter([BytesMut::from(bytes).into()])
}

/// Bytes that differ from place to place, so that a lost or swapped piece is seen.
fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let step = |state: &mut u32| {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        *state as u8
    };
    (0..len).map(|_| step(&mut state)).collect()
}

/// Runs an ignored test of this module alone in a process of its own, because it counts or limits
/// what belongs to the whole process.
fn run_alone(way: Way, room: &str, test: &str) {
    let module = match way {
        Way::IoUring => "by_ring",
        Way::Readiness => "by_readiness",
    };
    let name = format!("transport::tests::{room}::{module}::{test}");
    let status = std::process::Command::new(std::env::current_exe().expect("a test binary"))
        .args([
            "--exact",
            &name,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .status()
        .expect("runs the test binary");
    assert!(status.success(), "{name} failed in a process of its own");
}
