//! [`Feeds`]: the reactor.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_gossip::coded::Origin;
use ringwire_gossip::feeds::{
    self as protocol, Lane, MEDIUM_BYTES_MAX, Numbers, Order, Provenance, Rate,
};

use super::author::Author;
use super::config::FeedsConfig;
use super::conversation::{Conversation, Identity, Wanted};
use super::counters::Counters;
use super::crowd::Crowd;
use super::members::SetMembers;
use super::note::{FeedsNote, FeedsTimer, Outgoing};
use super::outboxes::Outboxes;
use super::unpublished::{Class, Unpublished};
use super::views::{Feeder, HowFar, MessageReach, WhoFeeds};
use crate::document::Document;
use crate::error::CloseReason;
use crate::gossip::acceptance::Acceptance;
use crate::gossip::bridge::{Bridge, FromFeeds, FromFlood};
use crate::gossip::checks::{Check, CheckAnswer};
use crate::gossip::judge::Judge;
use crate::gossip::link::{Link, stop};
use crate::gossip::outbox::{LineConfig, LineLimits, Outbox, Which};
use crate::gossip::planned::Planned;
use crate::peer::{Direction, PeerInfo, PeerKey, ShardId};
use crate::pex::group_of;
use crate::reactor::{
    Answers, ChannelDescriptor, Context, Envelope, PublishOptions, Reactor, ReactorError,
};

/// What is said about messages, and urgent bodies, wait for a peer up to this; beyond it the peer is stopped as
/// too slow. None of it may be left out.
const CONTROL_WAITING_MAX: usize = 65_536;

/// Bytes that wait for one peer on each channel. More bodies are left out, and it asks for them.
const PEER_WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Who is held back for so long that nothing moves gets help: what waits for the slowest peer is left out.
const STUCK: Duration = Duration::from_secs(2);

const NO_RATE: Rate = Rate {
    messages: u32::MAX,
    bytes: u32::MAX,
};

type ToFlood = Bridge<Feeds, FromFeeds, ()>;

/// Gossip by feeds. One instance per shard, all with the same configuration.
///
/// Messages of up to 128 KiB are published on [`FeedsConfig::bodies`] and delivered to its subscriptions, each
/// once per node, but not to the node that published it. The same bytes published twice are two messages. Peers
/// that do not speak both channels are left alone. A message's origin is the public key of the node that published
/// it, and it is signed, unless [`FeedsConfig::signed`] is off: then the origin is a name that anybody can use, and
/// whoever must know it lets a validator look at a signature in the message.
///
/// What is published in one turn of the shard, or while the pace holds it back, travels together as one bundle. A
/// message is delivered as a slice of the bundle's bytes: who keeps a small one for long keeps up to 128 KiB alive,
/// and copies it rather.
pub struct Feeds {
    config: FeedsConfig,
    bridge: Option<ToFlood>,
    /// What is said, and with whom: with nobody on any shard but one.
    conversation: Conversation,
    /// Whether it lets this node publish.
    may_publish: bool,
    /// The peers of this shard.
    outboxes: Outboxes,
    crowd: Crowd,
    /// What was published here and has not gone yet.
    unpublished: Unpublished,
    due: Planned,
    proving: Planned,
    look_at_checks: Planned,
    publishing: Planned,
    counters: Counters,
}

impl Feeds {
    /// An instance without peers.
    pub fn new(config: FeedsConfig) -> Self {
        Feeds {
            bridge: None,
            conversation: Conversation::new(config.check_within),
            may_publish: true,
            outboxes: Outboxes::default(),
            crowd: Crowd::default(),
            unpublished: Unpublished::new(1),
            due: Planned::default(),
            proving: Planned::default(),
            look_at_checks: Planned::default(),
            publishing: Planned::default(),
            counters: Counters::default(),
            config,
        }
    }

    /// Asks `validator` about each new message of a peer before anybody else gets it: who sent it, and the
    /// message. It runs on a shard's thread and must answer at once. Messages that this node publishes
    /// are its own affair.
    #[must_use]
    pub fn with_validator(
        mut self,
        validator: impl FnMut(NodeId, &Bytes) -> Acceptance + 'static,
    ) -> Self {
        self.conversation
            .set_judge(Judge::AtOnce(Box::new(validator)));
        self
    }

