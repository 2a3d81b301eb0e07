//! The example mempool: every node gets every transaction, once checked, whatever the links do.

#[path = "../../examples/mempool.rs"]
#[allow(dead_code, reason = "its `main` is for a terminal")]
mod example;

use std::time::Duration;

use example::{Len, Mempool, Refused, Submit};
use ringwire::bytes::Bytes;
use ringwire::peer::ShardId;
use ringwire_sim::{FaultTable, LinkProfile, Rng, Scenario, World};

const NODES: u32 = 6;

fn is_valid(tx: &[u8]) -> bool {
    tx.starts_with(b"pay")
}

/// Nodes of up to three shards in a ring with chords.
fn network(seed: u64) -> Scenario {
    Scenario::new(seed)
        .nodes(NODES)
        .shards_up_to(3)
        .link(LinkProfile::wan().chunked(3000))
        .reactor("mempool", |_, _| Mempool::new(is_valid))
        .ring()
        .chords(2)
}

fn submit(world: &mut World, node: u32, tx: &str) -> Result<(), Refused> {
    let tx = Submit(Bytes::copy_from_slice(tx.as_bytes()));
    world
        .ask::<Mempool, Submit>(node, ShardId(0), tx)
        .expect("the node is up")
}

/// Transactions that wait on each shard of each node.
fn lens(world: &mut World) -> Vec<usize> {
    let mut lens = Vec::new();
    for node in 0..NODES {
        let shards = world.switches(node).count();
        for shard in (0..shards).map(|shard| ShardId(shard as u16)) {
            let len = world.ask::<Mempool, Len>(node, shard, Len);
            lens.push(len.expect("the node is up"));
        }
    }
    lens
}

#[test]
fn transactions_reach_every_pool_over_links_that_fail() {
    for seed in 0..5 {
        let span = Duration::from_secs(30);
        let faults = FaultTable::random(&mut Rng::new(seed), NODES, span);
        let mut world = network(seed).faults(faults).build();
        for number in 0..60 {
            world.run_for(Duration::from_millis(500));
            // Who is down takes none; the next node does.
            let node = (0..NODES)
                .map(|n| (number + n) % NODES)
                .find(|n| world.is_up(*n));
            let taken = submit(
                &mut world,
                node.expect("somebody is up"),
                &format!("pay {number}"),
            );
            assert_eq!(taken, Ok(()), "seed {seed}");
        }
        world.run_for(span * 2);
        let lens = lens(&mut world);
        // A node that restarted has forgotten what it had, and is told all of it again.
        assert!(lens.iter().all(|len| *len == 60), "seed {seed}: {lens:?}");
    }
}

#[test]
fn a_transaction_is_taken_once_and_a_wrong_one_never() {
    let mut world = network(7).build();
    world.run_for(Duration::from_secs(5));
    assert_eq!(submit(&mut world, 0, "pay ada"), Ok(()));
    assert_eq!(submit(&mut world, 0, "pay ada"), Err(Refused::Known));
    assert_eq!(submit(&mut world, 0, "steal"), Err(Refused::Wrong));
    world.run_for(Duration::from_secs(5));
    assert_eq!(submit(&mut world, 3, "pay ada"), Err(Refused::Known));
    assert!(lens(&mut world).iter().all(|len| *len == 1));
}
