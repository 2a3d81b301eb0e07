//! Sending: room, waiting, deadlines, backpressure, broadcasts.

use std::time::Duration;

use bytes::Bytes;
use ringwire_core::config::Config;
use ringwire_core::error::{SendError, TrySendError};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{ChannelDescriptor, PublishOptions};
use ringwire_core::switch::{
    Command, DELIVERY_MESSAGES_MAX, Event, Reply, ReplyToken, WAITING_SENDS_MAX,
};
use ringwire_sim::{Scenario, World};

use crate::support::{CHAT, channel, connect_all, post, refusals, removals, total};

/// Messages that the chat channel's queue holds in these tests.
const QUEUE: usize = 4;
/// A message of which a slow sender sends few.
const LARGE: Bytes = Bytes::from_static(&[0; 100_000]);
/// Nothing is fast enough to be waited for longer, but for rates and deadlines.
const MOMENT: Duration = Duration::from_secs(1);

/// Two connected nodes with a short queue; node 0 sends so many bytes in a second, zero for no
/// limit.
fn pair(send_rate: u64) -> World {
    let short = ChannelDescriptor {
        send_queue_capacity: QUEUE,
        ..ChannelDescriptor::new(CHAT, 5)
    };
    let scenario = Scenario::new(1).channel(short).config(move |node, config| {
        if node == 0 {
            config.send_rate = send_rate;
        }
    });
    let mut world = scenario.build();
    world.dial(0, 1, false);
    connect_all(&mut world, &[(0, 1)]);
    world
}

/// Posts messages from node 0 to node 1 under the tokens from zero; none is used by the world's
/// own dial, which is answered before.
fn post_all(world: &mut World, messages: impl Iterator<Item = Bytes>) {
    for (token, message) in (0..).zip(messages) {
        post(world, 0, 1, message, ReplyToken(token));
    }
}

/// What became of the sends so far, in the order in which that was known.
fn outcomes(world: &World) -> Vec<(u64, Result<(), SendError>)> {
    let of_send = |(token, reply): &(ReplyToken, Reply)| match reply {
        Reply::Send(outcome) => Some((token.0, outcome.clone())),
        _ => None,
    };
    world.replies().iter().filter_map(of_send).collect()
}

#[test]
fn sends_beyond_the_queue_wait_and_go_in_order() {
    let mut world = pair(0);
    let count = 20 * QUEUE as u64;
    let texts = || (0..count).map(|n| Bytes::from(n.to_string()));
    post_all(&mut world, texts());
    world.run_for(MOMENT);
    assert!(
        outcomes(&world)
            .into_iter()
            .eq((0..count).map(|n| (n, Ok(()))))
    );
    let received = world.received(1).iter().map(|message| message.digest);
    assert!(received.eq(texts().map(|text| *blake3::hash(&text).as_bytes())));
}

#[test]
fn a_send_that_finds_no_room_until_its_deadline_is_answered_with_timeout() {
    let mut world = pair(1);
    post_all(&mut world, std::iter::repeat_n(LARGE, 40));
    world.run_for(Duration::from_secs(4));
    let early = outcomes(&world).len();
    world.run_for(Duration::from_secs(2));
    let all = outcomes(&world);
    assert!(all.len() == 40 && early < 40);
    let gives_back = |outcome: &Result<(), SendError>| matches!(outcome, Err(SendError::Timeout(message)) if *message == LARGE);
    assert!(all[early..].iter().all(|(_, outcome)| gives_back(outcome)));
}

#[test]
fn sends_that_wait_when_the_peer_goes_are_answered_with_closed() {
    let mut world = pair(1);
    post_all(&mut world, std::iter::repeat_n(LARGE, 10));
    world.run_for(MOMENT);
    let taken = outcomes(&world).len();
    world.reset_between(0, 1);
    world.run_for(MOMENT);
    let all = outcomes(&world);
    assert!(all.len() == 10 && taken < 10);
    let closed = Err(SendError::Closed);
    assert!(all[taken..].iter().all(|(_, outcome)| *outcome == closed));
}

