//! Scenarios: a world set up in a sentence.
//!
//! ```
//! use ringwire_sim::{LinkProfile, Scenario};
//!
//! let world = Scenario::new(7).nodes(4).shards_up_to(3).link(LinkProfile::wan()).ring().build();
//! assert_eq!(world.node_count(), 4);
//! ```

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ringwire_codec::{Host, NetAddress};
use ringwire_core::config::{Config, DiscoveryConfig};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{ChannelDescriptor, Instance, erase};
use ringwire_core::switch::{AppChannels, Filters};

use crate::fault_table::FaultTable;
use crate::node::{self, AddressPlan, NodeSpec, PORT};
use crate::profile::LinkProfile;
use crate::rng::Rng;
use crate::world::World;

type MakeReactor = Rc<dyn Fn(u32, ShardId) -> Option<Box<dyn Instance>>>;
type Adjust = Rc<dyn Fn(u32, &mut Config)>;
type MakeFilters = Rc<dyn Fn(u32) -> Filters>;

/// Builds a [`World`]. Edges say who keeps whom as a persistent peer.
pub struct Scenario {
    seed: u64,
    nodes: u32,
    shards_max: u16,
    mixes_shards: bool,
    profile: LinkProfile,
    faults: Option<FaultTable>,
    edges: BTreeSet<(u32, u32)>,
    channels: Vec<ChannelDescriptor>,
    reactors: Vec<(String, MakeReactor)>,
    adjust: Vec<Adjust>,
    filters: Option<MakeFilters>,
    addresses: AddressPlan,
}

impl Scenario {
    /// Two nodes of one shard each on a LAN, not connected, without channels.
    pub fn new(seed: u64) -> Self {
        Scenario {
            seed,
            nodes: 2,
            shards_max: 1,
            mixes_shards: false,
            profile: LinkProfile::lan(),
            faults: None,
            edges: BTreeSet::new(),
            channels: Vec::new(),
            reactors: Vec::new(),
            adjust: Vec::new(),
            filters: None,
            addresses: Rc::new(node::lan_ip),
        }
    }

    /// So many nodes.
    pub fn nodes(mut self, nodes: u32) -> Self {
        self.nodes = nodes;
        self
    }

    /// So many shards on every node.
    pub fn shards(mut self, shards: u16) -> Self {
        (self.shards_max, self.mixes_shards) = (shards, false);
        self
    }

    /// One to so many shards, by the seed, node for node.
    pub fn shards_up_to(mut self, shards: u16) -> Self {
        (self.shards_max, self.mixes_shards) = (shards, true);
        self
    }

