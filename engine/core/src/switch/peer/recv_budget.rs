//! The received bytes that a shard holds for all its peers together, and who is read while they are
//! many.
//!
//! A channel bounds its messages, a connection what it reads ahead. Times the peers that is more
//! than any machine has: each may begin a message of 21 MiB on each channel and send no more. So
//! what is held (unread, half gathered, whole and not pulled) has a budget, and each shard an equal
//! part of the node's, because shards share nothing.
//!
//! ```text
//!   held by all:  0 ──────────────── half ──────────────── budget
//!                 everybody is read    │  who holds less than its share is read, and of the others
//!                                      │  a few on trial, and one that has proven itself
//!   share of one peer = half ÷ peers, so all shares together fill the other half
//!
//!   waits ──in order──▶ on trial ──its message grew──▶ proven ──in order──▶ favoured ──finished──▶
//!     ▲                    │                                              │  │
//!     └────────────────────┼────────────── stands still ──────────────────┘  │
//!                          └──── it did not ────▶ closed by name ◀──── not in time
//! ```
//!
//! * Nobody who sends small messages notices peers that hold much: a share is always there.
//! * When somebody waits, some of those that hold their share are put on *trial*: each is read until
//!   **that** message of it which is its largest has grown a little. An honest peer, which waits for
//!   us to read, does that at once. One that is silent, or drips, or finishes tiny messages on another
//!   channel does not. So those who only hold memory are found many at a time, and an honest peer does
//!   not wait for them.
//! * Who has proven itself is *favoured*, one after the other: read until that message is finished,
//!   with twice the time that the longest message takes at the configured rate. One that stands still
//!   for a moment while others are proven loses its turn, and comes to trial again.
//! * Who fails, on trial or in time, is closed, its memory is free. Only while others wait, though: a slow peer that nobody
//!   waits for does no harm. A time in which it is we who do not read, or stand still, is no fault of the peer, and
//!   peers that hold their share in whole messages, which wait for us, are never tried.
//! * The budget is overrun by what one turn of the ring receives, by the growth of gather buffers,
//!   which double, by the favoured message, and by what trials let grow.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::buffer::pool::RECV_BYTES;
use crate::conn::{ConnError, Unfinished};
use crate::error::CloseReason;
use crate::peer::PeerKey;
use crate::switch::core::Core;
use crate::switch::io::ReadMode;
use crate::switch::links::table::Links;
use crate::switch::peer::peer::Peer;
use crate::switch::timers::Timer;
use crate::time::{Deadline, Instant};

/// Peers on trial at a time: enough to find those who only hold memory soon, few enough that what
/// they may bring meanwhile is a small part of any budget.
const TRIALS_MAX: usize = 16;
/// How long a message on trial may take to grow at a usual rate: a few round trips around the world,
/// or a few lost segments in a row.
const PROGRESS_SPAN: Duration = Duration::from_secs(2);
/// Bytes by which it must have grown in that time.
const PROGRESS_BYTES: usize = 64 * 1024;
/// In which part of that time, one in so many, the favoured message must grow for its peer to keep its
/// turn. Losing it costs little, and every moment of it costs all others.
const FAVOUR_STEPS: u32 = 8;
/// Bytes by which it must have grown in such a step: what a connection brings in its first round trip.
const FAVOUR_STEP_BYTES: usize = 14 * 1024;
/// How long a favoured message may take in any case, as long as it grows.
const FINISHING_SPAN_MIN: Duration = Duration::from_secs(5);
/// Spans that a trial has in any case, however much of its time we did not read.
const TRIAL_SPANS: u32 = 3;
/// Bytes per second that a favoured peer is expected to bring at most, however much is allowed: the
/// default of `recv_rate`.
const EXPECTED_RATE_MAX: u64 = 5_120_000;

