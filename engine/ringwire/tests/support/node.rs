//! An engine under test: a reactor that answers, channels for the application, and the journal of
//! what happened to its peers.
//!
//! ```text
//!   ECHO    (reactor)      every message comes back
//!   HASH    (reactor)      the BLAKE3 of every message comes back: one small packet
//!   FUSE    (reactor)      a message makes the reactor refuse, fail or panic
//!   BULK    (application)  subscriptions and sends through the handle
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringwire::Event;
use ringwire::error::CloseReason;
use ringwire::peer::PeerInfo;
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire::{Config, DiscoveryConfig, Engine, EventSubscription};
use ringwire_codec::{ChannelId, Host, NetAddress, NodeId, NodeKey};

use super::traffic::MESSAGE_BYTES_MAX;
use super::way;

/// The chain of all nodes here.
pub(crate) const NETWORK: &str = "oracle-chain";

/// Channels whose messages come back. The last is one of those whose full packets are a byte
/// longer than the reference accepts, so its packets must be cut a byte earlier.
pub(crate) const ECHO: [ChannelId; 3] = [ChannelId(0x00), ChannelId(0x21), ChannelId(0x90)];
/// The channel that answers with a digest.
pub(crate) const HASH: ChannelId = ChannelId(0x22);
/// The channel on which a reactor can be made to fail.
pub(crate) const FUSE: ChannelId = ChannelId(0x23);
/// Channels of the application.
pub(crate) const BULK: [ChannelId; 3] = [ChannelId(0x30), ChannelId(0x31), ChannelId(0x32)];

/// Makes [`FUSE`] refuse the message before it is received.
pub(crate) const REFUSE: &[u8] = b"refuse";
/// Makes [`FUSE`] return an error.
pub(crate) const FAIL: &[u8] = b"fail";
/// Makes [`FUSE`] panic.
pub(crate) const PANIC: &[u8] = b"panic";
/// What the reactor says of a peer that does not read its answers.
pub(crate) const SLOW: &str = "does not read its answers";

/// All channels a node announces.
pub(crate) fn channels() -> Vec<ChannelId> {
    [&ECHO[..], &[HASH, FUSE], &BULK].concat()
}

/// An engine that stops when it is dropped.
pub(crate) struct Node {
    /// The engine.
    pub(crate) engine: Engine,
    /// What happened to its peers, from its start.
    pub(crate) events: EventSubscription,
}

impl Node {
    /// Starts an engine on loopback; `None`, with a loud word, where io_uring is refused.
    pub(crate) fn start(
        seed: [u8; 32],
        shards: u16,
        adjust: impl FnOnce(&mut Config),
    ) -> Option<Node> {
        if way::skip_without_ring() {
            return None;
        }
        let mut config = config();
        adjust(&mut config);
        let builder = Engine::builder(config)
            .node_key(NodeKey::from_seed(seed))
            .shards(shards);
        let builder = builder.reactor("service", |_| Service);
        let builder = BULK
            .into_iter()
            .fold(builder, |builder, id| builder.channel(descriptor(id)));
        let engine = builder
            .start()
            .expect("a supported machine starts an engine");
        let events = engine.handle().events();
        Some(Node { engine, events })
    }

    /// How others dial this node.
    pub(crate) fn address(&self) -> NetAddress {
        address_at(
            self.engine.handle().node_id(),
            self.engine.handle().listen_addr(),
        )
    }

    /// Waits for the first event that `pick` takes; `None` when none came in time.
    pub(crate) fn wait_event<T>(
        &mut self,
        within: Duration,
        mut pick: impl FnMut(Event) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.checked_duration_since(Instant::now())?;
            if let Some(found) = self.events.recv_timeout(left).and_then(&mut pick) {
                return Some(found);
            }
        }
    }

    /// Waits until the connection from or to `remote` has ended, as a peer or before it was one.
    pub(crate) fn wait_closed(
        &mut self,
        remote: SocketAddr,
        within: Duration,
    ) -> Option<CloseReason> {
        self.wait_event(within, |event| match closed(event) {
            Some((addr, reason)) if addr == remote => Some(reason),
            _ => None,
        })
    }
}

/// Which connection has ended, as a peer or before it was one, and why; `None` for other events.
pub(crate) fn closed(event: Event) -> Option<(SocketAddr, CloseReason)> {
    match event {
        Event::PeerRemoved { peer, reason } => Some((peer.remote_addr.socket_addr()?, reason)),
        Event::ConnectionRefused {
            remote_addr,
            reason,
            ..
        } => Some((remote_addr.socket_addr()?, reason)),
        _ => None,
    }
}

/// The address of node `id` at a socket address.
pub(crate) fn address_at(id: NodeId, addr: SocketAddr) -> NetAddress {
    NetAddress {
        id,
        host: Host::from_ip(addr.ip()),
        port: addr.port(),
    }
}

/// Loopback, no limit of speed, no pause before dials, many peers from one address.
fn config() -> Config {
    Config {
        network: String::from(NETWORK),
        moniker: String::from("under-test"),
        listen_addrs: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
        // Its channel is one of those that echo here.
        discovery: DiscoveryConfig::off(),
        // Attackers open crowds of connections to it.
        raise_open_files: true,
        transport: way::transport(),
        allow_duplicate_ip: true,
        max_num_handshakes_per_ip: 0,
        dial_jitter: Duration::ZERO,
        send_rate: 0,
        recv_rate: 0,
        ..Config::default()
    }
}

fn descriptor(id: ChannelId) -> ChannelDescriptor {
    ChannelDescriptor {
        send_queue_capacity: 64,
        recv_message_capacity: MESSAGE_BYTES_MAX,
        ..ChannelDescriptor::new(id, 5)
    }
}

/// The reactor of the channels that answer.
struct Service;

impl Reactor for Service {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        ECHO.into_iter()
            .chain([HASH, FUSE])
            .map(descriptor)
            .collect()
    }

    fn filter_message(
        &mut self,
        _from: &PeerInfo,
        channel: ChannelId,
        message: &[u8],
    ) -> Result<(), ReactorError> {
        match message {
            REFUSE if channel == FUSE => Err(ReactorError::new("refused unseen")),
            _ => Ok(()),
        }
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        let Envelope {
            from,
            channel,
            message,
        } = envelope;
        let answer = match (channel, &message[..]) {
            (FUSE, FAIL) => return Err(ReactorError::new("failed as told")),
            (FUSE, PANIC) => panic!("a reactor that was told to panic"),
            (HASH, body) => Bytes::copy_from_slice(blake3::hash(body).as_bytes()),
            _ => message,
        };
        cx.try_send(from.key, channel, answer)
            .map_err(|_| ReactorError::new(SLOW))
    }
}
