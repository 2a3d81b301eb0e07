//! Why a connection ended, told to both sides.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{Blame, GoodbyeCode, NodeId};
use ringwire_core::conn::Goodbye;
use ringwire_core::error::{CloseReason, EarlyStep, NetworkError, ReactorError, Reject};
use ringwire_core::peer::{BanTarget, PeerInfo, ShardId};
use ringwire_core::reactor::erase;
use ringwire_core::switch::{Command, ConnectionFilter, Event, Filters, PeerFilter, ReplyToken};
use ringwire_sim::{LinkProfile, Scenario, World};

use crate::support::{
    BULK, CHAT, Log, NOBODY, Recorder, SOON, channel, connect_all, for_seeds, post, refusals,
    removals,
};

/// What node 1 is told when node 0 closes it in some way.
struct Case {
    close: fn(&mut World),
    here: CloseReason,
    there: Goodbye,
}

fn home(world: &World) -> ShardId {
    world.home_of(0, 1).expect("they are connected")
}

fn cases() -> Vec<Case> {
    let reactor = |error| CloseReason::Reactor {
        reactor: String::from("recorder"),
        error,
    };
    vec![
        Case {
            close: |world| {
                let stop = Command::StopPeer {
                    peer: world.id_of(1),
                };
                world.command(0, home(world), stop);
            },
            here: CloseReason::Stopped,
            there: Goodbye::new(GoodbyeCode::Stopped, ""),
        },
        Case {
            close: |world| world.shutdown(0, Duration::from_secs(5)),
            here: CloseReason::Shutdown,
            there: Goodbye::new(GoodbyeCode::Shutdown, ""),
        },
        Case {
            close: |world| {
                let ban = Command::Ban {
                    target: BanTarget::Id(world.id_of(1)),
                    span: SOON,
                };
                world.command(0, ShardId::COORDINATOR, ban);
            },
            here: CloseReason::Rejected(Reject::Banned),
            there: Goodbye::new(GoodbyeCode::Banned, ""),
        },
        Case {
            close: |world| post(world, 1, 0, Bytes::from("bad"), ReplyToken(900)),
            here: reactor(ReactorError::new("nobody asked for that\n")),
            there: Goodbye::new(GoodbyeCode::Fault, "nobody asked for that?"),
        },
        Case {
            close: |world| post(world, 1, 0, Bytes::from("enough"), ReplyToken(900)),
            here: CloseReason::Done {
                reactor: String::from("recorder"),
            },
            there: Goodbye::new(GoodbyeCode::Stopped, ""),
        },
    ]
}

/// A pair whose reactors close who says "bad".
fn touchy(seed: u64) -> Scenario {
    Scenario::new(seed)
        .shards_up_to(3)
        .reactor("recorder", |node, _| {
            let mut recorder = Recorder::new(node, "recorder", &[CHAT, BULK], &Log::default());
            recorder.answer = |cx, envelope| match &envelope.message[..] {
                b"bad" => Err(ReactorError::new("nobody asked for that\n")),
                b"enough" => {
                    cx.stop_peer_gracefully(envelope.from.key);
                    Ok(())
                }
                _ => Ok(()),
            };
            erase(recorder)
        })
}

#[test]
fn a_peer_that_is_closed_on_purpose_is_told_why() {
    for (seed, case) in (0..).zip(cases()) {
        let mut world = touchy(seed).build();
        world.dial(1, 0, false);
        connect_all(&mut world, &[(0, 1)]);
        (case.close)(&mut world);
        world.run_for(SOON);
        assert_eq!(removals(&world, 0), [case.here]);
        assert_eq!(removals(&world, 1), [CloseReason::Goodbye(case.there)]);
        assert_eq!((world.open_links(0), world.open_links(1)), (0, 0));
    }
}

