//! Peer exchange: what a node learns, whom it dials, and what it does to those who abuse it.

mod puppet;
mod strict;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use ringwire_codec::net_address::Host;
use ringwire_codec::pex::PEX_CHANNEL;
use ringwire_codec::{NetAddress, PexMessage};
use ringwire_core::config::Config;
use ringwire_core::error::{CloseReason, Reject};
use ringwire_core::peer::Direction;
use ringwire_core::pex::{AddrBook, BookConfig, BookSecret};
use ringwire_core::reactor::{Instance, erase};
use ringwire_core::switch::{Command, Switch};
use ringwire_sim::{Rng, Scenario, World, net_address};

use self::puppet::{Heard, Idle, ask, tell, with_puppets};
use self::strict::{Report, Strict};
use crate::support::{CHAT, NOBODY, SOON, channel, connect_all, for_seeds, removals};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The book of a node, as an operator would read it.
fn book_of(world: &mut World, node: u32) -> AddrBook {
    let document = world.inspect(node, "pex").expect("the node has a book");
    let config = BookConfig { strict: false };
    AddrBook::from_json(config, &BookSecret::from_bytes([0; 32]), [0; 32], &document)
        .expect("a book can be read again")
}

/// Numbers of the nodes in the book of a node.
fn known_by(world: &mut World, node: u32) -> Vec<u32> {
    let book = book_of(world, node);
    let nodes = 0..world.node_count();
    nodes
        .filter(|number| book.contains(&world.id_of(*number)))
        .collect()
}

/// A figure of the reactors of all shards of a node together.
fn counter(world: &World, node: u32, name: &str) -> u64 {
    let counters = world.switches(node).flat_map(Switch::reactor_counters);
    let figures = counters.flat_map(|(_, counters)| counters);
    figures
        .filter(|(counter, _)| *counter == name)
        .map(|(_, value)| value)
        .sum()
}

/// Nodes that exchange addresses; node 0 is the seed of all others.
fn from_one_seed(seed: u64, nodes: u32) -> Scenario {
    Scenario::new(seed)
        .nodes(nodes)
        .channel(channel(CHAT, 1))
        .pex()
        .config(move |node, config| {
            config.discovery.seed_mode = node == 0;
            if node > 0 {
                config.discovery.seeds = vec![net_address(seed, 0)];
            }
        })
}

/// Peers of a node that it dialed, or that dialed it.
fn peers_by(world: &World, node: u32, direction: Direction) -> usize {
    let peers = world.peers_of(node).into_iter();
    let infos = peers.filter_map(|peer| world.peer(node, peer));
    infos.filter(|info| info.direction == direction).count()
}

/// Whether nodes 1 and up are one network without the seed.
fn hang_together(world: &World) -> bool {
    let mut reached = BTreeSet::from([1]);
    let mut next = vec![1];
    while let Some(node) = next.pop() {
        for peer in world.peers_of(node) {
            if peer != 0 && reached.insert(peer) {
                next.push(peer);
            }
        }
    }
    reached.len() as u32 == world.node_count() - 1
}

// ---- the book ----------------------------------------------------------------------------------

// Conformance item 67.
#[test]
fn an_inbound_peer_enters_the_book_and_stays_there_and_an_outbound_one_does_not_enter() {
    for_seeds("an_inbound_peer_enters_the_book", 5, |seed| {
        let scenario = Scenario::new(seed).shards_up_to(3).pex();
        let mut world = scenario.build();
        world.dial(1, 0, false);
        connect_all(&mut world, &[(1, 0)]);
        world.run_for(SECOND / 2);
        assert_eq!(known_by(&mut world, 0), [1]);
        assert_eq!(known_by(&mut world, 1), NOBODY);
        world.reset_between(0, 1);
        world.run_for(SECOND / 100);
        assert_eq!(known_by(&mut world, 0), [1]);
    });
}

// Conformance item 68.
#[test]
fn three_nodes_that_know_one_neighbour_each_become_a_full_mesh() {
    for_seeds("three_nodes_that_know_one_neighbour_each", 10, |seed| {
        let scenario = Scenario::new(seed).nodes(3).shards_up_to(3).pex();
        let mut world = scenario.edge(0, 1).edge(1, 2).build();
        connect_all(&mut world, &[(0, 1), (1, 2), (0, 2)]);
    });
}