#[test]
fn a_send_that_was_accepted_already_is_kept_however_many_wait() {
    let mut world = pair(1);
    let fit = QUEUE + WAITING_SENDS_MAX;
    post_all(
        &mut world,
        std::iter::repeat_n(Bytes::from_static(b"x"), fit),
    );
    let message = Bytes::from_static(b"accepted");
    let accepted = Command::Send {
        peer: world.id_of(1),
        channel: CHAT,
        message: message.clone(),
        timeout: None,
        token: None,
    };
    world.command(0, ShardId::COORDINATOR, accepted);
    world.run_for(Duration::from_secs(6));
    world.shutdown(0, Duration::from_secs(10));
    world.run_for(MOMENT);
    let last = world.received(1).last().expect("what was queued");
    assert_eq!(last.digest, *blake3::hash(&message).as_bytes());
}

#[test]
fn peers_are_not_pulled_while_the_lanes_to_other_shards_are_full() {
    let mut world = pair(0);
    let home = ShardId::COORDINATOR;
    let has_room = |world: &World| world.switch(1, home).has_room_to_publish(CHAT);
    world.with_switch(1, home, |switch| switch.handle_congestion(true));
    assert!(!has_room(&world));
    world.send(0, 1, CHAT, 0);
    world.run_for(MOMENT);
    assert!(world.received(1).is_empty());
    world.with_switch(1, home, |switch| switch.handle_congestion(false));
    world.run_for(MOMENT);
    assert_eq!(world.received(1).len(), 1);
    assert!(has_room(&world));
}

#[test]
fn peers_that_are_not_pulled_give_their_chunks_back_when_there_are_none_left() {
    let mut world = pair(0);
    let home = ShardId::COORDINATOR;
    world.set_consuming(1, false);
    // Nobody takes messages, so bytes pile up in the connection.
    for _ in 0..DELIVERY_MESSAGES_MAX + 200 {
        world.send(0, 1, CHAT, 4000);
        world.run_for(Duration::from_millis(1));
    }
    let joins = |world: &World| {
        let (_, status) = world.switch(1, home).peers(world.now()).remove(0);
        assert!(status.recv_backlog_bytes > 0);
        status.counters.joins
    };
    let before = joins(&world);
    let _taken: Vec<_> = world.with_switch(1, home, |switch| {
        std::iter::from_fn(|| switch.pool().take_chunk()).collect()
    });
    world.run_for(MOMENT);
    assert_eq!(joins(&world), before + 1, "one copy of all that waits");
}

#[test]
fn a_channel_without_a_subscriber_that_holds_its_peers_back_is_told_once() {
    let mut world = pair(0);
    world.set_consuming(1, false);
    for _ in 0..DELIVERY_MESSAGES_MAX + 200 {
        world.send(0, 1, CHAT, 0);
        world.run_for(Duration::from_millis(1));
    }
    let told = |world: &World| -> Vec<_> {
        let told = world.events(1).filter_map(|event| match event {
            Event::ChannelHeldBack {
                channel,
                peer,
                waiting,
                has_subscriber,
            } => Some((*channel, *peer, *waiting, *has_subscriber)),
            _ => None,
        });
        told.collect()
    };
    assert_eq!(told(&world), [], "it may come in a moment");
    world.run_for(Duration::from_secs(60));
    let expected = (CHAT, world.id_of(0), DELIVERY_MESSAGES_MAX, false);
    assert_eq!(told(&world), [expected]);
    let waiting = |world: &World| {
        total(world, 1, |figures| {
            figures.channels[0].waiting_for_subscriber
        })
    };
    assert_eq!(waiting(&world), DELIVERY_MESSAGES_MAX as u64);
    world.with_switch(1, ShardId::COORDINATOR, |switch| {
        switch.handle_subscribed(CHAT)
    });
    assert_eq!(waiting(&world), 0);
}

#[test]
fn a_peer_whose_socket_ended_is_let_go_although_nobody_takes_its_messages() {
    let mut world = pair(0);
    world.set_consuming(1, false);
    for _ in 0..DELIVERY_MESSAGES_MAX + 200 {
        world.send(0, 1, CHAT, 0);
        world.run_for(Duration::from_millis(1));
    }
    world.take_down(0);
    let pong_timeout = Config::default().pong_timeout;
    world.run_for(pong_timeout - MOMENT);
    assert_eq!(
        world.peers_of(1),
        [0],
        "what it had sent may still be taken"
    );
    world.run_for(MOMENT * 2);
    assert_eq!(removals(&world, 1).len(), 1);
    // Its place and its id are free.
    world.bring_up(0);
    world.dial(0, 1, false);
    connect_all(&mut world, &[(0, 1)]);
    assert_eq!(refusals(&world, 1), []);
    let metrics = world.switch(1, ShardId::COORDINATOR).metrics();
    assert_eq!(metrics.recv_held_bytes, 0);
}

