//! The dial plan of a node (coordinator only): whom to dial, when, and what became of it.
//!
//! ```text
//!              plan                due                  connected, admitted
//!   (nothing) ─────▶ Waiting(at) ─────▶ Dialing{attempt} ─────────────────▶ Connected
//!                        ▲                    │ failed                          │ left
//!                        └──── backoff ───────┴─────────────────────────────────┘
//!                                  └── spent: GaveUp, or forgotten when it was dialed only once
//! ```
//!
//! Invariant: at most one attempt per id is under way, and an attempt is named by an
//! [`AttemptId`] that is never given twice; word of an older one finds nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};
use smallvec::SmallVec;

use super::io::ReplyToken;
use super::message::AttemptId;
use super::reconnect::{Backoff, STABLE_AFTER};
use crate::chance::Chance;
use crate::error::{CloseReason, Reject};
use crate::peer::ShardId;
use crate::time::Instant;

/// Why an address is in the plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DialKind {
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
pub(super) enum Asker {
    /// The application, by its token.
    Application(ReplyToken),
    /// A reactor, by its index, with the address it asked for.
    Reactor(u16, NetAddress),
}

/// Those who wait; hardly ever more than one.
pub(super) type Askers = SmallVec<[Asker; 1]>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Waiting(Instant),
    Dialing {
        attempt: AttemptId,
        shard: ShardId,
        past_connect: bool,
    },
    Connected {
        since: Instant,
    },
    GaveUp,
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
pub(super) struct Due {
    /// Its name.
    pub(super) attempt: AttemptId,
    /// The shard that makes it.
    pub(super) shard: ShardId,
    /// Whom and where.
    pub(super) address: NetAddress,
}

/// What became of an attempt or a connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Who waited for it.
    pub(super) askers: Askers,
    /// Pause before the next dial, if there is one.
    pub(super) retry_in: Option<Duration>,
    /// The address that was given up for good just now.
    pub(super) gave_up: Option<NetAddress>,
}

/// The plan.
pub(super) struct Dialer {
    /// Cap of the growing pauses; zero means none.
    pause_max: Duration,
    targets: BTreeMap<NodeId, Target>,
    by_attempt: BTreeMap<AttemptId, NodeId>,
    next_attempt: u64,
}

impl Dialer {
    /// An empty plan.
    pub(super) fn new(pause_max: Duration) -> Self {
        Dialer {
            pause_max,
            targets: BTreeMap::new(),
            by_attempt: BTreeMap::new(),
            next_attempt: 0,
        }
    }

    /// Plans a dial at `at`. An id that is in the plan already keeps its state, unless it was
    /// given up; it becomes persistent if asked to. `connected` tells whether it is a peer now.
    pub(super) fn plan(
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
        if target.state == State::GaveUp {
            target.state = state;
            target.backoff = Backoff::after_first_dial();
        }
        if let State::Waiting(planned) = &mut target.state {
            *planned = (*planned).min(at);
        }
    }

    /// The next id whose dial is due.
    pub(super) fn next_due(&self, now: Instant) -> Option<NodeId> {
        let is_due = |target: &Target| matches!(target.state, State::Waiting(at) if at <= now);
        self.targets
            .iter()
            .find(|(_, target)| is_due(target))
            .map(|(id, _)| *id)
    }

    /// Starts the dial of an id of [`Dialer::next_due`] on a shard.
    pub(super) fn start(&mut self, id: NodeId, shard: ShardId) -> Option<Due> {
        let target = self.targets.get_mut(&id)?;
        let attempt = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        target.state = State::Dialing {
            attempt,
            shard,
            past_connect: false,
        };
        self.by_attempt.insert(attempt, id);
        Some(Due {
            attempt,
            shard,
            address: target.address.clone(),
        })
    }

