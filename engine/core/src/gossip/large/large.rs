//! [`Large`]: the reactor.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId, PublicKey};
use ringwire_gossip::coded::{
    Account, Encoder, Encoding, Fault, Manifest, Offer, Origin, OriginTag, Shard, shard_bytes_of,
};
use ringwire_gossip::exchange::{Control, Exchange, Identity, Output, TICK};
use ringwire_gossip::feeds::Verdict;
use thiserror::Error;

use super::author::{Author, Unproven};
use super::config::LargeConfig;
use super::encodings::{ENCODINGS_MAX, Encodings};
use super::peer_line::PeerLine;
use super::verdicts::{LargeOffer, Unchecked, Verdicts};
use crate::error::CloseReason;
use crate::gossip::acceptance::Acceptance;
use crate::gossip::checks::{Check, CheckAnswer, Judged};
use crate::gossip::judge::Judge;
use crate::gossip::origin::node_of;
use crate::gossip::outbox::{LineConfig, LineLimits};
use crate::peer::{PeerInfo, PeerKey, ShardId};
use crate::reactor::{Answers, ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use crate::time::Instant;

/// Messages about shards that wait for one peer before it is stopped as too slow: some 400 KiB. None
/// of them may be left out.
const CONTROL_WAITING_MAX: usize = 4096;

/// Shards that wait for one peer; more are left out, and it asks again. Each shard of the engine hands out
/// [`AHEAD_MAX`](ringwire_gossip::exchange::AHEAD_MAX) at a time.
const SHARDS_WAITING_MAX: usize = 128;

/// A peer of the node, on whichever shard.
type Link = (ShardId, PeerKey);

/// What shards tell each other.
#[derive(Debug)]
pub enum LargeNote {
    /// The sending shard has a peer that takes part.
    Add(PeerKey, NodeId),
    /// It has it no more.
    Remove(PeerKey),
    /// A peer of the sending shard said something about a payload that the other owns.
    Control(PeerKey, Control),
    /// A peer of the sending shard sent a shard of a payload that the other owns.
    Shard(PeerKey, Shard),
    /// Send a message about shards to a peer.
    SendControl(PeerKey, Bytes),
    /// Send a shard to a peer.
    SendShard(PeerKey, Bytes),
    /// So many shards that the other owns have left for a peer of the sending shard.
    Left(PeerKey, usize),
    /// Stop a peer: no honest node sends what it has sent.
    Stop(PeerKey, String),
    /// Publish a payload that the other owns.
    Publish(Box<Encoder>),
}

/// What the reactor does later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LargeTimer {
    /// Announce what came in this turn.
    Announce,
    /// Encode the next segment.
    Encode,
    /// Let the exchange know that time goes by.
    Tick,
    /// The application may have let the time pass in which it checks a payload.
    Checks,
    /// Restore what was waited for in vain.
    Due,
}

/// A question to [`Large`]: publish this payload. Ask the instance of any shard; that one encodes it.
#[derive(Clone, Debug)]
pub struct Publish(pub Bytes);

/// Why a payload is not published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum PublishRefused {
    /// Payloads wait to be encoded, as many as may: try again later, or on another shard.
    #[error("{} payloads wait to be encoded already", ENCODINGS_MAX)]
    Busy,
    /// The payload is too short to be coded, or too long.
    #[error("not a large payload: {0}")]
    Length(Fault),
}

/// The figures of one instance that the exchange does not count.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    published: u64,
    refused: u64,
    blamed: u64,
    unproven: u64,
    /// Payloads that the application did not want when they were offered.
    offers_ignored: u64,
    /// Whole payloads that it ignored, and those that it did not answer for in time.
    ignored: u64,
    unanswered_checks: u64,
    slow_peers: u64,
    left_out: u64,
    control_received: u64,
    shards_received: u64,
}

