//! `Flood`: every message to every node, delivered to the application exactly once per node.
//!
//! The id of a message is the BLAKE3 of its bytes. One shard owns each id (the id modulo the
//! number of shards) and decides for the whole node whether a message is new; so no two shards
//! can both deliver it, and no lock is needed to say so.
//!
//! ```text
//!  peer ─▶ shard A ── Claim(id, body) ─▶ owner ── seen? ─▶ drop, count a duplicate
//!                                          │ new
//!                                          ├── Spread ──────────▶ each other shard ─▶ its peers
//!                                          └── Spread, deliver ─▶ shard A ─▶ application, its peers
//! ```
//!
//! The shard that received a message delivers it. When the application is slow, that shard's
//! delivery queue fills, its peers are read no more, and nothing else has to know.
//!
//! A message is not sent to the peer it came from, nor to a peer that has sent us a copy
//! meanwhile. What a peer's channel has no room for waits in that peer's backlog, as pointers to
//! the one message. Nothing is dropped silently, and what waits has a budget:
//!
//! * Each source (a peer that brings messages, or the node's own publishers) has a share of it. Who
//!   has used up its share is held back on every shard: the peer's channel is read no more, and
//!   [`Reactor::has_room`] is false for publishers, until half of the share is free.
//! * A peer for which much waits while others keep up is too slow for this network. It is stopped,
//!   and the application learns why (see [`super::slow`]).
//! * If the budget is passed all the same, the peer that is furthest behind is stopped.
//!
//! A node's own messages are spread and not delivered back to it. Publishing the same bytes twice
//! spreads them once: a message is its content.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;

use super::acceptance::{Acceptance, Validator};
use super::backlog::{Backlog, Fresh};
use super::bridge::{Bridge, FromFeeds, FromFlood};
use super::config::FloodConfig;
use super::counters::Counters;
use super::retained::{Change, Retained};
use super::seen::{Digest, Seen, Source};
use super::slow::{LOOK_PERIOD, Standing};
use crate::document::Document;
use crate::error::CloseReason;
use crate::peer::{PeerInfo, PeerKey, ShardId};
use crate::reactor::{Answers, ChannelDescriptor, Context, Envelope, Reactor, ReactorError};

/// What shards tell each other.
#[derive(Clone, Debug)]
pub enum FloodNote {
    /// A message asks its owner whether it is new.
    Claim(Gossip),
    /// The owner says: new, send it to your peers; and deliver it, if you are the one that received
    /// it.
    Spread {
        /// The message.
        gossip: Gossip,
        /// Whether this shard received it.
        delivers: bool,
    },
    /// The sending shard has a source held back (a peer, or nobody: the publishers of this node), or
    /// no more.
    HoldBack {
        /// Whom.
        source: Source,
        /// Whether it is.
        is_held_back: bool,
    },
    /// The feeds take no more, so that all who flood are held back; or they do again.
    HoldBackAll(bool),
}

/// A message between shards.
#[derive(Clone, Debug)]
pub struct Gossip {
    digest: Digest,
    source: Source,
    way: Way,
    body: Bytes,
}

/// How a message came to the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// By flooding, or from the node's publishers.
    Flood,
    /// By feeds: see [`super::bridge`].
    Feeds,
}

/// What the reactor does later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FloodTimer {
    /// Look for slow peers.
    Look,
    /// Ask whether the feeds take more.
    Bridge,
}

/// Who floods is held back for so long until the feeds are asked again whether they take more.
const BRIDGE_PAUSE: Duration = Duration::from_millis(50);

/// A shard's part of the budget is no smaller, however many shards there are: one turn of a shard
/// takes so much from publishers and peers before these hear that they are held back.
const SHARD_BUDGET_MIN: usize = 16 * 1024 * 1024;
/// A source has at most one in so many of the bytes that may wait for one peer.
const SOURCE_SHARE: usize = 4;

type ToFeeds = Bridge<Flood, FromFlood, bool>;

/// The flooding gossip reactor. One instance per shard, all with the same configuration.
pub struct Flood {
    config: FloodConfig,
    validator: Option<Validator>,
    bridge: Option<ToFeeds>,
    seen: Seen,
    peers: BTreeMap<PeerKey, Backlog>,
    retained: Retained,
    /// Who is held back, and on the word of which shards.
    held_back: BTreeMap<Source, BTreeSet<ShardId>>,
    /// The shards whose feeds take no more.
    full_feeds: BTreeSet<ShardId>,
    is_look_planned: bool,
    counters: Counters,
}

