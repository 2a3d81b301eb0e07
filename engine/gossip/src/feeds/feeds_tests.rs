//! A node and scripted neighbours: what it says and does, both sides of each limit.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::message::{encode_digest, encode_have, encode_want};
use super::*;
use crate::coded::Origin;

const OWN: Origin = [0; 32];

/// The node, as a member.
const MEMBER: MemberId = [0xff; 20];
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A node, and what it said since it was last asked.
struct Node {
    feeds: Feeds,
    now: Duration,
    /// How many links there were.
    links: u8,
    outputs: Vec<Output>,
}

impl Node {
    fn new(config: FeedsConfig) -> Self {
        Node {
            feeds: Feeds::new(config, OWN, 100, 7),
            now: SECOND,
            links: 0,
            outputs: Vec::new(),
        }
    }

    fn with_links(count: usize) -> (Self, Vec<Slot>) {
        let mut node = Node::new(FeedsConfig::default());
        let slots = (0..count).map(|_| node.link()).collect();
        node.outputs.clear();
        (node, slots)
    }

    fn link(&mut self) -> Slot {
        let slot = self.feeds.handle_link_up(self.now, &neighbour(self.links));
        self.links += 1;
        self.drain();
        slot.expect("there is room")
    }

    /// The node and all its neighbours so far are members, and whoever is `more`.
    fn set_members(&mut self, more: Option<u8>) {
        let neighbours = (0..self.links).chain(more).map(|number| [number; 20]);
        let members = neighbours.chain([MEMBER]).collect();
        self.feeds.set_members(&MEMBER, &members);
    }

    fn unlink(&mut self, slot: Slot) {
        self.feeds.handle_link_down(self.now, slot);
        self.drain();
    }

    fn hear(&mut self, slot: Slot, bytes: &Bytes) {
        let read = self.feeds.handle_message(self.now, slot, bytes);
        read.expect("the message keeps the rules");
        self.drain();
    }

    fn say(&mut self, slot: Slot, message: FeedMessage<'_>) {
        self.hear(slot, &message.encode().unwrap());
    }

    /// The neighbour calls origin `number` so.
    fn name(&mut self, slot: Slot, number: u8) {
        self.say(slot, FeedMessage::Alias(alias(number), [number; 32]));
    }

    fn announce(&mut self, slot: Slot, number: u8, seq: u64) {
        self.hear(slot, &encode_have(&[name(number, seq)]));
    }

    fn body(&mut self, slot: Slot, number: u8, seq: u64) {
        self.hear(slot, &body(number, seq, 0, b"payload"));
    }

    fn set_behind(&mut self, slot: Slot, is_behind: bool) {
        self.feeds.set_behind(self.now, slot, is_behind);
        self.drain();
    }

    fn judge(&mut self, number: u8, seq: u64, verdict: Verdict) {
        self.feeds
            .handle_verdict(self.now, &[number; 32], seq, verdict);
        self.drain();
    }

    fn publish(&mut self, left: Option<Duration>) -> u64 {
        let payload = Bytes::from_static(b"payload");
        let message = Delivery {
            origin: OWN,
            seq: 0,
            index: 0,
            urgent: false,
            is_bundle: false,
            priority: 0,
            ends: left.is_some(),
            signature: None,
            members: self.feeds.members_for(payload.len()),
            payload,
        };
        let seq = self.feeds.publish(self.now, &message, left).unwrap();
        self.drain();
        seq
    }

    /// Lets time pass, and everything happen at its moment.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.feeds.next_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.feeds.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.feeds.poll_output() {
            self.outputs.push(output);
        }
    }

    fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Who was sent messages that `is_it`, in that order.
    fn sent_to(&mut self, is_it: impl Fn(&FeedMessage<'_>) -> bool) -> Vec<Slot> {
        let sent = |output: &Output| match output {
            Output::Send { slot, bytes, .. } => {
                is_it(&FeedMessage::decode(bytes).unwrap()).then_some(*slot)
            }
            _ => None,
        };
        self.take().iter().filter_map(sent).collect()
    }

    fn asked(&mut self) -> Vec<Slot> {
        self.sent_to(|message| matches!(message, FeedMessage::Want(_)))
    }

    fn delivered(&mut self) -> usize {
        let is_it = |output: &Output| matches!(output, Output::Deliver { .. });
        self.take().iter().filter(|output| is_it(output)).count()
    }
}

fn neighbour(number: u8) -> Neighbour {
    Neighbour {
        id: [number; 20],
        provenance: Provenance {
            group: number.into(),
            outbound: true,
        },
        rtt: Some(20 * MS),
    }
}

fn alias(number: u8) -> Alias {
    Alias::new(number.into()).unwrap()
}

fn name(number: u8, seq: u64) -> Name {
    let alias = alias(number);
    Name { alias, seq }
}

fn body(number: u8, seq: u64, left_ms: u32, payload: &[u8]) -> Bytes {
    FeedMessage::Body(Body {
        left_ms,
        ..Body::plain(alias(number), seq, payload)
    })
    .encode()
    .unwrap()
}

fn is_body(message: &FeedMessage<'_>) -> bool {
    matches!(message, FeedMessage::Body(_))
}

#[test]
fn what_a_node_publishes_goes_to_all_who_have_not_refused_it() {
    let (mut node, slots) = Node::with_links(3);
    node.publish(None);
    assert_eq!(node.sent_to(is_body), slots);
    // Alias 0 is what the node calls itself.
    for (slot, part) in slots.iter().zip([Part::Feed, Part::Backup, Part::Quiet]) {
        node.say(*slot, FeedMessage::Part(part, Which::One(alias(0)), 0));
    }
    node.publish(None);
    let outputs = node.take();
    let sent = |output: &Output| match output {
        Output::Send { slot, bytes, .. } => Some((*slot, bytes[0])),
        _ => None,
    };
    let sent: Vec<_> = outputs.iter().filter_map(sent).collect();
    // A body, and an announcement after the alias in that lane.
    assert_eq!(sent[0], (slots[0], 1));
    assert_eq!(sent.last(), Some(&(slots[1], 2)));
    assert!(sent.iter().all(|(slot, _)| *slot != slots[2]));
}

#[test]
fn one_neighbour_at_least_gets_what_a_node_publishes() {
    let (mut node, slots) = Node::with_links(3);
    node.publish(None);
    let refuse = |part| FeedMessage::Part(part, Which::One(alias(0)), 0);
    for (slot, part) in slots.iter().zip([Part::Quiet, Part::Backup, Part::Backup]) {
        node.say(*slot, refuse(part));
    }
    node.set_behind(slots[1], true);
    node.take();
    node.publish(None);
    assert_eq!(node.sent_to(is_body), [slots[2]], "no body waits for it");
    node.unlink(slots[2]);
    node.publish(None);
    assert_eq!(node.sent_to(is_body), [slots[1]]);
    node.say(slots[1], refuse(Part::Quiet));
    node.publish(None);
    assert_eq!(node.sent_to(is_body), [slots[0]]);
}

