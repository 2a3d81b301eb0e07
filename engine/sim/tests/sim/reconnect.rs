//! Persistent peers come back.

use std::cell::Cell;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};
use ringwire_core::error::{CloseReason, Reject};
use ringwire_core::peer::{Direction, ShardId};
use ringwire_core::switch::{BanTarget, Command, Event, NamedAs, NamedPeer, Reply, ReplyToken};
use ringwire_sim::{Fault, FaultTable, Scenario, When, World, net_address};

use crate::support::{CHAT, NOBODY, SOON, channel, connect_all, for_seeds, pair, removals};

// Conformance item 57.
#[test]
fn an_outbound_persistent_peer_is_dialed_again_whenever_it_is_lost() {
    for_seeds(
        "an_outbound_persistent_peer_is_dialed_again_whenever_it_is_lost",
        20,
        |seed| {
            let mut world = pair(seed).build();
            for _ in 0..3 {
                connect_all(&mut world, &[(0, 1)]);
                world.run_for(Duration::from_secs(1));
                world.reset_between(0, 1);
                let lost = |world: &World| world.peers_of(1).is_empty();
                assert!(world.run_until(SOON, lost));
            }
            connect_all(&mut world, &[(0, 1)]);
        },
    );
}

// Conformance item 57.
#[test]
fn a_persistent_peer_that_is_down_at_first_is_dialed_until_it_answers() {
    for_seeds(
        "a_persistent_peer_that_is_down_at_first_is_dialed_until_it_answers",
        10,
        |seed| {
            let mut world = pair(seed).build();
            world.crash(0, Duration::from_secs(40));
            world.run_for(Duration::from_secs(39));
            assert_eq!(world.peers_of(1), NOBODY);
            let failed = |event: &&Event| matches!(event, Event::DialFailed { .. });
            assert!(world.events(1).filter(failed).count() >= 2);
            connect_all(&mut world, &[(0, 1)]);
            assert!(world.peer(1, 0).is_some_and(|peer| peer.persistent));
        },
    );
}

#[test]
fn a_persistent_peer_is_dialed_for_as_long_as_the_node_runs_at_the_pause_the_operator_set() {
    for (pause, away) in [(1, 180), (1, 7200), (60, 7200), (0, 200_000)] {
        let pause = Duration::from_secs(pause);
        let mut world = pair(pause.as_secs())
            .config(move |_, config| config.persistent_peers_max_dial_period = pause)
            .build();
        connect_all(&mut world, &[(0, 1)]);
        world.crash(0, Duration::from_secs(away));
        world.run_for(Duration::from_secs(away));
        assert_eq!(world.peers_of(1), NOBODY);
        // Without a pause of the operator's it is an hour at most.
        let longest = match pause.is_zero() {
            true => Duration::from_secs(3600),
            false => pause,
        };
        let back = |world: &World| world.are_connected(0, 1);
        let within = longest * 2 + Duration::from_secs(5);
        assert!(world.run_until(within, back), "{pause:?}, {away} s");
    }
}

// Conformance item 58.
#[test]
fn an_inbound_persistent_peer_is_dialed_when_it_is_lost() {
    for_seeds(
        "an_inbound_persistent_peer_is_dialed_when_it_is_lost",
        10,
        |seed| {
            // Node 0 keeps node 1, which dials first and just once.
            let mut world = Scenario::new(seed)
                .nodes(2)
                .shards_up_to(2)
                .channel(channel(CHAT, 1))
                .edge(0, 1)
                .config(|_, config| config.dial_jitter = Duration::from_secs(20))
                .build();
            world.dial(1, 0, false);
            connect_all(&mut world, &[(0, 1)]);
            let persistent = |world: &World| world.peer(0, 1).is_some_and(|peer| peer.persistent);
            assert!(persistent(&world), "known by its id");
            world.run_for(Duration::from_secs(25));
            world.reset_between(0, 1);
            assert!(world.run_until(SOON, |world| world.peers_of(0).is_empty()));
            connect_all(&mut world, &[(0, 1)]);
            let direction = world.peer(0, 1).map(|peer| peer.direction);
            assert_eq!(direction, Some(Direction::Outbound));
        },
    );
}

// Conformance item 64.
#[test]
fn a_crashed_node_comes_back_to_peers_that_remember_it() {
    for_seeds(
        "a_crashed_node_comes_back_to_peers_that_remember_it",
        20,
        |seed| {
            let scenario = Scenario::new(seed)
                .nodes(4)
                .shards_up_to(3)
                .channel(channel(CHAT, 1));
            let mut world = scenario.full_mesh().build();
            let all: Vec<_> = (0..4).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
            connect_all(&mut world, &all);
            world.crash(2, Duration::from_millis(seed * 100));
            world.run_for(Duration::from_millis(1));
            connect_all(&mut world, &all);
        },
    );
}