/// The budget of one shard.
#[derive(Debug)]
pub(crate) struct RecvBudget {
    /// Bytes held from which only shares are given.
    half: usize,
    /// Bytes held now, by all peers.
    held: usize,
    /// Peers that would be read if they held less, and how many had begun to wait by then.
    waiting: BTreeMap<PeerKey, u64>,
    /// Peers that ever began to wait.
    waited: u64,
    /// At most [`TRIALS_MAX`].
    trials: Vec<Watch>,
    /// Who passed its trial, in order; each once.
    proven: VecDeque<PeerKey>,
    favoured: Option<Watch>,
}

/// A peer that is read although it holds its share.
#[derive(Clone, Copy, Debug)]
struct Watch {
    peer: PeerKey,
    /// What it has to get on with, as it was at the last look.
    unfinished: Unfinished,
    since: Instant,
    /// The time from one look to the next, and by how many bytes it must grow in that.
    step: (Duration, usize),
    /// When the next look is due.
    look_at: Deadline,
    /// When it is over in any case.
    until: Instant,
}

/// What a look at a watched peer tells.
enum Progress {
    /// What was begun is finished, or cannot go on because of what waits for us.
    Over,
    /// It has grown, is not due yet, or could not be read.
    Goes(Unfinished),
    /// It has not grown since the last look.
    Stands,
    /// Its time is up.
    Late,
}

/// What becomes of a watched peer whose look was due.
enum Look {
    /// It is watched on.
    Again(Watch),
    /// It is watched no longer.
    Over,
    /// It has to be closed.
    Close(CloseReason),
}

impl RecvBudget {
    /// A budget of so many bytes, nothing of it used.
    pub(crate) fn new(budget: usize) -> Self {
        RecvBudget {
            half: budget / 2,
            held: 0,
            waiting: BTreeMap::new(),
            waited: 0,
            trials: Vec::new(),
            proven: VecDeque::new(),
            favoured: None,
        }
    }

    /// Bytes held now.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Peers that are not read because of what they hold.
    pub(crate) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// A peer holds `now`; it held `former` when it was last looked at.
    fn update(&mut self, former: &mut usize, now: usize) {
        self.held = self.held - *former + now;
        *former = now;
    }

    /// A peer is gone.
    pub(crate) fn forget(&mut self, peer: PeerKey, held: usize) {
        self.held -= held;
        self.waiting.remove(&peer);
        self.trials.retain(|trial| trial.peer != peer);
        self.proven.retain(|proven| *proven != peer);
        self.favoured.take_if(|favoured| favoured.peer == peer);
    }

    fn is_full(&self) -> bool {
        self.held >= self.half
    }

    fn is_used_up(&self) -> bool {
        self.held / 2 >= self.half
    }

    /// What each of so many peers may hold in any case. The last byte of it is there for everybody.
    fn share(&self, peers: usize) -> usize {
        (self.half / peers.max(1)).max(1)
    }

    fn may_read(&self, peer: PeerKey, held: usize, peers: usize) -> bool {
        !self.is_full() || held < self.share(peers) || self.is_watched(peer)
    }

    fn is_watched(&self, peer: PeerKey) -> bool {
        let mut watched = self.trials.iter().chain(&self.favoured);
        watched.any(|watch| watch.peer == peer)
    }

    fn hold_back(&mut self, peer: PeerKey) {
        let waited = &mut self.waited;
        self.waiting.entry(peer).or_insert_with(|| {
            *waited += 1;
            *waited
        });
    }

    /// Whom to try next, of peers given with what they hold: who has waited longest, and then, of
    /// those who wait for nothing, who holds most.
    fn next_trials(&self, candidates: impl Iterator<Item = (usize, PeerKey)>) -> Vec<PeerKey> {
        let free = TRIALS_MAX - self.trials.len();
        let untried =
            candidates.filter(|(_, peer)| !self.is_watched(*peer) && !self.proven.contains(peer));
        let mut order: Vec<_> = untried
            .map(|(held, peer)| {
                let number = self.waiting.get(&peer).copied().unwrap_or(u64::MAX);
                (number, std::cmp::Reverse(held), peer)
            })
            .collect();
        order.sort_unstable();
        order
            .into_iter()
            .map(|(.., peer)| peer)
            .take(free)
            .collect()
    }

