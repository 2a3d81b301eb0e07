//! The flooding reactor over whole nodes: every other node has each message exactly once.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;

use super::world::{Plan, World};
use crate::error::CloseReason;
use crate::gossip::{Flood, FloodConfig};
use crate::reactor::{ChannelDescriptor, Reactor};
use crate::switch::*;

const GOSSIP: ChannelId = ChannelId(0x70);

fn flood_config() -> FloodConfig {
    let mut channel = ChannelDescriptor::new(GOSSIP, 5);
    channel.send_queue_capacity = 2;
    FloodConfig::new(channel)
}

fn flood() -> Box<dyn Reactor> {
    Box::new(Flood::new(flood_config()))
}

fn tight_flood() -> Box<dyn Reactor> {
    let config = FloodConfig {
        backlog_bytes_max: 10_000,
        ..flood_config()
    };
    Box::new(Flood::new(config))
}

fn plan(shards: u16, make: fn() -> Box<dyn Reactor>) -> Plan {
    let mut plan = Plan {
        shards,
        reactors: vec![("flood".into(), make)],
        ..Plan::default()
    };
    (plan.config.send_rate, plan.config.recv_rate) = (0, 0);
    plan
}

/// A ring in which each node also dials the one a third of the way round.
fn ring(nodes: usize, shards: u16) -> World {
    let mut world = World::of(nodes, || plan(shards, flood));
    for node in 0..nodes {
        world.connect(node, (node + 1) % nodes);
        world.connect(node, (node + nodes / 3) % nodes);
    }
    world
}

fn publish(world: &mut World, node: usize, shard: usize, message: Bytes) {
    world.command(
        node,
        shard,
        Command::Publish {
            channel: GOSSIP,
            message,
        },
    );
}

fn counter(world: &World, node: usize, name: &str) -> u64 {
    let shards = &world.nodes[node].shards;
    let all = shards
        .iter()
        .flat_map(Switch::reactor_counters)
        .flat_map(|(_, counters)| counters);
    all.filter(|(counter, _)| *counter == name)
        .map(|(_, value)| value)
        .sum()
}

#[test]
fn every_other_node_has_each_message_exactly_once() {
    for shards in [1, 3] {
        let mut world = ring(8, shards);
        for n in 0..200_usize {
            let message = Bytes::from(vec![u8::try_from(n).unwrap(); 100 + 57 * n]);
            publish(&mut world, n % 8, n % usize::from(shards), message);
        }
        world.settle();
        for node in 0..8 {
            let lens: Vec<_> = world.nodes[node]
                .deliveries
                .iter()
                .map(|d| d.message.len())
                .collect();
            let distinct: BTreeSet<_> = lens.iter().copied().collect();
            assert_eq!(lens.len(), distinct.len(), "no message twice");
            assert_eq!(lens.len(), 175, "all but the node's own 25");
            assert_eq!(counter(&world, node, "gossip_delivered"), 175);
        }
    }
}

#[test]
fn a_message_is_not_sent_back_and_duplicates_are_counted() {
    let mut world = World::of(3, || plan(1, flood));
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        world.connect(from, to);
    }
    publish(&mut world, 0, 0, Bytes::from_static(b"news"));
    world.settle();
    let copies: u64 = (0..3)
        .map(|node| counter(&world, node, "gossip_copies_received"))
        .sum();
    let duplicates: u64 = (0..3)
        .map(|node| counter(&world, node, "gossip_duplicates"))
        .sum();
    assert_eq!(counter(&world, 0, "gossip_sent"), 2);
    assert_eq!(copies, duplicates + 2);
    assert!(
        copies <= 4,
        "node 0 never gets its own message back: {copies}"
    );
}

#[test]
fn the_same_content_is_spread_once_and_never_delivered_to_its_publisher() {
    let mut world = World::of(2, || plan(2, flood));
    world.connect(0, 1);
    for shard in [0, 1, 0] {
        publish(&mut world, 0, shard, Bytes::from_static(b"same"));
    }
    world.settle();
    publish(&mut world, 1, 0, Bytes::from_static(b"same"));
    world.settle();
    assert_eq!(world.nodes[1].deliveries.len(), 1);
    assert_eq!(world.nodes[0].deliveries.len(), 0);
}

