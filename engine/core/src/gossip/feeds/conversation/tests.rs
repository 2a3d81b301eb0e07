//! Two conversations in one thread: an author and a reader that hears it over two links.

use ringwire_codec::NodeKey;

use super::super::unpublished::Class;
use super::*;
use crate::gossip::acceptance::Acceptance;
use crate::gossip::link::link_at as link;
use crate::reactor::PublishOptions;

const NOW: Duration = Duration::from_secs(5);
const WITHIN: Duration = Duration::from_secs(10);
const NOBODY: Link = link(9);

fn key(seed: u8) -> NodeKey {
    NodeKey::from_seed([seed; 32])
}

/// A node of which messages are signed, with this judge.
fn node(seed: u8, numbers: Option<Numbers>, judge: Judge) -> Conversation {
    let mut node = Conversation::new(WITHIN);
    node.set_judge(judge);
    let public = key(seed).public_key();
    let identity = Identity {
        node: public.id(),
        origin: *public.as_bytes(),
        author: Some(Author::new("chain", 0x72)),
        first_seq: numbers.map_or(1, |numbers| numbers.first()),
        numbers,
    };
    node.start(protocol::FeedsConfig::default(), identity, [7; 32]);
    node
}

fn meet(node: &mut Conversation, link: Link, other: u8) {
    let provenance = Provenance {
        group: other.into(),
        outbound: true,
    };
    node.handle_link_up(NOW, link, key(other).public_key().id(), provenance);
}

/// Publishes a message, signed by whoever has this seed.
fn publish(node: &mut Conversation, signer: u8, message: &'static [u8]) -> Option<Numbers> {
    let message = Bytes::from_static(message);
    let outgoing = Outgoing {
        class: Class::of_message(NOW, &message, &PublishOptions::default()),
        payload: protocol::Payload {
            bytes: message,
            is_bundle: false,
        },
        tags: vec![7],
    };
    node.publish(NOW, outgoing, |bytes| key(signer).sign(bytes))
}

/// What a node wants delivered, and whom it wants stopped.
type Done = (Vec<(Option<Link>, Bytes)>, Vec<Link>);

/// Lets node 1 and node 2 say all that they have to say. Gives what comes of it at node 2.
fn talk(one: &mut Conversation, two: &mut Conversation) -> Done {
    let (mut delivered, mut stopped) = (Vec::new(), Vec::new());
    let mut is_quiet = false;
    while !is_quiet {
        is_quiet = true;
        while let Some(wanted) = one.poll(NOW) {
            if let Wanted::Send(_, _, _, bytes) = wanted {
                is_quiet = false;
                two.handle_message(NOW, link(0), &bytes);
            }
        }
        while let Some(wanted) = two.poll(NOW) {
            match wanted {
                Wanted::Send(_, _, _, bytes) => {
                    is_quiet = false;
                    one.handle_message(NOW, link(1), &bytes);
                }
                Wanted::Deliver(from, message) => {
                    delivered.push((from.map(|(link, _)| link), message));
                }
                Wanted::Stop(link, _) => stopped.push(link),
            }
        }
        if two.has_unproven() {
            is_quiet = false;
            two.prove(NOW);
        }
    }
    (delivered, stopped)
}

/// An author, and a reader with this judge, who have met.
fn pair(judge: Judge) -> (Conversation, Conversation) {
    let (mut one, mut two) = (node(1, None, Judge::Nobody), node(2, None, judge));
    meet(&mut one, link(1), 2);
    meet(&mut two, link(0), 1);
    talk(&mut one, &mut two);
    (one, two)
}

#[test]
fn what_an_origin_has_signed_is_delivered_and_who_brought_it_is_told() {
    let (mut one, mut two) = pair(Judge::Nobody);
    publish(&mut one, 1, b"vote");
    let expected = vec![(Some(link(0)), Bytes::from_static(b"vote"))];
    assert_eq!(talk(&mut one, &mut two), (expected, vec![]));
    assert_eq!(two.counters().0.blamed, 0);
}

#[test]
fn who_brings_what_another_has_signed_is_stopped_and_nothing_of_it_is_delivered() {
    let (mut one, mut two) = pair(Judge::Nobody);
    publish(&mut one, 3, b"vote");
    assert_eq!(talk(&mut one, &mut two), (vec![], vec![link(0)]));
    let said = two.counters().0;
    assert_eq!((said.unproven, said.blamed), (1, 1));
}

#[test]
fn who_says_what_nobody_can_read_is_stopped_and_strangers_are_not_heard() {
    let (_, mut two) = pair(Judge::Nobody);
    let nonsense = Bytes::from_static(&[0xff; 8]);
    two.handle_message(NOW, NOBODY, &nonsense);
    assert!(two.poll(NOW).is_none());
    two.handle_message(NOW, link(0), &nonsense);
    let stopped = two.poll(NOW);
    assert!(matches!(stopped, Some(Wanted::Stop(link, _)) if link == self::link(0)));
}

