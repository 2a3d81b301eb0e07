//! [`Feeds`]: the reactor.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_gossip::feeds::{
    Delivery, Lane, MEDIUM_BYTES_MAX, Neighbour, Numbers, Order, Output, Payload, Provenance, Rate,
    Slot, Verdict,
};
use ringwire_gossip::{coded, feeds as protocol};

use super::author::Author;
use super::config::FeedsConfig;
use super::counters::Counters;
use super::members::SetMembers;
use super::neighbours::{Link, Neighbours};
use super::outboxes::Outboxes;
use super::unpublished::{Class, Unpublished};
use super::views::{Feeder, HowFar, MessageReach, Tags, WhoFeeds, feeders};
use crate::document::Document;
use crate::error::CloseReason;
use crate::gossip::acceptance::Acceptance;
use crate::gossip::bridge::{Bridge, FromFeeds, FromFlood};
use crate::gossip::checks::{Check, CheckAnswer, Checks, Judged};
use crate::gossip::judge::Judge;
use crate::gossip::outbox::{LineConfig, LineLimits, Outbox, Which};
use crate::peer::{Direction, PeerInfo, PeerKey, ShardId};
use crate::pex::group_of;
use crate::reactor::{
    Answers, ChannelDescriptor, Context, Envelope, PublishOptions, Reactor, ReactorError, TimerKey,
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

/// A body that the application checks.
#[derive(Debug)]
struct Unchecked {
    origin: coded::Origin,
    seq: u64,
    /// Who brought it.
    bringer: Option<Link>,
}

/// What shards tell each other.
#[derive(Clone, Debug)]
pub enum FeedsNote {
    /// The sending shard has a peer that takes part.
    Add(PeerKey, NodeId, Provenance),
    /// It has it no more.
    Remove(PeerKey),
    /// A peer of the sending shard said something.
    Received(PeerKey, Bytes),
    /// Send this to a peer.
    Send(PeerKey, Lane, Order, Bytes),
    /// Bodies wait for a peer of the sending shard, or do not any more.
    Behind(PeerKey, bool),
    /// This body was not sent to a peer of the sending shard after all.
    LeftOut(PeerKey, Bytes),
    /// Deliver this message; the peer brought it.
    Deliver(NodeId, Bytes),
    /// Stop a peer: no honest node says what it has said.
    Stop(PeerKey, String),
    /// Publish this.
    Publish(Outgoing),
    /// Too much waits for peers of the sending shard, or does not any more.
    Crowded(bool),
    /// Whether the conversation, which the sending shard has, lets this node publish.
    MayPublish(bool),
}

/// Messages of this node that go together.
#[derive(Clone, Debug)]
pub struct Outgoing {
    class: Class,
    payload: Payload,
    /// What the application calls them.
    tags: Vec<u64>,
}

/// What the reactor does later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeedsTimer {
    /// Something is due in the conversation.
    Due,
    /// Nothing has moved for a while.
    Stuck,
    /// What was published is to be bundled: the turn's messages are there, or the pace lets the next ones go.
    Publish,
    /// The application may have let the time pass in which it checks a message.
    Checks,
}

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
    judge: Judge,
    bridge: Option<ToFlood>,
    /// Those of which the conversation was told last, or will be when it starts.
    members: SetMembers,
    /// On the shard of the conversation: what is said, and with whom.
    conversation: protocol::Feeds,
    neighbours: Neighbours,
    tags: Tags,
    /// What the application is checking.
    checks: Checks<Unchecked>,
    is_look_at_checks_planned: bool,
    /// This node, as an origin.
    own: coded::Origin,
    /// Signs and checks; `None` where messages are not signed.
    author: Option<Author>,
    /// The peers of this shard.
    outboxes: Outboxes,
    timer: Option<(Duration, TimerKey)>,
    /// Shards where too much waits for peers: meanwhile those who bring messages are held back.
    crowded: BTreeSet<ShardId>,
    /// Whether the conversation lets this node publish.
    may_publish: bool,
    /// What was published here and has not gone yet.
    unpublished: Unpublished,
    /// Whether [`FeedsTimer::Publish`] is to come.
    is_publishing: bool,
    counters: Counters,
}

