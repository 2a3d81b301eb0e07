//! [`Crds`]: how Solana's validators push the values of their replicated store (CRDS) to each other. The
//! receiver chooses, for each origin, who feeds it.
//!
//! * A node pushes to an active set of 12 peers, the oldest first, and each value to the first 9 of those that
//!   have not pruned its origin. Nobody is left out because the value came from there. Every 7.5 s one peer
//!   enters the set and the oldest leaves; who enters has pruned nothing.
//! * For each origin a receiver gives a point to who delivers a value before 2 others did. After 20 new values
//!   it keeps the 2 with most points and sends all others a signed `Prune`; the points start anew. The rule that
//!   the kept ones hold 15 % of the smaller stake of both ends is fulfilled by 2 of equal stake.
//! * Pull is the net: every 500 ms a node sends a Bloom filter of what it has to one random peer, which answers
//!   with values that are not in it. One in ten is in it by mistake. The filter carries the time of the node's
//!   own contact info, which is up to 7.5 s old, and the answer leaves out what is newer than that and up to
//!   3.75 s more: so pull leaves alone what push is about to bring.
//!
//! Sources: `gossip/src` of Agave (`push_active_set`, `received_cache`, `crds_gossip_push`, `crds_gossip_pull`,
//! `cluster_info`). Left out: stake, the ping before a peer is used, and the limit of 1,232 bytes of a packet.
//! Peers are the node's links; there, they are all nodes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::machine::{Context, LinkId, Machine, Message, NodeIndex, Payload, Priority, Size};

const FANOUT: usize = 9;
const ACTIVE_SET_LEN: usize = FANOUT + 3;

/// New values of an origin until the receiver chooses, and how many it keeps.
const VALUES_MIN: u32 = 20;
const INGRESS_MIN: usize = 2;

/// A copy with fewer copies before it is timely.
const TIMELY_COPIES: u8 = 2;

/// Relayers of an origin that a node keeps points of.
const RELAYERS_MAX: usize = 50;

/// Between two pulls. Every so many pulls, the active set moves on.
const PULL_INTERVAL: Duration = Duration::from_millis(500);
const PULLS_EACH_REFRESH: u32 = 15;

/// Older values are not pushed on, not given to who pulls, and older prunes do not count.
const PUSH_AGE_MAX: Duration = Duration::from_secs(30);
const PULL_AGE_MAX: Duration = Duration::from_secs(15);
const PRUNE_AGE_MAX: Duration = Duration::from_millis(500);

/// How long a hash stays in the filters.
const FILTER_AGE_MAX: Duration = Duration::from_secs(75);
const FILTER_FALSE_RATE: f64 = 0.1;

/// Bincode: a kind takes 4 bytes, a length 8, a key 32, a signature 64, a time 8.
const VALUE_BYTES: u32 = 64 + 4 + 1 + 32 + 8;
const LIST_BYTES: u32 = 4 + 32 + 8;
const PRUNE_BYTES: u32 = 4 + 32 + 32 + (8 + 32) + 64 + 32 + 8;
/// Eight keys of a filter, its lengths and its mask.
const FILTER_BYTES: u32 = (8 + 8 * 8) + (1 + 8 + 8 + 8) + (8 + 4);
/// Addresses and versions of a contact info.
const CONTACT_BYTES: u32 = 100;

/// A payload with its origin's time of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CrdsValue {
    payload: Payload,
    wallclock: Duration,
}

/// What a node has, and until when others should offer it more.
#[derive(Clone, Debug)]
pub struct CrdsFilter {
    /// One bit for each payload.
    held: Rc<[u64]>,
    hashes: u32,
    wallclock: Duration,
}

/// What Solana's nodes say to each other.
#[derive(Clone, Debug)]
pub enum CrdsMessage {
    /// A value.
    Push(CrdsValue),
    /// "Push me no more of this origin", and when that was said.
    Prune(NodeIndex, Duration),
    /// What the sender has.
    PullRequest(CrdsFilter),
    /// A value that the receiver seems to lack.
    PullResponse(CrdsValue),
}

