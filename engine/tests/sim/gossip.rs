//! Flooding: every other node gets each message exactly once. The ledger of the world fails at
//! once when one comes twice or to its origin; these tests ask whether all have come.

use std::time::Duration;

use ringwire::gossip::{Flood, FloodConfig};
use ringwire::sim::{LinkProfile, Scenario, World};

use crate::support::{GOSSIP, SOON, channel, connect_all, for_seeds, ring_and_chords};

fn flooding(seed: u64, nodes: u32) -> Scenario {
    let make = |_, _| -> Box<dyn ringwire::reactor::Reactor> {
        Box::new(Flood::new(FloodConfig::new(channel(GOSSIP, 5))))
    };
    Scenario::new(seed).nodes(nodes).reactor("flood", make)
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
