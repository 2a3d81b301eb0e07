//! Exchanges in one thread: rings and meshes of nodes that talk through queues.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::coded::{
    Account, Encoder, Fault, Layout, Limits, Manifest, ManifestId, OriginTag, SHARD_BYTES_MIN,
    Shard,
};

pub(super) const SMALL: usize = SHARD_BYTES_MIN;

fn payload(length: usize, seed: u8) -> Bytes {
    (0..length).map(|at| (at % 251) as u8 ^ seed).collect()
}

fn encoder(length: usize, seed: u8) -> Encoder {
    Encoder::new([seed; 32], 1, payload(length, seed), SMALL).expect("a length that is coded")
}

fn account(node: usize) -> Account {
    [u8::try_from(node).expect("few nodes"); 32]
}

fn exchange(limits: ExchangeLimits, node: usize) -> Exchange<usize> {
    let start = u16::try_from(node * 37 % 256).unwrap();
    let identity = Identity {
        origin: account(node),
        start,
        tag: OriginTag(0),
        account_of: |origin| *origin,
    };
    Exchange::new(limits, identity)
}

/// Sends what waits, to links that take everything.
fn send_all(node: &mut Exchange<usize>) {
    while let Some((to, _)) = node.poll_shard() {
        node.handle_left(to, 1);
    }
}

/// A message on its way.
pub(super) enum Letter {
    Control(Control),
    Shard(Shard),
}

/// Nodes and their links. A turn brings each node what was sent to it in the turn before.
pub(super) struct Net {
    now: Duration,
    pub(super) nodes: Vec<Exchange<usize>>,
    pub(super) way: VecDeque<(usize, usize, Letter)>,
    /// Nodes that announce and never send a shard.
    pub(super) silent: BTreeSet<usize>,
    /// Nodes that send each neighbour one shard in so many ticks.
    pub(super) slow: BTreeMap<usize, u32>,
    /// What waits at these, by sender and receiver.
    held_back: BTreeMap<(usize, usize), VecDeque<Shard>>,
    pub(super) delivered: BTreeMap<usize, Vec<Bytes>>,
    /// Whole payloads that nodes are to check.
    pub(super) unchecked: Vec<(usize, ManifestId, Bytes)>,
    pub(super) blamed: Vec<(usize, usize, Fault)>,
    /// Shards that each node sent, and that each received.
    sent: BTreeMap<usize, usize>,
    pub(super) received: BTreeMap<usize, usize>,
}

impl Net {
    pub(super) fn new(count: usize, limits: ExchangeLimits) -> Self {
        Net {
            now: Duration::ZERO,
            nodes: (0..count).map(|node| exchange(limits, node)).collect(),
            way: VecDeque::new(),
            silent: BTreeSet::new(),
            slow: BTreeMap::new(),
            held_back: BTreeMap::new(),
            delivered: BTreeMap::new(),
            unchecked: Vec::new(),
            blamed: Vec::new(),
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
        }
    }

    /// Links each node with the next `degree / 2` of a ring.
    pub(super) fn ring(count: usize, degree: usize) -> Self {
        let mut net = Net::new(count, ExchangeLimits::default());
        for node in 0..count {
            for step in 1..=degree / 2 {
                net.link(node, (node + step) % count);
            }
        }
        net
    }

    pub(super) fn link(&mut self, one: usize, other: usize) {
        self.nodes[one].add_link(other, account(other));
        self.nodes[other].add_link(one, account(one));
        self.collect();
    }

    /// One node more, without links.
    pub(super) fn add_node(&mut self) {
        let node = exchange(ExchangeLimits::default(), self.nodes.len());
        self.nodes.push(node);
    }

    pub(super) fn unlink(&mut self, one: usize, other: usize) {
        self.nodes[one].remove_link(other);
        self.nodes[other].remove_link(one);
        self.way
            .retain(|(from, to, _)| (*from, *to) != (one, other) && (*from, *to) != (other, one));
    }

    fn publish(&mut self, node: usize, length: usize) -> Bytes {
        self.publish_number(node, length, 1)
    }

    pub(super) fn publish_number(&mut self, node: usize, length: usize, seq: u64) -> Bytes {
        let seed = u8::try_from(node).unwrap();
        let body = payload(length, seed);
        let encoder = Encoder::new([seed; 32], seq, body.clone(), SMALL);
        let encoder = encoder.expect("a length that is coded");
        assert!(self.nodes[node].publish(encoder, None));
        self.collect();
        body
    }