impl Message for CrdsMessage {
    fn size(&self) -> Size {
        match self {
            CrdsMessage::Push(CrdsValue { payload, .. })
            | CrdsMessage::PullResponse(CrdsValue { payload, .. }) => Size {
                payload: Some((payload.id, payload.bytes)),
                control_bytes: LIST_BYTES + VALUE_BYTES,
            },
            CrdsMessage::Prune(..) => Size::control(PRUNE_BYTES),
            CrdsMessage::PullRequest(filter) => {
                // −ln(rate) / ln²2 bits for each hash.
                let bits = -FILTER_FALSE_RATE.ln() / std::f64::consts::LN_2.powi(2);
                let words = (f64::from(filter.hashes) * bits / 64.0).ceil() as u32;
                Size::control(4 + FILTER_BYTES + 8 * words + VALUE_BYTES + CONTACT_BYTES)
            }
        }
    }

    fn priority(&self) -> Priority {
        match self {
            CrdsMessage::Push(CrdsValue { payload, .. })
            | CrdsMessage::PullResponse(CrdsValue { payload, .. }) => {
                Priority::of_payload(payload.bytes)
            }
            CrdsMessage::Prune(..) | CrdsMessage::PullRequest(_) => Priority::High,
        }
    }
}

/// Who delivers an origin's values in time.
#[derive(Debug, Default)]
struct Scores {
    values: u32,
    points: Vec<(LinkId, u32)>,
}

impl Scores {
    /// A copy came from `link`, after `copies` others.
    fn record(&mut self, link: LinkId, copies: u8) {
        self.values += u32::from(copies == 0);
        let point = u32::from(copies < TIMELY_COPIES);
        if let Some((_, points)) = self.points.iter_mut().find(|(other, _)| *other == link) {
            *points += point;
        } else if point > 0 || self.points.len() < RELAYERS_MAX {
            self.points.push((link, point));
        }
    }

    /// After enough values: whom to prune. The points start anew.
    fn choose(&mut self, rng: &mut fastrand::Rng) -> Vec<LinkId> {
        if self.values < VALUES_MIN {
            return Vec::new();
        }
        let Scores { mut points, .. } = std::mem::take(self);
        // Of those with as many points, chance decides.
        rng.shuffle(&mut points);
        points.sort_by_key(|(_, points)| std::cmp::Reverse(*points));
        let pruned = points.into_iter().skip(INGRESS_MIN);
        pruned.map(|(link, _)| link).collect()
    }
}

#[derive(Debug)]
struct Peer {
    link: LinkId,
    node: NodeIndex,
}

/// A peer to push to.
#[derive(Debug)]
struct ActivePeer {
    link: LinkId,
    node: NodeIndex,
    /// Origins that it wants no more of. There, a Bloom filter with room for all of the network.
    pruned: BTreeSet<NodeIndex>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    value: CrdsValue,
    /// How often it was pushed to this node.
    pushes: u8,
}

/// A node that pushes and pulls as Solana's do.
#[derive(Debug, Default)]
pub struct Crds {
    peers: Vec<Peer>,
    active: Vec<ActivePeer>,
    scores: BTreeMap<NodeIndex, Scores>,
    /// By payload, and the same as bits.
    held: Vec<Option<Held>>,
    held_bits: Vec<u64>,
    /// When which values came, for as long as filters name them.
    recent: VecDeque<(Duration, u32)>,
    pulls: u32,
    pull_at: Duration,
    /// When its own contact info was made.
    contact_at: Duration,
}

impl Crds {
    fn held(&mut self, id: u32) -> Option<&mut Held> {
        self.held.get_mut(id as usize)?.as_mut()
    }

    fn insert(&mut self, now: Duration, value: CrdsValue, pushes: u8) {
        let index = value.payload.id as usize;
        if self.held.len() <= index {
            self.held.resize(index + 1, None);
            self.held_bits.resize(index / 64 + 1, 0);
        }
        self.held[index] = Some(Held { value, pushes });
        self.held_bits[index / 64] |= 1 << (index % 64);
        self.recent.push_back((now, value.payload.id));
    }

    fn push(&self, context: &mut Context<'_, CrdsMessage>, value: CrdsValue) {
        let origin = value.payload.origin;
        let is_own = origin == context.node();
        let wants =
            |peer: &&ActivePeer| is_own || peer.node != origin && !peer.pruned.contains(&origin);
        for peer in self.active.iter().filter(wants).take(FANOUT) {
            context.send(peer.link, CrdsMessage::Push(value));
        }
    }

