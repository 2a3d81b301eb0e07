//! Time as a value.
//!
//! The pure rooms never read a clock. They are handed an [`Instant`]: nanoseconds since an origin
//! that the caller chose (the start of the engine, or zero in a simulation). One reading per turn
//! of a shard's loop is enough, because everything that happens within a turn happens "now".
//!
//! Time also passes while we do nothing: the process was stopped, its machine suspended or moved. A
//! [`Deadline`] for somebody else leaves that out.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point in time: nanoseconds since an origin the caller chose. Monotonic, 584 years long.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ZERO: Instant = Instant(0);

    /// The instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub const fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the end of time instead of wrapping into the past.
    fn add(self, duration: Duration) -> Instant {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}

/// How late a deadline must be looked at to show that it was us who stood still. A loaded shard is
/// late by milliseconds.
const OVERSLEPT_MIN: Duration = Duration::from_millis(500);

/// By when somebody else must have acted. While we stand still it does not pass: what they sent
/// meanwhile lies in the socket.
///
/// That we stood still shows when the deadline is looked at late. It is moved out then, once: a shard
/// that is always late would wait for the dead for ever. How much of the time was left when we fell
/// asleep nobody knows, so the grace has to be enough for what is still to come.
///
/// ```text
///   ──────────── at ──── OVERSLEPT_MIN ───────────▶ time
///    not over    │ over          │ now + grace, and over then
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    at: Instant,
    grace: Duration,
    is_excused: bool,
}

impl Deadline {
    /// A deadline that gives `grace` from the moment on at which we are back, if we stood still.
    pub const fn new(at: Instant, grace: Duration) -> Self {
        Deadline {
            at,
            grace,
            is_excused: false,
        }
    }

    /// When to look at it.
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// Sets another time for the same wait; what was excused stays so.
    pub const fn move_to(&mut self, at: Instant) {
        self.at = at;
    }

    /// Whether it is over at `now`. If not, it may have been moved out: look at [`Deadline::at`].
    pub fn has_passed(&mut self, now: Instant) -> bool {
        now >= self.at && self.excuse(now).is_none()
    }

    /// Moves it out if it shows that we stood still, and says for how long at least.
    pub fn excuse(&mut self, now: Instant) -> Option<Duration> {
        let late = now - self.at;
        if late < OVERSLEPT_MIN || self.is_excused {
            return None;
        }
        (self.at, self.is_excused) = (now + self.grace, true);
        Some(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(1);
    const NANO: Duration = Duration::from_nanos(1);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_deadline_that_is_looked_at_in_time_is_over_at_its_instant_and_not_before() {
        let mut deadline = Deadline::new(at(5), GRACE);
        assert!(!deadline.has_passed(Instant::from_nanos(at(5).as_nanos() - 1)));
        assert!(deadline.has_passed(at(5)));
        assert!(deadline.has_passed(at(5) + (OVERSLEPT_MIN - NANO)));
        assert_eq!(deadline.at(), at(5));
    }

    #[test]
    fn a_deadline_that_is_looked_at_late_is_moved_out_once_by_its_grace() {
        let mut deadline = Deadline::new(at(5), GRACE);
        assert!(!deadline.has_passed(at(5) + OVERSLEPT_MIN));
        assert_eq!(deadline.at(), at(5) + OVERSLEPT_MIN + GRACE);
        assert!(!deadline.has_passed(at(6)));
        // However late it is looked at the second time, and whatever it was moved to.
        assert!(deadline.clone().has_passed(at(100)));
        deadline.move_to(at(50));
        assert!(!deadline.has_passed(at(49)) && deadline.has_passed(at(90)));
    }

    #[test]
    fn the_time_that_is_excused_is_what_is_known_of_the_pause() {
        let mut deadline = Deadline::new(at(5), GRACE);
        assert_eq!(deadline.excuse(at(5)), None);
        assert_eq!(deadline.excuse(at(8)), Some(Duration::from_secs(3)));
        assert_eq!(deadline.excuse(at(12)), None);
    }

    #[test]
    fn adding_a_duration_saturates_at_the_end_of_time() {
        assert_eq!(
            Instant::from_nanos(u64::MAX - 1) + Duration::from_secs(1),
            Instant(u64::MAX)
        );
        assert_eq!(Instant::ZERO + Duration::MAX, Instant(u64::MAX));
    }

    #[test]
    fn an_earlier_instant_is_never_negative_time_away() {
        let early = Instant::from_nanos(5);
        let late = Instant::from_nanos(9);
        assert_eq!(late - early, Duration::from_nanos(4));
        assert_eq!(early - late, Duration::ZERO);
    }
}
