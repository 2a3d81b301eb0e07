//! What a run is made of: how many nodes, how long, how much churn, and who lies how.
//!
//! Everything about a node follows from the seed and its number, also for one that joins later, so
//! a liar may know the address of everybody without the world telling it.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};
use ringwire_core::config::Config;
use ringwire_core::reactor::erase;
use ringwire_sim::{LinkProfile, Rng, Scenario, node_key, spread_ip};

use super::liar::{Liar, Lie};

/// Port of every simulated node.
const PORT: u16 = 26_656;
/// The first two octets of the one /16 that the eclipse attacker owns. No honest node lives there.
pub(crate) const ATTACKED_FROM: [u8; 2] = [150, 77];
/// Addresses that the attacker offers, all of them in its /16.
pub(crate) const OFFERED: u32 = 10_000;
/// Hosts of the /16 below this are the attacker's real nodes, those from here on are nobody.
const OFFERED_FIRST: u32 = 40_000;

/// The parameters of a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Seed of the world and of everything in it.
    pub(crate) seed: u64,
    /// Nodes at the start, seeds and liars included.
    pub(crate) nodes: u32,
    /// The first so many nodes run in seed mode; all nodes know them and nobody else.
    pub(crate) seeds: u32,
    /// Shards: one to so many, by the seed.
    pub(crate) shards_max: u16,
    /// Share of nodes, seeds excepted, that lie.
    pub(crate) lying: f64,
    /// Share of nodes that leave per hour, and as many join.
    pub(crate) churn_per_hour: f64,
    /// Time over which the nodes start, the seeds first; zero for all at once.
    pub(crate) starting: Duration,
    /// Time without churn at the start, for the network to form.
    pub(crate) forming: Duration,
    /// Simulated time of the whole run.
    pub(crate) span: Duration,
}

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// An honest node in seed mode.
    Seed,
    /// An honest node.
    Honest,
    /// A node that lies in one way.
    Liar(Lie),
}

impl Plan {
    /// The run that is promised: 3 seeds, one to four shards, 10 % liars, 20 % churn per hour.
    pub(crate) fn new(seed: u64, nodes: u32) -> Self {
        Plan {
            seed,
            nodes,
            seeds: 3,
            shards_max: 4,
            lying: 0.10,
            churn_per_hour: 0.20,
            starting: Duration::from_secs(60),
            forming: Duration::from_secs(600),
            span: Duration::from_secs(3600),
        }
    }

    /// What node `number` is, one that joins later included.
    pub(crate) fn role(&self, number: u32) -> Role {
        if number < self.seeds {
            return Role::Seed;
        }
        let mut chance = Rng::new(self.seed ^ (u64::from(number) << 32) ^ 0x11e5);
        if !chance.happens(self.lying) {
            return Role::Honest;
        }
        let lie = chance.below(Lie::ALL.len() as u64) as usize;
        Role::Liar(Lie::ALL[lie])
    }

    /// Where node `number` lives: the attacker's nodes in its /16, everybody else spread.
    pub(crate) fn ip(&self, number: u32) -> IpAddr {
        match self.role(number) {
            Role::Liar(Lie::Eclipse) => attacker_ip(number),
            _ => spread_ip(number),
        }
    }

    /// The whole address of node `number`.
    pub(crate) fn address(&self, number: u32) -> NetAddress {
        let id = node_key(self.seed, number).id();
        NetAddress::from_ip(id, self.ip(number), PORT)
    }

    /// The scenario of the seeds; it knows the nodes that join them as well.
    pub(crate) fn scenario(&self) -> Scenario {
        let (configured, lying, placed) = (self.clone(), Rc::new(self.clone()), self.clone());
        let seeds: Vec<NetAddress> = (0..self.seeds).map(|seed| self.address(seed)).collect();
        Scenario::new(self.seed)
            .nodes(self.seeds)
            .shards_up_to(self.shards_max)
            .link(LinkProfile::wan())
            .addresses(move |number| placed.ip(number))
            .config(move |number, config| configured.configure(number, &seeds, config))
            .reactor_on("liar", move |number, _shard| match lying.role(number) {
                Role::Liar(lie) => Some(erase(Liar::new(lie, Rc::clone(&lying)))),
                Role::Seed | Role::Honest => None,
            })
    }

    /// The defaults of a real node, but for its role.
    fn configure(&self, number: u32, seeds: &[NetAddress], config: &mut Config) {
        let default = Config::default();
        config.dial_jitter = default.dial_jitter;
        config.discovery.pex_interval = default.discovery.pex_interval;
        config.discovery.addr_book_strict = true;
        config.max_num_inbound_peers = default.max_num_inbound_peers;
        config.max_num_outbound_peers = default.max_num_outbound_peers;
        match self.role(number) {
            Role::Seed => (config.discovery.pex, config.discovery.seed_mode) = (true, true),
            Role::Honest => (config.discovery.pex, config.discovery.seeds) = (true, seeds.to_vec()),
            Role::Liar(lie) => {
                config.discovery.pex = false;
                config.max_num_outbound_peers = lie.outbound_max();
                config.max_num_inbound_peers = 1000;
            }
        }
    }
}

/// Where the attacker's node `number` lives.
fn attacker_ip(number: u32) -> IpAddr {
    let host = number % OFFERED_FIRST;
    let [a, b] = ATTACKED_FROM;
    IpAddr::V4(Ipv4Addr::new(a, b, (host >> 8) as u8, host as u8))
}

/// One of the [`OFFERED`] addresses: a node that is not, in the attacker's /16.
pub(crate) fn offered(index: u32) -> NetAddress {
    let host = OFFERED_FIRST + index % OFFERED;
    let [a, b] = ATTACKED_FROM;
    let ip = Ipv4Addr::new(a, b, (host >> 8) as u8, host as u8);
    let mut id = [0xec; 20];
    id[..4].copy_from_slice(&host.to_be_bytes());
    NetAddress::from_ip(NodeId::from_bytes(id), IpAddr::V4(ip), PORT)
}
