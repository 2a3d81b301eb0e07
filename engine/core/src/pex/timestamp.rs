//! Wall-clock time as a value, and as the text that Go writes.
//!
//! The address book outlives the process, so its times are dates, not distances from the start of
//! the engine. They count nanoseconds since the Unix epoch; like all time in a pure room they come
//! in as arguments. In a file they are RFC 3339 with as many fractional digits as are needed:
//! `2026-11-22T09:05:07.25Z`. Go's zero time, `0001-01-01T00:00:00Z`, stands for "never", which
//! here is the epoch itself: no node ran in 1970.

use std::fmt::{self, Write as _};
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

const SECOND_NANOS: u64 = 1_000_000_000;
const DAY_SECONDS: u64 = 86_400;
/// What [`Timestamp::NEVER`] is called in text: the zero of Go's `time.Time`.
const NEVER_TEXT: &str = "0001-01-01T00:00:00Z";
/// The longest text that is read, in bytes: nine fractional digits and an offset need 35.
const TEXT_BYTES_MAX: usize = 40;

/// A point in wall-clock time, to the nanosecond, from 1970 to the year 2554.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// A text is not a date and time of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a time is written as in RFC 3339, such as 2026-11-22T09:05:07.25Z")]
pub struct TimestampError;

impl Timestamp {
    /// The Unix epoch, which stands for "it has not happened".
    pub const NEVER: Timestamp = Timestamp(0);

    /// The time `nanos` nanoseconds after the Unix epoch.
    pub const fn from_unix_nanos(nanos: u64) -> Self {
        Timestamp(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_unix_nanos(self) -> u64 {
        self.0
    }

    /// Whether this is [`Timestamp::NEVER`].
    pub const fn is_never(self) -> bool {
        self.0 == 0
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    /// Saturates at the end of time instead of wrapping into the past.
    fn add(self, duration: Duration) -> Timestamp {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_add(nanos))
    }
}

impl Sub for Timestamp {
    type Output = Duration;

    /// How long ago `earlier` was; zero if it lies in the future.
    fn sub(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, without trailing zeros in the fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() {
            return f.write_str(NEVER_TEXT);
        }
        let (seconds, nanos) = (self.0 / SECOND_NANOS, self.0 % SECOND_NANOS);
        let (year, month, day) = date_of(seconds / DAY_SECONDS);
        let second = seconds % DAY_SECONDS;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if nanos > 0 {
            let (mut fraction, mut digits) = (nanos, 9);
            while fraction % 10 == 0 {
                fraction /= 10;
                digits -= 1;
            }
            write!(f, ".{fraction:0digits$}")?;
        }
        f.write_char('Z')
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339. A time before the epoch is [`Timestamp::NEVER`], one after the year 2554 is
    /// the end of time.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        parse(text.as_bytes()).ok_or(TimestampError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)`, or nothing.
fn parse(text: &[u8]) -> Option<Timestamp> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let (date_time, rest) = text.split_at_checked(19)?;
    for (at, mark) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        (date_time[at] == mark).then_some(())?;
    }
    let field = |from: usize, to: usize| number(&date_time[from..to]);
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    let within = (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    within.then_some(())?;
    let (nanos, rest) = parse_fraction(rest)?;
    let offset_seconds = parse_offset(rest)?;
    let days = days_before(year, month, day) - days_before(1970, 1, 1);
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset_seconds;
    let nanos = i128::from(seconds) * i128::from(SECOND_NANOS) + i128::from(nanos);
    let nanos = u64::try_from(nanos.max(0)).unwrap_or(u64::MAX);
    Some(Timestamp(nanos))
}

/// The nanoseconds of `.123`, if it stands there, and what follows.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let (fraction, rest) = rest.split_at(digits);
    let scale = 10_i64.pow(9 - u32::try_from(digits).ok()?);
    Some((number(fraction)? * scale, rest))
}

/// The seconds by which `Z` or `±hh:mm` is ahead of UTC.
fn parse_offset(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        b"Z" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let [a, b, b':', c, d] = digits else {
        return None;
    };
    let (hours, minutes) = (number(&[*a, *b])?, number(&[*c, *d])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + i64::from(byte - b'0'))
    })
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the first of March of the year 0 to a date of the Gregorian calendar. Years that begin
/// in March end with the leap day, so the lengths of their months follow one line: 153 days for
/// each five.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1
}

/// Year, month and day of the day that is `days` after the first of January 1970.
fn date_of(days: u64) -> (u64, u64, u64) {
    // Counted from the first of March of the year 0; 400 years have 146 097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = year + era * 400;
    if month < 10 {
        (year, month + 3, day)
    } else {
        (year + 1, month - 9, day)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Seconds as `date -u -d TEXT +%s` prints them.
    const DATES: &[(&str, u64)] = &[
        ("1970-01-01T00:00:01Z", 1),
        ("2000-02-29T23:59:59Z", 951_868_799),
        ("2000-03-01T00:00:00Z", 951_868_800),
        ("2026-11-22T09:05:07Z", 1_795_338_307),
        ("2100-02-28T12:00:00Z", 4_107_499_200),
        ("2100-03-01T12:00:00Z", 4_107_585_600),
    ];

    #[test]
    fn dates_are_those_of_the_calendar_both_ways() {
        for (text, seconds) in DATES {
            let time = Timestamp::from_unix_nanos(seconds * SECOND_NANOS);
            assert_eq!(text.parse(), Ok(time), "{text}");
            assert_eq!(time.to_string(), *text);
        }
    }

    #[test]
    fn the_zero_of_go_is_never() {
        assert_eq!(NEVER_TEXT.parse(), Ok(Timestamp::NEVER));
        assert_eq!(Timestamp::NEVER.to_string(), NEVER_TEXT);
    }

    #[test]
    fn fractions_and_offsets_are_read_as_go_writes_them() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_unix_nanos();
        let whole = at("2026-11-22T09:05:07Z");
        assert_eq!(at("2026-11-22T09:05:07.25Z"), whole + 250_000_000);
        assert_eq!(at("2026-11-22T09:05:07.000000001Z"), whole + 1);
        assert_eq!(at("2026-11-22T10:35:07+01:30"), whole);
        assert_eq!(at("2026-11-21T21:05:07.5-12:00"), whole + 500_000_000);
    }

    #[test]
    fn the_end_of_time_is_not_passed() {
        let end = Timestamp::from_unix_nanos(u64::MAX);
        assert_eq!("9999-12-31T23:59:59Z".parse(), Ok(end));
        assert_eq!(end + Duration::from_nanos(1), end);
        assert_eq!(end.to_string().parse(), Ok(end));
        assert_eq!(Timestamp::NEVER - end, Duration::ZERO);
        assert_eq!(end - Timestamp::NEVER, Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T09:05:07",
            "2026-11-22 09:05:07Z",
            "2026-13-22T09:05:07Z",
            "2026-02-29T09:05:07Z",
            "2026-11-31T09:05:07Z",
            "2026-11-22T24:05:07Z",
            "2026-11-22T09:60:07Z",
            "2026-11-22T09:05:60Z",
            "2026-11-22T09:05:07.Z",
            "2026-11-22T09:05:07.0000000001Z",
            "2026-11-22T09:05:07+0130",
            "2026-11-22T09:05:07+24:00",
            "2026-11-22T09:05:07ZZ",
            "+026-11-22T09:05:07Z",
            "２０２６-11-22T09:05:07Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_is_read_as_it_was_written(nanos: u64) {
            let time = Timestamp::from_unix_nanos(nanos);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
