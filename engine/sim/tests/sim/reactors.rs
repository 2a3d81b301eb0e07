//! What reactors are told, and what they can do to a peer. The order of calls is watched in every
//! world; here is the rest.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NetAddress};
use ringwire_core::error::{Blame, CloseReason, NetworkError, Reject};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError, erase};
use ringwire_core::switch::Event;
use ringwire_core::time::Instant;
use ringwire_sim::{Scenario, World, net_address};

use crate::support::{
    Answer, CHAT, Filter, Log, NOBODY, Recorder, SOON, channel, connect_all, for_seeds, removals,
    total,
};

const CHANNELS: [ChannelId; 4] = [ChannelId(1), ChannelId(2), ChannelId(3), ChannelId(0xf4)];

fn recording(seed: u64, log: &Log) -> Scenario {
    let (first, second) = (Rc::clone(log), Rc::clone(log));
    Scenario::new(seed)
        .reactor("foo", move |node, _| {
            erase(Recorder::new(node, "foo", &CHANNELS[..2], &first))
        })
        .reactor("bar", move |node, _| {
            erase(Recorder::new(node, "bar", &CHANNELS[2..], &second))
        })
}

fn lines_of(log: &Log, node: u32, name: &str) -> Vec<String> {
    let log = log.borrow();
    let own = log
        .iter()
        .filter(|(whose, reactor, _)| *whose == node && *reactor == name);
    own.map(|(_, _, line)| line.clone()).collect()
}

// Conformance item 50.
#[test]
fn each_message_reaches_the_reactor_that_owns_its_channel_with_its_bytes() {
    for_seeds(
        "each_message_reaches_the_reactor_that_owns_its_channel",
        10,
        |seed| {
            let log = Log::default();
            let mut world = recording(seed, &log).shards_up_to(3).edge(0, 1).build();
            connect_all(&mut world, &[(0, 1)]);
            for channel in CHANNELS {
                let message = Bytes::from(format!("for {channel}"));
                world.publish_bytes(0, channel, message);
            }
            world.run_for(SOON);
            let line = |channel: ChannelId| format!("{channel} for {channel}");
            let foo = lines_of(&log, 1, "foo");
            let bar = lines_of(&log, 1, "bar");
            assert_eq!(foo, ["add", &line(CHANNELS[0]), &line(CHANNELS[1])]);
            let mut heard = bar[1..].to_vec();
            heard.sort();
            let mut sent = vec![line(CHANNELS[2]), line(CHANNELS[3])];
            sent.sort();
            assert_eq!(heard, sent);
            assert_eq!(lines_of(&log, 0, "foo"), ["add"]);
        },
    );
}

/// Two nodes of which node 1 filters and answers in its own way; node 0 sends it one message.
fn upset(seed: u64, filter: Filter, answer: Answer, persistent: bool) -> (World, Log) {
    let log = Log::default();
    let shared = Rc::clone(&log);
    let mut world = Scenario::new(seed)
        .reactor("moody", move |node, _| {
            let calm = Recorder::new(node, "moody", &CHANNELS[..1], &shared);
            let upset = Recorder {
                filter,
                answer,
                ..Recorder::new(node, "moody", &CHANNELS[..1], &shared)
            };
            erase(if node == 1 { upset } else { calm })
        })
        .build();
    world.dial(1, 0, persistent);
    connect_all(&mut world, &[(0, 1)]);
    world.publish_bytes(0, CHANNELS[0], Bytes::from_static(b"bad"));
    (world, log)
}

fn is_bad(message: &[u8], transient: bool) -> Result<(), ReactorError> {
    match message {
        b"bad" if transient => Err(ReactorError::transient("bad for now")),
        b"bad" => Err(ReactorError::new("bad")),
        _ => Ok(()),
    }
}

// Conformance item 66.
#[test]
fn a_message_that_the_filter_refuses_is_never_received_and_costs_the_peer() {
    let (mut world, log) = upset(1, |message| is_bad(message, false), |_, _| Ok(()), false);
    world.run_for(SOON);
    assert_eq!(lines_of(&log, 1, "moody"), ["add", "remove"]);
    assert!(matches!(
        removals(&world, 1)[..],
        [CloseReason::Reactor { .. }]
    ));
    assert_eq!(removals(&world, 0).len(), 1);
}

// Conformance item 59.
#[test]
fn a_transient_error_brings_a_dialed_peer_back_and_a_lasting_one_does_not() {
    let (mut world, _) = upset(
        2,
        |_| Ok(()),
        |_, heard| is_bad(&heard.message, true),
        false,
    );
    assert!(world.run_until(SOON, |world| world.peers_of(1).is_empty()));
    connect_all(&mut world, &[(0, 1)]);
    let (mut world, _) = upset(
        3,
        |_| Ok(()),
        |_, heard| is_bad(&heard.message, false),
        false,
    );
    assert!(world.run_until(SOON, |world| world.peers_of(1).is_empty()));
    world.run_for(Duration::from_secs(120));
    assert_eq!(world.peers_of(1), NOBODY);
}

