//! A node of the world: the switches of its shards, and what a shell would hold for them.
//!
//! A node is known by its number. Key and address follow from the seed of the world and that
//! number alone, so a test can name a node before it exists. A crash takes everything but the
//! spec; each start is a new *life*, and what was planned for a former life is dropped.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringwire_codec::{ChannelId, Host, NetAddress, NodeId, NodeKey};
use ringwire_core::config::{Config, ConfigError, ListenAddr};
use ringwire_core::document::{Document, Kept};
use ringwire_core::peer::{Direction, PeerKey, ShardId};
use ringwire_core::pex::{AddrBook, BookSecret, Pex, PexConfig, Timestamp};
use ringwire_core::reactor::{Instance, erase};
use ringwire_core::switch::{DialId, Filters, LinkId, Switch, SwitchConfig};
use ringwire_core::time::Instant;

use crate::call_order::{Grammar, Watched};
use crate::plan::EndRef;
use crate::rng::Rng;

/// Port every node listens on.
pub(super) const PORT: u16 = 26_656;

/// First octet of spread addresses.
const SPREAD_OCTET_FIRST: u32 = 20;
/// Groups of the address book, IPv4 /16, that spread addresses use: 20.0.0.0 to 99.255.0.0, where
/// nothing is private or reserved.
pub const SPREAD_GROUPS: u32 = 80 * 256;

/// Where each node of a world listens, by its number.
pub type AddressPlan = Rc<dyn Fn(u32) -> IpAddr>;

/// The date on which every world begins: 2026-01-01, 00:00 UTC.
const BEGINNING: Timestamp = Timestamp::from_unix_nanos(1_767_225_600_000_000_000);

/// Makes the reactors of one shard. Not `Send`: a world lives on one thread, so a test may share
/// an `Rc` with its reactors.
pub type ReactorSet = Rc<dyn Fn(ShardId) -> Vec<(String, Box<dyn Instance>)>>;

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

/// A document that a node had kept. It is written when somebody reads it: most are replaced before
/// that, and writing one may take longer than all else a node does between two of them.
pub(super) enum Saved {
    Unwritten(Document),
    Written(Vec<u8>),
}

impl Saved {
    /// The bytes of the file.
    pub(super) fn bytes(&mut self) -> &[u8] {
        if let Saved::Unwritten(_) = self
            && let Saved::Unwritten(document) = std::mem::replace(self, Saved::Written(Vec::new()))
        {
            *self = Saved::Written(document.render());
        }
        match self {
            Saved::Written(bytes) => bytes,
            Saved::Unwritten(_) => unreachable!("it was written just now"),
        }
    }
}

