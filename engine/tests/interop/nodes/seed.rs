//! Validators that know nothing but a seed of ours become a chain.

use std::time::{Duration, Instant};

use ringwire::config::Config;
use ringwire::error::{CloseReason, Reject};
use ringwire::handle::{Engine, is_supported};
use ringwire::switch::Event;
use ringwire_codec::{NetAddress, NodeKey};

use super::node::{Chain, Node};
use super::release::{RELEASES, Release};
use crate::golang::say;
use crate::support::node::address_at;

/// Validators of the chain: three of them decide a block.
const VALIDATORS: usize = 4;

/// Shards of the seeds that are met: what one shard learns the others must be able to tell at once.
const SHARDS: [u16; 3] = [1, 2, 8];

/// A node that got no addresses asks again after 30 s. Who finds its mesh in this time needed no
/// second question, even on a machine with more to do; on an idle one it takes five seconds.
const MESH_WITHIN: Duration = Duration::from_secs(25);

/// The first block comes a second or two after the mesh.
const BLOCK_WITHIN: Duration = Duration::from_secs(30);

/// Starts a seed for a chain on loopback.
fn seed(network: &str, shards: u16) -> Engine {
    let config = Config {
        network: network.to_owned(),
        moniker: String::from("seed"),
        listen_addr: ([127, 0, 0, 1], 0).into(),
        seed_mode: true,
        addr_book_strict: false,
        allow_duplicate_ip: true,
        dial_jitter: Duration::ZERO,
        ..Config::default()
    };
    Engine::builder(config)
        .node_key(NodeKey::from_seed([0x5e; 32]))
        .shards(shards)
        .start()
        .expect("a supported machine starts an engine")
}

/// Starts all validators at once; they answer when this returns.
fn start(chain: &Chain, seed: &NetAddress) -> Vec<Node> {
    let nodes: Vec<Node> = (0..VALIDATORS)
        .map(|number| chain.start(number, Some(seed)))
        .collect();
    for node in &nodes {
        node.wait("an answer", Node::height);
    }
    nodes
}

/// Waits until all nodes agree that `done`, and tells how long it took since `up`.
#[track_caller]
fn wait_all(nodes: &[Node], up: Instant, what: &str, done: impl Fn(&Node) -> bool) -> Duration {
    for node in nodes {
        node.wait(what, |node| done(node).then_some(()));
    }
    up.elapsed()
}

/// Whom the seed has banned or turned away as banned, of all it has told so far.
fn quarrels(events: &mut impl FnMut() -> Option<Event>) -> Vec<String> {
    std::iter::from_fn(events)
        .filter(|event| match event {
            Event::PeerRemoved { reason, .. } | Event::ConnectionRefused { reason, .. } => {
                matches!(
                    reason,
                    CloseReason::Reactor { .. } | CloseReason::Rejected(Reject::Banned)
                )
            }
            _ => false,
        })
        .map(|event| event.to_string())
        .collect()
}

/// A chain of `release` through a seed of so many shards.
fn check_chain(release: Release, shards: u16) {
    let Some(chain) = Chain::new(release, VALIDATORS) else {
        return;
    };
    let seed = seed(&chain.network, shards);
    let mut events = seed.events();
    let nodes = start(&chain, &address_at(seed.node_id(), seed.listen_addr()));
    let up = Instant::now();
    let case = format!("CometBFT {} through {shards} shards", release.version);
    let mesh = wait_all(&nodes, up, "its mesh", |node| {
        node.peer_count()
            .is_some_and(|count| count >= VALIDATORS - 1)
    });
    let block = wait_all(&nodes, up, "its first block", |node| {
        node.height().is_some_and(|height| height > 0)
    });
    say(&format!(
        "{case}: mesh after {mesh:.1?}, all have a block after {block:.1?}"
    ));
    assert!(mesh < MESH_WITHIN, "{case}: its mesh took {mesh:?}");
    assert!(
        block < BLOCK_WITHIN,
        "{case}: its first block took {block:?}"
    );
    let quarrels = quarrels(&mut || events.try_recv());
    assert!(quarrels.is_empty(), "{case}: {quarrels:#?}");
}

#[test]
fn four_validators_that_start_at_once_find_each_other_through_a_seed_of_ours() {
    if !is_supported() {
        eprintln!("SKIPPED: this machine refuses io_uring, so no engine can be started");
        return;
    }
    for release in RELEASES {
        for shards in SHARDS {
            check_chain(release, shards);
        }
    }
}
