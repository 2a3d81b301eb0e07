//! How peers come and go: limits, bans, dials that a reactor asks for, names that move.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{Host, NetAddress};
use ringwire_core::error::{CloseReason, Reject};
use ringwire_core::peer::{BanTarget, ShardId};
use ringwire_core::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError, erase};
use ringwire_core::switch::ReplyToken;
use ringwire_sim::{Fault, FaultTable, Scenario, When, Where, World, net_address, socket_addr};

use crate::support::{
    CHAT, NOBODY, SOON, channel, connect_all, for_seeds, post, refusals, removals, total,
};

/// How long a [`Caller`] bans.
const BAN: Duration = Duration::from_secs(100);

/// What became of the dials that [`Caller`]s asked for: node, whom, and how it ended.
type Calls = Rc<RefCell<Vec<(u32, NetAddress, Result<(), CloseReason>)>>>;

/// A reactor that dials a list after a while, and bans who asks for it.
struct Caller {
    node: u32,
    after: Duration,
    dials: Vec<NetAddress>,
    calls: Calls,
}

/// What the coordinator's shard is asked to do: nobody else may.
enum Errand {
    Dial(NetAddress),
    Ban(BanTarget),
}

impl Reactor for Caller {
    type Peer = ();
    type Note = Errand;
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![channel(CHAT, 1)]
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        cx.set_timer(self.after, ());
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, (): ()) {
        for address in self.dials.drain(..) {
            cx.send_note(ShardId::COORDINATOR, Errand::Dial(address));
        }
    }

    fn handle_note(&mut self, cx: &mut Context<'_, Self>, _: ShardId, errand: Errand) {
        let mut node = cx.node().expect("notes go to the coordinator's shard");
        match errand {
            Errand::Dial(address) => node.dial(address),
            Errand::Ban(target) => node.ban(target, BAN),
        }
    }

    fn handle_dialed(
        &mut self,
        cx: &mut Context<'_, Self>,
        address: &NetAddress,
        outcome: Result<(), &CloseReason>,
    ) {
        assert_eq!(cx.shard(), ShardId::COORDINATOR);
        let outcome = outcome.map_err(Clone::clone);
        self.calls
            .borrow_mut()
            .push((self.node, address.clone(), outcome));
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        let target = match &envelope.message[..] {
            b"ban my address" => {
                let ip = envelope.from.remote_addr.ip();
                BanTarget::Ip(ip.expect("a world has no Unix sockets"))
            }
            _ => BanTarget::Id(envelope.from.id),
        };
        cx.send_note(ShardId::COORDINATOR, Errand::Ban(target));
        Ok(())
    }
}

/// Callers of which each, on each shard, dials what `dials` says.
fn callers(
    scenario: Scenario,
    calls: &Calls,
    dials: impl Fn(u32, ShardId) -> (Duration, Vec<NetAddress>) + 'static,
) -> Scenario {
    let calls = Rc::clone(calls);
    scenario.reactor("caller", move |node, shard| {
        let (after, dials) = dials(node, shard);
        erase(Caller {
            node,
            after,
            dials,
            calls: Rc::clone(&calls),
        })
    })
}

fn nothing(_: u32, _: ShardId) -> (Duration, Vec<NetAddress>) {
    (Duration::ZERO, Vec::new())
}

// ---- limits ------------------------------------------------------------------------------------

#[test]
fn stalled_handshakes_are_no_inbound_peers() {
    let stall = Fault::Stall(Duration::from_secs(15));
    let faults = (2..20).fold(FaultTable::new(), |faults, node| {
        faults.with_at(stall.clone(), When::AfterBytes(10), Where::Between(node, 0))
    });
    let mut world = Scenario::new(70)
        .nodes(20)
        .shards(2)
        .channel(channel(CHAT, 1))
        .faults(faults)
        .config(|_, config| config.max_num_inbound_peers = 1)
        .build();
    for node in 2..20 {
        world.dial(node, 0, false);
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(total(&world, 0, |figures| figures.handshakes), 18);
    assert_eq!(refusals(&world, 0), []);
    world.dial(1, 0, false);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.peers_of(0), [1]);
}

#[test]
fn dials_of_all_shards_at_once_never_make_more_outbound_peers_than_the_limit() {
    for_seeds(
        "dials_of_all_shards_at_once_never_make_more_outbound_peers_than_the_limit",
        10,
        |seed| {
            let calls = Calls::default();
            let scenario = Scenario::new(seed)
                .nodes(51)
                .shards(4)
                .config(|_, config| config.max_num_outbound_peers = 10);
            // Every shard wants all fifty, at the same moment.
            let mut world = callers(scenario, &calls, move |node, _| {
                let wanted = 1..if node == 0 { 51 } else { 1 };
                let after = Duration::from_millis(5);
                (after, wanted.map(|n| net_address(seed, n)).collect())
            })
            .build();
            let most = Cell::new(0);
            world.run_until(SOON, |world| {
                most.set(world.peers_of(0).len().max(most.get()));
                false
            });
            assert_eq!((most.get(), world.peers_of(0).len()), (10, 10));
            let calls = calls.borrow();
            assert_eq!(calls.len(), 200, "every dial is answered");
            assert_eq!(calls.iter().filter(|call| call.2.is_ok()).count(), 10);
            let full = CloseReason::Rejected(Reject::OutboundFull(10));
            assert!(calls.iter().any(|call| call.2.as_ref() == Err(&full)));
        },
    );
}

