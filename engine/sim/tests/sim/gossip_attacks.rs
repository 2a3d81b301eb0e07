//! Gossip among peers of bad will: floods of messages, peers that do not read, old messages sent
//! again, messages that no honest node passes on.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::error::CloseReason;
use ringwire_core::gossip::{Acceptance, Flood, FloodConfig};
use ringwire_core::peer::{PeerInfo, PeerKey, ShardId};
use ringwire_core::reactor::{
    ChannelDescriptor, Context, Envelope, Instance, Reactor, ReactorError, erase,
};
use ringwire_sim::{LinkProfile, Scenario, World};

use crate::gossip::{connect, counter, publish};
use crate::support::{GOSSIP, SOON, channel, removals};

/// Time enough for a message to cross a few links.
const MOMENT: Duration = Duration::from_millis(10);

/// A peer that sends new messages of `bytes` bytes as fast as they are taken, `left` of them, and
/// does not care about what it gets.
struct Flooder {
    node: u32,
    bytes: usize,
    left: u64,
}

impl Flooder {
    fn fill(&mut self, cx: &mut Context<'_, Self>, peer: PeerKey) {
        while self.left > 0 {
            let mut message = vec![0xfd; self.bytes];
            let number = self.left | u64::from(self.node) << 48;
            message[..8].copy_from_slice(&number.to_le_bytes());
            if cx.try_send(peer, GOSSIP, Bytes::from(message)).is_err() {
                return;
            }
            self.left -= 1;
        }
    }
}

impl Reactor for Flooder {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![channel(GOSSIP, 5)]
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, _: &mut ()) {
        self.fill(cx, peer.key);
    }

    fn handle_room(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: PeerKey,
        _channel: ChannelId,
        _: &mut (),
    ) {
        self.fill(cx, peer);
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        Ok(())
    }
}

/// Floods on all nodes but those below `flooders` and above 0, which send `left` messages each.
fn attacked(nodes: u32, config: FloodConfig, flooders: u32, bytes: usize, left: u64) -> Scenario {
    let make = move |node, _| -> Box<dyn Instance> {
        match node {
            1.. if node <= flooders => erase(Flooder { node, bytes, left }),
            0 => erase(Flood::new(config.clone())),
            _ => erase(Flood::new(FloodConfig::new(channel(GOSSIP, 5)))),
        }
    };
    Scenario::new(9).nodes(nodes).reactor("flood", make)
}

/// Node 0 in the middle.
fn star(nodes: u32) -> Vec<(u32, u32)> {
    (1..nodes).map(|node| (node, 0)).collect()
}

fn slow_peers(world: &World, node: u32) -> usize {
    let is_slow = |reason: &&CloseReason| matches!(reason, CloseReason::Reactor { error, .. } if error.message.starts_with("slow peer"));
    removals(world, node).iter().filter(is_slow).count()
}

#[test]
fn tiny_messages_for_peers_that_read_nothing_take_no_more_memory_than_the_budget() {
    const BUDGET: usize = 1 << 20;
    const MESSAGES: u64 = 30_000;
    let config = FloodConfig {
        budget_bytes: BUDGET,
        ..FloodConfig::new(channel(GOSSIP, 5))
    };
    for shards in [1, 3] {
        let mut world = attacked(22, config.clone(), 1, 8, MESSAGES)
            .shards(shards)
            .build();
        connect(&mut world, &star(22)[1..]);
        world.partition(&[vec![0, 1], (2..22).collect()]);
        connect(&mut world, &[(1, 0)]);
        world.run_for(Duration::from_secs(20));
        let received = world.received(0).len() as u64;
        assert!(
            received < MESSAGES / 2,
            "the source is read less: {received}"
        );
        assert!(world.are_connected(0, 1), "and not blamed");
        world.run_for(Duration::from_secs(100));
        assert!(
            slow_peers(&world, 0) > 0,
            "who takes nothing for long is stopped"
        );
        assert_eq!(world.peers_of(0), [1]);
        assert_eq!(world.received(0).len() as u64, MESSAGES, "nothing was lost");
        let highest = counter(&world, 0, "gossip_kept_bytes_highest");
        assert!(
            highest > 0 && highest <= BUDGET as u64 * u64::from(shards),
            "{highest}"
        );
    }
}

#[test]
fn two_floods_at_the_rate_of_a_node_cost_no_honest_peer_its_place_and_honest_messages_little_time()
{
    const RATE: u64 = 200_000;
    let config = FloodConfig {
        budget_bytes: 4 << 20,
        backlog_bytes_max: 1 << 20,
        ..FloodConfig::new(channel(GOSSIP, 5))
    };
    let limited = |node, config: &mut ringwire_core::config::Config| {
        if node == 0 {
            (config.send_rate, config.recv_rate) = (RATE, RATE);
        }
    };
    let flood = attacked(7, config, 2, 1000, u64::MAX >> 16);
    // A connection that buffers little, so that what waits, waits at node 0.
    let near = LinkProfile {
        window_bytes: 64 * 1024,
        ..LinkProfile::lan()
    };
    let mut world = flood.link(near).config(limited).build();
    connect(&mut world, &star(7));
    for _ in 0..300 {
        world.publish(3, GOSSIP, 200);
        world.run_for(Duration::from_millis(100));
    }
    assert_eq!(world.peers_of(0), (1..7).collect::<Vec<_>>());
    world.run_for(Duration::from_secs(5));
    for honest in 4..7 {
        let delays: Vec<_> = world
            .received(honest)
            .iter()
            .filter_map(|got| Some(got.at - got.sent_at?))
            .collect();
        assert_eq!(delays.len(), 300, "node {honest}");
        let longest = delays.iter().max().expect("300 of them");
        assert!(*longest < Duration::from_secs(3), "{longest:?}");
    }
    let flooded = world.received(4).len() - 300;
    assert!(flooded > 3000, "the floods get what is left: {flooded}");
}

