//! [`Allowance`]: how much may come from an origin or a neighbour in a while.
//!
//! ```text
//!            now         spent until
//!  ───────────┼───────────────┼──────────────── now + burst ──▶
//!             └ each message moves this on by its cost; beyond the burst is too much
//! ```
//! It is a token bucket in one word (GCRA, ITU-T I.371): tokens are time, and fill up by themselves.

use std::time::Duration;

/// How much may come in a second: messages, and bytes of their payloads. What is less counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Messages in a second.
    pub messages: u32,
    /// Bytes in a second.
    pub bytes: u32,
}

impl Rate {
    /// Microseconds of this rate that so many messages take. A rate of 0 lets nothing through.
    fn cost_us(self, messages: usize, bytes: usize) -> u64 {
        let of = |amount: u64, rate: u32| {
            (amount * 1_000_000)
                .checked_div(u64::from(rate))
                .unwrap_or(u64::MAX)
        };
        of(messages as u64, self.messages).max(of(bytes as u64, self.bytes))
    }
}

/// What was spent of a [`Rate`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Allowance {
    /// Until then all is spent, in microseconds.
    spent_until_us: u64,
}

impl Allowance {
    /// Spends what messages of so many bytes together cost. Returns false, and spends nothing, where that is more than the rate gives in
    /// `burst`.
    pub(super) fn try_spend(
        &mut self,
        now: Duration,
        rate: Rate,
        burst: Duration,
        (messages, bytes): (usize, usize),
    ) -> bool {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let begin_us = self.spent_until_us.max(micros(now));
        let spent_us = begin_us.saturating_add(rate.cost_us(messages, bytes));
        let is_within = spent_us <= micros(now.saturating_add(burst)) && spent_us < u64::MAX;
        if is_within {
            self.spent_until_us = spent_us;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        messages: 10,
        bytes: 1000,
    };
    const BURST: Duration = Duration::from_secs(2);

    fn spend(allowance: &mut Allowance, now: Duration, bytes: usize) -> usize {
        (0..100)
            .take_while(|_| allowance.try_spend(now, RATE, BURST, (1, bytes)))
            .count()
    }

    #[test]
    fn a_burst_passes_and_one_more_does_not() {
        let mut allowance = Allowance::default();
        let now = Duration::from_secs(9);
        assert_eq!(spend(&mut allowance, now, 1), 20, "messages are the limit");
        let later = now + Duration::from_millis(100);
        assert_eq!(spend(&mut allowance, later, 1), 1, "a tenth of a second");
        let together = (0..100).take_while(|_| allowance.try_spend(later * 2, RATE, BURST, (5, 1)));
        assert_eq!(together.count(), 4, "messages of a bundle count each");
        let rested = later * 2 + Duration::from_secs(60);
        assert_eq!(spend(&mut allowance, rested, 500), 4, "bytes are the limit");
    }

    #[test]
    fn a_rate_of_zero_lets_nothing_through() {
        let rate = Rate {
            messages: 0,
            bytes: 1000,
        };
        let mut allowance = Allowance::default();
        assert!(!allowance.try_spend(Duration::ZERO, rate, Duration::MAX, (1, 1)));
    }
}
