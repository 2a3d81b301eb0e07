//! Whole engines over real sockets: connect, echo, push back, stop.

mod common;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{CHANNEL, channel, config, connect, echo_builder, skip_without_ring};
use ringwire::error::SaveError;
use ringwire::error::{ChangeError, DialError, ShutdownError, StartError, SubscribeError};
use ringwire::error::{CloseReason, PublishError, TrySendError};
use ringwire::peer::BanTarget;
use ringwire::reactor::Document;
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire::{Builder, Change, Config, Engine, Handle};
use ringwire::{Delivery, Event};
use ringwire_codec::{ChannelId, GoodbyeCode, NodeKey};

/// How long anything here is waited for: generous, for a machine that does other work.
const WITHIN: Duration = Duration::from_secs(30);

fn app_builder(shards: u16, seed: u8) -> Builder {
    Engine::builder(config())
        .node_key(NodeKey::from_seed([seed; 32]))
        .shards(shards)
        .channel(channel())
}

#[test]
fn two_engines_connect_and_echo_on_one_shard_each() {
    if !skip_without_ring() {
        echo_between(1);
    }
}

#[test]
fn an_engine_that_is_banned_hears_so_over_a_real_socket() {
    if skip_without_ring() {
        return;
    }
    let here = app_builder(2, 5).start().expect("the banning engine");
    let there = app_builder(2, 6).start().expect("the banned engine");
    let mut events = there.handle().events();
    connect(there.handle(), here.handle());
    here.handle()
        .wait_for_peers_blocking(1, WITHIN)
        .expect("connected");
    here.handle()
        .ban(BanTarget::Id(there.handle().node_id()), WITHIN);
    let reason = loop {
        let event = events.recv_timeout(WITHIN).expect("it is told in time");
        if let Event::PeerRemoved { reason, .. } = event {
            break reason;
        }
    };
    let CloseReason::Goodbye(goodbye) = reason else {
        panic!("closed for {reason}");
    };
    assert_eq!(goodbye.code, GoodbyeCode::Banned);
}

/// A reactor that shows what it was told to go by.
struct Witness(Arc<AtomicU32>);

impl Reactor for Witness {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        Vec::new()
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        Ok(())
    }

    fn handle_reconfigured(&mut self, _: &mut Context<'_, Self>, config: &Config) {
        let is_told = config.send_rate == 7 && config.max_num_inbound_peers == 8;
        self.0.fetch_add(u32::from(is_told), Ordering::Relaxed);
    }
}

#[test]
fn a_change_is_confirmed_when_every_shard_goes_by_it() {
    if skip_without_ring() {
        return;
    }
    let told = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&told);
    let here = app_builder(3, 7).reactor("witness", move |_| Witness(Arc::clone(&counted)));
    let here = here.start().expect("an engine");
    let handle = here.handle();
    let changes = || [Change::SendRate(7), Change::MaxInboundPeers(8)];
    let changed = handle
        .change_blocking(changes())
        .expect("no rule is broken");
    assert_eq!(
        changed.at_once,
        ["p2p.max_num_inbound_peers", "p2p.send_rate"]
    );
    assert_eq!(told.load(Ordering::Relaxed), 3);
    let again = handle
        .change_blocking(changes())
        .expect("no rule is broken");
    assert!(again.is_nothing());
    let config = handle.config_blocking().expect("it runs");
    assert_eq!((config.send_rate, config.max_num_inbound_peers), (7, 8));

    let refused =
        handle.change_blocking([Change::SendRate(1), Change::MaxInboundPeers(usize::MAX)]);
    assert!(
        matches!(refused, Err(ChangeError::Refused(_))),
        "{refused:?}"
    );
    handle.shutdown_blocking(WITHIN).expect("an orderly end");
    assert_eq!(
        handle.change_blocking(changes()),
        Err(ChangeError::Stopping)
    );
    assert_eq!(handle.config_blocking(), None);
}

#[test]
fn two_engines_connect_and_echo_on_three_shards_each() {
    if !skip_without_ring() {
        echo_between(3);
    }
}

