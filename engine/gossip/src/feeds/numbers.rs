//! [`Numbers`]: which numbers an origin gives its bodies, from one life of its node to the next.
//!
//! An origin is heard only above the numbers that it gave before, and its key is the same in every life. The time
//! alone would do to begin at, if clocks were always right. So a bound is kept besides: all numbers below it may have
//! been given, none above it was.
//!
//! ```text
//!    first: the clock, or what was kept, whichever is higher       bound: what is kept now
//!      │ given │                not given yet                         │
//!   ───┴───────┴─────────────────────┬────────────────────────────────┴──▶ numbers
//!                                    └ once the next number is here, a new bound is to be kept
//! ```
//!
//! The bound is kept before the first number is given, so whatever ends a life, the next one begins above it.

use std::time::Duration;

use thiserror::Error;

/// Numbers that are reserved at a time. A node gives 1,024 a second at most, so half of them last for eight minutes, in
/// which a new bound can be kept. In microseconds they are one second: a node that loses its bound is behind by no more.
pub const NUMBERS_RESERVED: u64 = 1 << 20;

/// No bound is beyond: 292,000 years from 1970.
const BOUND_MAX: u64 = 1 << 63;

/// Bytes that are enough for what [`Numbers::to_bytes`] makes.
pub const NUMBERS_BYTES_MAX: usize = 80;

/// What stands before the bound where it is kept.
const HEAD: &[u8] = b"ringwire gossip: all numbers are below ";

/// Where an origin's numbers begin, and how far they are reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbers {
    first: u64,
    bound: u64,
    reserved: u64,
}

/// Why bytes are not what [`Numbers::to_bytes`] made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum NotNumbers {
    /// The end is missing, or all of it, as a loss of power may leave a file.
    #[error("it is damaged")]
    Torn,
    /// Something else.
    #[error("it holds something else than the bound of a gossip's numbers")]
    Foreign,
}

