//! Persistent peers come back.

use std::cell::Cell;
use std::time::Duration;

use ringwire::peer::Direction;
use ringwire::sim::{Scenario, World};
use ringwire::switch::Event;

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