    /// As [`Feeds::with_validator`], for an application that takes its time: `checker` hands the message on, and the
    /// answer comes as a [`CheckAnswer`] to the instance on this shard, which is asked by channel where there are
    /// several reactors of this type. Until then the message is neither delivered nor passed on.
    /// [`FeedsConfig::check_within`] and [`FeedsConfig::unchecked_bytes_max`] bound what waits.
    #[must_use]
    pub fn with_checker(mut self, checker: impl FnMut(Check) + 'static) -> Self {
        self.conversation.set_judge(Judge::Later(Box::new(checker)));
        self
    }

    /// These nodes are members: see [`SetMembers`].
    #[must_use]
    pub fn with_members(mut self, members: SetMembers) -> Self {
        self.conversation.set_members(members);
        self
    }

    pub(in crate::gossip) fn with_bridge(mut self, bridge: ToFlood) -> Self {
        self.bridge = Some(bridge);
        self
    }

    fn speaks(&self, peer: &PeerInfo) -> bool {
        peer.has_channel(self.config.control.id) && peer.has_channel(self.config.bodies.id)
    }

    /// The shard that has the conversation: another for another channel, so that several kinds of gossip
    /// share the work.
    fn home(&self, cx: &Context<'_, Self>) -> ShardId {
        Self::home_of(self.config.bodies.id, cx.shard_count())
    }

    /// The shard of a node that has the conversation about the messages of this channel: it alone answers
    /// [`HowFar`], [`WhoFeeds`], [`SetMembers`] and [`CheckAnswer`].
    pub fn home_of(bodies: ChannelId, shard_count: u16) -> ShardId {
        ShardId(u16::from(bodies.0) % shard_count.max(1))
    }

    // ---- the conversation, on its shard -------------------------------------------------------

    fn add(&mut self, cx: &mut Context<'_, Self>, link: Link, id: NodeId, from: Provenance) {
        self.conversation.handle_link_up(now(cx), link, id, from);
        self.act(cx);
    }

    fn remove(&mut self, cx: &mut Context<'_, Self>, link: Link) {
        self.conversation.handle_link_down(now(cx), link);
        self.act(cx);
    }

    fn handle_received(&mut self, cx: &mut Context<'_, Self>, link: Link, message: &Bytes) {
        self.conversation.handle_message(now(cx), link, message);
        self.act(cx);
    }

    fn set_behind(&mut self, cx: &mut Context<'_, Self>, link: Link, is_behind: bool) {
        self.conversation.set_behind(now(cx), link, is_behind);
        self.act(cx);
    }

    fn begin(&mut self, cx: &mut Context<'_, Self>, outgoing: Outgoing) {
        let sign = |bytes: &[u8]| cx.sign(bytes);
        if let Some(numbers) = self.conversation.publish(now(cx), outgoing, sign) {
            self.keep_numbers(cx, numbers);
        }
        self.act(cx);
    }

    /// Has a higher bound kept.
    fn keep_numbers(&self, cx: &mut Context<'_, Self>, numbers: Numbers) {
        let Some(kept) = &self.config.numbers else {
            return;
        };
        let bound = Document::new(kept.document.clone(), move || numbers.to_bytes());
        if let Err(error) = cx.save(bound) {
            tracing::warn!(target: "ringwire::gossip", %error, "a gossip's numbers are not kept");
        }
    }

    /// Lets a message be published, with what else is published in this turn.
    fn take_to_publish(
        &mut self,
        cx: &mut Context<'_, Self>,
        message: Bytes,
        options: &PublishOptions,
    ) {
        self.counters.published += 1;
        if message.len() > MEDIUM_BYTES_MAX {
            self.counters.too_long += 1;
            return;
        }
        let class = Class::of_message(now(cx), &message, options);
        self.unpublished.push(class, options.tag, message);
        // While the pace holds bundles back, what comes meanwhile waits for it as well.
        if !self.publishing.is_planned() {
            self.publishing
                .plan(cx, Duration::ZERO, FeedsTimer::Publish);
        }
    }

