//! [`Conversation`]: what a shard says of the payloads that it owns to all peers of the node, on whichever shards they are.
//!
//! ```text
//!   links, offers, shards, verdicts ──▶ ┌──────────────┐ ──▶ send, deliver, stop: each to a link
//!   what is published ────────────────▶ │ Conversation │
//!   time ─────────────────────────────▶ └──────────────┘
//!                   ringwire_gossip::exchange · who is at a link · author · verdicts
//! ```
//! The exchange trusts offers and asks whether whole payloads are good. Here an offer is looked at before the exchange hears of it,
//! by the [`Author`], who knows whether it is its origin's, and by the application, which is also asked about whole payloads.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::{NodeId, PublicKey};
use ringwire_gossip::coded::{Account, Encoder, Manifest, Offer, Origin, OriginTag, Shard};
use ringwire_gossip::exchange::{
    Control, Exchange, ExchangeLimits, Figures, Identity as ExchangeIdentity, Output,
};
use ringwire_gossip::feeds::Verdict;

use super::author::{Author, Unproven};
use super::counters::Said;
use super::verdicts::{LargeOffer, OfferValidator, Unchecked, Verdicts};
use crate::gossip::acceptance::Acceptance;
use crate::gossip::checks::{CheckAnswer, Judged};
use crate::gossip::judge::Judge;
use crate::gossip::link::Link;
use crate::gossip::origin::node_of;
use crate::peer::ShardId;
use crate::time::Instant;

/// What a conversation wants done.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Send a message about shards to a peer.
    Control(Link, Control),
    /// Deliver this payload to the application; the node has sent the last shard of it.
    Deliver(NodeId, Bytes),
    /// Stop a peer: no honest node sends what it has sent.
    Stop(Link, String),
}

/// Who a node is in its conversation.
#[derive(Debug)]
pub(super) struct Identity {
    /// The node.
    pub(super) node: NodeId,
    /// What its payloads name as their origin.
    pub(super) origin: Origin,
    /// Signs and checks manifests; `None` where that is not done.
    pub(super) author: Option<Author>,
    /// The shard.
    pub(super) shard: ShardId,
    /// Where it begins to count shards: see [`ExchangeIdentity::start`].
    pub(super) start: u16,
}

/// What is said, and with whom. Whatever it was told, drain [`Conversation::poll`] after it and then
/// [`Conversation::poll_shard`].
pub(super) struct Conversation {
    exchange: Exchange<Link>,
    /// Who is at a link: all peers of the node that take part.
    peers: BTreeMap<Link, NodeId>,
    node: NodeId,
    author: Option<Author>,
    verdicts: Verdicts,
    /// How long the application may check a payload.
    check_within: Duration,
    /// The exchange counts time from here on.
    started_at: Option<Instant>,
    /// What is to be done before anything that the exchange wants.
    wanted: VecDeque<Wanted>,
    said: Said,
}

impl Conversation {
    /// With nobody, of a node that is not known yet. An application that checks payloads has so long for it.
    pub(super) fn new(limits: ExchangeLimits, check_within: Duration) -> Self {
        let identity = ExchangeIdentity {
            origin: [0; 32],
            start: 0,
            tag: OriginTag(0),
            account_of: |origin| *origin,
        };
        Conversation {
            exchange: Exchange::new(limits, identity),
            peers: BTreeMap::new(),
            node: NodeId::from_bytes([0; 20]),
            author: None,
            verdicts: Verdicts::new(),
            check_within,
            started_at: None,
            wanted: VecDeque::new(),
            said: Said::default(),
        }
    }

    /// Who says whether a payload may be had. To be said before the start.
    pub(super) fn set_offer_validator(&mut self, validator: OfferValidator) {
        self.verdicts.set_offer_validator(validator);
    }

    /// Who says whether whole payloads are good. To be said before the start.
    pub(super) fn set_judge(&mut self, judge: Judge) {
        self.verdicts.set_judge(judge);
    }

    /// Begins, as this node.
    pub(super) fn start(&mut self, limits: ExchangeLimits, identity: Identity) {
        let is_signed = identity.author.is_some();
        self.node = identity.node;
        self.author = identity.author;
        let identity = ExchangeIdentity {
            origin: identity.origin,
            start: identity.start,
            tag: OriginTag(identity.shard.0.into()),
            account_of: match is_signed {
                true => |origin| account_of(&PublicKey::from_bytes(*origin).id()),
                false => |origin| *origin,
            },
        };
        self.exchange = Exchange::new(limits, identity);
        if self.verdicts.are_asked_for() {
            self.exchange.ask_for_verdicts();
        }
    }

