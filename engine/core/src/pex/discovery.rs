//! Discovery: the part of the peer exchange that decides for the whole node. It lives on the
//! coordinator's shard and owns the address book.
//!
//! ```text
//!              every interval                         what peers answer
//!                    │                                        │
//!        look ──▶ draw from the book ──▶ dial      learn ──▶ book ──▶ dial, if places are left
//!          │                              │                    └────▶ answers to whoever asks
//!          ├──▶ ask one peer              └─ failed: it rests, or is given up
//!          └──▶ nobody to dial: a seed
//! ```
//!
//! A seed crawls instead: see [`super::crawler`].

mod dialing;

use std::sync::Arc;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};

use self::dialing::Filled;
use super::backoff::Attempts;
use super::config::PexConfig;
use super::crawler::Crawler;
use super::note::{EndedBy, Introduction, PexNote};
use super::offences::Offences;
use super::reactor::{Pex, PexTimer};
use super::roster::{Member, Roster};
use super::seeds::{Round, Seeds};
use super::{AddAddressError, AddrBook};
use crate::chance::Chance;
use crate::document::Document;
use crate::peer::{BanTarget, Direction, ShardId};
use crate::reactor::Context;
use crate::time::Instant;

/// How long an address that was dialed in vain too often stays out of the book (reference,
/// `defaultBanTime`).
pub(super) const GIVEN_UP: Duration = Duration::from_secs(24 * 3600);

/// A seed's answers hold this many percent of addresses that never proved good (reference).
const SEED_BIAS_TO_NEW: u8 = 30;

/// A seed lets everybody who only waits stay this long at least, however crowded it is: an honest
/// node asks as soon as it is connected.
const SILENCE_MIN: Duration = Duration::from_secs(1);