fn echo_between(shards: u16) {
    let echo = echo_builder(shards, 1).start().expect("the echoing engine");
    let caller = app_builder(shards, 2).start().expect("the calling engine");
    let mut answers = caller
        .handle()
        .subscribe(CHANNEL)
        .expect("a declared channel");
    let peer = connect(caller.handle(), echo.handle());
    assert_eq!(peer, echo.handle().node_id());
    for round in 0..200_u32 {
        let message = Bytes::from(vec![round as u8; 1 + round as usize * 97]);
        caller
            .handle()
            .send_blocking(peer, CHANNEL, message.clone(), WITHIN)
            .expect("room in time");
        let answer = answers.recv_timeout(WITHIN).expect("an echo");
        assert_eq!((answer.peer, answer.message), (peer, message));
    }
    let status = caller.handle().status_blocking();
    assert_eq!(status.len(), usize::from(shards));
    assert_eq!(
        status.iter().map(|shard| shard.peers.len()).sum::<usize>(),
        1
    );
    caller
        .handle()
        .shutdown_blocking(WITHIN)
        .expect("an orderly end");
    echo.handle()
        .shutdown_blocking(WITHIN)
        .expect("an orderly end");
    assert_eq!(answers.recv_blocking(), None);
}

#[test]
fn many_peers_spread_over_the_shards_and_hear_a_broadcast() {
    if skip_without_ring() {
        return;
    }
    let hub = app_builder(3, 1).start().expect("the hub");
    let leaves: Vec<_> = (2..11)
        .map(|seed| app_builder(1, seed).start().expect("a leaf"))
        .map(|leaf| {
            (
                leaf.handle()
                    .subscribe(CHANNEL)
                    .expect("a declared channel"),
                leaf,
            )
        })
        .collect();
    for (_, leaf) in &leaves {
        connect(leaf.handle(), hub.handle());
    }
    hub.handle()
        .wait_for_peers_blocking(9, WITHIN)
        .expect("all leaves are peers of the hub");
    let mut homes: Vec<_> = hub.handle().peers().iter().map(|peer| peer.shard).collect();
    homes.sort();
    homes.dedup();
    assert_eq!(homes.len(), 3, "nine peers live on three shards");
    hub.handle()
        .broadcast_blocking(CHANNEL, Bytes::from_static(b"to all"))
        .expect("running");
    for (mut messages, _leaf) in leaves {
        let heard = messages.recv_timeout(WITHIN).expect("the broadcast");
        assert_eq!(heard.message, "to all");
    }
}

#[test]
fn a_full_queue_is_an_answer_and_no_accepted_message_is_lost() {
    if skip_without_ring() {
        return;
    }
    let sender = app_builder(1, 1).start().expect("the sender");
    let receiver = app_builder(1, 2).start().expect("the receiver");
    let peer = connect(sender.handle(), receiver.handle());
    // Nobody subscribes yet, so the receiver stops reading and the queues fill up.
    let until = Instant::now() + Duration::from_secs(20);
    let mut accepted = 0_u32;
    let mut full = 0;
    while full < 50 {
        assert!(Instant::now() < until, "the queues never filled");
        let mut message = vec![0; 64 * 1024];
        message[..4].copy_from_slice(&accepted.to_be_bytes());
        match sender
            .handle()
            .try_send(peer, CHANNEL, Bytes::from(message))
        {
            Ok(()) => {
                accepted += 1;
                full = 0;
            }
            Err(TrySendError::Full(message)) => {
                assert_eq!(message.len(), 64 * 1024);
                full += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(other) => panic!("{other}"),
        }
    }
    let mut messages = receiver
        .handle()
        .subscribe_with_capacity(CHANNEL, 4)
        .expect("a declared channel");
    for expected in 0..accepted {
        let delivery = messages.recv_timeout(WITHIN).expect("an accepted message");
        assert_eq!(delivery.message[..4], expected.to_be_bytes());
    }
}

#[test]
fn senders_of_their_own_lose_nothing_and_keep_their_order() {
    if skip_without_ring() {
        return;
    }
    const SENDERS: u8 = 4;
    const EACH: u32 = 5_000;
    let sender = app_builder(2, 1).start().expect("the sender");
    let receiver = app_builder(2, 2).start().expect("the receiver");
    let mut messages = receiver
        .handle()
        .subscribe(CHANNEL)
        .expect("a declared channel");
    let peer = connect(sender.handle(), receiver.handle());
    let threads: Vec<_> = (0..SENDERS)
        .map(|number| {
            let mut own = sender.handle().sender(peer, CHANNEL).expect("connected");
            std::thread::spawn(move || {
                let mut batch = VecDeque::new();
                for count in 0..EACH {
                    let mut message = vec![number; 5 + count as usize % 90];
                    message[1..5].copy_from_slice(&count.to_be_bytes());
                    // One by one, in batches, and waiting: all ways are one order.
                    batch.push_back(Bytes::from(message));
                    if count % 7 == 0 {
                        own.try_send_all(&mut batch).expect("the peer is there");
                        batch
                            .drain(..)
                            .for_each(|message| own.send_blocking(message).expect("connected"));
                    }
                }
                batch
                    .drain(..)
                    .for_each(|message| own.send_blocking(message).expect("connected"));
            })
        })
        .collect();
    let mut next = [0; SENDERS as usize];
    let (mut heard, mut left) = (Vec::new(), usize::from(SENDERS) * EACH as usize);
    while left > 0 {
        heard.clear();
        let count = messages.recv_many_blocking(&mut heard, 64);
        assert!((1..=64).contains(&count) && heard.len() == count, "{count}");
        left -= count;
        check_order(&heard, &mut next);
    }
    assert_eq!(next, [EACH; SENDERS as usize]);
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("no panic"));
}