// Conformance item 69.
#[test]
fn addresses_that_were_asked_for_enter_the_book_and_are_dialed() {
    let (scenario, heard) = with_puppets(Scenario::new(69).nodes(3), 1);
    let mut world = scenario.build();
    // Node 0 dials the puppet, and its book is empty: it asks.
    world.dial(0, 1, false);
    let is_asked = |_: &World| heard.borrow().contains(&(1, PexMessage::Request));
    assert!(world.run_until(SOON, is_asked));
    let told = vec![world.address_of(2)];
    tell(&mut world, 1, told);
    assert!(world.run_until(SECOND, |world| world.are_connected(0, 2)));
    assert_eq!(known_by(&mut world, 0), [2]);
    assert_eq!(world.peers_of(0), [1, 2]);
}

// Conformance item 79.
#[test]
fn private_ids_never_enter_the_book_whoever_tells_them() {
    let (scenario, heard) = with_puppets(Scenario::new(79).nodes(4), 1);
    let private = [1, 2].map(|node| net_address(79, node).id);
    let scenario =
        scenario.config(move |_, config| config.discovery.private_peer_ids = private.to_vec());
    let mut world = scenario.build();
    world.dial(0, 3, false);
    assert!(world.run_until(SOON, |_| !heard.borrow().is_empty()));
    let told = vec![world.address_of(1), world.address_of(2)];
    tell(&mut world, 3, told);
    // One of them even comes by itself.
    world.dial(1, 0, false);
    connect_all(&mut world, &[(0, 1), (0, 3)]);
    world.run_for(SOON);
    assert_eq!(known_by(&mut world, 0), NOBODY);
    assert!(counter(&world, 0, "pex_addresses_refused") >= 3);
}

// ---- abuse -------------------------------------------------------------------------------------

/// Node 0 has the reactor, node 1 is a puppet that has dialed it and is known by it.
fn with_an_inbound_puppet(seed: u64) -> (World, Heard) {
    let (scenario, heard) = with_puppets(Scenario::new(seed).nodes(3).shards_up_to(3), 1);
    let mut world = scenario.build();
    world.dial(1, 0, false);
    connect_all(&mut world, &[(0, 1)]);
    (world, heard)
}

/// Answers that puppets heard. Node 0 asks its peers as well, for its book is all but empty.
fn answers(heard: &Heard) -> usize {
    let heard = heard.borrow();
    let answers = heard
        .iter()
        .filter(|(_, message)| *message != PexMessage::Request);
    answers.count()
}

/// The puppet was closed by node 0, and is refused for `span` and no longer.
fn assert_refused_for(world: &mut World, why: &str, span: Duration) {
    assert_eq!(world.peers_of(0), NOBODY);
    let reasons = removals(world, 0);
    let says_why = |reason: &CloseReason| matches!(reason, CloseReason::Reactor { error, .. } if error.message.contains(why));
    assert!(reasons.iter().any(says_why), "{reasons:?}");
    if !span.is_zero() {
        let banned = CloseReason::Rejected(Reject::Banned);
        let refused = |world: &mut World| {
            world.take_events(0);
            world.dial(1, 0, false);
            world.run_for(SOON);
            let refusals = crate::support::refusals(world, 0);
            refusals.iter().filter(|reason| **reason == banned).count()
        };
        assert_eq!(refused(world), 1);
        assert_eq!(known_by(world, 0), NOBODY);
        world.run_for(span - SOON * 2 - SECOND);
        assert_eq!(refused(world), 1);
        world.run_for(SECOND * 2);
    }
    world.dial(1, 0, false);
    connect_all(world, &[(0, 1)]);
}