#[test]
fn a_node_that_lost_power_takes_the_place_of_its_own_silent_connection() {
    for_seeds(
        "a_node_that_lost_power_takes_the_place_of_its_own_silent_connection",
        10,
        |seed| {
            // From the twentieth second on nothing comes over the old connection, not even its end.
            let hour = Duration::from_secs(3600);
            let at = When::At(Duration::from_secs(20));
            let faults = FaultTable::new().with(Fault::Stall(hour), at);
            // With and without the extension, full and not, one peer at an address or more.
            let mut world = pair(seed)
                .faults(faults)
                .config(move |node, config| {
                    config.wide_records = seed % 2 == 0;
                    config.allow_duplicate_ip = seed % 3 == 0;
                    if node == 0 && seed % 5 == 0 {
                        config.max_num_inbound_peers = 1;
                    }
                })
                .build();
            connect_all(&mut world, &[(0, 1)]);
            world.run_for(Duration::from_secs(31));
            world.crash(1, Duration::from_secs(1));
            world.run_for(Duration::from_secs(11));
            let reasons = removals(&world, 0);
            let superseded = CloseReason::Rejected(Reject::Superseded);
            assert_eq!(reasons, [superseded], "one link gave way to the other");
            assert!(world.send(0, 1, CHAT, 100) && world.send(1, 0, CHAT, 100));
            world.run_for(Duration::from_secs(1));
            assert_eq!(world.ledger().direct(0, 1, CHAT).1, 1);
            assert_eq!(world.ledger().direct(1, 0, CHAT).1, 1);
        },
    );
}

#[test]
fn two_nodes_that_dial_each_other_at_once_keep_exactly_one_connection() {
    let crossed = Cell::new(0);
    let seeds = for_seeds(
        "two_nodes_that_dial_each_other_at_once_keep_exactly_one_connection",
        300,
        |seed| {
            let mut world = Scenario::new(seed)
                .nodes(2)
                .shards_up_to(3)
                .channel(channel(CHAT, 1))
                .edge(0, 1)
                .edge(1, 0)
                .config(|_, config| config.dial_jitter = Duration::from_micros(400))
                .build();
            connect_all(&mut world, &[(0, 1)]);
            world.run_for(SOON);
            crossed.set(crossed.get() + u64::from(world.connections_made() > 1));
            assert!(world.are_connected(0, 1));
            assert_eq!((world.open_links(0), world.open_links(1)), (1, 1));
            assert!(world.send(0, 1, CHAT, 100) && world.send(1, 0, CHAT, 100));
            world.run_for(SOON);
            assert_eq!(world.ledger().direct(0, 1, CHAT), (1, 1));
            assert_eq!(world.ledger().direct(1, 0, CHAT), (1, 1));
        },
    );
    // The dials must really cross, or the test shows nothing.
    assert!(
        seeds == 1 || crossed.get() > seeds / 4,
        "{} of {seeds} crossed",
        crossed.get()
    );
}

#[test]
fn dials_that_cross_end_with_the_connection_of_the_higher_id() {
    for (shards, same_ip, first) in [(1, false, 0), (1, true, 1), (3, false, 1), (3, true, 0)] {
        let mut world = Scenario::new(first.into())
            .shards(shards)
            .channel(channel(CHAT, 1))
            .config(move |_, config| config.allow_duplicate_ip = same_ip)
            .build();
        world.dial(first, 1 - first, false);
        world.dial(1 - first, first, false);
        world.run_for(SOON * 2);
        let ends = [(0, 1), (1, 0)].map(|(node, other)| {
            let peer = world.peer(node, other).expect("connected");
            (world.id_of(node), peer.direction)
        });
        assert_ne!(ends[0].1, ends[1].1, "both ends of the same connection");
        let higher = ends.iter().max_by_key(|(id, _)| *id);
        assert_eq!(higher.map(|end| end.1), Some(Direction::Outbound));
        assert_eq!((world.open_links(0), world.open_links(1)), (1, 1));
    }
}

#[test]
fn persistent_peers_that_list_each_other_settle_on_one_connection() {
    let scenario = Scenario::new(9)
        .shards_up_to(2)
        .channel(channel(CHAT, 1))
        .edge(0, 1)
        .edge(1, 0)
        .config(|_, config| config.dial_jitter = Duration::from_secs(3));
    let mut world = scenario.build();
    world.run_for(SOON * 4);
    assert!(world.are_connected(0, 1));
    assert_eq!((world.open_links(0), world.open_links(1)), (1, 1));
    assert!((0..2).all(|node| removals(&world, node).len() <= 1));
}

/// What a node told of the links that its operator asked for: whom, as what, and why not.
fn told(world: &World, node: u32) -> Vec<(NodeId, NamedAs, CloseReason)> {
    let told = world.events(node).filter_map(|event| match event {
        Event::NamedPeerFailed {
            address,
            named_as,
            reason,
            ..
        } => Some((address.id, *named_as, reason.clone())),
        _ => None,
    });
    told.collect()
}