#[test]
fn a_slow_reader_among_peers_that_keep_up_is_stopped_and_the_rest_get_everything() {
    const MESSAGES: u64 = 20_000;
    let config = FloodConfig {
        budget_bytes: 1 << 20,
        ..FloodConfig::new(channel(GOSSIP, 5))
    };
    let mut world = attacked(6, config, 1, 100, MESSAGES).build();
    // It reads, so no time limit finds it; it would let the others have two messages a second.
    world.set_profile_between(0, 5, LinkProfile::lan().at_speed(300));
    connect(&mut world, &star(6)[1..4]);
    connect(&mut world, &[(5, 0)]);
    connect(&mut world, &[(1, 0)]);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.peers_of(0), [1, 2, 3, 4]);
    assert_eq!(slow_peers(&world, 0), 1);
    for node in 2..5 {
        assert_eq!(world.received(node).len() as u64, MESSAGES);
    }
}

#[test]
fn a_flood_of_new_messages_does_not_make_an_old_one_new_again() {
    let config = FloodConfig {
        seen_max: 1000,
        ..FloodConfig::new(channel(GOSSIP, 5))
    };
    for shards in [1, 3] {
        let mut world = attacked(4, config.clone(), 1, 8, 20_000)
            .shards(shards)
            .build();
        connect(&mut world, &[(2, 0)]);
        publish(&mut world, 2, 0, "an honest message");
        publish(&mut world, 0, 0, "our own message");
        world.run_for(MOMENT);
        connect(&mut world, &[(1, 0)]);
        world.run_for(SOON);
        assert_eq!(world.received(0).len(), 1 + 20_000);
        // Somebody who was not there brings both again.
        connect(&mut world, &[(3, 0)]);
        let before = world.received(0).len();
        publish(&mut world, 3, 0, "an honest message");
        publish(&mut world, 3, 0, "our own message");
        world.run_for(MOMENT);
        assert_eq!(world.received(0).len(), before);
    }
}

#[test]
fn a_source_that_leaves_and_comes_back_is_held_back_for_what_it_left_behind() {
    const MESSAGES: u64 = 20_000;
    let config = FloodConfig {
        budget_bytes: 1 << 20,
        ..FloodConfig::new(channel(GOSSIP, 5))
    };
    let mut world = attacked(3, config, 1, 8, MESSAGES).shards(2).build();
    connect(&mut world, &[(2, 0)]);
    world.partition(&[vec![0, 1], vec![2]]);
    connect(&mut world, &[(1, 0)]);
    world.run_for(MOMENT * 10);
    let first = world.received(0).len();
    assert!(first > 100);
    world.crash(1, MOMENT);
    world.run_for(MOMENT * 10);
    connect(&mut world, &[(1, 0)]);
    world.run_for(MOMENT * 10);
    let second = world.received(0).len() - first;
    assert!(second < first / 10, "{first}, then {second}");
}

/// A line of three nodes; the one in the middle asks what may be passed on.
fn judged(seed: u64) -> World {
    let make = |node, _: ShardId| -> Box<dyn Instance> {
        let flood = Flood::new(FloodConfig::new(channel(GOSSIP, 5)));
        match node {
            1 => erase(flood.with_validator(|_peer, message| match &message[..] {
                b"late" => Acceptance::Ignore,
                b"forged" => Acceptance::Blame(String::from("a forged vote")),
                _ => Acceptance::Accept,
            })),
            _ => erase(flood),
        }
    };
    let scenario = Scenario::new(seed).nodes(3).shards_up_to(3);
    let mut world = scenario.reactor("flood", make).build();
    connect(&mut world, &[(0, 1), (1, 2)]);
    world
}

#[test]
fn a_message_that_the_application_ignores_goes_no_further_and_costs_nobody_anything() {
    let mut world = judged(1);
    publish(&mut world, 0, 0, "late");
    publish(&mut world, 0, 0, "in time");
    world.run_for(MOMENT);
    assert_eq!((world.received(1).len(), world.received(2).len()), (1, 1));
    assert_eq!(world.peers_of(1), [0, 2]);
    assert_eq!(counter(&world, 1, "gossip_ignored"), 1);
    // A copy of it is not asked about again.
    publish(&mut world, 2, 0, "late");
    world.run_for(MOMENT);
    assert_eq!(counter(&world, 0, "gossip_copies_received"), 0);
}

#[test]
fn a_message_that_no_honest_node_passes_on_is_blamed_on_who_sent_it_and_not_on_a_relay() {
    let mut world = judged(2);
    publish(&mut world, 0, 0, "forged");
    world.run_for(MOMENT);
    assert_eq!(world.received(2).len(), 0, "it went no further");
    assert_eq!(
        world.peers_of(1),
        [2],
        "who sent it is gone, who would have got it is not"
    );
    let reasons = removals(&world, 1);
    assert!(
        matches!(&reasons[..], [CloseReason::Reactor { error, .. }] if error.message == "a forged vote"),
        "{reasons:?}"
    );
}