    // ---- what it is told ----------------------------------------------------------------------

    /// A peer takes part.
    pub(super) fn add_link(&mut self, now: Instant, link: Link, id: NodeId) {
        self.peers.insert(link, id);
        self.advance(now);
        self.exchange.add_link(link, account_of(&id));
    }

    /// A peer takes part no more.
    pub(super) fn remove_link(&mut self, now: Instant, link: Link) {
        self.peers.remove(&link);
        self.advance(now);
        self.exchange.remove_link(link);
    }

    /// A payload of this node is encoded. It is signed with `sign` where nodes sign.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        encoder: Encoder,
        sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE_BYTES],
    ) {
        self.advance(now);
        let author = self.author.as_ref();
        let signature = author.map(|author| author.sign(encoder.manifest(), sign));
        self.exchange.publish(encoder, signature);
    }

    /// A peer has sent a message about shards.
    pub(super) fn handle_control(&mut self, now: Instant, from: Link, message: Control) {
        self.advance(now);
        match message {
            Control::Offer(offer) => self.handle_offer(from, offer),
            message => self.exchange.handle_control(from, message),
        }
    }

    /// A peer has sent a shard. To be announced within the turn.
    pub(super) fn handle_shard(&mut self, now: Instant, from: Link, shard: Shard) {
        self.advance(now);
        self.exchange.handle_shard(from, shard);
    }

    /// So many shards have left for a peer, or were left out.
    pub(super) fn handle_left(&mut self, link: Link, count: usize) {
        self.exchange.handle_left(link, count);
    }

    /// The turn is over: what came in it is announced.
    pub(super) fn announce(&mut self, now: Instant) {
        self.advance(now);
        self.exchange.announce();
    }

    /// A [tick](ringwire_gossip::exchange::TICK) has gone by.
    pub(super) fn tick(&mut self, now: Instant) {
        self.advance(now);
        self.exchange.tick();
    }

    /// What was waited for in vain until now is restored.
    pub(super) fn handle_due(&mut self, now: Instant) {
        self.advance(now);
        self.exchange.handle_due();
    }

    /// What the application has found a payload to be. An answer that comes too late, or twice, says nothing.
    pub(super) fn handle_checked(&mut self, now: Instant, answer: CheckAnswer) {
        if let Some(judged) = self.verdicts.answer(answer) {
            self.advance(now);
            self.conclude(judged);
        }
    }

    /// What has no answer by now waits no longer.
    pub(super) fn expire_checks(&mut self, now: Instant) {
        self.advance(now);
        let now = self.since_start(now);
        while let Some(judged) = self.verdicts.expire_one(now) {
            self.conclude(judged);
        }
    }

    // ---- what it is asked ---------------------------------------------------------------------

    /// What is to be done next.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Wanted> {
        loop {
            if let Some(wanted) = self.wanted.pop_front() {
                return Some(wanted);
            }
            match self.exchange.poll_output()? {
                Output::Control { to, message } => return Some(Wanted::Control(to, message)),
                Output::Deliver { from, payload, .. } => {
                    return Some(Wanted::Deliver(self.bringer(from), payload));
                }
                Output::Check {
                    from,
                    manifest,
                    payload,
                } => self.begin_check(now, from, &manifest, payload),
                Output::Blame { link, fault } => self.blame(link, fault.to_string()),
            }
        }
    }

    /// The shard that is to be sent next, and to whom.
    pub(super) fn poll_shard(&mut self) -> Option<(Link, Shard)> {
        self.exchange.poll_shard()
    }

    /// How long until [`Conversation::handle_due`] has something to do.
    pub(super) fn due_in(&mut self, now: Instant) -> Option<Duration> {
        let due = self.exchange.next_due()?;
        Some(due.saturating_sub(self.since_start(now)))
    }

    /// How long until [`Conversation::expire_checks`] has something to do.
    pub(super) fn check_due_in(&mut self, now: Instant) -> Option<Duration> {
        let due = self.verdicts.next_due()?;
        Some(due.saturating_sub(self.since_start(now)))
    }

    /// Whether there is nothing that ticks change.
    pub(super) fn is_idle(&self) -> bool {
        self.exchange.is_idle()
    }

    /// What it has counted, and what the exchange has.
    pub(super) fn counters(&self) -> (&Said, Figures) {
        (&self.said, self.exchange.figures())
    }

    // ---- offers -------------------------------------------------------------------------------

    /// An offer of which something may come is looked at: whether it is its origin's, and whether the application wants it.
    fn handle_offer(&mut self, from: Link, offer: Offer) {
        let is_new = self.exchange.is_new(&offer);
        if let Err(unproven) = self.check(&offer, is_new) {
            self.said.unproven += 1;
            self.stop(from, unproven.to_string());
            return;
        }
        match self.verdict_of_offer(from, &offer, is_new) {
            Acceptance::Accept => self.exchange.handle_control(from, Control::Offer(offer)),
            Acceptance::Ignore => {
                self.said.offers_ignored += 1;
                self.exchange.refuse_offer(from, offer);
            }
            Acceptance::Blame(reason) => self.blame(from, reason),
        }
    }

    /// Whether an offer of which something may come is its origin's; once for each payload.
    fn check(&self, offer: &Offer, is_new: bool) -> Result<(), Unproven> {
        match &self.author {
            Some(author) if is_new => author.check(offer),
            None if offer.signature.is_some() => Err(Unproven::Signed),
            _ => Ok(()),
        }
    }

    fn verdict_of_offer(&mut self, from: Link, offer: &Offer, is_new: bool) -> Acceptance {
        match self.peers.get(&from) {
            Some(peer) if is_new => self.verdicts.of_offer(&LargeOffer {
                from: *peer,
                origin: node_of(&offer.manifest.origin(), self.author.is_some()),
                seq: offer.manifest.seq(),
                bytes: offer.manifest.layout().length(),
            }),
            _ => Acceptance::Accept,
        }
    }

    // ---- whole payloads -----------------------------------------------------------------------

    fn begin_check(&mut self, now: Instant, from: Link, manifest: &Manifest, payload: Bytes) {
        let due = self.since_start(now) + self.check_within;
        let whole = Unchecked {
            id: manifest.id(),
            origin: manifest.origin(),
            from: self.bringer(from),
            payload,
        };
        if let Some(judged) = self.verdicts.begin(due, whole) {
            self.conclude(judged);
        }
    }

    /// What a whole payload was found to be, sooner or later.
    fn conclude(&mut self, judged: Judged<Unchecked>) {
        self.said.ignored += judged.ignored;
        self.said.unanswered_checks += judged.late;
        let whole = judged.body;
        if judged.verdicts == [Verdict::PassOn] {
            if self.exchange.accept(whole.id) {
                let delivery = Wanted::Deliver(whole.from, whole.payload);
                self.wanted.push_back(delivery);
            }
            return;
        }
        self.exchange.refuse(whole.id);
        if let Some(reason) = judged.blamed {
            self.blame_origin(&whole.origin, &reason);
        }
    }

    /// An origin has published what no honest node does. Where nobody signs it may be another's lie.
    fn blame_origin(&mut self, origin: &Origin, reason: &str) {
        self.said.blamed += 1;
        if self.author.is_none() {
            return;
        }
        for link in self.exchange.links_to(origin) {
            self.stop(link, reason.to_owned());
        }
    }

    /// No honest node sends what a peer has sent.
    fn blame(&mut self, link: Link, reason: String) {
        self.said.blamed += 1;
        self.stop(link, reason);
    }

    fn stop(&mut self, link: Link, reason: String) {
        self.wanted.push_back(Wanted::Stop(link, reason));
    }

    /// The node at a link; this node, if the link is gone by now.
    fn bringer(&self, from: Link) -> NodeId {
        self.peers.get(&from).copied().unwrap_or(self.node)
    }

    fn advance(&mut self, now: Instant) {
        let now = self.since_start(now);
        self.exchange.advance(now);
    }

    /// The time as the exchange counts it.
    fn since_start(&mut self, now: Instant) -> Duration {
        let started_at = *self.started_at.get_or_insert(now);
        now.saturating_since(started_at)
    }
}

/// A node's id as an origin or an account.
pub(super) fn account_of(id: &NodeId) -> Account {
    let mut account = [0; 32];
    account[..20].copy_from_slice(id.as_bytes());
    account
}

#[cfg(test)]
mod tests;
