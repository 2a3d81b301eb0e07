//! Dialing in the world: persistent peers, simultaneous dials, failures, ourselves.

use std::time::Duration;

use ringwire_codec::{NetAddress, NodeKey};

use super::world::{Plan, World};
use crate::error::{CloseReason, NetworkError, Reject};
use crate::switch::*;

/// A second with which no reconnect has a deadline in common.
const SECOND: Duration = Duration::from_secs(1);

fn persistent_to(address: NetAddress) -> Plan {
    let mut plan = Plan::default();
    plan.config.persistent_peers = vec![address];
    plan
}

fn key(seed: u8) -> NodeKey {
    NodeKey::from_seed([seed; 32])
}

fn address(seed: u8, host: u8) -> NetAddress {
    NetAddress::from_ip(key(seed).id(), [10, 0, 0, host].into(), 26_656)
}

// Conformance item 57.
#[test]
fn a_persistent_peer_is_dialed_until_it_answers_and_again_when_it_is_lost() {
    let mut world = World::new();
    world.add(persistent_to(address(2, 2)));
    world.settle();
    let failed = |world: &World| {
        let failed = |event: &&Event| matches!(event, Event::DialFailed { .. });
        world.nodes[0].events.iter().filter(failed).count()
    };
    assert_eq!(failed(&world), 1);
    world.pass(8 * SECOND);
    assert_eq!(failed(&world), 2);
    world.add(Plan::default());
    world.pass(8 * SECOND);
    assert_eq!(world.peer_count(0), 1);
    assert!(world.find(0, 1).unwrap().1.persistent);
    world.pass(30 * SECOND);
    world.cut(0, 1);
    // The dial at once may come before the other side has noticed its loss; the next one will not.
    world.pass(8 * SECOND);
    assert_eq!(world.peer_count(0), 1);
}

// Conformance item 58.
#[test]
fn a_persistent_peer_that_came_inbound_is_recognised_by_its_id_and_dialed_when_lost() {
    let mut world = World::new();
    world.add(persistent_to(address(2, 2)));
    world.add(Plan::default());
    world.nodes[1].listens = false;
    world.settle();
    world.connect(1, 0);
    assert!(world.find(0, 1).unwrap().1.persistent);
    world.nodes[1].listens = true;
    world.pass(60 * SECOND);
    world.cut(0, 1);
    world.pass(8 * SECOND);
    assert_eq!(world.peer_count(0), 1);
    let dialed = world.find(0, 1).unwrap().1.direction;
    assert_eq!(dialed, crate::peer::Direction::Outbound);
}

// Conformance item 59.
#[test]
fn a_transient_error_brings_a_dialed_peer_back() {
    for (message, peers) in [("transient", 1), ("error", 0)] {
        let mut world = World::of(2, Plan::default);
        world.connect(0, 1);
        world.send(1, 0, message.as_bytes(), None);
        world.pass(60 * SECOND);
        assert_eq!(world.peer_count(0), peers, "{message}");
    }
}

// Conformance item 51.
#[test]
fn dialing_ourselves_is_refused_at_once_by_id_and_never_retried_by_key() {
    let mut world = World::of(1, Plan::default);
    world.dial(0, 0, true, Some(1));
    world.settle();
    let replies = world.take_replies(0);
    let is_self = |reply: &Reply| {
        matches!(
            reply,
            Reply::Dial(Err(CloseReason::Rejected(Reject::IsSelf)))
        )
    };
    assert!(is_self(&replies[0].1), "{replies:?}");
    world.pass(600 * SECOND);
    assert_eq!(world.nodes[0].shards[0].metrics().dials, 0);
}

#[test]
fn a_node_that_is_not_who_was_dialed_is_refused_and_named() {
    let mut world = World::of(2, Plan::default);
    let stranger = address(77, 2);
    let command = Command::Dial {
        address: stranger,
        persistent: false,
        token: Some(ReplyToken(1)),
    };
    world.command(0, 0, command);
    world.settle();
    let reply = format!("{:?}", world.take_replies(0));
    assert!(reply.contains("Handshake"), "{reply}");
    assert_eq!(world.peer_count(0) + world.peer_count(1), 0);
}

#[test]
fn a_dial_is_answered_once_the_peer_is_up_or_with_the_reason() {
    let mut world = World::of(2, || Plan {
        shards: 3,
        ..Plan::default()
    });
    world.dial(0, 1, false, Some(1));
    world.settle();
    let id = world.id(1);
    let replies = world.take_replies(0);
    assert!(matches!(&replies[..], [(ReplyToken(1), Reply::Dial(Ok(up)))] if *up == id));
    world.nodes[1].listens = false;
    world.cut(0, 1);
    world.settle();
    world.dial(0, 1, false, Some(2));
    world.settle();
    let replies = world.take_replies(0);
    assert!(
        matches!(
            &replies[..],
            [(
                ReplyToken(2),
                Reply::Dial(Err(CloseReason::Network(NetworkError::Io {
                    operation: "connect",
                    ..
                })))
            )]
        ),
        "{replies:?}"
    );
}

#[test]
fn two_nodes_that_dial_each_other_at_once_end_with_one_connection() {
    for shards in [1, 3] {
        for duplicate_ip in [false, true] {
            for first in 0..2 {
                let mut world = World::of(2, || {
                    let mut plan = Plan {
                        shards,
                        ..Plan::default()
                    };
                    plan.config.allow_duplicate_ip = duplicate_ip;
                    plan
                });
                world.dial(first, 1 - first, false, None);
                world.dial(1 - first, first, false, None);
                world.settle();
                let (zero, one) = (world.find(0, 1).unwrap().1, world.find(1, 0).unwrap().1);
                assert_eq!((world.peer_count(0), world.peer_count(1)), (1, 1));
                assert_ne!(
                    zero.direction, one.direction,
                    "both ends of the same connection"
                );
                let higher = if world.id(0) > world.id(1) { zero } else { one };
                assert_eq!(higher.direction, crate::peer::Direction::Outbound);
                world.pass(60 * SECOND);
                assert_eq!((world.peer_count(0), world.peer_count(1)), (1, 1));
            }
        }
    }
}

#[test]
fn persistent_peers_that_list_each_other_settle_on_one_connection() {
    let mut world = World::new();
    for (other, shards) in [(2, 2), (1, 1)] {
        let mut plan = persistent_to(address(other, other));
        plan.shards = shards;
        plan.config.dial_jitter = Duration::from_secs(3);
        world.add(plan);
    }
    world.pass(120 * SECOND);
    assert_eq!((world.peer_count(0), world.peer_count(1)), (1, 1));
    let removed = |event: &&Event| matches!(event, Event::PeerRemoved { .. });
    assert!(
        world
            .nodes
            .iter()
            .all(|node| node.events.iter().filter(removed).count() <= 1)
    );
}

#[test]
fn a_stopped_persistent_peer_stays_stopped() {
    let mut world = World::new();
    world.add(persistent_to(address(2, 2)));
    world.add(Plan::default());
    world.pass(20 * SECOND);
    assert_eq!(world.peer_count(0), 1);
    let peer = world.id(1);
    world.command(0, 0, Command::StopPeer { peer });
    world.pass(600 * SECOND);
    assert_eq!(world.peer_count(0), 0);
}