/// A switch and what a shell holds for it.
pub(super) struct Shard {
    pub(super) switch: Switch,
    pub(super) links: BTreeMap<LinkId, EndRef>,
    pub(super) dials: BTreeSet<DialId>,
    pub(super) peers: BTreeMap<PeerKey, (NodeId, Direction)>,
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
    pub(super) saved: BTreeMap<Cow<'static, str>, Saved>,
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
    pub(super) fn new(seed: u64, number: u32, spec: NodeSpec) -> Self {
        assert!(spec.shards > 0, "a node has at least one shard");
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
            if config.discovery.pex {
                let secret = BookSecret::of_node(&node_key(seed, number));
                let pex = self.pex(shard, &secret, rng);
                reactors.push((String::from(Pex::NAME), erase(pex)));
            }
            let channels = reactors.iter().flat_map(|(_, reactor)| reactor.channels());
            self.capacities
                .extend(channels.map(|channel| (channel.id, channel.send_queue_capacity)));
            let reactors = reactors.into_iter().map(|(name, reactor)| {
                let watched = Watched::new(name.clone(), shard, reactor, &self.grammar);
                (name, Box::new(watched) as Box<dyn Instance>)
            });
            let parts = SwitchConfig {
                config: Arc::clone(&config),
                node_key: node_key(seed, number).into(),
                shard,
                shard_count: self.spec.shards,
                unix_time_at_zero: Duration::from_nanos(BEGINNING.as_unix_nanos()),
                seed: rng.bytes32(),
                filters: self.spec.filters.clone(),
                kept: Kept::All,
            };
            self.shards
                .push(Shard::new(Switch::new(parts, reactors.collect(), now)?));
        }
        Ok(())
    }

    /// The peer exchange of a shard; on the coordinator's with the book that the node had kept.
    fn pex(&mut self, shard: ShardId, secret: &BookSecret, rng: &mut Rng) -> Pex {
        let listens = self.spec.config.listen_addrs.iter();
        let us = listens
            .filter_map(ListenAddr::socket_addr)
            .map(|at| NetAddress::from_ip(self.id, at.ip(), at.port()));
        let config = Arc::new(PexConfig::new(&self.spec.config, BEGINNING, us.collect()));
        let book = (shard == ShardId::COORDINATOR).then(|| {
            let (config, chance) = (config.book(), rng.bytes32());
            match self.saved.get_mut(AddrBook::DOCUMENT_NAME) {
                Some(saved) => AddrBook::from_json(config, secret, chance, saved.bytes())
                    .expect("a node reads what it had written"),
                None => AddrBook::new(config, secret, chance),
            }
        });
        Pex::new(config, rng.bytes32(), book)
    }

    /// The shard of a peer, if it is connected.
    pub(super) fn home_of(&self, peer: NodeId) -> Option<ShardId> {
        let home = self
            .shards
            .iter()
            .position(|shard| shard.peers.values().any(|(id, _)| *id == peer));
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

/// Where node `number` listens unless the scenario says otherwise: 10.0.0.1 and up.
pub fn socket_addr(number: u32) -> SocketAddr {
    SocketAddr::new(lan_ip(number), PORT)
}

/// The address of node `number` in one room: 10.0.0.1 and up.
pub(super) fn lan_ip(number: u32) -> IpAddr {
    let ip = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 1).to_bits() + number);
    IpAddr::V4(ip)
}

/// The address of node `number` on a wide internet: routable, and of the first
/// [`SPREAD_GROUPS`] numbers each is in a /16 of its own, in no order that numbers follow.
///
/// # Panics
/// When there are more numbers than addresses: 65 534 in each /16.
pub fn spread_ip(number: u32) -> IpAddr {
    let (round, place) = (number / SPREAD_GROUPS, number % SPREAD_GROUPS);
    // An odd step that 5 does not divide walks through all groups before it comes back.
    let group = place * 7919 % SPREAD_GROUPS;
    let host = u16::try_from(round + 1).expect("a /16 has room for the number");
    let ip = (SPREAD_OCTET_FIRST << 24) + (group << 16) + u32::from(host);
    IpAddr::V4(Ipv4Addr::from_bits(ip))
}

/// The whole address of node `number` in the world of `seed`, unless the scenario says otherwise.
pub fn net_address(seed: u64, number: u32) -> NetAddress {
    let id = node_key(seed, number).id();
    NetAddress {
        id,
        host: Host::Ip(socket_addr(number).ip()),
        port: PORT,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn spread_addresses_are_distinct_routable_and_each_in_a_group_of_its_own_while_they_last() {
        let octets = |number| match spread_ip(number) {
            IpAddr::V4(ip) => ip.octets(),
            IpAddr::V6(ip) => panic!("{ip} is no IPv4 address"),
        };
        let groups: BTreeSet<[u8; 2]> = (0..SPREAD_GROUPS)
            .map(octets)
            .map(|[a, b, ..]| [a, b])
            .collect();
        assert_eq!(groups.len(), SPREAD_GROUPS as usize);
        assert!(groups.iter().all(|[first, _]| (20..100).contains(first)));
        let all: BTreeSet<IpAddr> = (0..3 * SPREAD_GROUPS).map(spread_ip).collect();
        assert_eq!(all.len(), 3 * SPREAD_GROUPS as usize);
    }
}
