//! How long a shard with nothing to do watches its ring before it sleeps.
//!
//! Waking a sleeping core costs tens of microseconds, so an answer that comes within a few is
//! better waited for awake. Watching longer than that only heats the core. So a shard watches only
//! while that has paid lately:
//!
//! ```text
//!             slept so briefly that watching might have caught it, and there is credit
//!   asleep ─────────────────────────────────────────────────────────────▶ watching, full budget
//!      ▲                                                                   │ caught: credit full
//!      └──── budget halved to nothing ◀──── missed: one credit less ◀──────┘
//! ```
//!
//! The budget rises at once, not step by step: when both ends of a ping-pong sleep, each is late by
//! the other's wake-up as well as its own, and only a full budget on both sides gets them out of it.
//! Credit bounds what is wasted on traffic that always comes a little too late: when it is used up,
//! a try is made once in [`RETRY_AFTER`] short sleeps. While the shards of the process outnumber its
//! CPUs nobody watches: it would take the core from the very shard that is waited for.

use std::time::Duration;

/// Below this, watching is not worth two readings of the clock.
const LEAST: Duration = Duration::from_micros(4);
/// What two wake-ups, ours and the other side's, add to a gap that would be short awake. Measured
/// on virtual machines; bare metal is quicker.
const WAKE_UPS: Duration = Duration::from_micros(100);
/// Misses in a row until watching is given up for a while.
const CREDIT_MAX: u32 = 16;
/// Short sleeps after which a shard without credit tries once more.
const RETRY_AFTER: u32 = 256;

/// The adaptive budget of one shard.
#[derive(Debug)]
pub(crate) struct Spinner {
    budget: Duration,
    max: Duration,
    credit: u32,
    short_sleeps: u32,
}

impl Spinner {
    /// A spinner that never watches longer than `max`; zero switches it off.
    pub(crate) fn new(max: Duration) -> Self {
        Spinner {
            budget: Duration::ZERO,
            max,
            credit: CREDIT_MAX,
            short_sleeps: 0,
        }
    }

    /// How long to watch now. `crowded` tells that shards outnumber CPUs.
    pub(crate) fn budget(&self, crowded: bool) -> Duration {
        if crowded { Duration::ZERO } else { self.budget }
    }

    /// Something came while we watched.
    pub(crate) fn handle_caught(&mut self) {
        self.budget = self.max;
        self.credit = CREDIT_MAX;
    }

    /// Nothing came while we watched.
    pub(crate) fn handle_missed(&mut self) {
        self.credit = self.credit.saturating_sub(1);
        let half = self.budget / 2;
        self.budget = if half < LEAST { Duration::ZERO } else { half };
    }

    /// We slept and something woke us after `slept`.
    pub(crate) fn handle_slept(&mut self, slept: Duration) {
        if slept >= self.max + WAKE_UPS {
            return;
        }
        if self.credit > 0 {
            self.budget = self.max;
            return;
        }
        self.short_sleeps += 1;
        if self.short_sleeps == RETRY_AFTER {
            self.short_sleeps = 0;
            self.credit = 1;
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
        spinner.handle_slept(MAX + WAKE_UPS);
        assert_eq!(spinner.budget(false), Duration::ZERO);
    }

    #[test]
    fn one_sleep_that_was_short_enough_brings_the_full_budget() {
        let mut spinner = Spinner::new(MAX);
        spinner.handle_slept(MAX + WAKE_UPS - Duration::from_nanos(1));
        assert_eq!(spinner.budget(false), MAX);
        spinner.handle_caught();
        assert_eq!(spinner.budget(false), MAX);
    }

    #[test]
    fn watching_in_vain_ends_soon() {
        let mut spinner = Spinner::new(MAX);
        spinner.handle_caught();
        for _ in 0..4 {
            spinner.handle_missed();
        }
        assert_eq!(spinner.budget(false), Duration::ZERO);
    }

    #[test]
    fn traffic_that_always_comes_too_late_is_watched_for_ever_more_rarely() {
        let mut spinner = Spinner::new(MAX);
        let mut watched = 0;
        for _ in 0..10_000 {
            if !spinner.budget(false).is_zero() {
                watched += 1;
                spinner.handle_missed();
            }
            spinner.handle_slept(Duration::from_micros(60));
        }
        assert!(watched < 400, "watched {watched} times of 10,000");
        spinner.handle_caught();
        assert_eq!(spinner.budget(false), MAX);
    }

    #[test]
    fn a_crowded_process_and_a_spinner_of_zero_never_watch() {
        let mut spinner = Spinner::new(MAX);
        spinner.handle_caught();
        assert_eq!(spinner.budget(true), Duration::ZERO);
        let mut off = Spinner::new(Duration::ZERO);
        off.handle_slept(Duration::from_micros(1));
        off.handle_caught();
        assert_eq!(off.budget(false), Duration::ZERO);
    }
}