/// Gossip of large payloads. One instance per shard, all with the same configuration.
///
/// Payloads of 128 KiB and one byte up to 128 MiB are published by asking ([`Publish`]) and delivered
/// to the subscriptions of [`LargeConfig::shards`], once per node. Peers that do not speak both
/// channels are left alone. A payload's manifest is signed by its origin, unless [`LargeConfig::signed`] is off: then anybody
/// can name one, and whoever must know it signs what is in the payload.
///
/// Shards are passed on as they come, so the application is asked twice: whether it wants a payload that is offered
/// ([`Large::with_offer_validator`]), and whether a whole one is good ([`Large::with_validator`], [`Large::with_checker`]).
/// Neighbours that have sent shards of one that is not could not know, and none of them is blamed for it.
pub struct Large {
    config: LargeConfig,
    exchange: Exchange<Link>,
    /// What this node's payloads name as their origin.
    own: Origin,
    /// Signs and checks manifests, where that is done.
    author: Option<Author>,
    verdicts: Verdicts,
    /// All peers of the node that take part.
    links: BTreeMap<Link, NodeId>,
    /// Those of this shard.
    outboxes: BTreeMap<PeerKey, PeerLine>,
    /// The exchange counts time from here on.
    started_at: Option<Instant>,
    encodings: Encodings,
    /// What publishers gave beyond that: they learn only once a turn that there is no room.
    unpublished: VecDeque<Bytes>,
    /// The next number of a payload of this instance.
    next_seq: u64,
    is_announcement_planned: bool,
    is_tick_planned: bool,
    is_look_at_checks_planned: bool,
    is_due_planned: bool,
    counters: Counters,
}

impl Large {
    /// An instance without peers.
    pub fn new(config: LargeConfig) -> Self {
        Large {
            exchange: Exchange::new(config.limits(1), nobody()),
            own: [0; 32],
            author: None,
            verdicts: Verdicts::new(),
            started_at: None,
            config,
            links: BTreeMap::new(),
            outboxes: BTreeMap::new(),
            encodings: Encodings::default(),
            unpublished: VecDeque::new(),
            next_seq: 0,
            is_announcement_planned: false,
            is_tick_planned: false,
            is_look_at_checks_planned: false,
            is_due_planned: false,
            counters: Counters::default(),
        }
    }

    /// Asks `validator` about each payload that a peer offers, before memory is set aside or a shard is asked for. A payload that
    /// it ignores is neither asked for nor passed on, whoever offers it; what neighbours send of it all the same is
    /// dropped unseen. Blame stops the peer, and the validator is asked again if another one offers the payload. It runs
    /// on a shard's thread and must answer at once.
    #[must_use]
    pub fn with_offer_validator(
        mut self,
        validator: impl FnMut(&LargeOffer) -> Acceptance + 'static,
    ) -> Self {
        self.verdicts.set_offer_validator(Box::new(validator));
        self
    }

    /// Asks `validator` about each whole payload before it is delivered: who sent the last shard of it, and the payload. Its
    /// shards have been passed on by then. One that it ignores is not delivered, not kept and not sent to anybody any more. Blame
    /// is the same, and stops the origin if it is a neighbour and nodes sign ([`LargeConfig::signed`]). It runs on a
    /// shard's thread and must answer at once. Payloads that this node publishes are its own affair.
    #[must_use]
    pub fn with_validator(
        mut self,
        validator: impl FnMut(NodeId, &Bytes) -> Acceptance + 'static,
    ) -> Self {
        self.verdicts.set_judge(Judge::AtOnce(Box::new(validator)));
        self
    }

    /// As [`Large::with_validator`], for an application that takes its time: `checker` hands the payload on, and the
    /// answer comes as a [`CheckAnswer`] to the instance on this shard, which is asked by channel where there are
    /// several reactors of this type. What has no answer within [`LargeConfig::check_within`] is ignored. A payload that waits
    /// takes room of what may be under way for the peer that offered it first, and others wait for that room.
    #[must_use]
    pub fn with_checker(mut self, checker: impl FnMut(Check) + 'static) -> Self {
        self.verdicts.set_judge(Judge::Later(Box::new(checker)));
        self
    }

    fn speaks(&self, peer: &PeerInfo) -> bool {
        peer.has_channel(self.config.control.id) && peer.has_channel(self.config.shards.id)
    }