    /// Publishes what waits, as much as may go now.
    fn publish_some(&mut self, cx: &mut Context<'_, Self>) {
        self.counters.expired += self.unpublished.expire(now(cx));
        while let Some((class, payload, tags)) = self.unpublished.pop(now(cx)) {
            let outgoing = Outgoing {
                class,
                payload,
                tags,
            };
            let home = self.home(cx);
            if home == cx.shard() {
                self.begin(cx, outgoing);
            } else {
                cx.send_note(home, FeedsNote::Publish(outgoing));
            }
        }
        if let Some(wait) = self.unpublished.wait(now(cx)) {
            self.publishing.plan(cx, wait, FeedsTimer::Publish);
        }
    }

    /// Does what the conversation wants done.
    fn act(&mut self, cx: &mut Context<'_, Self>) {
        while let Some(wanted) = self.conversation.poll(now(cx)) {
            match wanted {
                Wanted::Send(to, lane, order, bytes) => {
                    self.send_from(cx, to, (lane, order), bytes);
                }
                Wanted::Deliver(bringer, payload) => self.deliver_from(cx, bringer, payload),
                Wanted::Stop(link, reason) => stop(cx, link, reason, FeedsNote::Stop),
            }
        }
        self.tell_publishers(cx);
        if self.conversation.has_unproven() {
            self.proving.plan(cx, Duration::ZERO, FeedsTimer::Prove);
        }
        if let Some(due) = self.conversation.next_check_due() {
            let wait = due.saturating_sub(now(cx));
            self.look_at_checks.plan(cx, wait, FeedsTimer::Checks);
        }
        if let Some(due) = self.conversation.next_timeout() {
            let wait = due.saturating_sub(now(cx));
            self.due.plan(cx, wait, FeedsTimer::Due);
        }
    }

    /// Tells all shards whether the conversation lets this node publish, when that has changed.
    fn tell_publishers(&mut self, cx: &mut Context<'_, Self>) {
        let may_publish = self.conversation.may_publish(now(cx));
        if std::mem::replace(&mut self.may_publish, may_publish) != may_publish {
            cx.send_note_to_others(&FeedsNote::MayPublish(may_publish));
        }
    }

    /// Lets the message be delivered where it came in: so a slow application holds up who brings it.
    fn deliver_from(
        &mut self,
        cx: &mut Context<'_, Self>,
        bringer: Option<(Link, NodeId)>,
        payload: Bytes,
    ) {
        let Some(((shard, _), id)) = bringer else {
            // Who brought it is gone; the message is here all the same.
            let own = cx.node_id();
            return self.deliver(cx, own, payload);
        };
        if shard == cx.shard() {
            self.deliver(cx, id, payload);
        } else {
            cx.send_note(shard, FeedsNote::Deliver(id, payload));
        }
    }

    fn send_from(
        &mut self,
        cx: &mut Context<'_, Self>,
        (shard, to): Link,
        (lane, order): (Lane, Order),
        bytes: Bytes,
    ) {
        if shard == cx.shard() {
            self.send(cx, to, (lane, order), bytes);
        } else {
            cx.send_note(shard, FeedsNote::Send(to, lane, order, bytes));
        }
    }

    // ---- peers of this shard ------------------------------------------------------------------

    /// Takes a peer of this shard in, when it is up or says something: one may speak before it is up.
    fn welcome(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo) {
        if self.outboxes.get(peer.key).is_some() || !self.speaks(peer) {
            return;
        }
        let line = |channel, messages_max, bytes_max| LineConfig {
            channel,
            limits: LineLimits {
                messages_max,
                bytes_max,
            },
        };
        let control = line(
            self.config.control.id,
            CONTROL_WAITING_MAX,
            PEER_WAITING_BYTES_MAX,
        );
        let bodies = line(self.config.bodies.id, usize::MAX, PEER_WAITING_BYTES_MAX);
        self.outboxes
            .insert(peer.key, Outbox::new(peer.key, control, bodies));
        let home = self.home(cx);
        let provenance = Provenance {
            group: group_of(peer),
            outbound: peer.direction == Direction::Outbound,
        };
        if home == cx.shard() {
            self.add(cx, (home, peer.key), peer.id, provenance);
        } else {
            cx.send_note(home, FeedsNote::Add(peer.key, peer.id, provenance));
        }
        if self.crowd.holds_back() {
            cx.hold_back(peer.key, self.config.bodies.id);
        }
    }