    /// Takes what the nodes want sent.
    pub(super) fn collect(&mut self) {
        for (from, node) in self.nodes.iter_mut().enumerate() {
            node.announce();
            while let Some(output) = node.poll_output() {
                match output {
                    Output::Control { to, message } => {
                        self.way.push_back((from, to, Letter::Control(message)));
                    }
                    Output::Deliver { payload, .. } => {
                        self.delivered.entry(from).or_default().push(payload);
                    }
                    Output::Check {
                        manifest, payload, ..
                    } => self.unchecked.push((from, manifest.id(), payload)),
                    Output::Blame { link, fault } => self.blamed.push((from, link, fault)),
                }
            }
            while let Some((to, shard)) = node.poll_shard() {
                if self.silent.contains(&from) {
                    node.handle_left(to, 1);
                } else if self.slow.contains_key(&from) {
                    self.held_back
                        .entry((from, to))
                        .or_default()
                        .push_back(shard);
                } else {
                    *self.sent.entry(from).or_default() += 1;
                    self.way.push_back((from, to, Letter::Shard(shard)));
                }
            }
        }
    }

    pub(super) fn turn(&mut self) {
        self.pass(Duration::from_millis(1));
        for (from, to, letter) in std::mem::take(&mut self.way) {
            match letter {
                Letter::Control(message) => self.nodes[to].handle_control(from, message),
                Letter::Shard(shard) => {
                    *self.received.entry(to).or_default() += 1;
                    self.nodes[from].handle_left(to, 1);
                    self.nodes[to].handle_shard(from, shard);
                }
            }
        }
        self.collect();
    }