    // ---- publishing ---------------------------------------------------------------------------

    /// Begins to encode a payload.
    fn begin(&mut self, cx: &mut Context<'_, Self>, payload: Bytes) -> Result<(), PublishRefused> {
        if self.encodings.is_full() {
            return Err(PublishRefused::Busy);
        }
        let shard_bytes = self.config.shard_bytes;
        let shard_bytes = shard_bytes.unwrap_or_else(|| shard_bytes_of(payload.len()));
        let encoding = Encoding::new(self.own, self.next_seq, payload, shard_bytes)
            .map_err(PublishRefused::Length)?;
        self.next_seq = self.next_seq.wrapping_add(1);
        if self.encodings.is_empty() {
            cx.set_timer(Duration::ZERO, LargeTimer::Encode);
        }
        self.encodings.push(encoding);
        self.counters.published += 1;
        Ok(())
    }

    fn encode(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(encoder) = self.encodings.advance() {
            let owner = owner_of(encoder.id().tag(), cx.shard_count());
            if owner == cx.shard() {
                self.spread(cx, encoder);
            } else {
                cx.send_note(owner, LargeNote::Publish(Box::new(encoder)));
            }
        }
        if !self.encodings.is_empty() {
            cx.set_timer(Duration::ZERO, LargeTimer::Encode);
        }
        while !self.encodings.is_full()
            && let Some(payload) = self.unpublished.pop_front()
        {
            self.begin_or_count(cx, payload);
        }
    }

    fn begin_or_count(&mut self, cx: &mut Context<'_, Self>, payload: Bytes) {
        if self.begin(cx, payload).is_err() {
            self.counters.refused += 1;
        }
    }

    fn spread(&mut self, cx: &mut Context<'_, Self>, encoder: Encoder) {
        self.advance(cx);
        let author = self.author.as_ref();
        let signature =
            author.map(|author| author.sign(encoder.manifest(), |bytes| cx.sign(bytes)));
        self.exchange.publish(encoder, signature);
        self.act(cx);
    }

    // ---- what the exchange is told, and what it wants -----------------------------------------

    fn handle_control(&mut self, cx: &mut Context<'_, Self>, from: Link, message: Control) {
        if let Control::Offer(offer) = message {
            return self.handle_offer(cx, from, offer);
        }
        self.advance(cx);
        self.exchange.handle_control(from, message);
        self.act(cx);
    }

    /// An offer of which something may come is looked at: whether it is its origin's, and whether the application wants it.
    fn handle_offer(&mut self, cx: &mut Context<'_, Self>, from: Link, offer: Offer) {
        let is_new = self.exchange.is_new(&offer);
        if let Err(unproven) = self.check(&offer, is_new) {
            self.counters.unproven += 1;
            self.stop(cx, from, unproven.to_string());
            return;
        }
        self.advance(cx);
        match self.verdict_of_offer(from, &offer, is_new) {
            Acceptance::Accept => self.exchange.handle_control(from, Control::Offer(offer)),
            Acceptance::Ignore => {
                self.counters.offers_ignored += 1;
                self.exchange.refuse_offer(from, offer);
            }
            Acceptance::Blame(reason) => {
                self.counters.blamed += 1;
                self.stop(cx, from, reason);
            }
        }
        self.act(cx);
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
        match self.links.get(&from) {
            Some(peer) if is_new => self.verdicts.of_offer(&LargeOffer {
                from: *peer,
                origin: node_of(&offer.manifest.origin(), self.config.signed),
                seq: offer.manifest.seq(),
                bytes: offer.manifest.layout().length(),
            }),
            _ => Acceptance::Accept,
        }
    }

    fn handle_shard(&mut self, cx: &mut Context<'_, Self>, from: Link, shard: Shard) {
        self.advance(cx);
        self.exchange.handle_shard(from, shard);
        if !self.is_announcement_planned {
            self.is_announcement_planned = true;
            cx.set_timer(Duration::ZERO, LargeTimer::Announce);
        }
        self.act(cx);
    }

    fn advance(&mut self, cx: &Context<'_, Self>) {
        let now = self.now(cx);
        self.exchange.advance(now);
    }

