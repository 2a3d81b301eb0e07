//! What refused connections are told as: one line a minute, not one per stranger.
//!
//! Anybody can make a connection to us fail, as often as they like. A line each would be theirs to write;
//! none would leave an operator blind. The switch counts refusals by reason; what was added within a minute
//! is told, and a minute without any costs nothing.

use std::time::Duration;

use ringwire_core::metrics::RefusalMetrics;
use ringwire_core::time::Instant;

/// How long refusals are counted before they are told.
const EVERY: Duration = Duration::from_secs(60);

/// The refusals of a shard that nobody was told of.
#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    /// What was told.
    told: RefusalMetrics,
    /// When the rest is told; none if there is no rest.
    due: Option<Instant>,
}

impl RefusalLog {
    /// A connection was refused.
    pub(super) fn handle_refused(&mut self, now: Instant) {
        self.due.get_or_insert(now + EVERY);
    }

    /// When something is to be told.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Tells what was added to `refusals` since the last time, if that is due.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        refusals: impl FnOnce() -> RefusalMetrics,
    ) -> Option<(u64, String)> {
        self.due.take_if(|at| *at <= now)?;
        let refusals = refusals();
        let before = std::mem::replace(&mut self.told, refusals);
        let pairs = refusals.by_reason().zip(before.by_reason());
        let added: Vec<_> = pairs
            .map(|((reason, now), (_, before))| (reason, now - before))
            .filter(|(_, count)| *count > 0)
            .collect();
        let total = added.iter().map(|(_, count)| count).sum();
        let words = added
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"));
        let words: Vec<_> = words.collect();
        Some((total, words.join(", ")))
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

    #[test]
    fn refusals_are_told_a_minute_after_the_first_and_only_those_that_are_new() {
        let mut log = RefusalLog::default();
        assert_eq!(log.poll_timeout(), None);
        for second in [1, 2, 60] {
            log.handle_refused(at(second));
        }
        assert_eq!(log.poll_timeout(), Some(at(61)));
        assert_eq!(log.take_due(at(60), || unreachable!("not due")), None);
        let told = log.take_due(at(61), || refusals(2, 1));
        assert_eq!(told, Some((3, String::from("full 1, banned 2"))));
        assert_eq!(
            log.take_due(at(200), || unreachable!("nothing is new")),
            None
        );
        log.handle_refused(at(300));
        let told = log.take_due(at(360), || refusals(3, 1));
        assert_eq!(told, Some((1, String::from("banned 1"))));
    }
}