// Conformance item 70. The reference closes it and bans it for a day; honest nodes do it.
#[test]
fn a_third_request_too_soon_is_answered_when_its_time_has_come() {
    for_seeds("a_third_request_too_soon", 5, |seed| {
        let (mut world, heard) = with_an_inbound_puppet(seed);
        ask(&mut world, 1);
        ask(&mut world, 1);
        world.run_for(SECOND * 9);
        // Both were answered: the first two come whenever they like.
        assert_eq!(answers(&heard), 2);
        ask(&mut world, 1);
        world.run_for(SECOND / 2);
        assert_eq!(answers(&heard), 2);
        world.run_for(SECOND);
        assert_eq!(answers(&heard), 3);
        assert_eq!(world.peers_of(0), [1]);
        assert_eq!(counter(&world, 0, "pex_requests_early"), 1);
        assert_eq!(counter(&world, 0, "pex_offences"), 0);
    });
}

#[test]
fn who_asks_on_and_on_without_waiting_for_the_answer_is_closed() {
    let (mut world, heard) = with_an_inbound_puppet(74);
    for _ in 0..11 {
        ask(&mut world, 1);
        world.run_for(SECOND / 20);
    }
    // Two were free, one waits, eight came on top of it: nothing of that costs anything.
    assert_eq!((answers(&heard), world.peers_of(0)), (2, vec![1]));
    ask(&mut world, 1);
    world.run_for(SECOND / 2);
    assert_refused_for(&mut world, "without waiting for the answer", Duration::ZERO);
    assert_eq!(counter(&world, 0, "pex_bans"), 0);
}

// Conformance item 70.
#[test]
fn a_third_request_after_ten_seconds_is_answered() {
    let (mut world, heard) = with_an_inbound_puppet(70);
    ask(&mut world, 1);
    ask(&mut world, 1);
    for count in 3..10 {
        world.run_for(SECOND * 10 + SECOND / 10);
        ask(&mut world, 1);
        world.run_for(SECOND / 10);
        assert_eq!(answers(&heard), count);
    }
    assert_eq!(world.peers_of(0), [1]);
}

// Conformance item 71.
#[test]
fn addresses_that_nobody_asked_for_cost_the_peer_its_connection_and_more_each_time() {
    for_seeds("addresses_that_nobody_asked_for", 5, |seed| {
        let (mut world, _) = with_an_inbound_puppet(seed);
        let told = vec![world.address_of(2)];
        for span in [Duration::ZERO, SECOND * 600, SECOND * 7200, DAY, DAY] {
            // It may have been asked; a second list was not.
            tell(&mut world, 1, told.clone());
            tell(&mut world, 1, told.clone());
            world.run_for(SECOND / 2);
            assert_refused_for(&mut world, "not asked for", span);
        }
        assert_eq!(counter(&world, 0, "pex_bans"), 4);
    });
}

#[test]
fn what_is_no_message_of_the_exchange_costs_the_peer_its_connection() {
    let (mut world, _) = with_an_inbound_puppet(72);
    world.publish_bytes(1, PEX_CHANNEL, b"\x0a\x05short".as_slice().into());
    world.run_for(SECOND / 2);
    assert_refused_for(
        &mut world,
        "no message of the peer exchange",
        Duration::ZERO,
    );
}

#[test]
fn a_persistent_peer_that_abuses_the_exchange_is_closed_but_not_banned() {
    let (scenario, _) = with_puppets(Scenario::new(73).nodes(3).edge(0, 1), 1);
    let mut world = scenario.build();
    connect_all(&mut world, &[(0, 1)]);
    let told = vec![world.address_of(2)];
    // It was asked once, so the second list is one too many.
    tell(&mut world, 1, told.clone());
    tell(&mut world, 1, told);
    assert!(world.run_until(SECOND, |world| !world.are_connected(0, 1)));
    connect_all(&mut world, &[(0, 1)]);
    assert_eq!(counter(&world, 0, "pex_bans"), 0);
}

// ---- seeds -------------------------------------------------------------------------------------

/// A seed by name: that name, or one that nobody knows.
fn by_name(address: NetAddress, name: &str) -> NetAddress {
    NetAddress {
        host: Host::Name(name.into()),
        ..address
    }
}

