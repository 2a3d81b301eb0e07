//! Networks in which some nodes only flood: with the bridge every node gets each message once, whoever publishes it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::gossip::{
    Feeds, FeedsConfig, Flood, FloodConfig, bridge_to_feeds, bridge_to_flood,
};
use ringwire_core::reactor::{Instance, erase};
use ringwire_sim::{Scenario, World};

use crate::gossip::counter;
use crate::support::{GOSSIP, SOON, channel, connect_all, for_seeds, ring_and_chords};

const CONTROL: ChannelId = ChannelId(0x73);
const BODIES: ChannelId = ChannelId(0x74);
const NODES: u32 = 9;

/// Those that only flood: two of them are neighbours on the ring.
const FLOODERS: [u32; 3] = [1, 2, 6];

fn flood() -> Flood {
    Flood::new(FloodConfig::new(channel(GOSSIP, 5)))
}

fn feeds() -> Feeds {
    Feeds::new(FeedsConfig::new(CONTROL, BODIES))
}

fn mixed(seed: u64) -> World {
    let scenario = Scenario::new(seed).nodes(NODES).shards_up_to(3);
    let with_flood = |node: u32, _| -> Option<Box<dyn Instance>> {
        Some(match FLOODERS.contains(&node) {
            true => erase(flood()),
            false => erase(bridge_to_feeds(flood(), BODIES)),
        })
    };
    let with_feeds = |node: u32, _| -> Option<Box<dyn Instance>> {
        let speaks = !FLOODERS.contains(&node);
        speaks.then(|| erase(bridge_to_flood(feeds(), GOSSIP)))
    };
    let scenario = scenario.reactor_on("flood", with_flood);
    let scenario = scenario.reactor_on("feeds", with_feeds);
    let mut world = scenario.ring().chords(4).build();
    connect_all(&mut world, &ring_and_chords(NODES, 4));
    world
}

fn publish(world: &mut World, from: u32, message: u64, bytes: usize) {
    let mut content = message.to_le_bytes().to_vec();
    content.resize(bytes, 7);
    let by = match FLOODERS.contains(&from) {
        true => GOSSIP,
        false => BODIES,
    };
    world.publish_bytes(from, by, Bytes::from(content));
}

/// How often a node got each message.
fn counts(world: &World, node: u32) -> BTreeMap<[u8; 32], usize> {
    let mut counts = BTreeMap::new();
    for received in world.received(node) {
        *counts.entry(received.digest).or_default() += 1;
    }
    counts
}

fn sum(world: &World, name: &str) -> u64 {
    (0..NODES).map(|node| counter(world, node, name)).sum()
}

#[test]
fn whoever_publishes_every_other_node_gets_it_once() {
    for_seeds(
        "whoever_publishes_every_other_node_gets_it_once",
        6,
        |seed| {
            let mut world = mixed(seed);
            for round in 0..8 {
                for node in 0..NODES {
                    let bytes = [20, 900, 5000, 100_000][round as usize % 4];
                    publish(&mut world, node, u64::from(round * NODES + node), bytes);
                }
                world.run_for(Duration::from_secs(1));
            }
            world.run_for(SOON);
            for node in 0..NODES {
                let counts = counts(&world, node);
                assert_eq!(counts.len(), 8 * (NODES as usize - 1), "node {node}");
                assert!(counts.values().all(|count| *count == 1), "node {node}");
            }
            // A message that floods on is published by feeds by the bridges that hear it first.
            assert!(sum(&world, "feeds_published") <= u64::from(8 * NODES) * 3);
        },
    );
}

#[test]
fn the_same_content_from_both_sides_is_one_message() {
    let mut world = mixed(7);
    for from in [0, 1, 6] {
        publish(&mut world, from, 42, 200);
    }
    world.run_for(SOON);
    for node in (0..NODES).filter(|node| ![0, 1, 6].contains(node)) {
        let counts = counts(&world, node);
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [1], "node {node}");
    }
}

#[test]
fn who_floods_more_than_feeds_may_publish_is_held_back_and_all_of_it_arrives() {
    let mut world = mixed(8);
    for message in 0..3000 {
        publish(&mut world, 2, message, 600);
    }
    world.run_for(SOON * 2);
    for node in (0..NODES).filter(|node| *node != 2) {
        let counts = counts(&world, node);
        assert_eq!(counts.len(), 3000, "node {node}");
        assert!(counts.values().all(|count| *count == 1), "node {node}");
    }
}
