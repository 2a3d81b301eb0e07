//! Scalars that are written in another type than their key has, read as CometBFT reads them.
//!
//! CometBFT decodes `config.toml` weakly (viper, and mapstructure with `WeaklyTypedInput`): a number
//! in quotes is a number, `1` is true, `50.0` is fifty. Homes with such values run for years, so they
//! are taken here as well, with a note that says how they were understood. What its reader refuses is
//! refused.
//!
//! | the key wants | taken plainly | taken with a note |
//! |---|---|---|
//! | a number | whole number | in quotes (Go's notation: `0x10`, `1_000`, leading 0 is octal), fraction cut off, true is 1 |
//! | a truth value | true, false | 0 and other numbers, and in quotes what Go's `ParseBool` takes |
//! | a text | text | number, true ("1"), false ("0") |
//! | a duration | text with units | 0, and nanoseconds from a millisecond on |

use std::time::Duration;

use ringwire_core::config::duration;
use toml::de::{DeFloat, DeInteger, DeValue};

/// The shortest duration that is taken as a bare number of nanoseconds. Whoever writes less means
/// seconds or milliseconds, and a node with a timeout of 3 ns reaches nobody.
const BARE_NANOS_MIN: u64 = 1_000_000;

/// A value as it was understood, and what was odd about how it was written.
pub(super) struct Read<T> {
    pub(super) value: T,
    /// Sentences that go on from the name of the key.
    pub(super) notes: Vec<String>,
}

impl<T> Read<T> {
    pub(super) fn plain(value: T) -> Self {
        let notes = Vec::new();
        Read { value, notes }
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Read<U> {
        Read {
            value: change(self.value),
            notes: self.notes,
        }
    }

    /// Reads on from what was read, and keeps the notes of both steps.
    pub(super) fn and_then<U>(
        self,
        next: impl FnOnce(T) -> Result<Read<U>, String>,
    ) -> Result<Read<U>, String> {
        let mut read = next(self.value)?;
        read.notes.splice(0..0, self.notes);
        Ok(read)
    }
}

impl<T: ToString> Read<T> {
    /// A value that was written in another type.
    fn odd(value: T, written: &DeValue<'_>) -> Self {
        let note = format!("is {}; it is read as {}", noun(written), value.to_string());
        Read {
            value,
            notes: vec![note],
        }
    }
}

/// A whole number that is not negative.
pub(super) fn number(value: &DeValue<'_>) -> Result<Read<u64>, String> {
    let wrong = || expected("a whole number", value);
    match value {
        DeValue::Integer(integer) => whole(integer).map(Read::plain),
        DeValue::Float(float) => cut_off(float, wrong).map(|number| Read::odd(number, value)),
        DeValue::String(text) => {
            let number = go_integer(text).ok_or_else(wrong)??;
            Ok(Read::odd(number, value))
        }
        DeValue::Boolean(flag) => Ok(Read::odd(u64::from(*flag), value)),
        _ => Err(wrong()),
    }
}

/// True or false.
pub(super) fn flag(value: &DeValue<'_>) -> Result<Read<bool>, String> {
    let wrong = || expected("true or false", value);
    match value {
        DeValue::Boolean(flag) => Ok(Read::plain(*flag)),
        DeValue::Integer(integer) => {
            let is_zero = integer.as_str().bytes().all(|byte| b"+-0".contains(&byte));
            Ok(Read::odd(!is_zero, value))
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse::<f64>().map_err(|_| wrong())?;
            Ok(Read::odd(number != 0.0, value))
        }
        DeValue::String(text) => {
            let flag = go_bool(text).ok_or_else(wrong)?;
            Ok(Read::odd(flag, value))
        }
        _ => Err(wrong()),
    }
}

/// A text.
pub(super) fn text(value: &DeValue<'_>) -> Result<Read<String>, String> {
    match value {
        DeValue::String(text) => Ok(Read::plain(text.clone().into_owned())),
        DeValue::Boolean(flag) => Ok(Read::odd(u8::from(*flag).to_string(), value)),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            let number = number.map_err(|_| expected("a text in quotes", value))?;
            Ok(Read::odd(number.to_string(), value))
        }
        DeValue::Float(float) => match float.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Read::odd(number.to_string(), value)),
            _ => Err(expected("a text in quotes", value)),
        },
        _ => Err(expected("a text in quotes", value)),
    }
}

