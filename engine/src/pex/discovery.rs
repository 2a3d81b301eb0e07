//! Discovery: the part of the peer exchange that decides for the whole node. It lives on the
//! coordinator's shard and owns the address book.
//!
//! ```text
//!              every interval                         what peers answer
//!                    │                                        │
//!        look ──▶ draw from the book ──▶ dial      learn ──▶ book ──▶ dial, if places are left
//!          │                              │                    └────▶ snapshot to every shard
//!          ├──▶ ask one peer              └─ failed: it rests, or is given up
//!          └──▶ nobody to dial: a seed
//! ```
//!
//! A seed crawls instead: see [`super::crawler`].

mod dialing;

use std::sync::Arc;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId, PexMessage};

use self::dialing::Filled;
use super::AddrBook;
use super::backoff::Attempts;
use super::config::PexConfig;
use super::crawler::Crawler;
use super::note::{Introduction, PexNote};
use super::roster::{Member, Roster};
use super::seeds::{Round, Seeds};
use super::timer::PexTimer;
use crate::chance::Chance;
use crate::document::Document;
use crate::peer::{BanTarget, Direction, ShardId};
use crate::reactor::Context;

/// How long a peer that abused the exchange is refused (reference, `defaultBanTime`).
pub(super) const BAN: Duration = Duration::from_secs(24 * 3600);

/// How long its address is refused. Long enough that a new key is no way back in, short enough for
/// an honest node that gets the address next, or shares it.
const BAN_OF_IP: Duration = Duration::from_secs(3600);

/// Pause between two snapshots for the other shards. An answer may be this much behind the book;
/// sharing at each address learned would make a snapshot of twenty thousand for every one of them.
const SHARE_PAUSE: Duration = Duration::from_millis(250);

/// When the book is written for the first time: a node that is killed young must not have to ask
/// the seeds again.
const SAVE_FIRST: Duration = Duration::from_secs(5);

/// Pause between two writings of the book (reference, `dumpAddressInterval`).
const SAVE_PAUSE: Duration = Duration::from_secs(120);

/// Dials per place and interval that may follow on failed ones or on lost peers at once. A book has
/// many addresses where nobody is; waiting an interval for each would leave places free for long. So
/// many and no more, that a book of nothing else costs little.
const REDIALS_PER_PLACE: usize = 3;

/// What was decided so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DiscoveryCounters {
    pub(super) learned: u64,
    pub(super) refused: u64,
    pub(super) dials: u64,
    pub(super) dials_failed: u64,
    pub(super) seed_dials_failed: u64,
    pub(super) given_up: u64,
    pub(super) bans: u64,
    pub(super) snapshots: u64,
}

/// The node's discovery.
pub(super) struct Discovery {
    config: Arc<PexConfig>,
    book: AddrBook,
    chance: Chance,
    roster: Roster,
    attempts: Attempts,
    seeds: Seeds,
    /// In seed mode only.
    crawler: Option<Crawler>,
    /// Whether places were free at the last look.
    is_short: bool,
    /// Dials that may be made before the next look, in place of such as failed.
    redials: usize,
    /// Whether a snapshot for the other shards is planned.
    is_share_planned: bool,
    /// Whether the book has changed since it was written down.
    is_unsaved: bool,
    pub(super) counters: DiscoveryCounters,
}

impl Discovery {
    /// Discovery with what is known from earlier lives.
    pub(super) fn new(config: Arc<PexConfig>, book: AddrBook, chance: Chance) -> Self {
        let crawler = config
            .seed_mode
            .then(|| Crawler::new(config.stable_after()));
        Discovery {
            seeds: Seeds::new(config.seeds.clone()),
            config,
            book,
            chance,
            roster: Roster::default(),
            attempts: Attempts::default(),
            crawler,
            is_short: false,
            redials: 0,
            is_share_planned: false,
            is_unsaved: false,
            counters: DiscoveryCounters::default(),
        }
    }

    /// The engine runs.
    pub(super) fn start(&mut self, cx: &mut dyn Context) {
        let config = Arc::clone(&self.config);
        for address in &config.our_addresses {
            self.book.add_our_address(address.clone());
        }
        self.book
            .add_private_ids(config.private_ids.iter().copied());
        for address in &config.persistent_peers {
            let source = config.our_addresses.first().unwrap_or(address);
            self.learn(cx, std::slice::from_ref(address), source);
        }
        // Where peers are being dialed already, there is no hurry, and nodes that start together
        // had better not all look at the same moment (reference, `ensurePeersRoutine`).
        let first_look = match config.persistent_peers.is_empty() {
            true => Duration::ZERO,
            false => self.chance.duration_up_to(config.interval),
        };
        cx.set_timer(first_look, PexTimer::Look.token());
        cx.set_timer(SAVE_FIRST, PexTimer::Save.token());
        self.plan_share(cx);
    }

