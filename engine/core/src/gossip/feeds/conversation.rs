//! [`Conversation`]: what the node says of messages to all its peers, on whichever shards they are.
//!
//! ```text
//!   links, messages, verdicts ──▶ ┌──────────────┐ ──▶ send, deliver, stop: each to a link
//!   what is published ──────────▶ │ Conversation │
//!   time ───────────────────────▶ └──────────────┘
//!                      ringwire_gossip::feeds · whose slot · author · judge and checks
//! ```
//! The protocol knows slots and asks whether a message is good. Here a slot becomes a peer of a shard, and the question goes first
//! to the [`Author`] and [`Proofs`], who know whether a message is its origin's, and then to the application.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::NodeId;
use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_gossip::coded::Origin;
use ringwire_gossip::feeds::{
    self as protocol, Delivery, Lane, Neighbour, Numbers, Order, Output, Provenance, Slot, Verdict,
};

use super::author::{Author, Unproven};
use super::counters::Said;
use super::members::SetMembers;
use super::neighbours::Neighbours;
use super::note::Outgoing;
use super::proofs::Proofs;
use super::views::{Feeder, MessageReach, Tags, feeders};
use crate::gossip::checks::{CheckAnswer, Checks, Judged};
use crate::gossip::judge::Judge;
use crate::gossip::link::Link;

/// What a conversation wants done.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Send this to a peer.
    Send(Link, Lane, Order, Bytes),
    /// Deliver this message to the application, and say who brought it. `None` if that peer is gone.
    Deliver(Option<(Link, NodeId)>, Bytes),
    /// Stop a peer: no honest node says what it has said.
    Stop(Link, String),
}

/// Who a node is in its conversation.
#[derive(Debug)]
pub(super) struct Identity {
    /// The node.
    pub(super) node: NodeId,
    /// What its messages name as their origin.
    pub(super) origin: Origin,
    /// Signs and checks; `None` where messages are not signed.
    pub(super) author: Option<Author>,
    /// The number of its next message.
    pub(super) first_seq: u64,
    /// How far its numbers are reserved, where that is kept.
    pub(super) numbers: Option<Numbers>,
}

/// A body that waits for its proof, and who brought it. The link may be gone by then, and another one have its slot.
#[derive(Debug)]
struct Brought {
    bringer: Option<(Link, NodeId)>,
    delivery: Delivery,
}

/// A body that the application checks.
#[derive(Debug)]
struct Unchecked {
    origin: Origin,
    seq: u64,
    /// Who brought it.
    bringer: Option<Link>,
}

/// What is said, and with whom. Whatever it was told, drain [`Conversation::poll`] after it.
pub(super) struct Conversation {
    protocol: protocol::Feeds,
    neighbours: Neighbours,
    identity: Identity,
    /// Those of which the protocol was told last, or will be when it starts.
    members: SetMembers,
    tags: Tags,
    /// What was brought in this turn, where nodes sign.
    proofs: Proofs<Brought>,
    judge: Judge,
    /// What the application is checking.
    checks: Checks<Unchecked>,
    /// How long it may.
    check_within: Duration,
    /// Peers that are to be stopped, and why.
    stops: VecDeque<(Link, String)>,
    said: Said,
}

impl Conversation {
    /// With nobody, of a node that is not known yet. An application that checks messages has so long for it.
    pub(super) fn new(check_within: Duration) -> Self {
        Conversation {
            protocol: protocol::Feeds::new(protocol::FeedsConfig::default(), [0; 32], 0, 0),
            neighbours: Neighbours::default(),
            identity: Identity {
                node: NodeId::from_bytes([0; 20]),
                origin: [0; 32],
                author: None,
                first_seq: 0,
                numbers: None,
            },
            members: SetMembers::default(),
            tags: Tags::default(),
            proofs: Proofs::new([0; 32]),
            judge: Judge::Nobody,
            checks: Checks::default(),
            check_within,
            stops: VecDeque::new(),
            said: Said::default(),
        }
    }

    /// Who says whether messages of others are good. To be said before the start.
    pub(super) fn set_judge(&mut self, judge: Judge) {
        self.judge = judge;
    }

    /// Begins, as this node. Nobody else knows the random bytes.
    pub(super) fn start(
        &mut self,
        mut config: protocol::FeedsConfig,
        identity: Identity,
        random: [u8; 32],
    ) {
        let seed = u64::from_le_bytes(*random.first_chunk().expect("there are 32 bytes"));
        self.proofs = Proofs::new(random);
        config.check = !self.judge.is_nobody() || identity.author.is_some();
        let (origin, first_seq) = (identity.origin, identity.first_seq);
        self.protocol = protocol::Feeds::new(config, origin, first_seq, seed);
        self.identity = identity;
        self.tell_members();
    }

    /// These nodes are members from now on.
    pub(super) fn set_members(&mut self, members: SetMembers) {
        self.members = members;
        self.tell_members();
    }

