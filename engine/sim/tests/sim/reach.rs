//! What a node can say of its own messages and of who feeds it.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::gossip::{Feeder, Feeds, FeedsConfig, HowFar, MessageReach, WhoFeeds};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{Instance, PublishOptions, erase};
use ringwire_sim::{Scenario, World};

use crate::gossip::{connect, counter};
use crate::support::{GOSSIP, SOON, connect_all, ring_and_chords};

const CONTROL: ChannelId = ChannelId(0x73);

fn feeding(nodes: u32) -> Scenario {
    let make = |_, _| -> Box<dyn Instance> { erase(Feeds::new(FeedsConfig::new(CONTROL, GOSSIP))) };
    Scenario::new(11).nodes(nodes).reactor("feeds", make)
}

fn publish(world: &mut World, tag: u64) {
    let options = PublishOptions {
        tag,
        ..PublishOptions::default()
    };
    let message = Bytes::from(tag.to_le_bytes().to_vec());
    world.publish_with(0, GOSSIP, message, options);
}

fn reaches(world: &mut World) -> Vec<MessageReach> {
    let answer = world.ask::<Feeds, _>(0, ShardId(0), HowFar);
    answer.expect("the reactor is there")
}

#[test]
fn a_node_knows_by_digests_when_all_neighbours_have_its_messages() {
    let mut world = feeding(6).ring().chords(2).build();
    connect_all(&mut world, &ring_and_chords(6, 2));
    assert_eq!(reaches(&mut world), []);
    for tag in [70, 71] {
        publish(&mut world, tag);
    }
    world.run_for(Duration::from_millis(300));
    let early = reaches(&mut world);
    assert_eq!(
        early.iter().map(|reach| reach.tag).collect::<Vec<_>>(),
        [70, 71]
    );
    assert!(
        early.iter().all(|reach| !reach.is_everywhere()),
        "nobody has said so yet"
    );
    world.run_for(SOON);
    let later = reaches(&mut world);
    assert!(later.iter().all(MessageReach::is_everywhere), "{later:?}");
    assert!(
        later
            .iter()
            .all(|reach| reach.neighbours == 4 && reach.age >= SOON)
    );
}

#[test]
fn a_neighbour_that_is_cut_off_is_missing() {
    let mut world = feeding(3).build();
    connect(&mut world, &[(0, 1), (0, 2)]);
    world.partition(&[vec![0], vec![2]]);
    publish(&mut world, 7);
    world.run_for(Duration::from_secs(3));
    let [reach] = reaches(&mut world)[..] else {
        panic!("one was published");
    };
    assert_eq!((reach.have, reach.neighbours), (1, 2));
}

#[test]
fn a_node_says_which_neighbour_sends_whose_messages() {
    let mut world = feeding(3).build();
    connect(&mut world, &[(0, 1), (1, 2)]);
    for tag in 0..20 {
        publish(&mut world, tag);
        world.run_for(Duration::from_secs(1));
    }
    let told = world.ask::<Feeds, _>(2, ShardId(0), WhoFeeds);
    let told = told.expect("the reactor is there");
    let expected = Feeder {
        origin: world.id_of(0),
        feeder: world.id_of(1),
    };
    assert_eq!(told, [expected]);
    let own = world.ask::<Feeds, _>(0, ShardId(0), WhoFeeds);
    assert_eq!(own.expect("the reactor is there"), []);
}

#[test]
fn in_a_full_mesh_messages_come_from_their_origin_alone_and_by_others_when_a_link_is_cut() {
    let mut world = feeding(7).full_mesh().build();
    let all: Vec<(u32, u32)> = (0..7)
        .flat_map(|from| (0..from).map(move |to| (from, to)))
        .collect();
    connect_all(&mut world, &all);
    let mut tag = 0;
    let mut say = |world: &mut World, count: u32| {
        for _ in 0..count {
            tag += 1;
            publish(world, tag);
            world.run_for(Duration::from_millis(600));
        }
    };
    say(&mut world, 12);
    let duplicates = |world: &World| {
        (1..7)
            .map(|node| counter(world, node, "feeds_duplicates"))
            .sum::<u64>()
    };
    let (before, origin) = (duplicates(&world), world.id_of(0));
    say(&mut world, 20);
    assert_eq!(duplicates(&world), before);
    for node in 1..7 {
        let told = world.ask::<Feeds, _>(node, ShardId(0), WhoFeeds);
        let feeder = origin;
        assert_eq!(
            told.expect("the reactor is there"),
            [Feeder { origin, feeder }]
        );
    }
    world.partition(&[vec![0], vec![6]]);
    say(&mut world, 10);
    world.run_for(SOON);
    assert_eq!(world.received(6).len(), 42);
}