    fn send(
        &mut self,
        cx: &mut Context<'_, Self>,
        to: PeerKey,
        (lane, order): (Lane, Order),
        bytes: Bytes,
    ) {
        let which = match lane {
            Lane::Control => Which::Control,
            Lane::Bodies => Which::Bodies,
        };
        let sent = self
            .outboxes
            .with(to, |outbox| outbox.send(cx, which, order, bytes));
        let Some(left_out) = sent else {
            return;
        };
        let is_body = matches!(order, Order::Body { .. });
        if !is_body && !left_out.is_empty() {
            self.counters.slow_peers += 1;
            self.outboxes.with(to, Outbox::stop);
            let reason = "slow peer: too much that is said about messages waits for it";
            cx.stop_peer(to, ReactorError::new(reason));
            return;
        }
        self.counters.sent += u64::from(is_body);
        self.leave_out(cx, to, left_out);
        self.note_outbox(cx, to);
        self.look(cx);
    }

    /// Bodies were not sent after all: the peer may ask for them, also if it did so before.
    fn leave_out(&mut self, cx: &mut Context<'_, Self>, to: PeerKey, bodies: Vec<Bytes>) {
        self.counters.left_out += bodies.len() as u64;
        let home = self.home(cx);
        for body in bodies {
            if home == cx.shard() {
                self.conversation.handle_left_out((home, to), &body);
            } else {
                cx.send_note(home, FeedsNote::LeftOut(to, body));
            }
        }
    }

    /// Counts what a peer's outbox has dropped, and tells the conversation whether bodies wait for the peer, when that
    /// has changed.
    fn note_outbox(&mut self, cx: &mut Context<'_, Self>, peer: PeerKey) {
        let seen = self.outboxes.with(peer, |outbox| {
            self.counters.expired += outbox.take_expired();
            outbox.take_behind()
        });
        let Some(Some(is_behind)) = seen else {
            return;
        };
        let home = self.home(cx);
        if home == cx.shard() {
            self.set_behind(cx, (home, peer), is_behind);
        } else {
            cx.send_note(home, FeedsNote::Behind(peer, is_behind));
        }
    }

    fn deliver(&mut self, cx: &mut Context<'_, Self>, from: NodeId, payload: Bytes) {
        self.counters.delivered += 1;
        match &self.bridge {
            // The flood knows whether the same came another way.
            Some(bridge) => {
                let (from, message) = (Some(from), payload);
                bridge.ask(cx, FromFeeds { from, message });
            }
            None => cx.deliver(from, self.config.bodies.id, payload),
        }
    }

    /// Holds those back who bring messages while too much waits for others.
    fn look(&mut self, cx: &mut Context<'_, Self>) {
        let (load, max) = (self.outboxes.load(), self.config.waiting_bytes_max);
        let Some(is_crowded) = self.crowd.look(cx.shard(), &load, max) else {
            return;
        };
        self.counters.held_back += u64::from(is_crowded);
        let here = cx.shard();
        self.set_crowded(cx, here, is_crowded);
        cx.send_note_to_others(&FeedsNote::Crowded(is_crowded));
        if is_crowded {
            cx.set_timer(STUCK, FeedsTimer::Stuck);
        }
    }

    fn set_crowded(&mut self, cx: &mut Context<'_, Self>, shard: ShardId, is_crowded: bool) {
        let Some(is_held_back) = self.crowd.set(shard, is_crowded) else {
            return;
        };
        for peer in self.outboxes.peers() {
            match is_held_back {
                true => cx.hold_back(peer, self.config.bodies.id),
                false => cx.release(peer, self.config.bodies.id),
            }
        }
    }