impl Flood {
    /// An instance without peers.
    pub fn new(config: FloodConfig) -> Self {
        let source_max = config.backlog_bytes_max / SOURCE_SHARE;
        Flood {
            validator: None,
            bridge: None,
            full_feeds: BTreeSet::new(),
            seen: Seen::new(config.seen_max, config.seen_span),
            peers: BTreeMap::new(),
            retained: Retained::new(config.budget_bytes, source_max),
            held_back: BTreeMap::new(),
            is_look_planned: false,
            counters: Counters::default(),
            config,
        }
    }

    /// Asks `validator` about each message of a peer that this shard does not know, before anybody
    /// else gets it: who sent it, and the whole message. It runs on the shard's thread and must
    /// answer at once.
    ///
    /// It is asked once per message and shard; about a copy that comes in the moment in which
    /// another shard decides whether it is new, once more. Messages that this node publishes are
    /// its own affair.
    #[must_use]
    pub fn with_validator(
        mut self,
        validator: impl FnMut(&PeerInfo, &Bytes) -> Acceptance + 'static,
    ) -> Self {
        self.validator = Some(Box::new(validator));
        self
    }

    pub(super) fn with_bridge(mut self, bridge: ToFeeds) -> Self {
        self.bridge = Some(bridge);
        self
    }

    fn channel(&self) -> ChannelId {
        self.config.channel.id
    }

    /// Whether a peer gets what is flooded: not if it gets the same by feeds.
    fn floods_to(&self, peer: &PeerInfo) -> bool {
        let by_feeds = |bridge: &ToFeeds| peer.has_channel(bridge.channel());
        peer.has_channel(self.channel()) && !self.bridge.as_ref().is_some_and(by_feeds)
    }

    /// Peers for which messages wait beside their channel's queue.
    fn peers_behind(&self) -> u64 {
        let backlogs = self.peers.values();
        backlogs.filter(|backlog| !backlog.is_empty()).count() as u64
    }

    /// Brings a message before the shard that owns its id.
    fn submit(
        &mut self,
        cx: &mut Context<'_, Self>,
        source: Option<&PeerInfo>,
        body: Bytes,
    ) -> Result<(), ReactorError> {
        let digest = *blake3::hash(&body).as_bytes();
        let is_seen = self.seen.contains(&digest);
        if let Some(peer) = source {
            self.mark_known(cx, peer, digest, is_seen);
        }
        if is_seen {
            self.counters.duplicates += 1;
            return Ok(());
        }
        if let Some(peer) = source
            && !self.accepts(cx, peer, digest, &body)?
        {
            return Ok(());
        }
        self.claim(
            cx,
            Gossip {
                digest,
                source: source.map(|peer| peer.id),
                way: Way::Flood,
                body,
            },
        );
        Ok(())
    }

    /// Has the owner of the message's id decide whether it is new.
    fn claim(&mut self, cx: &mut Context<'_, Self>, gossip: Gossip) {
        let owner = owner_of(&gossip.digest, cx.shard_count());
        if owner == cx.shard() {
            self.decide(cx, owner, gossip);
        } else {
            cx.send_note(owner, FloodNote::Claim(gossip));
        }
    }

    /// Remembers that the peer has the message, if it could be sent to it otherwise: it may wait
    /// for the peer, or its owner may be deciding.
    fn mark_known(
        &mut self,
        cx: &Context<'_, Self>,
        peer: &PeerInfo,
        digest: Digest,
        is_seen: bool,
    ) {
        let Some(backlog) = self.peers.get_mut(&peer.key) else {
            return;
        };
        let may_wait = is_seen && !backlog.is_empty();
        if may_wait || (!is_seen && cx.shard_count() > 1) {
            backlog.mark_known(cx, digest);
        }
    }

    /// Whether the application wants a message passed on.
    fn accepts(
        &mut self,
        cx: &Context<'_, Self>,
        peer: &PeerInfo,
        digest: Digest,
        body: &Bytes,
    ) -> Result<bool, ReactorError> {
        let Some(validator) = &mut self.validator else {
            return Ok(true);
        };
        match validator(peer, body) {
            Acceptance::Accept => Ok(true),
            Acceptance::Ignore => {
                self.counters.ignored += 1;
                self.seen.insert(cx.now(), Some(peer.id), digest);
                Ok(false)
            }
            Acceptance::Blame(reason) => {
                self.counters.blamed += 1;
                Err(ReactorError::new(reason))
            }
        }
    }

