//! Neighbours that have become feeds and then break the rules.

use super::tests::{Letter, Net, SMALL};
use super::*;
use crate::coded::{Fault, Shard};

/// A ring in which all nodes know who feeds them.
fn warm() -> Net {
    let mut net = Net::ring(24, 6);
    for seq in 1..=2 {
        net.publish_number(0, 60 * SMALL, seq);
        net.settle();
        net.run_for(20);
    }
    net
}

fn strikes(net: &Net) -> u64 {
    net.nodes.iter().map(|one| one.figures().strikes).sum()
}

#[test]
fn feeds_that_keep_everything_back_cost_time_and_no_payload() {
    let mut net = warm();
    let before = net.received.clone();
    let liars = [3, 8, 13, 18, 23];
    net.silent.extend(liars);
    let struck = strikes(&net);
    for seq in 3..=4 {
        let body = net.publish_number(0, 60 * SMALL, seq);
        net.settle();
        net.run_for(3 * STALL_TICKS);
        for node in (1..24).filter(|node| !liars.contains(node)) {
            assert!(net.delivered[&node].last() == Some(&body), "node {node}");
        }
    }
    assert!(strikes(&net) > struck);
    assert!(net.blamed.is_empty(), "silence is no proof");
    for node in (1..24).filter(|node| !liars.contains(node)) {
        let received = net.received[&node] - before[&node];
        assert!(received <= 2 * 80, "node {node}: {received}");
    }
}

#[test]
fn a_bad_shard_of_a_feed_is_blamed_on_it_and_not_passed_on() {
    let mut net = warm();
    let body = net.publish_number(0, 60 * SMALL, 3);
    let mut damaged = None;
    while damaged.is_none() {
        for (from, to, letter) in &mut net.way {
            if let (1.., Letter::Shard(shard), None) = (*from, &mut *letter, damaged) {
                let mut wire = shard.wire().to_vec();
                *wire.last_mut().unwrap() ^= 1;
                *letter = Letter::Shard(Shard::decode(wire.into()).unwrap());
                damaged = Some((*to, *from, Fault::Proof));
            }
        }
        net.turn();
    }
    while net.blamed.is_empty() {
        net.turn();
    }
    let (victim, liar, _) = damaged.unwrap();
    net.unlink(victim, liar);
    net.settle();
    net.run_for(20);
    assert_eq!(net.blamed, [damaged.unwrap()]);
    for node in 1..24 {
        assert!(net.delivered[&node].last() == Some(&body), "node {node}");
    }
}

#[test]
fn a_shard_that_nobody_was_asked_for_is_of_use_once() {
    let mut net = warm();
    let payload = net.publish_number(0, 60 * SMALL, 3);
    let encoder = crate::coded::Encoder::new([0; 32], 3, payload, SMALL);
    let mut encoder = encoder.unwrap();
    let segment = encoder.segment(0).unwrap();
    net.nodes[12].handle_control(9, Control::Offer((*encoder.manifest()).into()));
    let before = net.nodes[12].figures();
    // One neighbour feeds eight stripes of sixteen at most: some of its shards are nobody's wish.
    for _ in 0..2 {
        for index in 0..16 {
            net.nodes[12].handle_shard(9, segment.shard(index).unwrap());
        }
    }
    let after = net.nodes[12].figures();
    assert!(after.unasked >= before.unasked + 8);
    assert_eq!(after.shards, before.shards + 16);
    assert_eq!(after.surplus, before.surplus + 16);
}

#[test]
fn a_feed_that_sends_a_shard_now_and_then_is_left_at_last() {
    let mut net = warm();
    net.slow.insert(3, 10);
    let struck = strikes(&net);
    let body = net.publish_number(0, 60 * SMALL, 3);
    net.settle();
    // Two seconds, and little more for the few shards that it has sent meanwhile.
    net.run_for(40);
    assert!(strikes(&net) > struck);
    for node in (1..24).filter(|node| *node != 3) {
        assert!(net.delivered[&node].last() == Some(&body), "node {node}");
    }
}

#[test]
fn an_origin_is_no_feed_of_its_own_payloads() {
    let mut net = warm();
    let feed = Control::Feed {
        origin: [0; 32],
        begin: Stripes(u16::MAX),
        end: Stripes::default(),
    };
    net.nodes[0].handle_control(1, feed);
    let no = Stripes(u16::MAX);
    let answers = |output: Output<usize>| matches!(output, Output::Control { message: Control::Grant { no: refused, .. }, .. } if refused == no);
    assert!(net.nodes[0].poll_output().is_some_and(answers));
}

#[test]
fn a_tree_of_an_origin_that_has_sent_nothing_is_not_made_by_asking() {
    let mut net = Net::ring(3, 2);
    let origin = [9; 32];
    let begin = Stripes(1);
    let end = Stripes::default();
    net.nodes[0].handle_control(1, Control::Feed { origin, begin, end });
    let refused = |output: Output<usize>| matches!(output, Output::Control { message: Control::Grant { no, .. }, .. } if no == begin);
    assert!(net.nodes[0].poll_output().is_some_and(refused));
}
