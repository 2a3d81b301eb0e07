//! A node of the world: the switches of its shards, and what a shell would hold for them.
//!
//! A node is known by its number. Key and address follow from the seed of the world and that
//! number alone, so a test can name a node before it exists. A crash takes everything but the
//! spec; each start is a new *life*, and what was planned for a former life is dropped.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use ringwire_codec::{ChannelId, Host, NetAddress, NodeId, NodeKey};

use crate::config::{Config, ConfigError};
use crate::peer::{PeerKey, ShardId};
use crate::pex::{AddrBook, Pex, PexConfig, Timestamp};
use crate::reactor::Reactor;
use crate::sim::rng::Rng;
use crate::sim::wire::EndRef;
use crate::sim::witness::{Grammar, Witness};
use crate::switch::{DialId, Filters, LinkId, Switch, SwitchConfig};
use crate::time::Instant;

/// Port every node listens on.
pub(super) const PORT: u16 = 26_656;

/// The date on which every world begins: 2026-01-01, 00:00 UTC.
const BEGINNING: Timestamp = Timestamp::from_unix_nanos(1_767_225_600_000_000_000);

/// Makes the reactors of one shard. Not `Send`: a world lives on one thread, so a test may share
/// an `Rc` with its reactors.
pub type ReactorSet = Rc<dyn Fn(ShardId) -> Vec<(String, Box<dyn Reactor>)>>;

/// What a node is made of; kept for its next life.
#[derive(Clone)]
pub struct NodeSpec {
    /// Configuration; the world sets the listen address.
    pub config: Config,
    /// Number of shards, at least one.
    pub shards: u16,
    /// Its reactors.
    pub reactors: ReactorSet,
    /// Its say in who may connect.
    pub filters: Filters,
}

/// One shard of one life of one node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    pub(super) node: u32,
    pub(super) life: u32,
    pub(super) shard: ShardId,
}

/// A switch and what a shell holds for it.
pub(super) struct Shard {
    pub(super) switch: Switch,
    pub(super) links: BTreeMap<LinkId, EndRef>,
    pub(super) dials: BTreeSet<DialId>,
    pub(super) peers: BTreeMap<PeerKey, NodeId>,
    /// Messages that wait, by the last gauges.
    pub(super) queued: BTreeMap<(PeerKey, ChannelId), usize>,
    pub(super) turn_planned: bool,
    /// When a wake-up is planned; an earlier wish plans another.
    pub(super) wake_at: Option<Instant>,
    pub(super) stopped: bool,
}

/// A node.
pub(super) struct Node {
    pub(super) spec: NodeSpec,
    pub(super) id: NodeId,
    pub(super) life: u32,
    /// Empty while the node is down.
    pub(super) shards: Vec<Shard>,
    /// The documents it had kept, by name: its disk. They survive a crash.
    pub(super) saved: BTreeMap<&'static str, Vec<u8>>,
    /// Whether its application takes deliveries.
    pub(super) consumes: bool,
    /// Shard that accepts next.
    pub(super) accepts_next: u16,
    /// Messages of a channel that may wait for one peer.
    pub(super) capacities: BTreeMap<ChannelId, usize>,
    /// What was seen of this life's reactors.
    pub(super) grammar: Rc<RefCell<Grammar>>,
}

impl Node {
    pub(super) fn new(seed: u64, number: u32, mut spec: NodeSpec) -> Self {
        assert!(spec.shards > 0, "a node has at least one shard");
        spec.config.listen_addr = socket_addr(number);
        Node {
            id: node_key(seed, number).id(),
            spec,
            life: 0,
            shards: Vec::new(),
            saved: BTreeMap::new(),
            consumes: true,
            accepts_next: 0,
            capacities: BTreeMap::new(),
            grammar: Rc::default(),
        }
    }