    /// Decides, as the owner of the id, about a message that shard `origin` got or published.
    fn decide(&mut self, cx: &mut Context<'_, Self>, origin: ShardId, gossip: Gossip) {
        if !self.seen.insert(cx.now(), gossip.source, gossip.digest) {
            self.counters.duplicates += 1;
            return;
        }
        if gossip.way == Way::Flood
            && let Some(bridge) = &self.bridge
            && !bridge.ask(cx, FromFlood(Some(gossip.body.clone())))
        {
            self.hold_back_all(cx);
        }
        for shard in (0..cx.shard_count()).map(ShardId) {
            let delivers = shard == origin && gossip.source.is_some();
            if shard == cx.shard() {
                let Gossip {
                    digest,
                    source,
                    body,
                    ..
                } = gossip.clone();
                self.spread(cx, digest, source, delivers, body);
            } else {
                let gossip = gossip.clone();
                cx.send_note(shard, FloodNote::Spread { gossip, delivers });
            }
        }
    }

    // ---- the bridge ---------------------------------------------------------------------------

    /// The feeds of this shard take no more: whoever floods waits.
    fn hold_back_all(&mut self, cx: &mut Context<'_, Self>) {
        let here = cx.shard();
        if self.full_feeds.contains(&here) {
            return;
        }
        cx.set_timer(BRIDGE_PAUSE, FloodTimer::Bridge);
        self.set_full(cx, here, true);
        cx.send_note_to_others(&FloodNote::HoldBackAll(true));
    }

    /// Asks whether the feeds of this shard take more again.
    fn look_at_feeds(&mut self, cx: &mut Context<'_, Self>) {
        let has_room = self
            .bridge
            .as_ref()
            .is_none_or(|bridge| bridge.ask(cx, FromFlood(None)));
        if has_room {
            let here = cx.shard();
            self.set_full(cx, here, false);
            cx.send_note_to_others(&FloodNote::HoldBackAll(false));
        } else {
            cx.set_timer(BRIDGE_PAUSE, FloodTimer::Bridge);
        }
    }

    /// The feeds of a shard take no more, or do again.
    fn set_full(&mut self, cx: &mut Context<'_, Self>, shard: ShardId, is_full: bool) {
        let was_full = !self.full_feeds.is_empty();
        match is_full {
            true => self.full_feeds.insert(shard),
            false => self.full_feeds.remove(&shard),
        };
        let is_full = !self.full_feeds.is_empty();
        if is_full == was_full {
            return;
        }
        let channel = self.channel();
        for backlog in self.peers.values() {
            let held_back_too = self.held_back.contains_key(&Some(backlog.id()));
            match is_full {
                true => cx.hold_back(backlog.key(), channel),
                false if held_back_too => {}
                false => cx.release(backlog.key(), channel),
            }
        }
    }

    /// Sends a new message to this shard's peers and, where it was received, delivers it.
    fn spread(
        &mut self,
        cx: &mut Context<'_, Self>,
        digest: Digest,
        source: Source,
        delivers: bool,
        body: Bytes,
    ) {
        if let (true, Some(from)) = (delivers, source) {
            self.counters.delivered += 1;
            cx.deliver(from, self.channel(), body.clone());
        }
        let mut fresh = Fresh::new(source, digest, body);
        let mut longest = 0;
        for backlog in self.peers.values_mut() {
            let offered = backlog.offer(cx, &mut self.retained, &mut fresh);
            self.counters.add(offered);
            longest = longest.max(backlog.bytes());
        }
        if longest > self.config.backlog_bytes_max {
            self.stop_far_behind(cx);
        }
        while self.retained.is_over_budget() && self.stop_furthest_behind(cx) {}
        self.handle_retained(cx);
    }

    // ---- those who hold others up -------------------------------------------------------------

    /// Tells what has changed in what is kept, and looks after it while something is.
    fn handle_retained(&mut self, cx: &mut Context<'_, Self>) {
        while let Some(Change {
            source,
            is_held_back,
        }) = self.retained.poll_change()
        {
            let here = cx.shard();
            self.counters.held_back += u64::from(is_held_back);
            self.hold_back(cx, here, source, is_held_back);
            cx.send_note_to_others(&FloodNote::HoldBack {
                source,
                is_held_back,
            });
        }
        if self.retained.total() > 0 && !self.is_look_planned {
            self.is_look_planned = true;
            cx.set_timer(LOOK_PERIOD, FloodTimer::Look);
        }
    }

