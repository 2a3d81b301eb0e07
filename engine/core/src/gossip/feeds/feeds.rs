//! [`Feeds`]: the reactor.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_gossip::feeds::{
    Delivery, Lane, MEDIUM_BYTES_MAX, Output, Rate, SMALL_BYTES_MAX, Slot, Verdict, WINDOW_MAX,
};
use ringwire_gossip::{coded, feeds as protocol};

use super::config::FeedsConfig;
use super::counters::Counters;
use super::neighbours::{Link, Neighbours};
use crate::error::CloseReason;
use crate::gossip::acceptance::Acceptance;
use crate::gossip::outbox::{LineConfig, Outbox, Which};
use crate::peer::{Direction, PeerInfo, PeerKey, ShardId};
use crate::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError, TimerKey};

/// What is said about messages waits for a peer up to this; beyond it the peer is stopped as too slow. None
/// of it may be left out.
const CONTROL_WAITING_MAX: usize = 65_536;

/// Bytes of bodies that wait for one peer; more are left out, and it asks for them.
const PEER_WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Who is held back for so long that nothing moves gets help: what waits for the slowest peer is left out.
const STUCK: Duration = Duration::from_secs(2);

/// What a node publishes in a quarter of a second at most, on all its shards: a receiver remembers of an origin which
/// of its last 4,096 messages it had. So it has four seconds to learn of one that it lacks, by a digest at the
/// latest, and to ask for it.
const PACE_MAX: usize = WINDOW_MAX as usize / 16;
const PACE: Duration = Duration::from_millis(250);

const NO_RATE: Rate = Rate {
    messages: u32::MAX,
    bytes: u32::MAX,
};

/// Whether a message is good: see [`Feeds::with_validator`].
type Validator = Box<dyn FnMut(NodeId, &Bytes) -> Acceptance>;

/// What shards tell each other.
#[derive(Debug)]
pub enum FeedsNote {
    /// The sending shard has a peer that takes part.
    Add(PeerKey, NodeId, Direction),
    /// It has it no more.
    Remove(PeerKey),
    /// A peer of the sending shard said something.
    Received(PeerKey, Bytes),
    /// Send this to a peer.
    Send(PeerKey, Lane, Bytes),
    /// Deliver this message; the peer brought it.
    Deliver(NodeId, Bytes),
    /// Stop a peer: no honest node says what it has said.
    Stop(PeerKey, String),
    /// Publish this.
    Publish(Bytes),
}

/// What the reactor does later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeedsTimer {
    /// Something is due in the conversation.
    Due,
    /// Nothing has moved for a while.
    Stuck,
    /// There is room to publish again.
    Pace,
}

/// Gossip by feeds. One instance per shard, all with the same configuration.
///
/// Messages of up to 128 KiB are published on [`FeedsConfig::bodies`] and delivered to its subscriptions, each
/// once per node, but not to the node that published it. The same bytes published twice are two messages. Peers
/// that do not speak both channels are left alone. A message's origin is what it says: whoever must know
/// it signs what is in the message, and lets a validator look at that.
pub struct Feeds {
    config: FeedsConfig,
    validator: Option<Validator>,
    /// On the shard of the conversation: what is said, and with whom.
    conversation: protocol::Feeds,
    neighbours: Neighbours,
    /// The peers of this shard.
    outboxes: BTreeMap<PeerKey, Outbox>,
    timer: Option<(Duration, TimerKey)>,
    /// Whether those who bring messages are held back, and what was sent then.
    stuck_since: Option<u64>,
    /// What was published here since the last [`FeedsTimer::Pace`], and what may be.
    paced: usize,
    pace_max: usize,
    /// What publishers gave beyond that: they learn only once a turn that there is no room.
    unpublished: VecDeque<Bytes>,
    counters: Counters,
}