    /// Lets everybody be read again. Gives those who waited.
    fn open(&mut self) -> impl Iterator<Item = PeerKey> + use<> {
        self.trials.clear();
        self.proven.clear();
        self.favoured = None;
        std::mem::take(&mut self.waiting).into_keys()
    }
}

// ---- who is read ----------------------------------------------------------------------------

impl RecvBudget {
    /// Tells the shell whether to read a peer: it has room itself, and the budget lets it.
    #[inline]
    pub(crate) fn read_as_wanted(&mut self, core: &mut Core, links: &mut Links, key: PeerKey) {
        let (now, peers) = (core.now(), links.peer_count());
        let Some(link) = links.get_mut(key) else {
            return;
        };
        let has_ended = link.ended().is_some();
        let Some(peer) = link.peer_mut() else { return };
        peer.count_held(|former, now| self.update(former, now));
        let wants_read = !has_ended && peer.wants_read(now);
        let may_read = self.may_read(key, peer.held(), peers);
        if wants_read && !may_read {
            self.hold_back(key);
            peer.note_held_back(now);
        } else {
            self.waiting.remove(&key);
        }
        let mode = match wants_read && may_read {
            true => ReadMode::Stream,
            false => ReadMode::Pause,
        };
        links.set_read(core, key, mode);
    }

    /// Lets those who wait be read again once there is room; else looks who gets on, and whom to read
    /// beside. Once per turn; costs nothing while nobody waits.
    pub(crate) fn balance_reading(&mut self, core: &mut Core, links: &mut Links) {
        let is_watching = self.favoured.is_some() || !self.trials.is_empty();
        if self.waiting.is_empty() && !is_watching {
            return;
        }
        if !self.is_full() {
            return self.open().for_each(|key| links.mark(key));
        }
        self.look_at_favoured(core, links);
        self.look_at_trials(core, links);
        if !self.waiting.is_empty() {
            self.begin_trials(core, links);
            self.favour_next(core, links);
        }
    }

    fn look_at_favoured(&mut self, core: &Core, links: &mut Links) {
        let over = self.favoured.filter(|watch| {
            let progress = watch.progress(core, links);
            matches!(progress, Progress::Over)
        });
        if let Some(Watch { peer, .. }) = over {
            self.favoured = None;
            // It takes its place behind the others.
            links.mark(peer);
        }
    }

    /// Ends the trials of those who have proven themselves, or have nothing to prove any more.
    fn look_at_trials(&mut self, core: &Core, links: &mut Links) {
        let proven = &mut self.proven;
        self.trials.retain(|watch| {
            let has_proven = match watch.progress(core, links) {
                Progress::Over => false,
                Progress::Goes(now) if watch.has_grown(&now) => true,
                Progress::Goes(_) | Progress::Stands | Progress::Late => return true,
            };
            if has_proven {
                proven.push_back(watch.peer);
            }
            links.mark(watch.peer);
            false
        });
    }

    /// Tries peers that hold their share in what only they can finish. Whoever sends nothing does not
    /// wait either, so all peers are looked at.
    fn begin_trials(&mut self, core: &mut Core, links: &mut Links) {
        if self.trials.len() == TRIALS_MAX {
            return;
        }
        let keys = links
            .peer_keys()
            .filter(|key| self.holds_its_share(links, *key));
        let candidates = keys.filter_map(|key| Some((links.peer(key)?.held(), key)));
        let recv_rate = core.identity().conn_config().recv_rate;
        let step = (progress_span(recv_rate), PROGRESS_BYTES);
        for key in self.next_trials(candidates) {
            let trial = Watch::begin(core, links, key, step, |_| TRIAL_SPANS * step.0);
            self.trials.extend(trial);
        }
    }

