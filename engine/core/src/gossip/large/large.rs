//! [`Large`]: the reactor.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId, PublicKey};
use ringwire_gossip::coded::{
    Account, Encoder, Encoding, Fault, Origin, OriginTag, Shard, shard_bytes_of,
};
use ringwire_gossip::exchange::{Control, Exchange, Identity, Output, TICK};
use thiserror::Error;

use super::author::{Author, Unproven};
use super::config::LargeConfig;
use super::encodings::{ENCODINGS_MAX, Encodings};
use super::peer_line::PeerLine;
use crate::error::CloseReason;
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
pub struct Large {
    config: LargeConfig,
    exchange: Exchange<Link>,
    /// What this node's payloads name as their origin.
    own: Origin,
    /// Signs and checks manifests, where that is done.
    author: Option<Author>,
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
    counters: Counters,
}

impl Large {
    /// An instance without peers.
    pub fn new(config: LargeConfig) -> Self {
        Large {
            exchange: Exchange::new(config.limits(1), nobody()),
            own: [0; 32],
            author: None,
            started_at: None,
            config,
            links: BTreeMap::new(),
            outboxes: BTreeMap::new(),
            encodings: Encodings::default(),
            unpublished: VecDeque::new(),
            next_seq: 0,
            is_announcement_planned: false,
            is_tick_planned: false,
            counters: Counters::default(),
        }
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
        if let Err(unproven) = self.check(&message) {
            self.counters.unproven += 1;
            self.stop(cx, from, unproven.to_string());
            return;
        }
        self.advance(cx);
        self.exchange.handle_control(from, message);
        self.act(cx);
    }

    /// Whether an offer of which something may come is its origin's; once for each payload.
    fn check(&self, message: &Control) -> Result<(), Unproven> {
        match (message, &self.author) {
            (Control::Offer(offer), Some(author)) if self.exchange.is_new(offer) => {
                author.check(offer)
            }
            (Control::Offer(offer), None) if offer.signature.is_some() => Err(Unproven::Signed),
            _ => Ok(()),
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
        let started_at = *self.started_at.get_or_insert(cx.now());
        self.exchange.advance(cx.now().saturating_since(started_at));
    }

    /// Does what the exchange wants done.
    fn act(&mut self, cx: &mut Context<'_, Self>) {
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Control { to, message } => self.send_control(cx, to, message.encode()),
                Output::Deliver { from, payload, .. } => {
                    if let Some(peer) = self.links.get(&from) {
                        cx.deliver(*peer, self.config.shards.id, payload);
                    }
                }
                Output::Blame { link, fault } => {
                    self.counters.blamed += 1;
                    self.stop(cx, link, fault.to_string());
                }
            }
        }
        while let Some((to, shard)) = self.exchange.poll_shard() {
            self.send_shard(cx, to, cx.shard(), shard.wire().clone());
        }
        if !self.is_tick_planned && !self.exchange.is_idle() {
            self.is_tick_planned = true;
            cx.set_timer(TICK, LargeTimer::Tick);
        }
    }

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
            LargeTimer::Tick => {
                self.is_tick_planned = false;
                self.advance(cx);
                self.exchange.tick();
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