    fn handle_push(
        &mut self,
        context: &mut Context<'_, CrdsMessage>,
        link: LinkId,
        value: CrdsValue,
    ) {
        let now = context.now();
        if now.saturating_sub(value.wallclock) > PUSH_AGE_MAX {
            return;
        }
        let origin = value.payload.origin;
        if let Some(held) = self.held(value.payload.id) {
            let copies = held.pushes;
            held.pushes = held.pushes.saturating_add(1);
            return self.scores.entry(origin).or_default().record(link, copies);
        }
        self.insert(now, value, 1);
        context.deliver(value.payload.id);
        let scores = self.scores.entry(origin).or_default();
        scores.record(link, 0);
        for pruned in scores.choose(context.rng()) {
            // The origin itself is never asked to be silent.
            if self
                .peers
                .iter()
                .any(|peer| peer.link == pruned && peer.node != origin)
            {
                context.send(pruned, CrdsMessage::Prune(origin, now));
            }
        }
        self.push(context, value);
    }

    fn handle_prune(&mut self, link: LinkId, origin: NodeIndex) {
        if let Some(peer) = self.active.iter_mut().find(|peer| peer.link == link) {
            peer.pruned.insert(origin);
        }
    }

    fn handle_pull_request(
        &self,
        context: &mut Context<'_, CrdsMessage>,
        link: LinkId,
        filter: &CrdsFilter,
    ) {
        let now = context.now();
        let newest = filter.wallclock + (PULL_AGE_MAX / 4).mul_f64(context.rng().f64());
        let young = |entry: &&(Duration, u32)| now.saturating_sub(entry.0) <= PULL_AGE_MAX;
        for (_, id) in self.recent.iter().rev().take_while(young) {
            let index = *id as usize;
            let word = filter.held.get(index / 64).copied().unwrap_or(0);
            let Some(held) = self.held[index] else {
                continue;
            };
            if word >> (index % 64) & 1 == 0
                && held.value.wallclock <= newest
                && context.rng().f64() >= FILTER_FALSE_RATE
            {
                context.send(link, CrdsMessage::PullResponse(held.value));
            }
        }
    }

    fn handle_pull_response(&mut self, context: &mut Context<'_, CrdsMessage>, value: CrdsValue) {
        if self.held(value.payload.id).is_none() {
            self.insert(context.now(), value, 0);
            context.deliver(value.payload.id);
            self.push(context, value);
        }
    }

    /// Lets one peer enter the active set, and the oldest leave it.
    fn refresh(&mut self, context: &mut Context<'_, CrdsMessage>) {
        self.contact_at = context.now();
        let mut order: Vec<usize> = (0..self.peers.len()).collect();
        context.rng().shuffle(&mut order);
        for Peer { link, node } in order.into_iter().map(|index| &self.peers[index]) {
            if self.active.len() > ACTIVE_SET_LEN {
                break;
            }
            if self.active.iter().all(|peer| peer.link != *link) {
                self.active.push(ActivePeer {
                    link: *link,
                    node: *node,
                    pruned: BTreeSet::new(),
                });
            }
        }
        let surplus = self.active.len().saturating_sub(ACTIVE_SET_LEN);
        self.active.drain(..surplus);
    }

    fn pull(&mut self, context: &mut Context<'_, CrdsMessage>) {
        let now = context.now();
        let is_old = |entry: &mut (Duration, u32)| now.saturating_sub(entry.0) > FILTER_AGE_MAX;
        while self.recent.pop_front_if(is_old).is_some() {}
        if self.peers.is_empty() {
            return;
        }
        let chosen = context.rng().usize(..self.peers.len());
        let filter = CrdsFilter {
            held: self.held_bits.as_slice().into(),
            hashes: self.recent.len() as u32,
            wallclock: self.contact_at,
        };
        context.send(self.peers[chosen].link, CrdsMessage::PullRequest(filter));
    }
}

impl Machine for Crds {
    type Message = CrdsMessage;