    /// Tells the protocol who the members are. Without signatures anybody could say in an origin's name that they
    /// all have a message.
    fn tell_members(&mut self) {
        if self.identity.author.is_some() {
            let members = self.members.ids();
            self.protocol
                .set_members(self.identity.node.as_bytes(), &members);
        }
    }

    // ---- what it is told ----------------------------------------------------------------------

    /// A peer takes part.
    pub(super) fn handle_link_up(
        &mut self,
        now: Duration,
        link: Link,
        id: NodeId,
        provenance: Provenance,
    ) {
        let neighbour = Neighbour {
            id: *id.as_bytes(),
            provenance,
            rtt: None,
        };
        match self.protocol.handle_link_up(now, &neighbour) {
            Some(slot) => self.neighbours.insert(link, id, slot),
            None => self.said.too_many_peers += 1,
        }
    }

    /// A peer takes part no more.
    pub(super) fn handle_link_down(&mut self, now: Duration, link: Link) {
        if let Some(slot) = self.neighbours.remove(link) {
            self.protocol.handle_link_down(now, slot);
        }
    }

    /// A peer has said something.
    pub(super) fn handle_message(&mut self, now: Duration, link: Link, message: &Bytes) {
        let Some(slot) = self.neighbours.slot(link) else {
            return;
        };
        self.said.received_bytes += message.len() as u64;
        let read = self.protocol.handle_message(now, slot, message);
        if let Err(refusal) = read {
            self.blame(Some(link), refusal.to_string());
        }
    }

    /// A body was not sent to a peer after all.
    pub(super) fn handle_left_out(&mut self, link: Link, body: &Bytes) {
        if let Some(slot) = self.neighbours.slot(link) {
            self.protocol.handle_left_out(slot, body);
        }
    }

    /// Bodies wait for a peer, or do not any more.
    pub(super) fn set_behind(&mut self, now: Duration, link: Link, is_behind: bool) {
        if let Some(slot) = self.neighbours.slot(link) {
            self.protocol.set_behind(now, slot, is_behind);
        }
    }