    /// The time as the exchange counts it.
    fn now(&mut self, cx: &Context<'_, Self>) -> Duration {
        let started_at = *self.started_at.get_or_insert(cx.now());
        cx.now().saturating_since(started_at)
    }

    /// Does what the exchange wants done.
    fn act(&mut self, cx: &mut Context<'_, Self>) {
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Control { to, message } => self.send_control(cx, to, message.encode()),
                Output::Deliver { from, payload, .. } => {
                    let peer = self.bringer(cx, from);
                    cx.deliver(peer, self.config.shards.id, payload);
                }
                Output::Check {
                    from,
                    manifest,
                    payload,
                } => self.begin_check(cx, from, &manifest, payload),
                Output::Blame { link, fault } => {
                    self.counters.blamed += 1;
                    self.stop(cx, link, fault.to_string());
                }
            }
        }
        while let Some((to, shard)) = self.exchange.poll_shard() {
            self.send_shard(cx, to, cx.shard(), shard.wire().clone());
        }
        if !self.is_due_planned
            && let Some(due) = self.exchange.next_due()
        {
            self.is_due_planned = true;
            let left = due.saturating_sub(self.now(cx));
            cx.set_timer(left, LargeTimer::Due);
        }
        if !self.is_tick_planned && !self.exchange.is_idle() {
            self.is_tick_planned = true;
            cx.set_timer(TICK, LargeTimer::Tick);
        }
    }

    /// The node at a link; this node, if the link is gone by now.
    fn bringer(&self, cx: &Context<'_, Self>, from: Link) -> NodeId {
        let peer = self.links.get(&from).copied();
        peer.unwrap_or_else(|| cx.node_id())
    }

    // ---- what the application says of whole payloads ------------------------------------------

    fn begin_check(
        &mut self,
        cx: &mut Context<'_, Self>,
        from: Link,
        manifest: &Manifest,
        payload: Bytes,
    ) {
        let due = self.now(cx) + self.config.check_within;
        let whole = Unchecked {
            id: manifest.id(),
            origin: manifest.origin(),
            from: self.bringer(cx, from),
            payload,
        };
        if let Some(judged) = self.verdicts.begin(due, whole) {
            self.conclude(cx, judged);
        }
        self.plan_look_at_checks(cx);
    }

    /// What a whole payload was found to be, sooner or later.
    fn conclude(&mut self, cx: &mut Context<'_, Self>, judged: Judged<Unchecked>) {
        self.counters.ignored += judged.ignored;
        self.counters.unanswered_checks += judged.late;
        let whole = judged.body;
        if judged.verdicts == [Verdict::PassOn] {
            if self.exchange.accept(whole.id) {
                cx.deliver(whole.from, self.config.shards.id, whole.payload);
            }
            return;
        }
        self.exchange.refuse(whole.id);
        if let Some(reason) = judged.blamed {
            self.blame_origin(cx, &whole.origin, reason);
        }
    }

    /// An origin has published what no honest node does. Where nobody signs it may be another's lie.
    fn blame_origin(&mut self, cx: &mut Context<'_, Self>, origin: &Origin, reason: String) {
        self.counters.blamed += 1;
        if !self.config.signed {
            return;
        }
        for link in self.exchange.links_to(origin) {
            self.stop(cx, link, reason.clone());
        }
    }

    /// Sees to it that what has no answer in time waits no longer.
    fn plan_look_at_checks(&mut self, cx: &mut Context<'_, Self>) {
        if self.is_look_at_checks_planned {
            return;
        }
        if let Some(due) = self.verdicts.next_due() {
            self.is_look_at_checks_planned = true;
            let wait = due.saturating_sub(self.now(cx));
            cx.set_timer(wait, LargeTimer::Checks);
        }
    }

    fn look_at_checks(&mut self, cx: &mut Context<'_, Self>) {
        self.is_look_at_checks_planned = false;
        self.advance(cx);
        let now = self.now(cx);
        while let Some(judged) = self.verdicts.expire_one(now) {
            self.conclude(cx, judged);
        }
        self.plan_look_at_checks(cx);
        self.act(cx);
    }

    // ---- what peers are sent ------------------------------------------------------------------

    fn send_control(&mut self, cx: &mut Context<'_, Self>, (shard, to): Link, message: Bytes) {
        if shard != cx.shard() {
            cx.send_note(shard, LargeNote::SendControl(to, message));
            return;
        }
        let Some(outbox) = self.outboxes.get_mut(&to) else {
            return;
        };
        if !outbox.send_control(cx, message) {
            self.counters.slow_peers += 1;
            outbox.stop();
            let reason = "slow peer: too many messages about shards wait for it";
            cx.stop_peer(to, ReactorError::new(reason));
        }
    }

    /// Sends a shard that `owner` owns.
    fn send_shard(
        &mut self,
        cx: &mut Context<'_, Self>,
        (shard, to): Link,
        owner: ShardId,
        message: Bytes,
    ) {
        if shard != cx.shard() {
            cx.send_note(shard, LargeNote::SendShard(to, message));
        } else if let Some(outbox) = self.outboxes.get_mut(&to) {
            let is_taken = outbox.send_shard(cx, owner, message);
            self.counters.left_out += u64::from(!is_taken);
            self.tell_left(cx, to);
        }
    }

    /// Tells the owners of shards that these have left for a peer of this shard.
    fn tell_left(&mut self, cx: &mut Context<'_, Self>, peer: PeerKey) {
        let Some(outbox) = self.outboxes.get_mut(&peer) else {
            return;
        };
        for (owner, count) in outbox.take_left() {
            if owner == cx.shard() {
                self.exchange.handle_left((owner, peer), count);
            } else {
                cx.send_note(owner, LargeNote::Left(peer, count));
            }
        }
    }

    fn stop(&mut self, cx: &mut Context<'_, Self>, (shard, peer): Link, reason: String) {
        if shard == cx.shard() {
            cx.stop_peer(peer, ReactorError::new(reason));
        } else {
            cx.send_note(shard, LargeNote::Stop(peer, reason));
        }
    }

    /// Takes a peer of this shard in, when it is up or says something: one may speak before it is up.
    fn welcome(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo) {
        if self.outboxes.contains_key(&peer.key) || !self.speaks(peer) {
            return;
        }
        let line = |channel, messages_max| LineConfig {
            channel,
            limits: LineLimits {
                messages_max,
                bytes_max: usize::MAX,
            },
        };
        let control = line(self.config.control.id, CONTROL_WAITING_MAX);
        let shards = line(self.config.shards.id, SHARDS_WAITING_MAX);
        let outbox = PeerLine::new(peer.key, control, shards);
        self.outboxes.insert(peer.key, outbox);
        for shard in others(cx) {
            cx.send_note(shard, LargeNote::Add(peer.key, peer.id));
        }
        self.add(cx, (cx.shard(), peer.key), peer.id);
    }

    fn add(&mut self, cx: &mut Context<'_, Self>, link: Link, id: NodeId) {
        self.links.insert(link, id);
        self.advance(cx);
        self.exchange.add_link(link, account_of(&id));
        self.act(cx);
    }

    fn remove(&mut self, cx: &mut Context<'_, Self>, link: Link) {
        self.links.remove(&link);
        self.advance(cx);
        self.exchange.remove_link(link);
        self.act(cx);
    }
}

