//! Gossip by feeds in the engine: every other node gets each message exactly once. The ledger of the world
//! fails at once when one comes twice or to its origin; these tests ask whether all have come, and at what
//! price.

use std::time::Duration;

use ringwire_codec::ChannelId;
use ringwire_core::gossip::{Acceptance, Feeds, FeedsConfig};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{Instance, erase};
use ringwire_core::switch::AppChannels;
use ringwire_sim::{LinkProfile, Scenario, World};

use crate::gossip::{connect, counter, publish};
use crate::support::{
    CHAT, GOSSIP, SOON, channel, connect_all, for_seeds, removals, ring_and_chords,
};

const CONTROL: ChannelId = ChannelId(0x73);

/// Messages of 128 KiB, the longest.
const LONGEST: usize = 128 * 1024;

fn feeding(seed: u64, nodes: u32) -> Scenario {
    let make = |_, _| -> Box<dyn Instance> { erase(Feeds::new(FeedsConfig::new(CONTROL, GOSSIP))) };
    Scenario::new(seed).nodes(nodes).reactor("feeds", make)
}

fn assert_reached_all(world: &World, origins: impl Iterator<Item = u32>) {
    let others = world.node_count() - 1;
    for origin in origins {
        let spread = world.ledger().spread(origin, GOSSIP);
        assert!(!spread.is_empty());
        assert!(spread.iter().all(|nodes| *nodes == others), "{spread:?}");
    }
}

fn sum(world: &World, name: &str) -> u64 {
    let nodes = 0..world.node_count();
    nodes.map(|node| counter(world, node, name)).sum()
}

#[test]
fn a_ring_of_eight_with_chords_gets_each_message_exactly_once_and_most_of_them_in_one_copy() {
    let name =
        "a_ring_of_eight_with_chords_gets_each_message_exactly_once_and_most_of_them_in_one_copy";
    for_seeds(name, 20, |seed| {
        let mut world = feeding(seed, 8).shards_up_to(4).ring().chords(3).build();
        connect_all(&mut world, &ring_and_chords(8, 3));
        for round in 0..20 {
            for node in 0..8 {
                world.publish(node, GOSSIP, 200 + 997 * round);
            }
            world.run_for(Duration::from_secs(1));
        }
        world.run_for(SOON);
        assert_reached_all(&world, 0..8);
        assert_eq!(sum(&world, "feeds_delivered"), 20 * 8 * 7);
        let duplicates = sum(&world, "feeds_duplicates");
        assert!(
            duplicates < 20 * 8 * 7 / 4,
            "{duplicates} of {}",
            20 * 8 * 7
        );
    });
}

#[test]
fn messages_of_every_length_cross_slow_links() {
    for_seeds("messages_of_every_length_cross_slow_links", 3, |seed| {
        let slow = LinkProfile::wan().at_speed(2_000_000);
        let mut world = feeding(seed, 5).shards_up_to(3).link(slow).ring().build();
        connect_all(&mut world, &ring_and_chords(5, 1));
        // A message carries its number.
        for bytes in [20, 1024, 1025, 65_536, LONGEST] {
            (0..5).for_each(|node| world.publish(node, GOSSIP, bytes));
        }
        world.run_for(SOON);
        assert_reached_all(&world, 0..5);
    });
}

#[test]
fn a_node_that_comes_later_gets_what_is_remembered_once() {
    let mut world = feeding(5, 3).build();
    connect(&mut world, &[(0, 1)]);
    for number in 0..100_u32 {
        publish(&mut world, 0, 0, number.to_le_bytes().to_vec());
    }
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.received(1).len(), 100);
    connect(&mut world, &[(1, 2)]);
    world.run_for(SOON);
    assert_eq!(world.received(2).len(), 100);
}