/// Each message is the next of its sender.
fn check_order(heard: &[Delivery], next: &mut [u32]) {
    for Delivery { message, .. } in heard {
        let count = u32::from_be_bytes(message[1..5].try_into().expect("four bytes"));
        let expected = &mut next[usize::from(message[0])];
        assert_eq!(count, *expected);
        *expected += 1;
    }
}

#[test]
fn a_sender_of_its_own_says_what_is_full_too_long_and_gone() {
    if skip_without_ring() {
        return;
    }
    let sender = app_builder(1, 1).start().expect("the sender");
    let receiver = app_builder(1, 2).start().expect("the receiver");
    let peer = connect(sender.handle(), receiver.handle());
    let unknown = ChannelId(0x7f);
    assert_eq!(
        sender.handle().sender(peer, unknown).map(|_| ()),
        Err(TrySendError::UnknownChannel(unknown))
    );
    let mut own = sender.handle().sender(peer, CHANNEL).expect("connected");
    let max = channel().recv_message_capacity;
    assert_eq!(
        own.try_send(Bytes::from(vec![0; max + 1])),
        Err(TrySendError::TooLong { len: max + 1, max })
    );
    // Nobody subscribes, so the queues fill up, and the inlet behind them.
    let message = Bytes::from(vec![7; 16 * 1024]);
    let until = Instant::now() + WITHIN;
    while own.try_send(message.clone()) != Err(TrySendError::Full(message.clone())) {
        assert!(Instant::now() < until, "it never filled");
    }
    assert!(sender.handle().stop_peer(peer) || sender.handle().peer_count() == 0);
    receiver
        .handle()
        .shutdown_blocking(WITHIN)
        .expect("an orderly end");
    let gone = loop {
        assert!(Instant::now() < until, "the peer never went");
        match own.try_send(message.clone()) {
            Ok(()) | Err(TrySendError::Full(_)) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => break error,
        }
    };
    assert_eq!(gone, TrySendError::NotConnected(message));
}

/// A message with its number in front, of a length of its own.
fn numbered(number: u32) -> Bytes {
    let mut message = vec![7; 4 + number as usize % 90];
    message[..4].copy_from_slice(&number.to_be_bytes());
    Bytes::from(message)
}

fn number_of(message: &Bytes) -> u32 {
    u32::from_be_bytes(message[..4].try_into().expect("four bytes"))
}

#[test]
fn a_broadcaster_reaches_all_peers_in_order_and_says_what_is_too_long_and_that_it_is_over() {
    if skip_without_ring() {
        return;
    }
    const COUNT: u32 = 300;
    const BATCH: usize = 5;
    let sender = app_builder(2, 1).start().expect("the sender");
    let receivers = [2, 3, 4].map(|seed| app_builder(1, seed).start().expect("a receiver"));
    let mut inboxes = receivers.each_ref().map(|receiver| {
        let inbox = receiver.handle().subscribe(CHANNEL);
        connect(sender.handle(), receiver.handle());
        inbox.expect("a declared channel")
    });
    let mut all = sender
        .handle()
        .broadcaster(CHANNEL)
        .expect("a declared channel");
    let max = channel().recv_message_capacity;
    let too_long = all.try_send(Bytes::from(vec![0; max + 1]));
    assert_eq!(too_long, Err(TrySendError::TooLong { len: max + 1, max }));
    for first in (0..COUNT).step_by(BATCH) {
        // In a batch, and waiting: both ways are one order.
        let mut batch: VecDeque<Bytes> = (first..).take(BATCH).map(numbered).collect();
        let last = batch.pop_back().expect("not empty");
        all.try_send_all(&mut batch).expect("it runs");
        assert!(batch.is_empty(), "there was room");
        all.send_blocking(last).expect("it runs");
        // A peer without room would miss some: all have them before more is sent.
        for inbox in &mut inboxes {
            for expected in (first..).take(BATCH) {
                let delivery = inbox.recv_timeout(WITHIN).expect("a message");
                assert_eq!(number_of(&delivery.message), expected);
            }
        }
    }
    sender
        .handle()
        .shutdown_blocking(WITHIN)
        .expect("an orderly end");
    let last = numbered(0);
    assert_eq!(
        all.try_send(last.clone()),
        Err(TrySendError::Stopping(last))
    );
}