    fn handle_link_up(
        &mut self,
        context: &mut Context<'_, CrdsMessage>,
        link: LinkId,
        peer: NodeIndex,
        _outbound: bool,
        _rtt: Duration,
    ) {
        if self.peers.is_empty() {
            // Nodes did not start all at once.
            let phase = context.rng().f64();
            self.pull_at = context.now() + PULL_INTERVAL.mul_f64(phase);
            context.wake_at(self.pull_at);
        }
        self.peers.push(Peer { link, node: peer });
    }

    fn handle_link_down(&mut self, _context: &mut Context<'_, CrdsMessage>, link: LinkId) {
        self.peers.retain(|peer| peer.link != link);
        self.active.retain(|peer| peer.link != link);
        for scores in self.scores.values_mut() {
            scores.points.retain(|(other, _)| *other != link);
        }
    }

    fn handle_message(
        &mut self,
        context: &mut Context<'_, CrdsMessage>,
        link: LinkId,
        message: CrdsMessage,
    ) {
        match message {
            CrdsMessage::Push(value) => self.handle_push(context, link, value),
            CrdsMessage::Prune(origin, said_at) => {
                if context.now().saturating_sub(said_at) <= PRUNE_AGE_MAX {
                    self.handle_prune(link, origin);
                }
            }
            CrdsMessage::PullRequest(filter) => self.handle_pull_request(context, link, &filter),
            CrdsMessage::PullResponse(value) => self.handle_pull_response(context, value),
        }
    }

    fn publish(&mut self, context: &mut Context<'_, CrdsMessage>, payload: Payload) {
        let wallclock = context.now();
        let value = CrdsValue { payload, wallclock };
        self.insert(wallclock, value, 0);
        self.push(context, value);
    }

    fn handle_timer(&mut self, context: &mut Context<'_, CrdsMessage>) {
        if context.now() >= self.pull_at {
            if self.pulls.is_multiple_of(PULLS_EACH_REFRESH) {
                self.refresh(context);
            }
            self.pulls += 1;
            self.pull(context);
            self.pull_at = context.now() + PULL_INTERVAL;
        }
        context.wake_at(self.pull_at);
    }

    fn state_bytes(&self) -> usize {
        let scores = |scores: &Scores| 32 + scores.points.len() * (32 + 8);
        let scores: usize = self.scores.values().map(scores).sum();
        // Hashes of values, and a filter of pruned origins for each active peer: 32,768 bits.
        self.recent.len() * 32 + scores + self.active.len() * 4096
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_twenty_values_all_but_the_two_most_timely_are_pruned() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut scores = Scores::default();
        for value in 1..=VALUES_MIN {
            // Links 1 and 2 take turns to be first; 3 and 4 are late.
            let (first, second) = if value % 2 == 0 { (1, 2) } else { (2, 1) };
            for (copies, link) in [first, second, 3, 4].into_iter().enumerate() {
                scores.record(LinkId(link), copies as u8);
            }
            let mut pruned = scores.choose(&mut rng);
            pruned.sort_unstable();
            let expected: &[LinkId] = if value < VALUES_MIN {
                &[]
            } else {
                &[LinkId(3), LinkId(4)]
            };
            assert_eq!(pruned, expected, "after {value} values");
        }
        assert!(scores.points.is_empty(), "the points start anew");
    }

    #[test]
    fn a_late_relayer_is_kept_count_of_so_that_it_can_be_pruned_but_not_without_bound() {
        let mut scores = Scores::default();
        for link in 0..60 {
            scores.record(LinkId(link), 2);
        }
        assert_eq!(scores.points.len(), RELAYERS_MAX);
        assert!(scores.points.iter().all(|(_, points)| *points == 0));
        scores.record(LinkId(60), 1);
        assert_eq!(
            scores.points.last(),
            Some(&(LinkId(60), 1)),
            "a timely one has room"
        );
    }

    #[test]
    fn messages_are_as_long_as_bincode_makes_them() {
        assert_eq!(
            CrdsMessage::Prune(NodeIndex(0), Duration::ZERO)
                .size()
                .bytes(),
            212
        );
        let filter = |hashes| CrdsFilter {
            held: Rc::new([]),
            hashes,
            wallclock: Duration::ZERO,
        };
        let bytes = |hashes| CrdsMessage::PullRequest(filter(hashes)).size().bytes();
        assert_eq!(bytes(13) - bytes(0), 8, "4.8 bits for each hash");
        assert_eq!(bytes(14) - bytes(0), 16);
    }
}
