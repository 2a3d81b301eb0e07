//! The nodes of a local network: started, wired, stopped.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringwire::config::Config;
use ringwire_codec::NodeKey;

use super::args::{FramingArg, LocalnetArgs};
use super::progress::Progress;
use super::topology::Topology;
use crate::failure::Failure;
use crate::node::Node;
use crate::signals::Stop;

/// Time for goodbyes.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(5);

/// Pause between two looks at how many peers are there.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Running nodes. Dropped, they are stopped as well, only without a word about what went wrong.
pub(super) struct Network {
    nodes: Vec<Node>,
}

impl Network {
    /// Starts the nodes one after the other; each gets those it is to dial as persistent peers, as
    /// an operator would give them.
    pub(super) fn start(args: &LocalnetArgs, topology: &Topology) -> Result<Network, Failure> {
        let mut nodes: Vec<Node> = Vec::with_capacity(args.nodes);
        for number in 0..args.nodes {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed)
                .map_err(|error| Failure::new(format!("no entropy for a key: {error}")))?;
            let mut config = config(args, number);
            config.persistent_peers = topology
                .dialed_by(number)
                .map(|peer| nodes[peer].address())
                .collect();
            nodes.push(Node::start(config, NodeKey::from_seed(seed))?);
        }
        Ok(Network { nodes })
    }

    /// Waits until every connection is up on both sides.
    pub(super) fn wait_until_connected(
        &self,
        topology: &Topology,
        timeout: Duration,
        progress: &mut Progress,
        stop: &Stop,
    ) -> Result<(), Failure> {
        let wanted = 2 * topology.pairs();
        progress.begin("peers", Some(wanted as u64));
        let mut moved = (Instant::now(), 0);
        loop {
            let peers: Vec<usize> = self.nodes.iter().map(Node::peers).collect();
            let formed = peers.iter().sum();
            progress.update(formed as u64, String::new);
            if peers
                .iter()
                .enumerate()
                .all(|(node, peers)| *peers >= topology.degree(node))
            {
                return Ok(());
            }
            if stop.is_asked() {
                return Err(Failure::new("interrupted"));
            }
            if formed != moved.1 {
                moved = (Instant::now(), formed);
            } else if moved.0.elapsed() > timeout {
                return Err(Failure::new(format!(
                    "only {formed} of {wanted} ends of connections came up; --log info tells why"
                )));
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// The nodes, in the order of the ring.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Stops every node, all at once, and reports the first that did not stop in order.
    pub(super) fn shutdown(self) -> Result<(), Failure> {
        let stopped: Vec<_> = std::thread::scope(|scope| {
            let stopping: Vec<_> = self
                .nodes
                .into_iter()
                .map(|node| scope.spawn(move || node.shutdown(SHUTDOWN_WITHIN)))
                .collect();
            stopping.into_iter().map(|thread| thread.join()).collect()
        });
        stopped.into_iter().try_for_each(|outcome| {
            outcome.unwrap_or_else(|_| Err(Failure::new("a node panicked while it stopped")))
        })
    }
}

/// A node that is bound by nothing but the machine.
fn config(args: &LocalnetArgs, number: usize) -> Config {
    Config {
        network: String::from("localnet"),
        moniker: format!("node-{number}"),
        listen_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        max_num_inbound_peers: args.nodes,
        max_num_outbound_peers: args.nodes,
        allow_duplicate_ip: true,
        // All nodes share one address and shake hands at once.
        max_num_handshakes_per_ip: 0,
        dial_jitter: Duration::ZERO,
        send_rate: 0,
        recv_rate: 0,
        wide_records: args.framing == FramingArg::Wide,
        shards: args.shards,
        ..Config::default()
    }
}