#[test]
fn a_stripe_of_large_payloads_moves_nothing_here() {
    let (mut node, links) = Node::with_links(2);
    let slots = &links[..1];
    let feeds = FeedMessage::Part(Part::Feed, Which::One(alias(0)), 0);
    node.publish(None);
    node.say(links[1], feeds);
    let quiet = |stripe| FeedMessage::Part(Part::Quiet, Which::One(alias(0)), stripe);
    node.say(slots[0], quiet(1));
    node.take();
    node.publish(None);
    assert_eq!(node.sent_to(is_body), links);
    node.say(slots[0], quiet(0));
    node.publish(None);
    assert_eq!(node.sent_to(is_body), links[1..]);
}

#[test]
fn a_message_is_delivered_once_and_passed_on_to_who_wants_it() {
    let (mut node, slots) = Node::with_links(3);
    node.name(slots[0], 1);
    node.say(slots[2], FeedMessage::Part(Part::Feed, Which::All, 0));
    node.body(slots[0], 1, 5);
    let outputs = node.take();
    let is_delivery =
        |output: &Output| matches!(output, Output::Deliver { delivery, .. } if delivery.seq == 5);
    assert_eq!(
        outputs.iter().filter(|output| is_delivery(output)).count(),
        1
    );
    node.outputs = outputs;
    assert_eq!(node.sent_to(is_body), [slots[2]]);
    node.body(slots[0], 1, 5);
    assert_eq!(node.delivered(), 0);
    assert_eq!(node.feeds.counters().duplicates, 1);
}

#[test]
fn what_was_received_is_free_again_while_the_application_keeps_the_message() {
    let (mut node, slots) = Node::with_links(2);
    node.name(slots[0], 1);
    let received = body(1, 5, 0, b"payload");
    node.hear(slots[0], &received);
    let delivered = node.take().into_iter().find_map(|output| match output {
        Output::Deliver { delivery, .. } => Some(delivery.payload),
        _ => None,
    });
    assert_eq!(delivered.as_deref(), Some(&b"payload"[..]));
    assert!(received.is_unique());
}

#[test]
fn an_announced_message_is_asked_for_when_its_feed_is_late_and_not_before() {
    let (mut node, slots) = Node::with_links(2);
    node.name(slots[0], 1);
    node.announce(slots[0], 1, 5);
    node.wait(99 * MS);
    assert_eq!(
        node.asked(),
        [],
        "an origin without a feed comes by others' feeds"
    );
    node.wait(MS);
    assert_eq!(node.asked(), [slots[0]]);
    node.body(slots[0], 1, 5);
    node.wait(SECOND);
    assert_eq!(node.delivered(), 1);
    assert_eq!(node.feeds.open_len(), 0);
}

#[test]
fn a_second_announcer_is_asked_when_the_first_does_not_answer_or_goes() {
    for goes in [false, true] {
        let (mut node, slots) = Node::with_links(2);
        for slot in &slots {
            node.name(*slot, 1);
            node.announce(*slot, 1, 5);
        }
        node.wait(100 * MS);
        assert_eq!(node.asked(), [slots[0]]);
        if goes {
            node.unlink(slots[0]);
            node.wait(Duration::ZERO);
        } else {
            node.wait(SECOND);
        }
        assert_eq!(node.asked(), [slots[1]]);
        assert_eq!(node.feeds.counters().unanswered, u64::from(!goes) * 2);
    }
}

#[test]
fn a_link_that_drips_other_bytes_buys_two_tenths_of_a_second() {
    let (mut node, slots) = Node::with_links(2);
    for slot in &slots {
        node.name(*slot, 1);
        node.announce(*slot, 1, 5);
    }
    node.wait(100 * MS);
    assert_eq!(node.asked(), [slots[0]]);
    let begin = node.now;
    while node.asked().is_empty() {
        node.name(slots[0], 1);
        node.wait(MS);
    }
    let patience = node.now - begin;
    assert!((200 * MS..260 * MS).contains(&patience), "{patience:?}");
}

#[test]
fn an_answer_is_given_once_and_to_a_new_neighbour_again() {
    let (mut node, slots) = Node::with_links(2);
    let seq = node.publish(None);
    node.take();
    let want = encode_want(&[name(0, seq)]);
    for _ in 0..2 {
        node.hear(slots[0], &want);
    }
    assert_eq!(node.sent_to(is_body), [slots[0]]);
    node.unlink(slots[0]);
    assert_eq!(node.link(), slots[0]);
    node.take();
    node.hear(slots[0], &want);
    assert_eq!(node.sent_to(is_body), [slots[0]]);
}

#[test]
fn who_comes_later_is_told_what_is_remembered_until_it_is_too_old() {
    let (mut node, _) = Node::with_links(1);
    node.publish(None);
    node.wait(Duration::from_secs(29));
    node.take();
    let slot = node.link();
    let is_digest = |message: &FeedMessage<'_>| matches!(message, FeedMessage::Digest(_));
    assert_eq!(node.sent_to(is_digest), [slot]);
    node.wait(Duration::from_secs(2));
    node.take();
    node.link();
    assert_eq!(node.sent_to(is_digest), []);
    assert_eq!(node.feeds.held_bytes(), 0);
}

#[test]
fn a_digest_leads_to_what_was_missed() {
    let (mut node, slots) = Node::with_links(1);
    node.name(slots[0], 1);
    node.body(slots[0], 1, 5);
    let entry = DigestEntry {
        alias: alias(1),
        last: 6,
        bits: 0b11,
    };
    for _ in 0..2 {
        node.hear(slots[0], &encode_digest(&[entry]));
    }
    assert_eq!(node.feeds.counters().found_by_digest, 1, "5 is there");
    node.wait(199 * MS);
    assert_eq!(node.asked(), []);
    node.wait(MS);
    assert_eq!(node.asked(), slots);
}