/// How the links to the persistent peers and seeds of a node are doing.
fn named(world: &mut World, node: u32, token: u64) -> Vec<NamedPeer> {
    let token = ReplyToken(token);
    let ask = Command::NamedPeers { token: Some(token) };
    world.command(node, ShardId::COORDINATOR, ask);
    world.run_for(Duration::from_millis(1));
    match world.reply(token) {
        Some(Reply::NamedPeers(named)) => named.clone(),
        reply => panic!("{reply:?}"),
    }
}

#[test]
fn a_persistent_peer_that_is_refused_is_told_once_per_reason_with_both_names() {
    for_seeds(
        "a_persistent_peer_that_is_refused_is_told_once_per_reason_with_both_names",
        6,
        |seed| {
            // Node 0 keeps one of another network, a liar's id, itself, and one that is well.
            let lie = NetAddress {
                id: net_address(seed, 9).id,
                ..net_address(seed, 2)
            };
            let wrong = lie.id;
            let mut world = Scenario::new(seed)
                .nodes(4)
                .shards_up_to(3)
                .channel(channel(CHAT, 1))
                .edge(0, 1)
                .edge(0, 3)
                .config(move |node, config| {
                    if node == 0 {
                        config.persistent_peers.push(lie.clone());
                        config.persistent_peers.push(net_address(seed, 0));
                    }
                    if node == 1 {
                        config.network = String::from("elsewhere");
                    }
                })
                .build();
            world.run_for(SOON * 4);
            let told = told(&world, 0);
            assert_eq!(
                told.len(),
                3,
                "each once, and nothing of the fourth: {told:?}"
            );
            let of = |id| {
                let found = told.iter().find(|(named, ..)| *named == id);
                let (_, named_as, reason) = found.expect("it is told");
                assert_eq!(*named_as, NamedAs::Persistent);
                reason.to_string()
            };
            let network = of(world.id_of(1));
            assert!(
                network.contains("\"elsewhere\"") && network.contains("\"sim\""),
                "{network}"
            );
            let ids = of(wrong);
            assert!(ids.contains(&wrong.to_string()), "{ids}");
            assert!(ids.contains(&world.id_of(2).to_string()), "{ids}");
            assert!(of(world.id_of(0)).contains("our own key"));

            let named = named(&mut world, 0, 700);
            let find = |id| named.iter().find(|peer| peer.address.id == id);
            let well = find(world.id_of(3)).expect("it is listed");
            assert!(well.connected && well.last_error.is_none() && well.failures == 0);
            let ill = find(wrong).expect("it is listed");
            assert!(!ill.connected && ill.failures > 5 && ill.next_dial_in.is_some());
            let last = ill
                .last_error
                .as_ref()
                .map(|(_, reason)| reason.to_string());
            assert_eq!(last, Some(ids));
        },
    );
}

#[test]
fn a_persistent_peer_is_told_to_be_back_when_it_has_admitted_us() {
    let mut world = pair(3).build();
    world.crash(0, Duration::from_secs(40));
    world.run_for(Duration::from_secs(39));
    let told_once = told(&world, 1);
    assert_eq!(told_once.len(), 1, "{told_once:?}");
    connect_all(&mut world, &[(0, 1)]);
    world.run_for(Duration::from_secs(1));
    let back = |event: &Event| match event {
        Event::NamedPeerBack { failures, .. } => Some(*failures),
        _ => None,
    };
    let back: Vec<_> = world.events(1).filter_map(back).collect();
    assert!(back.len() == 1 && back[0] > 2, "{back:?}");
    // A ban is told, too, and so is who refuses us after the handshake.
    let target = BanTarget::Id(world.id_of(0));
    let span = Duration::from_secs(60);
    world.command(1, ShardId::COORDINATOR, Command::Ban { target, span });
    world.run_for(SOON);
    let banned = CloseReason::Rejected(Reject::Banned);
    assert_eq!(told(&world, 1).last().map(|told| &told.2), Some(&banned));
    let target = BanTarget::Id(world.id_of(1));
    world.command(
        0,
        ShardId::COORDINATOR,
        Command::Ban {
            target,
            span: SOON * 9,
        },
    );
    world.run_for(SOON * 4);
    let last = told(&world, 1).pop().expect("it is told");
    assert!(matches!(last.2, CloseReason::Goodbye(_)), "{last:?}");
    assert_eq!(told(&world, 1).len(), 3);
}

#[test]
fn a_dial_of_the_application_that_fails_is_told_each_time() {
    let mut world = Scenario::new(5).nodes(2).channel(channel(CHAT, 1)).build();
    world.crash(1, SOON * 4);
    for _ in 0..2 {
        world.dial(0, 1, false);
        world.run_for(SOON);
    }
    let told = told(&world, 0);
    assert_eq!(told.len(), 2);
    assert!(
        told.iter()
            .all(|(_, named_as, _)| *named_as == NamedAs::Asked)
    );
}
