//! `Flood`: every message to every node, delivered to the application exactly once per node.
//!
//! The id of a message is the BLAKE3 of its bytes. One shard owns each id (the id modulo the
//! number of shards) and decides for the whole node whether a message is new; so no two shards
//! can both deliver it, and no lock is needed to say so.
//!
//! ```text
//!  peer ─▶ shard A ── CLAIM(id, body) ─▶ owner ── seen? ─▶ drop, count a duplicate
//!                                          │ new
//!                                          ├── SPREAD ──────────▶ each other shard ─▶ its peers
//!                                          └── SPREAD + DELIVER ▶ shard A ─▶ application, its peers
//! ```
//!
//! The shard that received a message delivers it. When the application is slow, that shard's
//! delivery queue fills, its peers are read no more, and nothing else has to know.
//!
//! A message is not sent to the peer it came from, nor to a peer that has sent us a copy
//! meanwhile. What a peer's channel has no room for waits in that peer's backlog, as references to
//! the one message. Nothing is dropped silently: a peer whose backlog exceeds its budget is too
//! slow for this network and is stopped, and the application learns why.
//!
//! Before it comes to that, an application that publishes faster than its peers take is told to
//! wait: every shard says when one of its backlogs passes a quarter of the budget and when all are
//! below an eighth again, and [`Reactor::has_room`] is false while any shard is under pressure.
//!
//! A node's own messages are spread and not delivered back to it. Publishing the same bytes twice
//! spreads them once: a message is its content.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};

use super::backlog::{Backlog, Offered};
use super::seen::{Digest, Seen};
use crate::error::CloseReason;
use crate::peer::{PeerInfo, PeerKey, ShardId};
use crate::reactor::{ChannelDescriptor, Context, Envelope, Note, Reactor, ReactorError};

/// A message asks its owner whether it is new.
const CLAIM: u32 = 1;
/// The owner says: new, send it to your peers.
const SPREAD: u32 = 2;
/// The owner says: new, you received it, so deliver it as well.
const SPREAD_AND_DELIVER: u32 = 3;
/// A backlog of the sending shard is long; `digest[0]` is 1 when it begins, 0 when it ends.
const PRESSURE: u32 = 4;

/// Pressure begins when a backlog is longer than the budget divided by this.
const PRESSURE_BEGINS: usize = 4;
/// Pressure ends when no backlog is longer than the budget divided by this.
const PRESSURE_ENDS: usize = 8;

/// How a [`Flood`] behaves.
#[derive(Clone, Debug)]
pub struct FloodConfig {
    /// The channel the messages travel on.
    pub channel: ChannelDescriptor,
    /// Bytes that may wait for one peer before it is stopped as too slow.
    pub backlog_bytes_max: usize,
    /// Ids a shard remembers per generation; two generations are kept.
    pub seen_generation_max: usize,
    /// Time after which a generation ends in any case.
    pub seen_generation_span: Duration,
}