impl Reactor for Large {
    /// Outboxes stand in a map of the reactor's own: what one peer says has messages sent to all.
    type Peer = ();
    type Note = LargeNote;
    type Timer = LargeTimer;

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![self.config.control.clone(), self.config.shards.clone()]
    }

    fn signs(&self) -> bool {
        self.config.signed
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        let [a, b, c, d, e, f, g, h, start, ..] = cx.random();
        // A number that was used in a former life would make the same payload the same message.
        self.next_seq = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let limits = self.config.limits(cx.shard_count());
        let signer = self.config.signed.then(|| cx.public_key());
        self.own = signer.map_or_else(|| account_of(&cx.node_id()), |key| *key.as_bytes());
        self.author = signer.map(|_| Author::new(cx.network(), self.config.shards.id.0));
        let identity = Identity {
            origin: self.own,
            start: start.into(),
            tag: OriginTag(cx.shard().0.into()),
            account_of: match self.config.signed {
                true => |origin| account_of(&PublicKey::from_bytes(*origin).id()),
                false => |origin| *origin,
            },
        };
        self.exchange = Exchange::new(limits, identity);
        if self.verdicts.are_asked_for() {
            self.exchange.ask_for_verdicts();
        }
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, (): &mut ()) {
        self.welcome(cx, peer);
        if let Some(outbox) = self.outboxes.get_mut(&peer.key) {
            outbox.open(cx);
            self.tell_left(cx, peer.key);
            self.act(cx);
        }
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        (): &mut (),
    ) -> Result<(), ReactorError> {
        self.welcome(cx, envelope.from);
        let peer = envelope.from.key;
        let from = (cx.shard(), peer);
        let refuse = |fault: Fault| ReactorError::new(fault.to_string());
        if envelope.channel == self.config.control.id {
            self.counters.control_received += 1;
            let message = Control::decode(&envelope.message).map_err(refuse)?;
            let owner = owner_of(message.tag(), cx.shard_count());
            if owner == cx.shard() {
                self.handle_control(cx, from, message);
            } else {
                cx.send_note(owner, LargeNote::Control(peer, message));
            }
        } else {
            self.counters.shards_received += 1;
            let shard = Shard::decode(envelope.message).map_err(refuse)?;
            let owner = owner_of(shard.manifest().tag(), cx.shard_count());
            if owner == cx.shard() {
                self.handle_shard(cx, from, shard);
            } else {
                cx.send_note(owner, LargeNote::Shard(peer, shard));
            }
        }
        Ok(())
    }

    fn handle_room(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: PeerKey,
        _: ChannelId,
        (): &mut (),
    ) {
        if let Some(outbox) = self.outboxes.get_mut(&peer) {
            outbox.drain(cx);
            self.tell_left(cx, peer);
            self.act(cx);
        }
    }

    fn has_pending(&self, peer: PeerKey, (): &()) -> bool {
        let outbox = self.outboxes.get(&peer);
        outbox.is_some_and(|outbox| !outbox.is_empty())
    }

    fn has_room(&self, _channel: ChannelId) -> bool {
        !self.encodings.is_full() && self.unpublished.is_empty()
    }

    fn publish(&mut self, cx: &mut Context<'_, Self>, _channel: ChannelId, message: Bytes) {
        if self.encodings.is_full() {
            self.unpublished.push_back(message);
        } else {
            self.begin_or_count(cx, message);
        }
    }

    fn handle_note(&mut self, cx: &mut Context<'_, Self>, from: ShardId, note: LargeNote) {
        let here = cx.shard();
        match note {
            LargeNote::Add(peer, id) => self.add(cx, (from, peer), id),
            LargeNote::Remove(peer) => self.remove(cx, (from, peer)),
            LargeNote::Control(peer, message) => self.handle_control(cx, (from, peer), message),
            LargeNote::Shard(peer, shard) => self.handle_shard(cx, (from, peer), shard),
            LargeNote::SendControl(to, message) => self.send_control(cx, (here, to), message),
            LargeNote::SendShard(to, message) => self.send_shard(cx, (here, to), from, message),
            LargeNote::Left(peer, count) => {
                self.exchange.handle_left((from, peer), count);
                self.act(cx);
            }
            LargeNote::Stop(peer, reason) => self.stop(cx, (here, peer), reason),
            LargeNote::Publish(encoder) => self.spread(cx, *encoder),
        }
    }

    fn note_bytes(note: &LargeNote) -> usize {
        match note {
            LargeNote::Shard(_, shard) => shard.wire().len(),
            LargeNote::SendControl(_, message) | LargeNote::SendShard(_, message) => message.len(),
            // A payload is the publisher's already, and one payload must not be more than a lane takes.
            LargeNote::Publish(_)
            | LargeNote::Add(..)
            | LargeNote::Left(..)
            | LargeNote::Remove(_)
            | LargeNote::Control(..)
            | LargeNote::Stop(..) => 0,
        }
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, timer: LargeTimer) {
        match timer {
            LargeTimer::Announce => {
                self.is_announcement_planned = false;
                self.advance(cx);
                self.exchange.announce();
                self.act(cx);
            }
            LargeTimer::Encode => self.encode(cx),
            LargeTimer::Checks => self.look_at_checks(cx),
            LargeTimer::Tick => {
                self.is_tick_planned = false;
                self.advance(cx);
                self.exchange.tick();
                self.act(cx);
            }
            LargeTimer::Due => {
                self.is_due_planned = false;
                self.advance(cx);
                self.exchange.handle_due();
                self.act(cx);
            }
        }
    }

    fn remove_peer(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: &PeerInfo,
        (): (),
        _: &CloseReason,
    ) {
        self.outboxes.remove(&peer.key);
        if self.links.contains_key(&(cx.shard(), peer.key)) {
            for shard in others(cx) {
                cx.send_note(shard, LargeNote::Remove(peer.key));
            }
            self.remove(cx, (cx.shard(), peer.key));
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let (ours, theirs) = (self.counters, self.exchange.figures());
        vec![
            ("large_published", ours.published),
            ("large_publish_refused", ours.refused),
            ("large_control_received", ours.control_received),
            ("large_shards_received", ours.shards_received),
            ("large_blamed", ours.blamed),
            ("large_unproven", ours.unproven),
            ("large_offers_ignored", ours.offers_ignored),
            ("large_ignored", ours.ignored),
            ("large_checks_late", ours.unanswered_checks),
            ("large_slow_peers", ours.slow_peers),
            ("large_shards_left_out", ours.left_out),
            ("large_delivered", theirs.delivered),
            ("large_shards_wanted", theirs.shards),
            ("large_shards_surplus", theirs.surplus),
            ("large_shards_unasked", theirs.unasked),
            ("large_shards_sent", theirs.sent),
            ("large_bad_encodings", theirs.bad_encodings),
            ("large_refused", theirs.refused),
            ("large_given_up", theirs.given_up),
            ("large_restored", theirs.restored),
            ("large_shards_asked", theirs.asked),
            ("large_stalls", theirs.stalls),
            ("large_feeds_struck", theirs.strikes),
            ("large_equivocations", theirs.equivocations),
        ]
    }
}