// Conformance item 72.
#[test]
fn one_seed_that_can_be_resolved_is_enough() {
    for_seeds("one_seed_that_can_be_resolved_is_enough", 10, |seed| {
        let scenario = Scenario::new(seed).nodes(4).channel(channel(CHAT, 1)).pex();
        let mut world = scenario
            .config(move |node, config| {
                let seed_at = |of, name| by_name(net_address(seed, of), name);
                if node == 0 {
                    let (first, second) = (seed_at(1, "gone.example"), seed_at(2, "lost.example"));
                    config.discovery.seeds = vec![first, second, seed_at(3, "seed.example")];
                }
            })
            .build();
        world.set_name("seed.example", 3);
        assert!(world.run_until(SECOND * 3, |world| world.are_connected(0, 3)));
    });
}

// Conformance item 72. The reference does not start when it can resolve no seed and knows nobody.
// A name may resolve later, so this node runs, says so in its log, and tries again.
#[test]
fn a_node_whose_seeds_cannot_be_resolved_runs_and_finds_them_when_they_can() {
    let scenario = Scenario::new(72).channel(channel(CHAT, 1)).pex();
    let mut world = scenario
        .config(|node, config| {
            if node == 0 {
                config.discovery.seeds = vec![by_name(net_address(72, 1), "seed.example")];
            }
        })
        .build();
    world.run_for(SECOND * 10);
    assert_eq!(world.peers_of(0), NOBODY);
    assert!(counter(&world, 0, "pex_seed_dials_failed") >= 9);
    world.set_name("seed.example", 1);
    assert!(world.run_until(SECOND * 2, |world| world.are_connected(0, 1)));
}

// Conformance item 73.
#[test]
fn a_node_that_knows_nobody_turns_to_its_seeds_at_once() {
    for_seeds("a_node_that_knows_nobody_turns_to_its_seeds", 10, |seed| {
        let scenario = from_one_seed(seed, 2).config(|_, config| {
            // However long a look is away.
            config.discovery.pex_interval = Duration::from_secs(30);
        });
        let mut world = scenario.build();
        assert!(world.run_until(SECOND * 3, |world| world.are_connected(0, 1)));
    });
}

// Conformance item 74.
#[test]
fn who_is_learned_from_a_seed_is_dialed_within_a_second_and_no_limit_is_passed() {
    for_seeds("who_is_learned_from_a_seed_is_dialed", 5, |seed| {
        let scenario = from_one_seed(seed, 8)
            .shards_up_to(3)
            .config(|node, config| {
                if node > 0 {
                    config.discovery.pex_interval = Duration::from_secs(30);
                    config.max_num_outbound_peers = 3;
                    config.max_num_inbound_peers = 4;
                }
            });
        let mut world = scenario.build();
        let late = 7;
        world.crash(late, Duration::from_secs(60));
        world.run_for(Duration::from_secs(60) - SECOND / 100);
        let checked = |world: &World| {
            for node in 1..world.node_count() {
                let [outbound, inbound] = [Direction::Outbound, Direction::Inbound]
                    .map(|direction| peers_by(world, node, direction));
                assert!(
                    outbound <= 3 && inbound <= 4,
                    "{node}: {outbound}, {inbound}"
                );
            }
            false
        };
        let seen_seed = |world: &World| {
            checked(world);
            world.are_connected(late, 0)
        };
        assert!(world.run_until(SECOND * 2, seen_seed), "it finds the seed");
        let found_another = |world: &World| {
            checked(world);
            world.peers_of(late).iter().any(|peer| *peer != 0)
        };
        assert!(
            world.run_until(SECOND, found_another),
            "and through it others"
        );
        world.run_until(Duration::from_secs(120), checked);
    });
}

// Conformance item 75.
#[test]
fn a_seed_visits_whom_it_knows_and_sends_those_away_who_only_wait() {
    let (scenario, heard) = with_puppets(Scenario::new(75).nodes(2), 1);
    let wait = Duration::from_secs(120);
    let mut world = scenario
        .config(move |_, config| {
            config.discovery.seed_mode = true;
            config.discovery.seed_disconnect_wait = wait;
            config.discovery.pex_interval = SECOND;
        })
        .build();
    world.dial(1, 0, false);
    connect_all(&mut world, &[(0, 1)]);
    world.run_for(wait - SECOND / 10);
    assert!(world.are_connected(0, 1));
    assert!(heard.borrow().is_empty(), "who waits is not asked");
    let is_alone = |world: &World| world.peers_of(0).is_empty();
    assert!(world.run_until(SECOND, is_alone));
    // Now the seed comes to see the node it knows, asks, waits for an answer, and leaves.
    assert!(world.run_until(SECOND * 2, |world| world.are_connected(0, 1)));
    world.run_for(SECOND * 9);
    assert!(world.are_connected(0, 1));
    assert_eq!(heard.borrow()[..], [(1, PexMessage::Request)]);
    assert!(world.run_until(SECOND * 2, is_alone));
}