#[test]
fn a_goodbye_is_heard_although_much_was_on_its_way() {
    for_seeds(
        "a_goodbye_is_heard_although_much_was_on_its_way",
        20,
        |seed| {
            let mut world = touchy(seed).link(LinkProfile::wan()).build();
            world.dial(1, 0, false);
            connect_all(&mut world, &[(0, 1)]);
            for _ in 0..10 {
                assert!(world.send(0, 1, BULK, 200_000));
            }
            world.run_for(Duration::from_millis(seed * 3));
            let ban = Command::Ban {
                target: BanTarget::Id(world.id_of(1)),
                span: SOON,
            };
            world.command(0, ShardId::COORDINATOR, ban);
            world.run_for(SOON);
            let told = Goodbye::new(GoodbyeCode::Banned, "");
            assert_eq!(removals(&world, 1), [CloseReason::Goodbye(told)]);
            assert_eq!((world.open_links(0), world.open_links(1)), (0, 0));
        },
    );
}

#[test]
fn a_remote_that_does_not_read_its_goodbye_is_closed_all_the_same() {
    let mut world = touchy(90).build();
    world.set_profile(LinkProfile {
        window_bytes: 10_000,
        ..LinkProfile::lan()
    });
    world.dial(1, 0, false);
    connect_all(&mut world, &[(0, 1)]);
    // Nothing is read any more at node 1, so a transmit stays in flight.
    world.set_consuming(1, false);
    world.partition(&[vec![0], vec![1]]);
    for _ in 0..10 {
        assert!(world.send(0, 1, BULK, 200_000));
    }
    world.run_for(Duration::from_millis(100));
    let ban = Command::Ban {
        target: BanTarget::Id(world.id_of(1)),
        span: SOON,
    };
    world.command(0, ShardId::COORDINATOR, ban);
    world.run_for(Duration::from_millis(500));
    assert_eq!(removals(&world, 0).len(), 1, "its reactors know at once");
    world.run_for(SOON);
    assert_eq!(world.open_links(0), 0);
}

/// Three nodes; node 0 has room for one inbound peer and cannot tell before NodeInfo who comes,
/// because an id that nobody has is unconditional. Node 1 is in.
fn full(seed: u64, wide: bool) -> World {
    let mut world = Scenario::new(seed)
        .nodes(3)
        .shards_up_to(3)
        .channel(channel(CHAT, 1))
        .config(move |node, config| {
            config.wide_records = wide;
            if node == 0 {
                config.max_num_inbound_peers = 1;
                config.unconditional_peer_ids = vec![NodeId::from_bytes([9; 20])];
            }
        })
        .build();
    world.dial(1, 0, false);
    connect_all(&mut world, &[(0, 1)]);
    world
}

#[test]
fn a_node_that_is_refused_for_want_of_room_hears_so_and_comes_in_when_there_is() {
    for_seeds(
        "a_node_that_is_refused_for_want_of_room_hears_so_and_comes_in_when_there_is",
        20,
        |seed| {
            let mut world = full(seed, true);
            world.dial(2, 0, true);
            world.run_for(SOON);
            let here = CloseReason::Rejected(Reject::InboundFull(1));
            assert!(refusals(&world, 0).contains(&here));
            let told = CloseReason::Goodbye(Goodbye::new(GoodbyeCode::Full, "inbound peers"));
            let heard = removals(&world, 2);
            assert!(heard.len() > 1, "a persistent peer is dialed again");
            assert!(heard.iter().all(|reason| *reason == told), "{heard:?}");
            assert_ne!(told.blame(), Blame::Peer);
            world.reset_between(0, 1);
            connect_all(&mut world, &[(0, 2)]);
        },
    );
}

/// Node 1 has dialed node 0, whose filters these are.
fn refused_by(filters: Filters, seed: u64) -> World {
    let mut world = Scenario::new(seed)
        .channel(channel(CHAT, 1))
        .filters(move |node| match node {
            0 => filters.clone(),
            _ => Filters::default(),
        })
        .build();
    world.dial(1, 0, false);
    world.run_for(SOON);
    world
}

