//! Flooding: every other node gets each message exactly once. The ledger of the world fails at
//! once when one comes twice or to its origin; these tests ask whether all have come.

use std::time::Duration;

use bytes::Bytes;
use ringwire_core::error::CloseReason;
use ringwire_core::gossip::{Flood, FloodConfig};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{ChannelDescriptor, Instance, PublishOptions, erase};
use ringwire_core::switch::{AppChannels, Command, Switch};
use ringwire_sim::{LinkProfile, Scenario, World};

use crate::support::{
    CHAT, GOSSIP, SOON, channel, connect_all, for_seeds, removals, ring_and_chords,
};

/// More than a message needs to cross a few links.
const MOMENT: Duration = Duration::from_millis(10);

fn flooding(seed: u64, nodes: u32) -> Scenario {
    let make =
        |_, _| -> Box<dyn Instance> { erase(Flood::new(FloodConfig::new(channel(GOSSIP, 5)))) };
    Scenario::new(seed).nodes(nodes).reactor("flood", make)
}

/// Nodes with queues of two messages, so that what waits, waits in the reactor; there node 0 keeps
/// at most so many bytes for a peer, and four times as many for all.
fn hasty(nodes: u32, backlog_bytes_max: usize) -> Scenario {
    let make = move |node, _| -> Box<dyn Instance> {
        let defaults = FloodConfig::new(ChannelDescriptor {
            send_queue_capacity: 2,
            ..ChannelDescriptor::new(GOSSIP, 5)
        });
        let tight = FloodConfig {
            backlog_bytes_max,
            budget_bytes: 4 * backlog_bytes_max,
            ..defaults.clone()
        };
        erase(Flood::new(if node == 0 { tight } else { defaults }))
    };
    Scenario::new(7).nodes(nodes).reactor("flood", make)
}

/// Lets nodes dial each other, once.
pub(crate) fn connect(world: &mut World, edges: &[(u32, u32)]) {
    for &(from, to) in edges {
        world.dial(from, to, false);
    }
    connect_all(world, edges);
}

/// Publishes bytes of the test's own from one shard.
pub(crate) fn publish(world: &mut World, node: u32, shard: u16, message: impl Into<Bytes>) {
    let publish = Command::Publish {
        channel: GOSSIP,
        message: message.into(),
        options: PublishOptions::default(),
    };
    world.command(node, ShardId(shard), publish);
}

/// A figure of the reactors of all shards of a node together.
pub(crate) fn counter(world: &World, node: u32, name: &str) -> u64 {
    let counters = world.switches(node).flat_map(Switch::reactor_counters);
    let figures = counters.flat_map(|(_, counters)| counters);
    figures
        .filter(|(counter, _)| *counter == name)
        .map(|(_, value)| value)
        .sum()
}

/// Whether node 0 stopped a peer as too slow.
fn stopped_a_slow_peer(world: &World) -> bool {
    removals(world, 0).iter().any(|reason| {
        matches!(reason, CloseReason::Reactor { error, .. } if error.message.starts_with("slow peer"))
    })
}

fn assert_reached_all(world: &World, origins: impl Iterator<Item = u32>) {
    let others = world.node_count() - 1;
    for origin in origins {
        let spread = world.ledger().spread(origin, GOSSIP);
        assert!(
            !spread.is_empty() && spread.iter().all(|nodes| *nodes == others),
            "{spread:?}"
        );
    }
}

#[test]
fn a_ring_of_eight_with_chords_gets_each_message_exactly_once() {
    for_seeds(
        "a_ring_of_eight_with_chords_gets_each_message_exactly_once",
        20,
        |seed| {
            let mut world = flooding(seed, 8).shards_up_to(4).ring().chords(3).build();
            connect_all(&mut world, &ring_and_chords(8, 3));
            for round in 0..10 {
                for node in 0..8 {
                    world.publish(node, GOSSIP, 200 + 997 * round);
                }
                world.run_for(Duration::from_millis(3));
            }
            world.run_for(SOON);
            assert_reached_all(&world, 0..8);
            for node in 0..8 {
                assert_eq!(counter(&world, node, "gossip_delivered"), 70);
            }
        },
    );
}

#[test]
fn large_messages_cross_slow_links_of_a_ring() {
    for_seeds("large_messages_cross_slow_links_of_a_ring", 3, |seed| {
        let slow = LinkProfile::wan().at_speed(2_000_000);
        let mut world = flooding(seed, 5).shards_up_to(3).link(slow).ring().build();
        connect_all(&mut world, &ring_and_chords(5, 1));
        (0..5).for_each(|node| world.publish(node, GOSSIP, 300_000));
        world.run_for(SOON);
        assert_reached_all(&world, 0..5);
    });
}