// A seed of eight places, and twelve who come back again and again and never ask.
#[test]
fn silent_peers_cannot_keep_those_who_ask_from_a_seed() {
    for_seeds("silent_peers_cannot_keep_those_who_ask", 5, |seed| {
        let (nodes, silent) = (16, 1..13);
        let puppet = silent.clone();
        let scenario = Scenario::new(seed)
            .nodes(nodes)
            .shards_up_to(3)
            .channel(channel(CHAT, 1))
            .pex()
            .config(move |node, config| {
                config.discovery.pex = !puppet.contains(&node);
                config.discovery.pex_interval = SECOND;
                config.discovery.seed_mode = node == 0;
                config.max_num_inbound_peers = 8;
                if node > 12 {
                    config.discovery.seeds = vec![net_address(seed, 0)];
                }
            });
        let mut world = scenario.build();
        (13..nodes).for_each(|node| world.take_down(node));
        for puppet in silent {
            world.dial(puppet, 0, true);
        }
        world.run_for(SECOND * 20);
        (13..nodes).for_each(|node| world.bring_up(node));
        let have_found = |world: &World| {
            (13..nodes).all(|node| counter(world, node, "pex_answers_received") > 0)
        };
        assert!(world.run_until(SECOND * 20, have_found), "nobody was told");
        assert!(counter(&world, 0, "pex_dismissed") > 0);
        assert_eq!(counter(&world, 0, "pex_bans"), 0);
    });
}

#[test]
fn a_seed_leaves_whom_it_visits_as_soon_as_it_has_its_answer() {
    let scenario = from_one_seed(76, 4).config(|node, config| config.discovery.pex = node == 0);
    let (scenario, heard) = with_puppets(scenario, 1);
    let mut world = scenario.build();
    world.dial(1, 0, false);
    connect_all(&mut world, &[(0, 1)]);
    world.run_for(SECOND / 10);
    world.reset_between(0, 1);
    let is_asked = |_: &World| !heard.borrow().is_empty();
    assert!(world.run_until(SECOND * 3, is_asked));
    let told = vec![world.address_of(2)];
    tell(&mut world, 1, told);
    assert!(world.run_until(SECOND / 2, |world| !world.are_connected(0, 1)));
    // Node 2 is the next it visits, and node 1, which spoke, is good.
    assert!(world.run_until(SECOND, |world| world.are_connected(0, 2)));
    let (speaker, silent) = (world.id_of(1), world.id_of(2));
    let book = book_of(&mut world, 0);
    assert!(book.is_good(&speaker) && !book.is_good(&silent));
}

// Conformance item 76.
#[test]
fn a_seed_keeps_its_persistent_and_unconditional_peers() {
    let unconditional = net_address(77, 2).id;
    let (scenario, _) = with_puppets(Scenario::new(77).nodes(4).edge(0, 1), 1);
    let mut world = scenario
        .config(move |_, config| {
            config.discovery.seed_mode = true;
            config.discovery.seed_disconnect_wait = SECOND * 5;
            config.unconditional_peer_ids = vec![unconditional];
        })
        .build();
    world.dial(2, 0, false);
    world.dial(3, 0, false);
    connect_all(&mut world, &[(0, 1), (0, 2), (0, 3)]);
    world.run_for(SECOND * 6);
    assert_eq!(world.peers_of(0), [1, 2]);
    world.run_for(SECOND * 600);
    assert!(world.are_connected(0, 1) && world.are_connected(0, 2));
}