#[test]
fn a_reactor_that_panics_costs_the_peer_and_not_the_node() {
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (mut world, log) = upset(4, |_| Ok(()), |_, _| panic!("on purpose"), true);
    assert!(world.run_until(SOON, |world| world.peers_of(1).is_empty()));
    std::panic::set_hook(silent);
    let reasons = removals(&world, 1);
    assert!(
        matches!(reasons[..], [CloseReason::ReactorPanic { .. }]),
        "{reasons:?}"
    );
    assert_eq!(total(&world, 1, |figures| figures.reactor_panics), 1);
    assert_eq!(
        log.borrow()
            .iter()
            .filter(|(node, _, line)| (*node, &**line) == (1, "remove"))
            .count(),
        1
    );
    connect_all(&mut world, &[(0, 1)]);
}

/// Stops the peer by a call instead of an error.
fn stops_the_peer(
    cx: &mut Context<'_, Recorder>,
    heard: &Envelope<'_>,
) -> Result<(), ReactorError> {
    cx.stop_peer(heard.from.key, ReactorError::new("asked to"));
    Ok(())
}

// Conformance items 56 and 66.
#[test]
fn a_reactor_that_complains_costs_its_peer_once_and_hears_nothing_more_of_it() {
    let calm: Filter = |_| Ok(());
    let lasting: Answer = |_, heard| is_bad(&heard.message, false);
    let ways: [(Filter, Answer, usize); 3] = [
        (calm, lasting, 1),
        (|message| is_bad(message, false), |_, _| Ok(()), 0),
        (calm, stops_the_peer, 1),
    ];
    for (filter, answer, receives) in ways {
        let (mut world, log) = upset(5, filter, answer, false);
        world.publish_bytes(0, CHANNELS[0], Bytes::from_static(b"too late"));
        world.run_for(SOON);
        let lines = lines_of(&log, 1, "moody");
        assert_eq!(lines.len(), 2 + receives, "{lines:?}");
        assert_eq!(lines.last().map(String::as_str), Some("remove"));
        assert_eq!(removals(&world, 1).len(), 1);
        // The node lives, and so does the reactor.
        world.dial(1, 0, false);
        connect_all(&mut world, &[(0, 1)]);
        world.publish_bytes(0, CHANNELS[0], Bytes::from_static(b"again"));
        world.run_for(Duration::from_secs(1));
        let lines = lines_of(&log, 1, "moody");
        let heard = lines.iter().any(|line| line.ends_with("again"));
        assert!(heard, "{lines:?}");
    }
}

// Conformance items 64 and 65. The order of calls is watched by the world.
#[test]
fn a_peer_that_comes_back_is_never_initialised_before_it_was_removed() {
    for shards in [1, 3] {
        let log = Log::default();
        let mut world = recording(6, &log).shards(shards).build();
        for _ in 0..4 {
            world.dial(0, 1, false);
            connect_all(&mut world, &[(0, 1)]);
            world.reset_between(0, 1);
            // Word of the loss and the next connection are on their way together.
            world.dial(0, 1, false);
            world.dial(1, 0, false);
            world.run_for(SOON);
        }
        let came_back = lines_of(&log, 1, "foo")
            .iter()
            .filter(|line| *line == "add")
            .count();
        assert!(came_back >= 4);
    }
}

/// Notes to all shards, and a timer for its own.
fn notes_and_timer(
    cx: &mut Context<'_, Recorder>,
    _heard: &Envelope<'_>,
) -> Result<(), ReactorError> {
    for shard in (0..cx.shard_count()).map(ShardId) {
        cx.send_note(shard, 7);
    }
    cx.set_timer(Duration::from_secs(1), 42);
    Ok(())
}

#[test]
fn notes_reach_the_instances_of_all_shards_and_timers_their_own() {
    let log = Log::default();
    let shared = Rc::clone(&log);
    let scenario = Scenario::new(7)
        .shards(2)
        .reactor("noting", move |node, _| {
            erase(Recorder {
                answer: notes_and_timer,
                ..Recorder::new(node, "noting", &CHANNELS[..1], &shared)
            })
        });
    let mut world = scenario.build();
    world.dial(0, 1, false);
    connect_all(&mut world, &[(0, 1)]);
    world.publish_bytes(0, CHANNELS[0], Bytes::from_static(b"note"));
    world.run_for(Duration::from_secs(2));
    let home = world.home_of(1, 0).expect("connected").0;
    let lines = lines_of(&log, 1, "noting");
    for to in 0..2 {
        assert!(
            lines.contains(&format!("note 7 {home} to {to}")),
            "{lines:?}"
        );
    }
    assert!(lines.contains(&String::from("timeout 42")));
}

/// Refusals after which a [`Restless`] reactor gives its dial up: more than one turn may bring.
const REFUSALS: usize = 3000;

/// Asks for its next turn at each, and dials again at once what was refused at once.
struct Restless {
    node: u32,
    us: NetAddress,
    timeouts: Rc<Cell<u32>>,
    refused_at: Rc<RefCell<Vec<Instant>>>,
}

