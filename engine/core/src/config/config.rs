//! What a node can be told: a plain struct with defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringwire_codec::secret::RECORD_PLAIN_MAX;
use ringwire_codec::{NetAddress, NodeId};
use thiserror::Error;

use super::discovery::DiscoveryConfig;
use super::listen::{ListenAddr, listen_text, told_listen_addr};
use super::pin::PinShards;
use super::transport::TransportChoice;

/// Everything an engine needs to know. Units are in the names or types; the names and defaults are
/// those of CometBFT's `[p2p]` section where it has them (docs/configuration.md). What only a program
/// with a home directory reads, files and logging, is no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Chain id: only nodes of the same network talk to each other.
    pub network: String,
    /// Human name of the node, printable ASCII.
    pub moniker: String,
    /// Software version announced.
    pub version: String,
    /// Version of the application's protocol announced. An application that embeds the engine sets
    /// it, and the next two; no file does. Peers carry them and compare none of them.
    pub app_version: u64,
    /// Whether transactions are indexed, as announced: "on", "off" or nothing.
    pub tx_index: String,
    /// Address of the RPC server announced, or nothing: printable ASCII.
    pub rpc_address: String,
    /// Addresses to listen on, at least one and at most
    /// [`LISTEN_ADDRS_MAX`](super::LISTEN_ADDRS_MAX). Peers are told the first TCP one.
    pub listen_addrs: Vec<ListenAddr>,
    /// What NodeInfo advertises instead of the listen address, `host:port`.
    pub external_address: Option<String>,
    /// How the node finds its peers by itself.
    pub discovery: DiscoveryConfig,
    /// Peers to keep connected for good.
    pub persistent_peers: Vec<NetAddress>,
    /// Ids that pass the inbound and outbound limits.
    pub unconditional_peer_ids: Vec<NodeId>,
    /// Inbound peers at most, unconditional ones not counted.
    pub max_num_inbound_peers: usize,
    /// Outbound peers at most that discovery dials; persistent ones not counted.
    pub max_num_outbound_peers: usize,
    /// Handshakes in progress at most, inbound.
    pub max_num_handshakes: usize,
    /// Inbound handshakes in progress from one address on one shard at most, where half of the
    /// shard's places stay free for others; zero means no limit of its own.
    pub max_num_handshakes_per_ip: usize,
    /// Whether several peers may share an address.
    pub allow_duplicate_ip: bool,
    /// Peers at one address at most, where they may share one; zero means no limit.
    pub max_num_peers_per_ip: usize,
    /// Inbound peers of one subnet (an IPv4 /24, an IPv6 /48) at most, unconditional and persistent
    /// ones not counted; zero means no limit.
    pub max_num_peers_per_subnet: usize,
    /// Time for resolving and connecting.
    pub dial_timeout: Duration,
    /// Time for each of the two steps after connecting: secret connection, NodeInfo.
    pub handshake_timeout: Duration,
    /// Upper bound of the random pause before a dial.
    pub dial_jitter: Duration,
    /// Cap of the reconnect backoff of persistent peers; zero means none.
    pub persistent_peers_max_dial_period: Duration,
    /// Payload bytes of the largest packet we accept and send on CometBFT framing.
    pub max_packet_msg_payload_size: usize,
    /// Bytes per second to one peer; zero means unlimited.
    pub send_rate: u64,
    /// Bytes per second from one peer; zero means unlimited.
    pub recv_rate: u64,
    /// Received bytes held for all peers together at most: messages that are not whole or not pulled.
    /// Each shard has an equal part.
    pub recv_budget_bytes: usize,
    /// Memory of the messages that wait to be sent to all peers together, in bytes. Each shard has an
    /// equal part.
    pub send_budget_bytes: usize,
    /// Pause between pings.
    pub ping_interval: Duration,
    /// Time a peer has to answer a ping.
    pub pong_timeout: Duration,
    /// Whether wide records are offered to peers that speak them.
    pub wide_records: bool,
    /// Plaintext bytes of the largest wide record we accept, at most [`RECORD_PLAIN_MAX`].
    pub wide_record_bytes_max: usize,
    /// Shards of the node, each a thread; zero means one per usable core.
    pub shards: usize,
    /// How the bytes of connections are moved.
    pub transport: TransportChoice,
    /// Whether each shard stays on a core of its own. An engine in somebody's process pins nothing
    /// unless it is asked: where it has a shard for every core, it then loses some locality.
    pub pin_shards: PinShards,
    /// How long an idle shard may spin for the next completion before it sleeps; zero means never.
    /// The default is long enough for an answer on the same machine or rack, and short enough to
    /// cost nothing at idle.
    pub busy_poll: Duration,
    /// Whether the start raises the limit of open files of the whole process to the most that it may
    /// have. Each peer takes a descriptor; under a limit that is used up, connections are not
    /// accepted and dials fail until others close. Off: an application decides for its process.
    pub raise_open_files: bool,
}

/// A setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    /// The setting, as it is written in config.toml.
    pub key: &'static str,
    /// The settings that the broken rule holds it against; none for a rule of its own.
    pub against: Vec<&'static str>,
    /// What is wrong and how to mend it.
    pub problem: String,
}