// Conformance item 77.
#[test]
fn a_seed_gives_an_address_up_after_seventeen_dials_in_vain() {
    let (scenario, _) = with_puppets(Scenario::new(78).nodes(2), 1);
    let mut world = scenario
        .config(|_, config| config.discovery.seed_mode = true)
        .build();
    world.dial(1, 0, false);
    connect_all(&mut world, &[(0, 1)]);
    world.run_for(SECOND);
    world.crash(1, DAY * 30);
    world.run_for(DAY);
    assert_eq!(known_by(&mut world, 0), [1]);
    world.run_for(DAY);
    assert_eq!(known_by(&mut world, 0), NOBODY);
    assert_eq!(counter(&world, 0, "pex_dials_failed"), 17);
    assert_eq!(counter(&world, 0, "pex_addresses_given_up"), 1);
}

// Conformance item 78.
#[test]
fn a_seed_that_answers_while_the_connection_ends_for_another_reason_lives_on() {
    for_seeds(
        "a_seed_that_answers_while_the_connection_ends",
        40,
        |seed| {
            let (scenario, _) = with_puppets(Scenario::new(seed).nodes(3).shards_up_to(3), 1);
            let mut world = scenario
                .config(|_, config| {
                    config.discovery.seed_mode = true;
                    // It visits nobody: who is connected came by itself.
                    config.max_num_outbound_peers = 0;
                })
                .build();
            let mut rng = Rng::new(seed);
            for round in 0..4 {
                world.dial(1, 0, false);
                connect_all(&mut world, &[(0, 1)]);
                ask(&mut world, 1);
                world.run_for(rng.duration_below(Duration::from_millis(2)));
                let id = world.id_of(1);
                match (round, world.home_of(0, 1)) {
                    (0, _) => world.reset_between(0, 1),
                    (1, Some(home)) => world.command(0, home, Command::StopPeer { peer: id }),
                    (2, _) => ask(&mut world, 1),
                    _ => {}
                }
                let is_over = |world: &World| (0..2).all(|node| world.peers_of(node).is_empty());
                assert!(world.run_until(SECOND, is_over));
            }
            world.dial(1, 0, false);
            connect_all(&mut world, &[(0, 1)]);
            ask(&mut world, 1);
            world.run_for(rng.duration_below(Duration::from_millis(2)));
            world.shutdown(0, SECOND);
            assert!(world.run_until(SECOND * 2, |world| world.has_stopped(0)));
        },
    );
}

// ---- shards ------------------------------------------------------------------------------------

#[test]
fn every_shard_answers_from_the_book_as_it_is() {
    let puppets = 1..10_u32;
    let (scenario, heard) = with_puppets(Scenario::new(83).nodes(10).shards(3), 1);
    let mut world = scenario
        .config(|_, config| config.max_num_outbound_peers = 0)
        .build();
    for puppet in puppets.clone() {
        world.dial(puppet, 0, false);
        connect_all(&mut world, &[(0, puppet)]);
    }
    let homes: BTreeSet<_> = puppets
        .clone()
        .map(|puppet| world.home_of(0, puppet))
        .collect();
    assert_eq!(homes.len(), 3);
    heard.borrow_mut().clear();
    puppets.clone().for_each(|puppet| ask(&mut world, puppet));
    world.run_for(SECOND);
    for puppet in puppets {
        let heard = heard.borrow();
        let answer = heard.iter().find_map(|(node, message)| match message {
            PexMessage::Addrs(addresses) if *node == puppet => Some(addresses.len()),
            _ => None,
        });
        assert_eq!(answer, Some(9), "puppet {puppet}");
    }
}

// Each asks once, as soon as it is connected, and not again for thirty seconds.
#[test]
fn nodes_that_start_at_once_are_a_full_mesh_within_seconds_however_many_shards_the_seed_has() {
    for shards in [1, 2, 8] {
        for_seeds("nodes_that_start_at_once", 20, |seed| {
            let scenario = from_one_seed(seed, 5).config(|_, config| {
                config.discovery.pex_interval = Duration::from_secs(30);
            });
            let mut world = World::new(seed);
            for node in 0..5 {
                let mut spec = scenario.node_spec(node);
                spec.shards = if node == 0 { shards } else { 1 };
                world.add_node(spec).expect("a node that can start");
            }
            let is_whole = |world: &World| {
                let mut pairs = (1..5).flat_map(|one| (1..one).map(move |other| (one, other)));
                pairs.all(|(one, other)| world.are_connected(one, other))
            };
            let became_whole = world.run_until(SECOND * 6, is_whole);
            assert!(became_whole, "a seed of {shards} shards");
        });
    }
}

