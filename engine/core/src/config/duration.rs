//! Durations as `config.toml` writes them: Go's notation, `10ms`, `3s`, `1h30m`, `1.5h`.
//!
//! A duration is a sum of terms, each a decimal number with a unit, behind a sign if there is one. A bare
//! `0` needs no unit. Read by hand: what `jiff` reads is another language, in both directions
//! (docs/decisions/0042).

use std::time::Duration;

use thiserror::Error;

/// Units and their nanoseconds, the longer of two names with a common start first.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The units used for writing, largest first: one name per size.
const WRITTEN_UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DurationError {
    /// There is no text.
    #[error("a duration must not be empty: write one like \"10ms\", \"3s\" or \"1h30m\"")]
    Empty,
    /// A minus sign.
    #[error("a duration must not be negative")]
    Negative,
    /// Something else stands where a number should.
    #[error("a duration is written like \"10ms\", \"3s\" or \"1h30m\"")]
    Malformed,
    /// A number is not followed by a unit.
    #[error("each number of a duration needs a unit: ns, us, ms, s, m or h, as in \"10ms\"")]
    Unit,
    /// More than 2^64 nanoseconds, 584 years.
    #[error("the duration is too long")]
    TooLong,
}

/// Reads a duration.
///
/// # Errors
/// [`DurationError`] says which rule was broken.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    match rest {
        "" => return Err(DurationError::Malformed),
        "0" => return Ok(Duration::ZERO),
        _ => {}
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanos, after) = parse_term(rest)?;
        total = total.checked_add(nanos).ok_or(DurationError::TooLong)?;
        rest = after;
    }
    if total > 0 && text.starts_with('-') {
        return Err(DurationError::Negative);
    }
    Ok(Duration::from_nanos(total))
}

/// Writes a duration so that [`parse`] reads the same one back: `1h30m`, `1s500ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let mut nanos = duration.as_nanos();
    if nanos == 0 {
        return String::from("0s");
    }
    let mut text = String::new();
    for (unit, size) in WRITTEN_UNITS {
        let count = nanos / u128::from(size);
        nanos %= u128::from(size);
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(unit);
        }
    }
    text
}

/// One number with its unit, in nanoseconds, and what follows it.
fn parse_term(text: &str) -> Result<(u64, &str), DurationError> {
    let number_len = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, after) = text.split_at(number_len);
    if !number.contains(|c: char| c.is_ascii_digit()) {
        return Err(DurationError::Malformed);
    }
    let unit_len = after
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(after.len());
    let (unit, rest) = after.split_at(unit_len);
    let (_, size) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or(DurationError::Unit)?;
    Ok((scale(number, *size)?, rest))
}

/// `number` times `size` nanoseconds; digits behind the nanosecond are cut off.
fn scale(number: &str, size: u64) -> Result<u64, DurationError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') {
        return Err(DurationError::Malformed);
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let whole: u64 = whole.parse().map_err(|_| DurationError::TooLong)?;
    let nanos = whole.checked_mul(size).ok_or(DurationError::TooLong)?;
    let mut part = 0;
    let mut place = size;
    for digit in fraction.bytes() {
        // Only digits reach here, and ten tenths of an hour fit a u64 with ease.
        part += u64::from(digit - b'0') * place / 10;
        place /= 10;
    }
    nanos.checked_add(part).ok_or(DurationError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, nanos) in [
            ("7ns", 7),
            ("7us", 7_000),
            ("7µs", 7_000),
            ("10ms", 10_000_000),
            ("3s", 3_000_000_000),
            ("2m", 120_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("1.25s", 1_250_000_000),
            ("1.s", 1_000_000_000),
            (".5s", 500_000_000),
            ("100μs", 100_000),
            ("+1s", 1_000_000_000),
            // Terms in any order, as often as one likes, each with a fraction: Go minds none of it.
            ("1.5h30m", 7_200_000_000_000),
            ("1m1h", 3_660_000_000_000),
            ("2s3s", 5_000_000_000),
            ("-0", 0),
            ("-0s", 0),
            ("0", 0),
            ("0s", 0),
            (" 3s ", 3_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_rule_it_breaks() {
        for (text, error) in [
            ("", DurationError::Empty),
            ("  ", DurationError::Empty),
            ("-3s", DurationError::Negative),
            ("-", DurationError::Malformed),
            ("+", DurationError::Malformed),
            ("+-1s", DurationError::Malformed),
            // What other notations allow, and Go does not.
            ("1h, 30m", DurationError::Unit),
            ("1h 30m", DurationError::Unit),
            ("1 hour", DurationError::Unit),
            ("1d", DurationError::Unit),
            ("PT1H", DurationError::Malformed),
            ("01:30:00", DurationError::Unit),
            ("3", DurationError::Unit),
            ("3 s", DurationError::Unit),
            ("3days", DurationError::Unit),
            ("s", DurationError::Malformed),
            (".s", DurationError::Malformed),
            ("1..5s", DurationError::Malformed),
            ("99999999999999999999s", DurationError::TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_longest_duration_is_read_and_one_nanosecond_more_is_not() {
        assert_eq!(
            parse("18446744073709551615ns"),
            Ok(Duration::from_nanos(u64::MAX))
        );
        assert_eq!(parse("18446744073709551616ns"), Err(DurationError::TooLong));
        assert_eq!(
            parse("18446744073709551615ns1ns"),
            Err(DurationError::TooLong)
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        for nanos in [
            0,
            1,
            999,
            50_000,
            1_500_000_000,
            5_400_000_000_000,
            3_600_000_000_001,
        ] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(parse(&format(duration)), Ok(duration));
        }
        assert_eq!(format(Duration::from_secs(5400)), "1h30m");
        assert_eq!(format(Duration::from_millis(1500)), "1s500ms");
    }
}