#[test]
fn a_publisher_waits_for_its_reactor_and_keeps_its_order() {
    if skip_without_ring() {
        return;
    }
    const COUNT: u32 = 20_000;
    let flood = || {
        let config = ringwire::gossip::FloodConfig::new(channel());
        move |_| ringwire::gossip::Flood::new(config.clone())
    };
    let node = |seed| {
        let builder = Engine::builder(config())
            .node_key(NodeKey::from_seed([seed; 32]))
            .shards(1)
            .reactor("flood", flood());
        builder.start().expect("a node")
    };
    let [sender, receiver] = [node(1), node(2)];
    let mut inbox = receiver
        .handle()
        .subscribe_with_capacity(CHANNEL, 4)
        .expect("a declared channel");
    connect(sender.handle(), receiver.handle());
    let unknown = ChannelId(0x7f);
    let refused = sender.handle().publisher(unknown).map(|_| ());
    assert_eq!(refused, Err(PublishError::UnknownChannel(unknown)));
    let mut own = sender
        .handle()
        .publisher(CHANNEL)
        .expect("a declared channel");
    let publishing = std::thread::spawn(move || {
        (0..COUNT).try_for_each(|number| own.publish_blocking(numbered(number)))
    });
    for expected in 0..COUNT {
        let delivery = inbox.recv_timeout(WITHIN).expect("a message");
        assert_eq!(number_of(&delivery.message), expected);
    }
    publishing.join().expect("no panic").expect("it runs");
}

#[test]
fn a_subscription_that_nobody_reads_holds_up_its_channel_only() {
    if skip_without_ring() {
        return;
    }
    let other = ChannelId(0x61);
    let builder = |seed| {
        app_builder(1, seed).channel(ChannelDescriptor {
            id: other,
            ..channel()
        })
    };
    let sender = builder(1).start().expect("the sender");
    let receiver = builder(2).start().expect("the receiver");
    let peer = connect(sender.handle(), receiver.handle());
    let mut open = receiver
        .handle()
        .subscribe(other)
        .expect("a declared channel");
    let blocked = receiver
        .handle()
        .subscribe_with_capacity(CHANNEL, 1)
        .expect("a declared channel");
    let big = Bytes::from(vec![7; 16 * 1024]);
    for _ in 0..200 {
        // Whether it fits does not matter: the channel is to be full.
        let _ = sender.handle().try_send(peer, CHANNEL, big.clone());
    }
    for round in 0..50_u8 {
        let message = Bytes::from(vec![round]);
        sender
            .handle()
            .send_blocking(peer, other, message.clone(), WITHIN)
            .expect("room");
        let delivery = open.recv_timeout(WITHIN).expect("the other channel flows");
        assert_eq!(delivery.message, message);
    }
    drop(blocked);
    sender
        .handle()
        .send_blocking(peer, CHANNEL, big, WITHIN)
        .expect("a dropped subscriber blocks nobody");
}

#[test]
fn an_engine_with_live_peers_stops_without_waiting_for_any_deadline() {
    if skip_without_ring() {
        return;
    }
    // The least of them is a second. A stop that waited for it would do so each time; one that is
    // late because others have the CPU is not.
    let quick = (0..5).any(|_| time_to_stop() < Duration::from_millis(500));
    assert!(quick, "each stop took longer");
}

/// How long an engine takes to stop that has six peers.
fn time_to_stop() -> Duration {
    let hub = app_builder(2, 1).start().expect("the hub");
    let leaves: Vec<_> = (2..8)
        .map(|seed| app_builder(1, seed).start().expect("a leaf"))
        .collect();
    for leaf in &leaves {
        connect(leaf.handle(), hub.handle());
    }
    hub.handle()
        .wait_for_peers_blocking(leaves.len(), WITHIN)
        .expect("all leaves are peers of the hub");
    let began = Instant::now();
    hub.handle()
        .shutdown_blocking(WITHIN)
        .expect("an orderly end");
    println!("stopped after {:?}", began.elapsed());
    began.elapsed()
}