    /// When the next dial is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let planned = self
            .targets
            .values()
            .filter_map(|target| match target.state {
                State::Waiting(at) => Some(at),
                _ => None,
            });
        planned.min()
    }

    /// TCP is up for an attempt.
    pub(super) fn handle_connected(&mut self, attempt: AttemptId) {
        let target = self
            .by_attempt
            .get(&attempt)
            .and_then(|id| self.targets.get_mut(id));
        if let Some(Target {
            state: State::Dialing { past_connect, .. },
            ..
        }) = target
        {
            *past_connect = true;
        }
    }

    /// An attempt failed, at whatever step.
    pub(super) fn handle_failed(
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
    pub(super) fn handle_banned(&mut self, id: NodeId, until: Instant) -> Outcome {
        let Some(target) = self.targets.get_mut(&id) else {
            return Outcome::default();
        };
        let askers = std::mem::take(&mut target.askers);
        match target.kind {
            DialKind::Persistent | DialKind::Recovering => target.state = State::Waiting(until),
            DialKind::Once | DialKind::Discovered => {
                self.targets.remove(&id);
            }
        }
        Outcome {
            askers,
            ..Outcome::default()
        }
    }

    /// Where a planned dial leads.
    pub(super) fn address_of(&self, id: &NodeId) -> Option<&NetAddress> {
        self.targets.get(id).map(|target| &target.address)
    }

    /// The id is a peer now, whoever dialed. Returns who waited for it.
    pub(super) fn handle_joined(&mut self, now: Instant, id: NodeId) -> Askers {
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
    pub(super) fn cancel(&mut self, id: &NodeId) -> Option<(AttemptId, ShardId)> {
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
    pub(super) fn handle_left(
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
    pub(super) fn is_persistent(&self, id: &NodeId) -> bool {
        self.targets
            .get(id)
            .is_some_and(|target| target.kind == DialKind::Persistent)
    }

    /// Whether a dial of the id is past TCP connect, another attempt than `except`.
    pub(super) fn is_past_connect(&self, id: &NodeId, except: Option<AttemptId>) -> bool {
        let Some(target) = self.targets.get(id) else {
            return false;
        };
        matches!(target.state, State::Dialing { attempt, past_connect: true, .. }
            if Some(attempt) != except)
    }

    /// Whether a dial of the id is planned or under way.
    pub(super) fn is_dialing(&self, id: &NodeId) -> bool {
        self.targets.get(id).is_some_and(Target::is_dialing)
    }

    /// Whether the attempt is one that the limit of outbound peers counts.
    pub(super) fn is_discovered(&self, attempt: Option<AttemptId>) -> bool {
        let target = attempt
            .and_then(|attempt| self.by_attempt.get(&attempt))
            .and_then(|id| self.targets.get(id));
        target.is_some_and(|target| target.kind == DialKind::Discovered)
    }

    /// Dials under way, and those of reactors that are about to be, of the ids that count.
    pub(super) fn dialing(&self, counts: impl Fn(&NodeId) -> bool) -> usize {
        let is_dialing = |target: &Target| match target.state {
            State::Dialing { .. } => true,
            State::Waiting(_) => target.kind == DialKind::Discovered,
            State::Connected { .. } | State::GaveUp => false,
        };
        self.targets
            .iter()
            .filter(|(id, target)| is_dialing(target) && counts(id))
            .count()
    }

    /// Dials under way on a shard.
    pub(super) fn dialing_on(&self, shard: ShardId) -> usize {
        let on_shard = |target: &&Target| matches!(target.state, State::Dialing { shard: on, .. } if on == shard);
        self.targets.values().filter(on_shard).count()
    }

    /// Forgets who waited for a dial.
    pub(super) fn forget_token(&mut self, token: ReplyToken) {
        for target in self.targets.values_mut() {
            target
                .askers
                .retain(|waiting| *waiting != Asker::Application(token));
        }
    }

    /// Ends the plan: nothing is dialed any more. Returns everybody who waited.
    pub(super) fn stop(&mut self) -> Askers {
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
        if is_one_dial || !may_retry(reason) {
            self.targets.remove(&id);
            return Outcome {
                askers,
                ..Outcome::default()
            };
        }
        let retry_in = target.backoff.next(self.pause_max, chance);
        let gave_up = match retry_in {
            Some(pause) => {
                target.state = State::Waiting(now + pause);
                None
            }
            None => {
                target.state = State::GaveUp;
                Some(target.address.clone())
            }
        };
        Outcome {
            askers,
            retry_in,
            gave_up,
        }
    }
}

impl Target {
    fn is_dialing(&self) -> bool {
        matches!(self.state, State::Waiting(_) | State::Dialing { .. })
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
        CloseReason::Stopped | CloseReason::Shutdown | CloseReason::Rejected(Reject::IsSelf)
    )
}

#[cfg(test)]
mod tests;