    /// Lets slow nodes send what is due.
    fn release(&mut self, tick: u32) {
        for ((from, to), shards) in &mut self.held_back {
            if tick.is_multiple_of(self.slow[from])
                && let Some(shard) = shards.pop_front()
            {
                self.way.push_back((*from, *to, Letter::Shard(shard)));
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let now = self.now;
        for node in &mut self.nodes {
            node.advance(now);
            node.handle_due();
        }
    }

    /// Runs until nobody says anything more; gives how many turns that took.
    pub(super) fn settle(&mut self) -> usize {
        let mut turns = 0;
        while !self.way.is_empty() {
            self.turn();
            turns += 1;
            assert!(turns < 10_000, "the nodes talk for ever");
        }
        turns
    }

    /// Lets time go by, with all that is said meanwhile.
    pub(super) fn run_for(&mut self, ticks: u32) {
        for tick in 0..ticks {
            self.pass(TICK);
            self.nodes.iter_mut().for_each(Exchange::tick);
            self.collect();
            self.release(tick);
            self.settle();
        }
    }

    /// All nodes but these got exactly this.
    fn assert_got(&self, payload: &Bytes, but: &[usize]) {
        for node in (0..self.nodes.len()).filter(|node| !but.contains(node)) {
            let got = self.delivered.get(&node).map_or(&[][..], |got| &got[..]);
            assert_eq!(got.len(), 1, "node {node} got it so often");
            assert!(got[0] == *payload, "node {node} got other bytes");
        }
    }
}

#[test]
fn everybody_gets_a_payload_once_and_hardly_a_shard_too_many() {
    let mut net = Net::ring(24, 6);
    let mut before = BTreeMap::new();
    // Of the first payload, nodes ask for what a feed that they have just found sends them, too. Of others
    // they get what is pushed, 63 shards, and at most a stripe more.
    for (seq, most) in [(1, 75), (2, 67), (3, 67)] {
        let body = net.publish_number(0, 60 * SMALL, seq);
        net.settle();
        net.run_for(50);
        for node in 1..24 {
            assert_eq!(net.delivered[&node].len(), usize::try_from(seq).unwrap());
            assert!(net.delivered[&node].last() == Some(&body), "node {node}");
            let all = net.received[&node];
            let received = all - before.insert(node, all).unwrap_or(0);
            assert!(
                (60..=most).contains(&received),
                "node {node}: {received} of payload {seq}"
            );
            assert_eq!(net.nodes[node].figures().unasked, 0);
        }
    }
    assert_eq!(
        net.received.get(&0),
        None,
        "nobody sends the origin its own"
    );
}

#[test]
fn what_feeds_send_is_not_asked_for() {
    let mut net = Net::ring(24, 6);
    let asked = |net: &Net| -> u64 { net.nodes.iter().map(|one| one.figures().asked).sum() };
    net.publish_number(0, 60 * SMALL, 1);
    net.settle();
    net.run_for(50);
    let cold = asked(&net);
    assert!(cold > 0, "the first payload is asked for");
    net.publish_number(0, 60 * SMALL, 2);
    net.settle();
    net.run_for(50);
    let warm = asked(&net) - cold;
    assert!(warm < 23 * 60 / 10, "{warm} shards, of 23 nodes");
}

#[test]
fn the_last_originals_are_waited_for_where_feeds_send_them() {
    let mut net = Net::ring(24, 6);
    let restored = |net: &Net| -> u64 { net.nodes.iter().map(|one| one.figures().restored).sum() };
    let mut before = 0;
    for seq in 1..=4 {
        before = restored(&net);
        net.publish_number(0, 60 * SMALL, seq);
        net.settle();
        net.run_for(50);
    }
    let warm = restored(&net) - before;
    assert!(
        warm <= 4,
        "{warm} of 23 nodes have restored the last payload"
    );
}

#[test]
fn the_origin_sends_each_shard_about_once() {
    let mut net = Net::ring(24, 8);
    let body = net.publish(0, 100 * SMALL);
    net.settle();
    net.run_for(50);
    net.assert_got(&body, &[0]);
    assert!(
        net.sent[&0] <= 110,
        "the origin sent {} of 100 shards",
        net.sent[&0]
    );
}

#[test]
fn a_node_passes_shards_on_before_it_has_the_payload() {
    // Two nodes in a row behind the origin, and segments of 128 shards.
    let mut net = Net::new(3, ExchangeLimits::default());
    net.link(0, 1);
    net.link(1, 2);
    let body = net.publish(0, 200 * SMALL);
    while !net.received.contains_key(&2) {
        net.turn();
    }
    assert!(!net.delivered.contains_key(&1));
    net.settle();
    net.run_for(20);
    net.assert_got(&body, &[0]);
}

#[test]
fn a_node_that_comes_later_gets_what_is_kept_once() {
    let mut net = Net::ring(4, 2);
    let body = net.publish(0, 20 * SMALL);
    net.settle();
    net.add_node();
    net.link(4, 2);
    net.link(4, 3);
    net.settle();
    net.run_for(20);
    net.assert_got(&body, &[0]);
    assert!(net.received[&4] <= 22, "what is pushed, and no more");
}

#[test]
fn a_neighbour_that_announces_and_sends_nothing_costs_time_and_no_payload() {
    let mut net = Net::ring(12, 6);
    net.silent.extend([1, 2]);
    let body = net.publish(0, 60 * SMALL);
    net.settle();
    net.run_for(20 * STALL_TICKS);
    net.assert_got(&body, &[0]);
    assert!(net.blamed.is_empty(), "silence is no proof");
    for node in 3..12 {
        assert!(net.received[&node] <= 75, "{} shards", net.received[&node]);
    }
}

#[test]
fn a_link_that_breaks_loses_nothing() {
    let mut net = Net::ring(8, 4);
    let body = net.publish(0, 60 * SMALL);
    for turn in 0..6 {
        net.turn();
        net.unlink(turn, turn + 1);
    }
    net.settle();
    net.run_for(100);
    net.assert_got(&body, &[0]);
}

#[test]
fn payloads_of_several_origins_cross_each_other() {
    let mut net = Net::ring(10, 4);
    let bodies: Vec<_> = (0..10).map(|node| net.publish(node, 15 * SMALL)).collect();
    net.settle();
    net.run_for(100);
    for node in 0..10 {
        let got: BTreeSet<_> = net.delivered[&node].iter().collect();
        let others = bodies
            .iter()
            .enumerate()
            .filter(|(origin, _)| *origin != node);
        let others: BTreeSet<_> = others.map(|(_, body)| body).collect();
        assert!(
            got == others && net.delivered[&node].len() == 9,
            "node {node}"
        );
    }
}

#[test]
fn on_a_slow_line_nothing_is_shown_of_what_waits_to_be_pushed() {
    // The link takes a shard in each tick, and there are 12 segments: minutes.
    let mut node = exchange(ExchangeLimits::default(), 0);
    node.add_link(1, account(1));
    let encoder = encoder(1500 * SMALL, 0);
    let segments = encoder.manifest().layout().segment_count();
    node.publish(encoder, None);
    for _ in 0..200 {
        if node.poll_shard().is_some() {
            node.handle_left(1, 1);
        }
        node.tick();
    }
    let mut shown = 0;
    while let Some(output) = node.poll_output() {
        if let Output::Control {
            message: Control::Have(_, segment, _),
            ..
        } = output
        {
            assert!(segment < 2, "segment {segment} of {segments} waits");
            shown += 1;
        }
    }
    assert!(
        shown > 0,
        "of the first segment more is shown, since the link says nothing"
    );
}

#[test]
fn a_payload_is_published_once() {
    let mut net = Net::ring(3, 2);
    net.publish(0, 20 * SMALL);
    assert!(!net.nodes[0].publish(encoder(20 * SMALL, 0), None));
}

#[test]
fn a_bad_shard_is_blamed_on_who_sent_it_and_the_payload_comes_from_others() {
    let mut net = Net::ring(4, 2);
    let body = net.publish(0, 20 * SMALL);
    let mut damaged = 0;
    while !net.way.is_empty() {
        for (from, to, letter) in &mut net.way {
            if let (0, 1, Letter::Shard(shard)) = (*from, *to, &mut *letter)
                && damaged == 0
            {
                let mut wire = shard.wire().to_vec();
                *wire.last_mut().unwrap() ^= 1;
                *letter = Letter::Shard(Shard::decode(wire.into()).unwrap());
                damaged += 1;
            }
        }
        net.turn();
        if !net.blamed.is_empty() && net.nodes[1].figures().delivered == 0 {
            net.unlink(0, 1);
        }
    }
    net.run_for(100);
    assert_eq!(net.blamed, [(1, 0, Fault::Proof)]);
    net.assert_got(&body, &[0]);
}

#[test]
fn a_shard_that_nobody_asked_for_is_not_even_hashed() {
    let mut net = Net::ring(3, 2);
    let mut encoder = encoder(20 * SMALL, 0);
    let shard = encoder.segment(0).unwrap().shard(3).unwrap();
    let offer = Control::Offer((*encoder.manifest()).into());
    net.nodes[1].handle_control(0, offer);
    net.nodes[1].handle_shard(2, shard);
    assert_eq!(net.nodes[1].figures().unasked, 1);
}

#[test]
fn a_neighbour_cannot_have_shards_sent_without_end() {
    let mut node = exchange(ExchangeLimits::default(), 0);
    node.add_link(1, account(1));
    let encoder = encoder(20 * SMALL, 0);
    let id = encoder.id();
    node.publish(encoder, None);
    for _ in 0..100 {
        node.handle_control(1, Control::Want(id, 0, ShardSet::first(22)));
        send_all(&mut node);
    }
    assert_eq!(
        node.figures().sent,
        80,
        "each of 40 shards twice on average"
    );
}

#[test]
fn shards_that_were_not_shown_are_not_sent() {
    let mut node = exchange(ExchangeLimits::default(), 0);
    node.add_link(1, account(1));
    node.add_link(2, account(2));
    let encoder = encoder(20 * SMALL, 0);
    let id = encoder.id();
    node.publish(encoder, None);
    send_all(&mut node);
    assert_eq!(node.figures().sent, 22, "to both together");
    let want = Control::Want(id, 0, ShardSet::first(2));
    node.handle_control(2, want);
    send_all(&mut node);
    assert_eq!(node.figures().sent, 22, "what was pushed is on its way");
    node.handle_control(2, want);
    send_all(&mut node);
    let sent = node.figures().sent;
    assert_eq!(sent, 23, "the other is for the other neighbour");
}

#[test]
fn what_is_kept_is_bounded_and_the_youngest_stays() {
    let limits = ExchangeLimits {
        kept_bytes_max: 100 * SMALL,
        ..ExchangeLimits::default()
    };
    let mut net = Net::new(1, limits);
    for seed in 0..4 {
        net.nodes[0].publish(encoder(20 * SMALL, seed), None);
    }
    assert_eq!(net.nodes[0].bytes(), (0, 80 * SMALL));
    net.nodes[0].publish(encoder(90 * SMALL, 9), None);
    assert_eq!(
        net.nodes[0].bytes(),
        (0, 180 * SMALL),
        "alone it may be more"
    );
}

/// Room for one payload of 20 shards, given up after three seconds without one.
pub(super) fn tight() -> ExchangeLimits {
    ExchangeLimits {
        decoder: Limits {
            bytes_max: 40 * SMALL,
            account_bytes_max: 40 * SMALL,
            idle_sweeps_max: 3,
            ..Limits::default()
        },
        ..ExchangeLimits::default()
    }
}

/// A neighbour offers a payload of which no shard will ever come.
fn offer_nothing(net: &mut Net, to: usize, from: usize, seq: u64, shards: usize) {
    let layout = Layout::new(shards * SMALL, SMALL).unwrap();
    let nothing = Manifest::new([9; 32], seq, layout, [0; 32]);
    net.nodes[to].handle_control(from, Control::Offer(nothing.into()));
}

#[test]
fn a_node_without_room_asks_for_a_payload_when_it_has() {
    let mut net = Net::new(2, tight());
    net.link(0, 1);
    offer_nothing(&mut net, 1, 0, 0, 20);
    let body = net.publish(0, 20 * SMALL);
    net.settle();
    assert_eq!(net.nodes[1].figures().refused, 1);
    // Four seconds: before the payload is offered once more.
    net.run_for(40);
    net.assert_got(&body, &[0]);
    // Eight of those that were pushed have waited for their manifest.
    assert_eq!(net.sent[&0], 22 + 12, "pushed, and asked for");
}

#[test]
fn what_waits_for_room_is_taken_as_soon_as_another_payload_is_whole() {
    let mut net = Net::new(2, tight());
    net.link(0, 1);
    let bodies: Vec<_> = (1..=8)
        .map(|seq| net.publish_number(0, (12 + usize::try_from(seq).unwrap()) * SMALL, seq))
        .collect();
    net.settle();
    assert!(net.nodes[1].figures().refused > 0);
    // A stall each at most, and not the five seconds to the next offer.
    net.run_for(45);
    let got: BTreeSet<_> = net.delivered[&1].iter().collect();
    assert!(
        bodies.iter().all(|body| got.contains(body)),
        "{} of 8",
        got.len()
    );
    assert_eq!(net.delivered[&1].len(), 8);
}

#[test]
fn a_payload_that_gives_way_comes_when_there_is_room_again() {
    let mut net = Net::new(4, tight());
    // Node 1 offers a payload that node 2 has, and then fills its account with one of its own.
    net.nodes[0].add_link(1, account(1));
    let offered = Encoder::new([2; 32], 1, payload(11 * SMALL, 2), SMALL).unwrap();
    let own = &mut encoder(9 * SMALL, 1);
    let own_shard = own.segment(0).unwrap().shard(0).unwrap();
    for manifest in [offered.manifest(), own.manifest()] {
        net.nodes[0].handle_control(1, Control::Offer((*manifest).into()));
    }
    net.nodes[0].handle_shard(1, own_shard);
    // Node 2 speaks of its payload while it cannot send.
    net.silent.insert(2);
    net.link(0, 2);
    let first = net.publish(2, 11 * SMALL);
    net.settle();
    net.silent.clear();
    net.link(0, 3);
    let second = net.publish(3, 9 * SMALL);
    net.settle();
    assert_eq!(net.nodes[0].figures().given_up, 1);
    net.run_for(10);
    assert!(net.delivered[&0] == [second, first]);
}

#[test]
fn what_a_node_published_in_a_former_life_does_not_come_back_to_it() {
    let mut net = Net::ring(3, 2);
    net.publish(0, 20 * SMALL);
    net.settle();
    net.unlink(0, 1);
    net.unlink(0, 2);
    net.nodes[0] = exchange(ExchangeLimits::default(), 0);
    net.link(0, 1);
    net.settle();
    net.run_for(60);
    assert!(!net.delivered.contains_key(&0));
}

#[test]
fn a_manifest_of_which_nobody_has_a_shard_goes_no_further() {
    let mut net = Net::ring(3, 2);
    offer_nothing(&mut net, 1, 0, 0, 20);
    net.collect();
    net.run_for(60);
    assert_eq!(net.nodes[1].bytes().0, 2 * 20 * SMALL);
    assert_eq!(net.nodes[2].bytes().0, 0);
}

#[test]
fn an_exchange_comes_to_rest() {
    let mut net = Net::ring(6, 4);
    net.publish(0, 30 * SMALL);
    net.settle();
    net.run_for(60);
    assert!(net.nodes.iter().all(Exchange::is_idle));
}

#[test]
fn payloads_that_are_published_all_at_once_are_taken_when_they_are_first_offered() {
    let mut net = Net::ring(8, 4);
    let count = 64;
    for seq in 1..=count {
        net.publish_number(0, 9 * SMALL, seq);
    }
    net.settle();
    // Well before the next offer.
    net.run_for(10);
    for node in 1..8 {
        assert_eq!(net.nodes[node].figures().refused, 0, "node {node}");
        assert_eq!(net.delivered[&node].len() as u64, count, "node {node}");
    }
}
