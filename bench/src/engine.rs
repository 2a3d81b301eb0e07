//! The contender: complete Ringwire nodes in one process, each with one shard.
//!
//! Payload goes through everything a user's would: a reactor's `try_send`, the channel's queue,
//! the scheduler, packets, the record layer, the ring, and on the other side up to
//! `Reactor::receive`. The engines of a process take the CPUs in turn, so each shard has one of its
//! own while there are enough.

pub mod beat;
pub mod reactors;
pub mod window;

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use bytes::Bytes;
use ringwire::peer::Framing;
use ringwire::reactor::{ChannelDescriptor, Reactor};
use ringwire::{Config, DiscoveryConfig, PinShards, TransportChoice};
use ringwire::{Engine, Handle};
use ringwire_codec::{ChannelId, NetAddress, NodeId, NodeKey};

/// Votes: small and urgent. Channels, priorities and queues are CometBFT's.
pub const VOTE: ChannelId = ChannelId(0x22);
/// Block parts: bulk.
pub const DATA: ChannelId = ChannelId(0x21);
/// Transactions.
pub const TX: ChannelId = ChannelId(0x30);

/// What tables call our nodes whose bytes are moved by readiness.
pub const BY_READINESS: &str = "ringwire (readiness)";

/// How long a run may take before it counts as hung.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Time a node gets to say goodbye.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What nodes are made for.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Record layer.
    pub framing: Framing,
    /// Longest busy-poll before a shard sleeps.
    pub busy_poll: Duration,
    /// How bytes are moved.
    pub transport: TransportChoice,
}

impl Setup {
    /// Nodes that sleep as soon as there is nothing to do.
    pub fn asleep(framing: Framing) -> Self {
        Setup {
            framing,
            busy_poll: Duration::ZERO,
            transport: TransportChoice::IoUring,
        }
    }

    /// Nodes that watch for up to 50 µs before they sleep.
    pub fn polled(framing: Framing) -> Self {
        Setup {
            framing,
            busy_poll: Duration::from_micros(50),
            transport: TransportChoice::IoUring,
        }
    }

    /// The same nodes, whose bytes are moved by readiness.
    #[must_use]
    pub fn by_readiness(self) -> Self {
        Setup {
            transport: TransportChoice::Readiness,
            ..self
        }
    }
}

/// Why a run did not come to its end.
pub type Failure = Box<dyn std::error::Error>;

/// The configuration of every node of the benches: no limits, no discovery, no pauses. Pings are
/// too rare to meet one.
pub fn config(framing: Framing) -> Config {
    Config {
        network: String::from("bench"),
        listen_addrs: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
        allow_duplicate_ip: true,
        max_num_inbound_peers: 20_000,
        max_num_handshakes: 1024,
        max_num_handshakes_per_ip: 0,
        dial_jitter: Duration::ZERO,
        discovery: DiscoveryConfig::off(),
        send_rate: 0,
        recv_rate: 0,
        ping_interval: Duration::from_secs(3600),
        wide_records: framing == Framing::Wide,
        // The machine is the bench's alone, and a thread that wanders makes figures that do.
        pin_shards: PinShards::On,
        raise_open_files: true,
        // A machine without io_uring shall fail, and not be measured as if it had one.
        transport: TransportChoice::IoUring,
        ..Config::default()
    }
}

/// A channel for messages up to 1 MiB.
pub fn channel(id: ChannelId, priority: u16, queue: usize) -> ChannelDescriptor {
    ChannelDescriptor {
        send_queue_capacity: queue,
        recv_message_capacity: 1 << 20,
        ..ChannelDescriptor::new(id, priority)
    }
}

/// The identity of a node by its number.
pub fn node_key(number: u32) -> NodeKey {
    let mut seed = [0x5a; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    NodeKey::from_seed(seed)
}

/// Starts a node with one reactor.
///
/// # Errors
/// When an engine cannot be started on this machine.
pub fn start<R: Reactor + 'static>(
    setup: Setup,
    number: u32,
    shards: u16,
    reactor: impl Fn() -> R + Send + Sync + 'static,
) -> Result<Engine, Failure> {
    let config = Config {
        transport: setup.transport,
        ..config(setup.framing)
    };
    let builder = Engine::builder(config)
        .node_key(node_key(number))
        .shards(shards)
        .busy_poll(setup.busy_poll)
        .reactor("bench", move |_| reactor());
    Ok(builder.start()?)
}

/// Where to dial a node.
pub fn address_of(node: &Handle) -> NetAddress {
    let address = node.listen_addr();
    NetAddress::from_ip(node.node_id(), address.ip(), address.port())
}

/// One node, the hub, connected to each of the others, its leaves.
pub struct Star {
    hub: Engine,
    leaves: Vec<Engine>,
}

impl Star {
    /// Starts the leaves and then the hub, which dials them.
    ///
    /// # Errors
    /// When an engine cannot be started on this machine, or two do not connect.
    pub fn connect<H, L>(
        setup: Setup,
        leaves: u32,
        hub: impl Fn() -> H + Send + Sync + 'static,
        leaf: impl Fn(u32) -> L + Clone + Send + Sync + 'static,
    ) -> Result<Star, Failure>
    where
        H: Reactor + 'static,
        L: Reactor + 'static,
    {
        let leaves = (1..=leaves).map(|number| {
            let leaf = leaf.clone();
            start(setup, number, 1, move || leaf(number))
        });
        let leaves = leaves.collect::<Result<Vec<_>, _>>()?;
        let hub = start(setup, 0, 1, hub)?;
        for leaf in &leaves {
            hub.handle().dial_blocking(address_of(leaf.handle()))?;
            leaf.handle().wait_for_peers_blocking(1, PATIENCE)?;
        }
        Ok(Star { hub, leaves })
    }

    /// The hub's handle.
    pub fn hub(&self) -> Handle {
        self.hub.handle().clone()
    }

    /// The id of the first leaf.
    pub fn leaf_id(&self) -> NodeId {
        self.leaves[0].handle().node_id()
    }

    /// System calls that the rings of all nodes have made so far.
    pub fn system_calls(&self) -> u64 {
        let engines = std::iter::once(&self.hub).chain(&self.leaves);
        let shards = engines.flat_map(|engine| engine.handle().counters_blocking());
        shards.map(|shard| shard.system_calls).sum()
    }

    /// Lets the hub's reactor begin: it is told by an empty message to publish.
    ///
    /// # Errors
    /// When the hub has stopped.
    pub fn fire(&self, channel: ChannelId) -> Result<(), Failure> {
        Ok(self.hub.handle().publish_blocking(channel, Bytes::new())?)
    }

    /// Ends all nodes.
    ///
    /// # Errors
    /// When a node failed or does not come to its end.
    pub fn stop(self) -> Result<(), Failure> {
        stop(std::iter::once(self.hub).chain(self.leaves))
    }
}

/// Ends nodes, one after the other.
///
/// # Errors
/// When a node failed or does not come to its end.
pub fn stop(nodes: impl IntoIterator<Item = Engine>) -> Result<(), Failure> {
    for node in nodes {
        node.handle().shutdown_blocking(STOP_WITHIN)?;
    }
    Ok(())
}

/// Waits until `count` reactors have reported.
///
/// # Errors
/// When they have not within two minutes.
pub fn wait_for<T>(reports: &Receiver<T>, count: usize) -> Result<Vec<T>, Failure> {
    let waited = (0..count).map(|_| reports.recv_timeout(PATIENCE));
    let collected: Result<Vec<T>, _> = waited.collect();
    collected.map_err(|_| "the messages did not arrive within two minutes".into())
}