impl ConfigError {
    /// A setting that breaks a rule of its own: what is wrong, and how to mend it.
    pub fn new(key: &'static str, problem: impl Into<String>) -> Self {
        ConfigError {
            key,
            against: Vec::new(),
            problem: problem.into(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            network: String::from("ringwire"),
            moniker: String::from("anonymous"),
            version: String::from(env!("CARGO_PKG_VERSION")),
            app_version: 0,
            tx_index: String::new(),
            rpc_address: String::new(),
            listen_addrs: vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 26_656)).into()],
            external_address: None,
            discovery: DiscoveryConfig::default(),
            persistent_peers: Vec::new(),
            unconditional_peer_ids: Vec::new(),
            max_num_inbound_peers: 40,
            max_num_outbound_peers: 10,
            max_num_handshakes: 64,
            max_num_handshakes_per_ip: 8,
            allow_duplicate_ip: false,
            max_num_peers_per_ip: 0,
            max_num_peers_per_subnet: 0,
            dial_timeout: Duration::from_secs(3),
            handshake_timeout: Duration::from_secs(20),
            dial_jitter: Duration::from_secs(3),
            persistent_peers_max_dial_period: Duration::ZERO,
            max_packet_msg_payload_size: 1024,
            send_rate: 5_120_000,
            recv_rate: 5_120_000,
            recv_budget_bytes: 512 * 1024 * 1024,
            send_budget_bytes: 512 * 1024 * 1024,
            ping_interval: Duration::from_secs(60),
            pong_timeout: Duration::from_secs(45),
            wide_records: true,
            wide_record_bytes_max: RECORD_PLAIN_MAX,
            shards: 0,
            transport: TransportChoice::Auto,
            pin_shards: PinShards::Off,
            busy_poll: Duration::from_micros(30),
            raise_open_files: false,
        }
    }
}

/// Inbound peers of a seed. They come, ask and go, and everybody comes to a seed first; a peer costs
/// a few kilobytes.
const SEED_INBOUND_PEERS_MAX: usize = 1000;
/// Handshakes of a seed at once: a whole network that starts at the same moment.
const SEED_HANDSHAKES_MAX: usize = 512;
/// Of these, from one address: half, so that a data centre behind one address is served at once and
/// a host that stalls them leaves as many to others.
const SEED_HANDSHAKES_PER_IP_MAX: usize = 256;
/// Peers of a seed at one address: a quarter of all.
const SEED_PEERS_PER_IP_MAX: usize = 250;

impl Config {
    /// The addresses to listen on as config.toml has them: each with its protocol, comma-separated.
    pub fn listen_text(&self) -> String {
        listen_text(&self.listen_addrs)
    }

    /// What peers are told of where the node listens, unless [`Config::external_address`] says otherwise: the first
    /// TCP address. A node that has none says port 0 of no address, which every version reads and nobody dials:
    /// a Unix socket means something to its own machine alone.
    pub fn told_listen_addr(&self) -> SocketAddr {
        told_listen_addr(&self.listen_addrs)
    }

    /// The defaults of a seed: many peers that stay for a moment each, and many of them behind one
    /// address.
    pub fn seed() -> Self {
        let mut config = Config {
            discovery: DiscoveryConfig {
                seed_mode: true,
                ..DiscoveryConfig::default()
            },
            ..Config::default()
        };
        config.fit_for_seed();
        config
    }

    /// Gives limits that are still at a node's default a seed's, as [`Config::seed`] has them;
    /// returns the keys of those that changed. Others somebody has chosen: they stay.
    pub fn fit_for_seed(&mut self) -> Vec<&'static str> {
        let node = Config::default();
        let mut changed = Vec::new();
        let mut fit = |key, limit: &mut usize, of_node, of_seed| {
            if *limit == of_node {
                *limit = of_seed;
                changed.push(key);
            }
        };
        fit(
            "p2p.max_num_inbound_peers",
            &mut self.max_num_inbound_peers,
            node.max_num_inbound_peers,
            SEED_INBOUND_PEERS_MAX,
        );
        fit(
            "ringwire.max_num_handshakes",
            &mut self.max_num_handshakes,
            node.max_num_handshakes,
            SEED_HANDSHAKES_MAX,
        );
        fit(
            "ringwire.max_num_handshakes_per_ip",
            &mut self.max_num_handshakes_per_ip,
            node.max_num_handshakes_per_ip,
            SEED_HANDSHAKES_PER_IP_MAX,
        );
        fit(
            "ringwire.max_num_peers_per_ip",
            &mut self.max_num_peers_per_ip,
            node.max_num_peers_per_ip,
            SEED_PEERS_PER_IP_MAX,
        );
        if !self.allow_duplicate_ip {
            self.allow_duplicate_ip = true;
            changed.push("p2p.allow_duplicate_ip");
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_limits_of_its_own_where_nobody_has_chosen_others() {
        let seed = Config::seed();
        assert_eq!(seed.check(), Ok(()));
        assert!(seed.discovery.seed_mode && seed.allow_duplicate_ip);
        let mut chosen = Config {
            max_num_inbound_peers: 50,
            max_num_handshakes_per_ip: 0,
            ..Config::default()
        };
        let changed = chosen.fit_for_seed();
        let expected = [
            "ringwire.max_num_handshakes",
            "ringwire.max_num_peers_per_ip",
            "p2p.allow_duplicate_ip",
        ];
        assert_eq!(changed, expected);
        let limits = [
            chosen.max_num_inbound_peers,
            chosen.max_num_handshakes_per_ip,
        ];
        assert_eq!(limits, [50, 0]);
        assert_eq!(seed.clone().fit_for_seed(), Vec::<&str>::new());
    }
}
