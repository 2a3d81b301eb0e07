//! Who may connect.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringwire::error::{CloseReason, Reject};
use ringwire::peer::PeerInfo;
use ringwire::sim::{Fault, FaultTable, Scenario, When, Where, net_address};
use ringwire::switch::{Command, ConnectionFilter, Filters, PeerFilter, Reply, ReplyToken};
use ringwire_codec::NetAddress;

use crate::support::{CHAT, NOBODY, SOON, channel, connect_all, for_seeds, refusals};

// Conformance items 39 and 62.
#[test]
fn five_inbound_peers_fit_the_rest_is_refused_and_unconditional_ones_still_pass() {
    for_seeds("five_inbound_peers_fit_the_rest_is_refused", 10, |seed| {
        let unconditional = [1, 2].map(|node| net_address(seed, node).id);
        let mut world = Scenario::new(seed)
            .nodes(10)
            .shards_up_to(4)
            .channel(channel(CHAT, 1))
            .config(move |node, config| {
                if node == 0 {
                    config.max_num_inbound_peers = 5;
                    config.unconditional_peer_ids = unconditional.to_vec();
                }
            })
            .build();
        for node in 3..10 {
            world.dial(node, 0, false);
        }
        world.run_for(SOON);
        assert_eq!(world.peers_of(0).len(), 5);
        for node in [1, 2] {
            world.dial(node, 0, false);
        }
        world.run_for(SOON);
        let peers = world.peers_of(0);
        assert!(peers.len() == 7 && peers.starts_with(&[1, 2]), "{peers:?}");
        let full = refusals(&world, 0)
            .into_iter()
            .filter(|reason| matches!(reason, CloseReason::Rejected(Reject::InboundFull(5))));
        assert!(full.count() >= 2);
    });
}

// Conformance items 40 and 63.
#[test]
fn many_dials_at_once_are_all_accepted_beside_those_that_are_refused() {
    for_seeds(
        "many_dials_at_once_are_all_accepted_beside_those_that_are_refused",
        5,
        |seed| {
            let mut world = Scenario::new(seed)
                .nodes(31)
                .shards_up_to(3)
                .channel(channel(CHAT, 1))
                .config(|node, config| {
                    if node % 3 == 2 {
                        config.network = String::from("another");
                    }
                })
                .build();
            (1..31).for_each(|node| {
                world.dial(node, 0, false);
            });
            world.run_for(SOON);
            let compatible: Vec<u32> = (1..31).filter(|node| node % 3 != 2).collect();
            assert_eq!(world.peers_of(0), compatible);
        },
    );
}

// Conformance item 41.
#[test]
fn a_peer_that_stalls_its_handshake_does_not_delay_a_good_one() {
    let stall = Fault::Stall(Duration::from_secs(15));
    let faults = FaultTable::new().with_at(stall, When::AfterBytes(10), Where::Between(1, 0));
    let scenario = Scenario::new(41)
        .nodes(3)
        .channel(channel(CHAT, 1))
        .faults(faults);
    let mut world = scenario.build();
    world.dial(1, 0, false);
    world.run_for(Duration::from_secs(1));
    world.dial(2, 0, false);
    let good = |world: &ringwire::sim::World| world.are_connected(0, 2);
    assert!(world.run_until(Duration::from_secs(1), good));
    assert!(!world.are_connected(0, 1));
}

#[test]
fn a_handshake_that_takes_too_long_is_given_up() {
    let stall = Fault::Stall(Duration::from_secs(300));
    let faults = FaultTable::new().with(stall, When::AfterBytes(40));
    let scenario = Scenario::new(42)
        .nodes(2)
        .channel(channel(CHAT, 1))
        .faults(faults);
    let mut world = scenario.build();
    world.dial(1, 0, false);
    world.run_for(Duration::from_secs(60));
    let reasons = refusals(&world, 0);
    assert!(
        matches!(reasons[..], [CloseReason::HandshakeTimeout(_)]),
        "{reasons:?}"
    );
    assert_eq!(world.open_links(0), 0);
}

// Conformance item 44.
#[test]
fn a_dial_that_meets_another_node_than_it_was_told_is_refused() {
    let mut world = Scenario::new(44).nodes(3).channel(channel(CHAT, 1)).build();
    let address = NetAddress {
        id: world.id_of(2),
        ..world.address_of(1)
    };
    let dial = Command::Dial {
        address,
        persistent: false,
        token: Some(ReplyToken(900)),
    };
    world.command(0, ringwire::peer::ShardId::COORDINATOR, dial);
    world.run_for(SOON);
    assert!(matches!(
        world.reply(ReplyToken(900)),
        Some(Reply::Dial(Err(_)))
    ));
    assert_eq!(world.peers_of(0), NOBODY);
}