/// The part of a seed's inbound places that is kept free of those who only wait.
const FREE_PARTS: usize = 4;

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
    /// Peers of a seed that only waited and had to make room.
    pub(super) dismissed: u64,
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
    offences: Offences,
    /// Whether a look at a seed's silent peers is planned.
    is_crowd_planned: bool,
    /// Whether the node stops: nobody is dialed any more.
    is_stopping: bool,
    /// Whether the operator was told that a strict book is of no use here.
    has_warned: bool,
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
            offences: Offences::default(),
            is_crowd_planned: false,
            is_stopping: false,
            has_warned: false,
            is_unsaved: false,
            counters: DiscoveryCounters::default(),
        }
    }

    /// The engine runs.
    pub(super) fn start(&mut self, cx: &mut Context<'_, Pex>) {
        let config = Arc::clone(&self.config);
        for address in &config.our_addresses {
            self.book.add_our_address(address.clone());
        }
        self.book
            .add_private_ids(config.private_ids.iter().copied());
        for address in &config.persistent_peers {
            let source = config.our_addresses.first().unwrap_or(address);
            self.learn(cx.now(), std::slice::from_ref(address), source);
        }
        // Where peers are being dialed already, there is no hurry, and nodes that start together
        // had better not all look at the same moment (reference, `ensurePeersRoutine`).
        let first_look = match config.persistent_peers.is_empty() {
            true => Duration::ZERO,
            false => self.chance.duration_up_to(config.interval),
        };
        cx.set_timer(first_look, PexTimer::Look);
        cx.set_timer(SAVE_FIRST, PexTimer::Save);
    }

    /// The operator has changed what the node goes by. More places are filled at once, and a new seed
    /// is asked now if nobody else can be.
    pub(super) fn handle_reconfigured(
        &mut self,
        cx: &mut Context<'_, Pex>,
        config: Arc<PexConfig>,
    ) {
        let before = std::mem::replace(&mut self.config, Arc::clone(&config));
        self.roster.keep(|id| config.is_kept(id));
        let secrets_differ = before.private_ids != config.private_ids;
        if secrets_differ {
            self.book
                .set_private_ids(config.private_ids.iter().copied());
            self.is_unsaved = true;
        }
        for address in &config.persistent_peers {
            // One that was private is not in the book, and may be now.
            if secrets_differ || !before.persistent_peers.contains(address) {
                let source = config.our_addresses.first().unwrap_or(address);
                self.learn(cx.now(), std::slice::from_ref(address), source);
            }
        }
        let seeds_differ = before.seeds != config.seeds;
        if seeds_differ {
            self.seeds.rename(config.seeds.clone());
        }
        if seeds_differ || before.outbound_max < config.outbound_max {
            self.seek(cx);
        }
    }

    // ---- told by the shards ------------------------------------------------------------------

    /// A peer was added on a shard.
    pub(super) fn handle_joined(
        &mut self,
        cx: &mut Context<'_, Pex>,
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
            settled_at: None,
            is_owed: false,
            is_good: false,
            is_dismissed: false,
            has_offended: false,
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
            (Direction::Inbound, Some(address)) => {
                self.learn(cx.now(), &[address], &source);
                self.make_room(cx);
            }
            (Direction::Inbound, None) => self.make_room(cx),
        }
    }

    /// A peer is gone.
    pub(super) fn handle_left(&mut self, cx: &mut Context<'_, Pex>, id: NodeId, ended_by: EndedBy) {
        self.is_stopping |= ended_by == EndedBy::Shutdown;
        let Some(member) = self.roster.remove(&id) else {
            return;
        };
        let lasted = cx.now() - member.since;
        let is_seed = self.seeds.contains(&id);
        let was_turned_away = ended_by == EndedBy::Remote
            && member.direction == Direction::Outbound
            && lasted < self.config.brief()
            && !is_seed
            && self.crawler.is_none();
        if was_turned_away || member.has_offended {
            // It answers and has no room, or is not to be trusted: others are dialed before it is
            // tried again.
            self.count_failure(cx.now(), &member.place);
        } else {
            self.attempts.forget(&id);
            if member.is_good {
                self.mark_good(cx.now(), &id, &member.place);
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
    pub(super) fn handle_learned(
        &mut self,
        cx: &mut Context<'_, Pex>,
        id: NodeId,
        addresses: &[NetAddress],
    ) {
        let Some(member) = self.roster.find(&id) else {
            return;
        };
        let (source, direction) = (member.place.clone(), member.direction);
        tracing::debug!(target: "ringwire::pex", peer = %id, addresses = addresses.len(), "was told addresses");
        self.seeds.handle_answered(&id);
        self.roster.handle_answered(&id, cx.now());
        self.learn(cx.now(), addresses, &source);
        if self.crawler.is_some() && direction == Direction::Outbound {
            // The seed has seen for itself that a node is there and speaks.
            self.mark_good(cx.now(), &id, &source);
        }
        self.fill_places(cx);
    }

    /// A peer that broke a rule is being closed. When it is not the first time, it does not come
    /// back for a while, unless the operator named it as one to keep.
    pub(super) fn handle_offence(&mut self, cx: &mut Context<'_, Pex>, id: NodeId, what: &str) {
        let Some(member) = self.roster.find(&id).cloned() else {
            return;
        };
        if member.is_kept {
            tracing::warn!(target: "ringwire::pex", peer = %id, %what, "closed a peer that is to be kept");
            return;
        }
        let now = cx.now();
        self.roster.mark_offender(&id);
        let span = self.offences.count_id(id, now);
        if span.is_zero() {
            tracing::warn!(target: "ringwire::pex", peer = %id, addr = %member.place, %what, "closed a peer");
        } else {
            tracing::warn!(target: "ringwire::pex", peer = %id, addr = %member.place, %what, ?span, "banned a peer");
            self.counters.bans += 1;
            self.mark_bad(now, &member.place, span);
            ban(cx, BanTarget::Id(id), span);
        }
        let ip = member.place.host.ip();
        if let Some(ip) = ip.filter(|_| member.place.is_routable())
            && !self.roster.shares_ip(&id, ip)
            && let span = self.offences.count_host(ip, now)
            && !span.is_zero()
        {
            ban(cx, BanTarget::Ip(ip), span);
        }
    }

    // ---- what is due -------------------------------------------------------------------------

    /// An interval is over.
    pub(super) fn look(&mut self, cx: &mut Context<'_, Pex>) {
        // An eighth more or less, so that nodes which started together do not go on looking, and
        // running at the same few seeds, in step.
        let interval = self.config.interval;
        let spread = self.chance.duration_up_to(interval / 4);
        cx.set_timer(interval - interval / 8 + spread, PexTimer::Look);
        let stable_after = self.config.stable_after();
        for (id, place) in self.roster.take_stable(cx.now(), stable_after) {
            self.mark_good(cx.now(), &id, &place);
        }
        if let Some(crawler) = &mut self.crawler {
            crawler.refill(cx.now(), self.book.selection());
        }
        self.seek(cx);
        if !self.book.needs_more() {
            return;
        }
        let reinstated = self.book.reinstate_bad(self.config.wall(cx.now()));
        self.is_unsaved |= reinstated > 0;
        if self.crawler.is_none() {
            self.ask_somebody(cx);
        }
    }

    /// Dials as many as there are places, and a seed where that helps no further.
    fn seek(&mut self, cx: &mut Context<'_, Pex>) {
        self.redials = REDIALS_PER_PLACE.saturating_mul(self.config.outbound_max);
        let filled = self.fill_places(cx);
        if self.wants_seed(filled) {
            self.seeds.begin_round(&mut self.chance);
            self.dial_next_seed(cx);
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

    /// It is time to look at a seed's silent peers.
    pub(super) fn handle_crowd_due(&mut self, cx: &mut Context<'_, Pex>) {
        self.is_crowd_planned = false;
        self.make_room(cx);
    }

    /// It is time to write the book down.
    pub(super) fn handle_save_due(&mut self, cx: &mut Context<'_, Pex>) {
        cx.set_timer(SAVE_PAUSE, PexTimer::Save);
        self.save(cx);
    }

    /// Has the book written down if it has changed.
    pub(super) fn save(&mut self, cx: &mut Context<'_, Pex>) {
        if std::mem::take(&mut self.is_unsaved) {
            // A node whose application named no file keeps no book, and knows it.
            let _ = cx.save(self.book.document());
        }
    }

    // ---- asked -------------------------------------------------------------------------------

    /// What to tell a peer that asks; a seed tells more of those that it has visited.
    pub(super) fn selection(&mut self) -> Vec<NetAddress> {
        match self.config.seed_mode {
            true => self.book.selection_with_bias(SEED_BIAS_TO_NEW),
            false => self.book.selection(),
        }
    }

    /// How many addresses the book has: new ones, old ones, banned ones.
    pub(super) fn book_len(&self) -> [usize; 3] {
        let banned = self.book.banned().len();
        [self.book.new_len(), self.book.old_len(), banned]
    }

    /// The book as it is kept.
    pub(super) fn document(&self) -> Document {
        self.book.document()
    }

    // ---- inside ------------------------------------------------------------------------------

    /// Keeps a seed's places free for those who come to ask: while they run out, who only waits has
    /// to go, whoever has waited longest first.
    fn make_room(&mut self, cx: &mut Context<'_, Pex>) {
        let is_seed = self.crawler.is_some();
        let Some(node) = cx.node().filter(|_| is_seed && !self.is_stopping) else {
            return;
        };
        let census = node.census();
        let kept_free = (self.config.inbound_max / FREE_PARTS).max(1);
        let allowed = self.config.inbound_max.saturating_sub(kept_free);
        let going = self.roster.dismissed_count();
        let surplus = census.inbound.saturating_sub(going + allowed);
        let mut next_at = None;
        for (id, member) in self.roster.longest_silent(surplus) {
            if cx.now() - member.since < SILENCE_MIN {
                next_at = Some(member.since + SILENCE_MIN);
                break;
            }
            cx.send_note(member.shard, PexNote::Dismiss(id));
            self.roster.mark_dismissed(&id);
            self.counters.dismissed += 1;
        }
        if let Some(at) = next_at
            && !std::mem::replace(&mut self.is_crowd_planned, true)
        {
            cx.set_timer(at - cx.now(), PexTimer::Crowd);
        }
    }

    fn learn(&mut self, now: Instant, addresses: &[NetAddress], source: &NetAddress) {
        self.book.advance(self.config.wall(now));
        for address in addresses {
            match self.book.add(address, source) {
                Ok(()) => self.counters.learned += 1,
                Err(error) => {
                    self.counters.refused += 1;
                    tracing::trace!(target: "ringwire::pex", %address, %error, "address not taken");
                    self.warn_of_strictness(address, source, error);
                }
            }
        }
        self.is_unsaved = true;
    }

    /// Says once that a strict book finds nobody on a private network. An address that is refused
    /// says so only if its teller is on such a network itself: on the internet there is always
    /// somebody who tells of addresses that only he can reach.
    fn warn_of_strictness(
        &mut self,
        address: &NetAddress,
        source: &NetAddress,
        error: AddAddressError,
    ) {
        let is_telling = error == AddAddressError::NotRoutable && !source.is_routable();
        if is_telling && !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(target: "ringwire::pex",
                %address,
                told_by = %source,
                "the address book is strict and refuses addresses that the internet does not \
                 reach, so peers on this network are not found; on a private network set \
                 addr_book_strict = false"
            );
        }
    }

    fn ask_somebody(&mut self, cx: &mut Context<'_, Pex>) {
        let pause = self.config.ask_pause();
        let drawn = self.roster.draw_askable(cx.now(), pause, &mut self.chance);
        if let Some(id) = drawn {
            self.ask(cx, id);
        }
    }

    fn ask(&mut self, cx: &mut Context<'_, Pex>, id: NodeId) {
        if let Some(member) = self.roster.find(&id) {
            cx.send_note(member.shard, PexNote::Ask(id));
            self.roster.handle_asked(&id, cx.now());
        }
    }

    /// The node at `place` is there; its address is good if it is the one in the book.
    fn mark_good(&mut self, now: Instant, id: &NodeId, place: &NetAddress) {
        if self.book.address_of(id) == Some(place) {
            self.book.mark_good(id, self.config.wall(now));
            self.is_unsaved = true;
        }
    }

    fn mark_bad(&mut self, now: Instant, address: &NetAddress, span: Duration) {
        self.book.mark_bad(address, span, self.config.wall(now));
        self.is_unsaved = true;
    }
}

/// Refuses somebody on all shards. Discovery lives where that is decided.
fn ban(cx: &mut Context<'_, Pex>, target: BanTarget, span: Duration) {
    if let Some(mut node) = cx.node() {
        node.ban(target, span);
    }
}

#[cfg(test)]
mod tests;
