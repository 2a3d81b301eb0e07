//! The nodes of a local network: started, and stopped.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringwire::{Config, DiscoveryConfig};
use ringwire_codec::NodeKey;

use super::args::{FramingArg, LocalnetArgs, Plan};
use crate::config::NodeConfig;
use crate::failure::Failure;
use crate::gossip::Gossip;
use crate::metrics::{MetricsServer, Settings};
use crate::node::Node;

/// Time for goodbyes.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(5);

/// Pause between two looks of a node at how many peers it has: the shortest there is, since nobody
/// wants to wait for a network of one machine.
const PEX_INTERVAL: Duration = Duration::from_secs(1);

/// Running nodes. Dropped, they are stopped as well, only without a word about what went wrong.
pub(super) struct Network {
    began: Instant,
    seed: Option<Node>,
    nodes: Vec<Node>,
    /// Served until the network is dropped or stopped.
    _metrics: Vec<MetricsServer>,
}

impl Network {
    /// Starts the nodes one after the other. Each is told what `plan` says, as an operator would
    /// tell it: the address of the seed, or those of its persistent peers.
    pub(super) fn start(args: &LocalnetArgs, plan: &Plan) -> Result<Network, Failure> {
        let began = Instant::now();
        let seed = match plan {
            Plan::Seed { .. } => Some(start(seed_config(args), args.gossip)?),
            Plan::Wired(_) => None,
        };
        let mut nodes: Vec<Node> = Vec::with_capacity(args.nodes);
        let mut metrics = Vec::new();
        for number in 0..args.nodes {
            let mut config = node_config(args, number);
            match plan {
                Plan::Seed { outbound_peers } => {
                    config.discovery.seeds = seed.iter().map(Node::address).collect();
                    config.max_num_outbound_peers = *outbound_peers;
                }
                Plan::Wired(graph) => {
                    let dialed = graph.dialed_by(number);
                    config.persistent_peers = dialed.map(|peer| nodes[peer].address()).collect();
                    config.discovery.pex = false;
                }
            }
            let node = start(config, args.gossip)?;
            if let Some(addr) = args.metrics_at(number)? {
                metrics.push(MetricsServer::serve(&Settings::at(addr), &node)?);
            }
            nodes.push(node);
        }
        Ok(Network {
            began,
            seed,
            nodes,
            _metrics: metrics,
        })
    }

    /// When the first node was about to start.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// The node that only tells others of others.
    pub(super) fn seed(&self) -> Option<&Node> {
        self.seed.as_ref()
    }

    /// The nodes, in the order of their start; the seed is none of them.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Stops every node, all at once, and reports the first that did not stop in order.
    pub(super) fn shutdown(self) -> Result<(), Failure> {
        let stopped: Vec<_> = std::thread::scope(|scope| {
            let stopping: Vec<_> = self
                .nodes
                .into_iter()
                .chain(self.seed)
                .map(|node| scope.spawn(move || node.shutdown(SHUTDOWN_WITHIN)))
                .collect();
            stopping.into_iter().map(|thread| thread.join()).collect()
        });
        stopped.into_iter().try_for_each(|outcome| {
            outcome.unwrap_or_else(|_| Err(Failure::new("a node panicked while it stopped")))
        })
    }
}

fn start(config: Config, gossip: Gossip) -> Result<Node, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::new(format!("no entropy for a key: {error}")))?;
    Node::start(
        NodeConfig::with_engine(config),
        NodeKey::from_seed(seed),
        None,
        gossip,
    )
}

fn seed_config(args: &LocalnetArgs) -> Config {
    let mut config = config(args);
    config.moniker = String::from("seed");
    config.discovery.seed_mode = true;
    config.max_num_outbound_peers = args.nodes;
    config
}

fn node_config(args: &LocalnetArgs, number: usize) -> Config {
    Config {
        moniker: format!("node-{number}"),
        ..config(args)
    }
}

/// A node that is bound by nothing but the machine, and takes its neighbours on the same one.
fn config(args: &LocalnetArgs) -> Config {
    // The seed comes on top of the others.
    let everybody = args.nodes + 1;
    Config {
        network: String::from("localnet"),
        listen_addrs: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
        discovery: DiscoveryConfig {
            pex_interval: PEX_INTERVAL,
            addr_book_strict: false,
            ..DiscoveryConfig::default()
        },
        allow_duplicate_ip: true,
        max_num_inbound_peers: everybody,
        max_num_handshakes: everybody * args.shards,
        // All nodes share one address and shake hands at once.
        max_num_handshakes_per_ip: 0,
        dial_jitter: Duration::ZERO,
        send_rate: 0,
        recv_rate: 0,
        wide_records: args.framing == FramingArg::Wide,
        shards: args.shards,
        transport: args.transport,
        ..Config::default()
    }
}