    /// Links like this.
    pub fn link(mut self, profile: LinkProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Faults as in this table.
    pub fn faults(mut self, faults: FaultTable) -> Self {
        self.faults = Some(faults);
        self
    }

    /// A channel of the application on every node.
    pub fn channel(mut self, channel: ChannelDescriptor) -> Self {
        self.channels.push(channel);
        self
    }

    /// A reactor on every node, made per node and shard.
    pub fn reactor<R: Into<Box<dyn Instance>>>(
        self,
        name: &str,
        make: impl Fn(u32, ShardId) -> R + 'static,
    ) -> Self {
        self.reactor_on(name, move |node, shard| Some(make(node, shard)))
    }

    /// A reactor on some nodes, made per node and shard; a node has it on all shards or on none.
    pub fn reactor_on<R: Into<Box<dyn Instance>>>(
        mut self,
        name: &str,
        make: impl Fn(u32, ShardId) -> Option<R> + 'static,
    ) -> Self {
        let make = move |node, shard| make(node, shard).map(Into::into);
        self.reactors.push((String::from(name), Rc::new(make)));
        self
    }

    /// Changes the configuration of nodes.
    pub fn config(mut self, adjust: impl Fn(u32, &mut Config) + 'static) -> Self {
        self.adjust.push(Rc::new(adjust));
        self
    }

    /// Every node exchanges addresses and dials what it is told, looking each second whether it has
    /// enough peers.
    pub fn pex(self) -> Self {
        self.config(|_, config| {
            config.discovery.pex = true;
            config.discovery.pex_interval = Duration::from_secs(1);
        })
    }

    /// The say of each node in who may connect.
    pub fn filters(mut self, make: impl Fn(u32) -> Filters + 'static) -> Self {
        self.filters = Some(Rc::new(make));
        self
    }

    /// `from` keeps `to` as a persistent peer.
    pub fn edge(mut self, from: u32, to: u32) -> Self {
        if from != to {
            self.edges.insert((from, to));
        }
        self
    }

    /// Each node keeps the next one.
    pub fn ring(self) -> Self {
        self.chords(1)
    }

    /// Each node keeps the one `step` places on.
    pub fn chords(self, step: u32) -> Self {
        let nodes = self.nodes;
        (0..nodes).fold(self, |scenario, node| {
            scenario.edge(node, (node + step) % nodes)
        })
    }

    /// Each node keeps all nodes before it.
    pub fn full_mesh(self) -> Self {
        let pairs = (0..self.nodes).flat_map(|a| (0..a).map(move |b| (a, b)));
        pairs.fold(self, |scenario, (a, b)| scenario.edge(a, b))
    }

    /// Nodes live across the internet instead of in one room: see [`spread_ip`].
    ///
    /// [`spread_ip`]: crate::spread_ip
    pub fn spread_addresses(self) -> Self {
        self.addresses(node::spread_ip)
    }

    /// Node `number` listens at the address this gives, never the same for two.
    pub fn addresses(mut self, address: impl Fn(u32) -> IpAddr + 'static) -> Self {
        self.addresses = Rc::new(address);
        self
    }

    /// Builds the world and starts its nodes. Panics when a configuration does not hold.
    pub fn build(&self) -> World {
        let mut world = World::new(self.seed);
        world.set_addresses(Rc::clone(&self.addresses));
        let mut chance = Rng::new(!self.seed);
        world.set_profile(self.profile);
        if let Some(faults) = &self.faults {
            world.set_faults(faults.clone());
        }
        for number in 0..self.nodes {
            let spec = self.spec(number, &mut chance);
            if let Err(error) = world.add_node(spec) {
                panic!("node {number} of the scenario: {error}");
            }
        }
        world
    }

    /// What node `number` of this scenario is made of, for one that joins a running world.
    pub fn node_spec(&self, number: u32) -> NodeSpec {
        self.spec(number, &mut Rng::new(!self.seed ^ u64::from(number) << 32))
    }

    fn spec(&self, number: u32, chance: &mut Rng) -> NodeSpec {
        let shards = match self.mixes_shards {
            true => chance.between(1, u64::from(self.shards_max)) as u16,
            false => self.shards_max,
        };
        let mut config = config();
        let kept = self.edges.range((number, 0)..=(number, u32::MAX));
        config.persistent_peers = kept
            .map(|(_, to)| NetAddress {
                id: node::node_key(self.seed, *to).id(),
                host: Host::Ip((self.addresses)(*to)),
                port: PORT,
            })
            .collect();
        config.max_num_inbound_peers = self.nodes.max(40) as usize;
        self.adjust
            .iter()
            .for_each(|adjust| adjust(number, &mut config));
        let (channels, makers) = (self.channels.clone(), self.reactors.clone());
        let reactors = Rc::new(move |shard| {
            let made = makers
                .iter()
                .filter_map(|(name, make)| Some((name.clone(), make(number, shard)?)));
            let mut reactors: Vec<(String, Box<dyn Instance>)> = made.collect();
            if !channels.is_empty() {
                let app = erase(AppChannels::new(channels.clone()));
                reactors.push((String::from(AppChannels::NAME), app));
            }
            reactors
        });
        let filters = self
            .filters
            .as_ref()
            .map(|make| make(number))
            .unwrap_or_default();
        NodeSpec {
            config,
            shards,
            reactors,
            filters,
        }
    }
}

/// The configuration a scenario starts from: short pauses, no rate limits, no discovery. Nodes live
/// in 10.0.0.0/8, which a strict address book would refuse.
fn config() -> Config {
    Config {
        network: String::from("sim"),
        discovery: DiscoveryConfig {
            addr_book_strict: false,
            ..DiscoveryConfig::off()
        },
        dial_jitter: Duration::from_millis(200),
        send_rate: 0,
        recv_rate: 0,
        ..Config::default()
    }
}

/// The one command that runs the world of `seed` in `test` again.
pub fn replay_command(test: &str, seed: u64) -> String {
    format!("RINGWIRE_SIM_SEED={seed} cargo test -p ringwire-sim --test sim {test}")
}
