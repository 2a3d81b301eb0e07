//! The dial plan of a node (coordinator only): whom to dial, when, and what became of it.
//!
//! ```text
//!              plan                due                  connected, admitted
//!   (nothing) ─────▶ Waiting(at) ─────▶ Dialing{attempt} ─────────────────▶ Connected
//!                        ▲                    │ failed                          │ left
//!                        └──── backoff ───────┴─────────────────────────────────┘
//!                                  └── forgotten: dialed only once, stopped on purpose, or spent
//! ```
//!
//! Who the operator named is never forgotten but by a stop on purpose: it is dialed for as long as
//! the node runs.
//!
//! Invariant: at most one attempt per id is under way, and an attempt is named by an
//! [`AttemptId`] that is never given twice; word of an older one finds nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};
use smallvec::SmallVec;

use crate::chance::Chance;
use crate::error::{CloseReason, Reject};
use crate::peer::ShardId;
use crate::switch::io::ReplyToken;
use crate::switch::message::AttemptId;
use crate::switch::node::reconnect::{Backoff, STABLE_AFTER};
use crate::time::Instant;

/// Why an address is in the plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DialKind {
    /// The operator wants it connected for good.
    Persistent,
    /// Somebody asked for one dial.
    Once,
    /// A reactor found it and wants one dial, within the limit of outbound peers.
    Discovered,
    /// It was lost for a transient reason and is dialed until it is back (item 59).
    Recovering,
}

/// Who waits for the outcome of a dial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Asker {
    /// The application, by its token.
    Application(ReplyToken),
    /// A reactor, by its index, with the address it asked for.
    Reactor(u16, NetAddress),
}

/// Those who wait; hardly ever more than one.
pub(crate) type Askers = SmallVec<[Asker; 1]>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Waiting(Instant),
    /// Until a ban ends, at the latest.
    Banned(Instant),
    Dialing {
        attempt: AttemptId,
        shard: ShardId,
        proven: bool,
    },
    Connected {
        since: Instant,
    },
}

#[derive(Debug)]
struct Target {
    address: NetAddress,
    kind: DialKind,
    state: State,
    backoff: Backoff,
    askers: Askers,
}

/// A dial to be made now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Due {
    /// Its name.
    pub(crate) attempt: AttemptId,
    /// The shard that makes it.
    pub(crate) shard: ShardId,
    /// Whom and where.
    pub(crate) address: NetAddress,
}

/// What became of an attempt or a connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Who waited for it.
    pub(crate) askers: Askers,
    /// Pause before the next dial, if there is one.
    pub(crate) retry_in: Option<Duration>,
    /// The address that was given up just now: it was wanted back after a fault that passes, and
    /// stays away.
    pub(crate) gave_up: Option<NetAddress>,
}

/// The plan.
pub(crate) struct Dialer {
    /// The longest pause the operator wants; zero means that none was set.
    pause_max: Duration,
    targets: BTreeMap<NodeId, Target>,
    by_attempt: BTreeMap<AttemptId, NodeId>,
    next_attempt: u64,
}

impl Dialer {
    /// An empty plan.
    pub(crate) fn new(pause_max: Duration) -> Self {
        Dialer {
            pause_max,
            targets: BTreeMap::new(),
            by_attempt: BTreeMap::new(),
            next_attempt: 0,
        }
    }

    /// Ids in the plan, and attempts under way.
    pub(crate) fn len(&self) -> usize {
        self.targets.len() + self.by_attempt.len()
    }

    /// Plans a dial at `at`. An id that is in the plan already keeps its state; it becomes
    /// persistent if asked to. `connected` tells whether it is a peer now.
    pub(crate) fn plan(
        &mut self,
        at: Instant,
        address: NetAddress,
        kind: DialKind,
        asker: Option<Asker>,
        connected: bool,
    ) {
        let state = if connected {
            State::Connected { since: at }
        } else {
            State::Waiting(at)
        };
        let target = self.targets.entry(address.id).or_insert_with(|| Target {
            address: address.clone(),
            kind,
            state,
            backoff: Backoff::after_first_dial(),
            askers: Askers::new(),
        });
        target.askers.extend(asker);
        if kind == DialKind::Persistent {
            target.kind = kind;
            target.address = address;
        }
        match &mut target.state {
            State::Waiting(planned) => *planned = (*planned).min(at),
            // Whoever asks now is told of the ban.
            State::Banned(_) => target.state = State::Waiting(at),
            State::Dialing { .. } | State::Connected { .. } => {}
        }
    }

    /// The longest pause that the operator wants from now on; pauses under way end as planned.
    pub(crate) fn set_pause_max(&mut self, pause_max: Duration) {
        self.pause_max = pause_max;
    }

    /// Where an id is dialed for good, if it is.
    pub(crate) fn persistent_place_of(&self, id: &NodeId) -> Option<&NetAddress> {
        let target = self.targets.get(id)?;
        (target.kind == DialKind::Persistent).then_some(&target.address)
    }