#[test]
fn a_message_whose_time_is_over_is_neither_delivered_nor_passed_on_nor_remembered() {
    // Half of a round trip of 20 ms has passed when a message comes.
    for (left_ms, is_passed_on) in [(0, true), (11, true), (10, false), (1, false)] {
        let (mut node, slots) = Node::with_links(2);
        node.name(slots[0], 1);
        node.say(slots[1], FeedMessage::Part(Part::Feed, Which::All, 0));
        node.hear(slots[0], &body(1, 5, left_ms, b"payload"));
        let delivered = |output: &&Output| matches!(output, Output::Deliver { .. });
        let delivered = node.outputs.iter().filter(delivered).count();
        assert_eq!(delivered, usize::from(is_passed_on), "{left_ms} ms");
        let sent = node.sent_to(is_body);
        assert_eq!(!sent.is_empty(), is_passed_on, "{left_ms} ms");
        assert_eq!(node.feeds.held_bytes() > 0, is_passed_on, "{left_ms} ms");
    }
}

#[test]
fn what_the_owner_finds_good_when_its_time_is_over_goes_no_further() {
    let (mut node, slots) = checking();
    node.name(slots[0], 1);
    node.hear(slots[0], &body(1, 5, 100, b"payload"));
    node.wait(95 * MS);
    node.judge(1, 5, Verdict::PassOn);
    assert_eq!(node.delivered(), 0);
    assert_eq!(node.feeds.counters().expired, 1);
    // Another may have it with time left: what is left is what a link says, and no signature.
    node.name(slots[1], 1);
    node.hear(slots[1], &body(1, 5, 100, b"payload"));
    node.judge(1, 5, Verdict::PassOn);
    assert_eq!(node.delivered(), 1);
}

#[test]
fn who_announced_a_message_says_when_its_time_is_over_and_another_is_asked_at_once() {
    let (mut node, slots) = Node::with_links(1);
    let seq = node.publish(Some(SECOND));
    node.wait(SECOND);
    node.take();
    node.hear(slots[0], &encode_want(&[name(0, seq)]));
    let over = |message: &FeedMessage<'_>| matches!(message, FeedMessage::Over(_));
    assert_eq!(node.sent_to(over), slots);

    let (mut node, slots) = Node::with_links(2);
    for slot in &slots {
        node.name(*slot, 1);
        node.announce(*slot, 1, 5);
    }
    node.wait(SECOND / 10);
    assert_eq!(node.asked(), [slots[0]]);
    node.hear(slots[1], &encode_over(&[name(1, 5)]));
    assert_eq!(node.asked(), [], "nobody has asked it");
    node.hear(slots[0], &encode_over(&[name(1, 5)]));
    assert_eq!(node.asked(), [slots[1]]);
    node.hear(slots[1], &encode_over(&[name(1, 5)]));
    assert_eq!(
        (node.feeds.open_len(), node.feeds.counters().unanswered),
        (0, 0)
    );
}

/// A node that remembers so many messages of [`Node::publish`].
fn remembering(messages: usize, links: usize) -> (Node, Vec<Slot>) {
    let message = body(0, 100, 0, b"payload");
    let mut node = Node::new(FeedsConfig {
        keep_bytes_max: messages * message.len(),
        ..FeedsConfig::default()
    });
    let slots = (0..links).map(|_| node.link()).collect();
    node.outputs.clear();
    (node, slots)
}

#[test]
fn who_asks_for_what_is_forgotten_is_told_so() {
    let (mut node, slots) = remembering(2, 1);
    let first = node.publish(None);
    (0..2).for_each(|_| {
        node.publish(None);
    });
    node.take();
    let never = first + 3;
    let names = [first, first + 1, never].map(|seq| name(0, seq));
    node.hear(slots[0], &encode_want(&names));
    let outputs = node.take();
    let said: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send { bytes, .. } => Some(FeedMessage::decode(bytes).unwrap()),
            _ => None,
        })
        .collect();
    let is_gone = |seq: u64| {
        said.iter().any(|message| match message {
            FeedMessage::Over(names) => names.iter().any(|name| name.seq == seq),
            _ => false,
        })
    };
    assert!(is_gone(first) && !is_gone(first + 1) && !is_gone(never));
    assert_eq!(said.iter().filter(|message| is_body(message)).count(), 1);
}

#[test]
fn a_message_that_all_have_forgotten_is_counted_as_lost_and_nobody_is_to_blame() {
    let (mut node, slots) = Node::with_links(1);
    node.name(slots[0], 1);
    for seq in 0..100 {
        node.announce(slots[0], 1, seq);
        node.wait(SECOND / 10);
        assert_eq!(node.asked(), slots);
        node.hear(slots[0], &encode_over(&[name(1, seq)]));
        assert_eq!(node.feeds.open_len(), 0);
    }
    let counters = node.feeds.counters();
    assert_eq!((counters.lost, counters.closed), (100, 0));
}

#[test]
fn a_feed_that_brings_a_quarter_of_what_is_remembered_is_waited_for_no_longer() {
    let message = body(1, 5, 0, b"payload").len();
    for (brings, asks) in [(3, false), (4, true)] {
        let (mut node, slots) = remembering(16, 2);
        node.name(slots[0], 1);
        node.name(slots[1], 1);
        (5..15).for_each(|seq| node.body(slots[0], 1, seq));
        assert_eq!(node.feeds.feed_of(&[1; 32]), None, "nothing is learned yet");
        node.wait(SECOND);
        assert_eq!(node.feeds.feed_of(&[1; 32]), Some(slots[0]));
        node.take();
        node.announce(slots[1], 1, 20);
        (21..21 + brings).for_each(|seq| node.body(slots[0], 1, seq));
        assert_eq!(message, body(1, 21, 0, b"payload").len());
        node.wait(100 * MS);
        assert_eq!(!node.asked().is_empty(), asks, "{brings}");
    }
}

#[test]
fn a_node_publishes_no_more_than_neighbours_have_within_half_of_what_it_remembers() {
    let (mut node, slots) = remembering(8, 2);
    let first = node.publish(None);
    let may_publish = |node: &mut Node| {
        let now = node.now;
        node.feeds.may_publish(now)
    };
    for _ in 0..4 {
        assert!(may_publish(&mut node));
        node.publish(None);
    }
    assert!(may_publish(&mut node), "four came since the first");
    node.publish(None);
    assert!(!may_publish(&mut node));
    // One of two neighbours is not enough.
    for (slot, may) in [(slots[0], false), (slots[1], true)] {
        let entry = DigestEntry {
            alias: alias(9),
            last: first,
            bits: 1,
        };
        node.say(slot, FeedMessage::Alias(alias(9), OWN));
        node.hear(slot, &encode_digest(&[entry]));
        assert_eq!(may_publish(&mut node), may);
    }
    node.publish(None);
    assert!(
        !may_publish(&mut node),
        "the second is not known to be there"
    );
    node.unlink(slots[0]);
    assert!(!may_publish(&mut node));
    node.wait(SECOND - MS);
    assert!(!may_publish(&mut node));
    node.wait(MS);
    assert!(may_publish(&mut node), "nobody is waited for longer");
}

