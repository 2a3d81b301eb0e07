//! The budget for received bytes: its edges, and a shard whose peers use it up.

use bytes::Bytes;

use super::*;
use crate::switch::io::{Event, Output};
use crate::switch::testing::{DATA, House, MESSAGE_MAX, Remote, VOTES};

const BUDGET: usize = 2 << 20;
const HALF: usize = BUDGET / 2;

fn key(index: u32) -> PeerKey {
    PeerKey {
        index,
        generation: 0,
    }
}

fn house() -> House {
    House::with(|config| config.recv_budget_bytes = BUDGET)
}

/// Lets `peer` begin a message and stop shortly before its end. What it holds then is the half.
fn stall(house: &mut House, peer: &mut Remote) {
    peer.write_in_two(Bytes::from(vec![1; 600 << 10]), 590 << 10);
    serve(house, &mut [peer]);
}

/// Turns of the shard, in which it reads whom it wants to, a receive at a time.
fn serve(house: &mut House, peers: &mut [&mut Remote]) -> Vec<Output> {
    let mut all = Vec::new();
    for _ in 0..20 {
        let outputs = house.turn();
        for peer in &mut *peers {
            peer.exchange_piece(house, &outputs);
        }
        all.extend(outputs);
    }
    all
}

/// Lets time pass for the shard alone.
fn pass(house: &mut House, span: Duration) {
    house.now += span;
    house.switch.handle_timeout(house.now);
}

fn join(house: &mut House, number: u16) -> Remote {
    let mut remote = Remote::new(number);
    house.join(&mut remote);
    remote
}

#[test]
fn everybody_is_read_until_the_half_is_held_and_then_who_holds_less_than_a_share() {
    let mut budget = RecvBudget::new(BUDGET);
    let (mut large, mut small) = (0, 0);
    budget.update(&mut large, HALF - 1);
    assert!(budget.may_read(key(1), large, 4));
    budget.update(&mut small, 1);
    assert_eq!(budget.held(), HALF);
    assert!(!budget.may_read(key(1), large, 4));
    assert!(budget.may_read(key(2), HALF / 4 - 1, 4));
    assert!(!budget.may_read(key(2), HALF / 4, 4));
    budget.update(&mut small, 0);
    assert!(budget.may_read(key(1), large, 4));
}

#[test]
fn the_shares_of_all_fill_the_other_half_and_no_more() {
    let budget = RecvBudget::new(BUDGET);
    for peers in [1, 2, 3, 1000, 1_000_000] {
        assert!(budget.share(peers) * peers <= HALF);
        assert!(budget.share(peers) > 0);
    }
    // Who holds nothing is read, however many there are.
    assert_eq!(budget.share(HALF * 2), 1);
    assert_eq!(budget.share(0), HALF);
}

#[test]
fn who_is_gone_holds_nothing() {
    let mut budget = RecvBudget::new(BUDGET);
    let mut held = 0;
    budget.update(&mut held, BUDGET);
    budget.hold_back(key(1));
    budget.forget(key(1), held);
    assert_eq!((budget.held(), budget.waiting_count()), (0, 0));
}

#[test]
fn a_peer_that_holds_little_is_served_while_others_stall_with_much() {
    let mut house = house();
    let mut peers: Vec<Remote> = (1..=3).map(|number| join(&mut house, number)).collect();
    let mut honest = join(&mut house, 4);
    peers.iter_mut().for_each(|peer| stall(&mut house, peer));
    let metrics = house.switch.metrics();
    assert!(metrics.recv_held_bytes >= HALF as u64);
    assert!(metrics.recv_held_back > 0);
    for number in 0..50 {
        let message = Bytes::from(vec![number; 100_000]);
        honest.write(message.clone(), usize::MAX);
        serve(&mut house, &mut [&mut honest]);
        assert_eq!(house.received.borrow_mut().pop(), Some(message));
    }
}

#[test]
fn messages_that_are_too_much_together_come_whole_one_after_the_other() {
    let mut house = house();
    let mut peers: Vec<Remote> = (1..=4).map(|number| join(&mut house, number)).collect();
    for peer in &mut peers {
        peer.write(Bytes::from(vec![2; 900 << 10]), usize::MAX);
    }
    let mut held_most = 0;
    for _ in 0..200 {
        let outputs = house.turn();
        for peer in &mut peers {
            peer.exchange_piece(&mut house, &outputs);
        }
        held_most = held_most.max(house.switch.metrics().recv_held_bytes);
    }
    assert_eq!(house.received.borrow().len(), 4);
    let metrics = house.switch.metrics();
    assert_eq!((metrics.recv_held_bytes, metrics.recv_held_back), (0, 0));
    assert!(held_most >= HALF as u64, "it was tight");
    assert!(held_most <= (BUDGET + MESSAGE_MAX) as u64, "{held_most}");
}