    /// All ids that are dialed for good.
    pub(crate) fn persistent_ids(&self) -> Vec<NodeId> {
        let is_persistent = |target: &&Target| target.kind == DialKind::Persistent;
        let found = self.targets.values().filter(is_persistent);
        found.map(|target| target.address.id).collect()
    }

    /// The operator wants an id no longer: it leaves the plan, and if it is connected it is not dialed
    /// again. Returns who waited for it, and the attempt under way, to be cancelled.
    pub(crate) fn forget(&mut self, id: &NodeId) -> (Askers, Option<(AttemptId, ShardId)>) {
        let cancelled = self.cancel(id);
        let target = self.targets.remove(id);
        (target.map(|it| it.askers).unwrap_or_default(), cancelled)
    }

    /// The next id whose dial is due.
    pub(crate) fn next_due(&self, now: Instant) -> Option<NodeId> {
        self.targets
            .iter()
            .find(|(_, target)| target.due_at().is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
    }

    /// Starts the dial of an id of [`Dialer::next_due`] on a shard.
    pub(crate) fn start(&mut self, id: NodeId, shard: ShardId) -> Option<Due> {
        let target = self.targets.get_mut(&id)?;
        let attempt = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        target.state = State::Dialing {
            attempt,
            shard,
            proven: false,
        };
        self.by_attempt.insert(attempt, id);
        Some(Due {
            attempt,
            shard,
            address: target.address.clone(),
        })
    }

    /// When the next dial is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.targets.values().filter_map(Target::due_at).min()
    }

    /// Who was dialed has proven its key.
    pub(crate) fn handle_proven(&mut self, attempt: AttemptId) {
        let target = self
            .by_attempt
            .get(&attempt)
            .and_then(|id| self.targets.get_mut(id));
        if let Some(Target {
            state: State::Dialing { proven, .. },
            ..
        }) = target
        {
            *proven = true;
        }
    }

    /// An attempt failed, at whatever step.
    pub(crate) fn handle_failed(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        reason: &CloseReason,
        chance: &mut Chance,
    ) -> Option<(NetAddress, Outcome)> {
        let id = *self.by_attempt.get(&attempt)?;
        let address = self.targets.get(&id)?.address.clone();
        Some((address, self.retry(now, id, reason, chance)))
    }

    /// A dial that is due may not be made before `until`. Who is wanted for good is dialed then;
    /// everybody else is forgotten.
    pub(crate) fn handle_banned(&mut self, id: NodeId, until: Instant) -> Outcome {
        let Some(target) = self.targets.get_mut(&id) else {
            return Outcome::default();
        };
        let askers = std::mem::take(&mut target.askers);
        match target.kind {
            DialKind::Persistent | DialKind::Recovering => target.state = State::Banned(until),
            DialKind::Once | DialKind::Discovered => {
                self.targets.remove(&id);
            }
        }
        Outcome {
            askers,
            ..Outcome::default()
        }
    }

    /// Bans were lifted: who waits for the end of one, and is banned no more, is dialed at `now`.
    pub(crate) fn handle_unbanned(
        &mut self,
        now: Instant,
        is_banned: impl Fn(&NodeId, &NetAddress) -> bool,
    ) {
        for (id, target) in &mut self.targets {
            if let State::Banned(_) = target.state
                && !is_banned(id, &target.address)
            {
                target.state = State::Waiting(now);
            }
        }
    }

    /// When the next dial of an id is due, if one is planned.
    pub(crate) fn next_dial_of(&self, id: &NodeId) -> Option<Instant> {
        self.targets.get(id)?.due_at()
    }

    /// Where a planned dial leads.
    pub(crate) fn address_of(&self, id: &NodeId) -> Option<&NetAddress> {
        self.targets.get(id).map(|target| &target.address)
    }

    /// The id is a peer now, whoever dialed. Returns who waited for it.
    pub(crate) fn handle_joined(&mut self, now: Instant, id: NodeId) -> Askers {
        let Some(target) = self.targets.get_mut(&id) else {
            return Askers::new();
        };
        if let State::Dialing { attempt, .. } = target.state {
            self.by_attempt.remove(&attempt);
        }
        target.state = State::Connected { since: now };
        if target.kind == DialKind::Recovering {
            target.kind = DialKind::Once;
        }
        std::mem::take(&mut target.askers)
    }

    /// An inbound connection of `id` was admitted: returns our own attempt, to be cancelled.
    pub(crate) fn cancel(&mut self, id: &NodeId) -> Option<(AttemptId, ShardId)> {
        match self.targets.get(id)?.state {
            State::Dialing { attempt, shard, .. } => {
                self.by_attempt.remove(&attempt);
                Some((attempt, shard))
            }
            _ => None,
        }
    }

    /// A peer left. One that is not persistent is dialed again only if we had dialed it and the
    /// reason passes.
    pub(crate) fn handle_left(
        &mut self,
        now: Instant,
        id: NodeId,
        reason: &CloseReason,
        chance: &mut Chance,
    ) -> Outcome {
        if let Some(target) = self.targets.get_mut(&id) {
            target.handle_left(now, reason);
        }
        self.retry(now, id, reason, chance)
    }