#[test]
fn shutdown_sends_what_was_accepted() {
    if skip_without_ring() {
        return;
    }
    let sender = app_builder(2, 1).start().expect("the sender");
    let receiver = app_builder(2, 2).start().expect("the receiver");
    let mut messages = receiver
        .handle()
        .subscribe(CHANNEL)
        .expect("a declared channel");
    let peer = connect(sender.handle(), receiver.handle());
    let mut accepted = 0;
    for round in 0..500_u32 {
        let mut message = vec![1; 32 * 1024];
        message[..4].copy_from_slice(&round.to_be_bytes());
        accepted += u32::from(
            sender
                .handle()
                .try_send(peer, CHANNEL, message.into())
                .is_ok(),
        );
    }
    assert!(accepted > 0);
    let reader = std::thread::spawn(move || {
        let mut received = 0;
        while received < accepted && messages.recv_timeout(WITHIN).is_some() {
            received += 1;
        }
        received
    });
    sender
        .handle()
        .shutdown_blocking(WITHIN)
        .expect("an orderly end");
    assert_eq!(reader.join().expect("the reader does not panic"), accepted);
}

#[test]
fn shutdown_sends_what_was_accepted_while_the_other_side_floods_it() {
    if !skip_without_ring() {
        (0..20).for_each(|_| flood_both_ways_and_stop());
    }
}

fn flood_both_ways_and_stop() {
    let stopping = app_builder(1, 1).start().expect("the engine that stops");
    let staying = app_builder(1, 2).start().expect("the engine that stays");
    let mut heard = staying
        .handle()
        .subscribe(CHANNEL)
        .expect("a declared channel");
    let mut noise = stopping
        .handle()
        .subscribe(CHANNEL)
        .expect("a declared channel");
    let peer = connect(stopping.handle(), staying.handle());
    let message = Bytes::from(vec![3; 32 * 1024]);
    let (flooder, flood, back) = (
        staying.handle().clone(),
        message.clone(),
        stopping.handle().node_id(),
    );
    let flooder = std::thread::spawn(move || {
        let mut answer = Ok(());
        // Ends when the other engine is gone.
        while matches!(answer, Ok(()) | Err(TrySendError::Full(_))) {
            answer = flooder.try_send(back, CHANNEL, flood.clone());
            std::thread::yield_now();
        }
    });
    let listener = std::thread::spawn(move || while noise.recv_blocking().is_some() {});
    let received = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&received);
    let reader = std::thread::spawn(move || {
        while heard.recv_blocking().is_some() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let until = Instant::now() + Duration::from_millis(30);
    let mut accepted = 0_u32;
    while Instant::now() < until || accepted == 0 {
        accepted += u32::from(
            stopping
                .handle()
                .try_send(peer, CHANNEL, message.clone())
                .is_ok(),
        );
    }
    stopping
        .handle()
        .shutdown_blocking(WITHIN)
        .expect("an orderly end");
    let received = || received.load(Ordering::Relaxed);
    common::wait_until("all that was accepted arrives", || received() == accepted);
    drop(staying);
    for thread in [flooder, listener, reader] {
        thread.join().expect("no thread panics");
    }
    assert_eq!(received(), accepted);
}

struct Panics;

impl Reactor for Panics {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![channel()]
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        panic!("a fault of the application")
    }
}

#[test]
fn a_reactor_that_panics_costs_the_peer_and_not_the_node() {
    if skip_without_ring() {
        return;
    }
    let faulty = Engine::builder(config())
        .node_key(NodeKey::from_seed([1; 32]))
        .shards(1)
        .reactor("panics", |_| Panics)
        .start()
        .expect("the faulty engine");
    let sender = app_builder(1, 2).start().expect("the sender");
    for _ in 0..3 {
        let peer = connect(sender.handle(), faulty.handle());
        faulty
            .handle()
            .wait_for_peers_blocking(1, WITHIN)
            .expect("connected on both sides");
        sender
            .handle()
            .try_send(peer, CHANNEL, Bytes::from_static(b"x"))
            .expect("room");
        common::wait_until("the peer is dropped", || sender.handle().peer_count() == 0);
    }
    faulty
        .handle()
        .shutdown_blocking(WITHIN)
        .expect("the node lives on and ends in order");
}