/// A duration.
pub(super) fn time(value: &DeValue<'_>) -> Result<Read<Duration>, String> {
    let wrong = || expected("a duration in quotes, like \"10ms\" or \"3s\"", value);
    let nanos = match value {
        DeValue::String(text) => {
            let parsed = duration::parse(text).map_err(|error| error.to_string())?;
            return Ok(Read::plain(parsed));
        }
        DeValue::Integer(integer) => whole(integer)?,
        DeValue::Float(float) => cut_off(float, wrong)?,
        _ => return Err(wrong()),
    };
    let time = Duration::from_nanos(nanos);
    let shown = duration::format(time);
    if nanos != 0 && nanos < BARE_NANOS_MIN {
        let rule = format!("{}; without a unit it would be {shown}", wrong());
        return Err(rule);
    }
    let shown = Read::odd(shown, value);
    Ok(shown.map(|_| time))
}

fn whole(integer: &DeInteger<'_>) -> Result<u64, String> {
    if integer.as_str().starts_with('-') {
        return Err(String::from("must not be negative"));
    }
    u64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| String::from("is too large"))
}

/// The whole part of a number with a point.
fn cut_off(float: &DeFloat<'_>, wrong: impl Fn() -> String) -> Result<u64, String> {
    let number: f64 = float.as_str().parse().map_err(|_| wrong())?;
    if !number.is_finite() {
        return Err(wrong());
    }
    if number <= -1.0 {
        return Err(String::from("must not be negative"));
    }
    if number >= u64::MAX as f64 {
        return Err(String::from("is too large"));
    }
    Ok(number as u64)
}

/// Go's `strconv.ParseInt` with base 0; an empty text is zero, as mapstructure has it. `None` if it
/// is no number, an error if it is one that does not do.
fn go_integer(text: &str) -> Option<Result<u64, String>> {
    if text.is_empty() {
        return Some(Ok(0));
    }
    let (is_negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = radix_of(digits);
    let is_number = digits
        .split('_')
        .all(|group| !group.is_empty() && group.chars().all(|digit| digit.is_digit(radix)));
    if !is_number {
        return None;
    }
    let Ok(number) = u64::from_str_radix(&digits.replace('_', ""), radix) else {
        return Some(Err(String::from("is too large")));
    };
    match is_negative && number != 0 {
        true => Some(Err(String::from("must not be negative"))),
        false => Some(Ok(number)),
    }
}

/// The base that a number of Go is written in, and its digits.
fn radix_of(digits: &str) -> (u32, &str) {
    for (prefix, radix) in [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)] {
        let head = digits.get(..prefix.len());
        if head.is_some_and(|head| head.eq_ignore_ascii_case(prefix)) && digits.len() > prefix.len()
        {
            let digits = &digits[prefix.len()..];
            // One may stand between the prefix and the first digit.
            return (radix, digits.strip_prefix('_').unwrap_or(digits));
        }
    }
    (10, digits)
}

/// Go's `strconv.ParseBool`; an empty text is false, as mapstructure has it.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// What to tell of a value that cannot be understood.
pub(super) fn expected(what: &str, value: &DeValue<'_>) -> String {
    format!("must be {what}, not {}", noun(value))
}