    /// A shard wants a source held back, or no more.
    fn hold_back(
        &mut self,
        cx: &mut Context<'_, Self>,
        by: ShardId,
        source: Source,
        is_held_back: bool,
    ) {
        let shards = self.held_back.entry(source).or_default();
        let was_held_back = !shards.is_empty();
        match is_held_back {
            true => shards.insert(by),
            false => shards.remove(&by),
        };
        let is_held_back = !shards.is_empty();
        if !is_held_back {
            self.held_back.remove(&source);
        }
        if was_held_back == is_held_back {
            return;
        }
        let is_it = |backlog: &&Backlog| Some(backlog.id()) == source;
        if let Some(backlog) = self.peers.values().find(is_it) {
            let (key, channel) = (backlog.key(), self.channel());
            match is_held_back {
                true => cx.hold_back(key, channel),
                false if !self.full_feeds.is_empty() => {}
                false => cx.release(key, channel),
            }
        }
    }

    /// Stops the peers for which more waits than may, while others keep up.
    fn stop_far_behind(&mut self, cx: &mut Context<'_, Self>) {
        if !Standing::of(self.peers.values()).blames_the_slow() {
            return;
        }
        let max = self.config.backlog_bytes_max;
        let far_behind = self.peers.iter().filter(|(_, peer)| peer.bytes() > max);
        let far_behind: Vec<_> = far_behind.map(|(key, peer)| (*key, peer.bytes())).collect();
        for (key, bytes) in far_behind {
            let reason = format!(
                "slow peer: {bytes} bytes of gossip wait for it, the most for one peer is {max}"
            );
            self.stop_peer(cx, key, reason);
        }
    }

    /// Stops the peer for which most waits; false if nothing waits for anybody.
    fn stop_furthest_behind(&mut self, cx: &mut Context<'_, Self>) -> bool {
        let by_bytes = |peer: &(&PeerKey, &Backlog)| peer.1.bytes();
        let Some((&key, backlog)) = self.peers.iter().max_by_key(by_bytes) else {
            return false;
        };
        let bytes = backlog.bytes();
        if bytes == 0 {
            return false;
        }
        let (kept, budget) = (self.retained.total(), self.retained.budget());
        let reason = format!(
            "slow peer: {bytes} bytes of gossip wait for it, {kept} for all peers, the budget is {budget}"
        );
        self.stop_peer(cx, key, reason);
        true
    }

    /// Has a peer closed and frees at once what waited for it.
    fn stop_peer(&mut self, cx: &mut Context<'_, Self>, key: PeerKey, reason: String) {
        self.counters.slow_peers += 1;
        if let Some(backlog) = self.peers.remove(&key) {
            backlog.give_up(&mut self.retained);
        }
        cx.stop_peer(key, ReactorError::new(reason));
    }

    /// Looks for peers that are too slow.
    fn look(&mut self, cx: &mut Context<'_, Self>) {
        let standing = Standing::of(self.peers.values());
        let mut slow = Vec::new();
        for (key, backlog) in &mut self.peers {
            let reason = standing.look(&self.retained, backlog);
            slow.extend(reason.map(|reason| (*key, reason)));
        }
        for (key, reason) in slow {
            self.stop_peer(cx, key, reason);
        }
        self.handle_retained(cx);
    }
}

