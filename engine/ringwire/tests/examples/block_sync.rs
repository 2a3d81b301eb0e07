//! The example block sync: a node that is behind gets the chain, from slow peers and beside liars.

#[path = "../../examples/block_sync.rs"]
#[allow(dead_code, reason = "its `main` is for a terminal")]
mod example;

use std::time::Duration;

use example::{BlockSync, Tip};
use ringwire::bytes::Bytes;
use ringwire::peer::ShardId;
use ringwire_sim::{FaultTable, LinkProfile, Rng, Scenario, World};

const HEIGHT: i64 = 300;

/// A block of this chain is its height, and a kilobyte.
fn block(height: i64) -> Bytes {
    Bytes::from(format!("{height:1024}"))
}

fn verify(block: &[u8]) -> Option<i64> {
    std::str::from_utf8(block).ok()?.trim().parse().ok()
}

fn chain() -> Vec<Bytes> {
    (1..=HEIGHT).map(block).collect()
}

/// Node 0 is behind; the others have what `chain_of` says, and each is its peer.
fn network(seed: u64, nodes: u32, chain_of: impl Fn(u32) -> Vec<Bytes> + 'static) -> Scenario {
    let scenario = Scenario::new(seed)
        .nodes(nodes)
        .shards_up_to(3)
        .link(LinkProfile::wan())
        .reactor("sync", move |node, _| {
            BlockSync::new(chain_of(node), verify)
        });
    (1..nodes).fold(scenario, |scenario, node| scenario.edge(0, node))
}

fn tips(world: &mut World) -> Vec<i64> {
    let shards = world.switches(0).count();
    let tip = |shard| world.ask::<BlockSync, Tip>(0, ShardId(shard as u16), Tip);
    let tips: Result<_, _> = (0..shards).map(tip).collect();
    tips.expect("the node is up")
}

fn must_catch_up(world: &mut World, within: Duration) {
    let mut left = within;
    while tips(world).iter().any(|tip| *tip < HEIGHT) {
        left = left.checked_sub(Duration::from_secs(1)).unwrap_or_else(|| {
            panic!("its chain has {:?} of {HEIGHT} blocks", tips(world));
        });
        world.run_for(Duration::from_secs(1));
    }
}

#[test]
fn a_node_that_is_behind_gets_the_chain_in_order_over_links_that_fail() {
    for seed in 0..5 {
        let chain_of = |node| if node == 0 { Vec::new() } else { chain() };
        // Connections are lost; nodes stay up, as they have their chains in memory only.
        let faults = FaultTable::random(&mut Rng::new(seed), 4, Duration::from_secs(20));
        let mut world = network(seed, 4, chain_of).faults(faults).build();
        must_catch_up(&mut world, Duration::from_secs(120));
    }
}

#[test]
fn who_sends_what_is_no_block_is_left_and_others_are_asked() {
    let chain_of = |node| match node {
        0 => Vec::new(),
        // Right as long as it is not looked at.
        1 => (1..=HEIGHT)
            .map(|_| Bytes::from_static(b"no block"))
            .collect(),
        _ => chain(),
    };
    let mut world = network(11, 3, chain_of).build();
    must_catch_up(&mut world, Duration::from_secs(60));
    let reasons: Vec<String> = world.events(0).map(ToString::to_string).collect();
    let is_blamed = reasons
        .iter()
        .any(|reason| reason.contains("sent a block that is none"));
    assert!(is_blamed, "{reasons:#?}");
}

#[test]
fn a_peer_too_slow_for_its_blocks_is_left_and_the_others_do() {
    let chain_of = |node| if node == 0 { Vec::new() } else { chain() };
    let mut world = network(13, 3, chain_of).build();
    assert!(world.run_until(Duration::from_secs(5), |world| world.are_connected(0, 1)));
    // From now on its answers are longer on the way than it has for them.
    world.set_profile_between(
        0,
        1,
        LinkProfile {
            latency: Duration::from_secs(20),
            ..LinkProfile::wan()
        },
    );
    must_catch_up(&mut world, Duration::from_secs(120));
}
