//! When received bytes came: what tells how long a message waited before a reactor had it.
//!
//! ```text
//!   ───── opened ─────┬───────────────┬───────────────▶ bytes so far
//!                     │ first         │ rest          │
//!                     └ came at t1 ───┴ came from t2 on
//! ```
//!
//! Two marks are kept, however many receives wait: what comes behind the first counts as having come
//! with the oldest part of the rest. So no wait is told too short, none takes memory, and the times are
//! exact while what comes is opened before the next but one turn.

use crate::time::Instant;

/// Bytes of a connection that came and are not opened, in two portions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrivals {
    first: Mark,
    rest: Mark,
}

/// Bytes up to `end` that came at `at`.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: u64,
    at: Instant,
}

impl Arrivals {
    /// So many bytes are there already, and came just now.
    pub(super) fn new(bytes: usize, now: Instant) -> Self {
        let mark = Mark {
            end: bytes as u64,
            at: now,
        };
        Arrivals {
            first: mark,
            rest: mark,
        }
    }

    /// Bytes came.
    #[inline]
    pub(super) fn handle_received(&mut self, bytes: u64, now: Instant) {
        if self.rest.end == self.first.end {
            self.rest.at = now;
        }
        self.rest.end += bytes;
    }

    /// All that is whole is opened: what is left goes on with bytes that are still to come.
    #[inline]
    pub(super) fn handle_all_opened(&mut self) {
        self.first = self.rest;
    }

    /// All bytes but the last `unopened` are opened: when the last of them came.
    #[inline]
    pub(super) fn open(&mut self, unopened: usize) -> Instant {
        let opened = self.rest.end.saturating_sub(unopened as u64);
        if opened > self.first.end {
            self.first = self.rest;
        }
        self.first.at
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_opened_as_it_comes_came_just_now() {
        let mut arrivals = Arrivals::new(3, at(1));
        assert_eq!(arrivals.open(0), at(1));
        arrivals.handle_all_opened();
        for second in 2..9 {
            arrivals.handle_received(10, at(second));
            arrivals.handle_received(10, at(second));
            assert_eq!(arrivals.open(10), at(second));
            assert_eq!(arrivals.open(0), at(second));
            arrivals.handle_all_opened();
        }
    }

    #[test]
    fn a_record_comes_with_its_last_byte_although_its_first_came_long_ago() {
        let mut arrivals = Arrivals::new(0, at(0));
        for second in [1, 50, 100] {
            arrivals.handle_received(10, at(second));
            // Nothing is whole before the last receive.
            if second < 100 {
                arrivals.handle_all_opened();
            }
        }
        assert_eq!(arrivals.open(0), at(100));
    }

    #[test]
    fn what_waited_came_with_the_oldest_of_its_portion() {
        let mut arrivals = Arrivals::new(0, at(0));
        arrivals.handle_received(10, at(1));
        assert_eq!(arrivals.open(5), at(1));
        for second in 2..=4 {
            arrivals.handle_received(10, at(second));
        }
        assert_eq!(arrivals.open(30), at(1));
        assert_eq!(arrivals.open(20), at(2));
        assert_eq!(arrivals.open(10), at(2), "never later than it came");
        // While the rest is opened, what comes is a portion of its own.
        arrivals.handle_received(10, at(9));
        assert_eq!(arrivals.open(10), at(2));
        assert_eq!(arrivals.open(0), at(9));
    }
}
