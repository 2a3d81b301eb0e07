//! [`Large`]: the reactor.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_gossip::coded::{Encoder, Fault, OriginTag, Shard};
use ringwire_gossip::exchange::{Control, TICK};

use super::author::Author;
use super::config::LargeConfig;
use super::conversation::{Conversation, Identity, Wanted, account_of};
use super::counters::Counters;
use super::note::{LargeNote, LargeTimer};
use super::peer_line::PeerLine;
use super::publisher::{PublishRefused, Publisher};
use super::verdicts::LargeOffer;
use crate::error::CloseReason;
use crate::gossip::acceptance::Acceptance;
use crate::gossip::checks::{Check, CheckAnswer};
use crate::gossip::judge::Judge;
use crate::gossip::link::{Link, stop};
use crate::gossip::outbox::{LineConfig, LineLimits};
use crate::gossip::planned::Planned;
use crate::peer::{PeerInfo, PeerKey, ShardId};
use crate::reactor::{Answers, ChannelDescriptor, Context, Envelope, Reactor, ReactorError};

/// Messages about shards that wait for one peer before it is stopped as too slow: some 400 KiB. None
/// of them may be left out.
const CONTROL_WAITING_MAX: usize = 4096;

/// Shards that wait for one peer; more are left out, and it asks again. Each shard of the engine hands out
/// [`AHEAD_MAX`](ringwire_gossip::exchange::AHEAD_MAX) at a time.
const SHARDS_WAITING_MAX: usize = 128;

/// A question to [`Large`]: publish this payload. Ask the instance of any shard; that one encodes it.
#[derive(Clone, Debug)]
pub struct Publish(pub Bytes);

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
    /// What is said of the payloads that this shard owns, and with whom.
    conversation: Conversation,
    publisher: Publisher,
    /// The peers of this shard.
    outboxes: BTreeMap<PeerKey, PeerLine>,
    announcement: Planned,
    encoding: Planned,
    tick: Planned,
    look_at_checks: Planned,
    due: Planned,
    counters: Counters,
}

impl Large {
    /// An instance without peers.
    pub fn new(config: LargeConfig) -> Self {
        Large {
            conversation: Conversation::new(config.limits(1), config.check_within),
            publisher: Publisher::new([0; 32], 0, config.shard_bytes),
            outboxes: BTreeMap::new(),
            announcement: Planned::default(),
            encoding: Planned::default(),
            tick: Planned::default(),
            look_at_checks: Planned::default(),
            due: Planned::default(),
            counters: Counters::default(),
            config,
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
        self.conversation.set_offer_validator(Box::new(validator));
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
        self.conversation
            .set_judge(Judge::AtOnce(Box::new(validator)));
        self
    }

    /// As [`Large::with_validator`], for an application that takes its time: `checker` hands the payload on, and the
    /// answer comes as a [`CheckAnswer`] to the instance on this shard, which is asked by channel where there are
    /// several reactors of this type. What has no answer within [`LargeConfig::check_within`] is ignored. A payload that waits
    /// takes room of what may be under way for the peer that offered it first, and others wait for that room.
    #[must_use]
    pub fn with_checker(mut self, checker: impl FnMut(Check) + 'static) -> Self {
        self.conversation.set_judge(Judge::Later(Box::new(checker)));
        self
    }

    fn speaks(&self, peer: &PeerInfo) -> bool {
        peer.has_channel(self.config.control.id) && peer.has_channel(self.config.shards.id)
    }

    // ---- publishing ---------------------------------------------------------------------------

    /// Encodes a segment of what is published, and says so of a payload when that was its last.
    fn encode(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(encoder) = self.publisher.advance() {
            let owner = owner_of(encoder.id().tag(), cx.shard_count());
            if owner == cx.shard() {
                self.spread(cx, encoder);
            } else {
                cx.send_note(owner, LargeNote::Publish(Box::new(encoder)));
            }
        }
        self.plan_encoding(cx);
    }

    /// A segment a turn, while there is one.
    fn plan_encoding(&mut self, cx: &mut Context<'_, Self>) {
        if self.publisher.has_work() {
            self.encoding.plan(cx, Duration::ZERO, LargeTimer::Encode);
        }
    }

    fn spread(&mut self, cx: &mut Context<'_, Self>, encoder: Encoder) {
        let sign = |bytes: &[u8]| cx.sign(bytes);
        self.conversation.publish(cx.now(), encoder, sign);
        self.act(cx);
    }

    // ---- what the conversation is told, and what it wants -------------------------------------

    fn add(&mut self, cx: &mut Context<'_, Self>, link: Link, id: NodeId) {
        self.conversation.add_link(cx.now(), link, id);
        self.act(cx);
    }

    fn remove(&mut self, cx: &mut Context<'_, Self>, link: Link) {
        self.conversation.remove_link(cx.now(), link);
        self.act(cx);
    }

    fn handle_control(&mut self, cx: &mut Context<'_, Self>, from: Link, message: Control) {
        self.conversation.handle_control(cx.now(), from, message);
        self.act(cx);
    }

    fn handle_shard(&mut self, cx: &mut Context<'_, Self>, from: Link, shard: Shard) {
        self.conversation.handle_shard(cx.now(), from, shard);
        self.announcement
            .plan(cx, Duration::ZERO, LargeTimer::Announce);
        self.act(cx);
    }

    /// Does what the conversation wants done.
    fn act(&mut self, cx: &mut Context<'_, Self>) {
        while let Some(wanted) = self.conversation.poll(cx.now()) {
            match wanted {
                Wanted::Control(to, message) => self.send_control(cx, to, message.encode()),
                Wanted::Deliver(from, payload) => {
                    cx.deliver(from, self.config.shards.id, payload);
                }
                Wanted::Stop(link, reason) => stop(cx, link, reason, LargeNote::Stop),
            }
        }
        while let Some((to, shard)) = self.conversation.poll_shard() {
            self.send_shard(cx, to, cx.shard(), shard.wire().clone());
        }
        self.plan(cx);
    }

    /// Sees to it that the reactor is called when something is due.
    fn plan(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(wait) = self.conversation.check_due_in(cx.now()) {
            self.look_at_checks.plan(cx, wait, LargeTimer::Checks);
        }
        if let Some(wait) = self.conversation.due_in(cx.now()) {
            self.due.plan(cx, wait, LargeTimer::Due);
        }
        if !self.tick.is_planned() && !self.conversation.is_idle() {
            self.tick.plan(cx, TICK, LargeTimer::Tick);
        }
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
                self.conversation.handle_left((owner, peer), count);
            } else {
                cx.send_note(owner, LargeNote::Left(peer, count));
            }
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
        let signer = self.config.signed.then(|| cx.public_key());
        let origin = signer.map_or_else(|| account_of(&cx.node_id()), |key| *key.as_bytes());
        // A number that was used in a former life would make the same payload the same message.
        let first_seq = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        self.publisher = Publisher::new(origin, first_seq, self.config.shard_bytes);
        let identity = Identity {
            node: cx.node_id(),
            origin,
            author: signer.map(|_| Author::new(cx.network(), self.config.shards.id.0)),
            shard: cx.shard(),
            start: start.into(),
        };
        let limits = self.config.limits(cx.shard_count());
        self.conversation.start(limits, identity);
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
        self.publisher.has_room()
    }

