//! Peers come, talk and go.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::error::{CloseReason, EarlyStep, NetworkError, SendError, TrySendError};
use ringwire_core::metrics::Metrics;
use ringwire_core::peer::{Direction, Framing, PeerInfo, ShardId};
use ringwire_core::reactor::erase;
use ringwire_core::switch::{Command, Filters, PeerFilter, Reply, ReplyToken};
use ringwire_sim::{Chunking, LinkProfile, Scenario};

use crate::support::{
    BULK, CHAT, NOBODY, SOON, channel, connect_all, for_seeds, pair, removals, total,
};

// Conformance item 61.
#[test]
fn three_nodes_make_a_full_mesh() {
    for_seeds("three_nodes_make_a_full_mesh", 20, |seed| {
        let scenario = Scenario::new(seed)
            .nodes(3)
            .shards_up_to(4)
            .channel(channel(CHAT, 1));
        let mut world = scenario.full_mesh().build();
        connect_all(&mut world, &[(0, 1), (0, 2), (1, 2)]);
        world.run_for(SOON);
        assert_eq!(world.peers_of(0), [1, 2]);
        assert_eq!(world.peers_of(1), [0, 2]);
        assert_eq!(world.peers_of(2), [0, 1]);
    });
}

// Conformance items 20 and 35.
#[test]
fn messages_of_any_size_arrive_whole_and_in_order_whatever_the_reads() {
    for_seeds(
        "messages_of_any_size_arrive_whole_and_in_order_whatever_the_reads",
        12,
        |seed| {
            let chunking = [Chunking::Whole, Chunking::Random(3), Chunking::Random(5000)];
            let mut profile = LinkProfile::lan();
            profile.chunking = chunking[seed as usize % 3];
            let wide = seed % 2 == 0;
            let scenario = pair(seed)
                .link(profile)
                .config(move |_, config| config.wide_records = wide);
            let mut world = scenario.build();
            connect_all(&mut world, &[(0, 1)]);
            let sizes = [
                0, 1, 100, 1023, 1024, 1025, 4095, 4096, 20_000, 65_536, 70_000,
            ];
            for size in sizes {
                assert!(world.send(0, 1, CHAT, size) && world.send(1, 0, CHAT, size));
            }
            world.run_for(SOON);
            let all = (sizes.len() as u64, sizes.len() as u64);
            assert_eq!(world.ledger().direct(0, 1, CHAT), all);
            assert_eq!(world.ledger().direct(1, 0, CHAT), all);
        },
    );
}

// Conformance item 60.
#[test]
fn a_dial_connects_and_says_whom() {
    for_seeds("a_dial_connects_and_says_whom", 20, |seed| {
        let scenario = Scenario::new(seed)
            .nodes(4)
            .shards_up_to(3)
            .channel(channel(CHAT, 1));
        let mut world = scenario.build();
        let tokens = [1, 2, 3].map(|to| world.dial(0, to, false));
        connect_all(&mut world, &[(0, 1), (0, 2), (0, 3)]);
        world.run_for(Duration::from_secs(1));
        for (token, to) in tokens.into_iter().zip(1..) {
            let id = world.id_of(to);
            assert!(matches!(world.reply(token), Some(Reply::Dial(Ok(peer))) if *peer == id));
        }
    });
}

#[test]
fn a_dial_that_the_other_side_refuses_says_so_and_nothing_can_be_sent() {
    for_seeds(
        "a_dial_that_the_other_side_refuses_says_so_and_nothing_can_be_sent",
        12,
        |seed| {
            let is_wide = seed % 2 == 0;
            let no: PeerFilter = Arc::new(|_: &PeerInfo| Err(String::from("not that one")));
            let scenario = Scenario::new(seed)
                .nodes(2)
                .shards_up_to(3)
                .channel(channel(CHAT, 1))
                .config(move |_, config| config.wide_records = is_wide)
                .filters(move |node| Filters {
                    peer: (node == 1).then(|| no.clone()).into_iter().collect(),
                    ..Filters::default()
                });
            let mut world = scenario.build();
            let token = world.dial(0, 1, false);
            world.run_for(SOON);
            let reason = match world.reply(token) {
                Some(Reply::Dial(Err(reason))) => reason.clone(),
                reply => panic!("{reply:?}"),
            };
            let is_told = match (&reason, is_wide) {
                (CloseReason::Goodbye(_), true) => true,
                (CloseReason::Network(NetworkError::ClosedEarly { step, .. }), false) => {
                    *step == EarlyStep::Admission
                }
                _ => false,
            };
            assert!(is_told, "{reason:?}");
            let token = ReplyToken(77);
            let send = Command::Send {
                peer: world.id_of(1),
                channel: CHAT,
                message: Bytes::from_static(b"x"),
                timeout: None,
                token: Some(token),
            };
            world.command(0, ShardId::COORDINATOR, send);
            world.run_for(Duration::from_secs(1));
            let refused = SendError::Refused(TrySendError::NotConnected(Bytes::from_static(b"x")));
            let Some(Reply::Send(Err(error))) = world.reply(token) else {
                panic!("it was taken");
            };
            assert_eq!(*error, refused);
        },
    );
}

