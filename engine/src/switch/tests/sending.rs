//! Sending in the world: room, waiting, deadlines, backpressure, flushing, broadcasts.

use std::time::Duration;

use bytes::Bytes;

use super::world::{CHANNEL, Plan, World};
use crate::error::{SendError, TrySendError};
use crate::switch::*;

/// The recording reactor's `send_queue_capacity`.
const QUEUE: usize = 4;

fn pair() -> World {
    let mut world = World::of(2, || {
        let mut plan = Plan::default();
        (plan.config.send_rate, plan.config.recv_rate) = (0, 0);
        plan
    });
    world.connect(0, 1);
    world
}

fn send_replies(world: &mut World) -> Vec<(u64, Result<(), SendError>)> {
    let of = |(token, reply): (ReplyToken, Reply)| match reply {
        Reply::Send(outcome) => (token.0, outcome),
        Reply::Dial(outcome) => panic!("no dial was asked for: {outcome:?}"),
    };
    world.take_replies(0).into_iter().map(of).collect()
}

#[test]
fn sends_beyond_the_queue_wait_and_go_in_order() {
    let mut world = pair();
    let count = 20 * QUEUE as u64;
    for n in 0..count {
        world.send(0, 1, n.to_string().as_bytes(), Some(n));
    }
    world.settle();
    let replies = send_replies(&mut world);
    assert!(replies.iter().all(|(_, outcome)| outcome.is_ok()));
    assert!(replies.iter().map(|(token, _)| *token).eq(0..count));
    let received = world.nodes[1]
        .deliveries
        .iter()
        .map(|delivery| delivery.message.clone());
    assert!(received.eq((0..count).map(|n| Bytes::from(n.to_string()))));
}

#[test]
fn a_send_that_finds_no_room_until_its_deadline_is_answered_with_timeout() {
    let mut world = pair();
    let mut plan = Plan::default();
    plan.config.send_rate = 1;
    let slow = world.add(plan);
    world.connect(slow, 1);
    for n in 0..40 {
        world.send(slow, 1, &[0; 100_000], Some(n));
    }
    world.pass(Duration::from_secs(4));
    let early = world.take_replies(slow).len();
    world.pass(Duration::from_secs(2));
    let late = world.take_replies(slow);
    assert_eq!(early + late.len(), 40);
    assert!(!late.is_empty());
    assert!(
        late.iter()
            .all(|(_, reply)| matches!(reply, Reply::Send(Err(SendError::Timeout))))
    );
}

#[test]
fn sends_that_wait_when_the_peer_goes_are_answered_with_closed() {
    let mut world = World::new();
    let mut plan = Plan::default();
    plan.config.send_rate = 1;
    world.add(plan);
    world.add(Plan::default());
    world.connect(0, 1);
    for n in 0..10 {
        world.send(0, 1, &[0; 100_000], Some(n));
    }
    world.settle();
    let taken = send_replies(&mut world).len();
    world.cut(0, 1);
    world.settle();
    let closed = send_replies(&mut world);
    assert_eq!(taken + closed.len(), 10);
    assert!(
        closed
            .iter()
            .all(|(_, outcome)| *outcome == Err(SendError::Closed))
    );
}

#[test]
fn a_send_that_was_accepted_already_is_kept_however_many_wait() {
    let mut world = World::new();
    let mut plan = Plan::default();
    plan.config.send_rate = 1;
    world.add(plan);
    world.add(Plan::default());
    world.connect(0, 1);
    let fit = (QUEUE + WAITING_SENDS_MAX) as u64;
    for n in 0..fit {
        world.send(0, 1, b"x", Some(n));
    }
    let (shard, _) = world.find(0, 1).unwrap();
    let accepted = Command::Send {
        peer: world.id(1),
        channel: CHANNEL,
        message: Bytes::from_static(b"accepted"),
        timeout: None,
        token: None,
    };
    world.command(0, shard, accepted);
    world.pass(Duration::from_secs(6));
    world.command(
        0,
        shard,
        Command::Shutdown {
            within: Duration::from_secs(10),
        },
    );
    world.settle();
    let last = world.nodes[1].deliveries.last().expect("what was queued");
    assert_eq!(last.message, "accepted");
}

#[test]
fn peers_are_not_pulled_while_the_lanes_to_other_shards_are_full() {
    let mut world = pair();
    let (shard, _) = world.find(1, 0).unwrap();
    world.nodes[1].shards[shard].handle_congestion(true);
    assert!(!world.nodes[1].shards[shard].has_room_to_publish(CHANNEL));
    world.send(0, 1, b"later", None);
    world.settle();
    assert!(world.nodes[1].deliveries.is_empty());
    world.nodes[1].shards[shard].handle_congestion(false);
    world.settle();
    assert_eq!(world.nodes[1].deliveries.len(), 1);
    assert!(world.nodes[1].shards[shard].has_room_to_publish(CHANNEL));
}