/// Reasons for which peers were closed.
fn closed(outputs: &[Output]) -> Vec<CloseReason> {
    let reason = |output: &Output| match output {
        Output::Event(Event::PeerRemoved { reason, .. }) => Some(reason.clone()),
        _ => None,
    };
    outputs.iter().filter_map(reason).collect()
}

#[test]
fn a_peer_that_only_holds_memory_is_closed_by_name_for_those_who_wait() {
    let mut house = house();
    let (mut stalling, mut honest) = (join(&mut house, 1), join(&mut house, 2));
    stall(&mut house, &mut stalling);
    // The first of these comes through beside it.
    for fill in [3, 4] {
        honest.write_in_two(Bytes::from(vec![fill; 600 << 10]), 590 << 10);
        serve(&mut house, &mut [&mut stalling, &mut honest]);
        honest.write_rest();
    }
    serve(&mut house, &mut [&mut stalling, &mut honest]);
    assert_eq!(house.received.borrow().len(), 2);

    // Two who go on whenever they are read: while one has its turn the other waits.
    let mut other = join(&mut house, 3);
    let mut outputs = Vec::new();
    for peer in [&mut honest, &mut other] {
        peer.write_in_two(Bytes::from(vec![5; 900 << 10]), 500 << 10);
    }
    for _ in 0..20 {
        honest.write_some_of_rest(70 << 10);
        other.write_some_of_rest(70 << 10);
        outputs.extend(serve(&mut house, &mut [&mut honest, &mut other]));
        pass(&mut house, PROGRESS_SPAN / 4);
    }
    outputs.extend(serve(&mut house, &mut [&mut honest, &mut other]));
    let closed = closed(&outputs);
    assert!(
        matches!(
            closed[..],
            [CloseReason::Connection(ConnError::HoldsTooMuch { held, share, within })]
                if held >= HALF && share == HALF / 3 && within >= PROGRESS_SPAN
        ),
        "{closed:?}"
    );
    assert_eq!(house.received.borrow().len(), 4);
    assert_eq!(house.switch.metrics().recv_held_bytes, 0);
}

/// Three peers in the middle of their messages: the first is on trial, and the last one waits.
fn one_on_trial(house: &mut House) -> [Remote; 3] {
    let mut peers = [1, 2, 3].map(|number| join(house, number));
    stall(house, &mut peers[0]);
    for peer in &mut peers[1..] {
        peer.write_in_two(Bytes::from(vec![5; 900 << 10]), 500 << 10);
        serve(house, &mut [peer]);
    }
    let budget = house.switch.shard().recv_budget();
    assert!(!budget.trials.is_empty() && !budget.waiting.is_empty());
    peers
}

#[test]
fn a_pause_of_our_own_is_not_held_against_peers_on_trial() {
    let mut house = house();
    let mut peers = one_on_trial(&mut house);
    // What they send meanwhile lies in the sockets; the timers are looked at first.
    peers.iter_mut().for_each(Remote::write_rest);
    pass(&mut house, Duration::from_secs(3600));
    let mut outputs = Vec::new();
    for _ in 0..10 {
        let [first, second, third] = &mut peers;
        outputs.extend(serve(&mut house, &mut [first, second, third]));
        pass(&mut house, PROGRESS_SPAN / 20);
    }
    assert_eq!(closed(&outputs), []);
    assert_eq!(house.received.borrow().len(), 3);
}

#[test]
fn a_peer_that_is_silent_after_a_pause_of_our_own_fails_its_trial_one_span_later() {
    let mut house = house();
    let peers = one_on_trial(&mut house);
    let first = peers[0].link;
    let mut is_closed_after = |span| {
        pass(&mut house, span);
        let closes = |output| matches!(output, Output::Close { link } if link == first);
        std::iter::from_fn(|| house.switch.poll_output()).any(closes)
    };
    assert!(!is_closed_after(Duration::from_secs(3600)));
    assert!(!is_closed_after(PROGRESS_SPAN - Duration::from_nanos(1)));
    assert!(is_closed_after(Duration::from_nanos(1)));
}