#[test]
fn a_link_for_which_bodies_wait_is_told_of_no_messages_until_they_do_not() {
    let (mut node, slots) = Node::with_links(2);
    let is_word = |message: &FeedMessage<'_>| {
        matches!(message, FeedMessage::Have(_) | FeedMessage::Digest(_))
    };
    node.set_behind(slots[1], true);
    node.name(slots[0], 1);
    node.body(slots[0], 1, 5);
    node.wait(3 * SECOND);
    let told = node.sent_to(is_word);
    assert!(!told.is_empty() && !told.contains(&slots[1]), "{told:?}");
    node.set_behind(slots[1], false);
    node.wait(SECOND);
    assert!(node.sent_to(is_word).contains(&slots[1]));
}

#[test]
fn a_link_that_was_behind_hears_at_once_of_what_it_was_not_told_and_did_not_get() {
    let digests = |node: &mut Node| node.sent_to(|it| matches!(it, FeedMessage::Digest(_)));
    let (mut node, slots) = Node::with_links(2);
    node.set_behind(slots[1], true);
    node.name(slots[0], 1);
    node.body(slots[0], 1, 5);
    // Longer than rounds of digests tell of a message.
    node.wait(10 * SECOND);
    digests(&mut node);
    node.set_behind(slots[1], false);
    assert_eq!(digests(&mut node), [slots[1]]);
    // It asks, and the answer is left out. The node calls the first origin that it hears of by the same number.
    let want = |node: &mut Node| {
        node.hear(slots[1], &encode_want(&[name(1, 5)]));
        let is_body = |output: &Output| match output {
            Output::Send { bytes, .. } if bytes[0] == 1 => Some(bytes.clone()),
            _ => None,
        };
        node.take().iter().find_map(is_body)
    };
    let answer = want(&mut node).expect("it is remembered");
    assert_eq!(want(&mut node), None, "nobody gets it twice");
    node.set_behind(slots[1], true);
    node.feeds.handle_left_out(slots[1], &answer);
    node.set_behind(slots[1], false);
    assert_eq!(digests(&mut node), [slots[1]], "however short it was");
    assert_eq!(want(&mut node), Some(answer));
}

#[test]
fn a_link_that_was_behind_for_a_moment_is_told_what_it_was_not_told_then() {
    let haves = |node: &mut Node| node.sent_to(|it| matches!(it, FeedMessage::Have(_)));
    let (mut node, slots) = Node::with_links(2);
    node.name(slots[0], 1);
    node.set_behind(slots[1], true);
    node.body(slots[0], 1, 5);
    node.wait(MS);
    assert_eq!(haves(&mut node), []);
    node.set_behind(slots[1], false);
    assert_eq!(haves(&mut node), [slots[1]]);
    node.set_behind(slots[1], true);
    node.set_behind(slots[1], false);
    assert_eq!(haves(&mut node), [], "once");
}

#[test]
fn a_link_that_sends_other_messages_is_not_hung_up_on_for_those_that_are_late() {
    for is_at_work in [true, false] {
        let (mut node, slots) = Node::with_links(1);
        node.name(slots[0], 1);
        for seq in 0..200 {
            node.announce(slots[0], 1, 1000 + seq);
            if is_at_work {
                node.body(slots[0], 1, seq);
            }
            node.wait(SECOND / 10);
        }
        let closes = |output: &Output| matches!(output, Output::Close { .. });
        assert_eq!(node.take().iter().any(closes), !is_at_work);
        assert!(node.feeds.counters().unanswered > 12);
    }
}

#[test]
fn bodies_go_by_their_priority_and_names_before_them() {
    let (mut node, slots) = Node::with_links(2);
    node.say(slots[1], FeedMessage::Part(Part::Feed, Which::All, 0));
    node.name(slots[0], 1);
    node.hear(slots[0], &body(1, 5, 500, b"payload"));
    let orders: Vec<Order> = (node.take().iter())
        .filter_map(|output| match output {
            Output::Send { slot, order, .. } if *slot == slots[1] => Some(*order),
            _ => None,
        })
        .collect();
    let left = Some(490 * MS);
    let body = Order::Body { priority: 0, left };
    assert_eq!(orders, [Order::First, body]);
}

#[test]
fn an_answer_has_the_time_that_is_left_then() {
    let (mut node, slots) = Node::with_links(2);
    let seq = node.publish(Some(SECOND));
    node.wait(600 * MS);
    node.take();
    let want = encode_want(&[name(0, seq)]);
    node.hear(slots[0], &want);
    let left = |output: &Output| match output {
        Output::Send { bytes, .. } => match FeedMessage::decode(bytes) {
            Ok(FeedMessage::Body(body)) => Some(body.left_ms),
            _ => None,
        },
        _ => None,
    };
    assert_eq!(node.take().iter().find_map(left), Some(400));
    node.wait(400 * MS);
    node.hear(slots[1], &want);
    assert_eq!(node.sent_to(is_body), []);
    node.link();
    let digests = node.sent_to(|message| matches!(message, FeedMessage::Digest(_)));
    assert_eq!(digests, [], "it is named no more");
}

/// A node that checks, and whose two neighbours call origin 1 so.
fn checking() -> (Node, Vec<Slot>) {
    let mut node = Node::new(FeedsConfig {
        check: true,
        unchecked_bytes_max: 1000,
        ..FeedsConfig::default()
    });
    let slots: Vec<Slot> = (0..2).map(|_| node.link()).collect();
    slots.iter().for_each(|slot| node.name(*slot, 1));
    node.take();
    (node, slots)
}

#[test]
fn a_checked_message_is_delivered_when_it_is_good_and_not_before() {
    let (mut node, slots) = checking();
    node.body(slots[0], 1, 5);
    node.body(slots[1], 1, 5);
    let checks = node.take();
    assert!(matches!(&checks[..], [Output::Check { .. }]), "{checks:?}");
    node.judge(1, 5, Verdict::PassOn);
    assert_eq!(node.delivered(), 1);
    node.judge(1, 5, Verdict::PassOn);
    assert_eq!(node.delivered(), 0, "a verdict counts once");
}

#[test]
fn an_ignored_message_is_not_heard_again() {
    let (mut node, slots) = checking();
    node.body(slots[0], 1, 5);
    node.judge(1, 5, Verdict::Ignore);
    node.take();
    node.body(slots[1], 1, 5);
    node.announce(slots[1], 1, 5);
    node.wait(SECOND);
    assert_eq!(node.take(), []);
    assert_eq!((node.feeds.open_len(), node.feeds.held_bytes()), (0, 0));
}