#[test]
fn a_call_on_a_shard_that_would_wait_for_it_is_refused_and_the_node_goes_on() {
    if skip_without_ring() {
        return;
    }
    let known: Arc<Mutex<Option<Handle>>> = Arc::default();
    let asked = Arc::clone(&known);
    let faulty = app_builder(1, 1)
        .peer_filter(move |_| {
            let handle = asked.lock().expect("nobody panics here").clone();
            // The shard that answers is the one that asks.
            handle.expect("it is known").bans_blocking();
            Ok(())
        })
        .start()
        .expect("the faulty engine");
    *known.lock().expect("nobody panics here") = Some(faulty.handle().clone());
    let dialer = app_builder(1, 2).start().expect("the dialer");
    let address = format!(
        "{}@{}",
        faulty.handle().node_id(),
        faulty.handle().listen_addr()
    );
    let address = address.parse().expect("an address");
    let refused = dialer.handle().dial_blocking(address);
    assert!(refused.is_err(), "{refused:?}");
    let ended = faulty.handle().shutdown_blocking(WITHIN);
    ended.expect("the node lives on and ends in order");
}

/// Panics at one step of the start, on the second shard.
struct PanicsEarly {
    shard: u16,
    step: &'static str,
}

impl PanicsEarly {
    fn at(&self, step: &str) {
        assert!(
            self.shard != 1 || self.step != step,
            "nothing works in {step}"
        );
    }
}

impl Reactor for PanicsEarly {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.at("channels");
        vec![channel()]
    }

    fn start(&mut self, _: &mut Context<'_, Self>) {
        self.at("start");
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        Ok(())
    }
}

#[test]
fn an_engine_whose_reactor_panics_as_it_starts_does_not_start_and_says_which() {
    if skip_without_ring() {
        return;
    }
    for step in ["the factory", "channels", "start", "nothing"] {
        let started = Engine::builder(config())
            .shards(2)
            .reactor("early", move |shard| {
                let reactor = PanicsEarly {
                    shard: shard.0,
                    step,
                };
                reactor.at("the factory");
                reactor
            })
            .start();
        if step == "nothing" {
            let engine = started.expect("nothing panics");
            let ended = engine.handle().shutdown_blocking(WITHIN);
            ended.expect("it ends in order");
            continue;
        }
        let error = started.expect_err("one of its shards cannot do its work");
        let StartError::ReactorPanic { shard, reactor, .. } = &error else {
            panic!("{step}: {error}");
        };
        assert_eq!((shard.0, &**reactor), (1, "early"), "{step}");
        let said = error.to_string();
        assert!(said.contains(&format!("nothing works in {step}")), "{said}");
    }
}

/// An engine that has `call` made on the thread of its one shard when a peer comes, and what came of it.
fn call_on_its_shard(
    call: impl Fn() + Send + Sync + 'static,
) -> (Engine, mpsc::Receiver<Result<(), String>>) {
    let (told, outcome) = mpsc::channel();
    let engine = app_builder(1, 1)
        .peer_filter(move |_| {
            let called = catch_unwind(AssertUnwindSafe(&call));
            let words = called.map_err(|panic| {
                let words = panic.downcast_ref::<&str>().expect("a sentence");
                String::from(*words)
            });
            told.send(words).expect("the test waits");
            Ok(())
        })
        .start()
        .expect("an engine");
    (engine, outcome)
}

/// A peer comes to the engine, and whatever it finds there is not the test's affair.
fn come_to(handle: &Handle) {
    let dialer = app_builder(1, 2).start().expect("the dialer");
    let address = format!("{}@{}", handle.node_id(), handle.listen_addr());
    let _ = dialer
        .handle()
        .dial_blocking(address.parse().expect("an address"));
}

#[test]
fn a_shutdown_on_a_shard_stops_the_engine_and_does_not_wait_for_it() {
    if skip_without_ring() {
        return;
    }
    let known: Arc<Mutex<Option<Handle>>> = Arc::default();
    let asked = Arc::clone(&known);
    let (engine, outcome) = call_on_its_shard(move || {
        let handle = asked.lock().expect("nobody panics here").clone();
        let _ = handle.expect("it is known").shutdown_blocking(WITHIN);
    });
    let handle = engine.handle();
    *known.lock().expect("nobody panics here") = Some(handle.clone());
    come_to(handle);
    let refused = outcome.recv_timeout(WITHIN).expect("it is called");
    let words = refused.expect_err("the shard would wait for itself");
    assert!(words.contains("on a shard's thread"), "{words}");
    assert!(handle.is_stopping(), "it stops all the same");
    let ended = handle.shutdown_blocking(WITHIN);
    ended.expect("it ends in order");
}

