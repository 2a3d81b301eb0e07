//! What a node can be told when it starts; the rest stands in its home.

use std::net::SocketAddr;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use ringwire::config::{Config, SHARDS_MAX, parse_listen_addr, parse_peer_addresses};
use ringwire_codec::NetAddress;

use crate::failure::Failure;
use crate::home::Home;

/// Run the node of a home; with --stdin and --stdout, one end of a gossip pipe.
///
/// Runs until SIGINT or SIGTERM; a second signal ends it at once. At the start it says its address,
/// ID@host:port, ready to stand in another node's persistent_peers.
///
/// With --stdin and --stdout it is one end of a gossip pipe: each line that goes
/// in at one node comes out once at every other node of the network.
#[derive(Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    pub(super) home: Home,
    /// Listen here instead of p2p.laddr; port 0 takes any free port.
    #[arg(long, value_name = "tcp://IP:PORT", value_parser = parse_listen_addr)]
    laddr: Option<SocketAddr>,
    /// Stay connected to these peers instead of p2p.persistent_peers.
    #[arg(long, value_name = "ID@HOST:PORT,...", value_parser = parse_peer_list)]
    persistent_peers: Option<PeerList>,
    /// Threads that carry the traffic instead of ringwire.shards; 0 means one per usable core.
    #[arg(long, value_name = "N",
        value_parser = RangedU64ValueParser::<usize>::new().range(0..=SHARDS_MAX as u64))]
    shards: Option<usize>,
    /// Name of the network (chain id) instead of ringwire.network.
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// Publish each line of standard input, as soon as there is a peer to hear it.
    #[arg(long)]
    pub(super) stdin: bool,
    /// Print each message received as a line; everything else goes to standard error then.
    #[arg(long)]
    pub(super) stdout: bool,
    /// End with standard input, after everything published was sent.
    #[arg(long, requires = "stdin")]
    pub(super) exit_on_eof: bool,
}

/// Addresses from one flag: a type of its own, so that clap takes them for one value.
#[derive(Clone, Debug)]
struct PeerList(Vec<NetAddress>);

fn parse_peer_list(text: &str) -> Result<PeerList, String> {
    parse_peer_addresses(text).map(PeerList)
}

impl StartArgs {
    /// The home's configuration with what the flags say.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        let mut config = self.home.load_config()?;
        config.listen_addr = self.laddr.unwrap_or(config.listen_addr);
        config.shards = self.shards.unwrap_or(config.shards);
        if let Some(PeerList(peers)) = &self.persistent_peers {
            config.persistent_peers.clone_from(peers);
        }
        if let Some(network) = &self.network {
            config.network.clone_from(network);
        }
        config.check()?;
        Ok(config)
    }
}