#[test]
fn a_peer_at_its_rate_is_given_the_time_that_its_message_takes() {
    // A fifth of a message per second: five seconds, and others wait.
    let rate = MESSAGE_MAX as u64 / 5;
    let mut house = House::with(|config| {
        (config.recv_budget_bytes, config.recv_rate) = (BUDGET, rate);
    });
    let (mut slow, mut other) = (join(&mut house, 1), join(&mut house, 2));
    for peer in [&mut slow, &mut other] {
        peer.write(Bytes::from(vec![1; MESSAGE_MAX]), usize::MAX);
    }
    for _ in 0..300 {
        serve(&mut house, &mut [&mut slow, &mut other]);
        pass(&mut house, PROGRESS_SPAN / 20);
    }
    assert_eq!(house.received.borrow().len(), 2);
    assert_eq!(house.switch.metrics().peers_removed, 0);
}

#[test]
fn a_slow_rate_makes_the_times_longer_and_a_fast_one_none_shorter() {
    let unfinished = {
        let mut house = house();
        let mut peer = join(&mut house, 1);
        stall(&mut house, &mut peer);
        let key = house.switch.shard().links().peer_keys().next();
        let peer = key.and_then(|key| house.switch.shard().links().peer(key));
        peer.and_then(|peer| peer.unfinished()).expect("it stalls")
    };
    let seconds = |rate| finishing_span(&unfinished, rate).as_secs_f64();
    let rest = (unfinished.max - unfinished.bytes) as f64;
    assert!((seconds(1000) - 2.0 * (RECV_BYTES as f64 + rest) / 1000.0).abs() < 0.001);
    assert_eq!(seconds(0), seconds(EXPECTED_RATE_MAX));
    assert_eq!(seconds(100 * EXPECTED_RATE_MAX), seconds(EXPECTED_RATE_MAX));
    assert_eq!(progress_span(0), PROGRESS_SPAN);
    assert!(progress_span(1000) > Duration::from_secs(200));
}

/// How a liar uses what it may hold.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// Begins a message and falls silent.
    Holds,
    /// Begins one, and finishes a tiny one on the other channel each second.
    FinishesTiny,
    /// Goes on with it, a byte at a time.
    Drips,
    /// Finishes tiny messages as fast as it is let, and goes on with the large one a little.
    Babbles,
}

struct Liar {
    remote: Remote,
    lie: Lie,
    /// Packets with which it begins: just enough to hold its share. What it does behind them is then
    /// all that is left to read of it.
    packets: usize,
    has_begun: bool,
}

/// Payload of a liar's packet.
const PACKET: usize = 1000;

impl Liar {
    fn join(house: &mut House, number: u16, lie: Lie, share: usize) -> Self {
        let remote = Remote::liar(number);
        house.accept(remote.link.0);
        Liar {
            remote,
            lie,
            packets: share / PACKET + 1,
            has_begun: false,
        }
    }

    /// What it does each tenth of a second.
    fn tick(&mut self, tick: u32) {
        if !self.remote.is_peer() {
            return;
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            for _ in 0..self.packets {
                self.remote.write_packet(DATA, false, &[6; PACKET]);
            }
        }
        match self.lie {
            Lie::FinishesTiny if tick.is_multiple_of(10) => {
                self.remote.write_packet(VOTES, true, &[6]);
            }
            Lie::Drips => self.remote.write_packet(DATA, false, &[6]),
            Lie::Babbles if self.remote.is_idle() => {
                for _ in 0..20 {
                    self.remote.write_packet(VOTES, true, &[6]);
                }
                self.remote.write_packet(DATA, false, &[6; 100]);
            }
            _ => {}
        }
    }
}

/// The budget of a shard that is full of liars.
const LIARS_BUDGET: usize = 8 << 20;

/// What came in a minute.
#[derive(Default)]
struct Minute {
    /// The seconds at which blocks of the honest peer came.
    blocks: Vec<f64>,
    /// How many of its votes came.
    votes: usize,
    /// How many messages liars finished.
    tiny: usize,
    /// The most bytes that were held.
    held_most: u64,
}

