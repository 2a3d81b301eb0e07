//! How a connection becomes a peer and ceases to be one.

use std::time::Duration;

use super::world::{CHANNEL, Plan, World};
use crate::error::{CloseReason, Reject};
use crate::metrics::Metrics;
use crate::peer::Direction;
use crate::switch::*;

fn pair(shards: u16) -> World {
    World::of(2, || Plan {
        shards,
        ..Plan::default()
    })
}

fn refusals(world: &World, node: usize) -> Vec<CloseReason> {
    let reason = |event: &Event| match event {
        Event::ConnectionRefused { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    world.nodes[node].events.iter().filter_map(reason).collect()
}

fn removals(world: &World, node: usize) -> Vec<CloseReason> {
    let reason = |event: &Event| match event {
        Event::PeerRemoved { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    world.nodes[node].events.iter().filter_map(reason).collect()
}

fn metrics(world: &World, node: usize) -> Metrics {
    world.nodes[node].shards[0].metrics()
}

// Conformance items 40, 50 and 60.
#[test]
fn two_nodes_connect_and_their_messages_arrive_whole() {
    for shards in [1, 3] {
        for recv_max in [64 * 1024, 700, 1] {
            let mut world = pair(shards);
            world.recv_max = recv_max;
            world.connect(0, 1);
            assert_eq!((world.peer_count(0), world.peer_count(1)), (1, 1));
            world.send(0, 1, b"hello", None);
            world.send(1, 0, b"welcome", None);
            world.settle();
            let (zero, one) = (world.id(0), world.id(1));
            let expected = |id, text| vec![format!("init {id}"), format!("add {id}"), text];
            assert_eq!(world.log(0), expected(one, "receive welcome".into()));
            assert_eq!(world.log(1), expected(zero, "receive hello".into()));
            assert_eq!(world.nodes[1].deliveries[0].message, "hello");
        }
    }
}

#[test]
fn a_peer_knows_who_dialed_and_how() {
    let mut world = pair(1);
    world.connect(0, 1);
    let (_, dialed) = world.find(0, 1).unwrap();
    let (_, accepted) = world.find(1, 0).unwrap();
    assert_eq!(
        (dialed.direction, accepted.direction),
        (Direction::Outbound, Direction::Inbound)
    );
    assert_eq!(dialed.framing, crate::peer::Framing::Wide);
    assert!(!dialed.persistent);
}

#[test]
fn nodes_without_the_extension_talk_comet_frames() {
    let mut plan = Plan::default();
    plan.config.wide_records = false;
    let mut world = World::new();
    world.add(plan);
    world.add(Plan::default());
    world.connect(0, 1);
    world.send(0, 1, &[b'x'; 5000], None);
    world.settle();
    assert_eq!(
        world.find(0, 1).unwrap().1.framing,
        crate::peer::Framing::Comet
    );
    assert_eq!(world.nodes[1].deliveries[0].message.len(), 5000);
}

#[test]
fn peers_spread_over_the_shards_of_a_node() {
    let mut world = World::of(7, || Plan {
        shards: 3,
        ..Plan::default()
    });
    for peer in 1..7 {
        world.connect(peer, 0);
    }
    let per_shard: Vec<_> = world.nodes[0]
        .shards
        .iter()
        .map(|shard| shard.metrics().peers)
        .collect();
    assert_eq!(per_shard, [2, 2, 2]);
    for peer in 1..7 {
        world.send(peer, 0, format!("from {peer}").as_bytes(), None);
        world.send(0, peer, b"back", None);
    }
    world.settle();
    assert_eq!(world.nodes[0].deliveries.len(), 6);
    assert!((1..7).all(|peer| world.nodes[peer].deliveries.len() == 1));
}

// Conformance item 61.
#[test]
fn three_nodes_make_a_full_mesh() {
    let mut world = World::of(3, Plan::default);
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        world.connect(from, to);
    }
    assert!((0..3).all(|node| world.peer_count(node) == 2));
}

// Conformance items 55 and 56.
#[test]
fn a_peer_whose_socket_ends_is_removed_once_and_not_dialed_again() {
    let mut world = pair(1);
    world.connect(0, 1);
    world.cut(0, 1);
    world.pass(Duration::from_secs(60));
    for node in 0..2 {
        let log = world.log(node);
        assert_eq!(
            log.iter().filter(|line| line.starts_with("remove")).count(),
            1,
            "{log:?}"
        );
        assert_eq!(removals(&world, node).len(), 1);
        let metrics = metrics(&world, node);
        assert_eq!(
            (metrics.peers, metrics.peers_added, metrics.peers_removed),
            (0, 1, 1)
        );
    }
}

// Conformance item 54.
#[test]
fn a_second_connection_to_a_peer_is_refused_as_a_duplicate() {
    let mut plan = Plan::default();
    plan.config.allow_duplicate_ip = true;
    let mut world = World::new();
    world.add(plan);
    world.add(Plan::default());
    world.connect(0, 1);
    world.dial(0, 1, false, Some(9));
    world.settle();
    let id = world.id(1);
    let replies = world.take_replies(0);
    assert!(
        matches!(&replies[..], [(ReplyToken(9), Reply::Dial(Err(CloseReason::Rejected(Reject::DuplicateId(dup)))))] if *dup == id),
        "{replies:?}"
    );
    assert_eq!(world.peer_count(0), 1);
}

// Conformance item 62.
#[test]
fn the_inbound_budget_holds_and_unconditional_peers_pass_it() {
    let mut world = World::of(9, Plan::default);
    let mut plan = Plan {
        shards: 2,
        ..Plan::default()
    };
    plan.config.max_num_inbound_peers = 5;
    plan.config.unconditional_peer_ids = vec![world.id(7), world.id(8)];
    let hub = world.add(plan);
    for peer in 0..5 {
        world.connect(peer, hub);
    }
    assert_eq!(world.peer_count(hub), 5);
    world.connect(5, hub);
    assert_eq!(world.peer_count(hub), 5);
    let full = CloseReason::Rejected(Reject::InboundFull(5));
    assert_eq!(refusals(&world, hub), [full]);
    world.connect(7, hub);
    world.connect(8, hub);
    assert_eq!(world.peer_count(hub), 7);
}

#[test]
fn a_full_node_refuses_a_socket_before_the_handshake() {
    let mut world = World::of(2, Plan::default);
    let mut plan = Plan {
        shards: 2,
        ..Plan::default()
    };
    plan.config.max_num_inbound_peers = 1;
    let hub = world.add(plan);
    world.connect(0, hub);
    world.connect(1, hub);
    assert_eq!(
        refusals(&world, hub),
        [CloseReason::Rejected(Reject::InboundFull(1))]
    );
    let id = world.nodes[hub]
        .events
        .iter()
        .find_map(|event| match event {
            Event::ConnectionRefused { id, .. } => Some(*id),
            _ => None,
        });
    assert_eq!(id, Some(None), "nobody asked who it was");
}

// Conformance item 37.
#[test]
fn a_connection_filter_refuses_before_the_handshake() {
    let mut world = World::new();
    world.add(Plan::default());
    let mut plan = Plan::default();
    plan.filters.connection.push(std::sync::Arc::new(|addr| {
        Err(format!("not {}", addr.ip()))
    }));
    world.add(plan);
    world.connect(0, 1);
    let refused = CloseReason::Rejected(Reject::Filtered("not 10.0.0.1".into()));
    assert_eq!(refusals(&world, 1), [refused]);
    assert_eq!(world.peer_count(0) + world.peer_count(1), 0);
}

// Conformance item 52.
#[test]
fn a_peer_filter_refuses_after_node_info() {
    let mut world = World::new();
    world.add(Plan::default());
    let mut plan = Plan::default();
    plan.filters.peer.push(std::sync::Arc::new(|info| {
        Err(info.node_info.moniker.clone())
    }));
    world.add(plan);
    world.connect(0, 1);
    world.settle();
    assert_eq!(
        refusals(&world, 1),
        [CloseReason::Rejected(Reject::Filtered("anonymous".into()))]
    );
    assert_eq!(world.peer_count(0) + world.peer_count(1), 0);
}

// Conformance item 45.
#[test]
fn a_node_of_another_network_is_refused() {
    let mut world = World::new();
    world.add(Plan::default());
    let mut plan = Plan::default();
    plan.config.network = String::from("elsewhere");
    world.add(plan);
    world.connect(0, 1);
    assert!(
        refusals(&world, 1)
            .iter()
            .all(|reason| reason.to_string().contains("network"))
    );
    assert_eq!(world.peer_count(0) + world.peer_count(1), 0);
}

// Conformance item 41.
#[test]
fn a_stalled_handshake_delays_nobody_and_ends_at_its_timeout() {
    let mut world = pair(1);
    world.frozen = true;
    world.connect(0, 1);
    let timeout = crate::config::Config::default().handshake_timeout;
    world.pass(timeout - Duration::from_nanos(1));
    assert_eq!(refusals(&world, 1), []);
    world.pass(Duration::from_nanos(1));
    assert_eq!(
        refusals(&world, 1),
        [CloseReason::HandshakeTimeout(timeout)]
    );
    world.frozen = false;
    world.connect(0, 1);
    assert_eq!(world.peer_count(1), 1);
    assert_eq!(metrics(&world, 1).refusals.timeout, 1);
}

// Conformance items 56 and 66.
#[test]
fn a_reactor_that_complains_costs_its_peer_once_and_hears_nothing_more_of_it() {
    for (message, receives) in [
        ("error", 1),
        ("unspeakable", 0),
        ("stop me", 1),
        ("panic", 1),
    ] {
        let mut world = pair(1);
        world.connect(0, 1);
        world.send(0, 1, message.as_bytes(), None);
        world.send(0, 1, b"too late", None);
        world.settle();
        let log = world.log(1);
        let count = |verb: &str| log.iter().filter(|line| line.starts_with(verb)).count();
        assert_eq!(count("receive"), receives, "{log:?}");
        assert_eq!(count("remove"), 1, "{log:?}");
        assert_eq!(removals(&world, 1).len(), 1);
        let panicked = matches!(removals(&world, 1)[0], CloseReason::ReactorPanic { .. });
        assert_eq!(panicked, message == "panic");
        assert_eq!(metrics(&world, 1).reactor_panics, u64::from(panicked));
        // The node lives, and so does the reactor.
        world.connect(0, 1);
        world.send(0, 1, b"again", None);
        world.settle();
        assert_eq!(world.log(1).last().unwrap(), "receive again");
    }
}

// Conformance items 64 and 65.
#[test]
fn a_peer_that_comes_back_is_never_initialised_before_it_was_removed() {
    for shards in [1, 3] {
        let mut world = pair(shards);
        for _ in 0..4 {
            world.connect(0, 1);
            world.cut(0, 1);
            world.connect(0, 1);
            world.settle();
            world.connect(0, 1);
            world.cut(0, 1);
            world.settle();
        }
        for node in 0..2 {
            let mut alive = false;
            for line in world.log(node) {
                match line.split(' ').next().unwrap() {
                    "init" => assert!(!std::mem::replace(&mut alive, true), "init before remove"),
                    "remove" => assert!(std::mem::replace(&mut alive, false), "removed twice"),
                    _ => assert!(alive),
                }
            }
        }
    }
}

#[test]
fn a_banned_peer_is_closed_and_stays_out_until_the_ban_ends() {
    let mut world = pair(2);
    world.connect(0, 1);
    let target = BanTarget::Id(world.id(0));
    world.command(
        1,
        0,
        Command::Ban {
            target,
            span: Duration::from_secs(60),
        },
    );
    world.settle();
    assert_eq!(removals(&world, 1), [CloseReason::Rejected(Reject::Banned)]);
    world.connect(0, 1);
    assert_eq!(world.peer_count(1), 0);
    world.pass(Duration::from_secs(60));
    world.connect(0, 1);
    assert_eq!(world.peer_count(1), 1);
}

#[test]
fn a_banned_address_is_refused_before_the_handshake() {
    let mut world = pair(2);
    let target = BanTarget::Ip([10, 0, 0, 1].into());
    world.command(
        1,
        0,
        Command::Ban {
            target,
            span: Duration::from_secs(60),
        },
    );
    world.connect(0, 1);
    assert_eq!(refusals(&world, 1), [CloseReason::Rejected(Reject::Banned)]);
}

// Conformance item 63.
#[test]
fn refusals_do_not_end_accepting() {
    let mut world = World::of(3, Plan::default);
    let mut plan = Plan::default();
    plan.config.max_num_inbound_peers = 1;
    let hub = world.add(plan);
    world.connect(0, hub);
    world.connect(1, hub);
    world.cut(0, hub);
    world.settle();
    world.connect(2, hub);
    assert_eq!(world.peer_count(hub), 1);
    assert!(world.find(hub, 2).is_some());
}

#[test]
fn shutdown_says_goodbye_and_stops_the_reactors_last() {
    for shards in [1, 3] {
        let mut world = pair(shards);
        world.connect(0, 1);
        for shard in 0..usize::from(shards) {
            world.command(
                0,
                shard,
                Command::Shutdown {
                    within: Duration::from_secs(5),
                },
            );
        }
        world.settle();
        let stopped = |event: &&Event| matches!(event, Event::Stopped);
        let count = world.nodes[0].events.iter().filter(stopped).count();
        assert_eq!(count, usize::from(shards));
        assert_eq!(removals(&world, 0), [CloseReason::Shutdown]);
        assert!(world.log(0).last().unwrap().starts_with("stop"));
        assert_eq!(world.peer_count(1), 0);
        // Nothing new is taken.
        world.connect(1, 0);
        assert_eq!(world.peer_count(1), 0);
    }
}

#[test]
fn shutdown_ends_at_its_deadline_even_if_nobody_reads() {
    let mut world = pair(1);
    world.connect(0, 1);
    world.nodes[1].takes_deliveries = false;
    world.frozen = true;
    world.command(
        0,
        0,
        Command::Shutdown {
            within: Duration::from_secs(5),
        },
    );
    world.pass(Duration::from_secs(5));
    assert!(
        world.nodes[0]
            .events
            .iter()
            .any(|event| matches!(event, Event::Stopped))
    );
}

#[test]
fn notes_reach_the_instances_of_all_shards_and_timers_their_own() {
    let mut world = pair(2);
    world.connect(0, 1);
    world.send(0, 1, b"note", None);
    world.send(0, 1, b"timer", None);
    world.pass(Duration::from_secs(2));
    let home = world.find(1, 0).unwrap().0;
    let log = world.log(1);
    for to in 0..2 {
        assert!(log.contains(&format!("note 7 {home} to {to}")), "{log:?}");
    }
    assert!(log.contains(&String::from("timeout 42")));
}

#[test]
fn a_peer_that_lacks_a_channel_is_not_sent_on_it() {
    fn extra() -> Box<dyn crate::reactor::Reactor> {
        let id = ringwire_codec::ChannelId(0x55);
        Box::new(AppChannels::new(vec![
            crate::reactor::ChannelDescriptor::new(id, 1),
        ]))
    }
    let mut world = World::new();
    world.add(Plan {
        reactors: vec![("app".into(), extra)],
        ..Plan::default()
    });
    world.add(Plan::default());
    world.connect(0, 1);
    let send = |channel| Command::Send {
        peer: ringwire_codec::NodeKey::from_seed([2; 32]).id(),
        channel: ringwire_codec::ChannelId(channel),
        message: bytes::Bytes::new(),
        timeout: None,
        token: Some(ReplyToken(u64::from(channel))),
    };
    for channel in [0x55, 0x56, CHANNEL.0] {
        world.command(0, 0, send(channel));
    }
    let replies: Vec<_> = world_replies(&mut world)
        .into_iter()
        .map(|reply| format!("{reply:?}"))
        .collect();
    assert!(replies[0].contains("PeerLacksChannel"), "{replies:?}");
    assert!(replies[1].contains("UnknownChannel"), "{replies:?}");
    assert!(replies[2].contains("Ok"), "{replies:?}");
}

fn world_replies(world: &mut World) -> Vec<Reply> {
    world.settle();
    world
        .take_replies(0)
        .into_iter()
        .map(|(_, reply)| reply)
        .collect()
}