    fn publish(&mut self, cx: &mut Context<'_, Self>, _channel: ChannelId, message: Bytes) {
        self.publisher.push(message);
        self.plan_encoding(cx);
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
                self.conversation.handle_left((from, peer), count);
                self.act(cx);
            }
            LargeNote::Stop(peer, reason) => cx.stop_peer(peer, ReactorError::new(reason)),
            LargeNote::Publish(encoder) => self.spread(cx, *encoder),
        }
    }

    fn note_bytes(note: &LargeNote) -> usize {
        note.bytes()
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, timer: LargeTimer) {
        match timer {
            LargeTimer::Announce => {
                self.announcement.handle_timeout();
                self.conversation.announce(cx.now());
                self.act(cx);
            }
            LargeTimer::Encode => {
                self.encoding.handle_timeout();
                self.encode(cx);
            }
            LargeTimer::Checks => {
                self.look_at_checks.handle_timeout();
                self.conversation.expire_checks(cx.now());
                self.act(cx);
            }
            LargeTimer::Tick => {
                self.tick.handle_timeout();
                self.conversation.tick(cx.now());
                self.act(cx);
            }
            LargeTimer::Due => {
                self.due.handle_timeout();
                self.conversation.handle_due(cx.now());
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
        if self.outboxes.remove(&peer.key).is_some() {
            for shard in others(cx) {
                cx.send_note(shard, LargeNote::Remove(peer.key));
            }
            self.remove(cx, (cx.shard(), peer.key));
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let (said, exchange) = self.conversation.counters();
        let published = self.publisher.published();
        self.counters.figures(published, said, exchange)
    }
}

impl Answers<Publish> for Large {
    type Answer = Result<(), PublishRefused>;

    /// Whether the payload is going to be encoded and spread.
    fn answer(&mut self, cx: &mut Context<'_, Self>, Publish(payload): Publish) -> Self::Answer {
        let begun = self.publisher.begin(payload);
        self.plan_encoding(cx);
        begun
    }
}

impl Answers<CheckAnswer> for Large {
    type Answer = ();

    /// An answer that comes too late, or twice, says nothing.
    fn answer(&mut self, cx: &mut Context<'_, Self>, answer: CheckAnswer) {
        self.conversation.handle_checked(cx.now(), answer);
        self.act(cx);
    }
}

/// All shards but this one.
fn others(cx: &Context<'_, Large>) -> impl Iterator<Item = ShardId> + use<> {
    let here = cx.shard();
    let shards = (0..cx.shard_count()).map(ShardId);
    shards.filter(move |shard| *shard != here)
}

/// The shard that has the conversation about an origin's payloads. A probe names the shard that sent it.
fn owner_of(tag: OriginTag, shard_count: u16) -> ShardId {
    let shard = tag.0 % u32::from(shard_count.max(1));
    ShardId(u16::try_from(shard).expect("a remainder of a u16"))
}
