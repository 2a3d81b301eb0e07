//! Wall-clock time as a value, and as the text that Go writes.
//!
//! The address book outlives the process, so its times are dates, not distances from the start of
//! the engine. They count nanoseconds since the Unix epoch; like all time in a pure room they come
//! in as arguments. In a file they are RFC 3339 with as many fractional digits as are needed:
//! `2026-11-22T09:05:07.25Z`. Go's zero time, `0001-01-01T00:00:00Z`, stands for "never", which
//! here is the epoch itself: no node ran in 1970.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimeParser;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// What [`Timestamp::NEVER`] is called in text: the zero of Go's `time.Time`.
const NEVER_TEXT: &str = "0001-01-01T00:00:00Z";
/// What every text begins with, a 0 for each digit.
const SHAPE: &[u8] = b"0000-00-00T00:00:00";

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
        let time = jiff::Timestamp::from_nanosecond(self.0.into());
        let time = time.expect("the year 2554 is within jiff's 9999");
        fmt::Display::fmt(&time, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339. A time before the epoch is [`Timestamp::NEVER`], one after the year 2554 is
    /// the end of time.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        parse(text).ok_or(TimestampError)
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
fn parse(text: &str) -> Option<Timestamp> {
    const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    has_shape(text.as_bytes()).then_some(())?;
    let pieces = DateTimeParser::new().parse_pieces(text).ok()?;
    // Date and offset apart: the last hours of the year 9999 are a date, and beyond jiff's time.
    let date = pieces.date().to_datetime(pieces.time()?);
    let offset = pieces.to_numeric_offset()?;
    let nanos =
        date.duration_since(EPOCH).as_nanos() - i128::from(offset.seconds()) * 1_000_000_000;
    let nanos = u64::try_from(nanos.max(0)).unwrap_or(u64::MAX);
    Some(Timestamp(nanos))
}

/// Whether a text is written as Go writes times. jiff alone would read more: weeks, times without
/// seconds, names of time zones.
fn has_shape(text: &[u8]) -> bool {
    let Some((date_time, rest)) = text.split_at_checked(SHAPE.len()) else {
        return false;
    };
    let is_alike = |(byte, shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        mark => byte == mark,
    };
    let fraction = match rest {
        [b'.', digits @ ..] => 1 + digits.iter().take_while(|b| b.is_ascii_digit()).count(),
        _ => 0,
    };
    let is_zone = match &rest[fraction..] {
        b"Z" => true,
        // jiff's zones go beyond 23 hours.
        [b'+' | b'-', ten, one, b':', _, _] => [*ten, *one] < *b"24",
        _ => false,
    };
    // No minute has a sixty-first second: RFC 3339 knows one, Go does not.
    is_zone && date_time[17] < b'6' && date_time.iter().zip(SHAPE).all(is_alike)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND_NANOS: u64 = 1_000_000_000;
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
        assert_eq!("9999-12-31T23:59:59-23:59".parse(), Ok(end));
        assert_eq!("0000-01-01T00:00:00+23:59".parse(), Ok(Timestamp::NEVER));
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
            "2026-11-22t09:05:07z",
            "2026-11-22T09:05Z",
            "2026-W47-7T09:05:07Z",
            "20261122T090507Z",
            "2026-11-22T09:05:07,5Z",
            "2026-11-22T09:05:07Z[UTC]",
            "2026-11-22T09:05:07[UTC]",
            "2026-11-22T09:05:07+01",
            "2026-11-22T09:05:07+1:30",
            "2026-11-22T09:05:07+01:60",
            "2026-11-22T09:05:07+01:30:30",
            "-00001-11-22T09:05:07Z",
            "2026-00-22T09:05:07Z",
            "2026-11-00T09:05:07Z",
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