impl Feeds {
    /// An instance without peers.
    pub fn new(config: FeedsConfig) -> Self {
        Feeds {
            config,
            judge: Judge::Nobody,
            bridge: None,
            members: SetMembers::default(),
            conversation: protocol::Feeds::new(protocol::FeedsConfig::default(), [0; 32], 0, 0),
            neighbours: Neighbours::default(),
            tags: Tags::default(),
            checks: Checks::default(),
            is_look_at_checks_planned: false,
            own: [0; 32],
            author: None,
            outboxes: Outboxes::default(),
            timer: None,
            crowded: BTreeSet::new(),
            may_publish: true,
            unpublished: Unpublished::new(1),
            is_publishing: false,
            counters: Counters::default(),
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
        self.judge = Judge::AtOnce(Box::new(validator));
        self
    }

    /// As [`Feeds::with_validator`], for an application that takes its time: `checker` hands the message on, and the
    /// answer comes as a [`CheckAnswer`] to the instance on this shard, which is asked by channel where there are
    /// several reactors of this type. Until then the message is neither delivered nor passed on.
    /// [`FeedsConfig::check_within`] and [`FeedsConfig::unchecked_bytes_max`] bound what waits.
    #[must_use]
    pub fn with_checker(mut self, checker: impl FnMut(Check) + 'static) -> Self {
        self.judge = Judge::Later(Box::new(checker));
        self
    }

    /// These nodes are members: see [`SetMembers`].
    #[must_use]
    pub fn with_members(mut self, members: SetMembers) -> Self {
        self.members = members;
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
        let neighbour = Neighbour {
            id: *id.as_bytes(),
            provenance: from,
            rtt: None,
        };
        match self.conversation.handle_link_up(now(cx), &neighbour) {
            Some(slot) => self.neighbours.insert(link, id, slot),
            None => self.counters.too_many_peers += 1,
        }
        self.act(cx);
    }

    fn remove(&mut self, cx: &mut Context<'_, Self>, link: Link) {
        if let Some(slot) = self.neighbours.remove(link) {
            self.conversation.handle_link_down(now(cx), slot);
            self.act(cx);
        }
    }

    fn handle_received(&mut self, cx: &mut Context<'_, Self>, link: Link, message: &Bytes) {
        let Some(slot) = self.neighbours.slot(link) else {
            return;
        };
        self.counters.received_bytes += message.len() as u64;
        let read = self.conversation.handle_message(now(cx), slot, message);
        if let Err(refusal) = read {
            self.counters.blamed += 1;
            self.stop(cx, link, refusal.to_string());
        }
        self.act(cx);
    }

    fn begin(&mut self, cx: &mut Context<'_, Self>, outgoing: Outgoing) {
        let Outgoing {
            class,
            payload,
            tags,
        } = outgoing;
        let mut message = Delivery {
            origin: self.own,
            seq: self.conversation.next_seq(),
            index: 0,
            urgent: class.urgent,
            is_bundle: payload.is_bundle,
            priority: class.priority,
            ends: class.ends_at.is_some(),
            signature: None,
            members: self.conversation.members_for(payload.bytes.len()),
            payload: payload.bytes,
        };
        if let Some(author) = &self.author {
            author.sign(&mut message, |bytes| cx.sign(bytes));
        }
        let left = class.ends_at.map(|ends_at| ends_at.saturating_sub(now(cx)));
        let published = self.conversation.publish(now(cx), &message, left);
        let seq = published.expect("messages were put together within their bounds");
        self.tags.insert(seq, &tags);
        self.counters.bundles += 1;
        self.reserve_numbers(cx);
        self.act(cx);
    }

    /// Has a higher bound kept, long before the numbers come to the one that is.
    fn reserve_numbers(&mut self, cx: &mut Context<'_, Self>) {
        let next = self.conversation.next_seq();
        if let Some(kept) = &mut self.config.numbers
            && self.author.is_some()
            && kept.numbers.reserve(next)
        {
            let numbers = kept.numbers;
            let bound = Document::new(kept.document.clone(), move || numbers.to_bytes());
            if let Err(error) = cx.save(bound) {
                tracing::warn!(%error, "a gossip's numbers are not kept");
            }
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
        if !self.is_publishing {
            self.is_publishing = true;
            cx.set_timer(Duration::ZERO, FeedsTimer::Publish);
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
            self.is_publishing = true;
            cx.set_timer(wait, FeedsTimer::Publish);
        }
    }

    /// Tells the conversation who the members are. Without signatures anybody could say in an origin's name that they
    /// all have a message.
    fn tell_members(&mut self, cx: &Context<'_, Self>) {
        if self.config.signed {
            let (own, members) = (cx.node_id(), self.members.ids());
            self.conversation.set_members(own.as_bytes(), &members);
        }
    }

    /// Does what the conversation wants done.
    fn act(&mut self, cx: &mut Context<'_, Self>) {
        while let Some(output) = self.conversation.poll_output() {
            match output {
                Output::Send {
                    slot,
                    lane,
                    order,
                    bytes,
                } => {
                    if let Some((link, _)) = self.neighbours.at(slot) {
                        self.send_from(cx, link, (lane, order), bytes);
                    }
                }
                Output::Deliver { from, delivery } => self.deliver_from(cx, from, delivery.payload),
                Output::Check { from, delivery } => self.check(cx, from, &delivery),
                Output::Close { slot, reason } => {
                    if let Some((link, _)) = self.neighbours.at(slot) {
                        self.counters.blamed += 1;
                        self.stop(cx, link, reason.to_string());
                    }
                }
                _ => (),
            }
        }
        self.tell_publishers(cx);
        self.plan(cx);
    }

    /// Tells all shards whether the conversation lets this node publish, when that has changed.
    fn tell_publishers(&mut self, cx: &mut Context<'_, Self>) {
        let may_publish = self.conversation.may_publish(now(cx));
        if std::mem::replace(&mut self.may_publish, may_publish) != may_publish {
            cx.send_note_to_others(&FeedsNote::MayPublish(may_publish));
        }
    }

    /// Says whether a message, or which messages of a bundle, are good: first whether they are the origin's.
    fn check(&mut self, cx: &mut Context<'_, Self>, from: Option<Slot>, delivery: &Delivery) {
        let bringer = from.and_then(|from| self.neighbours.at(from));
        let link = bringer.map(|(link, _)| link);
        let (origin, seq) = (&delivery.origin, delivery.seq);
        if let Some(author) = &self.author
            && let Err(unproven) = author.check(delivery)
        {
            self.counters.unproven += 1;
            self.blame(cx, link, unproven.to_string());
            let verdicts = [Verdict::Blame];
            return self
                .conversation
                .handle_verdicts(now(cx), origin, seq, &verdicts);
        }
        if self.judge.is_nobody() {
            return self
                .conversation
                .handle_verdict(now(cx), origin, seq, Verdict::PassOn);
        }
        let id = bringer.map_or_else(|| cx.node_id(), |(_, id)| id);
        let due = now(cx) + self.config.check_within;
        let body = Unchecked {
            origin: delivery.origin,
            seq: delivery.seq,
            bringer: link,
        };
        for check in self.checks.begin(due, id, body, delivery.messages()) {
            if let Some(answer) = self.judge.ask(check) {
                self.handle_checked(cx, answer);
            }
        }
        self.plan_look_at_checks(cx);
    }

    /// What a message was found to be, sooner or later.
    fn handle_checked(&mut self, cx: &mut Context<'_, Self>, answer: CheckAnswer) {
        if let Some(judged) = self.checks.answer(answer) {
            self.conclude(cx, judged);
        }
    }

    fn conclude(&mut self, cx: &mut Context<'_, Self>, judged: Judged<Unchecked>) {
        self.counters.ignored += judged.ignored;
        self.counters.unanswered_checks += judged.late;
        let body = judged.body;
        if let Some(reason) = judged.blamed {
            self.blame(cx, body.bringer, reason);
        }
        self.conversation
            .handle_verdicts(now(cx), &body.origin, body.seq, &judged.verdicts);
    }

    /// No honest node sends what this one has sent.
    fn blame(&mut self, cx: &mut Context<'_, Self>, bringer: Option<Link>, reason: String) {
        self.counters.blamed += 1;
        if let Some(link) = bringer {
            self.stop(cx, link, reason);
        }
    }

    /// Sees to it that what has no answer in time waits no longer.
    fn plan_look_at_checks(&mut self, cx: &mut Context<'_, Self>) {
        if self.is_look_at_checks_planned {
            return;
        }
        if let Some(due) = self.checks.next_due() {
            self.is_look_at_checks_planned = true;
            cx.set_timer(due.saturating_sub(now(cx)), FeedsTimer::Checks);
        }
    }

    fn look_at_checks(&mut self, cx: &mut Context<'_, Self>) {
        self.is_look_at_checks_planned = false;
        while let Some(judged) = self.checks.expire_one(now(cx)) {
            self.conclude(cx, judged);
        }
        self.plan_look_at_checks(cx);
        self.act(cx);
    }

    /// Lets the message be delivered where it came in: so a slow application holds up who brings it.
    fn deliver_from(&mut self, cx: &mut Context<'_, Self>, from: Option<Slot>, payload: Bytes) {
        let bringer = from.and_then(|from| self.neighbours.at(from));
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

    fn stop(&mut self, cx: &mut Context<'_, Self>, (shard, peer): Link, reason: String) {
        if shard == cx.shard() {
            cx.stop_peer(peer, ReactorError::new(reason));
        } else {
            cx.send_note(shard, FeedsNote::Stop(peer, reason));
        }
    }

    /// Sees to it that the reactor is called when something is due.
    fn plan(&mut self, cx: &mut Context<'_, Self>) {
        let Some(due) = self.conversation.next_timeout() else {
            return;
        };
        match self.timer {
            Some((planned, _)) if planned <= due => return,
            Some((_, key)) => {
                cx.cancel_timer(key);
            }
            None => (),
        }
        let wait = due.saturating_sub(now(cx));
        self.timer = Some((due, cx.set_timer(wait, FeedsTimer::Due)));
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
        if !self.crowded.is_empty() {
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
                self.handle_left_out((home, to), &body);
            } else {
                cx.send_note(home, FeedsNote::LeftOut(to, body));
            }
        }
    }

    fn handle_left_out(&mut self, link: Link, body: &Bytes) {
        if let Some(slot) = self.neighbours.slot(link) {
            self.conversation.handle_left_out(slot, body);
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

    fn set_behind(&mut self, cx: &mut Context<'_, Self>, link: Link, is_behind: bool) {
        if let Some(slot) = self.neighbours.slot(link) {
            self.conversation.set_behind(now(cx), slot, is_behind);
            self.act(cx);
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

    /// Holds those back who bring messages while too much waits for others: for all together, or for one. That is
    /// far less than what makes bodies be left out.
    fn look(&mut self, cx: &mut Context<'_, Self>) {
        let (waiting, max) = (self.outboxes.bytes(), self.config.waiting_bytes_max);
        if self.is_crowded(cx) {
            if waiting <= max / 2 && !self.outboxes.is_any_busy() {
                self.tell_crowded(cx, false);
            }
        } else if waiting > max || self.outboxes.is_any_full() {
            self.counters.held_back += 1;
            self.tell_crowded(cx, true);
            cx.set_timer(STUCK, FeedsTimer::Stuck);
        }
    }

    /// Whether too much waits for the peers of this shard.
    fn is_crowded(&self, cx: &Context<'_, Self>) -> bool {
        self.crowded.contains(&cx.shard())
    }

    /// Tells all shards whether too much waits here: messages come in on any of them.
    fn tell_crowded(&mut self, cx: &mut Context<'_, Self>, is_crowded: bool) {
        let here = cx.shard();
        self.set_crowded(cx, here, is_crowded);
        cx.send_note_to_others(&FeedsNote::Crowded(is_crowded));
    }

    fn set_crowded(&mut self, cx: &mut Context<'_, Self>, shard: ShardId, is_crowded: bool) {
        let was_held_back = !self.crowded.is_empty();
        match is_crowded {
            true => self.crowded.insert(shard),
            false => self.crowded.remove(&shard),
        };
        let is_held_back = !self.crowded.is_empty();
        if was_held_back == is_held_back {
            return;
        }
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
        if !self.is_crowded(cx) {
            return;
        }
        if let Some(slowest) = self.outboxes.slowest() {
            let left_out = self.outboxes.with(slowest, Outbox::leave_bodies_out);
            self.leave_out(cx, slowest, left_out.unwrap_or_default());
            self.note_outbox(cx, slowest);
        }
        self.look(cx);
        if self.is_crowded(cx) {
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
        config.check = !self.judge.is_nobody() || self.config.signed;
        config.unchecked_bytes_max = self.config.unchecked_bytes_max;
        // The engine has rates of its own, and holds back who brings more than can be passed on.
        config.origin_rate = NO_RATE;
        config.link_rate = NO_RATE;
        self.unpublished = Unpublished::new(cx.shard_count());
        let random = cx.random();
        let seed = u64::from_le_bytes(*random.first_chunk().expect("there are 32 bytes"));
        let (own, first_seq) = if self.config.signed {
            self.author = Some(Author::new(cx.network(), self.config.bodies.id.0));
            // The same origin as before the node started again, with higher numbers. The time alone will do where the
            // clock is right: a node gives far less than a number in a microsecond.
            let kept = self.config.numbers.as_ref().map(|kept| kept.numbers);
            let numbers = kept.unwrap_or_else(|| Numbers::begin(cx.unix_time(), None));
            (*cx.public_key().as_bytes(), numbers.first())
        } else {
            // Another origin, whose numbers begin anew: whatever clock the node has.
            let mut own: coded::Origin = random;
            own[..20].copy_from_slice(cx.node_id().as_bytes());
            (own, 0)
        };
        self.own = own;
        self.conversation = protocol::Feeds::new(config, own, first_seq, seed);
        self.tell_members(cx);
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
        let is_moving = self.may_publish && self.crowded.is_empty() && self.outboxes.bytes() < max;
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
            FeedsNote::LeftOut(peer, body) => self.handle_left_out((from, peer), &body),
            FeedsNote::Deliver(id, payload) => self.deliver(cx, id, payload),
            FeedsNote::Stop(peer, reason) => cx.stop_peer(peer, ReactorError::new(reason)),
            FeedsNote::Publish(outgoing) => self.begin(cx, outgoing),
            FeedsNote::Crowded(is_crowded) => self.set_crowded(cx, from, is_crowded),
            FeedsNote::MayPublish(may_publish) => self.may_publish = may_publish,
        }
    }

    fn note_bytes(note: &FeedsNote) -> usize {
        match note {
            FeedsNote::Received(_, bytes)
            | FeedsNote::Send(_, _, _, bytes)
            | FeedsNote::LeftOut(_, bytes)
            | FeedsNote::Deliver(_, bytes) => bytes.len(),
            FeedsNote::Publish(outgoing) => outgoing.payload.bytes.len(),
            FeedsNote::Add(..)
            | FeedsNote::Remove(_)
            | FeedsNote::Behind(..)
            | FeedsNote::Crowded(_)
            | FeedsNote::MayPublish(_)
            | FeedsNote::Stop(..) => 0,
        }
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, timer: FeedsTimer) {
        match timer {
            FeedsTimer::Due => {
                self.timer = None;
                self.conversation.handle_timeout(now(cx));
                self.act(cx);
            }
            FeedsTimer::Stuck => self.handle_stuck(cx),
            FeedsTimer::Checks => self.look_at_checks(cx),
            FeedsTimer::Publish => {
                self.is_publishing = false;
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
        let mut figures = self.counters.figures(self.conversation.counters());
        // Whoever waits for this node's messages waits for all of them.
        let unpublished = usize::from(!self.unpublished.is_empty());
        let behind = (self.outboxes.behind() + unpublished) as u64;
        figures.push(("feeds_peers_behind", behind));
        let (origins_fed, peers_feeding) = self.conversation.feeding();
        figures.extend([
            ("feeds_origins_fed", origins_fed as u64),
            ("feeds_peers_feeding", peers_feeding as u64),
            ("feeds_held_bytes", self.conversation.held_bytes() as u64),
            ("feeds_state_bytes", self.conversation.state_bytes() as u64),
        ]);
        figures
    }
}

impl Answers<CheckAnswer> for Feeds {
    type Answer = ();

    /// An answer that comes too late, or twice, says nothing.
    fn answer(&mut self, cx: &mut Context<'_, Self>, answer: CheckAnswer) {
        self.handle_checked(cx, answer);
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

    fn answer(&mut self, cx: &mut Context<'_, Self>, members: SetMembers) {
        self.members = members;
        self.tell_members(cx);
    }
}

impl Answers<HowFar> for Feeds {
    type Answer = Vec<MessageReach>;

    /// The oldest first; at most 1,024.
    fn answer(&mut self, cx: &mut Context<'_, Self>, _: HowFar) -> Self::Answer {
        self.tags.reaches(now(cx), &self.conversation)
    }
}

impl Answers<WhoFeeds> for Feeds {
    type Answer = Vec<Feeder>;

    fn answer(&mut self, _: &mut Context<'_, Self>, _: WhoFeeds) -> Self::Answer {
        feeders(&self.conversation, &self.neighbours, self.config.signed)
    }
}

/// Time since the engine began.
fn now(cx: &Context<'_, Feeds>) -> Duration {
    Duration::from_nanos(cx.now().as_nanos())
}