#[test]
fn a_dial_of_an_unconditional_id_passes_the_outbound_limit() {
    let seed = 71;
    let calls = Calls::default();
    let scenario = Scenario::new(seed).nodes(4).config(move |_, config| {
        config.max_num_outbound_peers = 1;
        config.unconditional_peer_ids = vec![net_address(seed, 3).id];
    });
    let mut world = callers(scenario, &calls, move |node, _| {
        let wanted = 1..if node == 0 { 4 } else { 1 };
        (SOON, wanted.map(|n| net_address(seed, n)).collect())
    })
    .build();
    world.run_for(SOON * 2);
    assert_eq!(world.peers_of(0), [1, 3]);
}

#[test]
fn a_subnet_gets_its_share_of_the_inbound_peers() {
    let mut world = Scenario::new(72)
        .nodes(6)
        .shards(2)
        .channel(channel(CHAT, 1))
        .config(|_, config| config.max_num_peers_per_subnet = 3)
        .build();
    for node in 1..6 {
        world.dial(node, 0, false);
    }
    world.run_for(SOON);
    assert_eq!(world.peers_of(0).len(), 3);
    let crowded = refusals(&world, 0).into_iter().filter(|reason| {
        matches!(
            reason,
            CloseReason::Rejected(Reject::PeersFromSubnet { limit: 3, .. })
        )
    });
    assert_eq!(crowded.count(), 2);
    assert_eq!(total(&world, 0, |figures| figures.refusals.crowded), 2);
}

// ---- bans --------------------------------------------------------------------------------------

/// Four nodes of three shards; node 0 keeps all others, and they keep nobody. Gives a peer of
/// node 0 that does not live on its coordinator.
fn hub(seed: u64) -> (World, u32) {
    let calls = Calls::default();
    let scenario = Scenario::new(seed).nodes(4).shards(3);
    let mut world = callers(scenario, &calls, nothing)
        .edge(0, 1)
        .edge(0, 2)
        .edge(0, 3)
        .build();
    connect_all(&mut world, &[(0, 1), (0, 2), (0, 3)]);
    world.run_for(SOON);
    let elsewhere = |peer: &u32| world.home_of(0, *peer) != Some(ShardId::COORDINATOR);
    let peer = (1..4).find(elsewhere).expect("peers are spread");
    (world, peer)
}

#[test]
fn a_ban_from_any_shard_closes_the_peer_and_ends_on_time() {
    for (seed, words) in [(73, "ban my id"), (74, "ban my address")] {
        let (mut world, banned) = hub(seed);
        let began = world.now();
        post(&mut world, banned, 0, Bytes::from(words), ReplyToken(900));
        world.run_for(Duration::from_secs(1));
        let reason = CloseReason::Rejected(Reject::Banned);
        assert_eq!(removals(&world, 0), [reason]);
        // Neither side can undo it before its time: the banned one tries, too.
        let dials = total(&world, 0, |figures| figures.dials);
        while world.now() - began < BAN - SOON {
            world.dial(banned, 0, false);
            world.run_for(Duration::from_secs(10));
            assert!(!world.are_connected(0, banned), "{words}");
        }
        assert!(world.peer(0, banned).is_none());
        let dialed = total(&world, 0, |figures| figures.dials);
        assert_eq!(dialed, dials, "a banned peer is not dialed: {words}");
        // A persistent peer is back as soon as the ban is over, and not before.
        world.run_for(BAN - (world.now() - began) - Duration::from_millis(1));
        assert!(!world.are_connected(0, banned));
        world.run_for(Duration::from_secs(2));
        assert!(world.are_connected(0, banned), "{words}");
        assert_eq!(total(&world, 0, |figures| figures.dials), dials + 1);
        assert_eq!(world.peers_of(0).len(), 3);
    }
}

#[test]
fn a_banned_address_is_refused_at_accept_and_a_banned_id_at_admission() {
    for (seed, words, known) in [(75, "ban my id", true), (76, "ban my address", false)] {
        let (mut world, banned) = hub(seed);
        post(&mut world, banned, 0, Bytes::from(words), ReplyToken(900));
        world.run_for(Duration::from_secs(1));
        world.dial(banned, 0, false);
        world.run_for(Duration::from_secs(10));
        let refused: Vec<_> = world
            .events(0)
            .filter_map(|event| match event {
                ringwire_core::switch::Event::ConnectionRefused { id, reason, .. } => {
                    Some((id.is_some(), reason.clone()))
                }
                _ => None,
            })
            .collect();
        let reason = CloseReason::Rejected(Reject::Banned);
        assert_eq!(refused, [(known, reason)], "{words}");
    }
}

