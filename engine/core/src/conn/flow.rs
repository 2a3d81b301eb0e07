//! Token buckets: how many bytes per second a peer may be sent, and may send.
//!
//! A bucket is one point in time, "everything taken so far is paid for at `paid_at`" (the generic
//! cell rate algorithm). Taking `n` bytes moves it on by `n / rate`. A bucket holds a burst of
//! tokens, and is ready while it holds a worthwhile portion of them:
//!
//! ```text
//!        now          now + burst - portion    now + burst
//!  ───────┼─────────────────────┼──────────────────┼───────▶
//!         paid_at up to here:   bytes may go       │
//!                               paid_at up to here: too few to be worth a write; wait
//! ```
//!
//! So a sender that has spent its tokens wakes up a hundred times in a second, with enough to fill
//! whole frames, and not once for each packet.
//!
//! Taking more than there is makes a debt that is paid off before anything else goes, so the rate
//! holds in the long run whatever the size of a write. Ping and pong are never asked to wait
//! (docs/quirks.md, quirk 20). A rate of zero means unlimited.
//!
//! What is counted are bytes of packets, as in the reference (`sendMonitor`, `recvMonitor`), not
//! those of the envelope around them. Who sends knows them. Who receives counts a frame as the 1024
//! bytes it has room for, filled or not: a peer cannot make us open frames for nothing.

use std::time::Duration;

use ringwire_codec::secret::{FRAME_DATA_MAX, FRAME_SEALED};

use crate::buffer::Framing;
use crate::time::Instant;

/// How long a bucket may save up: the reference's sample period.
const BURST: Duration = Duration::from_millis(100);
/// Bytes a bucket holds at least, so that a slow rate still sends whole packets.
const BURST_BYTES_MIN: u64 = 64 * 1024;
/// What an empty bucket waits for: this time's worth of bytes, far below the reference's sample
/// period of 100 ms, and long beside what a wake-up and a write cost.
const PORTION: Duration = Duration::from_millis(10);
/// At a slow rate, what fills four frames; but never for longer than a burst takes.
const PORTION_BYTES_MIN: u64 = 4 * FRAME_DATA_MAX as u64;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A token bucket for one direction of one connection.
///
/// Ask [`TokenBucket::allowance`], then [`TokenBucket::take`]; where that leaves too little, call
/// [`TokenBucket::handle_timeout`] at [`TokenBucket::poll_timeout`].
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    /// Bytes per second; zero means unlimited.
    rate: u64,
    burst: Duration,
    /// The part of a burst that is worth a write.
    portion: Duration,
    paid_at: Instant,
    /// When a bucket that was found short is ready again, until that time has come.
    wait: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket for `rate` bytes per second; zero means unlimited.
    pub fn new(rate: u64) -> Self {
        TokenBucket {
            rate,
            burst: BURST.max(time_for(BURST_BYTES_MIN, rate)),
            portion: PORTION.max(time_for(PORTION_BYTES_MIN, rate).min(BURST)),
            paid_at: Instant::ZERO,
            wait: None,
        }
    }

    /// Another rate from now on. What was taken and is not paid for stays taken, byte for byte.
    pub fn set_rate(&mut self, now: Instant, rate: u64) {
        if rate != self.rate {
            let unpaid = self.paid_at.saturating_since(now).as_nanos() * u128::from(self.rate)
                / u128::from(NANOS_PER_SECOND);
            *self = TokenBucket::new(rate);
            self.take(now, u64::try_from(unpaid).unwrap_or(u64::MAX));
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

    /// Whether there are tokens enough to be worth a write.
    #[inline]
    pub fn is_ready(&self, now: Instant) -> bool {
        self.rate == 0 || self.paid_at + self.portion <= now + self.burst
    }

    /// When the bucket is ready: now, or when the debt is paid and a portion saved.
    pub fn ready_at(&self, now: Instant) -> Instant {
        if self.is_ready(now) {
            return now;
        }
        now + ((self.paid_at + self.portion) - (now + self.burst))
    }

    /// Takes `bytes`, into debt if need be.
    #[inline]
    pub fn take(&mut self, now: Instant, bytes: u64) {
        if self.rate != 0 {
            self.paid_at = self.paid_at.max(now) + time_for(bytes, self.rate);
            self.wait = (!self.is_ready(now)).then(|| self.ready_at(now));
        }
    }

    /// When a bucket that was found short is ready again.
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wait
    }

    /// Time passed; calling early is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.wait.take_if(|at| *at <= now);
    }
}