// ---- whole networks ----------------------------------------------------------------------------

#[test]
fn eight_nodes_that_know_one_seed_connect_within_seconds() {
    for_seeds("eight_nodes_that_know_one_seed", 20, |seed| {
        let mut world = from_one_seed(seed, 9).shards_up_to(3).build();
        assert!(
            world.run_until(SECOND * 5, hang_together),
            "not one network"
        );
        // Nobody stays with the seed, and all know all.
        world.run_for(SECOND * 30);
        for node in 1..9 {
            assert!(known_by(&mut world, node).len() >= 7, "node {node}");
        }
    });
}

#[test]
fn a_node_that_was_killed_comes_back_through_its_book_without_a_seed() {
    for_seeds("a_node_that_was_killed_comes_back", 10, |seed| {
        let mut world = from_one_seed(seed, 6).shards_up_to(3).build();
        let mut rng = Rng::new(seed);
        // The book is written every two minutes; the kill comes at any moment after the first.
        world.run_for(Duration::from_secs(121) + rng.duration_below(SECOND * 240));
        world.crash(0, DAY);
        let victim = 1 + rng.below(5) as u32;
        world.crash(victim, SECOND * 5);
        world.run_for(SECOND * 5);
        let is_back = |world: &World| !world.peers_of(victim).is_empty();
        assert!(world.run_until(SECOND * 5, is_back), "node {victim}");
        world.run_for(SECOND * 20);
        assert!(counter(&world, victim, "pex_dials") > 0);
    });
}

#[test]
fn a_node_that_was_shut_down_has_written_its_book() {
    let mut world = from_one_seed(80, 4).build();
    assert!(world.run_until(SECOND * 5, hang_together));
    world.run_for(SECOND * 5);
    world.shutdown(2, SECOND);
    assert!(world.run_until(SECOND * 2, |world| world.has_stopped(2)));
    world.crash(0, DAY);
    world.crash(2, SECOND);
    world.run_for(SECOND);
    assert!(world.run_until(SECOND * 3, |world| world.peers_of(2).len() >= 2));
}

#[test]
fn a_peer_that_stays_is_good_and_one_that_was_only_told_of_is_not() {
    let mut world = from_one_seed(81, 3).build();
    world.run_for(SECOND * 30);
    assert!(world.are_connected(1, 2));
    let (dialer, dialed) = match world.peer(1, 2).map(|info| info.direction) {
        Some(Direction::Outbound) => (1, 2),
        _ => (2, 1),
    };
    let ids = [dialer, dialed].map(|node| world.id_of(node));
    assert!(book_of(&mut world, dialer).is_good(&ids[1]));
    assert!(!book_of(&mut world, dialed).is_good(&ids[0]));
}

#[test]
fn a_node_without_room_is_left_alone_for_a_while_and_others_are_dialed() {
    // Node 1 takes nobody in; node 2 has room. Node 3 may dial one peer at a time.
    let mut world = from_one_seed(82, 4)
        .config(|node, config| match node {
            1 => config.max_num_inbound_peers = 0,
            3 => config.max_num_outbound_peers = 1,
            _ => {}
        })
        .build();
    let has_found_room =
        |world: &World| peers_by(world, 3, Direction::Outbound) == 1 && world.are_connected(3, 2);
    assert!(world.run_until(SECOND * 20, has_found_room));
}

/// Node 0 is a seed of ours, 1 to 3 are nodes of ours, 4 to 7 are strict; of them 6 and 7 are
/// eager.
fn among_strict_peers(seed: u64) -> (World, Rc<RefCell<Report>>) {
    let report = Rc::new(RefCell::new(Report::default()));
    let shared = Rc::clone(&report);
    let mut world = from_one_seed(seed, 8)
        .shards_up_to(3)
        .config(|node, config| {
            config.discovery.pex = node < 4;
            config.max_num_outbound_peers = 3;
            // Strict nodes are no Ringwire nodes.
            config.wide_records = node < 4;
        })
        .reactor("strict", move |node, _| -> Box<dyn Instance> {
            let known = (0..8).filter(|other| *other != node);
            let known = known.map(|other| net_address(seed, other)).collect();
            match node {
                0..4 => erase(Idle),
                4 | 5 => erase(Strict::new(&shared, known)),
                _ => erase(Strict::eager(&shared, known)),
            }
        })
        .build();
    for strict in 4..8 {
        world.dial(strict, strict % 3 + 1, true);
    }
    (world, report)
}