impl Numbers {
    /// Of a life that begins so long after 1970, by a clock that may be wrong, where `kept` was kept in the life before,
    /// if there was one. The bound is to be kept before the first number is given.
    pub fn begin(since_1970: Duration, kept: Option<u64>) -> Numbers {
        let clock = u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX);
        let first = clock.max(kept.unwrap_or(0)).min(BOUND_MAX);
        let reserved = NUMBERS_RESERVED;
        Numbers {
            first,
            bound: first + reserved,
            reserved,
        }
    }

    /// The same, with so many numbers reserved at a time in place of [`NUMBERS_RESERVED`]; one at least.
    pub fn reserving(self, reserved: u32) -> Numbers {
        let reserved = u64::from(reserved.max(1));
        Numbers {
            bound: self.first + reserved,
            reserved,
            ..self
        }
    }

    /// The first number.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The bound that is to be kept.
    pub fn bound(&self) -> u64 {
        self.bound
    }

    /// Whether more than half of what was reserved is given once `next` is the next number: then the bound is a higher
    /// one, which is to be kept.
    pub fn reserve(&mut self, next: u64) -> bool {
        let is_low = self.bound.saturating_sub(next) < self.reserved.div_ceil(2);
        if is_low {
            self.bound = next.saturating_add(self.reserved);
        }
        is_low
    }

    /// The bound as it is kept: a line of text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = HEAD.to_vec();
        bytes.extend_from_slice(self.bound.to_string().as_bytes());
        bytes.push(b'\n');
        bytes
    }

    /// The bound that was kept so.
    ///
    /// # Errors
    /// [`NotNumbers`] where it is not what [`Numbers::to_bytes`] made.
    pub fn kept_in(bytes: &[u8]) -> Result<u64, NotNumbers> {
        // Some file systems give a file that was not synced its length and no bytes.
        let is_blank = bytes.iter().all(|byte| *byte == 0);
        if is_blank || HEAD.starts_with(bytes) {
            return Err(NotNumbers::Torn);
        }
        let bound = bytes.strip_prefix(HEAD).ok_or(NotNumbers::Foreign)?;
        let digits = bound.strip_suffix(b"\n").unwrap_or(bound);
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(NotNumbers::Foreign);
        }
        // Without its end a number may lack digits.
        if digits.len() == bound.len() || digits.is_empty() {
            return Err(NotNumbers::Torn);
        }
        let text = str::from_utf8(digits).expect("digits are ASCII");
        let bound = text.parse().map_err(|_| NotNumbers::Foreign)?;
        match bound {
            0..=BOUND_MAX => Ok(bound),
            _ => Err(NotNumbers::Foreign),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn micros(time: Duration) -> u64 {
        u64::try_from(time.as_micros()).expect("not so long")
    }

    /// What the next life finds.
    fn kept(numbers: &Numbers) -> Option<u64> {
        let kept = Numbers::kept_in(&numbers.to_bytes()).expect("what was kept");
        assert_eq!(kept, numbers.bound());
        Some(kept)
    }

    #[test]
    fn the_first_life_begins_at_the_time_and_a_later_one_above_all_before() {
        let first = Numbers::begin(NOW, None);
        assert_eq!(first.first(), micros(NOW));
        let later = Numbers::begin(NOW + DAY, kept(&first));
        assert_eq!(
            later.first(),
            micros(NOW + DAY),
            "the clock is ahead of what was kept"
        );
    }

    #[test]
    fn a_clock_that_was_ahead_or_is_set_back_leads_to_no_lower_number() {
        let ahead = Numbers::begin(NOW + DAY, None);
        for clock in [NOW, NOW - DAY, Duration::ZERO] {
            let next = Numbers::begin(clock, kept(&ahead));
            assert_eq!(next.first(), ahead.bound());
            let after = Numbers::begin(clock, kept(&next));
            assert_eq!(after.first(), ahead.bound() + NUMBERS_RESERVED);
        }
    }

    #[test]
    fn a_higher_bound_is_to_be_kept_when_half_of_the_reserve_is_given() {
        let mut numbers = Numbers::begin(NOW, None);
        let half = numbers.first() + NUMBERS_RESERVED / 2;
        assert!(!numbers.reserve(numbers.first()));
        assert!(!numbers.reserve(half));
        let before = numbers;
        assert!(numbers.reserve(half + 1));
        assert_eq!(numbers.bound(), half + 1 + NUMBERS_RESERVED);
        assert!(!numbers.reserve(half + 2), "once is enough");
        // A life that ends before the new bound is kept, or after: the numbers that it gave are below either.
        for kept_last in [before, numbers] {
            let next = Numbers::begin(Duration::ZERO, kept(&kept_last));
            assert!(next.first() > half + 1);
        }
    }

    #[test]
    fn a_bound_that_was_cut_off_anywhere_is_torn_and_none_is_read_as_a_lower_one() {
        let whole = Numbers::begin(NOW, None).to_bytes();
        assert!(whole.len() <= NUMBERS_BYTES_MAX);
        for end in 0..whole.len() {
            assert_eq!(
                Numbers::kept_in(&whole[..end]),
                Err(NotNumbers::Torn),
                "{end}"
            );
        }
        assert_eq!(Numbers::kept_in(&[0; 60]), Err(NotNumbers::Torn));
        let no_digits = [HEAD, b"\n"].concat();
        assert_eq!(Numbers::kept_in(&no_digits), Err(NotNumbers::Torn));
    }

    #[test]
    fn another_document_is_foreign_and_so_is_a_number_that_no_node_keeps() {
        let with = |bound: &str| [HEAD, bound.as_bytes()].concat();
        let bound = |bound: u64| with(&format!("{bound}\n"));
        assert_eq!(Numbers::kept_in(&bound(BOUND_MAX)), Ok(BOUND_MAX));
        for foreign in [
            bound(BOUND_MAX + 1),
            with("99999999999999999999\n"),
            with("-1\n"),
            with("17\nmore\n"),
            b"moniker = \"mine\"\n".to_vec(),
            b"{}".to_vec(),
        ] {
            assert_eq!(Numbers::kept_in(&foreign), Err(NotNumbers::Foreign));
        }
        let beyond = Numbers::begin(Duration::MAX, Some(BOUND_MAX));
        assert_eq!(beyond.first(), BOUND_MAX, "and nothing overflows");
    }
}