    fn favour_next(&mut self, core: &mut Core, links: &mut Links) {
        let rate = core.identity().conn_config().recv_rate;
        let step = (progress_span(rate) / FAVOUR_STEPS, FAVOUR_STEP_BYTES);
        while self.favoured.is_none()
            && let Some(key) = self.proven.pop_front()
        {
            if self.holds_its_share(links, key) {
                let span = |unfinished: &Unfinished| finishing_span(unfinished, rate);
                self.favoured = Watch::begin(core, links, key, step, span);
            }
        }
    }

    /// Whether a peer holds its share in what only it can finish.
    fn holds_its_share(&self, links: &Links, key: PeerKey) -> bool {
        let share = self.share(links.peer_count());
        links
            .peer(key)
            .is_some_and(|peer| !peer.is_unread() && peer.unfinished_bytes() >= share)
    }
}

// ---- whose time is up -----------------------------------------------------------------------

/// Watched peers at whom it is time to look.
pub(crate) struct DueWatches {
    favoured: Option<Watch>,
    trials: std::vec::IntoIter<Watch>,
}

impl RecvBudget {
    /// A favoured message must have grown by now, or be finished; a tried one as well. Gives those at
    /// whom to look, for [`RecvBudget::look_at_due`].
    pub(crate) fn take_due(&mut self, core: &mut Core) -> DueWatches {
        self.excuse_watched(core);
        let now = core.now();
        let is_due = |watch: &mut Watch| watch.look_at.at() <= now;
        let favoured = self.favoured.take_if(is_due);
        let trials: Vec<_> = self.trials.extract_if(.., is_due).collect();
        DueWatches {
            favoured,
            trials: trials.into_iter(),
        }
    }

    /// Looks at those who are due, up to the first that has to be closed: says who, and why.
    pub(crate) fn look_at_due(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        due: &mut DueWatches,
    ) -> Option<(PeerKey, CloseReason)> {
        if let Some(watch) = due.favoured.take() {
            match self.look_at_favour(core, links, watch) {
                Look::Again(watch) => self.favoured = Some(watch),
                Look::Close(reason) => return Some((watch.peer, reason)),
                Look::Over => {}
            }
        }
        for watch in due.trials.by_ref() {
            match self.look_at_trial(core, links, watch) {
                Look::Again(watch) => self.trials.push(watch),
                Look::Close(reason) => return Some((watch.peer, reason)),
                Look::Over => {}
            }
        }
        None
    }

    /// Gives those who are watched another step if it was us who stood still: what they sent
    /// meanwhile lies in the socket.
    fn excuse_watched(&mut self, core: &mut Core) {
        for watch in self.trials.iter_mut().chain(&mut self.favoured) {
            if let Some(look_at) = watch.excuse(core.now()) {
                core.set_timer(look_at, Timer::Favour);
            }
        }
    }

    fn look_at_favour(&self, core: &mut Core, links: &mut Links, watch: Watch) -> Look {
        match watch.progress(core, links) {
            Progress::Goes(unfinished) => watch.go_on(core, unfinished),
            // Without another to take its place it may stand: nobody would be read instead.
            Progress::Stands if self.proven.is_empty() => watch.go_on(core, watch.unfinished),
            // Each trial lets it grow by a little: within the budget only.
            Progress::Stands if self.is_used_up() => self.give_up(core, links, watch),
            Progress::Late => self.give_up(core, links, watch),
            Progress::Over | Progress::Stands => {
                links.mark(watch.peer);
                Look::Over
            }
        }
    }

    fn look_at_trial(&self, core: &mut Core, links: &mut Links, watch: Watch) -> Look {
        match watch.progress(core, links) {
            Progress::Goes(unfinished) => watch.go_on(core, unfinished),
            Progress::Stands | Progress::Late => self.give_up(core, links, watch),
            Progress::Over => {
                links.mark(watch.peer);
                Look::Over
            }
        }
    }