fn assert_nobody_is_blamed(world: &World, report: &Report) {
    assert_eq!(report.violations, Vec::<String>::new());
    for node in 0..4 {
        for figure in ["pex_offences", "pex_bans"] {
            assert_eq!(counter(world, node, figure), 0, "{figure} of node {node}");
        }
    }
}

// What a CometBFT node punishes, and what an honest one does.
#[test]
fn an_hour_with_strict_peers_brings_no_complaint_on_either_side() {
    for_seeds("an_hour_with_strict_peers", 2, |seed| {
        let (mut world, report) = among_strict_peers(seed);
        let mut rng = Rng::new(seed);
        for _ in 0..60 {
            world.run_for(Duration::from_secs(50) + rng.duration_below(SECOND * 20));
            let (one, other) = (rng.below(8) as u32, rng.below(8) as u32);
            match rng.below(8) {
                0 => world.crash(one, SECOND * 5),
                _ => world.reset_between(one, other),
            }
        }
        let report = report.borrow();
        assert_nobody_is_blamed(&world, &report);
        assert!(report.requests > 50, "{report:?}");
        assert!(report.answers > 50, "{report:?}");
    });
}

#[test]
fn no_pause_of_any_length_on_either_side_or_on_the_way_makes_honest_nodes_blame_each_other() {
    for_seeds("no_pause_of_any_length", 6, |seed| {
        let (mut world, report) = among_strict_peers(seed);
        let mut rng = Rng::new(seed);
        for _ in 0..25 {
            world.run_for(SECOND + rng.duration_below(SECOND * 40));
            let span = Duration::from_millis(10 << rng.below(15));
            let node = rng.below(8) as u32;
            if rng.happens(0.5) {
                world.freeze(node, span);
                world.run_for(span);
            } else {
                // Nothing gets through for so long, and then everything does.
                let others = (0..8).filter(|other| *other != node).collect();
                world.partition(&[vec![node], others]);
                world.run_for(span);
                world.partition(&[]);
            }
        }
        world.run_for(Duration::from_secs(60));
        assert_nobody_is_blamed(&world, &report.borrow());
        assert!(report.borrow().answers > 20, "{report:?}");
    });
}

// ---- crowds ------------------------------------------------------------------------------------

#[test]
fn a_hundred_nodes_that_start_at_once_behind_one_address_are_all_answered_by_a_seed() {
    for shards in [1, 8] {
        for_seeds("a_hundred_nodes_behind_one_address", 2, |seed| {
            let scenario =
                Scenario::new(seed)
                    .channel(channel(CHAT, 1))
                    .pex()
                    .config(move |node, config| {
                        let ours = config.clone();
                        if node == 0 {
                            *config = Config {
                                network: ours.network,
                                ..Config::seed()
                            };
                            config.discovery.addr_book_strict = false;
                        } else {
                            config.discovery.seeds = vec![net_address(seed, 0)];
                            config.discovery.pex_interval = Duration::from_secs(30);
                            config.dial_timeout = Duration::from_secs(1);
                        }
                    });
            let mut world = World::new(seed);
            for node in 0..101 {
                let mut spec = scenario.node_spec(node);
                spec.shards = if node == 0 { shards } else { 1 };
                world.put_behind(node, [44, 1, 1, 1].into());
                world.add_node(spec).expect("a node that can start");
            }
            let are_answered = |world: &World| {
                (1..101).all(|node| counter(world, node, "pex_answers_received") > 0)
            };
            // Well before anybody looks again.
            assert!(world.run_until(SECOND * 10, are_answered));
            assert_eq!(crate::support::refusals(&world, 0), []);
        });
    }
}
