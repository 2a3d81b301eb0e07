//! The budget for received bytes: its edges, and a shard whose peers use it up.

use bytes::Bytes;

use super::super::testing::{House, MESSAGE_MAX, Remote};
use super::*;
use crate::switch::io::{Event, Output};

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

fn join(house: &mut House, number: u8) -> Remote {
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

#[test]
fn the_favoured_peer_that_finishes_nothing_in_its_time_is_closed_by_name_for_those_who_wait() {
    let mut house = house();
    let (mut stalling, mut honest) = (join(&mut house, 1), join(&mut house, 2));
    stall(&mut house, &mut stalling);
    honest.write(Bytes::from(vec![3; 600 << 10]), usize::MAX);
    serve(&mut house, &mut [&mut stalling, &mut honest]);
    assert!(stalling.is_read() && !honest.is_read());

    pass(&mut house, FAVOUR_SPAN - Duration::from_nanos(1));
    serve(&mut house, &mut [&mut stalling, &mut honest]);
    assert_eq!(house.switch.metrics().peers_removed, 0);
    assert!(house.received.borrow().is_empty());

    pass(&mut house, Duration::from_nanos(1));
    let outputs = serve(&mut house, &mut [&mut honest]);
    let closed = outputs.iter().find_map(|output| match output {
        Output::Event(Event::PeerRemoved { reason, .. }) => Some(reason.clone()),
        _ => None,
    });
    assert!(
        matches!(
            closed,
            Some(CloseReason::Connection(ConnError::HoldsTooMuch { held, share, .. }))
                if held >= HALF && share == HALF / 2
        ),
        "{closed:?}"
    );
    assert_eq!(house.received.borrow().len(), 1);
    assert_eq!(house.switch.metrics().recv_held_bytes, 0);
}

#[test]
fn the_favoured_peer_that_finishes_its_message_in_time_stays() {
    let mut house = house();
    let (mut slow, mut other) = (join(&mut house, 1), join(&mut house, 2));
    stall(&mut house, &mut slow);
    other.write(Bytes::from(vec![3; 600 << 10]), usize::MAX);
    serve(&mut house, &mut [&mut slow, &mut other]);
    pass(&mut house, FAVOUR_SPAN - Duration::from_nanos(1));
    slow.write_rest();
    serve(&mut house, &mut [&mut slow, &mut other]);
    assert_eq!(house.received.borrow().len(), 2);
    pass(&mut house, FAVOUR_SPAN);
    serve(&mut house, &mut [&mut slow, &mut other]);
    let metrics = house.switch.metrics();
    assert_eq!((metrics.peers_removed, metrics.recv_held_bytes), (0, 0));
}

#[test]
fn a_slow_peer_that_nobody_waits_for_is_never_closed_for_what_it_holds() {
    let mut house = house();
    let mut slow = join(&mut house, 1);
    stall(&mut house, &mut slow);
    for _ in 0..5 {
        pass(&mut house, FAVOUR_SPAN);
        serve(&mut house, &mut [&mut slow]);
    }
    slow.write_rest();
    serve(&mut house, &mut [&mut slow]);
    assert_eq!(house.received.borrow().len(), 1);
}
