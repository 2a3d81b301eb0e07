//! Token buckets: how many bytes per second a peer may be sent, and may send.
//!
//! A bucket is one point in time, "everything taken so far is paid for at `paid_at`" (the generic
//! cell rate algorithm). Taking `n` bytes moves it on by `n / rate`; the bucket has tokens while it
//! lies less than a burst ahead of now.
//!
//! ```text
//!        now            now + burst
//!  ───────┼──────────────────┼───────▶  paid_at left of the right mark: bytes may go
//! ```
//!
//! Taking more than there is makes a debt that is paid off before anything else goes, so the rate
//! holds in the long run whatever the size of a write. Ping and pong are never asked to wait
//! (docs/quirks.md, quirk 20). A rate of zero means unlimited.

use std::time::Duration;

use crate::time::Instant;

/// How long a bucket may save up: the reference's sample period.
const BURST: Duration = Duration::from_millis(100);
/// Bytes a bucket holds at least, so that a slow rate still sends whole packets.
const BURST_BYTES_MIN: u64 = 64 * 1024;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A token bucket for one direction of one connection.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    /// Bytes per second; zero means unlimited.
    rate: u64,
    burst: Duration,
    paid_at: Instant,
}

impl TokenBucket {
    /// A full bucket for `rate` bytes per second; zero means unlimited.
    pub fn new(rate: u64) -> Self {
        let burst = BURST.max(time_for(BURST_BYTES_MIN, rate));
        TokenBucket {
            rate,
            burst,
            paid_at: Instant::ZERO,
        }
    }

    /// Bytes that may be taken now without a debt.
    pub fn allowance(&self, now: Instant) -> u64 {
        if self.rate == 0 {
            return u64::MAX;
        }
        let free = (now + self.burst).saturating_since(self.paid_at.max(now));
        let bytes = free.as_nanos() * u128::from(self.rate) / u128::from(NANOS_PER_SECOND);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Whether any byte may be taken now.
    #[inline]
    pub fn is_ready(&self, now: Instant) -> bool {
        self.rate == 0 || self.paid_at < now + self.burst
    }

    /// When a byte may be taken: now, or when the debt is paid.
    pub fn ready_at(&self, now: Instant) -> Instant {
        if self.is_ready(now) {
            return now;
        }
        // One nanosecond past the moment at which the bucket is exactly empty.
        now + (self.paid_at - (now + self.burst)) + Duration::from_nanos(1)
    }

    /// Takes `bytes`, into debt if need be.
    #[inline]
    pub fn take(&mut self, now: Instant, bytes: u64) {
        if self.rate != 0 {
            self.paid_at = self.paid_at.max(now) + time_for(bytes, self.rate);
        }
    }
}

/// How long `bytes` take at `rate`, rounded up; nothing when the rate is unlimited.
fn time_for(bytes: u64, rate: u64) -> Duration {
    if rate == 0 {
        return Duration::ZERO;
    }
    let nanos = (u128::from(bytes) * u128::from(NANOS_PER_SECOND)).div_ceil(u128::from(rate));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 1_000_000;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_full_bucket_lets_one_burst_go_and_not_a_byte_more() {
        let mut bucket = TokenBucket::new(RATE);
        assert_eq!(bucket.allowance(at(0)), RATE / 10);
        bucket.take(at(0), RATE / 10 - 1);
        assert!(bucket.is_ready(at(0)));
        bucket.take(at(0), 1);
        assert!(!bucket.is_ready(at(0)));
        assert_eq!(bucket.allowance(at(0)), 0);
    }

    #[test]
    fn a_bucket_is_ready_exactly_when_it_said() {
        let mut bucket = TokenBucket::new(RATE);
        bucket.take(at(0), 3 * RATE);
        let ready = bucket.ready_at(at(7));
        assert!(!bucket.is_ready(Instant::from_nanos(ready.as_nanos() - 1)));
        assert!(bucket.is_ready(ready));
        assert_eq!(bucket.ready_at(ready), ready);
    }

    #[test]
    fn an_idle_bucket_saves_one_burst_at_most() {
        let mut bucket = TokenBucket::new(RATE);
        bucket.take(at(0), RATE);
        assert_eq!(bucket.allowance(at(1_000_000)), RATE / 10);
    }

    #[test]
    fn a_rate_of_zero_never_waits() {
        let mut bucket = TokenBucket::new(0);
        bucket.take(at(0), u64::MAX);
        assert!(bucket.is_ready(at(0)));
        assert_eq!(bucket.ready_at(at(3)), at(3));
    }

    #[test]
    fn the_slowest_rate_and_the_largest_take_do_not_overflow() {
        let mut bucket = TokenBucket::new(1);
        bucket.take(at(0), u64::MAX);
        assert!(!bucket.is_ready(at(0)));
        assert!(bucket.ready_at(at(0)) > at(0));
    }

    // Conformance item 98.
    #[test]
    fn the_rate_holds_in_the_long_run_whatever_the_size_of_a_take() {
        for size in [1_u64, 37, 1_044, 69_632, 262_144] {
            let mut bucket = TokenBucket::new(RATE);
            let (mut now, mut taken) = (Instant::ZERO, 0);
            while now < at(20_000) {
                if bucket.is_ready(now) {
                    bucket.take(now, size);
                    taken += size;
                }
                now = bucket.ready_at(now);
            }
            let expected = 20 * RATE;
            assert!(
                taken >= expected && taken <= expected + RATE / 10 + size,
                "size {size}"
            );
        }
    }
}
