//! What the tests over real sockets share. All traffic stays on 127.0.0.1.
#![allow(dead_code, reason = "each test program uses its own part")]

pub(crate) mod way;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringwire::Config;
use ringwire::error::TrySendError;
use ringwire::peer::PeerKey;
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire::{Builder, Engine, Handle};
use ringwire_codec::{ChannelId, NetAddress, NodeId, NodeKey};

pub(crate) use way::skip_without_ring;

/// A configuration for loopback: any port, many peers from one address, no random pauses.
pub(crate) fn config() -> Config {
    Config {
        listen_addrs: vec!["127.0.0.1:0".parse().expect("an address")],
        allow_duplicate_ip: true,
        max_num_handshakes_per_ip: 0,
        dial_jitter: Duration::ZERO,
        transport: way::transport(),
        send_rate: 0,
        recv_rate: 0,
        // Whole crowds of nodes live in the process of one test.
        raise_open_files: true,
        ..Config::default()
    }
}

/// A bare engine.
pub(crate) fn builder(shards: u16) -> Builder {
    Engine::builder(config()).shards(shards)
}

/// Open descriptors of this process.
pub(crate) fn descriptors() -> usize {
    count("/proc/self/fd")
}

/// Threads of this process.
pub(crate) fn threads() -> usize {
    count("/proc/self/task")
}

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).expect("procfs").count()
}

/// Resident memory in KiB.
pub(crate) fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|n| n.parse().ok());
    kib.expect("VmRSS in KiB")
}

/// Whether `count` comes down to `target` soon; the kernel frees what io_uring held a little after
/// the descriptor is closed.
pub(crate) fn settled(count: impl Fn() -> usize, target: usize) -> bool {
    let until = Instant::now() + Duration::from_secs(30);
    while count() > target {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// The channel of these tests.
pub(crate) const CHANNEL: ChannelId = ChannelId(0x60);

/// Its declaration.
pub(crate) fn channel() -> ChannelDescriptor {
    ChannelDescriptor {
        send_queue_capacity: 64,
        ..ChannelDescriptor::new(CHANNEL, 5)
    }
}

/// Sends back what comes. What finds no room waits for it.
#[derive(Default)]
pub(crate) struct Echo {
    waiting: VecDeque<(PeerKey, Bytes)>,
}

impl Reactor for Echo {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![channel()]
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        self.waiting
            .push_back((envelope.from.key, envelope.message));
        self.send(cx);
        Ok(())
    }

    fn handle_room(&mut self, cx: &mut Context<'_, Self>, _: PeerKey, _: ChannelId, _: &mut ()) {
        self.send(cx);
    }
}

impl Echo {
    fn send(&mut self, cx: &mut Context<'_, Self>) {
        while let Some((peer, message)) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(message)) = cx.try_send(peer, CHANNEL, message) {
                self.waiting.push_front((peer, message));
                return;
            }
        }
    }
}

/// An engine that echoes on [`CHANNEL`].
pub(crate) fn echo_builder(shards: u16, seed: u8) -> Builder {
    Engine::builder(config())
        .node_key(NodeKey::from_seed([seed; 32]))
        .shards(shards)
        .reactor("echo", |_| Echo::default())
}

/// Where to dial a node.
pub(crate) fn address(node: &Handle) -> NetAddress {
    format!("{}@{}", node.node_id(), node.listen_addr())
        .parse()
        .expect("a valid address")
}

/// Connects two nodes and returns the id of the one dialed.
pub(crate) fn connect(from: &Handle, to: &Handle) -> NodeId {
    from.dial_blocking(address(to)).expect("a peer")
}

/// Waits for something that comes soon.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
