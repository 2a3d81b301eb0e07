//! Who may connect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ringwire_codec::NetAddress;
use ringwire_core::error::{CloseReason, Reject};
use ringwire_core::peer::{Ban, BanOrigin, PeerInfo, RemoteAddr, ShardId};
use ringwire_core::switch::{
    BanTarget, Command, ConnectionFilter, Event, Filters, PeerFilter, Reply, ReplyToken,
};
use ringwire_sim::{Fault, FaultTable, Scenario, When, Where, World, net_address, socket_addr};

use crate::support::{
    CHAT, NOBODY, SOON, channel, connect_all, for_seeds, refusals, removals, total,
};

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
    let good = |world: &World| world.are_connected(0, 2);
    assert!(world.run_until(Duration::from_secs(1), good));
    assert!(!world.are_connected(0, 1));
}

/// Node 0 listens; the next 64, of eight hosts, say nothing; then come the honest ones.
const SILENT: std::ops::RangeInclusive<u32> = 1..=64;
const HONEST: std::ops::RangeInclusive<u32> = 65..=164;

fn crowd_ip(node: u32) -> IpAddr {
    match SILENT.contains(&node) {
        true => Ipv6Addr::new(0x2a00, 0, 0, (node % 8) as u16, 0, 0, 0, node as u16).into(),
        false => Ipv4Addr::from(0x1400_0000 + node * 256).into(),
    }
}

#[test]
fn silent_sockets_of_eight_hosts_keep_hardly_a_newcomer_out() {
    // Those that come again after some seconds, and those that come again at once.
    for pause in [Duration::ZERO, Duration::from_millis(50)] {
        for_seeds(
            "silent_sockets_of_eight_hosts_keep_hardly_a_newcomer_out",
            2,
            |seed| {
                let stall = Fault::Stall(Duration::from_secs(3600));
                let faults = SILENT.fold(FaultTable::new(), |faults, node| {
                    faults.with_at(stall.clone(), When::AfterBytes(0), Where::Around(node))
                });
                let scenario = Scenario::new(seed)
                    .nodes(165)
                    .shards_up_to(2)
                    .addresses(crowd_ip)
                    .channel(channel(CHAT, 1))
                    .faults(faults)
                    .config(move |node, config| {
                        config.max_num_inbound_peers = 200;
                        if SILENT.contains(&node) {
                            config.persistent_peers_max_dial_period = pause;
                        }
                    });
                let scenario = SILENT.fold(scenario, |scenario, node| scenario.edge(node, 0));
                let mut world = scenario.build();
                world.run_for(Duration::from_secs(5));
                for node in HONEST {
                    world.dial(node, 0, false);
                    world.run_for(Duration::from_millis(20));
                }
                world.run_for(Duration::from_secs(1));
                let came_in = world.peers_of(0).len();
                assert!(came_in >= 95, "{came_in} of 100 came in");
                let gave_way = CloseReason::Rejected(Reject::SlowHandshake);
                assert!(refusals(&world, 0).contains(&gave_way));
            },
        );
    }
}

#[test]
fn a_lie_about_a_node_and_a_socket_that_stalls_do_not_keep_the_node_out() {
    for_seeds(
        "a_lie_about_a_node_and_a_socket_that_stalls_do_not_keep_the_node_out",
        20,
        |seed| {
            let stall = Fault::Stall(Duration::from_secs(300));
            let faults =
                FaultTable::new().with_at(stall, When::AfterBytes(0), Where::Between(0, 2));
            let scenario = Scenario::new(seed)
                .nodes(3)
                .shards_up_to(3)
                .channel(channel(CHAT, 1))
                .faults(faults);
            let mut world = scenario.build();
            let lie = NetAddress {
                id: world.id_of(1),
                ..world.address_of(2)
            };
            let dial = Command::Dial {
                address: lie,
                persistent: false,
                token: None,
            };
            world.command(0, ShardId::COORDINATOR, dial);
            world.run_for(Duration::from_secs(1));
            assert_eq!(world.open_links(0), 1, "the dial waits for a proof");
            world.dial(1, 0, false);
            let is_in = |world: &World| world.are_connected(0, 1);
            assert!(world.run_until(Duration::from_secs(1), is_in));
            world.run_for(SOON);
            assert_eq!(world.open_links(0), 1, "and the dial was given up");
        },
    );
}

