//! The contender: two complete Ringwire nodes, each with one shard on a CPU of its own.
//!
//! Payload goes through everything a user's would: a reactor's `try_send`, the channel's queue,
//! the scheduler, packets, the record layer, the ring, and on the other side up to
//! `Reactor::receive`.

mod reactors;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use ringwire::config::Config;
use ringwire::peer::Framing;
use ringwire::reactor::ChannelDescriptor;
use ringwire::{Engine, StartError};
use ringwire_codec::{ChannelId, NetAddress, NodeKey};

use crate::measure::{Sample, Stopwatch};
use reactors::{Bouncer, Pinger, Sink, Source};

/// The channel everything travels on, id below 0x80 so that packets are full.
const CHANNEL: ChannelId = ChannelId(0x42);
/// Messages that may wait per peer: what a bulk sender would configure.
const QUEUE: usize = 64;
/// How long a run may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a pair of nodes is made for.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Record layer.
    pub framing: Framing,
    /// Longest busy-poll before a shard sleeps.
    pub busy_poll: Duration,
}

/// Two connected nodes.
struct Pair {
    dialer: Engine,
    listener: Engine,
}

fn config(setup: Setup) -> Config {
    Config {
        network: String::from("bench"),
        listen_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        // Nothing but what is measured.
        pex: false,
        allow_duplicate_ip: true,
        max_num_handshakes_per_ip: 0,
        dial_jitter: Duration::ZERO,
        send_rate: 0,
        recv_rate: 0,
        wide_records: setup.framing == Framing::Wide,
        ..Config::default()
    }
}

fn descriptor() -> ChannelDescriptor {
    ChannelDescriptor {
        send_queue_capacity: QUEUE,
        ..ChannelDescriptor::new(CHANNEL, 5)
    }
}

impl Pair {
    /// Two nodes, one dialing the other. The engines of a process take the CPUs in turn, so each
    /// has one of its own where there are two.
    fn connect<D, L>(
        setup: Setup,
        dialer: impl Fn() -> D + Send + Sync + 'static,
        listener: impl Fn() -> L + Send + Sync + 'static,
    ) -> Result<Pair, StartError>
    where
        D: ringwire::reactor::Reactor + 'static,
        L: ringwire::reactor::Reactor + 'static,
    {
        let listener = Engine::builder(config(setup))
            .node_key(NodeKey::from_seed([2; 32]))
            .shards(1)
            .busy_poll(setup.busy_poll)
            .reactor("listener", move |_| listener())
            .start()?;
        let dialer = Engine::builder(config(setup))
            .node_key(NodeKey::from_seed([1; 32]))
            .shards(1)
            .busy_poll(setup.busy_poll)
            .reactor("dialer", move |_| dialer())
            .start()?;
        let address = listener.handle().listen_addr();
        let id = listener.handle().node_id();
        let address = NetAddress::from_ip(id, address.ip(), address.port());
        let pair = Pair { dialer, listener };
        pair.dialer
            .handle()
            .dial_blocking(address)
            .expect("loopback nodes of one network connect");
        pair.listener
            .handle()
            .wait_for_peers_blocking(1, PATIENCE)
            .expect("the dialer is admitted");
        Ok(pair)
    }

    /// Lets the dialer's reactor begin.
    fn fire(&self) {
        let publish = self.dialer.handle().publish_blocking(CHANNEL, Bytes::new());
        publish.expect("a running engine takes one message");
    }

    fn stop(self) {
        for engine in [self.dialer, self.listener] {
            let stopped = engine.handle().shutdown_blocking(Duration::from_secs(5));
            stopped.expect("an engine without load stops within its deadline");
        }
    }
}

/// Moves `count` messages of `message_bytes` one way.
///
/// # Errors
/// When an engine cannot be started on this machine.
///
/// # Panics
/// If the messages have not come within two minutes.
pub fn drain(setup: Setup, message_bytes: usize, count: usize) -> Result<Sample, StartError> {
    let (done, finished) = mpsc::channel();
    let message = Bytes::from(vec![0x5a; message_bytes]);
    let pair = Pair::connect(
        setup,
        move || Source {
            message: message.clone(),
            left: count,
        },
        move || Sink {
            expected: count,
            message_bytes,
            done: done.clone(),
        },
    )?;
    let stopwatch = Stopwatch::start();
    pair.fire();
    finished
        .recv_timeout(PATIENCE)
        .expect("all messages arrive in time");
    let sample = stopwatch.stop();
    pair.stop();
    Ok(sample)
}

/// Bounces a 64-byte message `rounds` times, unloaded; returns round trips in nanoseconds.
///
/// # Errors
/// When an engine cannot be started on this machine.
///
/// # Panics
/// If the rounds are not over within two minutes.
pub fn ping_pong(setup: Setup, rounds: u64) -> Result<Histogram<u64>, StartError> {
    let (done, finished) = mpsc::channel();
    let pair = Pair::connect(
        setup,
        move || Pinger {
            message: Bytes::from_static(&[0x5a; 64]),
            left: rounds,
            sent_at: std::time::Instant::now(),
            histogram: Histogram::new(3).expect("three digits are allowed"),
            done: done.clone(),
        },
        || Bouncer,
    )?;
    pair.fire();
    let histogram = finished
        .recv_timeout(PATIENCE)
        .expect("all pings come back in time");
    pair.stop();
    Ok(histogram)
}
