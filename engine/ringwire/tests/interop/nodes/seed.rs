//! Validators that know nothing but a seed of ours become a chain.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ringwire::Config;
use ringwire::Engine;
use ringwire::Event;
use ringwire::error::{CloseReason, Reject};
use ringwire_codec::{NetAddress, NodeKey};

use super::node::{Chain, Node};
use super::release::{RELEASES, Release};
use crate::golang::say;
use crate::support::node::address_at;
use crate::support::way;

/// Validators of the chain: three of them decide a block.
const VALIDATORS: usize = 4;

/// Shards of the seeds that are met: what one shard learns the others must be able to tell at once.
const SHARDS: [u16; 3] = [1, 2, 8];

/// A node whose seed refused it, or knew nobody, asks again after 30 s. A chain that decides a block
/// before needed no second question; it takes a second or two.
const BLOCK_WITHIN: Duration = Duration::from_secs(25);

/// Starts a seed for a chain on loopback.
fn seed(network: &str, shards: u16) -> Engine {
    let mut config = Config {
        network: network.to_owned(),
        moniker: String::from("seed"),
        listen_addrs: vec!["127.0.0.1:0".parse().expect("an address")],
        dial_jitter: Duration::ZERO,
        transport: way::transport(),
        ..Config::seed()
    };
    config.discovery.addr_book_strict = false;
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

/// Whom the seed has banned or turned away, of all it has told so far. An honest node that comes
/// twice at once may meet itself: such a one is not counted.
fn quarrels(events: &mut impl FnMut() -> Option<Event>) -> Vec<String> {
    std::iter::from_fn(events)
        .filter(|event| match event {
            Event::PeerRemoved { reason, .. } => matches!(reason, CloseReason::Reactor { .. }),
            Event::ConnectionRefused { reason, .. } => !matches!(
                reason,
                CloseReason::Rejected(Reject::DuplicateId(_) | Reject::Superseded)
            ),
            _ => false,
        })
        .map(|event| event.to_string())
        .collect()
}

/// A chain of `release` through a seed of so many shards. Whoever holds `start_alone` has the machine
/// to itself until its first block: that time is checked, and the wait for a mesh is not.
fn check_chain(release: Release, shards: u16, start_alone: &Mutex<()>) {
    let Some(chain) = Chain::new(release, VALIDATORS) else {
        return;
    };
    // A chain that failed has said so; the others go on.
    let alone = start_alone.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = seed(&chain.network, shards);
    let mut events = seed.handle().events();
    let nodes = start(
        &chain,
        &address_at(seed.handle().node_id(), seed.handle().listen_addr()),
    );
    let up = Instant::now();
    let case = format!("CometBFT {} through {shards} shards", release.version);
    let block = wait_all(&nodes, up, "its first block", |node| {
        node.height().is_some_and(|height| height > 0)
    });
    drop(alone);
    // Two nodes of the reference that dial each other at the same moment both hang up, and try again
    // with their next question, after 30 s. So the block is what is timed, and chains wait together.
    let mesh = wait_all(&nodes, up, "its mesh", |node| {
        node.peer_count()
            .is_some_and(|count| count >= VALIDATORS - 1)
    });
    say(&format!(
        "{case}: all have a block after {block:.1?}, a mesh after {mesh:.1?}"
    ));
    let quarrels = quarrels(&mut || events.try_recv());
    assert!(quarrels.is_empty(), "{case}: {quarrels:#?}");
    assert!(
        block < BLOCK_WITHIN,
        "{case}: its first block took {block:?}"
    );
}

#[test]
fn four_validators_that_start_at_once_find_each_other_through_a_seed_of_ours() {
    if way::skip_without_ring() {
        return;
    }
    let start_alone = Mutex::new(());
    // No more at once: all shards of a process share its limit of locked memory.
    thread::scope(|scope| {
        for shards in SHARDS {
            let start_alone = &start_alone;
            scope.spawn(move || {
                for release in RELEASES {
                    check_chain(release, shards, start_alone);
                }
            });
        }
    });
}