impl FloodConfig {
    /// The defaults for a channel: 64 MiB of backlog per peer, 2^18 ids (about 12 MiB) or ten
    /// minutes per generation.
    pub fn new(channel: ChannelDescriptor) -> Self {
        FloodConfig {
            channel,
            backlog_bytes_max: 64 * 1024 * 1024,
            seen_generation_max: 1 << 18,
            seen_generation_span: Duration::from_secs(600),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    copies: u64,
    delivered: u64,
    duplicates: u64,
    published: u64,
    too_long: u64,
    sent: u64,
    spared: u64,
}

/// The flooding gossip reactor. One instance per shard, all with the same configuration.
pub struct Flood {
    config: FloodConfig,
    seen: Seen,
    peers: BTreeMap<PeerKey, Backlog>,
    /// Shards with a long backlog, as far as this one has heard.
    pressed: BTreeSet<ShardId>,
    counters: Counters,
}

impl Flood {
    /// An instance without peers.
    pub fn new(config: FloodConfig) -> Self {
        let seen = Seen::new(config.seen_generation_max, config.seen_generation_span);
        Flood {
            config,
            seen,
            peers: BTreeMap::new(),
            pressed: BTreeSet::new(),
            counters: Counters::default(),
        }
    }

    fn channel(&self) -> ChannelId {
        self.config.channel.id
    }

    /// Tells all shards when this one comes under pressure, and when that is over.
    fn report_pressure(&mut self, cx: &mut dyn Context) {
        let here = cx.shard();
        let was_pressed = self.pressed.contains(&here);
        let divisor = if was_pressed {
            PRESSURE_ENDS
        } else {
            PRESSURE_BEGINS
        };
        let limit = self.config.backlog_bytes_max / divisor;
        let is_pressed = self.peers.values().any(|backlog| backlog.bytes() > limit);
        if is_pressed == was_pressed {
            return;
        }
        self.set_pressed(here, is_pressed);
        let mut digest = [0; 32];
        digest[0] = u8::from(is_pressed);
        for shard in (0..cx.shard_count())
            .map(ShardId)
            .filter(|shard| *shard != here)
        {
            let body = Bytes::new();
            cx.send_note(
                shard,
                Note {
                    kind: PRESSURE,
                    digest,
                    peer: None,
                    body,
                },
            );
        }
    }

    fn set_pressed(&mut self, shard: ShardId, is_pressed: bool) {
        if is_pressed {
            self.pressed.insert(shard);
        } else {
            self.pressed.remove(&shard);
        }
    }

    /// Brings a message before the shard that owns its id.
    fn submit(&mut self, cx: &mut dyn Context, source: Option<&PeerInfo>, body: Bytes) {
        let digest = *blake3::hash(&body).as_bytes();
        if let Some(peer) = source.and_then(|peer| self.peers.get_mut(&peer.key)) {
            peer.mark_known(cx, digest);
        }
        let source = source.map(|peer| peer.id);
        if self.seen.contains(&digest) {
            self.counters.duplicates += 1;
            return;
        }
        let owner = owner_of(&digest, cx.shard_count());
        if owner == cx.shard() {
            self.decide(cx, owner, digest, source, body);
        } else {
            cx.send_note(
                owner,
                Note {
                    kind: CLAIM,
                    digest,
                    peer: source,
                    body,
                },
            );
        }
    }

    /// Decides, as the owner of the id, about a message that shard `origin` got or published.
    fn decide(
        &mut self,
        cx: &mut dyn Context,
        origin: ShardId,
        digest: Digest,
        source: Option<NodeId>,
        body: Bytes,
    ) {
        if !self.seen.insert(cx.now(), digest) {
            self.counters.duplicates += 1;
            return;
        }
        for shard in (0..cx.shard_count()).map(ShardId) {
            let delivers = shard == origin && source.is_some();
            if shard == cx.shard() {
                self.spread(cx, digest, source, delivers, body.clone());
            } else {
                let kind = if delivers { SPREAD_AND_DELIVER } else { SPREAD };
                let body = body.clone();
                cx.send_note(
                    shard,
                    Note {
                        kind,
                        digest,
                        peer: source,
                        body,
                    },
                );
            }
        }
    }

    /// Sends a new message to this shard's peers and, where it was received, delivers it.
    fn spread(
        &mut self,
        cx: &mut dyn Context,
        digest: Digest,
        source: Option<NodeId>,
        delivers: bool,
        body: Bytes,
    ) {
        if let (true, Some(from)) = (delivers, source) {
            self.counters.delivered += 1;
            cx.deliver(from, self.channel(), body.clone());
        }
        let backlog_bytes_max = self.config.backlog_bytes_max;
        for (key, backlog) in &mut self.peers {
            let offered = backlog.offer(cx, source, digest, body.clone());
            self.counters.add(offered);
            if backlog.bytes() > backlog_bytes_max {
                cx.stop_peer(*key, slow_peer(backlog.bytes(), backlog_bytes_max));
            }
        }
        self.report_pressure(cx);
    }
}

impl Counters {
    fn add(&mut self, offered: Offered) {
        self.sent += offered.sent;
        self.spared += offered.spared;
    }
}

impl Reactor for Flood {
    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![self.config.channel.clone()]
    }

    fn add_peer(&mut self, _cx: &mut dyn Context, peer: &PeerInfo) {
        if !peer.has_channel(self.channel()) {
            return;
        }
        let span = self.config.seen_generation_span;
        let backlog = Backlog::new(peer.key, peer.id, self.channel(), span);
        self.peers.insert(peer.key, backlog);
    }

    fn receive(
        &mut self,
        cx: &mut dyn Context,
        envelope: Envelope<'_>,
    ) -> Result<(), ReactorError> {
        self.counters.copies += 1;
        self.submit(cx, Some(envelope.from), envelope.message);
        Ok(())
    }

    fn handle_room(&mut self, cx: &mut dyn Context, peer: PeerKey, channel: ChannelId) {
        debug_assert_eq!(channel, self.channel());
        if let Some(backlog) = self.peers.get_mut(&peer) {
            let offered = backlog.drain(cx);
            self.counters.add(offered);
            self.report_pressure(cx);
        }
    }

    fn has_pending(&self, peer: PeerKey) -> bool {
        self.peers
            .get(&peer)
            .is_some_and(|backlog| !backlog.is_empty())
    }

    fn has_room(&self, _channel: ChannelId) -> bool {
        self.pressed.is_empty()
    }

    fn publish(&mut self, cx: &mut dyn Context, channel: ChannelId, message: Bytes) {
        debug_assert_eq!(channel, self.channel());
        if message.len() > self.config.channel.recv_message_capacity {
            // Every peer would hang up on it; the application is asked to check the length.
            self.counters.too_long += 1;
            return;
        }
        self.counters.published += 1;
        self.submit(cx, None, message);
    }

    fn handle_note(&mut self, cx: &mut dyn Context, from: ShardId, note: Note) {
        if note.kind == CLAIM {
            return self.decide(cx, from, note.digest, note.peer, note.body);
        }
        if note.kind == PRESSURE {
            return self.set_pressed(from, note.digest[0] == 1);
        }
        // The owner has decided: from now on this shard knows the message by itself.
        self.seen.insert(cx.now(), note.digest);
        let delivers = note.kind == SPREAD_AND_DELIVER;
        self.spread(cx, note.digest, note.peer, delivers, note.body);
    }

    fn remove_peer(&mut self, cx: &mut dyn Context, peer: &PeerInfo, _reason: &CloseReason) {
        self.peers.remove(&peer.key);
        self.report_pressure(cx);
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let counters = self.counters;
        vec![
            ("gossip_copies_received", counters.copies),
            ("gossip_delivered", counters.delivered),
            ("gossip_duplicates", counters.duplicates),
            ("gossip_published", counters.published),
            ("gossip_too_long", counters.too_long),
            ("gossip_sent", counters.sent),
            ("gossip_spared", counters.spared),
        ]
    }
}

/// The shard that decides about an id.
fn owner_of(digest: &Digest, shard_count: u16) -> ShardId {
    let word = u64::from_le_bytes(digest[..8].try_into().expect("eight of 32 bytes"));
    let shard = word % u64::from(shard_count.max(1));
    ShardId(u16::try_from(shard).expect("a remainder of a u16"))
}

fn slow_peer(backlog_bytes: usize, max: usize) -> ReactorError {
    ReactorError::new(format!(
        "slow peer: {backlog_bytes} bytes of gossip wait for it, the budget is {max}"
    ))
}

#[cfg(test)]
mod tests;