#[test]
fn peers_that_are_not_pulled_give_their_chunks_back_when_there_are_none_left() {
    let mut world = pair();
    world.nodes[1].takes_deliveries = false;
    let (shard, _) = world.find(1, 0).unwrap();
    // Nobody takes messages, so bytes pile up in the connection.
    for _ in 0..DELIVERY_MESSAGES_MAX + 200 {
        world.send(0, 1, &[7; 4000], None);
        world.settle();
    }
    let joins = |world: &World| {
        let (_, status) = world.nodes[1].shards[shard].peers(world.now).remove(0);
        assert!(status.recv_backlog_bytes > 0);
        status.counters.joins
    };
    let before = joins(&world);
    let pool = world.nodes[1].shards[shard].pool();
    let _taken: Vec<_> = std::iter::from_fn(|| pool.take_chunk()).collect();
    world.settle();
    assert_eq!(joins(&world), before + 1, "one copy of all that waits");
}

#[test]
fn one_send_more_than_may_wait_is_answered_full() {
    let mut world = World::new();
    let mut plan = Plan::default();
    plan.config.send_rate = 1;
    world.add(plan);
    world.add(Plan::default());
    world.connect(0, 1);
    let fit = (QUEUE + WAITING_SENDS_MAX) as u64;
    for n in 0..=fit {
        world.send(0, 1, b"x", Some(n));
    }
    let replies = {
        let (shard, _) = world.find(0, 1).unwrap();
        let switch = &mut world.nodes[0].shards[shard];
        std::iter::from_fn(|| switch.poll_output())
            .filter_map(|output| match output {
                Output::Reply {
                    token,
                    reply: Reply::Send(Err(error)),
                } => Some((token, error)),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].0, ReplyToken(fit));
    assert!(matches!(
        replies[0].1,
        SendError::Refused(TrySendError::Full(_))
    ));
}

#[test]
fn a_send_to_nobody_hands_the_message_back() {
    let mut world = World::of(2, Plan::default);
    let command = Command::Send {
        peer: world.id(1),
        channel: CHANNEL,
        message: Bytes::from_static(b"hi"),
        timeout: None,
        token: Some(ReplyToken(1)),
    };
    world.command(0, 0, command);
    world.settle();
    let refused = SendError::Refused(TrySendError::NotConnected(Bytes::from_static(b"hi")));
    assert_eq!(send_replies(&mut world), [(1, Err(refused))]);
}

// Promise 3 of the design: a full queue slows its own peers down and loses nothing.
#[test]
fn a_slow_application_pushes_back_and_loses_nothing() {
    let mut world = pair();
    world.nodes[1].takes_deliveries = false;
    let count = 3 * DELIVERY_MESSAGES_MAX as u64 / 2;
    for n in 0..count {
        world.send(0, 1, &n.to_le_bytes(), None);
        if n % 64 == 0 {
            world.settle();
        }
    }
    world.settle();
    let received = world.nodes[1].shards[0].metrics().channels[0].received_messages;
    assert_eq!(received, DELIVERY_MESSAGES_MAX as u64);
    world.nodes[1].takes_deliveries = true;
    world.settle();
    let numbers = world.nodes[1]
        .deliveries
        .iter()
        .map(|delivery| delivery.message.clone());
    assert!(numbers.eq((0..count).map(|n| Bytes::copy_from_slice(&n.to_le_bytes()))));
}

// Conformance item 1.
#[test]
fn what_was_accepted_is_sent_before_a_stopped_peer_is_closed() {
    for shutdown in [false, true] {
        let mut world = pair();
        world.recv_max = 1000;
        for n in 0..50_u8 {
            world.send(0, 1, &vec![n; 10_000], Some(u64::from(n)));
        }
        let command = if shutdown {
            Command::Shutdown {
                within: Duration::from_secs(9),
            }
        } else {
            Command::StopPeer { peer: world.id(1) }
        };
        world.command(0, 0, command);
        world.settle();
        assert_eq!(world.nodes[1].deliveries.len(), 50);
        assert_eq!(world.peer_count(0), 0);
        assert_eq!(world.peer_count(1), 0);
    }
}

#[test]
fn a_broadcast_reaches_the_peers_of_one_shard() {
    let mut world = World::of(5, || Plan {
        shards: 2,
        ..Plan::default()
    });
    for peer in 1..5 {
        world.connect(0, peer);
    }
    for shard in 0..2 {
        let message = Bytes::from(format!("from shard {shard}"));
        world.command(
            0,
            shard,
            Command::Broadcast {
                channel: CHANNEL,
                message,
            },
        );
    }
    world.settle();
    assert!((1..5).all(|peer| world.nodes[peer].deliveries.len() == 1));
}

#[test]
fn publishing_on_a_plain_channel_reaches_the_peers_of_all_shards() {
    let mut world = World::of(5, || Plan {
        shards: 2,
        ..Plan::default()
    });
    for peer in 1..5 {
        world.connect(0, peer);
    }
    let message = Bytes::from_static(b"to all");
    world.command(
        0,
        1,
        Command::Publish {
            channel: CHANNEL,
            message,
        },
    );
    world.settle();
    assert!((1..5).all(|peer| world.nodes[peer].deliveries.len() == 1));
}

#[test]
fn gauges_show_a_queue_filling_and_empty_again() {
    let mut world = pair();
    for _ in 0..3 {
        world.send(0, 1, b"x", None);
    }
    let switch = &mut world.nodes[0].shards[0];
    let gauge = switch.poll_gauge().unwrap();
    assert_eq!((gauge.channel, gauge.queued), (CHANNEL, 3));
    assert_eq!(switch.poll_gauge(), None);
    switch.run(world.now);
    assert_eq!(switch.poll_gauge().unwrap().queued, 0);
}