    /// Begins a life: fresh switches with fresh chance, nothing else.
    pub(super) fn start(
        &mut self,
        seed: u64,
        number: u32,
        rng: &mut Rng,
        now: Instant,
    ) -> Result<(), ConfigError> {
        debug_assert!(self.shards.is_empty(), "a node starts when it is down");
        self.life += 1;
        self.grammar = Rc::default();
        let config = Arc::new(self.spec.config.clone());
        for shard in (0..self.spec.shards).map(ShardId) {
            let mut reactors = (self.spec.reactors)(shard);
            if config.pex {
                let pex = self.pex(seed, number, shard, rng);
                reactors.push((String::from(Pex::NAME), Box::new(pex)));
            }
            let channels = reactors.iter().flat_map(|(_, reactor)| reactor.channels());
            self.capacities
                .extend(channels.map(|channel| (channel.id, channel.send_queue_capacity)));
            let reactors = reactors.into_iter().map(|(name, reactor)| {
                let witness = Witness::new(name.clone(), shard, reactor, &self.grammar);
                (name, Box::new(witness) as Box<dyn Reactor>)
            });
            let parts = SwitchConfig {
                config: Arc::clone(&config),
                node_key: node_key(seed, number),
                shard,
                shard_count: self.spec.shards,
                seed: rng.bytes32(),
                filters: self.spec.filters.clone(),
            };
            self.shards
                .push(Shard::new(Switch::new(parts, reactors.collect(), now)?));
        }
        Ok(())
    }

    /// The peer exchange of a shard; on the coordinator's with the book that the node had kept.
    fn pex(&self, seed: u64, number: u32, shard: ShardId, rng: &mut Rng) -> Pex {
        let us = net_address(seed, number);
        let config = Arc::new(PexConfig::new(&self.spec.config, BEGINNING, vec![us]));
        let book = (shard == ShardId::COORDINATOR).then(|| {
            match self.saved.get(AddrBook::DOCUMENT_NAME) {
                Some(saved) => AddrBook::from_json(config.book(), rng.bytes32(), saved)
                    .expect("a node reads what it had written"),
                None => AddrBook::new(config.book(), rng.bytes32()),
            }
        });
        Pex::new(config, rng.bytes32(), book)
    }

    /// The shard of a peer, if it is connected.
    pub(super) fn home_of(&self, peer: NodeId) -> Option<ShardId> {
        let home = self
            .shards
            .iter()
            .position(|shard| shard.peers.values().any(|id| *id == peer));
        home.map(|index| ShardId(index as u16))
    }

    /// The next shard to accept a connection.
    pub(super) fn next_accepting(&mut self) -> ShardId {
        let shard = self.accepts_next % self.spec.shards;
        self.accepts_next = shard + 1;
        ShardId(shard)
    }
}

impl Shard {
    fn new(switch: Switch) -> Self {
        Shard {
            switch,
            links: BTreeMap::new(),
            dials: BTreeSet::new(),
            peers: BTreeMap::new(),
            queued: BTreeMap::new(),
            turn_planned: false,
            wake_at: None,
            stopped: false,
        }
    }
}

/// The key of node `number` in the world of `seed`.
pub fn node_key(seed: u64, number: u32) -> NodeKey {
    let mut hasher = blake3::Hasher::new_derive_key("ringwire sim 2025 node key");
    hasher.update(&seed.to_le_bytes());
    hasher.update(&number.to_le_bytes());
    NodeKey::from_seed(*hasher.finalize().as_bytes())
}

/// Where node `number` listens: 10.0.0.1 and up.
pub fn socket_addr(number: u32) -> SocketAddr {
    let ip = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 1).to_bits() + number);
    SocketAddr::new(IpAddr::V4(ip), PORT)
}

/// The whole address of node `number` in the world of `seed`.
pub fn net_address(seed: u64, number: u32) -> NetAddress {
    let id = node_key(seed, number).id();
    NetAddress {
        id,
        host: Host::Ip(socket_addr(number).ip()),
        port: PORT,
    }
}

/// The node that listens at `ip`, if the world gave it out.
pub(super) fn number_at(ip: IpAddr) -> Option<u32> {
    let IpAddr::V4(ip) = ip else { return None };
    ip.to_bits()
        .checked_sub(Ipv4Addr::new(10, 0, 0, 1).to_bits())
}