    /// Nodes that hold each other back in a circle would wait for ever: what waits for the slowest peer is
    /// left out, and it asks for it.
    fn handle_stuck(&mut self, cx: &mut Context<'_, Self>) {
        if !self.crowd.is_at(cx.shard()) {
            return;
        }
        if let Some(slowest) = self.outboxes.slowest() {
            let left_out = self.outboxes.with(slowest, Outbox::leave_bodies_out);
            self.leave_out(cx, slowest, left_out.unwrap_or_default());
            self.note_outbox(cx, slowest);
        }
        self.look(cx);
        if self.crowd.is_at(cx.shard()) {
            cx.set_timer(STUCK, FeedsTimer::Stuck);
        }
    }
}

impl Reactor for Feeds {
    /// Outboxes stand in a map of the reactor's own: what one peer says has messages sent to all.
    type Peer = ();
    type Note = FeedsNote;
    type Timer = FeedsTimer;

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![self.config.control.clone(), self.config.bodies.clone()]
    }

    fn signs(&self) -> bool {
        self.config.signed
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        let mut config = protocol::FeedsConfig::default();
        config.keep = self.config.kept_span;
        config.keep_bytes_max = self.config.kept_bytes_max;
        config.unchecked_bytes_max = self.config.unchecked_bytes_max;
        // The engine has rates of its own, and holds back who brings more than can be passed on.
        config.origin_rate = NO_RATE;
        config.link_rate = NO_RATE;
        self.unpublished = Unpublished::new(cx.shard_count());
        let random = cx.random();
        let identity = if self.config.signed {
            // The same origin as before the node started again, with higher numbers. The time alone will do where the
            // clock is right: a node gives far less than a number in a microsecond.
            let kept = self.config.numbers.as_ref().map(|kept| kept.numbers);
            let numbers = kept.unwrap_or_else(|| Numbers::begin(cx.unix_time(), None));
            Identity {
                node: cx.node_id(),
                origin: *cx.public_key().as_bytes(),
                author: Some(Author::new(cx.network(), self.config.bodies.id.0)),
                first_seq: numbers.first(),
                numbers: kept,
            }
        } else {
            // Another origin, whose numbers begin anew: whatever clock the node has.
            let mut origin: Origin = random;
            origin[..20].copy_from_slice(cx.node_id().as_bytes());
            Identity {
                node: cx.node_id(),
                origin,
                author: None,
                first_seq: 0,
                numbers: None,
            }
        };
        self.conversation.start(config, identity, random);
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, (): &mut ()) {
        self.welcome(cx, peer);
        self.outboxes.with(peer.key, |outbox| outbox.open(cx));
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        (): &mut (),
    ) -> Result<(), ReactorError> {
        self.welcome(cx, envelope.from);
        let peer = envelope.from.key;
        let home = self.home(cx);
        if home == cx.shard() {
            self.handle_received(cx, (home, peer), &envelope.message);
        } else {
            cx.send_note(home, FeedsNote::Received(peer, envelope.message));
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
        self.outboxes.with(peer, |outbox| outbox.drain(cx));
        self.note_outbox(cx, peer);
        self.look(cx);
    }

    fn has_pending(&self, peer: PeerKey, (): &()) -> bool {
        let outbox = self.outboxes.get(peer);
        !self.unpublished.is_empty() || outbox.is_some_and(|outbox| !outbox.is_empty())
    }

    fn has_room(&self, _channel: ChannelId) -> bool {
        let max = self.config.waiting_bytes_max / 2;
        let is_moving = self.may_publish && !self.crowd.holds_back() && self.outboxes.bytes() < max;
        is_moving && !self.outboxes.is_any_late() && self.unpublished.has_room()
    }

    fn publish(&mut self, cx: &mut Context<'_, Self>, channel: ChannelId, message: Bytes) {
        self.publish_with(cx, channel, message, PublishOptions::default());
    }

    /// Heeds all that is asked for.
    fn publish_with(
        &mut self,
        cx: &mut Context<'_, Self>,
        _channel: ChannelId,
        message: Bytes,
        options: PublishOptions,
    ) {
        if let Some(bridge) = &self.bridge {
            let (from, message) = (None, message.clone());
            bridge.ask(cx, FromFeeds { from, message });
        }
        self.take_to_publish(cx, message, &options);
    }

    fn handle_note(&mut self, cx: &mut Context<'_, Self>, from: ShardId, note: FeedsNote) {
        match note {
            FeedsNote::Add(peer, id, provenance) => self.add(cx, (from, peer), id, provenance),
            FeedsNote::Remove(peer) => self.remove(cx, (from, peer)),
            FeedsNote::Received(peer, message) => self.handle_received(cx, (from, peer), &message),
            FeedsNote::Send(to, lane, order, bytes) => self.send(cx, to, (lane, order), bytes),
            FeedsNote::Behind(peer, is_behind) => self.set_behind(cx, (from, peer), is_behind),
            FeedsNote::LeftOut(peer, body) => {
                self.conversation.handle_left_out((from, peer), &body);
            }
            FeedsNote::Deliver(id, payload) => self.deliver(cx, id, payload),
            FeedsNote::Stop(peer, reason) => cx.stop_peer(peer, ReactorError::new(reason)),
            FeedsNote::Publish(outgoing) => self.begin(cx, outgoing),
            FeedsNote::Crowded(is_crowded) => self.set_crowded(cx, from, is_crowded),
            FeedsNote::MayPublish(may_publish) => self.may_publish = may_publish,
        }
    }

    fn note_bytes(note: &FeedsNote) -> usize {
        note.bytes()
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, timer: FeedsTimer) {
        match timer {
            FeedsTimer::Due => {
                self.due.handle_timeout();
                self.conversation.handle_timeout(now(cx));
                self.act(cx);
            }
            FeedsTimer::Stuck => self.handle_stuck(cx),
            FeedsTimer::Checks => {
                self.look_at_checks.handle_timeout();
                self.conversation.expire_checks(now(cx));
                self.act(cx);
            }
            FeedsTimer::Prove => {
                self.proving.handle_timeout();
                self.conversation.prove(now(cx));
                self.act(cx);
            }
            FeedsTimer::Publish => {
                self.publishing.handle_timeout();
                self.publish_some(cx);
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
        if !self.outboxes.remove(peer.key) {
            return;
        }
        let home = self.home(cx);
        if home == cx.shard() {
            self.remove(cx, (home, peer.key));
        } else {
            cx.send_note(home, FeedsNote::Remove(peer.key));
        }
        self.look(cx);
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let (said, protocol) = self.conversation.counters();
        let mut figures = self.counters.figures(said, protocol);
        // Whoever waits for this node's messages waits for all of them.
        let unpublished = usize::from(!self.unpublished.is_empty());
        let behind = (self.outboxes.behind() + unpublished) as u64;
        figures.push(("feeds_peers_behind", behind));
        figures.extend(self.conversation.sizes());
        figures
    }
}

impl Answers<CheckAnswer> for Feeds {
    type Answer = ();

    /// An answer that comes too late, or twice, says nothing.
    fn answer(&mut self, cx: &mut Context<'_, Self>, answer: CheckAnswer) {
        self.conversation.handle_checked(now(cx), answer);
        self.act(cx);
    }
}

impl Answers<FromFlood> for Feeds {
    type Answer = bool;

    /// Publishes what came by flooding. Whether more is taken now.
    fn answer(&mut self, cx: &mut Context<'_, Self>, FromFlood(message): FromFlood) -> bool {
        if let Some(message) = message {
            self.take_to_publish(cx, message, &PublishOptions::default());
        }
        self.has_room(self.config.bodies.id)
    }
}

impl Answers<SetMembers> for Feeds {
    type Answer = ();

    fn answer(&mut self, _: &mut Context<'_, Self>, members: SetMembers) {
        self.conversation.set_members(members);
    }
}

impl Answers<HowFar> for Feeds {
    type Answer = Vec<MessageReach>;

    /// The oldest first; at most 1,024.
    fn answer(&mut self, cx: &mut Context<'_, Self>, _: HowFar) -> Self::Answer {
        self.conversation.reaches(now(cx))
    }
}

impl Answers<WhoFeeds> for Feeds {
    type Answer = Vec<Feeder>;

    fn answer(&mut self, _: &mut Context<'_, Self>, _: WhoFeeds) -> Self::Answer {
        self.conversation.feeders()
    }
}

/// Time since the engine began.
fn now(cx: &Context<'_, Feeds>) -> Duration {
    Duration::from_nanos(cx.now().as_nanos())
}
