//! Two conversations in one thread: an author, and a reader that it is linked with.

use std::cell::RefCell;
use std::rc::Rc;

use ringwire_codec::NodeKey;
use ringwire_gossip::coded::SHARD_BYTES_MIN;

use super::*;
use crate::gossip::checks::Check;
use crate::gossip::link::link_at as link;

const NOW: Instant = Instant::from_nanos(5_000_000_000);
const WITHIN: Duration = Duration::from_secs(10);

fn key(seed: u8) -> NodeKey {
    NodeKey::from_seed([seed; 32])
}

fn id(seed: u8) -> NodeId {
    key(seed).public_key().id()
}

/// A node that signs, after `prepare`.
fn node(seed: u8, prepare: impl FnOnce(&mut Conversation)) -> Conversation {
    let mut node = Conversation::new(ExchangeLimits::default(), WITHIN);
    prepare(&mut node);
    let identity = Identity {
        node: id(seed),
        origin: *key(seed).public_key().as_bytes(),
        author: Some(Author::new("chain", 0x63)),
        shard: ShardId(0),
        start: 0,
    };
    node.start(ExchangeLimits::default(), identity);
    node
}

fn payload() -> Bytes {
    vec![7; 20 * SHARD_BYTES_MIN].into()
}

/// Publishes a payload, signed by whoever has this seed.
fn publish(node: &mut Conversation, signer: u8) {
    let origin = *key(1).public_key().as_bytes();
    let encoder = Encoder::new(origin, 7, payload(), SHARD_BYTES_MIN).expect("it is coded");
    node.publish(NOW, encoder, |bytes| key(signer).sign(bytes));
}

/// What a node wants delivered, and whom it wants stopped.
#[derive(Debug, Default, PartialEq)]
struct Done {
    delivered: Vec<NodeId>,
    stopped: Vec<Link>,
}

/// Lets an author and a reader say all that they have to say. Gives what comes of it at the reader.
fn talk(author: &mut Conversation, reader: &mut Conversation) -> Done {
    let mut done = Done::default();
    let mut is_quiet = false;
    while !is_quiet {
        is_quiet = true;
        while let Some(wanted) = author.poll(NOW) {
            if let Wanted::Control(_, message) = wanted {
                reader.handle_control(NOW, link(0), message);
            }
        }
        while let Some((to, shard)) = author.poll_shard() {
            is_quiet = false;
            author.handle_left(to, 1);
            reader.handle_shard(NOW, link(0), shard);
        }
        reader.announce(NOW);
        while let Some(wanted) = reader.poll(NOW) {
            match wanted {
                Wanted::Control(_, message) => {
                    is_quiet = false;
                    author.handle_control(NOW, link(1), message);
                }
                Wanted::Deliver(from, whole) => {
                    assert_eq!(whole, payload());
                    done.delivered.push(from);
                }
                Wanted::Stop(link, _) => done.stopped.push(link),
            }
        }
    }
    done
}

/// An author, and a reader after `prepare`, who have met.
fn pair(prepare: impl FnOnce(&mut Conversation)) -> (Conversation, Conversation) {
    let (mut author, mut reader) = (node(1, |_| ()), node(2, prepare));
    author.add_link(NOW, link(1), id(2));
    reader.add_link(NOW, link(0), id(1));
    (author, reader)
}

#[test]
fn what_an_origin_has_signed_is_delivered_and_who_brought_it_is_told() {
    let (mut author, mut reader) = pair(|_| ());
    publish(&mut author, 1);
    let done = talk(&mut author, &mut reader);
    assert_eq!((done.delivered, done.stopped), (vec![id(1)], vec![]));
}

#[test]
fn who_offers_what_its_origin_did_not_sign_is_stopped_and_asked_for_nothing() {
    let (mut author, mut reader) = pair(|_| ());
    publish(&mut author, 3);
    let done = talk(&mut author, &mut reader);
    assert!(done.delivered.is_empty() && done.stopped.contains(&link(0)));
    let (said, exchange) = reader.counters();
    assert_eq!(
        (said.unproven > 0, exchange.asked, exchange.shards),
        (true, 0, 0)
    );
}

#[test]
fn a_payload_that_the_application_does_not_want_is_not_had() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (mut author, mut reader) = pair(|reader| {
        let seen = Rc::clone(&seen);
        reader.set_offer_validator(Box::new(move |offer| {
            seen.borrow_mut().push(*offer);
            Acceptance::Ignore
        }));
    });
    publish(&mut author, 1);
    assert_eq!(talk(&mut author, &mut reader), Done::default());
    assert_eq!(reader.counters().0.offers_ignored, 1);
    let offer = LargeOffer {
        from: id(1),
        origin: id(1),
        seq: 7,
        bytes: payload().len(),
    };
    assert_eq!(*seen.borrow(), [offer]);
}

/// A pair of which the reader's application takes its time, after all shards have come; and what it is asked.
fn unanswered() -> (Conversation, Conversation, Check) {
    let asked = Rc::new(RefCell::new(Vec::new()));
    let (mut author, mut reader) = pair(|reader| {
        let asked = Rc::clone(&asked);
        let checker = move |check| asked.borrow_mut().push(check);
        reader.set_judge(Judge::Later(Box::new(checker)));
    });
    publish(&mut author, 1);
    assert_eq!(talk(&mut author, &mut reader), Done::default());
    assert_eq!(
        reader.check_due_in(NOW + Duration::from_secs(1)),
        Some(Duration::from_secs(9))
    );
    let check = asked.borrow_mut().pop().expect("it is whole");
    (author, reader, check)
}

#[test]
fn a_whole_payload_is_delivered_when_it_is_found_good() {
    let (mut author, mut reader, Check { id: of, .. }) = unanswered();
    for delivered in [vec![id(1)], vec![]] {
        let (id, acceptance) = (of, Acceptance::Accept);
        reader.handle_checked(NOW, CheckAnswer { id, acceptance });
        assert_eq!(talk(&mut author, &mut reader).delivered, delivered);
    }
    assert_eq!(reader.check_due_in(NOW), None);
}

#[test]
fn an_origin_is_stopped_for_a_payload_that_is_a_lie() {
    let (mut author, mut reader, Check { id, .. }) = unanswered();
    let acceptance = Acceptance::Blame(String::from("a lie"));
    reader.handle_checked(NOW, CheckAnswer { id, acceptance });
    let done = talk(&mut author, &mut reader);
    assert_eq!((done.delivered, done.stopped), (vec![], vec![link(0)]));
    assert_eq!(reader.counters().0.blamed, 1);
}

#[test]
fn what_has_no_answer_in_time_is_not_delivered() {
    let (mut author, mut reader, _) = unanswered();
    reader.expire_checks(NOW + (WITHIN - Duration::from_nanos(1)));
    assert_eq!(reader.counters().0.unanswered_checks, 0);
    reader.expire_checks(NOW + WITHIN);
    assert_eq!(reader.counters().0.unanswered_checks, 1);
    assert_eq!(talk(&mut author, &mut reader), Done::default());
}