impl Feeds {
    /// An instance without peers.
    pub fn new(config: FeedsConfig) -> Self {
        Feeds {
            config,
            validator: None,
            conversation: protocol::Feeds::new(protocol::FeedsConfig::default(), [0; 32], 0, 0),
            neighbours: Neighbours::default(),
            outboxes: BTreeMap::new(),
            timer: None,
            stuck_since: None,
            paced: 0,
            pace_max: PACE_MAX,
            unpublished: VecDeque::new(),
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
        self.validator = Some(Box::new(validator));
        self
    }

    fn speaks(&self, peer: &PeerInfo) -> bool {
        peer.has_channel(self.config.control.id) && peer.has_channel(self.config.bodies.id)
    }

    /// The shard that has the conversation: another for another channel, so that several kinds of gossip
    /// share the work.
    fn home(&self, cx: &Context<'_, Self>) -> ShardId {
        ShardId(u16::from(self.config.bodies.id.0) % cx.shard_count().max(1))
    }

    // ---- the conversation, on its shard -------------------------------------------------------

    fn add(&mut self, cx: &mut Context<'_, Self>, link: Link, id: NodeId, direction: Direction) {
        let outbound = direction == Direction::Outbound;
        match self.conversation.handle_link_up(now(cx), outbound, None) {
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

    fn begin(&mut self, cx: &mut Context<'_, Self>, payload: Bytes) {
        self.counters.published += 1;
        let message = Delivery {
            origin: [0; 32],
            seq: 0,
            urgent: payload.len() <= SMALL_BYTES_MAX,
            priority: 0,
            signature: None,
            payload,
        };
        if self.conversation.publish(now(cx), &message, None).is_err() {
            self.counters.too_long += 1;
        }
        self.act(cx);
    }

    /// Publishes what waits, as much as may be now.
    fn publish_some(&mut self, cx: &mut Context<'_, Self>) {
        while self.paced < self.pace_max
            && let Some(message) = self.unpublished.pop_front()
        {
            if self.paced == 0 {
                cx.set_timer(PACE, FeedsTimer::Pace);
            }
            self.paced += 1;
            let home = self.home(cx);
            if home == cx.shard() {
                self.begin(cx, message);
            } else {
                cx.send_note(home, FeedsNote::Publish(message));
            }
        }
    }

    /// Does what the conversation wants done.
    fn act(&mut self, cx: &mut Context<'_, Self>) {
        while let Some(output) = self.conversation.poll_output() {
            match output {
                Output::Send { slot, lane, bytes } => {
                    if let Some(((shard, peer), _)) = self.neighbours.at(slot) {
                        self.send_from(cx, shard, peer, lane, bytes);
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
        self.plan(cx);
    }

    fn check(&mut self, cx: &mut Context<'_, Self>, from: Option<Slot>, delivery: &Delivery) {
        let bringer = from.and_then(|from| self.neighbours.at(from));
        let id = bringer.map_or_else(|| cx.node_id(), |(_, id)| id);
        let acceptance = match &mut self.validator {
            Some(validator) => validator(id, &delivery.payload),
            None => Acceptance::Accept,
        };
        let verdict = match acceptance {
            Acceptance::Accept => Verdict::PassOn,
            Acceptance::Ignore => {
                self.counters.ignored += 1;
                Verdict::Ignore
            }
            Acceptance::Blame(reason) => {
                self.counters.blamed += 1;
                if let Some((link, _)) = bringer {
                    self.stop(cx, link, reason);
                }
                Verdict::Blame
            }
        };
        let (origin, seq) = (&delivery.origin, delivery.seq);
        self.conversation
            .handle_verdict(now(cx), origin, seq, verdict);
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
        shard: ShardId,
        to: PeerKey,
        lane: Lane,
        bytes: Bytes,
    ) {
        if shard == cx.shard() {
            self.send(cx, to, lane, bytes);
        } else {
            cx.send_note(shard, FeedsNote::Send(to, lane, bytes));
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
        if self.outboxes.contains_key(&peer.key) || !self.speaks(peer) {
            return;
        }
        let line = |channel, messages_max, bytes_max| LineConfig {
            channel,
            messages_max,
            bytes_max,
        };
        let control = line(self.config.control.id, CONTROL_WAITING_MAX, usize::MAX);
        let bodies = line(self.config.bodies.id, usize::MAX, PEER_WAITING_BYTES_MAX);
        self.outboxes
            .insert(peer.key, Outbox::new(peer.key, control, bodies));
        let home = self.home(cx);
        if home == cx.shard() {
            self.add(cx, (home, peer.key), peer.id, peer.direction);
        } else {
            cx.send_note(home, FeedsNote::Add(peer.key, peer.id, peer.direction));
        }
        if self.stuck_since.is_some() {
            cx.hold_back(peer.key, self.config.bodies.id);
        }
    }

    fn send(&mut self, cx: &mut Context<'_, Self>, to: PeerKey, lane: Lane, bytes: Bytes) {
        let Some(outbox) = self.outboxes.get_mut(&to) else {
            return;
        };
        match lane {
            Lane::Control => {
                if !outbox.send(cx, Which::Control, bytes) {
                    self.counters.slow_peers += 1;
                    outbox.stop();
                    let reason = "slow peer: too much that is said about messages waits for it";
                    cx.stop_peer(to, ReactorError::new(reason));
                }
            }
            Lane::Bodies => {
                let is_taken = outbox.send(cx, Which::Bodies, bytes);
                self.counters.sent += u64::from(is_taken);
                self.counters.left_out += u64::from(!is_taken);
                self.look(cx);
            }
        }
    }

    fn deliver(&mut self, cx: &mut Context<'_, Self>, from: NodeId, payload: Bytes) {
        self.counters.delivered += 1;
        cx.deliver(from, self.config.bodies.id, payload);
    }

    fn waiting_bytes(&self) -> usize {
        self.outboxes.values().map(Outbox::bodies_bytes).sum()
    }

    /// Holds those back who bring messages while too much waits for others.
    fn look(&mut self, cx: &mut Context<'_, Self>) {
        let waiting = self.waiting_bytes();
        let max = self.config.waiting_bytes_max;
        if self.stuck_since.is_none() && waiting > max {
            self.counters.held_back += 1;
            self.stuck_since = Some(self.counters.sent);
            for peer in self.outboxes.keys() {
                cx.hold_back(*peer, self.config.bodies.id);
            }
            cx.set_timer(STUCK, FeedsTimer::Stuck);
        } else if self.stuck_since.is_some() && waiting <= max / 2 {
            self.stuck_since = None;
            for peer in self.outboxes.keys() {
                cx.release(*peer, self.config.bodies.id);
            }
        }
    }

    /// Nodes that hold each other back in a circle would wait for ever: what waits for the slowest peer is
    /// left out, and it asks for it.
    fn handle_stuck(&mut self, cx: &mut Context<'_, Self>) {
        if self.stuck_since.is_none() {
            return;
        }
        let slowest = self
            .outboxes
            .values_mut()
            .max_by_key(|outbox| outbox.bodies_bytes());
        if let Some(outbox) = slowest {
            self.counters.left_out += outbox.leave_bodies_out() as u64;
        }
        self.look(cx);
        if self.stuck_since.is_some() {
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

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        let mut config = protocol::FeedsConfig::default();
        config.keep = self.config.kept_span;
        config.keep_bytes_max = self.config.kept_bytes_max;
        config.check = self.validator.is_some();
        // The engine has rates of its own, and holds back who brings more than can be passed on.
        config.origin_rate = NO_RATE;
        config.link_rate = NO_RATE;
        self.pace_max = (PACE_MAX / usize::from(cx.shard_count().max(1))).max(1);
        let random = cx.random();
        let seed = u64::from_le_bytes(*random.first_chunk().expect("there are 32 bytes"));
        // A node that starts again is another origin: so its numbers begin anew, whatever clock it has.
        let mut own: coded::Origin = random;
        own[..20].copy_from_slice(cx.node_id().as_bytes());
        self.conversation = protocol::Feeds::new(config, own, 0, seed);
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, (): &mut ()) {
        self.welcome(cx, peer);
        if let Some(outbox) = self.outboxes.get_mut(&peer.key) {
            outbox.open(cx);
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
        if let Some(outbox) = self.outboxes.get_mut(&peer) {
            outbox.drain(cx);
            self.look(cx);
        }
    }

    fn has_pending(&self, peer: PeerKey, (): &()) -> bool {
        let outbox = self.outboxes.get(&peer);
        !self.unpublished.is_empty() || outbox.is_some_and(|outbox| !outbox.is_empty())
    }

    fn has_room(&self, _channel: ChannelId) -> bool {
        let is_slow_enough = self.paced < self.pace_max;
        let max = self.config.waiting_bytes_max / 2;
        is_slow_enough && self.stuck_since.is_none() && self.waiting_bytes() < max
    }

    fn publish(&mut self, cx: &mut Context<'_, Self>, _channel: ChannelId, message: Bytes) {
        if message.len() > MEDIUM_BYTES_MAX {
            self.counters.too_long += 1;
        } else {
            self.unpublished.push_back(message);
            self.publish_some(cx);
        }
    }

    fn handle_note(&mut self, cx: &mut Context<'_, Self>, from: ShardId, note: FeedsNote) {
        match note {
            FeedsNote::Add(peer, id, direction) => self.add(cx, (from, peer), id, direction),
            FeedsNote::Remove(peer) => self.remove(cx, (from, peer)),
            FeedsNote::Received(peer, message) => self.handle_received(cx, (from, peer), &message),
            FeedsNote::Send(to, lane, bytes) => self.send(cx, to, lane, bytes),
            FeedsNote::Deliver(id, payload) => self.deliver(cx, id, payload),
            FeedsNote::Stop(peer, reason) => cx.stop_peer(peer, ReactorError::new(reason)),
            FeedsNote::Publish(message) => self.begin(cx, message),
        }
    }

    fn note_bytes(note: &FeedsNote) -> usize {
        match note {
            FeedsNote::Received(_, bytes)
            | FeedsNote::Send(_, _, bytes)
            | FeedsNote::Deliver(_, bytes)
            | FeedsNote::Publish(bytes) => bytes.len(),
            FeedsNote::Add(..) | FeedsNote::Remove(_) | FeedsNote::Stop(..) => 0,
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
            FeedsTimer::Pace => {
                self.paced = 0;
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
        if self.outboxes.remove(&peer.key).is_none() {
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
        self.counters.figures(self.conversation.counters())
    }
}

/// Time since the engine began.
fn now(cx: &Context<'_, Feeds>) -> Duration {
    Duration::from_nanos(cx.now().as_nanos())
}