#[test]
fn what_was_published_before_a_shutdown_still_reaches_everyone() {
    let mut world = World::of(5, || plan(3, flood));
    for peer in 1..5 {
        world.connect(0, peer);
    }
    for n in 0..60_u8 {
        publish(
            &mut world,
            0,
            usize::from(n) % 3,
            Bytes::from(vec![n; 20_000]),
        );
    }
    for shard in 0..3 {
        world.command(
            0,
            shard,
            Command::Shutdown {
                within: Duration::from_secs(9),
            },
        );
    }
    world.settle();
    assert!((1..5).all(|peer| world.nodes[peer].deliveries.len() == 60));
    assert_eq!(world.peer_count(0), 0);
}

#[test]
fn a_peer_too_slow_for_its_backlog_is_stopped_by_name_and_the_others_miss_nothing() {
    let mut world = World::new();
    world.add(plan(1, tight_flood));
    world.add(plan(1, flood));
    world.add(plan(1, flood));
    world.connect(0, 1);
    world.connect(0, 2);
    world.deaf = Some(2);
    for n in 0..500_u32 {
        let mut message = vec![0; 1000];
        message[..4].copy_from_slice(&n.to_le_bytes());
        publish(&mut world, 0, 0, Bytes::from(message));
        world.settle();
    }
    assert_eq!(world.nodes[1].deliveries.len(), 500);
    assert!(world.find(0, 1).is_some());
    assert!(world.find(0, 2).is_none());
    assert!(removal_of_slow_peer(&world, 0));
}

fn removal_of_slow_peer(world: &World, node: usize) -> bool {
    world.nodes[node].events.iter().any(|event| match event {
        Event::PeerRemoved {
            reason: CloseReason::Reactor { error, .. },
            ..
        } => error.message.starts_with("slow peer"),
        _ => false,
    })
}

#[test]
fn a_backlog_over_its_budget_stops_the_peer() {
    let mut world = World::of(2, || plan(1, tight_flood));
    world.connect(0, 1);
    // Published within one turn, so nothing can be written in between.
    for n in 0..20_u8 {
        publish(&mut world, 0, 0, Bytes::from(vec![n; 1000]));
    }
    world.settle();
    assert!(removal_of_slow_peer(&world, 0));
}

#[test]
fn a_publisher_is_told_to_wait_while_a_backlog_on_any_shard_is_long() {
    fn quarter_of_a_mebibyte() -> Box<dyn Reactor> {
        Box::new(Flood::new(FloodConfig {
            backlog_bytes_max: 1 << 18,
            ..flood_config()
        }))
    }
    let mut world = World::new();
    world.add(plan(2, quarter_of_a_mebibyte));
    world.add(plan(1, flood));
    world.connect(0, 1);
    world.frozen = true;
    let home = world.find(0, 1).unwrap().0;
    let has_room = |world: &World| world.nodes[0].shards[1 - home].has_room_to_publish(GOSSIP);
    assert!(has_room(&world));
    let mut published = 0_u32;
    while has_room(&world) {
        let mut message = vec![0; 1000];
        message[..4].copy_from_slice(&published.to_le_bytes());
        publish(&mut world, 0, home, Bytes::from(message));
        published += 1;
        if published.is_multiple_of(64) {
            // Within a turn nothing is written; between turns, the note of the pressure travels.
            while let Some(Output::Mesh { to, message }) = world.nodes[0].shards[home].poll_output()
            {
                let from = crate::peer::ShardId(u16::try_from(home).unwrap());
                let now = world.now;
                world.nodes[0].shards[usize::from(to.0)].handle_mesh(now, from, message);
            }
        }
        assert!(published < 1000);
    }
    world.frozen = false;
    world.settle();
    assert!(has_room(&world));
    assert_eq!(world.nodes[1].deliveries.len(), published as usize);
}

#[test]
fn a_peer_without_the_channel_is_left_alone() {
    let mut world = World::new();
    world.add(plan(1, flood));
    world.add(Plan::default());
    world.connect(0, 1);
    publish(&mut world, 0, 0, Bytes::from_static(b"news"));
    world.settle();
    assert_eq!((world.peer_count(0), world.peer_count(1)), (1, 1));
    assert_eq!(counter(&world, 0, "gossip_sent"), 0);
}