#[test]
fn a_reactor_that_asks_for_a_banned_peer_is_told_so() {
    let seed = 77;
    let calls = Calls::default();
    let scenario = Scenario::new(seed).nodes(2).shards(2);
    let mut world = callers(scenario, &calls, move |node, shard| {
        let asks = node == 0 && shard == ShardId(1);
        let wanted = asks.then(|| net_address(seed, 1));
        (SOON, wanted.into_iter().collect())
    })
    .build();
    world.dial(1, 0, false);
    connect_all(&mut world, &[(0, 1)]);
    let words = Bytes::from("ban my address");
    post(&mut world, 1, 0, words, ReplyToken(900));
    world.run_for(SOON * 2);
    let expected = (
        0,
        net_address(seed, 1),
        Err(CloseReason::Rejected(Reject::Banned)),
    );
    assert_eq!(*calls.borrow(), [expected]);
    assert_eq!(total(&world, 0, |figures| figures.dials), 0);
}

// ---- dials that cross --------------------------------------------------------------------------

#[test]
fn dials_that_two_reactors_ask_for_at_once_end_with_one_connection() {
    let crossed = Cell::new(0);
    let seeds = for_seeds(
        "dials_that_two_reactors_ask_for_at_once_end_with_one_connection",
        100,
        |seed| {
            let calls = Calls::default();
            let scenario = Scenario::new(seed).nodes(2).shards_up_to(3);
            let mut world = callers(scenario, &calls, move |node, shard| {
                // One of them begins up to 700 µs later: between nothing and a whole handshake.
                let late = Duration::from_micros(seed % 8 * 100) * node;
                let dials = match shard {
                    ShardId::COORDINATOR => vec![net_address(seed, 1 - node)],
                    _ => Vec::new(),
                };
                (Duration::from_millis(1) + late, dials)
            })
            .build();
            world.run_for(SOON);
            crossed.set(crossed.get() + u64::from(world.connections_made() > 1));
            assert!(world.are_connected(0, 1));
            assert_eq!((world.open_links(0), world.open_links(1)), (1, 1));
            let mut nodes: Vec<u32> = calls.borrow().iter().map(|call| call.0).collect();
            nodes.sort_unstable();
            assert_eq!(nodes, [0, 1], "each reactor hears of its dial once");
        },
    );
    // The dials must really cross, or the test shows nothing.
    assert!(seeds == 1 || crossed.get() > seeds / 4, "{crossed:?}");
}

// ---- names -------------------------------------------------------------------------------------

const NAME: &str = "node.example.com";

#[test]
fn a_persistent_peer_whose_name_moves_is_found_where_it_went() {
    let seed = 78;
    let mut world = Scenario::new(seed)
        .nodes(3)
        .channel(channel(CHAT, 1))
        .config(move |node, config| {
            if node == 0 {
                config.persistent_peers.push(NetAddress {
                    host: Host::Name(NAME.into()),
                    ..net_address(seed, 1)
                });
            }
        })
        .build();
    // The name leads to somebody else first, then nowhere, then to the peer.
    world.set_name(NAME, 2);
    world.run_for(SOON);
    assert_eq!(world.peers_of(0), NOBODY);
    assert!(world.connections_made() > 1, "it was tried");
    world.set_name(NAME, 1);
    connect_all(&mut world, &[(0, 1)]);
    // And it is asked for again at each loss: now it is wrong once more.
    world.set_name(NAME, 2);
    world.run_for(SOON);
    world.reset_between(0, 1);
    world.run_for(SOON);
    assert_eq!(world.peers_of(0), NOBODY);
    world.set_name(NAME, 1);
    connect_all(&mut world, &[(0, 1)]);
}

#[test]
fn a_name_that_a_peer_claims_is_neither_looked_up_nor_dialed() {
    let mut world = Scenario::new(79)
        .nodes(3)
        .shards(2)
        .channel(channel(CHAT, 1))
        .config(|node, config| {
            if node == 1 {
                config.external_address = Some(format!("{NAME}:26656"));
            }
        })
        .build();
    world.set_name(NAME, 2);
    world.dial(1, 0, false);
    connect_all(&mut world, &[(0, 1)]);
    let peer = world.peer(0, 1).expect("connected");
    assert_eq!(peer.node_info.listen_addr, format!("{NAME}:26656"));
    assert_eq!(peer.listen_address(), None);
    world.run_for(SOON);
    world.reset_between(0, 1);
    world.run_for(SOON * 10);
    assert_eq!(total(&world, 0, |figures| figures.dials), 0);
    assert_eq!(world.connections_made(), 1);
    assert_eq!(world.open_links(2), 0);
}

#[test]
fn a_peer_that_listens_everywhere_is_known_by_where_it_came_from() {
    let mut world = Scenario::new(80)
        .channel(channel(CHAT, 1))
        .config(|_, config| config.external_address = Some(String::from("0.0.0.0:26656")))
        .build();
    world.dial(1, 0, false);
    connect_all(&mut world, &[(0, 1)]);
    let address = world.peer(0, 1).expect("connected").listen_address();
    assert_eq!(address, Some(world.address_of(1)));
    assert_eq!(socket_addr(1).port(), 26_656);
}