#[test]
fn the_whole_handshake_has_one_time_limit() {
    // Its last step stalls, in which the dialer's NodeInfo would come.
    let stall = Fault::Stall(Duration::from_secs(300));
    let timeout = ringwire_core::config::Config::default().handshake_timeout;
    for bytes in [0, 40, 1100, 1300] {
        let faults = FaultTable::new()
            .with(Fault::Stall(timeout / 2), When::AfterBytes(0))
            .with(stall.clone(), When::AfterBytes(bytes));
        let scenario = Scenario::new(bytes)
            .nodes(2)
            .channel(channel(CHAT, 1))
            .faults(faults);
        let mut world = scenario.build();
        world.dial(1, 0, false);
        world.run_for(timeout);
        assert_eq!(refusals(&world, 0), []);
        world.run_for(Duration::from_millis(1));
        let late = CloseReason::HandshakeTimeout(timeout);
        assert_eq!(refusals(&world, 0), [late], "after {bytes} bytes");
    }
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
    let timeout = ringwire_core::config::Config::default().handshake_timeout;
    // The time runs from the connection, which took a round trip.
    world.run_for(timeout);
    assert_eq!(refusals(&world, 0), []);
    world.run_for(Duration::from_millis(1));
    assert_eq!(
        refusals(&world, 0),
        [CloseReason::HandshakeTimeout(timeout)]
    );
    assert_eq!(total(&world, 0, |figures| figures.refusals.timeout), 1);
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
    world.command(0, ShardId::COORDINATOR, dial);
    world.run_for(SOON);
    assert!(matches!(
        world.reply(ReplyToken(900)),
        Some(Reply::Dial(Err(CloseReason::Handshake(_))))
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
    let other = |node, config: &mut ringwire_core::config::Config| {
        config.network = format!("network-{node}");
    };
    let mut world = scenario.config(other).build();
    world.run_for(SOON);
    assert_eq!(
        (world.peers_of(0), world.peers_of(1)),
        (Vec::new(), Vec::new())
    );
    for node in 0..2 {
        let reasons = refusals(&world, node);
        assert!(
            reasons
                .iter()
                .any(|reason| reason.to_string().contains("network")),
            "{reasons:?}"
        );
    }
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
            world.command(0, ShardId::COORDINATOR, dial);
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
            let dials = total(&world, 0, |figures| figures.dials);
            assert_eq!(dials, 1, "the own id is known before a dial");
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

/// Three nodes of which the others dial node 0, which filters.
fn filtered(seed: u64, filters: Filters) -> World {
    let scenario = Scenario::new(seed)
        .nodes(3)
        .shards(2)
        .channel(channel(CHAT, 1))
        .filters(move |node| match node {
            0 => filters.clone(),
            _ => Filters::default(),
        });
    let mut world = scenario.build();
    world.dial(1, 0, false);
    world.dial(2, 0, false);
    world
}

/// Of those who dial, node 1 is refused and node 2 is not.
fn assert_first_is_filtered(seed: u64, filters: Filters) {
    let mut world = filtered(seed, filters);
    world.run_for(SOON);
    assert_eq!(world.peers_of(0), [2]);
    let refused = CloseReason::Rejected(Reject::Filtered(String::from("not that one")));
    assert_eq!(refusals(&world, 0), [refused]);
}

// Conformance item 37.
#[test]
fn a_connection_filter_refuses_an_address_before_its_handshake() {
    let refused_ip = socket_addr(1).ip();
    let connection: ConnectionFilter = Arc::new(move |remote: &RemoteAddr| match remote.ip() {
        ip if ip == Some(refused_ip) => Err(String::from("not that one")),
        _ => Ok(()),
    });
    let filters = Filters {
        connection: vec![connection],
        ..Filters::default()
    };
    assert_first_is_filtered(37, filters);
}

// Conformance item 52.
#[test]
fn a_peer_filter_refuses_an_authenticated_peer() {
    let refused_id = net_address(52, 1).id;
    let peer: PeerFilter = Arc::new(move |peer: &PeerInfo| match peer.id {
        id if id == refused_id => Err(String::from("not that one")),
        _ => Ok(()),
    });
    let filters = Filters {
        peer: vec![peer],
        ..Filters::default()
    };
    assert_first_is_filtered(52, filters);
}

#[test]
fn a_filter_that_panics_refuses_the_one_it_was_asked_about_and_costs_nobody_else() {
    let refused_ip = socket_addr(1).ip();
    let connection: ConnectionFilter = Arc::new(move |remote: &RemoteAddr| {
        assert_ne!(remote.ip(), Some(refused_ip), "not that one");
        Ok(())
    });
    let refused_id = net_address(54, 1).id;
    let peer: PeerFilter = Arc::new(move |peer: &PeerInfo| {
        assert_ne!(peer.id, refused_id, "not that one");
        Ok(())
    });
    let connection = Filters {
        connection: vec![connection],
        ..Filters::default()
    };
    let peer = Filters {
        peer: vec![peer],
        ..Filters::default()
    };
    for (seed, kind, filters) in [(53, "connection", connection), (54, "peer", peer)] {
        let mut world = filtered(seed, filters);
        world.run_for(SOON);
        assert_eq!(world.peers_of(0), [2]);
        let [CloseReason::Rejected(Reject::Filtered(why))] = &refusals(&world, 0)[..] else {
            panic!("{:?}", refusals(&world, 0));
        };
        assert!(
            why.starts_with(&format!("the {kind} filter panicked: ")),
            "{why}"
        );
        assert!(why.contains("not that one"), "{why}");
    }
}

/// Four nodes; node 3, of two shards like all, has room for one inbound peer.
fn small_hub(seed: u64) -> World {
    let scenario = Scenario::new(seed)
        .nodes(4)
        .shards(2)
        .channel(channel(CHAT, 1))
        .config(|node, config| {
            if node == 3 {
                config.max_num_inbound_peers = 1;
            }
        });
    let mut world = scenario.build();
    world.dial(0, 3, false);
    connect_all(&mut world, &[(0, 3)]);
    world.dial(1, 3, false);
    world.run_for(SOON);
    world
}

#[test]
fn a_full_node_refuses_a_socket_before_the_handshake() {
    let world = small_hub(60);
    let refused = world.events(3).filter_map(|event| match event {
        Event::ConnectionRefused { id, reason, .. } => Some((*id, reason.clone())),
        _ => None,
    });
    let full = CloseReason::Rejected(Reject::InboundFull(1));
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused, [(None, full)], "nobody asked who it was");
}

// Conformance item 63.
#[test]
fn refusals_do_not_end_accepting() {
    let mut world = small_hub(63);
    world.reset_between(0, 3);
    world.run_for(SOON);
    world.dial(2, 3, false);
    world.run_for(SOON);
    assert_eq!(world.peers_of(3), [2]);
}

fn ban(world: &mut World, node: u32, target: BanTarget, span: Duration) {
    let ban = Command::Ban { target, span };
    world.command(node, ShardId::COORDINATOR, ban);
}

#[test]
fn a_banned_peer_is_closed_and_stays_out_until_the_ban_ends() {
    let mut world = Scenario::new(64)
        .shards(2)
        .channel(channel(CHAT, 1))
        .build();
    world.dial(0, 1, false);
    connect_all(&mut world, &[(0, 1)]);
    let target = BanTarget::Id(world.id_of(0));
    ban(&mut world, 1, target, SOON * 2);
    world.run_for(Duration::from_secs(1));
    let banned = CloseReason::Rejected(Reject::Banned);
    assert_eq!(removals(&world, 1), [banned]);
    world.dial(0, 1, false);
    world.run_for(SOON);
    assert_eq!(world.peers_of(1), NOBODY);
    world.run_for(SOON);
    world.dial(0, 1, false);
    connect_all(&mut world, &[(0, 1)]);
}

#[test]
fn a_banned_address_is_refused_before_the_handshake() {
    let mut world = Scenario::new(65)
        .shards(2)
        .channel(channel(CHAT, 1))
        .build();
    ban(&mut world, 1, BanTarget::Ip(socket_addr(0).ip()), SOON * 2);
    world.dial(0, 1, false);
    world.run_for(SOON);
    assert_eq!(refusals(&world, 1), [CloseReason::Rejected(Reject::Banned)]);
}

#[test]
fn a_ban_is_listed_and_can_be_lifted_and_a_persistent_peer_is_back_at_once() {
    for lifts_by_zero in [false, true] {
        let mut world = Scenario::new(66)
            .shards(2)
            .channel(channel(CHAT, 1))
            .edge(0, 1)
            .build();
        connect_all(&mut world, &[(0, 1)]);
        let target = BanTarget::Id(world.id_of(1));
        let day = Duration::from_secs(24 * 3600);
        ban(&mut world, 0, target, day);
        let minute = Duration::from_secs(60);
        world.run_for(minute);
        assert_eq!(world.peers_of(0), NOBODY);
        let (list, lift) = (ReplyToken(900), ReplyToken(901));
        let bans = |token| Command::Bans { token: Some(token) };
        world.command(0, ShardId::COORDINATOR, bans(list));
        world.run_for(Duration::from_millis(1));
        let Some(Reply::Bans(listed)) = world.reply(list) else {
            panic!("no list");
        };
        let expected = Ban {
            target,
            ends_in: day - minute,
            origin: BanOrigin::Operator,
        };
        assert_eq!(listed[..], [expected]);
        match lifts_by_zero {
            true => ban(&mut world, 0, target, Duration::ZERO),
            false => {
                let token = Some(lift);
                world.command(0, ShardId::COORDINATOR, Command::Unban { target, token });
            }
        }
        let back = |world: &World| world.are_connected(0, 1);
        assert!(world.run_until(Duration::from_secs(1), back));
        let told = matches!(world.reply(lift), Some(Reply::Unban(true)));
        assert_ne!(told, lifts_by_zero);
    }
}