    // ---- told by the shards ------------------------------------------------------------------

    /// A peer was added on a shard.
    pub(super) fn handle_joined(
        &mut self,
        cx: &mut dyn Context,
        shard: ShardId,
        id: NodeId,
        introduction: Introduction,
    ) {
        let Introduction {
            direction,
            is_kept,
            speaks_pex,
            place,
            listens_at,
        } = introduction;
        let source = place.clone();
        let member = Member {
            shard,
            direction,
            is_kept,
            speaks_pex,
            place,
            since: cx.now(),
            asked_at: None,
            is_good: false,
        };
        self.roster.insert(id, member);
        match (direction, listens_at) {
            // Whom we dialed comes from the book already, or from the operator.
            (Direction::Outbound, _) => {
                let is_visit = self.crawler.is_some() || self.seeds.contains(&id);
                if speaks_pex && (is_visit || self.book.needs_more()) {
                    self.ask(cx, id);
                }
            }
            (Direction::Inbound, Some(address)) => self.learn(cx, &[address], &source),
            (Direction::Inbound, None) => {}
        }
    }

    /// A peer is gone; `by_remote` tells whether the other side, or the network, ended it.
    pub(super) fn handle_left(&mut self, cx: &mut dyn Context, id: NodeId, by_remote: bool) {
        let Some(member) = self.roster.remove(&id) else {
            return;
        };
        let lasted = cx.now() - member.since;
        let is_seed = self.seeds.contains(&id);
        let was_turned_away = by_remote
            && member.direction == Direction::Outbound
            && lasted < self.config.brief()
            && !is_seed
            && self.crawler.is_none();
        if was_turned_away {
            // It answers and has no room: others are dialed before it is tried again.
            self.count_failure(cx, &member.place);
        } else {
            self.attempts.forget(&id);
            if member.is_good {
                self.mark_good(cx, &id, &member.place);
            }
        }
        if self.seeds.handle_left(&id) == Round::GoesOn {
            self.dial_next_seed(cx);
        }
        if is_seed || self.crawler.is_some() {
            // Its place is free for one that it told of, or for the next visit.
            self.fill_places(cx);
        } else if member.direction == Direction::Outbound {
            self.redial(cx);
        }
    }

    /// A peer answered with addresses.
    pub(super) fn handle_learned(&mut self, cx: &mut dyn Context, id: NodeId, message: &[u8]) {
        // The shard of the peer has read the message before: it is an answer.
        let (Ok(PexMessage::Addrs(addresses)), Some(member)) =
            (PexMessage::decode(message), self.roster.find(&id))
        else {
            return;
        };
        let (source, direction) = (member.place.clone(), member.direction);
        tracing::debug!(peer = %id, addresses = addresses.len(), "was told addresses");
        self.seeds.handle_answered(&id);
        self.learn(cx, &addresses, &source);
        if self.crawler.is_some() && direction == Direction::Outbound {
            // The seed has seen for itself that a node is there and speaks.
            self.mark_good(cx, &id, &source);
        }
        self.fill_places(cx);
    }

    /// A peer that broke a rule is being closed: it does not come back for a while, unless the
    /// operator named it as one to keep.
    pub(super) fn handle_offence(&mut self, cx: &mut dyn Context, id: NodeId, what: &str) {
        let Some(member) = self.roster.find(&id).cloned() else {
            return;
        };
        if member.is_kept {
            tracing::warn!(peer = %id, %what, "closed a peer that is to be kept");
            return;
        }
        tracing::warn!(peer = %id, addr = %member.place, %what, "banned a peer");
        self.counters.bans += 1;
        if let Some(address) = self.book.address_of(&id).cloned() {
            self.mark_bad(cx, &address);
        }
        cx.ban(BanTarget::Id(id), BAN);
        let ip = member
            .place
            .host
            .ip()
            .filter(|_| member.place.is_routable());
        if let Some(ip) = ip.filter(|ip| !self.roster.shares_ip(&id, *ip)) {
            cx.ban(BanTarget::Ip(ip), BAN_OF_IP);
        }
    }

    // ---- what is due -------------------------------------------------------------------------