#[test]
fn one_send_more_than_may_wait_is_answered_full() {
    let mut world = pair(1);
    let fit = QUEUE + WAITING_SENDS_MAX;
    post_all(
        &mut world,
        std::iter::repeat_n(Bytes::from_static(b"x"), fit + 1),
    );
    world.run_for(Duration::from_millis(1));
    let mut failed = outcomes(&world);
    failed.retain(|(_, outcome)| outcome.is_err());
    let full = SendError::Refused(TrySendError::Full(Bytes::from_static(b"x")));
    assert_eq!(failed, [(fit as u64, Err(full))]);
}

#[test]
fn a_send_to_nobody_hands_the_message_back() {
    let mut world = Scenario::new(2).channel(channel(CHAT, 1)).build();
    let message = Bytes::from_static(b"hi");
    let send = Command::Send {
        peer: world.id_of(1),
        channel: CHAT,
        message: message.clone(),
        timeout: None,
        token: Some(ReplyToken(1)),
    };
    world.command(0, ShardId::COORDINATOR, send);
    world.run_for(MOMENT);
    let refused = SendError::Refused(TrySendError::NotConnected(message));
    assert_eq!(outcomes(&world), [(1, Err(refused))]);
}

// Promise 3 of the design: a full queue slows its own peers down and loses nothing.
#[test]
fn a_slow_application_pushes_back_and_loses_nothing() {
    let mut world = pair(0);
    world.set_consuming(1, false);
    let count = 3 * DELIVERY_MESSAGES_MAX as u64 / 2;
    for n in 0..count {
        world.send(0, 1, CHAT, 0);
        if n % 64 == 0 {
            world.run_for(Duration::from_millis(10));
        }
    }
    world.run_for(MOMENT);
    let received = total(&world, 1, |figures| figures.channels[0].received_messages);
    assert_eq!(received, DELIVERY_MESSAGES_MAX as u64);
    world.set_consuming(1, true);
    world.run_for(MOMENT);
    assert_eq!(world.ledger().direct(0, 1, CHAT), (count, count));
}

/// Node 0, of two shards, connected to four others.
fn star() -> World {
    let scenario = Scenario::new(3)
        .nodes(5)
        .shards(2)
        .channel(channel(CHAT, 1));
    let mut world = scenario.build();
    (1..5).for_each(|peer| {
        world.dial(0, peer, false);
    });
    connect_all(&mut world, &[(0, 1), (0, 2), (0, 3), (0, 4)]);
    world
}

fn each_has_one(world: &World) -> bool {
    (1..5).all(|peer| world.received(peer).len() == 1)
}

#[test]
fn a_broadcast_reaches_the_peers_of_one_shard() {
    let mut world = star();
    for shard in [ShardId(0), ShardId(1)] {
        let broadcast = Command::Broadcast {
            channel: CHAT,
            message: Bytes::from(format!("from {shard:?}")),
        };
        world.command(0, shard, broadcast);
    }
    world.run_for(MOMENT);
    assert!(each_has_one(&world));
}

#[test]
fn publishing_on_a_plain_channel_reaches_the_peers_of_all_shards() {
    let mut world = star();
    let publish = Command::Publish {
        channel: CHAT,
        message: Bytes::from_static(b"to all"),
        options: PublishOptions::default(),
    };
    world.command(0, ShardId(1), publish);
    world.run_for(MOMENT);
    assert!(each_has_one(&world));
}

#[test]
fn gauges_show_a_queue_filling_and_empty_again() {
    let mut world = pair(0);
    world.partition(&[vec![0], vec![1]]);
    post_all(&mut world, std::iter::repeat_n(LARGE, 20));
    world.run_for(MOMENT);
    assert_eq!(world.queued(0, 1, CHAT), Some(QUEUE));
    world.partition(&[]);
    world.run_for(MOMENT);
    assert_eq!(world.queued(0, 1, CHAT), Some(0));
}
