//! What an operator changes of a node while it runs.

use std::time::Duration;

use ringwire_codec::NodeId;
use ringwire_core::config::Change;
use ringwire_core::error::CloseReason;
use ringwire_core::peer::ShardId;
use ringwire_core::switch::{Changed, Command, NamedAs, Reply, ReplyToken};
use ringwire_sim::{Scenario, World};

use crate::support::{CHAT, NOBODY, SOON, channel, connect_all, for_seeds};

/// Longer than any pause between two dials of a persistent peer that was lost just now.
const A_WHILE: Duration = Duration::from_secs(60);

fn scenario(seed: u64, nodes: u32) -> Scenario {
    Scenario::new(seed)
        .nodes(nodes)
        .shards_up_to(4)
        .channel(channel(CHAT, 1))
}

/// Changes a node and keeps every rule.
fn change(world: &mut World, node: u32, change: Change) -> Changed {
    world.change(node, change).expect("no rule is broken")
}

/// Whom a node's operator has named, and as what.
fn named(world: &mut World, node: u32) -> Vec<(NodeId, NamedAs)> {
    let before = world.replies().len();
    let token = Some(ReplyToken(u64::MAX));
    world.command(node, ShardId::COORDINATOR, Command::NamedPeers { token });
    world.run_until(SOON, |world| world.replies().len() > before);
    match world.replies().last() {
        Some((_, Reply::NamedPeers(named))) => named
            .iter()
            .map(|peer| (peer.address.id, peer.named_as))
            .collect(),
        reply => panic!("{reply:?}"),
    }
}

fn hang_up(world: &mut World, node: u32, on: u32) {
    let home = world.home_of(node, on).expect("they are connected");
    let peer = world.id_of(on);
    world.command(node, home, Command::StopPeer { peer });
}

#[test]
fn a_persistent_peer_that_is_added_is_dialed_and_kept_and_one_that_is_removed_is_let_go() {
    for_seeds(
        "a_persistent_peer_that_is_added_is_dialed_and_kept_and_one_that_is_removed_is_let_go",
        12,
        |seed| {
            let mut world = scenario(seed, 2).build();
            let (address, id) = (world.address_of(1), world.id_of(1));
            let changed = change(&mut world, 0, Change::AddPersistentPeer(address.clone()));
            assert_eq!(changed.at_once, ["p2p.persistent_peers"]);
            assert_eq!(named(&mut world, 0), [(id, NamedAs::Persistent)]);
            connect_all(&mut world, &[(0, 1)]);
            hang_up(&mut world, 1, 0);
            world.run_until(SOON, |world| !world.are_connected(0, 1));
            connect_all(&mut world, &[(0, 1)]);

            // Stopped on purpose it stays away, until somebody wants it again.
            hang_up(&mut world, 0, 1);
            world.run_for(A_WHILE);
            assert_eq!(world.peers_of(0), NOBODY);
            let again = change(&mut world, 0, Change::AddPersistentPeer(address));
            assert!(again.is_nothing(), "it was named already");
            connect_all(&mut world, &[(0, 1)]);

            change(&mut world, 0, Change::RemovePersistentPeer(id));
            world.run_for(A_WHILE);
            assert_eq!(world.peers_of(0), [1], "nobody is hung up on");
            assert_eq!(named(&mut world, 0), []);
            hang_up(&mut world, 1, 0);
            world.run_for(A_WHILE);
            assert_eq!(world.peers_of(0), NOBODY);
        },
    );
}

#[test]
fn a_persistent_peer_that_is_removed_while_it_is_dialed_answers_who_waits() {
    for_seeds(
        "a_persistent_peer_that_is_removed_while_it_is_dialed_answers_who_waits",
        12,
        |seed| {
            let mut world = scenario(seed, 2).build();
            let id = world.id_of(1);
            let token = world.dial(0, 1, true);
            let command = Command::Change {
                changes: vec![Change::RemovePersistentPeer(id)],
                token: None,
            };
            world.command(0, ShardId::COORDINATOR, command);
            world.run_for(A_WHILE);
            let reply = world.reply(token);
            assert!(
                matches!(reply, Some(Reply::Dial(Err(CloseReason::Stopped)))),
                "{reply:?}"
            );
            assert_eq!(world.peers_of(0), NOBODY);
        },
    );
}

#[test]
fn a_lower_limit_hangs_up_on_nobody_and_refuses_the_next_one() {
    for_seeds(
        "a_lower_limit_hangs_up_on_nobody_and_refuses_the_next_one",
        12,
        |seed| {
            let mut world = scenario(seed, 5).build();
            world.dial(1, 0, true);
            world.dial(2, 0, true);
            connect_all(&mut world, &[(1, 0), (2, 0)]);
            let changed = change(&mut world, 0, Change::MaxInboundPeers(1));
            assert_eq!(changed.census.inbound, 2);
            world.dial(3, 0, true);
            world.run_for(A_WHILE);
            assert_eq!(world.peers_of(0), [1, 2]);

            // One that passes the limits takes no place; one that no longer does takes one.
            let passing = world.id_of(4);
            change(&mut world, 0, Change::AddUnconditionalId(passing));
            world.dial(4, 0, true);
            connect_all(&mut world, &[(4, 0)]);
            let changed = change(&mut world, 0, Change::MaxInboundPeers(3));
            assert_eq!(changed.census.inbound, 2);
            connect_all(&mut world, &[(3, 0)]);
            let changed = change(&mut world, 0, Change::RemoveUnconditionalId(passing));
            assert_eq!(changed.census.inbound, 4);
            assert_eq!(world.peers_of(0), [1, 2, 3, 4]);
            let counted = world.id_of(1);
            let changed = change(&mut world, 0, Change::AddUnconditionalId(counted));
            assert_eq!(changed.census.inbound, 3, "it is counted no longer");
        },
    );
}