impl Reactor for Flood {
    /// Backlogs stand in a map of the reactor's own: a message goes to all of them, the one at hand
    /// included.
    type Peer = ();
    type Note = FloodNote;
    type Timer = FloodTimer;

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![self.config.channel.clone()]
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        let (budget, shards) = (self.config.budget_bytes, cx.shard_count().max(1));
        let share = budget.div_ceil(usize::from(shards));
        self.retained
            .set_budget(share.max(budget.min(SHARD_BUDGET_MIN)));
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, _: &mut ()) {
        if !self.floods_to(peer) {
            return;
        }
        let backlog = Backlog::new(peer.key, peer.id, self.channel());
        self.peers.insert(peer.key, backlog);
        // What it brought in a former life may still wait.
        if self.held_back.contains_key(&Some(peer.id)) || !self.full_feeds.is_empty() {
            cx.hold_back(peer.key, self.channel());
        }
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        self.counters.copies += 1;
        self.submit(cx, Some(envelope.from), envelope.message)
    }

    fn handle_room(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: PeerKey,
        channel: ChannelId,
        _: &mut (),
    ) {
        debug_assert_eq!(channel, self.channel());
        if let Some(backlog) = self.peers.get_mut(&peer) {
            let offered = backlog.drain(cx, &mut self.retained);
            self.counters.add(offered);
            self.handle_retained(cx);
        }
    }

    fn has_pending(&self, peer: PeerKey, _: &()) -> bool {
        self.peers
            .get(&peer)
            .is_some_and(|backlog| !backlog.is_empty())
    }

    fn has_room(&self, _channel: ChannelId) -> bool {
        !self.held_back.contains_key(&None) && self.full_feeds.is_empty()
    }

    fn publish(&mut self, cx: &mut Context<'_, Self>, channel: ChannelId, message: Bytes) {
        debug_assert_eq!(channel, self.channel());
        if message.len() > self.config.channel.recv_message_capacity {
            // Every peer would hang up on it; the application is asked to check the length.
            self.counters.too_long += 1;
            return;
        }
        self.counters.published += 1;
        let submitted = self.submit(cx, None, message);
        debug_assert!(submitted.is_ok(), "nobody is blamed for our own message");
    }

    fn handle_note(&mut self, cx: &mut Context<'_, Self>, from: ShardId, note: FloodNote) {
        match note {
            FloodNote::Claim(gossip) => self.decide(cx, from, gossip),
            FloodNote::HoldBackAll(is_full) => self.set_full(cx, from, is_full),
            FloodNote::Spread { gossip, delivers } => {
                let Gossip {
                    digest,
                    source,
                    body,
                    ..
                } = gossip;
                // The owner has decided: from now on this shard knows the message by itself.
                self.seen.insert(cx.now(), source, digest);
                self.spread(cx, digest, source, delivers, body);
            }
            FloodNote::HoldBack {
                source,
                is_held_back,
            } => self.hold_back(cx, from, source, is_held_back),
        }
    }

    fn note_bytes(note: &FloodNote) -> usize {
        match note {
            FloodNote::Claim(gossip) | FloodNote::Spread { gossip, .. } => gossip.body.len(),
            FloodNote::HoldBack { .. } | FloodNote::HoldBackAll(_) => 0,
        }
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, timer: FloodTimer) {
        match timer {
            FloodTimer::Look => {
                self.is_look_planned = false;
                self.look(cx);
            }
            FloodTimer::Bridge => self.look_at_feeds(cx),
        }
    }

    fn remove_peer(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: &PeerInfo,
        (): (),
        _: &CloseReason,
    ) {
        if let Some(backlog) = self.peers.remove(&peer.key) {
            backlog.give_up(&mut self.retained);
        }
        self.handle_retained(cx);
    }

    /// What this instance keeps now, as JSON.
    fn inspect(&self) -> Option<Document> {
        let peers = self.peers.len();
        let (ids, sources) = (self.seen.len(), self.seen.source_count());
        let known: usize = self.peers.values().map(Backlog::known_len).sum();
        let (kept, held_back) = (self.retained.total(), self.held_back.len());
        Some(Document::new("gossip", move || {
            format!(
                "{{\"peers\":{peers},\"ids\":{ids},\"sources\":{sources},\"known_ids\":{known},\
                 \"kept_bytes\":{kept},\"held_back\":{held_back}}}"
            )
            .into_bytes()
        }))
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut figures = self.counters.figures(self.retained.highest());
        figures.push(("gossip_peers_behind", self.peers_behind()));
        figures
    }
}

impl Answers<FromFeeds> for Flood {
    type Answer = ();

    /// Takes what is good by feeds, unless it is known by its content.
    fn answer(&mut self, cx: &mut Context<'_, Self>, FromFeeds { from, message }: FromFeeds) {
        let digest = *blake3::hash(&message).as_bytes();
        if self.seen.contains(&digest) {
            self.counters.duplicates += 1;
            return;
        }
        self.claim(
            cx,
            Gossip {
                digest,
                source: from,
                way: Way::Feeds,
                body: message,
            },
        );
    }
}

/// The shard that decides about an id.
fn owner_of(digest: &Digest, shard_count: u16) -> ShardId {
    let word = u64::from_le_bytes(digest[..8].try_into().expect("eight of 32 bytes"));
    let shard = word % u64::from(shard_count.max(1));
    ShardId(u16::try_from(shard).expect("a remainder of a u16"))
}

#[cfg(test)]
mod tests;