#[test]
fn a_forged_message_is_asked_for_elsewhere_and_moves_no_feed() {
    let (mut node, slots) = checking();
    node.body(slots[0], 1, u64::MAX);
    node.judge(1, u64::MAX, Verdict::Blame);
    node.body(slots[0], 1, 5);
    node.announce(slots[1], 1, 5);
    node.judge(1, 5, Verdict::Blame);
    node.wait(Duration::ZERO);
    assert_eq!(node.asked(), [slots[1]]);
    node.body(slots[1], 1, 5);
    node.judge(1, 5, Verdict::PassOn);
    assert_eq!(
        node.delivered(),
        1,
        "a forged number from far ahead closed no window"
    );
    node.wait(SECOND);
    assert_eq!(node.feeds.feed_of(&[1; 32]), Some(slots[1]));
}

#[test]
fn who_is_blamed_three_times_is_hung_up_on_and_not_heard() {
    let (mut node, slots) = checking();
    for seq in 0..3 {
        assert_eq!(node.feeds.counters().closed, 0);
        node.body(slots[0], 1, seq);
        node.judge(1, seq, Verdict::Blame);
    }
    let (slot, reason) = (slots[0], CloseReason::Messages);
    assert_eq!(node.take().last(), Some(&Output::Close { slot, reason }));
    node.body(slots[0], 1, 9);
    assert_eq!(node.take(), []);
    node.unlink(slot);
    node.link();
    node.name(slot, 1);
    node.body(slot, 1, 9);
    assert!(matches!(node.take().last(), Some(Output::Check { .. })));
}

#[test]
fn who_came_to_a_place_later_is_not_blamed_for_who_had_it() {
    let (mut node, slots) = checking();
    for seq in 0..3 {
        node.body(slots[0], 1, seq);
    }
    node.unlink(slots[0]);
    assert_eq!(node.link(), slots[0]);
    (0..3).for_each(|seq| node.judge(1, seq, Verdict::Blame));
    assert_eq!(node.feeds.counters().closed, 0);
}

#[test]
fn messages_that_wait_for_a_verdict_are_bounded_and_the_rest_is_asked_for_later() {
    let (mut node, slots) = checking();
    // Each counts as 256 bytes and its payload of 7.
    (0..4).for_each(|seq| node.body(slots[0], 1, seq));
    assert_eq!(node.feeds.counters().unchecked_refused, 1);
    (0..3).for_each(|seq| node.judge(1, seq, Verdict::PassOn));
    node.take();
    node.wait(SECOND);
    assert_eq!(node.asked(), [slots[0]]);
    node.body(slots[0], 1, 3);
    assert!(matches!(&node.take()[..], [Output::Check { .. }]));
}

#[test]
fn a_neighbour_announces_so_much_at_a_time_and_no_more() {
    let (mut node, slots) = Node::with_links(1);
    node.name(slots[0], 1);
    let promise = |node: &mut Node, seqs: std::ops::Range<u64>| {
        let names: Vec<Name> = seqs.map(|seq| name(1, seq)).collect();
        for some in names.chunks(NAMES_MAX) {
            node.hear(slots[0], &encode_have(some));
        }
        node.feeds.open_len()
    };
    let most = PROMISES_MAX as u64;
    assert_eq!(promise(&mut node, 0..most), PROMISES_MAX);
    assert_eq!(node.feeds.counters().promises_refused, 0);
    assert_eq!(promise(&mut node, most..most + 1), PROMISES_MAX);
    assert_eq!(node.feeds.counters().promises_refused, 1);
    node.body(slots[0], 1, 0);
    let open = promise(&mut node, most..most + 2);
    assert_eq!(
        open,
        PROMISES_MAX + 1,
        "one is there, and stays open a while"
    );
    node.unlink(slots[0]);
    assert_eq!(node.feeds.open_len(), 1, "its promises went with it");
    node.wait(SECOND);
    assert_eq!(node.feeds.open_len(), 0);
}

#[test]
fn who_breaks_twelve_promises_is_hung_up_on() {
    let (mut node, slots) = Node::with_links(1);
    node.name(slots[0], 1);
    for seq in 0..12 {
        node.announce(slots[0], 1, seq);
        node.wait(500 * MS);
    }
    let (slot, reason) = (slots[0], CloseReason::Promises);
    let closed = |output: &Output| *output == Output::Close { slot, reason };
    assert_eq!(
        node.take().iter().filter(|output| closed(output)).count(),
        1
    );
}

#[test]
fn who_does_not_send_for_a_moment_is_not_hung_up_on_however_much_was_asked_of_it() {
    let (mut node, slots) = Node::with_links(1);
    node.name(slots[0], 1);
    (0..100).for_each(|seq| node.announce(slots[0], 1, seq));
    node.wait(500 * MS);
    assert_eq!(node.feeds.counters().unanswered, 100);
    (0..100).for_each(|seq| node.body(slots[0], 1, seq));
    node.wait(12 * SECOND);
    assert_eq!(node.feeds.counters().closed, 0);
}

#[test]
fn a_message_that_nobody_sends_is_forgotten() {
    let (mut node, slots) = Node::with_links(1);
    node.name(slots[0], 1);
    node.announce(slots[0], 1, 5);
    node.wait(Duration::from_secs(12));
    assert_eq!(node.feeds.open_len(), 0);
    assert_eq!(node.feeds.next_timeout(), None);
}

#[test]
fn a_message_in_this_nodes_name_is_none() {
    let (mut node, slots) = Node::with_links(2);
    node.say(slots[0], FeedMessage::Alias(alias(1), OWN));
    let seq = node.feeds.next_seq();
    node.body(slots[0], 1, seq);
    assert_eq!(node.delivered(), 0);
    assert_eq!(node.feeds.held_bytes(), 0);
    assert_eq!(node.publish(None), seq);
    assert_eq!(node.sent_to(is_body), slots);
}

#[test]
fn an_origin_that_floods_is_not_passed_on_beyond_its_rate() {
    let mut node = Node::new(FeedsConfig {
        keep: SECOND,
        origin_rate: Rate {
            messages: 4,
            bytes: 1000,
        },
        ..FeedsConfig::default()
    });
    let slot = node.link();
    node.name(slot, 1);
    node.name(slot, 2);
    node.take();
    (0..6).for_each(|seq| node.body(slot, 1, seq));
    assert_eq!(node.delivered(), 4, "a second's messages at once");
    assert_eq!(node.feeds.counters().over_origin_rate, 2);
    node.body(slot, 2, 0);
    assert_eq!(node.delivered(), 1, "other origins are not touched");
    node.wait(250 * MS);
    node.body(slot, 1, 5);
    assert_eq!(node.delivered(), 0, "what was too much does not come again");
    node.body(slot, 1, 6);
    assert_eq!(node.delivered(), 1);
}