    /// A watched peer that does not get on is closed while others wait. While nobody does it is kept
    /// from nothing, and keeps nobody.
    fn give_up(&self, core: &Core, links: &mut Links, watch: Watch) -> Look {
        if self.waiting.is_empty() {
            links.mark(watch.peer);
            return Look::Over;
        }
        Look::Close(CloseReason::Connection(ConnError::HoldsTooMuch {
            held: links.peer(watch.peer).map_or(0, Peer::held),
            share: self.share(links.peer_count()),
            within: core.now() - watch.since,
        }))
    }
}

impl Watch {
    /// Begins to read a peer for what it has begun, for a time that depends on that.
    fn begin(
        core: &mut Core,
        links: &mut Links,
        peer: PeerKey,
        step: (Duration, usize),
        span: impl Fn(&Unfinished) -> Duration,
    ) -> Option<Watch> {
        let unfinished = links.peer(peer)?.unfinished()?;
        let now = core.now();
        core.set_timer(now + step.0, Timer::Favour);
        links.mark(peer);
        Some(Watch {
            peer,
            unfinished,
            since: now,
            step,
            look_at: Deadline::new(now + step.0, step.0),
            until: now + span(&unfinished),
        })
    }

    /// How the watched peer gets on.
    fn progress(&self, core: &Core, links: &Links) -> Progress {
        let Some(link) = links.get(self.peer) else {
            return Progress::Over;
        };
        let Some(peer) = link.peer() else {
            return Progress::Over;
        };
        let Some(unfinished) = peer.follow(&self.unfinished) else {
            return Progress::Over;
        };
        // What came and had no turn yet is not looked at: it may be the end of the message.
        if peer.is_unread() && !link.is_marked() {
            return Progress::Over;
        }
        if self.until <= core.now() {
            return Progress::Late;
        }
        // While we do not read, because it has been at its rate, it cannot grow.
        let stands = !self.has_grown(&unfinished) && peer.wants_read(core.now());
        match stands && self.look_at.at() <= core.now() {
            true => Progress::Stands,
            false => Progress::Goes(unfinished),
        }
    }

    /// The same peer watched on, to be looked at one step later.
    fn go_on(self, core: &mut Core, unfinished: Unfinished) -> Look {
        let look_at = (core.now() + self.step.0).min(self.until);
        core.set_timer(look_at, Timer::Favour);
        Look::Again(Watch {
            unfinished,
            look_at: Deadline::new(look_at, self.step.0),
            ..self
        })
    }

    /// Leaves out of its time what shows that we stood still; says when to look again then.
    fn excuse(&mut self, now: Instant) -> Option<Instant> {
        self.until += self.look_at.excuse(now)? + self.step.0;
        Some(self.look_at.at())
    }

    fn has_grown(&self, now: &Unfinished) -> bool {
        now.bytes >= self.unfinished.bytes + self.step.1
    }
}

/// How long a message on trial may take to grow: twice what one receive takes at the configured
/// rate, because we read no further until it is paid for.
fn progress_span(recv_rate: u64) -> Duration {
    PROGRESS_SPAN.max(2 * time_for(RECV_BYTES, recv_rate))
}

/// How long the rest of a message may take that is as long as its channel allows.
fn finishing_span(unfinished: &Unfinished, recv_rate: u64) -> Duration {
    let rest = unfinished.max.saturating_sub(unfinished.bytes);
    let rate = match recv_rate {
        0 => EXPECTED_RATE_MAX,
        rate => rate.min(EXPECTED_RATE_MAX),
    };
    FINISHING_SPAN_MIN.max(progress_span(recv_rate) + 2 * time_for(rest, rate))
}

/// The time that bytes take at a rate; none without a limit.
fn time_for(bytes: usize, rate: u64) -> Duration {
    match rate {
        0 => Duration::ZERO,
        rate => Duration::from_secs_f64(bytes as f64 / rate as f64),
    }
}

#[cfg(test)]
#[path = "recv_budget_tests.rs"]
mod tests;
