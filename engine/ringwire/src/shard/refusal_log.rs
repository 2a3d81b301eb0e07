//! What refused connections are told as: one line a minute for the node, not one per stranger and not one
//! per shard.
//!
//! ```text
//!   shard 0 ── counts ──▶ ┌────────────┐
//!   shard 1 ── counts ──▶ │ RefusalLog │ ──▶ a minute later, by the shard whose counts began it: one line
//!   shard 2 ── counts ──▶ └────────────┘
//! ```
//!
//! Anybody can make a connection to us fail, as often as they like. A line each would be theirs to write;
//! none would leave an operator blind. The switch counts refusals by reason; a shard hands over what was
//! added once a turn, so a flood costs a lock per turn. A minute without any costs nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ringwire_core::metrics::RefusalMetrics;
use ringwire_core::time::Instant;

/// How long refusals are counted before they are told.
const EVERY: Duration = Duration::from_secs(60);

/// The refusals of a node that nobody was told of.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog(Mutex<Option<RefusalMetrics>>);

impl RefusalLog {
    /// A shard has refused so many more. The first counts of a minute tell their shard when it is to
    /// take and tell them all.
    pub(crate) fn add(&self, now: Instant, more: &RefusalMetrics) -> Option<Instant> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = counted.is_none();
        counted.get_or_insert_default().add(more);
        begins.then(|| now + EVERY)
    }

    /// What was counted, to be told now: how many, and the reasons in words.
    pub(crate) fn take(&self) -> Option<(u64, String)> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = counted.take()?;
        let reasons = refused.by_reason().filter(|(_, count)| *count > 0);
        let words: Vec<_> = reasons
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let total = refused.by_reason().map(|(_, count)| count).sum();
        Some((total, words.join(", ")))
    }
}

/// What a shard has handed over of its refusals, and when it is to tell the node's.
#[derive(Debug, Default)]
pub(super) struct RefusalTeller {
    /// Whether there may be something to hand over.
    has_news: bool,
    handed_over: RefusalMetrics,
    /// When this shard is to tell; none if another one does, or nobody was refused.
    due: Option<Instant>,
}

impl RefusalTeller {
    /// A connection was refused.
    pub(super) fn handle_refused(&mut self) {
        self.has_news = true;
    }

    /// When something is to be told.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Hands over what was added since the last time; `refusals` are the shard's counters.
    pub(super) fn hand_over(
        &mut self,
        now: Instant,
        log: &RefusalLog,
        refusals: impl FnOnce() -> RefusalMetrics,
    ) {
        if std::mem::take(&mut self.has_news) {
            let refusals = refusals();
            let before = std::mem::replace(&mut self.handed_over, refusals);
            self.due = log.add(now, &refusals.since(&before)).or(self.due);
        }
    }

    /// What the node's log has, if it is due and this shard's to tell.
    pub(super) fn take_due(&mut self, now: Instant, log: &RefusalLog) -> Option<(u64, String)> {
        self.due.take_if(|at| *at <= now)?;
        log.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn refusals(banned: u64, full: u64) -> RefusalMetrics {
        let mut refusals = RefusalMetrics::default();
        (refusals.banned, refusals.full) = (banned, full);
        refusals
    }

    fn refuse(shard: &mut RefusalTeller, log: &RefusalLog, second: u64, total: RefusalMetrics) {
        shard.handle_refused();
        shard.hand_over(at(second), log, || total);
    }

    #[test]
    fn a_node_tells_once_what_all_its_shards_refused_a_minute_after_the_first() {
        let log = RefusalLog::default();
        let mut shards: [RefusalTeller; 3] = Default::default();
        assert_eq!(shards[0].poll_timeout(), None);
        refuse(&mut shards[1], &log, 1, refusals(1, 0));
        refuse(&mut shards[0], &log, 2, refusals(0, 5));
        refuse(&mut shards[1], &log, 60, refusals(2, 0));
        let due = shards.each_ref().map(RefusalTeller::poll_timeout);
        assert_eq!(due, [None, Some(at(61)), None]);
        assert_eq!(shards[1].take_due(at(60), &log), None);
        let told = shards.each_mut().map(|shard| shard.take_due(at(61), &log));
        let words = String::from("full 5, banned 2");
        assert_eq!(told, [None, Some((7, words)), None]);
        // The next minute begins with whoever refuses next, and has only what is new.
        refuse(&mut shards[0], &log, 300, refusals(0, 6));
        assert_eq!(shards[0].poll_timeout(), Some(at(360)));
        let told = shards.each_mut().map(|shard| shard.take_due(at(360), &log));
        assert_eq!(told, [Some((1, String::from("full 1"))), None, None]);
    }

    #[test]
    fn a_turn_without_refusals_asks_for_no_counters() {
        let (log, mut shard) = (RefusalLog::default(), RefusalTeller::default());
        shard.hand_over(at(1), &log, || unreachable!("nothing is new"));
        assert_eq!(log.take(), None);
    }
}