#[test]
fn a_neighbour_that_floods_is_not_heard_beyond_its_rate_and_others_bring_the_rest() {
    let mut node = Node::new(FeedsConfig {
        keep: SECOND,
        link_rate: Rate {
            messages: 1000,
            bytes: 14,
        },
        ..FeedsConfig::default()
    });
    let slots = [node.link(), node.link()];
    slots.iter().for_each(|slot| node.name(*slot, 1));
    node.take();
    (0..3).for_each(|seq| node.body(slots[0], 1, seq));
    assert_eq!(node.delivered(), 2, "14 bytes");
    assert_eq!(node.feeds.counters().over_link_rate, 1);
    node.body(slots[1], 1, 2);
    assert_eq!(node.delivered(), 1);
}

#[test]
fn no_link_feeds_more_than_half_of_many_origins() {
    let (mut node, slots) = Node::with_links(2);
    for number in 1..=20 {
        slots.iter().for_each(|slot| node.name(*slot, number));
        for seq in 0..6 {
            node.body(slots[0], number, seq);
            node.wait(5 * MS);
            node.announce(slots[1], number, seq);
            node.wait(SECOND);
        }
    }
    let node = &node;
    let feeds =
        |slot| (1..=20).filter(move |number| node.feeds.feed_of(&[*number; 32]) == Some(slot));
    assert_eq!(
        feeds(slots[0]).count(),
        10,
        "link 0 is first with each message"
    );
    assert_eq!(feeds(slots[1]).count(), 10);
    assert_eq!(node.feeds.feeding(), (20, 2));
}

#[test]
fn a_feed_that_misses_messages_of_some_origins_feeds_the_others_still() {
    let (mut node, slots) = Node::with_links(3);
    for number in 1..=5 {
        slots.iter().for_each(|slot| node.name(*slot, number));
        node.body(slots[0], number, 0);
        node.wait(MS);
        node.announce(slots[1], number, 0);
        node.wait(SECOND);
    }
    // It sends other messages, so it is neither gone nor slow: these origins may have passed it by.
    for number in 1..=3 {
        node.body(slots[0], 4, u64::from(number));
        node.announce(slots[1], number, 1);
        node.wait(100 * MS);
        node.body(slots[1], number, 1);
        node.wait(SECOND);
        assert_ne!(node.feeds.feed_of(&[number; 32]), Some(slots[0]));
    }
    assert_eq!(node.feeds.feed_of(&[4; 32]), Some(slots[0]));
    assert_eq!(node.feeds.feed_of(&[5; 32]), Some(slots[0]));
}

/// Link 0 feeds origin 1, links 1 and 2 announce its messages, of which the last was 9.
fn settled() -> (Node, Vec<Slot>) {
    let (mut node, slots) = Node::with_links(3);
    slots.iter().for_each(|slot| node.name(*slot, 1));
    for seq in 0..10 {
        node.body(slots[0], 1, seq);
        node.wait(MS);
        slots[1..]
            .iter()
            .for_each(|slot| node.announce(*slot, 1, seq));
        node.wait(SECOND);
    }
    assert_eq!(node.feeds.feed_of(&[1; 32]), Some(slots[0]));
    (node, slots)
}

#[test]
fn a_feed_answers_for_no_message_that_came_before_it_could_know_that_it_is_one() {
    let (mut node, slots) = settled();
    // A burst that the feed does not send. Link 1 takes its place with the first of these messages; it has passed the
    // others on by then, as one that announces.
    for seq in 20..30 {
        slots[1..]
            .iter()
            .for_each(|slot| node.announce(*slot, 1, seq));
        node.wait(10 * MS);
    }
    node.wait(100 * MS);
    (20..30).for_each(|seq| node.body(slots[1], 1, seq));
    node.wait(SECOND);
    assert_eq!(node.feeds.counters().missed, 1);
    assert_eq!(node.feeds.feed_of(&[1; 32]), Some(slots[1]));
    // What comes later is its affair.
    node.announce(slots[2], 1, 40);
    node.wait(100 * MS);
    node.body(slots[2], 1, 40);
    node.wait(SECOND);
    assert_eq!(node.feeds.counters().missed, 2);
    assert_eq!(node.feeds.feed_of(&[1; 32]), Some(slots[2]));
}

#[test]
fn who_foretells_messages_does_not_become_their_feed() {
    let (mut node, slots) = Node::with_links(2);
    slots.iter().for_each(|slot| node.name(*slot, 1));
    for seq in 0..8 {
        node.announce(slots[0], 1, seq);
        node.wait(500 * MS);
        node.body(slots[1], 1, seq);
        node.wait(SECOND);
        assert_eq!(
            node.feeds.feed_of(&[1; 32]),
            Some(slots[1]),
            "message {seq}"
        );
    }
}

#[test]
fn who_announces_when_others_were_asked_in_vain_is_asked_soon() {
    let (mut node, slots) = Node::with_links(2);
    slots.iter().for_each(|slot| node.name(*slot, 1));
    node.announce(slots[0], 1, 5);
    node.wait(500 * MS);
    assert_eq!(node.asked(), [slots[0]]);
    node.announce(slots[1], 1, 5);
    node.wait(100 * MS);
    assert_eq!(node.asked(), [slots[1]]);
}

#[test]
fn the_sixty_fifth_link_takes_no_part() {
    let (mut node, slots) = Node::with_links(LINKS_MAX);
    assert_eq!(slots.len(), LINKS_MAX);
    assert_eq!(node.feeds.handle_link_up(node.now, &neighbour(200)), None);
    node.unlink(slots[30]);
    assert_eq!(node.link(), slots[30]);
}

#[test]
fn what_breaks_the_rules_is_refused_and_what_was_never_named_is_unknown() {
    let (mut node, slots) = Node::with_links(1);
    let got = 9;
    let unknown = Err(Refusal::UnknownAlias { got });
    for bytes in [
        body(9, 0, 0, b""),
        encode_have(&[name(9, 0)]),
        encode_want(&[name(9, 0)]),
        FeedMessage::Part(Part::Feed, Which::One(alias(9)), 0)
            .encode()
            .unwrap(),
    ] {
        let read = node.feeds.handle_message(node.now, slots[0], &bytes);
        assert_eq!(read, unknown, "{bytes:?}");
    }
    let read = node.feeds.handle_message(node.now, slots[0], &Bytes::new());
    assert!(matches!(read, Err(Refusal::Truncated { .. })), "{read:?}");
}

