//! Priority and expiry of messages by feeds, on every hop: what is urgent overtakes what waits for a slow link, and
//! what nobody needs any more is not sent over it.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::gossip::{Feeds, FeedsConfig};
use ringwire_core::reactor::{Instance, PublishOptions, erase};
use ringwire_sim::{LinkProfile, Scenario, World};

use crate::gossip::{connect, counter};
use crate::support::{GOSSIP, SOON};

const CONTROL: ChannelId = ChannelId(0x73);

/// Bytes of the first block; each has one more than the one before. 40 of them take 20 s on the slow link.
const BLOCK: usize = 100_000;

/// A header is too long to be urgent.
const HEADER: usize = 5000;
const VOTE: usize = 200;

/// Three nodes in a row; 200 kB/s between the last two.
fn row(seed: u64) -> World {
    let make = |_, _| -> Box<dyn Instance> { erase(Feeds::new(FeedsConfig::new(CONTROL, GOSSIP))) };
    let scenario = Scenario::new(seed).nodes(3).reactor("feeds", make);
    let mut world = scenario.build();
    let slow = LinkProfile {
        window_bytes: 64 * 1024,
        ..LinkProfile::lan().at_speed(200_000)
    };
    world.set_profile_between(1, 2, slow);
    connect(&mut world, &[(0, 1), (1, 2)]);
    // They have told each other who sends what.
    world.run_for(Duration::from_secs(1));
    world
}

fn publish(world: &mut World, bytes: usize, priority: u8, expires_in: Option<Duration>) {
    let options = PublishOptions {
        priority,
        expires_in,
        ..PublishOptions::default()
    };
    world.publish_with(0, GOSSIP, Bytes::from(vec![7; bytes]), options);
}

fn publish_blocks(world: &mut World) {
    for number in 0..40 {
        publish(world, BLOCK + number, 0, None);
    }
    world.run_for(Duration::from_secs(1));
}

/// Lengths of what a node got, in order: no two messages are alike.
fn got(world: &World, node: u32) -> Vec<usize> {
    let received = world.received(node).iter();
    received.map(|received| received.bytes).collect()
}

#[test]
fn votes_and_what_has_priority_overtake_blocks_that_wait_for_a_slow_link() {
    let mut world = row(1);
    publish_blocks(&mut world);
    assert_eq!(got(&world, 1).len(), 40, "the first link is fast");
    publish(&mut world, HEADER, 9, None);
    publish(&mut world, VOTE, 0, None);
    world.run_for(Duration::from_secs(30));
    let got = got(&world, 2);
    assert_eq!(got.len(), 42);
    let before = |what| {
        got.iter()
            .position(|bytes| *bytes == what)
            .expect("it came")
    };
    // What the connection holds already is not overtaken within its channel.
    assert!(before(VOTE) < 6, "{} blocks before the vote", before(VOTE));
    assert!(
        before(HEADER) < 25,
        "{} messages before the header",
        before(HEADER)
    );
    let blocks = got.iter().filter(|bytes| **bytes >= BLOCK);
    assert!(blocks.is_sorted(), "those alike keep their order");
}

#[test]
fn a_message_whose_time_is_over_dies_where_it_waits_and_nobody_is_blamed() {
    let mut world = row(2);
    publish_blocks(&mut world);
    let (dies, lives) = (HEADER, HEADER + 1);
    publish(&mut world, dies, 0, Some(Duration::from_secs(5)));
    publish(&mut world, lives, 0, Some(Duration::from_secs(60)));
    world.run_for(SOON * 2);
    assert!(
        got(&world, 1).contains(&dies),
        "it was in time for the next node"
    );
    let got = got(&world, 2);
    assert!(got.contains(&lives) && !got.contains(&dies));
    assert!(counter(&world, 1, "feeds_expired") > 0);
    assert_eq!(counter(&world, 2, "feeds_blamed"), 0);
    assert!(world.are_connected(1, 2));
}

#[test]
fn what_is_over_before_it_is_published_goes_nowhere() {
    let mut world = row(3);
    publish(&mut world, VOTE, 0, Some(Duration::ZERO));
    world.run_for(SOON);
    assert!(got(&world, 1).is_empty());
    assert_eq!(counter(&world, 0, "feeds_expired"), 1);
}
