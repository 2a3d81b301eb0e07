//! How long a shard with nothing to do watches its ring before it sleeps.
//!
//! Waking a sleeping core costs tens of microseconds, so an answer that comes within a few is
//! better waited for awake. Watching longer than that only heats the core. So the budget follows
//! what it was worth: it doubles when something came while we watched, or so soon after we slept
//! that watching would have caught it; it halves each time we watched in vain, down to nothing, so
//! an idle shard does not watch at all. While the shards of the process outnumber its CPUs the
//! budget is zero: watching would take the core from the very shard that is waited for.

use std::time::Duration;

/// The first budget after nothing; below it watching is not worth two readings of the clock.
const FIRST: Duration = Duration::from_micros(4);

/// The adaptive budget of one shard.
#[derive(Debug)]
pub(crate) struct Spinner {
    budget: Duration,
    max: Duration,
}

impl Spinner {
    /// A spinner that never watches longer than `max`; zero switches it off.
    pub(crate) fn new(max: Duration) -> Self {
        Spinner {
            budget: Duration::ZERO,
            max,
        }
    }

    /// How long to watch now. `crowded` tells that shards outnumber CPUs.
    pub(crate) fn budget(&self, crowded: bool) -> Duration {
        if crowded { Duration::ZERO } else { self.budget }
    }

    /// Something came while we watched.
    pub(crate) fn handle_caught(&mut self) {
        self.budget = (self.budget * 2).max(FIRST).min(self.max);
    }

    /// Nothing came while we watched.
    pub(crate) fn handle_missed(&mut self) {
        let half = self.budget / 2;
        self.budget = if half < FIRST { Duration::ZERO } else { half };
    }

    /// We slept and something woke us after `slept`. The wake-up itself takes time, so twice the
    /// longest budget still counts as "would have been caught".
    pub(crate) fn handle_slept(&mut self, slept: Duration) {
        if slept < self.max * 2 {
            self.handle_caught();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_micros(50);

    #[test]
    fn an_idle_shard_does_not_watch() {
        let mut spinner = Spinner::new(MAX);
        assert_eq!(spinner.budget(false), Duration::ZERO);
        spinner.handle_slept(Duration::from_millis(20));
        assert_eq!(spinner.budget(false), Duration::ZERO);
    }

    #[test]
    fn the_budget_grows_while_watching_pays_and_stops_at_the_maximum() {
        let mut spinner = Spinner::new(MAX);
        spinner.handle_slept(Duration::from_micros(60));
        assert_eq!(spinner.budget(false), FIRST);
        for _ in 0..10 {
            spinner.handle_caught();
        }
        assert_eq!(spinner.budget(false), MAX);
    }

    #[test]
    fn the_budget_shrinks_to_nothing_when_nothing_comes() {
        let mut spinner = Spinner::new(MAX);
        for _ in 0..10 {
            spinner.handle_caught();
        }
        for _ in 0..4 {
            spinner.handle_missed();
        }
        assert_eq!(spinner.budget(false), Duration::ZERO);
    }

    #[test]
    fn a_crowded_process_and_a_zero_maximum_never_watch() {
        let mut spinner = Spinner::new(MAX);
        spinner.handle_caught();
        assert_eq!(spinner.budget(true), Duration::ZERO);
        let mut off = Spinner::new(Duration::ZERO);
        off.handle_caught();
        off.handle_slept(Duration::ZERO);
        assert_eq!(off.budget(false), Duration::ZERO);
    }
}