#[test]
fn a_filter_refuses_without_its_words() {
    let refuse: PeerFilter = Arc::new(|_: &PeerInfo| Err(String::from("a list of ours")));
    let filters = Filters {
        peer: vec![refuse],
        ..Filters::default()
    };
    let world = refused_by(filters, 91);
    assert_eq!(world.peers_of(0), NOBODY);
    let told = Goodbye::new(GoodbyeCode::Refused, "");
    assert_eq!(removals(&world, 1), [CloseReason::Goodbye(told)]);
}

// ---- remotes that only close -------------------------------------------------------------------

/// How the dials of node 0 ended early.
fn early_steps(world: &World, node: u32) -> Vec<EarlyStep> {
    let ended = world.events(node).filter_map(|event| match event {
        Event::DialFailed { error, .. } => Some(error.clone()),
        Event::PeerRemoved {
            reason: CloseReason::Network(error),
            ..
        } => Some(error.clone()),
        _ => None,
    });
    ended
        .map(|error| match error {
            NetworkError::ClosedEarly { step, .. } => step,
            other => panic!("not early: {other}"),
        })
        .collect()
}

#[test]
fn a_dial_that_is_closed_at_once_says_that_nobody_showed_up() {
    let refuse: ConnectionFilter = Arc::new(|_: &_| Err(String::from("not you")));
    let filters = Filters {
        connection: vec![refuse],
        ..Filters::default()
    };
    let world = refused_by(filters, 92);
    assert_eq!(early_steps(&world, 1), [EarlyStep::SecretConnection]);
}

#[test]
fn a_dial_that_is_closed_before_node_info_says_so() {
    let latency = Duration::from_millis(100);
    let line = LinkProfile {
        latency,
        jitter: Duration::ZERO,
        ..LinkProfile::lan()
    };
    let mut world = Scenario::new(93)
        .channel(channel(CHAT, 1))
        .link(line)
        .build();
    world.dial(1, 0, false);
    // TCP takes two of them; then each message takes one: key, authentication, NodeInfo. The end
    // comes behind the authentication, which is on its way.
    world.run_for(latency * 7 / 2);
    world.reset_between(0, 1);
    world.run_for(SOON);
    assert_eq!(early_steps(&world, 1), [EarlyStep::NodeInfo]);
    // Of who comes and goes nothing is to be said.
    let reasons = refusals(&world, 0);
    assert!(matches!(
        reasons[..],
        [CloseReason::Network(NetworkError::Io { .. })]
    ));
}

#[test]
fn a_dial_that_is_closed_right_after_node_info_says_what_that_may_mean() {
    let mut world = full(94, false);
    world.dial(2, 0, false);
    world.run_for(SOON);
    assert_eq!(early_steps(&world, 2), [EarlyStep::Admission]);
    let reason = removals(&world, 2)
        .pop()
        .expect("it was a peer for a moment");
    assert!(
        reason
            .to_string()
            .contains("know this id or address already")
    );
    // A connection that was of use ends as connections end.
    world.reset_between(0, 1);
    world.run_for(SOON);
    let ended = removals(&world, 1).pop().expect("it was reset");
    assert!(matches!(
        ended,
        CloseReason::Network(NetworkError::Eof | NetworkError::Io { .. })
    ));
}

#[test]
fn on_cometbft_framing_nobody_says_goodbye() {
    for (seed, case) in (0..).zip(cases()) {
        let mut world = touchy(seed)
            .config(|node, config| config.wide_records = node == 1)
            .build();
        world.dial(1, 0, false);
        connect_all(&mut world, &[(0, 1)]);
        (case.close)(&mut world);
        world.run_for(SOON);
        assert_eq!(removals(&world, 0), [case.here]);
        let heard = removals(&world, 1);
        assert!(matches!(heard[..], [CloseReason::Network(_)]), "{heard:?}");
    }
}