/// The bytes of packets that `sealed` received bytes have room for.
#[inline]
pub(super) fn packet_bytes(framing: Framing, sealed: u64) -> u64 {
    match framing {
        // Rounded up, so that not even a byte at a time comes for nothing.
        Framing::Comet => (sealed * FRAME_DATA_MAX as u64).div_ceil(FRAME_SEALED as u64),
        // Twenty bytes of up to 66 560.
        Framing::Wide => sealed,
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
    /// Ten milliseconds of it.
    const WORTH: u64 = RATE / 100;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_full_bucket_lets_a_burst_go_down_to_what_is_worth_a_write() {
        let mut bucket = TokenBucket::new(RATE);
        assert_eq!(bucket.allowance(at(0)), RATE / 10);
        bucket.take(at(0), RATE / 10 - WORTH);
        assert!(bucket.is_ready(at(0)));
        assert_eq!(
            (bucket.allowance(at(0)), bucket.poll_timeout()),
            (WORTH, None)
        );
        bucket.take(at(0), 1);
        assert!(!bucket.is_ready(at(0)));
        bucket.take(at(0), WORTH - 1);
        assert_eq!(bucket.allowance(at(0)), 0);
        assert_eq!(bucket.poll_timeout(), Some(at(10)));
    }

    #[test]
    fn an_empty_bucket_waits_for_a_portion_and_asks_to_be_woken_once() {
        for (rate, wait, portion) in [
            (5_120_000, at(10), 51_200),
            (100_000, Instant::from_nanos(40_960_000), 4096),
            // No longer than a burst takes, whatever is to be had by then.
            (1000, at(100), 100),
            (1, at(100), 0),
        ] {
            let mut bucket = TokenBucket::new(rate);
            bucket.take(at(0), bucket.allowance(at(0)));
            assert_eq!(bucket.poll_timeout(), Some(wait), "rate {rate}");
            assert_eq!(bucket.allowance(wait), portion, "rate {rate}");
            bucket.handle_timeout(Instant::from_nanos(wait.as_nanos() - 1));
            assert_eq!(bucket.poll_timeout(), Some(wait), "rate {rate}");
            bucket.handle_timeout(wait);
            assert!(bucket.is_ready(wait) && bucket.poll_timeout().is_none());
        }
    }

    #[test]
    fn another_rate_holds_at_once_and_a_debt_stays_what_it_is_in_bytes() {
        let mut bucket = TokenBucket::new(RATE);
        // A whole burst, and ten seconds of the rate on top.
        bucket.take(at(0), RATE / 10 + 10 * RATE);
        assert_eq!(bucket.ready_at(at(0)), at(10_010));
        bucket.set_rate(at(0), 10 * RATE);
        assert_eq!(bucket.ready_at(at(0)), at(920), "ten times as fast");
        bucket.set_rate(at(0), 10 * RATE);
        assert_eq!(bucket.ready_at(at(0)), at(920), "the same is no change");
        bucket.set_rate(at(0), 0);
        assert_eq!(bucket.allowance(at(0)), u64::MAX);
        assert_eq!(bucket.poll_timeout(), None);
        bucket.set_rate(at(5), RATE);
        assert_eq!(bucket.allowance(at(5)), RATE / 10, "nothing was unpaid");
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
        assert_eq!(bucket.poll_timeout(), None);
    }

    #[test]
    fn the_slowest_rate_and_the_largest_take_do_not_overflow() {
        let mut bucket = TokenBucket::new(1);
        bucket.take(at(0), u64::MAX);
        assert!(!bucket.is_ready(at(0)));
        assert!(bucket.ready_at(at(0)) > at(0));
    }

    #[test]
    fn a_frame_counts_as_what_it_has_room_for_and_no_byte_comes_for_nothing() {
        assert_eq!(packet_bytes(Framing::Comet, 10 * 1044), 10 * 1024);
        assert_eq!(packet_bytes(Framing::Comet, 1), 1);
        assert_eq!(packet_bytes(Framing::Comet, 0), 0);
        assert_eq!(packet_bytes(Framing::Wide, 65_556), 65_556);
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
