//! Applications that say which payloads they want.

use super::tests::{Letter, Net, SMALL, tight};
use super::*;
use crate::coded::{Encoder, ManifestId, Offer};

/// The node that checks, in all nets here.
const CHECKER: usize = 1;

fn net(count: usize, degree: usize) -> Net {
    let mut net = Net::ring(count, degree);
    net.nodes[CHECKER].ask_for_verdicts();
    net
}

/// Publishes a payload of 20 shards and lets it come to all.
fn publish(net: &mut Net, seq: u64) -> ManifestId {
    net.publish_number(0, 20 * SMALL, seq);
    net.settle();
    net.run_for(20);
    let (node, id, payload) = net.unchecked.pop().expect("it is whole");
    assert_eq!((node, payload.len()), (CHECKER, 20 * SMALL));
    assert!(net.unchecked.is_empty(), "it is handed out once");
    id
}

fn signed(which: u8) -> Encoder {
    let payload = bytes::Bytes::from(vec![which; 20 * SMALL]);
    Encoder::new([0; 32], 1, payload, SMALL).expect("a length that is coded")
}

fn offer(encoder: &Encoder) -> Offer {
    Offer {
        manifest: *encoder.manifest(),
        signature: Some([1; 64]),
    }
}

#[test]
fn a_whole_payload_waits_for_a_verdict_takes_its_room_and_is_passed_on_meanwhile() {
    // Node 1 stands between 0 and 2.
    let mut net = net(4, 2);
    net.unlink(3, 0);
    let id = publish(&mut net, 1);
    assert!(net.delivered.contains_key(&2) && net.delivered.contains_key(&3));
    assert!(!net.delivered.contains_key(&CHECKER));
    let node = &mut net.nodes[CHECKER];
    assert_eq!(node.bytes(), (20 * SMALL, 40 * SMALL));
    assert_eq!(node.figures().delivered, 0);
    assert!(node.accept(id));
    assert!(!node.accept(id), "it is delivered once");
    assert_eq!(node.bytes(), (0, 40 * SMALL), "it is kept for others");
    assert_eq!(node.figures().delivered, 1);
}

#[test]
fn what_waits_for_the_room_of_a_payload_without_a_verdict_is_taken_when_there_is_one() {
    for is_good in [true, false] {
        let mut net = Net::new(2, tight());
        net.nodes[CHECKER].ask_for_verdicts();
        net.link(0, CHECKER);
        let id = publish(&mut net, 1);
        // While it comes it takes 24 shards, of 20 that there are.
        net.publish_number(0, 12 * SMALL, 2);
        net.settle();
        net.run_for(40);
        assert!(net.unchecked.is_empty());
        match is_good {
            true => assert!(net.nodes[CHECKER].accept(id)),
            false => net.nodes[CHECKER].refuse(id),
        }
        net.collect();
        net.settle();
        assert_eq!(net.unchecked.len(), 1, "before time goes by");
    }
}

#[test]
fn of_a_refused_payload_nothing_is_kept_offered_or_sent_and_it_does_not_come_again() {
    let mut net = net(4, 2);
    let id = publish(&mut net, 1);
    let node = &mut net.nodes[CHECKER];
    node.refuse(id);
    assert_eq!(node.bytes(), (0, 0));
    assert!(!node.accept(id), "a second word says nothing");
    node.add_link(9, [9; 32]);
    let said: Vec<_> = std::iter::from_fn(|| node.poll_output()).collect();
    let is_told = |output: &Output<usize>| match output {
        Output::Control { to, message } => {
            *to == 9 && matches!(message, Control::Offer(_) | Control::Have(..))
        }
        _ => false,
    };
    assert!(!said.iter().any(is_told), "{said:?}");
    node.remove_link(9);
    // Others offer it again, to whom it must be as if it had come.
    let before = net.received[&CHECKER];
    net.unlink(1, 2);
    net.nodes[1].add_link(2, [2; 32]);
    net.nodes[2].add_link(1, [1; 32]);
    net.collect();
    net.settle();
    net.run_for(100);
    assert_eq!(net.received[&CHECKER], before);
    assert!(net.unchecked.is_empty());
}

#[test]
fn a_refusal_is_told_to_those_who_ask_so_that_they_ask_others_at_once() {
    // Node 4 comes later, and asks both its neighbours for what they have.
    let mut net = net(4, 2);
    let id = publish(&mut net, 1);
    let body = net.delivered[&2][0].clone();
    net.add_node();
    net.link(4, 1);
    net.link(4, 2);
    net.turn();
    net.turn();
    net.nodes[CHECKER].refuse(id);
    net.collect();
    net.settle();
    // Within a second: a neighbour that was asked and does not send is waited for two.
    net.run_for(10);
    assert!(net.delivered[&4] == [body]);
    assert_eq!(net.nodes[4].figures().stalls, 0);
    assert!(net.blamed.is_empty());
}

#[test]
fn a_refused_offer_is_known_from_then_on_and_takes_no_room() {
    let mut net = Net::ring(3, 2);
    let (first, node) = (offer(&signed(1)), &mut net.nodes[CHECKER]);
    let early = signed(1).segment(0).unwrap().shard(0).unwrap();
    node.handle_shard(0, early.clone());
    assert!(node.is_new(&first));
    node.refuse_offer(0, first);
    assert!(!node.is_new(&first));
    node.handle_control(2, Control::Offer(first));
    node.handle_shard(0, early);
    assert_eq!(node.bytes(), (0, 0));
    assert!(node.poll_output().is_none(), "nothing is asked for");
    assert_eq!(node.figures().shards, 0);
    assert!(node.is_idle());
}

#[test]
fn a_second_payload_of_a_number_is_found_although_it_is_not_wanted() {
    let mut net = Net::ring(3, 2);
    let node = &mut net.nodes[CHECKER];
    node.handle_control(0, Control::Offer(offer(&signed(1))));
    node.refuse_offer(2, offer(&signed(2)));
    assert_eq!(node.figures().equivocations, 1);
    assert_eq!(node.bytes(), (0, 0), "the first is void");
}

#[test]
fn a_payload_that_has_become_void_is_not_delivered_whatever_is_said_of_it() {
    let mut net = net(3, 2);
    assert!(net.nodes[0].publish(signed(1), Some([1; 64])));
    net.collect();
    net.settle();
    net.run_for(20);
    let (_, id, _) = net.unchecked.pop().expect("it is whole");
    let second = Control::Offer(offer(&signed(2)));
    net.way.push_back((2, CHECKER, Letter::Control(second)));
    net.settle();
    assert_eq!(net.nodes[CHECKER].bytes(), (0, 0));
    assert!(!net.nodes[CHECKER].accept(id));
    assert_eq!(net.nodes[CHECKER].figures().delivered, 0);
}

#[test]
fn the_links_to_an_origin_are_those_of_its_account() {
    let net = Net::ring(4, 2);
    assert_eq!(net.nodes[1].links_to(&[0; 32]), [0]);
    assert_eq!(net.nodes[1].links_to(&[2; 32]), [2]);
    assert!(net.nodes[1].links_to(&[3; 32]).is_empty());
}
