//! Everything that can go wrong goes wrong, and afterwards the network is whole again.

use std::cell::Cell;
use std::time::Duration;

use ringwire_core::gossip::{Flood, FloodConfig};
use ringwire_core::reactor::erase;
use ringwire_sim::{Fault, FaultTable, LinkProfile, Rng, Scenario, When, World};

use crate::support::{
    CHAT, GOSSIP, NOBODY, SOON, channel, connect_all, for_seeds, removals, ring_and_chords,
};

/// Talks along all edges for `span`: half a second of peace between bursts.
fn chatter(world: &mut World, edges: &[(u32, u32)], span: Duration) {
    let end = world.now() + span;
    while world.now() < end {
        for &(from, to) in edges {
            world.send(from, to, CHAT, 3000);
            world.send(to, from, CHAT, 100);
        }
        world.publish(edges[0].0, GOSSIP, 700);
        world.run_for(Duration::from_millis(500));
    }
}

fn busy_ring(seed: u64, nodes: u32) -> Scenario {
    Scenario::new(seed)
        .nodes(nodes)
        .shards_up_to(4)
        .channel(channel(CHAT, 1))
        .reactor("flood", |_, _| {
            erase(Flood::new(FloodConfig::new(channel(GOSSIP, 5))))
        })
        .ring()
        .chords(2)
}

#[test]
fn after_any_faults_the_network_heals_and_no_promise_was_broken() {
    let losses = Cell::new(0);
    let seeds = for_seeds(
        "after_any_faults_the_network_heals_and_no_promise_was_broken",
        40,
        |seed| {
            let (nodes, span) = (6, Duration::from_secs(60));
            let mut rng = Rng::new(seed);
            let faults = FaultTable::random(&mut rng, nodes, span);
            let profile = match seed % 3 {
                0 => LinkProfile::lan(),
                1 => LinkProfile::wan(),
                _ => LinkProfile::lan().chunked(2000),
            };
            let mut world = busy_ring(seed, nodes).link(profile).faults(faults).build();
            let edges = ring_and_chords(nodes, 2);
            chatter(&mut world, &edges, span);
            // Links that stall or creep until then are found out by their pings.
            world.run_for(SOON * 8);
            losses.set(
                losses.get()
                    + (0..nodes)
                        .map(|node| removals(&world, node).len())
                        .sum::<usize>(),
            );
            connect_all(&mut world, &edges);
            world.publish(0, GOSSIP, 999);
            world.run_for(SOON);
            let last = world.ledger().spread(0, GOSSIP).last().copied();
            assert_eq!(
                last,
                Some(nodes - 1),
                "a message after the faults reaches everybody"
            );
        },
    );
    // The faults must really strike, or the test shows nothing.
    let (losses, seeds) = (losses.get(), seeds as usize);
    assert!(
        seeds == 1 || losses > 4 * seeds,
        "{losses} lost peers in {seeds} runs"
    );
}

#[test]
fn a_byte_flipped_anywhere_closes_the_connection_and_delivers_nothing_wrong() {
    // Handshake and NodeInfo take some 2 KiB each way; beyond lie frames or records.
    for_seeds(
        "a_byte_flipped_anywhere_closes_the_connection",
        150,
        |seed| {
            let offset = 20 * seed + Rng::new(seed).below(20);
            let flip = FaultTable::new()
                .with(Fault::Corrupt(0), When::AfterBytes(offset))
                .quiet_after(Duration::from_secs(5));
            let wide = seed % 2 == 0;
            let mut world = Scenario::new(seed)
                .channel(channel(CHAT, 1))
                .faults(flip)
                .config(move |_, config| config.wide_records = wide)
                .build();
            world.dial(0, 1, false);
            world.run_for(Duration::from_secs(2));
            (0..10).for_each(|_| {
                world.send(0, 1, CHAT, 1500);
            });
            world.run_for(SOON);
            assert_eq!(
                world.peers_of(1),
                NOBODY,
                "byte {offset} was flipped and nobody noticed"
            );
            assert_eq!((world.open_links(0), world.open_links(1)), (0, 0));
        },
    );
}

#[test]
fn a_partition_heals() {
    for_seeds("a_partition_heals", 10, |seed| {
        let mut world = busy_ring(seed, 6).build();
        let edges = ring_and_chords(6, 2);
        connect_all(&mut world, &edges);
        world.partition(&[vec![0, 1, 2], vec![3, 4, 5]]);
        // Long enough for every ping across to go unanswered.
        chatter(&mut world, &edges, Duration::from_secs(180));
        assert!(!world.are_connected(2, 3) && world.are_connected(0, 1));
        world.partition(&[]);
        world.run_for(SOON);
        connect_all(&mut world, &edges);
        world.publish(3, GOSSIP, 100);
        world.run_for(SOON);
        assert_eq!(world.ledger().spread(3, GOSSIP), [5]);
    });
}

// Conformance item 5.
#[test]
fn a_peer_that_falls_silent_is_given_up_after_its_pong_is_late() {
    let mut world = busy_ring(7, 3).build();
    connect_all(&mut world, &[(0, 1)]);
    let config = ringwire_core::config::Config::default();
    world.partition(&[vec![0], vec![1, 2]]);
    world.run_for(config.ping_interval * 2 + config.pong_timeout + Duration::from_secs(1));
    assert_eq!(removals(&world, 0).len(), 2);
    assert_eq!(world.peers_of(0), NOBODY);
}

#[test]
fn a_short_partition_loses_nothing() {
    for_seeds("a_short_partition_loses_nothing", 10, |seed| {
        let mut world = busy_ring(seed, 4).build();
        let edges = ring_and_chords(4, 2);
        connect_all(&mut world, &edges);
        world.partition(&[vec![0, 1], vec![2, 3]]);
        chatter(&mut world, &edges, Duration::from_secs(5));
        world.partition(&[]);
        world.run_for(SOON);
        for (from, to) in edges {
            let (sent, came) = world.ledger().direct(from, to, CHAT);
            assert_eq!(sent, came, "from {from} to {to}");
        }
    });
}