    /// Publishes messages of this node, signed with `sign` where nodes sign. Gives what is to be kept, when the numbers that
    /// are reserved come to an end.
    pub(super) fn publish(
        &mut self,
        now: Duration,
        outgoing: Outgoing,
        sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE_BYTES],
    ) -> Option<Numbers> {
        let Outgoing {
            class,
            payload,
            tags,
        } = outgoing;
        let mut message = Delivery {
            origin: self.identity.origin,
            seq: self.protocol.next_seq(),
            index: 0,
            urgent: class.urgent,
            is_bundle: payload.is_bundle,
            priority: class.priority,
            ends: class.ends_at.is_some(),
            signature: None,
            members: self.protocol.members_for(payload.bytes.len()),
            payload: payload.bytes,
        };
        if let Some(author) = &self.identity.author {
            author.sign(&mut message, sign);
        }
        let left = class.ends_at.map(|ends_at| ends_at.saturating_sub(now));
        let published = self.protocol.publish(now, &message, left);
        let seq = published.expect("messages were put together within their bounds");
        self.tags.insert(seq, &tags);
        self.said.bundles += 1;
        self.reserve_numbers()
    }

    /// Reserves more numbers, long before they come to the bound that is kept. Gives what is to be kept.
    fn reserve_numbers(&mut self) -> Option<Numbers> {
        let next = self.protocol.next_seq();
        let numbers = self.identity.numbers.as_mut()?;
        numbers.reserve(next).then_some(*numbers)
    }

    /// What the application has found a message to be. An answer that comes too late, or twice, says nothing.
    pub(super) fn handle_checked(&mut self, now: Duration, answer: CheckAnswer) {
        if let Some(judged) = self.checks.answer(answer) {
            self.conclude(now, judged);
        }
    }

    /// The turn is over: what waits for its proof has it.
    pub(super) fn prove(&mut self, now: Duration) {
        for (brought, proven) in self.proofs.prove() {
            match proven {
                Ok(()) => self.judge(now, &brought),
                Err(unproven) => self.condemn(now, &brought, unproven),
            }
        }
    }

    /// What was due by now in the protocol happens.
    pub(super) fn handle_timeout(&mut self, now: Duration) {
        self.protocol.handle_timeout(now);
    }

    /// What has no answer by now waits no longer.
    pub(super) fn expire_checks(&mut self, now: Duration) {
        while let Some(judged) = self.checks.expire_one(now) {
            self.conclude(now, judged);
        }
    }

    // ---- what it is asked ---------------------------------------------------------------------

    /// What is to be done next.
    pub(super) fn poll(&mut self, now: Duration) -> Option<Wanted> {
        loop {
            if let Some((link, reason)) = self.stops.pop_front() {
                return Some(Wanted::Stop(link, reason));
            }
            match self.protocol.poll_output()? {
                Output::Send {
                    slot,
                    lane,
                    order,
                    bytes,
                } => {
                    if let Some((link, _)) = self.neighbours.at(slot) {
                        return Some(Wanted::Send(link, lane, order, bytes));
                    }
                }
                Output::Deliver { from, delivery } => {
                    return Some(Wanted::Deliver(self.bringer(from), delivery.payload));
                }
                Output::Check { from, delivery } => {
                    let bringer = self.bringer(from);
                    self.check(now, Brought { bringer, delivery });
                }
                Output::Close { slot, reason } => {
                    if let Some((link, _)) = self.neighbours.at(slot) {
                        self.blame(Some(link), reason.to_string());
                    }
                }
                _ => (),
            }
        }
    }

    /// Whether [`Conversation::prove`] has something to do.
    pub(super) fn has_unproven(&self) -> bool {
        !self.proofs.is_empty()
    }

    /// When [`Conversation::handle_timeout`] has something to do.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.protocol.next_timeout()
    }

    /// When [`Conversation::expire_checks`] has something to do.
    pub(super) fn next_check_due(&mut self) -> Option<Duration> {
        self.checks.next_due()
    }

    /// Whether this node may publish.
    pub(super) fn may_publish(&mut self, now: Duration) -> bool {
        self.protocol.may_publish(now)
    }

    /// How far the last messages of this node have come.
    pub(super) fn reaches(&self, now: Duration) -> Vec<MessageReach> {
        self.tags.reaches(now, &self.protocol)
    }

    /// Who sends what.
    pub(super) fn feeders(&self) -> Vec<Feeder> {
        let is_signed = self.identity.author.is_some();
        feeders(&self.protocol, &self.neighbours, is_signed)
    }

    /// What it has counted, and what the protocol has.
    pub(super) fn counters(&self) -> (&Said, protocol::Counters) {
        (&self.said, self.protocol.counters())
    }

    /// How large it is now.
    pub(super) fn sizes(&self) -> [(&'static str, u64); 4] {
        let (origins_fed, peers_feeding) = self.protocol.feeding();
        [
            ("feeds_origins_fed", origins_fed as u64),
            ("feeds_peers_feeding", peers_feeding as u64),
            ("feeds_held_bytes", self.protocol.held_bytes() as u64),
            ("feeds_state_bytes", self.protocol.state_bytes() as u64),
        ]
    }

    // ---- checks -------------------------------------------------------------------------------

    fn bringer(&self, from: Option<Slot>) -> Option<(Link, NodeId)> {
        from.and_then(|from| self.neighbours.at(from))
    }

    /// Finds out whether a message, or which messages of a bundle, are good: first whether they are the origin's.
    fn check(&mut self, now: Duration, brought: Brought) {
        let Some(author) = &self.identity.author else {
            return self.judge(now, &brought);
        };
        match author.claim(&brought.delivery) {
            Ok(claim) => self.proofs.push(claim, brought),
            Err(unproven) => return self.condemn(now, &brought, unproven),
        }
        if self.proofs.are_enough() {
            self.prove(now);
        }
    }

    /// It is not the origin's.
    fn condemn(&mut self, now: Duration, brought: &Brought, unproven: Unproven) {
        self.said.unproven += 1;
        self.blame(brought.bringer.map(|(link, _)| link), unproven.to_string());
        let Delivery { origin, seq, .. } = &brought.delivery;
        let verdicts = [Verdict::Blame];
        self.protocol.handle_verdicts(now, origin, *seq, &verdicts);
    }

    /// It is the origin's: what does the application say?
    fn judge(&mut self, now: Duration, brought: &Brought) {
        let Brought { bringer, delivery } = brought;
        let (origin, seq) = (&delivery.origin, delivery.seq);
        if self.judge.is_nobody() {
            return self
                .protocol
                .handle_verdict(now, origin, seq, Verdict::PassOn);
        }
        let id = bringer.map_or(self.identity.node, |(_, id)| id);
        let body = Unchecked {
            origin: delivery.origin,
            seq: delivery.seq,
            bringer: bringer.map(|(link, _)| link),
        };
        let due = now + self.check_within;
        for check in self.checks.begin(due, id, body, delivery.messages()) {
            if let Some(answer) = self.judge.ask(check) {
                self.handle_checked(now, answer);
            }
        }
    }

    fn conclude(&mut self, now: Duration, judged: Judged<Unchecked>) {
        self.said.ignored += judged.ignored;
        self.said.unanswered_checks += judged.late;
        let body = judged.body;
        if let Some(reason) = judged.blamed {
            self.blame(body.bringer, reason);
        }
        self.protocol
            .handle_verdicts(now, &body.origin, body.seq, &judged.verdicts);
    }

    /// No honest node sends what this one has sent.
    fn blame(&mut self, bringer: Option<Link>, reason: String) {
        self.said.blamed += 1;
        if let Some(link) = bringer {
            self.stops.push_back((link, reason));
        }
    }
}

#[cfg(test)]
mod tests;