fn noun(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text in quotes",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list in brackets",
        DeValue::Table(_) => "a section",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader makes of `toml`: the value and its notes.
    fn read<T>(
        toml: &str,
        reader: fn(&DeValue<'_>) -> Result<Read<T>, String>,
    ) -> Result<(T, Vec<String>), String> {
        let value = DeValue::parse(toml).expect("a value of TOML");
        reader(value.get_ref()).map(|read| (read.value, read.notes))
    }

    fn noted<T>(value: T, note: &str) -> Result<(T, Vec<String>), String> {
        Ok((value, vec![note.to_owned()]))
    }

    #[test]
    fn a_number_is_read_as_go_reads_it() {
        assert_eq!(read("0x10", number), Ok((16, Vec::new())));
        let note = "is a text in quotes; it is read as 5120000";
        assert_eq!(read("\"5120000\"", number), noted(5_120_000, note));
        let note = "is a number with a point; it is read as 50";
        assert_eq!(read("50.0", number), noted(50, note));
        assert_eq!(read("50.9", number), noted(50, note));
        assert_eq!(
            read("true", number),
            noted(1, "is true or false; it is read as 1")
        );
        for (text, expected) in [
            ("", 0),
            ("0", 0),
            ("-0", 0),
            ("+7", 7),
            ("0x1F", 31),
            ("0b11", 3),
            ("0o17", 15),
            ("010", 8),
            ("1_000", 1000),
            ("0x_ff", 255),
        ] {
            let read = read(&format!("\"{text}\""), number);
            assert_eq!(read.map(|read| read.0), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_to_go_is_none_here() {
        for text in [
            "fast", " 7", "7 ", "1e6", "1__0", "_1", "1_", "08", "0x", "++7", "3s",
        ] {
            let rule = "must be a whole number, not a text in quotes";
            let read = read(&format!("\"{text}\""), number).map(|read| read.0);
            assert_eq!(read, Err(String::from(rule)), "{text}");
        }
        for (toml, rule) in [
            ("-1", "must not be negative"),
            ("-1.5", "must not be negative"),
            ("\"-1\"", "must not be negative"),
            ("99999999999999999999", "is too large"),
            ("1e30", "is too large"),
            ("\"99999999999999999999\"", "is too large"),
            ("nan", "must be a whole number, not a number with a point"),
            ("[1]", "must be a whole number, not a list in brackets"),
        ] {
            let read = read(toml, number).map(|read| read.0);
            assert_eq!(read, Err(String::from(rule)), "{toml}");
        }
    }

    #[test]
    fn a_truth_value_is_read_as_go_reads_it() {
        assert_eq!(read("true", flag), Ok((true, Vec::new())));
        for (toml, expected) in [
            ("\"true\"", true),
            ("\"T\"", true),
            ("\"1\"", true),
            ("\"False\"", false),
            ("\"\"", false),
            ("1", true),
            ("0", false),
            ("-3", true),
            ("0x00", false),
            ("0.0", false),
            ("0.5", true),
        ] {
            let (value, notes) = read(toml, flag).expect(toml);
            assert_eq!((value, notes.len()), (expected, 1), "{toml}");
        }
        for toml in ["\"yes\"", "\"tRUE\"", "\" true\"", "[true]"] {
            let rule = read(toml, flag).expect_err(toml);
            assert!(rule.starts_with("must be true or false, not "), "{rule}");
        }
    }

    #[test]
    fn a_text_may_look_like_another_value() {
        let text_of = |toml: &str| read(toml, text).map(|(value, notes)| (value, notes.len()));
        assert_eq!(text_of("\"a\""), Ok((String::from("a"), 0)));
        assert_eq!(text_of("7"), Ok((String::from("7"), 1)));
        assert_eq!(text_of("0x10"), Ok((String::from("16"), 1)));
        assert_eq!(text_of("1.50"), Ok((String::from("1.5"), 1)));
        assert_eq!(text_of("true"), Ok((String::from("1"), 1)));
        assert!(text_of("[\"a\"]").is_err());
        assert!(text_of("2026-11-28").is_err());
    }

    #[test]
    fn a_bare_number_of_nanoseconds_is_a_duration_if_it_can_be_meant() {
        let second = Duration::from_secs(1);
        assert_eq!(read("\"1s\"", time), Ok((second, Vec::new())));
        let note = "is a whole number; it is read as 1s";
        assert_eq!(read("1_000_000_000", time), noted(second, note));
        let note = "is a whole number; it is read as 0s";
        assert_eq!(read("0", time), noted(Duration::ZERO, note));
        assert_eq!(read("1e9", time).map(|read| read.0), Ok(second));
        let milli = Duration::from_millis(1);
        assert_eq!(read("1000000", time).map(|read| read.0), Ok(milli));
        let rule = read("999999", time).expect_err("a timeout of nothing");
        assert!(rule.contains("it would be 999us999ns"), "{rule}");
        assert!(read("3", time).is_err() && read("true", time).is_err());
    }
}