// Conformance item 45.
#[test]
fn nodes_of_different_networks_do_not_become_peers() {
    let scenario = Scenario::new(45)
        .nodes(2)
        .channel(channel(CHAT, 1))
        .edge(0, 1);
    let other = |node, config: &mut ringwire::config::Config| {
        config.network = format!("network-{node}");
    };
    let mut world = scenario.config(other).build();
    world.run_for(SOON);
    assert_eq!(
        (world.peers_of(0), world.peers_of(1)),
        (Vec::new(), Vec::new())
    );
    assert!(!refusals(&world, 0).is_empty() && !refusals(&world, 1).is_empty());
}

// Conformance item 51.
#[test]
fn dialing_oneself_makes_no_peer_and_is_not_tried_again() {
    for_seeds(
        "dialing_oneself_makes_no_peer_and_is_not_tried_again",
        5,
        |seed| {
            let scenario = Scenario::new(seed)
                .nodes(2)
                .shards_up_to(3)
                .channel(channel(CHAT, 1));
            let mut world = scenario.build();
            let token = world.dial(0, 0, true);
            // The same key behind another id: only the handshake can tell.
            let address = NetAddress {
                id: world.id_of(1),
                ..world.address_of(0)
            };
            let dial = Command::Dial {
                address,
                persistent: false,
                token: Some(ReplyToken(901)),
            };
            world.command(0, ringwire::peer::ShardId::COORDINATOR, dial);
            world.run_for(SOON * 10);
            let refused = world.reply(token);
            let Some(Reply::Dial(Err(CloseReason::Rejected(Reject::IsSelf)))) = refused else {
                panic!("{refused:?}");
            };
            assert!(matches!(
                world.reply(ReplyToken(901)),
                Some(Reply::Dial(Err(_)))
            ));
            assert_eq!(world.peers_of(0), NOBODY);
            assert_eq!(world.open_links(0), 0);
        },
    );
}

// Conformance item 54.
#[test]
fn a_second_dial_to_a_connected_peer_is_refused() {
    let mut world = Scenario::new(54)
        .nodes(2)
        .shards(2)
        .channel(channel(CHAT, 1))
        .build();
    world.dial(0, 1, false);
    connect_all(&mut world, &[(0, 1)]);
    let id = world.id_of(1);
    let token = world.dial(0, 1, false);
    world.run_for(SOON);
    let reply = world.reply(token);
    let Some(Reply::Dial(Err(CloseReason::Rejected(Reject::DuplicateId(peer))))) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(*peer, id);
    assert_eq!(world.open_links(0), 1);
}

// Conformance item 37.
#[test]
fn a_connection_filter_refuses_an_address_before_its_handshake() {
    let refused_ip = ringwire::sim::socket_addr(1).ip();
    let connection: ConnectionFilter = Arc::new(move |remote: &SocketAddr| match remote.ip() {
        ip if ip == refused_ip => Err(String::from("not from there")),
        _ => Ok(()),
    });
    let scenario = Scenario::new(37)
        .nodes(3)
        .shards(2)
        .channel(channel(CHAT, 1));
    let mut world = scenario
        .filters(move |node| match node {
            0 => Filters {
                connection: vec![Arc::clone(&connection)],
                ..Filters::default()
            },
            _ => Filters::default(),
        })
        .build();
    world.dial(1, 0, false);
    world.dial(2, 0, false);
    world.run_for(SOON);
    assert_eq!(world.peers_of(0), [2]);
    let reasons = refusals(&world, 0);
    assert!(
        matches!(reasons[..], [CloseReason::Rejected(Reject::Filtered(_))]),
        "{reasons:?}"
    );
}

// Conformance item 52.
#[test]
fn a_peer_filter_refuses_an_authenticated_peer() {
    let refused_id = net_address(52, 1).id;
    let peer: PeerFilter = Arc::new(move |peer: &PeerInfo| match peer.id {
        id if id == refused_id => Err(String::from("not that one")),
        _ => Ok(()),
    });
    let scenario = Scenario::new(52)
        .nodes(3)
        .shards(2)
        .channel(channel(CHAT, 1));
    let mut world = scenario
        .filters(move |node| match node {
            0 => Filters {
                peer: vec![Arc::clone(&peer)],
                ..Filters::default()
            },
            _ => Filters::default(),
        })
        .build();
    world.dial(1, 0, false);
    world.dial(2, 0, false);
    world.run_for(SOON);
    assert_eq!(world.peers_of(0), [2]);
    let reasons = refusals(&world, 0);
    assert!(
        matches!(reasons[..], [CloseReason::Rejected(Reject::Filtered(_))]),
        "{reasons:?}"
    );
}