    /// An interval is over.
    pub(super) fn look(&mut self, cx: &mut dyn Context) {
        // An eighth more or less, so that nodes which started together do not go on looking, and
        // running at the same few seeds, in step.
        let interval = self.config.interval;
        let spread = self.chance.duration_up_to(interval / 4);
        cx.set_timer(interval - interval / 8 + spread, PexTimer::Look.token());
        let stable_after = self.config.stable_after();
        for (id, place) in self.roster.take_stable(cx.now(), stable_after) {
            self.mark_good(cx, &id, &place);
        }
        if let Some(crawler) = &mut self.crawler {
            crawler.refill(cx.now(), self.book.selection());
        }
        self.redials = REDIALS_PER_PLACE * self.config.outbound_max;
        let filled = self.fill_places(cx);
        if self.wants_seed(filled) {
            self.seeds.begin_round(&mut self.chance);
            self.dial_next_seed(cx);
        }
        if !self.book.needs_more() {
            return;
        }
        let reinstated = self.book.reinstate_bad(self.config.wall(cx.now()));
        if reinstated > 0 {
            self.handle_changed(cx);
        }
        if self.crawler.is_none() {
            self.ask_somebody(cx);
        }
    }

    /// Whether to ask a seed: nobody is left to dial, or an interval of dialing has not filled the
    /// places. A book full of lies always has somebody to dial, and a node that only liars have
    /// found would dial on for ever.
    fn wants_seed(&mut self, filled: Filled) -> bool {
        let is_short = filled.places > 0;
        let was_short = std::mem::replace(&mut self.is_short, is_short);
        is_short && (filled.dialed == 0 || (was_short && self.crawler.is_none()))
    }

    /// Tells all other shards what is in the book. Only a reference to the one snapshot travels.
    pub(super) fn share(&mut self, cx: &mut dyn Context) {
        self.is_share_planned = false;
        self.counters.snapshots += 1;
        let snapshot = self.book.snapshot().into_bytes();
        for shard in (1..cx.shard_count()).map(ShardId) {
            cx.send_note(shard, PexNote::Book(snapshot.clone()).into_note());
        }
    }

    /// It is time to write the book down.
    pub(super) fn handle_save_due(&mut self, cx: &mut dyn Context) {
        cx.set_timer(SAVE_PAUSE, PexTimer::Save.token());
        self.save(cx);
    }

    /// Has the book written down if it has changed.
    pub(super) fn save(&mut self, cx: &mut dyn Context) {
        if std::mem::take(&mut self.is_unsaved) {
            cx.save(self.book.document());
        }
    }

    // ---- asked -------------------------------------------------------------------------------

    /// What to tell a peer that asks; a seed tells more of those that it has visited.
    pub(super) fn selection(&mut self, bias_to_new: Option<u8>) -> Vec<NetAddress> {
        match bias_to_new {
            Some(bias) => self.book.selection_with_bias(bias),
            None => self.book.selection(),
        }
    }

    /// The book as it is kept.
    pub(super) fn document(&self) -> Document {
        self.book.document()
    }

    // ---- inside ------------------------------------------------------------------------------

    fn learn(&mut self, cx: &mut dyn Context, addresses: &[NetAddress], source: &NetAddress) {
        self.book.advance(self.config.wall(cx.now()));
        for address in addresses {
            match self.book.add(address, source) {
                Ok(()) => self.counters.learned += 1,
                Err(error) => {
                    self.counters.refused += 1;
                    tracing::trace!(%address, %error, "address not taken");
                }
            }
        }
        self.handle_changed(cx);
    }

    fn ask_somebody(&mut self, cx: &mut dyn Context) {
        let pause = self.config.ask_pause();
        let drawn = self.roster.draw_askable(cx.now(), pause, &mut self.chance);
        if let Some(id) = drawn {
            self.ask(cx, id);
        }
    }

    fn ask(&mut self, cx: &mut dyn Context, id: NodeId) {
        if let Some(member) = self.roster.find(&id) {
            cx.send_note(member.shard, PexNote::Ask(id).into_note());
            self.roster.mark_asked(&id, cx.now());
        }
    }

    /// The node at `place` is there; its address is good if it is the one in the book.
    fn mark_good(&mut self, cx: &mut dyn Context, id: &NodeId, place: &NetAddress) {
        if self.book.address_of(id) == Some(place) {
            self.book.mark_good(id, self.config.wall(cx.now()));
            self.handle_changed(cx);
        }
    }

    fn mark_bad(&mut self, cx: &mut dyn Context, address: &NetAddress) {
        self.book.mark_bad(address, BAN, self.config.wall(cx.now()));
        self.handle_changed(cx);
    }

    /// The book holds something else than before.
    fn handle_changed(&mut self, cx: &mut dyn Context) {
        self.is_unsaved = true;
        self.plan_share(cx);
    }

    fn plan_share(&mut self, cx: &mut dyn Context) {
        if cx.shard_count() > 1 && !std::mem::replace(&mut self.is_share_planned, true) {
            cx.set_timer(SHARE_PAUSE, PexTimer::Share.token());
        }
    }
}

#[cfg(test)]
mod tests;