#[test]
fn an_engine_dropped_on_its_own_shard_stops_in_order() {
    if skip_without_ring() {
        return;
    }
    let owned: Arc<Mutex<Option<Engine>>> = Arc::default();
    let owner = Arc::clone(&owned);
    let (engine, outcome) = call_on_its_shard(move || {
        drop(owner.lock().expect("nobody panics here").take());
    });
    let handle = engine.handle().clone();
    *owned.lock().expect("nobody panics here") = Some(engine);
    come_to(&handle);
    let dropped = outcome.recv_timeout(WITHIN).expect("it is called");
    assert_eq!(dropped, Ok(()));
    let ended = handle.shutdown_blocking(WITHIN);
    ended.expect("it ends in order");
}

/// Memory of a message that panics when it is freed.
struct Trap;

impl AsRef<[u8]> for Trap {
    fn as_ref(&self) -> &[u8] {
        b"m"
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        panic!("a fault of the message");
    }
}

#[test]
fn a_shard_that_fails_ends_the_engine_with_its_reason() {
    if skip_without_ring() {
        return;
    }
    let faulty = app_builder(3, 1).start().expect("the faulty engine");
    let mut messages = faulty
        .handle()
        .subscribe(CHANNEL)
        .expect("a declared channel");
    let caller = app_builder(1, 2).start().expect("the caller");
    let peer = faulty
        .handle()
        .dial_blocking(common::address(caller.handle()))
        .expect("nobody refuses it");
    // The shard seals the message and lets go of it: the application's code runs there once more.
    let message = Bytes::from_owner(Trap);
    faulty
        .handle()
        .try_send(peer, CHANNEL, message)
        .expect("room");
    assert_eq!(messages.recv_blocking(), None, "subscriptions end");
    common::wait_until("the engine stops", || faulty.handle().is_stopping());
    let Err(ShutdownError::Failed(fault)) = faulty.handle().shutdown_blocking(WITHIN) else {
        panic!("the fault is told");
    };
    assert_eq!(fault.message, "a fault of the message");
    let after = faulty.handle().try_broadcast(CHANNEL, Bytes::new());
    assert!(matches!(after, Err(TrySendError::Stopping(_))));
}

#[test]
fn calls_on_a_stopped_engine_answer_at_once() {
    if skip_without_ring() {
        return;
    }
    let engine = app_builder(1, 1).start().expect("an engine");
    let peer = NodeKey::from_seed([9; 32]).id();
    let message = Bytes::from_static(b"m");
    let lost = engine.handle().try_send(peer, CHANNEL, message.clone());
    assert_eq!(lost, Err(TrySendError::NotConnected(message.clone())));
    let unknown = ChannelId(0x7f);
    let refused = engine.handle().try_send(peer, unknown, message.clone());
    assert_eq!(refused, Err(TrySendError::UnknownChannel(unknown)));
    assert!(matches!(
        engine.handle().subscribe(unknown),
        Err(SubscribeError::UnknownChannel(_))
    ));
    let timeout = engine
        .handle()
        .wait_for_peers_blocking(1, Duration::from_millis(20));
    assert_eq!(timeout.map_err(|late| late.connected), Err(0));
    let handle = engine.handle().clone();
    handle.shutdown_blocking(WITHIN).expect("an orderly end");
    handle
        .shutdown_blocking(WITHIN)
        .expect("as often as one likes");
    drop(engine);
    assert!(matches!(
        handle.try_send(peer, CHANNEL, message),
        Err(TrySendError::Stopping(_))
    ));
    assert_eq!(
        handle.dial_blocking(common::address(&handle)),
        Err(DialError::Stopping)
    );
    assert!(handle.status_blocking().is_empty());
    assert!(handle.wait_for_peers_blocking(1, WITHIN).is_err());
}