#[test]
fn a_node_that_knows_nobody_asks_a_seed_as_soon_as_it_is_told_of_one() {
    for_seeds(
        "a_node_that_knows_nobody_asks_a_seed_as_soon_as_it_is_told_of_one",
        8,
        |seed| {
            let scenario = scenario(seed, 4).pex().config(|node, config| {
                config.discovery.seed_mode = node == 0;
                if node == 3 {
                    // Its next look by itself would come too late for this test.
                    config.discovery.pex_interval = Duration::from_secs(3600);
                }
            });
            let mut world = scenario.build();
            let of_seed = world.address_of(0);
            for node in [1, 2] {
                change(&mut world, node, Change::AddSeed(of_seed.clone()));
            }
            connect_all(&mut world, &[(1, 2)]);
            assert!(!world.peers_of(3).contains(&1));
            change(&mut world, 3, Change::AddSeed(of_seed.clone()));
            let finds = |world: &World| !world.peers_of(3).is_empty();
            assert!(world.run_until(SOON, finds), "it asked at once");
            change(&mut world, 3, Change::RemoveSeed(of_seed.id));
            assert_eq!(named(&mut world, 3), []);
        },
    );
}

#[test]
fn a_rate_holds_for_connections_that_stand() {
    for_seeds("a_rate_holds_for_connections_that_stand", 6, |seed| {
        let bytes = 1_000_000;
        let slow = 10_000;
        let limits_sender = seed % 2 == 0;
        let mut world = scenario(seed, 2).edge(1, 0).build();
        connect_all(&mut world, &[(0, 1)]);
        let (limited, set): (u32, fn(u64) -> Change) = match limits_sender {
            true => (0, Change::SendRate),
            false => (1, Change::RecvRate),
        };
        change(&mut world, limited, set(slow));
        assert!(world.send(0, 1, CHAT, bytes));
        // At the slow rate it would take a hundred seconds.
        world.run_for(Duration::from_secs(20));
        assert_eq!(world.ledger().direct(0, 1, CHAT), (1, 0));
        change(&mut world, limited, set(0));
        world.run_for(Duration::from_secs(2));
        assert_eq!(world.ledger().direct(0, 1, CHAT), (1, 1));
    });
}

#[test]
fn after_many_changes_at_once_all_shards_go_by_the_last_word_on_each_setting() {
    for_seeds(
        "after_many_changes_at_once_all_shards_go_by_the_last_word_on_each_setting",
        12,
        |seed| {
            let mut world = scenario(seed, 3).edge(0, 1).edge(2, 0).build();
            let mut expected = world.switches(0).next().expect("a shard").config().clone();
            let stranger = |byte: u64| NodeId::from_bytes([byte as u8; 20]);
            for round in 0..60 {
                // Of a few settings each, so that many changes meet.
                let pick = (seed + round * 7) % 10;
                let made = match pick {
                    0 => Change::AddPersistentPeer(world.address_of(2)),
                    1 => Change::RemovePersistentPeer(world.id_of(2)),
                    2 => Change::AddSeed(world.address_of(1)),
                    3 => Change::RemoveSeed(world.id_of(1)),
                    4 => Change::AddPrivateId(stranger(round)),
                    5 => Change::AddUnconditionalId(stranger(round % 3)),
                    6 => Change::RemoveUnconditionalId(stranger(round % 2)),
                    7 => Change::MaxInboundPeers(round as usize),
                    8 => Change::SendRate(round * 1000),
                    _ => Change::Live(Box::new(expected.clone())),
                };
                made.make(&mut expected);
                let command = Command::Change {
                    changes: vec![made],
                    token: None,
                };
                world.command(0, ShardId::COORDINATOR, command);
                if round % 5 == 0 {
                    world.run_for(Duration::from_micros(3));
                }
            }
            world.run_for(Duration::from_secs(1));
            for switch in world.switches(0) {
                assert_eq!(*switch.config(), expected);
            }
        },
    );
}

#[test]
fn a_change_that_breaks_a_rule_changes_nothing() {
    let mut world = scenario(1, 1).build();
    let ourselves = world.address_of(0);
    for (refused, key) in [
        (Change::AddPersistentPeer(ourselves), "p2p.persistent_peers"),
        (
            Change::MaxInboundPeers(usize::MAX),
            "p2p.max_num_inbound_peers",
        ),
    ] {
        let error = world.change(0, refused).expect_err("it breaks a rule");
        assert_eq!(error.key, key);
    }
    assert_eq!(named(&mut world, 0), []);
}