#[test]
fn a_dial_is_answered_when_the_other_side_has_said_something() {
    for wide in [true, false] {
        let mut profile = LinkProfile::lan();
        profile.latency = Duration::from_millis(100);
        let mut world = Scenario::new(7)
            .shards(2)
            .link(profile)
            .channel(channel(CHAT, 1))
            .config(move |_, config| config.wide_records = wide)
            .build();
        let token = world.dial(0, 1, false);
        assert!(world.run_until(SOON, |world| world.peers_of(0) == [1]));
        assert!(world.reply(token).is_none(), "it may yet be refused");
        assert!(world.run_until(SOON, |world| world.reply(token).is_some()));
        assert!(matches!(world.reply(token), Some(Reply::Dial(Ok(_)))));
        assert!(world.are_connected(0, 1));
    }
}

#[test]
fn a_dial_that_nobody_takes_is_answered_with_the_reason() {
    let mut world = Scenario::new(2).shards(3).channel(channel(CHAT, 1)).build();
    world.crash(1, SOON);
    let token = world.dial(0, 1, false);
    world.run_for(Duration::from_secs(1));
    let reply = world.reply(token);
    let Some(Reply::Dial(Err(CloseReason::Network(error)))) = reply else {
        panic!("{reply:?}");
    };
    assert!(
        matches!(
            error,
            NetworkError::Io {
                operation: "connect",
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_peer_knows_who_dialed_and_how() {
    let mut world = Scenario::new(3).channel(channel(CHAT, 1)).build();
    world.dial(0, 1, false);
    connect_all(&mut world, &[(0, 1)]);
    let dialed = world.peer(0, 1).expect("connected");
    let accepted = world.peer(1, 0).expect("connected");
    assert_eq!(
        (dialed.direction, accepted.direction),
        (Direction::Outbound, Direction::Inbound)
    );
    assert_eq!(dialed.framing, Framing::Wide);
    assert!(!dialed.persistent);
}

#[test]
fn nodes_without_the_extension_talk_comet_frames() {
    let scenario = Scenario::new(4)
        .channel(channel(CHAT, 1))
        .config(|node, config| config.wide_records = node != 0);
    let mut world = scenario.build();
    world.dial(0, 1, false);
    connect_all(&mut world, &[(0, 1)]);
    world.send(0, 1, CHAT, 5000);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.peer(0, 1).expect("connected").framing, Framing::Comet);
    assert_eq!(world.received(1)[0].bytes, 5000);
}

#[test]
fn peers_spread_over_the_shards_of_a_node() {
    let scenario = Scenario::new(5)
        .nodes(7)
        .shards(3)
        .channel(channel(CHAT, 1));
    let mut world = scenario.build();
    for peer in 1..7 {
        world.dial(peer, 0, false);
        connect_all(&mut world, &[(peer, 0)]);
    }
    let per_shard = world.switches(0).map(|switch| switch.metrics().peers);
    assert!(per_shard.eq([2, 2, 2]));
    for peer in 1..7 {
        assert!(world.send(peer, 0, CHAT, 100) && world.send(0, peer, CHAT, 100));
    }
    world.run_for(Duration::from_secs(1));
    for peer in 1..7 {
        assert_eq!(world.ledger().direct(peer, 0, CHAT), (1, 1));
        assert_eq!(world.ledger().direct(0, peer, CHAT), (1, 1));
    }
}

#[test]
fn a_host_name_is_dialed_where_it_resolves_to_and_an_unknown_one_fails() {
    let mut world = Scenario::new(1).nodes(2).channel(channel(CHAT, 1)).build();
    world.set_name("seed.example.org", 1);
    let dial = |host: &str, token| {
        let id = ringwire_sim::net_address(1, 1).id;
        let address = format!("{id}@{host}:26656").parse().expect("an address");
        Command::Dial {
            address,
            persistent: false,
            token: Some(ReplyToken(token)),
        }
    };
    world.command(0, ShardId::COORDINATOR, dial("nowhere.example.org", 901));
    world.run_for(SOON);
    assert!(matches!(
        world.reply(ReplyToken(901)),
        Some(Reply::Dial(Err(CloseReason::Network(_))))
    ));
    world.command(0, ShardId::COORDINATOR, dial("seed.example.org", 902));
    connect_all(&mut world, &[(0, 1)]);
}

// Conformance item 35.
#[test]
fn sending_on_a_channel_the_peer_lacks_is_a_typed_error() {
    let mut world = Scenario::new(3)
        .channel(channel(CHAT, 1))
        .reactor("bulk", |node, _| {
            let channels = if node == 0 {
                vec![channel(BULK, 1)]
            } else {
                Vec::new()
            };
            erase(ringwire_core::switch::AppChannels::new(channels))
        })
        .edge(0, 1)
        .build();
    connect_all(&mut world, &[(0, 1)]);
    let shard = world.home_of(0, 1).expect("connected");
    let token = ReplyToken(77);
    let send = |channel| Command::Send {
        peer: ringwire_sim::net_address(3, 1).id,
        channel,
        message: Bytes::from_static(b"x"),
        timeout: None,
        token: Some(token),
    };
    for channel in [BULK, ChannelId(0x55), CHAT] {
        world.command(0, shard, send(channel));
    }
    world.run_for(Duration::from_secs(1));
    let outcomes = world
        .replies()
        .iter()
        .filter_map(|(of, reply)| match reply {
            Reply::Send(outcome) if *of == token => Some(outcome.clone()),
            _ => None,
        });
    let refused = |error| Err(SendError::Refused(error));
    let expected = [
        refused(TrySendError::PeerLacksChannel(BULK)),
        refused(TrySendError::UnknownChannel(ChannelId(0x55))),
        Ok(()),
    ];
    assert_eq!(outcomes.collect::<Vec<_>>(), expected);
    assert!(world.are_connected(0, 1), "nothing reached the peer");
}

// Conformance items 9, 55 and 56.
#[test]
fn a_peer_whose_socket_is_lost_is_removed_exactly_once_on_both_sides() {
    for_seeds(
        "a_peer_whose_socket_is_lost_is_removed_exactly_once",
        30,
        |seed| {
            let scenario = Scenario::new(seed)
                .nodes(2)
                .shards_up_to(3)
                .channel(channel(CHAT, 1));
            let mut world = scenario.build();
            world.dial(0, 1, false);
            connect_all(&mut world, &[(0, 1)]);
            (0..50).for_each(|_| {
                world.send(0, 1, CHAT, 3000);
            });
            world.reset_between(0, 1);
            world.run_for(SOON);
            for node in 0..2 {
                assert_eq!(removals(&world, node).len(), 1, "node {node}");
                assert_eq!(world.peers_of(node), NOBODY);
                assert_eq!(world.open_links(node), 0, "node {node} leaks a socket");
                let count = |figure: fn(&Metrics) -> u64| total(&world, node, figure);
                assert_eq!(count(|figures| figures.peers), 0);
                assert_eq!(count(|figures| figures.peers_added), 1);
                assert_eq!(count(|figures| figures.peers_removed), 1);
            }
        },
    );
}

// Conformance item 1.
#[test]
fn a_shutdown_sends_what_was_accepted_and_leaves_nothing_open() {
    for_seeds(
        "a_shutdown_sends_what_was_accepted_and_leaves_nothing_open",
        30,
        |seed| {
            let mut world = pair(seed)
                .link(LinkProfile::wan().at_speed(1_000_000))
                .build();
            connect_all(&mut world, &[(0, 1)]);
            (0..30).for_each(|_| {
                world.send(0, 1, CHAT, 10_000);
            });
            world.run_for(Duration::from_millis(1));
            world.shutdown(0, Duration::from_secs(10));
            world.run_for(SOON);
            assert!(world.has_stopped(0));
            assert_eq!(world.open_links(0), 0);
            assert_eq!(world.ledger().direct(0, 1, CHAT), (30, 30));
        },
    );
}

#[test]
fn shutdown_ends_at_its_deadline_even_if_nobody_reads() {
    let mut world = pair(4).build();
    connect_all(&mut world, &[(0, 1)]);
    world.set_consuming(1, false);
    world.partition(&[vec![0], vec![1]]);
    let within = Duration::from_secs(5);
    world.shutdown(0, within);
    // A shard has its turn a few microseconds after its deadline.
    assert!(world.run_until(within + Duration::from_millis(1), |world| {
        world.has_stopped(0)
    }));
}

#[test]
fn a_node_that_stops_is_noticed_and_refuses_new_connections() {
    let mut world = pair(5).build();
    connect_all(&mut world, &[(0, 1)]);
    world.shutdown(0, Duration::from_secs(5));
    world.run_for(SOON);
    assert_eq!(world.peers_of(1), NOBODY);
    assert_eq!(removals(&world, 1).len(), 1);
}

// Conformance item 1.
#[test]
fn a_stopped_peer_gets_what_was_queued_and_is_not_dialed_again() {
    let mut world = pair(6).build();
    connect_all(&mut world, &[(0, 1)]);
    (0..20).for_each(|_| {
        world.send(1, 0, CHAT, 5000);
    });
    world.run_for(Duration::from_millis(1));
    let home = world.home_of(1, 0).expect("connected");
    let peer = world.id_of(0);
    world.command(1, home, Command::StopPeer { peer });
    world.run_for(Duration::from_secs(120));
    assert_eq!(world.ledger().direct(1, 0, CHAT), (20, 20));
    assert_eq!(world.peers_of(1), NOBODY);
}
