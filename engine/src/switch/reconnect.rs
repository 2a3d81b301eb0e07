//! When a lost peer is dialed again: the reference's pauses.
//!
//! ```text
//!   at once │ 5 s + rand, nineteen times │ 3^1 s, 3^2 s, … 3^10 s, each + rand │ given up
//!   ────────┴── steady phase: 20 dials ──┴── growing phase: 10 dials, ≈ 24 h ──┴─────────
//! ```
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
/// Upper bound of the random addition to each pause.
const PAUSE_JITTER: Duration = Duration::from_secs(3);
/// How long a connection must have lasted for the next loss to start from the beginning.
pub(super) const STABLE_AFTER: Duration = Duration::from_secs(10);

/// Where a peer stands in its sequence of dials.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Backoff {
    /// Dials granted so far.
    dials: u32,
}

impl Backoff {
    /// A backoff whose first dial was made by somebody else: the plan at the start, the operator.
    pub(super) fn after_first_dial() -> Self {
        Backoff { dials: 1 }
    }

    /// The pause before the next dial, or `None` when the peer is to be given up. `cap` bounds
    /// the growing pauses (without their jitter) unless it is zero.
    pub(super) fn next(&mut self, cap: Duration, chance: &mut Chance) -> Option<Duration> {
        let pause = match self.dials {
            0 => {
                self.dials = 1;
                return Some(Duration::ZERO);
            }
            dials if dials < STEADY_DIALS => STEADY_PAUSE,
            dials if dials < STEADY_DIALS + GROWING_DIALS => {
                let pause = Duration::from_secs(GROWTH.pow(dials - STEADY_DIALS + 1));
                if cap.is_zero() { pause } else { pause.min(cap) }
            }
            _ => return None,
        };
        self.dials += 1;
        Some(pause + chance.duration_up_to(PAUSE_JITTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(mut backoff: Backoff, cap: Duration) -> Vec<Duration> {
        let mut chance = Chance::new([3; 32]);
        std::iter::from_fn(|| backoff.next(cap, &mut chance)).collect()
    }

    // Conformance item 57.
    #[test]
    fn twenty_steady_dials_are_followed_by_ten_growing_ones_and_then_none() {
        let pauses = pauses(Backoff::default(), Duration::ZERO);
        assert_eq!(pauses.len(), 30);
        assert_eq!(pauses[0], Duration::ZERO);
        for pause in &pauses[1..20] {
            assert!((STEADY_PAUSE..=STEADY_PAUSE + PAUSE_JITTER).contains(pause));
        }
        for (i, pause) in (1..).zip(&pauses[20..]) {
            let base = Duration::from_secs(3_u64.pow(i));
            assert!((base..=base + PAUSE_JITTER).contains(pause));
        }
        let total: Duration = pauses.iter().sum();
        assert!(total > Duration::from_secs(24 * 3600) && total < Duration::from_secs(26 * 3600));
    }

    #[test]
    fn the_cap_bounds_the_growing_pauses_only() {
        let cap = Duration::from_secs(60);
        let pauses = pauses(Backoff::after_first_dial(), cap);
        assert_eq!(pauses.len(), 29);
        assert!(pauses.iter().all(|pause| *pause <= cap + PAUSE_JITTER));
        assert!(pauses[28] >= cap);
    }
}