#[test]
fn the_application_is_asked_at_once_and_only_about_what_is_its_origins() {
    type Says = fn() -> Acceptance;
    let judge = |verdict: Says| Judge::AtOnce(Box::new(move |_, _| verdict()));
    let cases: [(Says, usize, usize); 3] = [
        (|| Acceptance::Accept, 1, 0),
        (|| Acceptance::Ignore, 0, 0),
        (|| Acceptance::Blame(String::from("a lie")), 0, 1),
    ];
    for (verdict, delivered, stopped) in cases {
        let (mut one, mut two) = pair(judge(verdict));
        publish(&mut one, 1, b"vote");
        let done = talk(&mut one, &mut two);
        assert_eq!((done.0.len(), done.1.len()), (delivered, stopped));
        let said = two.counters().0;
        assert_eq!(said.ignored as usize + delivered + stopped, 1);
    }
    let never = |_, _: &Bytes| -> Acceptance { panic!("it was asked") };
    let (mut one, mut two) = pair(Judge::AtOnce(Box::new(never)));
    publish(&mut one, 3, b"vote");
    assert_eq!(talk(&mut one, &mut two).1.len(), 1);
}

#[test]
fn an_application_that_takes_its_time_is_waited_for_and_not_for_longer() {
    use std::cell::RefCell;
    use std::rc::Rc;

    let asked = Rc::new(RefCell::new(Vec::new()));
    let asked_here = Rc::clone(&asked);
    let checker = move |check| asked_here.borrow_mut().push(check);
    let (mut one, mut two) = pair(Judge::Later(Box::new(checker)));
    for message in [b"one", b"two"] {
        publish(&mut one, 1, message);
    }
    assert_eq!(talk(&mut one, &mut two), (vec![], vec![]));
    assert_eq!(two.next_check_due(), Some(NOW + WITHIN));
    let first = asked.borrow()[0].clone();
    let (id, acceptance) = (first.id, Acceptance::Accept);
    two.handle_checked(NOW, CheckAnswer { id, acceptance });
    let expected = vec![(Some(link(0)), first.message)];
    assert_eq!(talk(&mut one, &mut two), (expected, vec![]));
    two.expire_checks(NOW + WITHIN);
    assert_eq!(two.next_check_due(), None);
    assert_eq!(talk(&mut one, &mut two), (vec![], vec![]));
    assert_eq!(two.counters().0.unanswered_checks, 1);
}

#[test]
fn numbers_are_to_be_kept_before_they_come_to_the_bound() {
    let kept = Numbers::begin(Duration::from_secs(1), None).reserving(16);
    let mut node = node(1, Some(kept), Judge::Nobody);
    let bounds: Vec<_> = (0..20)
        .filter_map(|_| publish(&mut node, 1, b"vote"))
        .collect();
    assert!(!bounds.is_empty());
    assert!(bounds.iter().all(|numbers| numbers.bound() > kept.bound()));
    let mut plain = self::node(1, None, Judge::Nobody);
    assert!((0..20).all(|_| publish(&mut plain, 1, b"vote").is_none()));
}

#[test]
fn what_a_turn_has_brought_waits_for_its_proof_together_and_no_longer_than_for_sixteen() {
    let (mut one, mut two) = pair(Judge::Nobody);
    let mut delivered = Vec::new();
    let mut waits = Vec::new();
    for _ in 0..17 {
        publish(&mut one, 1, b"vote");
        while let Some(wanted) = one.poll(NOW) {
            if let Wanted::Send(_, _, _, bytes) = wanted {
                two.handle_message(NOW, link(0), &bytes);
            }
        }
        while let Some(wanted) = two.poll(NOW) {
            if let Wanted::Deliver(_, message) = wanted {
                delivered.push(message);
            }
        }
        waits.push((delivered.len(), two.has_unproven()));
    }
    let mut expected = vec![(0, true); 15];
    expected.extend([(16, false), (16, true)]);
    assert_eq!(waits, expected);
    let rest = talk(&mut one, &mut two).0;
    assert_eq!((rest.len(), two.has_unproven()), (1, false));
}

#[test]
fn one_that_brings_a_forgery_in_a_turn_is_stopped_and_what_others_bring_is_delivered() {
    let (mut one, mut two) = pair(Judge::Nobody);
    let mut three = node(3, None, Judge::Nobody);
    meet(&mut three, link(1), 2);
    meet(&mut two, link(2), 3);
    publish(&mut one, 1, b"vote");
    publish(&mut three, 1, b"veto");
    for (node, from) in [(&mut three, link(2)), (&mut one, link(0))] {
        while let Some(wanted) = node.poll(NOW) {
            if let Wanted::Send(_, _, _, bytes) = wanted {
                two.handle_message(NOW, from, &bytes);
            }
        }
    }
    let expected = vec![(Some(link(0)), Bytes::from_static(b"vote"))];
    assert_eq!(talk(&mut one, &mut two), (expected, vec![link(2)]));
    assert_eq!(two.counters().0.unproven, 1);
}
