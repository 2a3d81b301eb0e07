//! Origins that sign two payloads under one number.

use bytes::Bytes;

use super::tests::{Letter, Net, SMALL};
use super::*;
use crate::coded::{Encoder, Offer};

/// Payload `which` of the origin 0 under number 1, signed.
fn encoder(which: u8) -> Encoder {
    let payload = Bytes::from(vec![which; 60 * SMALL]);
    Encoder::new([0; 32], 1, payload, SMALL).expect("a length that is coded")
}

fn offer(encoder: &Encoder) -> Control {
    Control::Offer(Offer {
        manifest: *encoder.manifest(),
        signature: Some([1; 64]),
    })
}

fn publish(net: &mut Net, which: u8) {
    assert!(net.nodes[0].publish(encoder(which), Some([1; 64])));
    net.collect();
}

fn equivocations(net: &Net) -> Vec<u64> {
    let honest = net.nodes[1..].iter();
    honest.map(|one| one.figures().equivocations).collect()
}

#[test]
fn of_two_payloads_of_one_number_that_are_under_way_none_is_delivered() {
    let mut net = Net::ring(24, 6);
    publish(&mut net, 1);
    net.turn();
    net.turn();
    let other = encoder(2);
    net.way.push_back((2, 3, Letter::Control(offer(&other))));
    net.settle();
    net.run_for(100);
    assert!(net.delivered.is_empty(), "{:?}", net.delivered.keys());
    // The word goes as far as the first payload was offered; who has heard of neither need not hear of both.
    let found = equivocations(&net);
    assert!(found.iter().all(|count| *count <= 1), "{found:?}");
    assert!(found.iter().sum::<u64>() > 12, "{found:?}");
    assert!(net.blamed.is_empty(), "who passes on the proof is honest");
    for node in &net.nodes[1..] {
        assert_eq!(node.bytes(), (0, 0), "nothing of either is kept");
    }
}

#[test]
fn a_second_payload_of_a_number_is_refused_by_all_once_the_first_has_come() {
    let mut net = Net::ring(12, 6);
    publish(&mut net, 1);
    net.settle();
    net.run_for(20);
    publish(&mut net, 2);
    net.settle();
    net.run_for(100);
    assert_eq!(net.delivered.len(), 11);
    for (node, delivered) in &net.delivered {
        assert!(delivered.len() == 1 && delivered[0][0] == 1, "node {node}");
    }
    assert_eq!(equivocations(&net), [1; 11]);
    assert!(net.nodes[1..].iter().all(|one| one.bytes() == (0, 0)));
}

#[test]
fn two_manifests_without_a_shard_are_told_to_nobody() {
    let mut net = Net::ring(3, 2);
    for which in [1, 2] {
        let offer = offer(&encoder(which));
        net.nodes[1].handle_control(0, offer);
    }
    let said = std::iter::from_fn(|| net.nodes[1].poll_output());
    assert_eq!(said.count(), 0, "they have cost their origin nothing");
    assert_eq!(net.nodes[1].figures().equivocations, 1);
}

#[test]
fn an_offer_is_new_until_its_payload_is_taken_or_its_number_void() {
    let mut net = Net::ring(3, 2);
    let (first, second) = (encoder(1), encoder(2));
    let is_new = |net: &Net, encoder: &Encoder| match offer(encoder) {
        Control::Offer(offer) => net.nodes[1].is_new(&offer),
        _ => unreachable!("it is an offer"),
    };
    assert!(is_new(&net, &first));
    net.nodes[1].handle_control(0, offer(&first));
    assert!(!is_new(&net, &first) && is_new(&net, &second));
    net.nodes[1].handle_control(0, offer(&second));
    assert!(!is_new(&net, &first) && !is_new(&net, &second));
    assert!(!is_new(&net, &encoder(3)));
}

#[test]
fn where_nobody_signs_a_number_given_twice_harms_nobody() {
    let mut net = Net::ring(6, 4);
    for which in [1, 2] {
        assert!(net.nodes[0].publish(encoder(which), None));
        net.collect();
        net.settle();
        net.run_for(20);
    }
    assert!((1..6).all(|node| net.delivered[&node].len() == 2));
}
