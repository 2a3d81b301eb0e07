//! When a lost peer is dialed again: the reference's pauses, and then on for ever.
//!
//! ```text
//!   at once │ 5 s, nineteen times     │ 3^1 s, 3^2 s, … 3^10 s, │ the last of them, for as long
//!           │                         │ none over the longest   │ as the node runs
//!   ────────┴─ steady phase: 20 dials ─┴─ growing phase: 10 dials ┴─────────────────────────────
//! ```
//!
//! To each pause a random part is added. The longest pause is what the operator set
//! (`persistent_peers_max_dial_period`, and then no pause is longer, of whatever phase), else
//! [`LONGEST_PAUSE`]. The reference gives up after the growing phase, about a day; here a bound on
//! pauses never ends the trying. Who was not named by the operator, and is only wanted back after a
//! fault that passes, is given up after the growing phase: see [`Backoff::is_spent`].
//!
//! The first dial of a fresh backoff comes at once. A connection must have lasted
//! [`STABLE_AFTER`] to make the backoff fresh again; without that rule a peer that takes our
//! connection and closes it at once would be dialed in a tight loop, as the reference does.

use std::time::Duration;

use crate::chance::Chance;

/// Dials of the steady phase.
const STEADY_DIALS: u32 = 20;
/// Pause of the steady phase.
const STEADY_PAUSE: Duration = Duration::from_secs(5);
/// Dials of the growing phase.
const GROWING_DIALS: u32 = 10;
/// Factor by which the pauses of the growing phase grow; also the first of them in seconds.
const GROWTH: u64 = 3;
/// Upper bound of the random addition to each pause, which is never more than the pause itself.
const PAUSE_JITTER: Duration = Duration::from_secs(3);
/// The longest pause where the operator set none. One dial an hour costs nobody anything, and a peer
/// that was away for a week is back within the hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// How long a connection must have lasted for the next loss to start from the beginning.
pub(crate) const STABLE_AFTER: Duration = Duration::from_secs(10);

/// Where a peer stands in its sequence of dials.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Backoff {
    /// Dials granted so far.
    dials: u32,
}

impl Backoff {
    /// A backoff whose first dial was made by somebody else: the plan at the start, the operator.
    pub(crate) fn after_first_dial() -> Self {
        Backoff { dials: 1 }
    }

    /// The pause before the next dial. `longest` bounds each pause, without its random part; zero
    /// means [`LONGEST_PAUSE`].
    pub(crate) fn next(&mut self, longest: Duration, chance: &mut Chance) -> Duration {
        let dials = self.dials;
        self.dials = dials.saturating_add(1);
        let pause = match dials {
            0 => return Duration::ZERO,
            dials if dials < STEADY_DIALS => STEADY_PAUSE,
            dials => {
                let power = (dials - STEADY_DIALS + 1).min(GROWING_DIALS);
                Duration::from_secs(GROWTH.pow(power))
            }
        };
        let longest = match longest.is_zero() {
            true => LONGEST_PAUSE,
            false => longest,
        };
        let pause = pause.min(longest);
        pause + chance.duration_up_to(PAUSE_JITTER.min(pause))
    }

    /// Whether both phases are over: the reference gives up now.
    pub(crate) fn is_spent(&self) -> bool {
        self.dials >= STEADY_DIALS + GROWING_DIALS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(mut backoff: Backoff, longest: Duration) -> impl Iterator<Item = Duration> {
        let mut chance = Chance::new([3; 32]);
        std::iter::from_fn(move || Some(backoff.next(longest, &mut chance)))
    }

    // Conformance item 57.
    #[test]
    fn twenty_steady_dials_are_followed_by_growing_ones_and_no_last_one() {
        let pauses: Vec<_> = pauses(Backoff::default(), Duration::ZERO)
            .take(1000)
            .collect();
        assert_eq!(pauses[0], Duration::ZERO);
        for pause in &pauses[1..20] {
            assert!((STEADY_PAUSE..=STEADY_PAUSE + PAUSE_JITTER).contains(pause));
        }
        for (i, pause) in (1..).zip(&pauses[20..]) {
            let base = Duration::from_secs(3_u64.pow(i.min(10))).min(LONGEST_PAUSE);
            assert!(
                (base..=base + PAUSE_JITTER).contains(pause),
                "{i}: {pause:?}"
            );
        }
    }

    #[test]
    fn the_operators_longest_pause_bounds_the_pauses_of_both_phases() {
        for seconds in [1, 2, 60, 7200] {
            let longest = Duration::from_secs(seconds);
            let pauses: Vec<_> = pauses(Backoff::after_first_dial(), longest)
                .take(100)
                .collect();
            let jitter = PAUSE_JITTER.min(longest);
            assert!(pauses.iter().all(|pause| *pause <= longest + jitter));
            assert!(pauses[99] >= longest, "and is reached");
        }
    }

    #[test]
    fn a_backoff_is_spent_after_thirty_dials() {
        let mut backoff = Backoff::default();
        let mut chance = Chance::new([3; 32]);
        for _ in 0..30 {
            assert!(!backoff.is_spent());
            backoff.next(Duration::ZERO, &mut chance);
        }
        assert!(backoff.is_spent());
    }
}
