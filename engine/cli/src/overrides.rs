//! What the flags of a running node say in place of its config.toml.

use clap::Args;
use ringwire::TransportChoice;
use ringwire_codec::NetAddress;
use ringwire_core::config::{
    ListenAddr, PeerAddresses, SHARDS_MAX, parse_listen_addr, parse_peer_addresses,
};
use tracing::warn;

use crate::config::{LoadedConfig, NodeConfig, Source};
use crate::failure::Failure;
use crate::flag_values::within;
use crate::genesis;
use crate::home::Home;

/// Flags of every command that runs a node.
#[derive(Args, Clone)]
pub(crate) struct Overrides {
    /// Listen here instead of p2p.laddr; port 0 takes any free port.
    #[arg(long, value_name = "tcp://HOST:PORT|unix:///PATH,...", value_delimiter = ',', value_parser = parse_listen_addr)]
    laddr: Vec<ListenAddr>,
    /// Tell others to dial this address instead of p2p.external_address.
    #[arg(long, value_name = "HOST:PORT")]
    external_address: Option<String>,
    /// Name of the network (chain id) instead of ringwire.network and the genesis.
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// Ask these nodes for addresses instead of p2p.seeds.
    #[arg(long, value_name = "ID@HOST:PORT,...", value_parser = parse_peer_addresses)]
    seeds: Option<PeerAddresses>,
    /// Stay connected to these peers instead of p2p.persistent_peers.
    #[arg(long, value_name = "ID@HOST:PORT,...", value_parser = parse_peer_addresses)]
    persistent_peers: Option<PeerAddresses>,
    /// Whether to refuse addresses that the internet does not reach, instead of
    /// p2p.addr_book_strict; false for a private network.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    addr_book_strict: Option<bool>,
    /// For several nodes on one machine: takes any number of peers from one address, and keeps
    /// addresses that the internet does not reach. Stands for p2p.allow_duplicate_ip = true and
    /// p2p.addr_book_strict = false.
    #[arg(long, conflicts_with = "addr_book_strict")]
    local: bool,
    /// Threads that carry the traffic instead of ringwire.shards; 0 means one per usable core.
    #[arg(long, value_name = "N", value_parser = within::<usize, 0, { SHARDS_MAX as u64 }>)]
    shards: Option<usize>,
    /// How bytes are moved, auto, io_uring or readiness, instead of ringwire.transport.
    #[arg(long, value_name = "WAY")]
    transport: Option<TransportChoice>,
}

impl Overrides {
    /// The home's configuration with what the flags say. The caller has more to say and checks it.
    pub(crate) fn load(&self, home: &Home) -> Result<LoadedConfig, Failure> {
        let network = self.network.as_deref();
        let mut loaded = genesis::with_network(home, home.load_config()?, network)?;
        self.apply(&mut loaded.config);
        for (key, flag) in self.given() {
            loaded.sources.note(key, Source::Flag(flag));
        }
        Ok(loaded)
    }

    /// The keys that flags decide, and by which.
    fn given(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let strict = "p2p.addr_book_strict";
        let flags = [
            (!self.laddr.is_empty(), "p2p.laddr", "--laddr"),
            (
                self.external_address.is_some(),
                "p2p.external_address",
                "--external-address",
            ),
            (self.network.is_some(), "ringwire.network", "--network"),
            (self.seeds.is_some(), "p2p.seeds", "--seeds"),
            (
                self.persistent_peers.is_some(),
                "p2p.persistent_peers",
                "--persistent-peers",
            ),
            (
                self.addr_book_strict.is_some(),
                strict,
                "--addr-book-strict",
            ),
            (self.local, strict, "--local"),
            (self.local, "p2p.allow_duplicate_ip", "--local"),
            (self.shards.is_some(), "ringwire.shards", "--shards"),
            (
                self.transport.is_some(),
                "ringwire.transport",
                "--transport",
            ),
        ];
        let given = flags.into_iter().filter(|(is_given, ..)| *is_given);
        given.map(|(_, key, flag)| (key, flag))
    }

    /// What the flags say, over what `config` says.
    pub(crate) fn apply(&self, config: &mut NodeConfig) {
        let config = &mut config.engine;
        if !self.laddr.is_empty() {
            config.listen_addrs.clone_from(&self.laddr);
        }
        config.shards = self.shards.unwrap_or(config.shards);
        config.transport = self.transport.unwrap_or(config.transport);
        config.discovery.addr_book_strict = self
            .addr_book_strict
            .unwrap_or(config.discovery.addr_book_strict);
        if self.local {
            config.allow_duplicate_ip = true;
            config.discovery.addr_book_strict = false;
        }
        if let Some(address) = &self.external_address {
            config.external_address = Some(address.clone()).filter(|text| !text.is_empty());
        }
        if let Some(network) = &self.network {
            config.network.clone_from(network);
        }
        if let Some(seeds) = &self.seeds {
            config.discovery.seeds = told("--seeds", seeds);
        }
        if let Some(peers) = &self.persistent_peers {
            config.persistent_peers = told("--persistent-peers", peers);
        }
    }
}

/// The addresses of a flag; what was left out of it is told.
fn told(flag: &str, list: &PeerAddresses) -> Vec<NetAddress> {
    for note in &list.left_out {
        warn!("{flag} {note}");
    }
    list.addresses.clone()
}
