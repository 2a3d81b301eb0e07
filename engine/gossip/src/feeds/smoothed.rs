//! [`Smoothed`]: a time that varies: its mean, and how far it strays.

use std::time::Duration;

/// The mean of what was seen and its mean deviation, smoothed as TCP smooths round trips (RFC 6298).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Smoothed {
    mean_us: u32,
    deviation_us: u32,
}

impl Smoothed {
    /// Of one sample, as RFC 6298 begins: half of it may be chance.
    pub(super) fn of(sample: Duration) -> Self {
        let mean_us = u32::try_from(sample.as_micros()).unwrap_or(u32::MAX);
        Smoothed {
            mean_us,
            deviation_us: mean_us / 2,
        }
    }

    /// One more was seen.
    pub(super) fn add(&mut self, sample: Duration) {
        let sample_us = i64::try_from(sample.as_micros()).unwrap_or(i64::MAX >> 1);
        let (mean, deviation) = (i64::from(self.mean_us), i64::from(self.deviation_us));
        let difference = sample_us - mean;
        let move_by = |old: i64, by: i64| u32::try_from((old + by).max(0)).unwrap_or(u32::MAX);
        self.mean_us = move_by(mean, difference / 8);
        self.deviation_us = move_by(deviation, (difference.abs() - deviation) / 4);
    }

    /// The mean.
    pub(super) fn mean(&self) -> Duration {
        Duration::from_micros(u64::from(self.mean_us))
    }

    /// Few samples are longer than this.
    pub(super) fn bound(&self) -> Duration {
        Duration::from_micros(u64::from(self.mean_us) + 4 * u64::from(self.deviation_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_follows_what_is_usual() {
        let mut smoothed = Smoothed::of(Duration::from_millis(100));
        assert_eq!(smoothed.bound(), Duration::from_millis(300));
        for _ in 0..100 {
            smoothed.add(Duration::from_millis(20));
        }
        let range = Duration::from_millis(19)..Duration::from_millis(22);
        assert!(
            range.contains(&smoothed.mean()) && range.contains(&smoothed.bound()),
            "{smoothed:?}"
        );
        smoothed.add(Duration::from_millis(60));
        assert!(
            smoothed.bound() > Duration::from_millis(50),
            "one that strays counts"
        );
    }

    #[test]
    fn the_longest_time_is_no_overflow() {
        let mut smoothed = Smoothed::of(Duration::MAX);
        smoothed.add(Duration::MAX);
        smoothed.add(Duration::ZERO);
        assert!(smoothed.bound() > Duration::from_secs(60));
    }
}
