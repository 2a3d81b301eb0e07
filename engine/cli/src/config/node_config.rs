//! What a node with a home can be told: the engine's part, and what only the program reads.

use std::time::Duration;

use ringwire::{Config, PinShards};

use crate::gossip_way::Gossip;

/// The whole of a `config.toml`. Units are in the names or types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeConfig {
    /// What the engine is told.
    pub(crate) engine: Config,
    /// File whose `chain_id` names the network when no configuration does, relative to the node's
    /// home.
    pub(crate) genesis_file: String,
    /// File of the key that gives the node its id, relative to the node's home.
    pub(crate) node_key_file: String,
    /// File of the address book, relative to the node's home.
    pub(crate) addr_book_file: String,
    /// How the program's own messages spread.
    pub(crate) gossip: Gossip,
    /// Bytes of memory that all messages of the program's gossip which wait for peers may take, on all
    /// shards together.
    pub(crate) gossip_budget_bytes: usize,
    /// Bytes of them that may wait for one peer while others keep up; beyond it the peer is stopped
    /// as too slow.
    pub(crate) gossip_backlog_bytes_max: usize,
    /// Ids of gossiped messages that a shard remembers, of all peers together.
    pub(crate) gossip_seen_max: usize,
    /// How long an id is remembered, unless there are too many.
    pub(crate) gossip_seen_span: Duration,
    /// What is logged, as of `--log`; empty if the command decides.
    pub(crate) log: String,
}

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig::with_engine(Config::default())
    }
}

impl NodeConfig {
    /// The program's defaults around what the engine is told. The process is the node's alone, so it
    /// takes as many files as it may have, and its shards are pinned where that pays.
    pub(crate) fn with_engine(engine: Config) -> Self {
        NodeConfig {
            engine: Config {
                pin_shards: PinShards::Auto,
                raise_open_files: true,
                ..engine
            },
            genesis_file: String::from("config/genesis.json"),
            node_key_file: String::from("config/node_key.json"),
            addr_book_file: String::from("config/addrbook.json"),
            gossip: Gossip::Feeds,
            gossip_budget_bytes: 256 * 1024 * 1024,
            gossip_backlog_bytes_max: 64 * 1024 * 1024,
            gossip_seen_max: 1 << 18,
            gossip_seen_span: Duration::from_secs(600),
            log: String::new(),
        }
    }
}