    /// Whether the operator listed the id as persistent.
    pub(crate) fn is_persistent(&self, id: &NodeId) -> bool {
        self.targets
            .get(id)
            .is_some_and(|target| target.kind == DialKind::Persistent)
    }

    /// Whether a dial of the id, another attempt than `except`, has met the id's own node. One that
    /// has only met somebody at an address that may be a lie counts for nothing.
    pub(crate) fn is_proven(&self, id: &NodeId, except: Option<AttemptId>) -> bool {
        let Some(target) = self.targets.get(id) else {
            return false;
        };
        matches!(target.state, State::Dialing { attempt, proven: true, .. }
            if Some(attempt) != except)
    }

    /// Whether a dial of the id is planned or under way.
    pub(crate) fn is_dialing(&self, id: &NodeId) -> bool {
        self.targets.get(id).is_some_and(Target::is_dialing)
    }

    /// Whether the attempt is one that the limit of outbound peers counts.
    pub(crate) fn is_discovered(&self, attempt: Option<AttemptId>) -> bool {
        let target = attempt
            .and_then(|attempt| self.by_attempt.get(&attempt))
            .and_then(|id| self.targets.get(id));
        target.is_some_and(|target| target.kind == DialKind::Discovered)
    }

    /// Dials under way, and those of reactors that are about to be, of the ids that count.
    pub(crate) fn dialing(&self, counts: impl Fn(&NodeId) -> bool) -> usize {
        let is_dialing = |target: &Target| match target.state {
            State::Dialing { .. } => true,
            State::Waiting(_) => target.kind == DialKind::Discovered,
            State::Banned(_) | State::Connected { .. } => false,
        };
        self.targets
            .iter()
            .filter(|(id, target)| is_dialing(target) && counts(id))
            .count()
    }

    /// Dials under way on a shard.
    pub(crate) fn dialing_on(&self, shard: ShardId) -> usize {
        let on_shard = |target: &&Target| matches!(target.state, State::Dialing { shard: on, .. } if on == shard);
        self.targets.values().filter(on_shard).count()
    }

    /// Ends the plan: nothing is dialed any more. Returns everybody who waited.
    pub(crate) fn stop(&mut self) -> Askers {
        self.by_attempt.clear();
        let targets = std::mem::take(&mut self.targets);
        targets
            .into_values()
            .flat_map(|target| target.askers)
            .collect()
    }

    /// Plans the next dial of a target that is not connected, or drops it; nothing for an id that
    /// is none.
    fn retry(
        &mut self,
        now: Instant,
        id: NodeId,
        reason: &CloseReason,
        chance: &mut Chance,
    ) -> Outcome {
        let Some(target) = self.targets.get_mut(&id) else {
            return Outcome::default();
        };
        if let State::Dialing { attempt, .. } = target.state {
            self.by_attempt.remove(&attempt);
        }
        let askers = std::mem::take(&mut target.askers);
        let is_one_dial = matches!(target.kind, DialKind::Once | DialKind::Discovered);
        let is_spent = target.kind == DialKind::Recovering && target.backoff.is_spent();
        if is_one_dial || is_spent || !may_retry(reason) {
            let target = self.targets.remove(&id).expect("found above");
            return Outcome {
                askers,
                retry_in: None,
                gave_up: is_spent.then_some(target.address),
            };
        }
        let pause = target.backoff.next(self.pause_max, chance);
        target.state = State::Waiting(now + pause);
        Outcome {
            askers,
            retry_in: Some(pause),
            gave_up: None,
        }
    }
}

impl Target {
    fn is_dialing(&self) -> bool {
        !matches!(self.state, State::Connected { .. })
    }

    /// When the next dial is due, if one is planned.
    fn due_at(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(at) | State::Banned(at) => Some(at),
            State::Dialing { .. } | State::Connected { .. } => None,
        }
    }

    /// The peer left: a connection that has lasted is dialed again without what earlier failures
    /// had added to the pause, and one lost for a passing reason is dialed again at all.
    fn handle_left(&mut self, now: Instant, reason: &CloseReason) {
        if let State::Connected { since } = self.state
            && now - since >= STABLE_AFTER
        {
            self.backoff = Backoff::default();
        }
        let is_one_dial = matches!(self.kind, DialKind::Once | DialKind::Discovered);
        if is_one_dial && reason.is_transient() {
            self.kind = DialKind::Recovering;
        }
    }
}

/// Whether dialing again can help. Dialing ourselves never does (item 51), and a peer that was
/// stopped on purpose stays stopped.
fn may_retry(reason: &CloseReason) -> bool {
    !matches!(
        reason,
        CloseReason::Stopped
            | CloseReason::Done { .. }
            | CloseReason::Shutdown
            | CloseReason::Rejected(Reject::IsSelf)
    )
}

#[cfg(test)]
mod tests;