impl Answers<Publish> for Large {
    type Answer = Result<(), PublishRefused>;

    /// Whether the payload is going to be encoded and spread.
    fn answer(&mut self, cx: &mut Context<'_, Self>, Publish(payload): Publish) -> Self::Answer {
        self.begin(cx, payload)
    }
}

impl Answers<CheckAnswer> for Large {
    type Answer = ();

    /// An answer that comes too late, or twice, says nothing.
    fn answer(&mut self, cx: &mut Context<'_, Self>, answer: CheckAnswer) {
        if let Some(judged) = self.verdicts.answer(answer) {
            self.advance(cx);
            self.conclude(cx, judged);
            self.act(cx);
        }
    }
}

/// All shards but this one.
fn others(cx: &Context<'_, Large>) -> impl Iterator<Item = ShardId> + use<> {
    let here = cx.shard();
    let shards = (0..cx.shard_count()).map(ShardId);
    shards.filter(move |shard| *shard != here)
}

/// Who an exchange belongs to before it is known.
fn nobody() -> Identity {
    Identity {
        origin: [0; 32],
        start: 0,
        tag: OriginTag(0),
        account_of: |origin| *origin,
    }
}

/// A node's id as an origin or an account.
fn account_of(id: &NodeId) -> Account {
    let mut account = [0; 32];
    account[..20].copy_from_slice(id.as_bytes());
    account
}

/// The shard that has the conversation about an origin's payloads. A probe names the shard that sent it.
fn owner_of(tag: OriginTag, shard_count: u16) -> ShardId {
    let shard = tag.0 % u32::from(shard_count.max(1));
    ShardId(u16::try_from(shard).expect("a remainder of a u16"))
}