/// Names `count` origins, from `first` on, each with one message.
fn fill(node: &mut Node, slot: Slot, first: u32, count: u32) {
    for number in first..first + count {
        let mut origin = [9; 32];
        origin[..4].copy_from_slice(&number.to_le_bytes());
        let alias = Alias::new((number % u32::from(ALIASES_MAX)) as u16).unwrap();
        node.say(slot, FeedMessage::Alias(alias, origin));
        node.say(slot, FeedMessage::Body(Body::plain(alias, 0, b"")));
    }
}

#[test]
fn an_origin_that_finds_no_place_is_nobodys_fault() {
    let (mut node, slots) = Node::with_links(2);
    fill(&mut node, slots[0], 0, HEARD_MAX as u32);
    node.take();
    // It is named, and there is no room among those that are heard.
    node.name(slots[1], 1);
    node.body(slots[1], 1, 0);
    assert_eq!(node.delivered(), 0);
    assert_eq!(node.feeds.counters().origins_refused, 1);
    assert_eq!(node.feeds.open_len(), HEARD_MAX, "nothing of it is left");
    // A minute later it takes the place of the first, and who speaks of that one is not to blame.
    node.wait(Duration::from_secs(61));
    node.body(slots[1], 1, 1);
    assert_eq!(node.delivered(), 1);
    let old = Alias::new(0).unwrap();
    node.hear(slots[0], &encode_have(&[Name { alias: old, seq: 1 }]));
}

#[test]
fn names_without_messages_push_out_nobody_who_was_heard() {
    let (mut node, slots) = Node::with_links(2);
    node.name(slots[1], 200);
    node.body(slots[1], 200, 7);
    node.wait(Duration::from_secs(100));
    let (count, taken) = (u32::from(ALIASES_MAX), node.feeds.counters().accepted);
    for number in 0..count {
        let mut origin = [9; 32];
        origin[..4].copy_from_slice(&number.to_le_bytes());
        node.say(slots[0], FeedMessage::Alias(alias(3), origin));
    }
    assert_eq!(taken, 1);
    node.take();
    node.body(slots[1], 200, 7);
    assert_eq!(node.delivered(), 0, "it is known that it was had");
    assert_eq!(node.feeds.counters().duplicates, 1);
}

/// A bundle of origin `number`.
fn bundle(number: u8, seq: u64, messages: &[&'static str]) -> Bytes {
    let mut writer = BundleWriter::new(false);
    for message in messages {
        writer.push(Bytes::from_static(message.as_bytes()));
    }
    let payload = writer.finish().unwrap();
    let body = Body {
        alias: alias(number),
        seq,
        urgent: false,
        is_bundle: payload.is_bundle,
        priority: 0,
        left_ms: 0,
        signature: None,
        members: None,
        payload: &payload.bytes,
    };
    FeedMessage::Body(body).encode().unwrap()
}

/// The payloads of deliveries, with their places.
fn payloads(outputs: &[Output]) -> Vec<(u16, String)> {
    let payload = |output: &Output| match output {
        Output::Deliver { delivery, .. } => {
            let text = String::from_utf8(delivery.payload.to_vec()).unwrap();
            Some((delivery.index, text))
        }
        _ => None,
    };
    outputs.iter().filter_map(payload).collect()
}

#[test]
fn messages_of_a_bundle_are_delivered_one_by_one_and_it_is_passed_on_as_it_is() {
    let (mut node, slots) = Node::with_links(2);
    node.name(slots[0], 1);
    node.say(slots[1], FeedMessage::Part(Part::Feed, Which::All, 0));
    node.take();
    let bytes = bundle(1, 0, &["one", "", "three"]);
    node.hear(slots[0], &bytes);
    let outputs = node.take();
    let expected = [(0, "one"), (1, ""), (2, "three")];
    let expected = expected.map(|(index, text)| (index, String::from(text)));
    assert_eq!(payloads(&outputs), expected);
    let passed_on = outputs.iter().find_map(|output| match output {
        Output::Send { slot, bytes, .. } if bytes[0] == 1 => Some((*slot, bytes.slice(12..))),
        _ => None,
    });
    assert_eq!(passed_on, Some((slots[1], bytes.slice(12..))));
    node.name(slots[1], 1);
    node.hear(slots[1], &bytes);
    assert_eq!(node.feeds.counters().duplicates, 3, "messages are counted");
    assert_eq!(node.delivered(), 0);
}

#[test]
fn of_a_checked_bundle_the_good_messages_are_delivered() {
    use Verdict::{Blame, Ignore, PassOn};
    let config = FeedsConfig {
        check: true,
        ..FeedsConfig::default()
    };
    let mut node = Node::new(config);
    let slots = [node.link(), node.link()];
    node.name(slots[0], 1);
    node.say(slots[1], FeedMessage::Part(Part::Feed, Which::All, 0));
    let mut judge = |seq, verdicts: &[Verdict]| {
        node.hear(slots[0], &bundle(1, seq, &["one", "two", "three"]));
        node.take();
        node.feeds
            .handle_verdicts(node.now, &[1; 32], seq, verdicts);
        node.drain();
        let outputs = node.take();
        let is_body =
            |output: &Output| matches!(output, Output::Send { bytes, .. } if bytes[0] == 1);
        let places = payloads(&outputs).into_iter().map(|(index, _)| index);
        (outputs.iter().any(is_body), places.collect::<Vec<_>>())
    };
    assert_eq!(judge(0, &[PassOn, Ignore, PassOn]), (true, vec![0, 2]));
    assert_eq!(
        judge(1, &[PassOn]),
        (true, vec![0]),
        "what has no verdict is ignored"
    );
    assert_eq!(judge(2, &[Ignore, Ignore, Ignore]), (false, vec![]));
    assert_eq!(judge(3, &[PassOn, Blame, PassOn]), (false, vec![]));
    assert_eq!(node.feeds.counters().blamed, 1);
    // What was ignored was had; what was blamed may come from another.
    for (seq, is_checked) in [(2, false), (3, true)] {
        node.hear(slots[0], &bundle(1, seq, &["one", "two", "three"]));
        let is_check = |output: &Output| matches!(output, Output::Check { .. });
        assert_eq!(node.take().iter().any(is_check), is_checked, "{seq}");
    }
}

#[test]
fn a_message_that_is_blamed_moves_nothing_and_leaves_nothing() {
    let config = FeedsConfig {
        check: true,
        ..FeedsConfig::default()
    };
    let mut node = Node::new(config);
    let slot = node.link();
    node.name(slot, 1);
    node.body(slot, 1, 1_000_000);
    node.judge(1, 1_000_000, Verdict::Blame);
    assert_eq!(node.feeds.open_len(), 0);
    node.take();
    // The origin's true numbers are lower, and are taken.
    node.body(slot, 1, 0);
    node.judge(1, 0, Verdict::PassOn);
    assert_eq!(node.delivered(), 1);
    assert_eq!(node.feeds.feed_of(&[1; 32]), None);
    assert_eq!(node.feeds.feeding(), (0, 0));
}

#[test]
fn an_oversized_or_wrong_bundle_is_not_published() {
    let (mut node, _) = Node::with_links(1);
    let message = |payload: &'static [u8]| Delivery {
        origin: OWN,
        seq: 0,
        index: 0,
        urgent: false,
        is_bundle: true,
        priority: 0,
        ends: false,
        signature: None,
        members: None,
        payload: Bytes::from_static(payload),
    };
    let seq = node.feeds.next_seq();
    let refused = node.feeds.publish(node.now, &message(b"vote"), None);
    assert!(matches!(refused, Err(Refusal::Truncated { .. })));
    assert_eq!(node.feeds.next_seq(), seq, "no number is lost");
    let published = node.feeds.publish(node.now, &message(&[0; 8]), None);
    assert_eq!(published, Ok(seq));
}