#[test]
fn what_is_published_in_one_turn_goes_as_one_bundle_and_is_delivered_in_order() {
    let mut world = feeding(6, 3).build();
    connect(&mut world, &[(0, 1), (1, 2)]);
    publish(&mut world, 0, 0, "alone");
    world.run_for(Duration::from_secs(1));
    assert_eq!(counter(&world, 0, "feeds_bundles"), 1);
    let texts: Vec<String> = (0..500).map(|number| format!("vote {number}")).collect();
    for text in &texts {
        publish(&mut world, 0, 0, text.clone());
    }
    world.run_for(SOON);
    for node in [1, 2] {
        let received = world.received(node);
        let got = received[1..].iter().map(|received| received.digest);
        let expected = texts
            .iter()
            .map(|text| *blake3::hash(text.as_bytes()).as_bytes());
        assert!(got.eq(expected), "node {node}");
        assert_eq!(counter(&world, node, "feeds_delivered"), 501);
    }
    let bundles = counter(&world, 0, "feeds_bundles");
    assert!(bundles < 20, "{bundles}");
}

/// Three nodes in a row, of which the one in the middle blames for messages in `l` and ignores those in `o`.
fn judged_by_the_middle() -> World {
    let make = |node, _| -> Box<dyn Instance> {
        let feeds = Feeds::new(FeedsConfig::new(CONTROL, GOSSIP));
        if node != 1 {
            return erase(feeds);
        }
        erase(feeds.with_validator(|_, message| match message.first() {
            Some(b'l') => Acceptance::Blame(String::from("a lie")),
            Some(b'o') => Acceptance::Ignore,
            _ => Acceptance::Accept,
        }))
    };
    let mut world = Scenario::new(3).nodes(3).reactor("feeds", make).build();
    connect(&mut world, &[(0, 1), (1, 2)]);
    world
}

