//! Gossip of large payloads between whole nodes: every other node gets each exactly once, and hardly a byte
//! too many. The ledger of the world fails at once when one comes twice, damaged, or to its origin.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::error::CloseReason;
use ringwire_core::gossip::{Large, LargeConfig, Publish, PublishRefused};
use ringwire_core::peer::{PeerInfo, ShardId};
use ringwire_core::reactor::{
    ChannelDescriptor, Context, Envelope, Instance, Reactor, ReactorError, erase,
};
use ringwire_sim::{FaultTable, LinkProfile, Rng, Scenario, World};

use crate::gossip::{connect, counter};
use crate::support::{CHAT, SOON, channel, connect_all, for_seeds, removals, ring_and_chords};

const CONTROL: ChannelId = ChannelId(0x73);
const SHARDS: ChannelId = ChannelId(0x74);
/// Bytes of a shard here: the smallest, so that payloads of many shards stay small.
const SHARD: usize = 16 * 1024;
const KIB: usize = 1024;

fn config() -> LargeConfig {
    LargeConfig {
        shard_bytes: Some(SHARD),
        ..LargeConfig::new(CONTROL, SHARDS)
    }
}

fn large(seed: u64, nodes: u32) -> Scenario {
    let make = |_, _| -> Box<dyn Instance> { erase(Large::new(config())) };
    Scenario::new(seed).nodes(nodes).reactor("large", make)
}

/// How many other nodes got each payload of a node.
fn spread(world: &World, origin: u32) -> Vec<u32> {
    world.ledger().spread(origin, SHARDS)
}

/// Shards that a node received for each that it needed.
fn copies(world: &World, node: u32) -> f64 {
    let received = counter(world, node, "large_shards_received");
    received as f64 / counter(world, node, "large_shards_wanted") as f64
}

#[test]
fn a_ring_of_eight_with_chords_gets_each_payload_exactly_once_and_in_one_copy() {
    for_seeds(
        "a_ring_of_eight_with_chords_gets_each_payload_exactly_once_and_in_one_copy",
        12,
        |seed| {
            let mut world = large(seed, 8).shards_up_to(4).ring().chords(3).build();
            connect_all(&mut world, &ring_and_chords(8, 3));
            for node in 0..8 {
                world.publish(node, SHARDS, 200 * KIB + 997 * node as usize);
                world.run_for(Duration::from_millis(3));
            }
            world.run_for(SOON);
            for node in 0..8 {
                assert_eq!(spread(&world, node), [7], "of node {node}");
                assert!(copies(&world, node) < 1.02, "{}", copies(&world, node));
                assert_eq!(counter(&world, node, "large_shards_unasked"), 0);
            }
        },
    );
}

#[test]
fn a_payload_of_several_segments_crosses_slow_links() {
    for_seeds(
        "a_payload_of_several_segments_crosses_slow_links",
        3,
        |seed| {
            let slow = LinkProfile::wan().at_speed(12_500_000);
            let mut world = large(seed, 6)
                .shards_up_to(3)
                .link(slow)
                .ring()
                .chords(2)
                .build();
            connect_all(&mut world, &ring_and_chords(6, 2));
            world.publish(0, SHARDS, 5 * KIB * KIB);
            world.run_for(SOON);
            assert_eq!(spread(&world, 0), [5]);
        },
    );
}

#[test]
fn after_any_faults_every_payload_reaches_everybody_once() {
    for_seeds(
        "after_any_faults_every_payload_reaches_everybody_once",
        20,
        |seed| {
            let (nodes, span) = (6, Duration::from_secs(40));
            let faults = FaultTable::random(&mut Rng::new(seed), nodes, span);
            let scenario = large(seed, nodes).shards_up_to(3).ring().chords(2);
            let mut world = scenario.faults(faults).build();
            let end = world.now() + span;
            while world.now() < end {
                world.publish(0, SHARDS, 300 * KIB);
                world.run_for(Duration::from_secs(4));
            }
            world.run_for(SOON * 8);
            connect_all(&mut world, &ring_and_chords(nodes, 2));
            world.publish(0, SHARDS, 300 * KIB);
            world.run_for(SOON * 2);
            let spread = spread(&world, 0);
            assert_eq!(spread.last(), Some(&(nodes - 1)), "{spread:?}");
        },
    );
}

#[test]
fn a_node_that_comes_later_gets_what_is_kept() {
    let mut world = large(3, 4).build();
    connect(&mut world, &[(0, 1), (1, 2)]);
    world.publish(0, SHARDS, 400 * KIB);
    world.run_for(SOON);
    assert_eq!(spread(&world, 0), [2]);
    connect(&mut world, &[(3, 2)]);
    world.run_for(SOON);
    assert_eq!(spread(&world, 0), [3]);
    // Of a stripe that it finds a feed for it gets what is pushed: 5 % more than it needs, and two shards at least.
    assert!(copies(&world, 3) < 1.12);
}

#[test]
fn a_payload_out_of_bounds_is_refused() {
    let mut world = large(1, 1).build();
    let mut publish = |bytes: usize| {
        let question = Publish(Bytes::from(vec![1; bytes]));
        world
            .ask::<Large, _>(0, ShardId(0), question)
            .expect("it answers")
    };
    assert!(matches!(publish(128 * KIB), Err(PublishRefused::Length(_))));
    assert_eq!(publish(128 * KIB + 1), Ok(()));
    assert!(matches!(
        publish(128 * KIB * KIB + 1),
        Err(PublishRefused::Length(_))
    ));
}

/// Says something on a channel of the gossip as soon as it has a peer.
struct Liar {
    channel: ChannelId,
    lie: Bytes,
}

impl Reactor for Liar {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        Large::new(config()).channels()
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, (): &mut ()) {
        let sent = cx.try_send(peer.key, self.channel, self.lie.clone());
        assert!(sent.is_ok(), "{sent:?}");
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        (): &mut (),
    ) -> Result<(), ReactorError> {
        Ok(())
    }
}

#[test]
fn what_is_no_message_costs_its_sender_the_link() {
    for (channel, lie) in [(CONTROL, &b"no message"[..]), (SHARDS, &[0; 100])] {
        let make = move |node, _| -> Box<dyn Instance> {
            match node {
                0 => erase(Large::new(config())),
                _ => erase(Liar {
                    channel,
                    lie: Bytes::from_static(lie),
                }),
            }
        };
        let mut world = Scenario::new(5).nodes(2).reactor("large", make).build();
        world.dial(1, 0, false);
        world.run_for(SOON);
        let reasons = removals(&world, 0);
        let is_blamed = |reason: &CloseReason| matches!(reason, CloseReason::Reactor { .. });
        assert!(
            !reasons.is_empty() && reasons.iter().all(is_blamed),
            "{reasons:?}"
        );
    }
}

#[test]
fn a_neighbour_that_takes_no_part_is_left_alone() {
    let mut world = {
        let make =
            |node, _| (node != 1).then(|| -> Box<dyn Instance> { erase(Large::new(config())) });
        let scenario = Scenario::new(6).nodes(3).channel(channel(CHAT, 1));
        scenario.reactor_on("large", make).build()
    };
    connect(&mut world, &[(0, 1), (1, 2), (2, 0)]);
    world.publish(0, SHARDS, 200 * KIB);
    world.run_for(SOON);
    assert_eq!(spread(&world, 0), [1]);
    assert!(removals(&world, 1).is_empty());
}