#[test]
fn a_hundred_nodes_get_each_message_exactly_once() {
    let mut world = flooding(100, 100).shards_up_to(2).ring().chords(7).build();
    connect_all(&mut world, &ring_and_chords(100, 7));
    (0..100).for_each(|node| world.publish(node, GOSSIP, 300));
    world.run_for(SOON);
    assert_reached_all(&world, 0..100);
}

#[test]
fn a_message_is_not_sent_back_and_duplicates_are_counted() {
    let mut world = flooding(1, 3).build();
    connect(&mut world, &[(0, 1), (1, 2), (2, 0)]);
    publish(&mut world, 0, 0, "news");
    world.run_for(MOMENT);
    let sum = |name| (0..3).map(|node| counter(&world, node, name)).sum::<u64>();
    let copies = sum("gossip_copies_received");
    assert_eq!(counter(&world, 0, "gossip_sent"), 2);
    assert_eq!(copies, sum("gossip_duplicates") + 2);
    assert!(
        copies <= 4,
        "node 0 never gets its own message back: {copies}"
    );
}

#[test]
fn the_same_content_is_spread_once_and_never_delivered_to_its_publisher() {
    let mut world = flooding(2, 2).shards(2).build();
    connect(&mut world, &[(0, 1)]);
    for shard in [0, 1, 0] {
        publish(&mut world, 0, shard, "same");
    }
    world.run_for(MOMENT);
    publish(&mut world, 1, 0, "same");
    world.run_for(MOMENT);
    assert_eq!(world.received(1).len(), 1);
    assert_eq!(world.received(0).len(), 0);
}

#[test]
fn what_was_published_before_a_shutdown_still_reaches_everyone() {
    let unlimited = 64 << 20;
    let mut world = hasty(5, unlimited).shards(3).build();
    connect(&mut world, &[(0, 1), (0, 2), (0, 3), (0, 4)]);
    for n in 0..60 {
        publish(&mut world, 0, u16::from(n) % 3, vec![n; 20_000]);
    }
    world.shutdown(0, Duration::from_secs(9));
    world.run_for(SOON);
    assert!((1..5).all(|peer| world.received(peer).len() == 60));
    assert!(world.peers_of(0).is_empty());
}

#[test]
fn a_peer_too_slow_for_its_backlog_is_stopped_by_name_and_the_others_miss_nothing() {
    let mut world = hasty(3, 10_000).build();
    connect(&mut world, &[(0, 1), (0, 2)]);
    world.partition(&[vec![0], vec![2]]);
    for n in 0..500_u32 {
        let mut message = vec![0; 1000];
        message[..4].copy_from_slice(&n.to_le_bytes());
        publish(&mut world, 0, 0, message);
        world.run_for(MOMENT);
    }
    assert_eq!(world.received(1).len(), 500);
    assert_eq!(world.peers_of(0), [1]);
    assert!(stopped_a_slow_peer(&world));
}

#[test]
fn a_backlog_over_its_budget_stops_the_peer() {
    let mut world = hasty(2, 10_000).build();
    connect(&mut world, &[(0, 1)]);
    // Published within one turn, so nothing can be written in between.
    for n in 0..40 {
        publish(&mut world, 0, 0, vec![n; 1000]);
    }
    world.run_for(MOMENT);
    assert!(stopped_a_slow_peer(&world));
}

#[test]
fn a_publisher_is_told_to_wait_while_a_backlog_on_any_shard_is_long() {
    let mut world = hasty(2, 1 << 18).shards(2).build();
    connect(&mut world, &[(0, 1)]);
    world.partition(&[vec![0], vec![1]]);
    let home = world.home_of(0, 1).expect("connected").0;
    let other = ShardId(1 - home);
    let has_room = |world: &World| world.switch(0, other).has_room_to_publish(GOSSIP);
    assert!(has_room(&world));
    let mut published = 0_u32;
    while has_room(&world) {
        let mut message = vec![0; 1000];
        message[..4].copy_from_slice(&published.to_le_bytes());
        publish(&mut world, 0, home, message);
        published += 1;
        if published.is_multiple_of(64) {
            // Time for the note of the pressure to travel.
            world.run_for(MOMENT);
        }
        assert!(published < 1000);
    }
    world.partition(&[]);
    world.run_for(SOON);
    assert!(has_room(&world));
    assert_eq!(world.received(1).len(), published as usize);
}

#[test]
fn a_peer_without_the_channel_is_left_alone() {
    let make = |node, _| -> Box<dyn Instance> {
        match node {
            0 => erase(Flood::new(FloodConfig::new(channel(GOSSIP, 5)))),
            _ => erase(AppChannels::new(Vec::new())),
        }
    };
    let scenario = Scenario::new(8).channel(channel(CHAT, 1));
    let mut world = scenario.reactor("flood", make).build();
    connect(&mut world, &[(0, 1)]);
    publish(&mut world, 0, 0, "news");
    world.run_for(MOMENT);
    assert!(world.are_connected(0, 1));
    assert_eq!(counter(&world, 0, "gossip_sent"), 0);
}