#[test]
fn a_validator_sees_the_messages_of_a_bundle_one_by_one() {
    let mut world = judged_by_the_middle();
    for message in ["truth", "old", "more truth"] {
        publish(&mut world, 0, 0, message);
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(counter(&world, 0, "feeds_bundles"), 1);
    assert_eq!(counter(&world, 1, "feeds_ignored"), 1);
    assert_eq!(world.received(1).len(), 2);
    assert_eq!(
        world.received(2).len(),
        3,
        "a signed bundle goes on as a whole"
    );
    for message in ["truth again", "lie"] {
        publish(&mut world, 0, 0, message);
    }
    world.run_for(Duration::from_secs(1));
    assert!(!world.are_connected(0, 1));
    assert_eq!(world.received(1).len(), 2, "what came with a lie is none");
}

#[test]
fn a_publisher_is_told_to_wait_while_what_it_gave_fills_two_bundles() {
    let mut world = feeding(6, 3).build();
    connect(&mut world, &[(0, 1), (1, 2)]);
    let has_room = |world: &World| world.switch(0, ShardId(0)).has_room_to_publish(GOSSIP);
    let mut number = 0_u32;
    for round in 0..10 {
        assert!(has_room(&world), "round {round}");
        while has_room(&world) {
            let mut message = vec![0; 1000];
            message[..4].copy_from_slice(&number.to_le_bytes());
            publish(&mut world, 0, 0, message);
            number += 1;
            assert!(number < 100_000, "it must wait");
        }
        world.run_for(Duration::from_millis(100));
    }
    world.run_for(SOON);
    assert_eq!(number, 10 * 263, "2,630 messages of 1,000 bytes");
    assert_eq!(world.received(2).len(), number as usize);
}

#[test]
fn what_is_published_faster_than_may_be_waits_and_reaches_everybody() {
    let mut world = feeding(6, 4).build();
    connect(&mut world, &[(0, 1), (1, 2), (2, 3), (3, 0)]);
    for number in 0..10_000_u32 {
        publish(&mut world, 0, 0, number.to_le_bytes().to_vec());
    }
    world.run_for(Duration::from_secs(15));
    for node in 1..4 {
        assert_eq!(world.received(node).len(), 10_000);
    }
}

#[test]
fn a_link_that_falls_silent_is_replaced() {
    let mut world = feeding(9, 4).build();
    connect(&mut world, &[(0, 1), (1, 2), (0, 3), (3, 2)]);
    let mut number = 0_u32;
    let mut say = |world: &mut World, count: u32| {
        for _ in 0..count {
            number += 1;
            publish(world, 0, 0, number.to_le_bytes().to_vec());
            world.run_for(Duration::from_millis(600));
        }
    };
    say(&mut world, 10);
    world.partition(&[vec![1], vec![2]]);
    say(&mut world, 10);
    world.run_for(SOON);
    assert_eq!(world.received(2).len(), 20);
}

#[test]
fn what_the_validator_refuses_goes_no_further_and_its_bringer_is_stopped() {
    let mut world = judged_by_the_middle();
    for message in ["truth", "old", "more truth"] {
        publish(&mut world, 0, 0, message);
        world.run_for(Duration::from_secs(1));
    }
    assert_eq!(world.received(2).len(), 2);
    assert!(world.are_connected(0, 1));
    publish(&mut world, 0, 0, "lie");
    world.run_for(Duration::from_secs(1));
    assert!(!world.are_connected(0, 1));
    assert_eq!(world.received(2).len(), 2);
    assert_eq!(counter(&world, 1, "feeds_blamed"), 1);
}

#[test]
fn a_message_that_is_too_long_is_counted_and_not_sent() {
    let mut world = feeding(4, 2).build();
    connect(&mut world, &[(0, 1)]);
    publish(&mut world, 0, 0, vec![0; LONGEST + 1]);
    world.run_for(SOON);
    assert_eq!(counter(&world, 0, "feeds_too_long"), 1);
    assert_eq!(world.received(1).len(), 0);
}

#[test]
fn a_peer_without_the_channels_is_left_alone() {
    let make = |node, _| -> Box<dyn Instance> {
        match node {
            0 => erase(Feeds::new(FeedsConfig::new(CONTROL, GOSSIP))),
            _ => erase(AppChannels::new(Vec::new())),
        }
    };
    let scenario = Scenario::new(8).channel(channel(CHAT, 1));
    let mut world = scenario.reactor("feeds", make).build();
    connect(&mut world, &[(0, 1)]);
    publish(&mut world, 0, 0, "news");
    world.run_for(SOON);
    assert!(world.are_connected(0, 1));
    assert_eq!(counter(&world, 0, "feeds_sent"), 0);
}

/// Node 0 publishes so many messages of 64 KiB, each as soon as it may.
fn publish_as_there_is_room(world: &mut World, count: u32) {
    let mut number = 0;
    let mut turns = 0;
    while number < count {
        while number < count && world.switch(0, ShardId(0)).has_room_to_publish(GOSSIP) {
            let mut message = vec![0; 64 * 1024];
            message[..4].copy_from_slice(&number.to_le_bytes());
            publish(world, 0, 0, message);
            number += 1;
        }
        world.run_for(Duration::from_millis(10));
        turns += 1;
        assert!(turns < 20_000, "{number} were published");
    }
}

#[test]
fn a_publisher_that_is_faster_than_the_links_is_held_back_and_no_message_is_lost() {
    let slow = LinkProfile::wan().at_speed(4_000_000);
    let mut world = feeding(11, 4).link(slow).build();
    connect(&mut world, &[(0, 1), (1, 2), (2, 3), (3, 0)]);
    let count = 1024;
    publish_as_there_is_room(&mut world, count);
    world.run_for(SOON * 2);
    for node in 1..4 {
        assert_eq!(world.received(node).len(), count as usize, "node {node}");
        assert!(
            removals(&world, node).is_empty(),
            "who is behind is not to blame"
        );
    }
}

#[test]
fn messages_that_come_faster_than_they_are_remembered_reach_everybody() {
    let make = |_, _| -> Box<dyn Instance> {
        erase(Feeds::new(FeedsConfig {
            kept_bytes_max: 2 * 1024 * 1024,
            ..FeedsConfig::new(CONTROL, GOSSIP)
        }))
    };
    for seed in 0..4 {
        // As much as is remembered is through such a line in a sixteenth of a second.
        let fast = LinkProfile::wan().at_speed(32_000_000);
        let scenario = Scenario::new(seed).nodes(8).reactor("feeds", make);
        let mut world = scenario.link(fast).ring().chords(3).build();
        connect_all(&mut world, &ring_and_chords(8, 3));
        let count = 256;
        publish_as_there_is_room(&mut world, count);
        world.run_for(SOON * 2);
        assert_eq!(sum(&world, "feeds_lost"), 0);
        for node in 1..8 {
            let received = world.received(node).len();
            assert_eq!(received, count as usize, "seed {seed}, node {node}");
        }
    }
}
