//! Discovery by running engines on loopback: one seed, books in files, restarts.

use std::path::Path;
use std::time::Duration;

use ringwire::error::StartError;
use ringwire::reactor::ChannelDescriptor;
use ringwire::{Builder, Config, DiscoveryConfig, Engine};
use ringwire_codec::pex::PEX_CHANNEL;
use ringwire_codec::{ChannelId, NetAddress, NodeKey};
use ringwire_core::pex::{AddrBook, BookConfig, BookSecret};

mod common;

const CHAT: ChannelId = ChannelId(0x70);
/// How long anything here is waited for: generous, for a machine that does other work.
const WITHIN: Duration = Duration::from_secs(60);

/// Nodes on loopback, which a strict book would not take.
fn config() -> Config {
    Config {
        discovery: DiscoveryConfig {
            addr_book_strict: false,
            pex_interval: Duration::from_secs(1),
            ..DiscoveryConfig::default()
        },
        ..common::config()
    }
}

fn builder(number: u8, config: Config) -> Builder {
    Engine::builder(config)
        .node_key(NodeKey::from_seed([number; 32]))
        .shards(2)
        .channel(ChannelDescriptor::new(CHAT, 1))
}

fn address_of(engine: &Engine) -> NetAddress {
    let addr = engine.handle().listen_addr();
    NetAddress::from_ip(engine.handle().node_id(), addr.ip(), addr.port())
}

/// A node that keeps its book in a directory.
fn start(number: u8, seeds: Vec<NetAddress>, directory: &Path) -> Engine {
    let mut config = config();
    config.discovery.seeds = seeds;
    builder(number, config)
        .addr_book_file(file(number, directory))
        .start()
        .expect("a supported machine starts an engine")
}

fn file(number: u8, directory: &Path) -> std::path::PathBuf {
    directory.join(format!("addrbook-{number}.json"))
}

fn book_in(bytes: &[u8]) -> AddrBook {
    let secret = BookSecret::from_bytes([0; 32]);
    AddrBook::from_json(BookConfig { strict: false }, &secret, [0; 32], bytes).expect("a book")
}

#[test]
fn nodes_find_each_other_through_a_seed_and_again_through_their_books() {
    if common::skip_without_ring() {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut seed_config = config();
    seed_config.discovery.seed_mode = true;
    let seed = builder(100, seed_config).start().expect("the seed");
    let seeds = vec![address_of(&seed)];
    let mut nodes: Vec<_> = (1..=4)
        .map(|number| start(number, seeds.clone(), directory.path()))
        .collect();
    for node in &nodes {
        node.handle()
            .wait_for_peers_blocking(3, WITHIN)
            .expect("all others");
    }
    let shown = nodes[0]
        .handle()
        .inspect_blocking("pex")
        .expect("a book to look at");
    assert!(!book_in(&shown).is_empty());

    // The seed is gone; who comes back finds the others by itself.
    seed.handle()
        .shutdown_blocking(WITHIN)
        .expect("a clean end");
    let last = nodes.pop().expect("four nodes");
    last.handle()
        .shutdown_blocking(WITHIN)
        .expect("a clean end");
    let written = std::fs::read(file(4, directory.path())).expect("written at the end");
    assert!(!book_in(&written).is_empty());
    let last = start(4, Vec::new(), directory.path());
    last.handle()
        .wait_for_peers_blocking(1, WITHIN)
        .expect("an old acquaintance");

    for node in nodes.iter().chain([&last]) {
        node.handle()
            .shutdown_blocking(WITHIN)
            .expect("a clean end");
    }
}

#[test]
fn a_damaged_book_is_set_aside_and_the_node_starts() {
    if common::skip_without_ring() {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(file(5, directory.path()), "{ \"key\": ").expect("written");
    let node = start(5, Vec::new(), directory.path());
    let book = node
        .handle()
        .inspect_blocking("pex")
        .expect("a book to look at");
    assert!(book_in(&book).is_empty());
    node.handle()
        .shutdown_blocking(WITHIN)
        .expect("a clean end");
    let names: Vec<_> = std::fs::read_dir(directory.path())
        .expect("the directory")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let aside = |name: &&String| name.starts_with("addrbook-5.json.damaged-");
    assert_eq!(names.iter().filter(aside).count(), 1, "{names:?}");
}

#[test]
fn a_reactor_on_the_channel_of_the_exchange_is_refused_by_name() {
    if common::skip_without_ring() {
        return;
    }
    let chat_on_pex = ChannelDescriptor::new(PEX_CHANNEL, 1);
    let refused = builder(6, config()).channel(chat_on_pex.clone()).start();
    let Err(StartError::Config(error)) = refused else {
        panic!("two reactors on one channel");
    };
    assert!(error.problem.contains("pex"), "{error}");
    let without = Config {
        discovery: DiscoveryConfig::off(),
        ..config()
    };
    let node = builder(6, without).channel(chat_on_pex).start();
    let node = node.expect("the channel is free without the exchange");
    assert_eq!(node.handle().inspect_blocking("pex"), None);
    node.handle()
        .shutdown_blocking(WITHIN)
        .expect("a clean end");
}