impl Reactor for Restless {
    type Peer = ();
    type Note = ();
    type Timer = u64;

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![channel(CHANNELS[0], 1)]
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        if self.node == 1 {
            cx.set_timer(Duration::ZERO, 0);
        }
        if let Some(mut node) = cx.node().filter(|_| self.node == 1) {
            node.dial(self.us.clone());
        }
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        Ok(())
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, _: u64) {
        self.timeouts.set(self.timeouts.get() + 1);
        cx.set_timer(Duration::ZERO, 0);
    }

    fn handle_dialed(
        &mut self,
        cx: &mut Context<'_, Self>,
        address: &NetAddress,
        outcome: Result<(), &CloseReason>,
    ) {
        assert!(outcome.is_err(), "a node is not its own peer");
        let mut refused_at = self.refused_at.borrow_mut();
        refused_at.push(cx.now());
        if let Some(mut node) = cx.node().filter(|_| refused_at.len() < REFUSALS) {
            node.dial(address.clone());
        }
    }
}

#[test]
fn a_reactor_that_never_rests_holds_up_neither_its_peers_nor_time() {
    let (timeouts, refused_at) = (Rc::<Cell<u32>>::default(), Rc::default());
    let seen = (Rc::clone(&timeouts), Rc::clone(&refused_at));
    let mut world = Scenario::new(11)
        .reactor("restless", move |node, _| {
            erase(Restless {
                node,
                us: net_address(11, node),
                timeouts: Rc::clone(&seen.0),
                refused_at: Rc::clone(&seen.1),
            })
        })
        .channel(channel(CHAT, 1))
        .edge(0, 1)
        .build();
    let has_come = |world: &World| !world.received(1).is_empty();
    assert!(world.run_until(SOON, |world| world.are_connected(0, 1)));
    world.publish_bytes(0, CHAT, Bytes::from_static(b"are you there?"));
    assert!(world.run_until(SOON, has_come));
    assert!(timeouts.get() > 10);
    let refused_at: Vec<Instant> = refused_at.take();
    assert_eq!(refused_at.len(), REFUSALS);
    assert!(refused_at[0] < refused_at[REFUSALS - 1], "in several turns");
}

#[test]
fn shutdown_says_goodbye_and_stops_the_reactors_last() {
    for shards in [1, 3] {
        let log = Log::default();
        let mut world = recording(8, &log).shards(shards).build();
        world.dial(0, 1, false);
        connect_all(&mut world, &[(0, 1)]);
        world.shutdown(0, Duration::from_secs(5));
        world.run_for(SOON);
        let stopped = world
            .events(0)
            .filter(|event| matches!(event, Event::Stopped));
        assert_eq!(stopped.count(), usize::from(shards));
        assert_eq!(removals(&world, 0), [CloseReason::Shutdown]);
        let lines = lines_of(&log, 0, "foo");
        assert_eq!(lines.last().map(String::as_str), Some("stop"), "{lines:?}");
        assert_eq!(world.peers_of(1), NOBODY);
        // Nothing new is taken.
        world.dial(1, 0, false);
        world.run_for(SOON);
        assert_eq!(world.peers_of(1), NOBODY);
    }
}

#[test]
fn what_a_reactor_shares_with_its_test_is_seen_by_all_shards() {
    // The log of a recorder is one, however many shards write to it.
    let log: Log = Rc::new(RefCell::new(Vec::new()));
    let mut world = recording(9, &log).nodes(5).shards(4).full_mesh().build();
    let all: Vec<_> = (0..5).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
    connect_all(&mut world, &all);
    for node in 0..5 {
        assert_eq!(lines_of(&log, node, "foo"), vec!["add"; 4]);
    }
}

// Conformance items 48 and 49.
#[test]
fn the_channels_of_all_reactors_show_in_node_info() {
    let log = Log::default();
    let mut world = recording(49, &log).edge(0, 1).build();
    connect_all(&mut world, &[(0, 1)]);
    let infos = world.events(1).filter_map(|event| match event {
        Event::PeerAdded(peer) => Some(peer.node_info.channels.to_vec()),
        _ => None,
    });
    let [channels] = &infos.collect::<Vec<_>>()[..] else {
        panic!("one peer was added")
    };
    let mut channels = channels.clone();
    channels.sort_unstable();
    assert_eq!(channels, CHANNELS);
}

// Conformance item 36.
#[test]
fn why_a_peer_was_closed_prints_and_says_whose_fault_it_was() {
    let transient = ReactorError::transient("busy");
    let reactor = CloseReason::Reactor {
        reactor: String::from("moody"),
        error: transient,
    };
    assert_eq!(reactor.to_string(), "reactor moody: busy");
    assert!(reactor.is_transient() && reactor.blame() == Blame::Peer);
    let rejected = CloseReason::from(Reject::InboundFull(5));
    assert_eq!(
        rejected.to_string(),
        "rejected: no room for another inbound peer (limit 5)"
    );
    assert!(!rejected.is_transient());
    let lost = CloseReason::from(NetworkError::Eof);
    assert_eq!(
        (lost.blame(), CloseReason::Shutdown.blame()),
        (Blame::Network, Blame::Local)
    );
}