#[test]
fn an_address_in_use_is_named_and_nothing_is_left_running() {
    if skip_without_ring() {
        return;
    }
    let first = app_builder(1, 1).start().expect("the first engine");
    let taken = first.handle().listen_addr();
    let mut config = config();
    config.listen_addrs = vec![taken.into()];
    let Err(error) = Engine::builder(config).shards(2).start() else {
        panic!("two engines on one port");
    };
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

#[test]
fn two_reactors_with_one_channel_do_not_start() {
    if skip_without_ring() {
        return;
    }
    let started = app_builder(2, 1).reactor("panics", |_| Panics).start();
    let error = started
        .map(|_| ())
        .expect_err("the channel is claimed twice");
    assert!(error.to_string().contains("panics"), "{error}");
}

#[tokio::test]
async fn an_engine_lives_within_tokio() {
    if skip_without_ring() {
        return;
    }
    let echo = echo_builder(2, 1).start().expect("the echoing engine");
    let caller = app_builder(2, 2).start().expect("the calling engine");
    let mut answers = caller
        .handle()
        .subscribe(CHANNEL)
        .expect("a declared channel");
    let peer = caller
        .handle()
        .dial(common::address(echo.handle()))
        .await
        .expect("a peer");
    caller
        .handle()
        .wait_for_peers(1, WITHIN)
        .await
        .expect("one peer");
    for round in 0..100_u8 {
        let message = Bytes::from(vec![round; 100]);
        caller
            .handle()
            .send(peer, CHANNEL, message.clone(), WITHIN)
            .await
            .expect("room");
        assert_eq!(answers.recv().await.expect("an echo").message, message);
    }
    caller
        .handle()
        .shutdown(WITHIN)
        .await
        .expect("an orderly end");
    echo.handle()
        .shutdown(WITHIN)
        .await
        .expect("an orderly end");
}

#[test]
fn engines_run_where_only_one_cpu_is_allowed() {
    if skip_without_ring() {
        return;
    }
    let program = std::env::current_exe().expect("this test program");
    // The CPU with the highest number: an engine that pins to CPU 0 regardless fails.
    let allowed = ringwire::machine::available_cpus();
    let cpu = allowed.last().expect("this thread may run somewhere");
    let ran = std::process::Command::new("taskset")
        .args(["-c", &cpu.to_string()])
        .arg(program)
        .args([
            "--exact",
            "two_engines_connect_and_echo_on_three_shards_each",
        ])
        .status();
    match ran {
        Ok(status) => assert!(status.success(), "{status}"),
        Err(error) => eprintln!("SKIPPED: cannot run taskset: {error}"),
    }
}

#[test]
fn an_application_that_keeps_what_it_receives_goes_on_receiving() {
    if skip_without_ring() {
        return;
    }
    let sender = app_builder(1, 1).start().expect("the sender");
    let receiver = app_builder(1, 2).start().expect("the receiver");
    let mut messages = receiver
        .handle()
        .subscribe(CHANNEL)
        .expect("a declared channel");
    let peer = connect(sender.handle(), receiver.handle());
    // Four times what the receiving shard has buffers for, in messages that fit one packet.
    const MESSAGES: usize = 8192;
    let publisher = std::thread::spawn(move || {
        for _ in 0..MESSAGES {
            sender
                .handle()
                .send_blocking(peer, CHANNEL, Bytes::from(vec![7; 16_000]), WITHIN)
                .expect("room in time");
        }
        sender
    });
    let mut kept = Vec::with_capacity(MESSAGES);
    while kept.len() < MESSAGES {
        let next = messages.recv_timeout(WITHIN);
        kept.push(next.unwrap_or_else(|| panic!("only {} came", kept.len())));
    }
    publisher.join().expect("all was sent");
}

/// Saves two documents when it starts, and notes what it was told.
struct Saver(Arc<Mutex<Vec<Result<(), SaveError>>>>);

impl Reactor for Saver {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        Vec::new()
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        for name in ["state", "votes"] {
            let saved = cx.save(Document::new(name, move || name.as_bytes().to_vec()));
            self.0.lock().expect("nobody panics").push(saved);
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
}

#[test]
fn a_document_goes_to_the_file_named_for_it_and_one_without_a_file_is_refused() {
    if skip_without_ring() {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("state.json");
    let told = Arc::new(Mutex::new(Vec::new()));
    let saver = Arc::clone(&told);
    let engine = app_builder(1, 1)
        .reactor("saver", move |_| Saver(Arc::clone(&saver)))
        .document_file("state", &path)
        .start()
        .expect("an engine");
    engine
        .handle()
        .shutdown_blocking(WITHIN)
        .expect("an orderly end");
    let refused = SaveError::NoFile {
        document: "votes".into(),
    };
    assert_eq!(*told.lock().expect("nobody panics"), [Ok(()), Err(refused)]);
    assert_eq!(std::fs::read(&path).expect("the file"), b"state");
}

#[test]
fn two_documents_with_one_file_and_one_with_a_directory_do_not_start() {
    if skip_without_ring() {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("state.json");
    for (first, second) in [(file.as_path(), file.as_path()), (&file, directory.path())] {
        let started = app_builder(1, 1)
            .document_file("state", first)
            .document_file("votes", second)
            .start();
        let error = started.map(|_| ()).expect_err("no place of its own");
        assert!(error.to_string().contains("\"votes\""), "{error}");
    }
}