#[test]
fn a_neighbour_cannot_take_all_places_again_and_again() {
    let (mut node, slots) = Node::with_links(2);
    let mut number = 0_u32;
    let mut name_one = |node: &mut Node| {
        number += 1;
        let mut origin = [9; 32];
        origin[..4].copy_from_slice(&number.to_le_bytes());
        node.say(slots[0], FeedMessage::Alias(alias(3), origin));
    };
    (0..ALIASES_MAX).for_each(|_| name_one(&mut node));
    let refused = node.feeds.counters().origins_refused;
    assert_eq!(refused, 0, "it may know as many as there can be");
    (0..1000).for_each(|_| name_one(&mut node));
    assert_eq!(node.feeds.counters().origins_refused, 1000);
    node.name(slots[1], 1);
    node.body(slots[1], 1, 0);
    assert_eq!(
        node.delivered(),
        1,
        "names without messages keep nobody out"
    );
}

/// A body of origin 3 for the members whose tag the node has.
fn direct_body(node: &Node, seq: u64) -> Bytes {
    let members = node.feeds.members_for(7);
    assert!(members.is_some(), "all members are linked");
    FeedMessage::Body(Body {
        members,
        ..Body::plain(alias(3), seq, b"payload")
    })
    .encode()
    .unwrap()
}

#[test]
fn a_short_message_goes_to_all_members_directly_whatever_they_wanted() {
    let (mut node, slots) = Node::with_links(4);
    for (slot, part) in slots.iter().zip([Part::Quiet, Part::Backup, Part::Feed]) {
        node.say(*slot, FeedMessage::Part(part, Which::One(alias(0)), 0));
    }
    node.set_members(None);
    node.publish(None);
    assert_eq!(node.sent_to(is_body), slots);
    assert_eq!(node.feeds.counters().direct, 1);
    // Somebody is missing: as if there were no members.
    node.set_members(Some(9));
    node.publish(None);
    assert_eq!(node.sent_to(is_body), slots[2..]);
    node.set_members(None);
    node.unlink(slots[3]);
    node.publish(None);
    assert_eq!(node.sent_to(is_body), slots[2..3]);
    assert_eq!(node.feeds.counters().direct, 1);
}

#[test]
fn a_member_passes_a_direct_message_on_to_those_who_are_no_members_and_learns_nothing_from_it() {
    let (mut node, members) = Node::with_links(3);
    node.set_members(None);
    let stranger = node.link();
    node.name(members[0], 3);
    for slot in [members[1], stranger] {
        node.say(slot, FeedMessage::Part(Part::Feed, Which::All, 0));
    }
    for seq in 0..u64::from(LEARNING) {
        let bytes = direct_body(&node, seq);
        node.take();
        node.hear(members[0], &bytes);
        assert_eq!(node.sent_to(is_body), [stranger]);
        node.wait(SECOND);
        let is_part = |message: &FeedMessage<'_>| matches!(message, FeedMessage::Part(..));
        assert_eq!(node.sent_to(is_part), [], "no link is told a part");
    }
    assert_eq!(node.feeds.feed_of(&[3; 32]), None);
    // The same without members: it goes to who wants it.
    node.body(members[0], 3, 99);
    assert_eq!(node.sent_to(is_body), [members[1], stranger]);
}

#[test]
fn a_message_for_a_set_that_this_node_does_not_know_is_passed_on_as_any_other() {
    let (mut node, slots) = Node::with_links(3);
    node.set_members(None);
    let bytes = direct_body(&node, 5);
    for set in 0..2 {
        match set {
            0 => node.set_members(Some(9)),
            _ => node.feeds.set_members(&MEMBER, &BTreeSet::new()),
        }
        let mut bytes = bytes.to_vec();
        bytes[3] = set;
        node.name(slots[0], 3);
        node.say(slots[1], FeedMessage::Part(Part::Feed, Which::All, 0));
        node.take();
        node.hear(slots[0], &bytes.into());
        assert_eq!(node.sent_to(is_body), slots[1..2]);
    }
}

#[test]
fn a_direct_message_that_did_not_come_is_found_by_a_digest_and_blames_no_feed() {
    let (mut node, slots) = Node::with_links(3);
    // Longer messages of the origin come from a feed.
    node.name(slots[1], 3);
    node.name(slots[2], 3);
    for seq in 0..u64::from(LEARNING) {
        node.body(slots[1], 3, seq);
        node.wait(SECOND);
    }
    let feed = node.feeds.feed_of(&[3; 32]);
    assert_eq!(feed, Some(slots[1]));
    node.set_members(None);
    let bytes = direct_body(&node, 70);
    let last = DigestEntry {
        alias: alias(3),
        last: 70,
        bits: 1,
    };
    node.take();
    node.hear(slots[2], &encode_digest(&[last]));
    node.wait(SECOND);
    assert_eq!(node.asked(), [slots[2]]);
    node.hear(slots[2], &bytes);
    assert_eq!(node.delivered(), 1);
    node.wait(SECOND);
    assert_eq!(node.feeds.counters().missed, 0);
    assert_eq!(node.feeds.feed_of(&[3; 32]), feed);
}