/// An honest peer beside liars that come back whenever they are closed: for a minute it sends a block
/// and a vote whenever the last ones have gone.
fn minute_among(lies: &[Lie], peers_in_all: usize) -> Minute {
    const BLOCK: usize = 900 << 10;
    let mut house = House::with(|config| config.recv_budget_bytes = LIARS_BUDGET);
    let share = LIARS_BUDGET / 2 / peers_in_all;
    let mut honest = join(&mut house, 1);
    let mut next = 2;
    let mut liars: Vec<Liar> = (1..peers_in_all)
        .map(|number| {
            next += 1;
            Liar::join(&mut house, next, lies[number % lies.len()], share)
        })
        .collect();
    let mut minute = Minute::default();
    let start = house.now;
    for tick in 0..600 {
        pass(&mut house, Duration::from_millis(100));
        if honest.is_idle() {
            honest.write(Bytes::from(vec![7; BLOCK]), usize::MAX);
            honest.write_on(VOTES, Bytes::from_static(&[8; 100]));
        }
        liars.iter_mut().for_each(|liar| liar.tick(tick));
        for _ in 0..10 {
            let outputs = house.turn();
            let is_closed = |peer: &Remote| {
                let closes = |output: &Output| matches!(output, Output::Close { link } if *link == peer.link);
                outputs.iter().any(closes)
            };
            assert!(!is_closed(&honest), "at {tick}");
            honest.exchange_piece(&mut house, &outputs);
            for liar in &mut liars {
                if is_closed(&liar.remote) {
                    next += 1;
                    *liar = Liar::join(&mut house, next, liar.lie, share);
                } else {
                    liar.remote.exchange_piece(&mut house, &outputs);
                }
            }
            let held = house.switch.metrics().recv_held_bytes;
            minute.held_most = minute.held_most.max(held);
        }
        let now = (house.now - start).as_secs_f64();
        let received = std::mem::take(&mut *house.received.borrow_mut());
        let count = |len: usize| received.iter().filter(|m| m.len() == len).count();
        minute.blocks.extend(vec![now; count(BLOCK)]);
        minute.votes += count(100);
        minute.tiny += count(1);
        assert!(
            received
                .iter()
                .all(|message| [1, 100, BLOCK].contains(&message.len())),
            "no liar has finished what it holds"
        );
    }
    minute
}

/// A minute beside a few liars of these kinds, and one beside many: a block comes each few seconds, and a vote with it.
fn assert_blocks_come_through_beside(lies: &[Lie]) {
    for peers in [7, 21] {
        let minute = minute_among(lies, peers);
        let (blocks, held_most) = (&minute.blocks, minute.held_most);
        let gaps = blocks.windows(2).map(|pair| pair[1] - pair[0]);
        let longest = gaps.fold(blocks.first().copied().unwrap_or(60.0), f64::max);
        let what = format!(
            "{lies:?}, {peers} peers: {} blocks, {} votes, {} of liars",
            blocks.len(),
            minute.votes,
            minute.tiny,
        );
        eprintln!("{what}, at most {longest:.1} s apart, {held_most} bytes held");
        assert!(
            blocks.len() >= 60 && longest <= 10.0,
            "{what}, {longest:.1} s"
        );
        assert!(minute.votes + 1 >= blocks.len(), "{what}");
        let finishes = |lie: &Lie| matches!(lie, Lie::FinishesTiny | Lie::Babbles);
        assert_eq!(minute.tiny > 0, lies.iter().any(finishes), "{what}");
        assert!(held_most <= LIARS_BUDGET as u64, "{what}: {held_most} held");
    }
}

#[test]
fn blocks_come_through_beside_liars_that_hold_their_share_in_silence() {
    assert_blocks_come_through_beside(&[Lie::Holds]);
}

#[test]
fn blocks_come_through_beside_liars_that_finish_a_tiny_message_each_second() {
    assert_blocks_come_through_beside(&[Lie::FinishesTiny]);
}

#[test]
fn blocks_come_through_beside_liars_that_go_on_by_a_byte_at_a_time() {
    assert_blocks_come_through_beside(&[Lie::Drips]);
}

#[test]
fn blocks_come_through_beside_liars_that_finish_tiny_messages_without_end() {
    assert_blocks_come_through_beside(&[Lie::Babbles]);
}

#[test]
fn blocks_come_through_beside_liars_of_every_kind_together() {
    assert_blocks_come_through_beside(&[Lie::Holds, Lie::FinishesTiny, Lie::Drips, Lie::Babbles]);
}

#[test]
fn a_slow_peer_that_nobody_waits_for_is_never_closed_for_what_it_holds() {
    let mut house = house();
    let mut slow = join(&mut house, 1);
    stall(&mut house, &mut slow);
    for _ in 0..20 {
        pass(&mut house, PROGRESS_SPAN);
        serve(&mut house, &mut [&mut slow]);
    }
    slow.write_rest();
    serve(&mut house, &mut [&mut slow]);
    assert_eq!(house.received.borrow().len(), 1);
}
