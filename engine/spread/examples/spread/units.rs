//! Figures with units, as the arguments write them.

use std::time::Duration;

use jiff::SignedDuration;

const SIZES: [(&str, f64); 7] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("KiB", 1024.0),
    ("MiB", 1024.0 * 1024.0),
    ("GiB", 1024.0 * 1024.0 * 1024.0),
    ("", 1.0),
];
const SPEEDS: [(&str, f64); 3] = [("k", 1e3), ("M", 1e6), ("G", 1e9)];

/// The longest payload: as much as the engine carries in one (`gossip::Large`).
pub(crate) const PAYLOAD_BYTES_MAX: u32 = 128 * 1024 * 1024;

/// The fastest node: faster than any line of today, and a byte still takes a while.
pub(crate) const SPEED_MAX: u64 = 1_000_000_000_000;

/// The slowest: below it a packet takes a second.
pub(crate) const SPEED_MIN: u64 = 10_000;

/// The longest pause: more than that is waiting for nothing.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// A length in bytes: `300B`, `4KiB`, `1.5MB`; a bare number is bytes.
pub(crate) fn size(text: &str) -> Result<u32, String> {
    let bytes = scaled(text, &SIZES)
        .ok_or("write a number and a unit: B, kB, MB, KiB, MiB or GiB, as in 4KiB")?;
    match bytes {
        1.0..=128e9 if bytes <= f64::from(PAYLOAD_BYTES_MAX) => Ok(bytes as u32),
        _ => Err(format!(
            "a payload has from 1 B to {} MiB",
            PAYLOAD_BYTES_MAX >> 20
        )),
    }
}

/// Bits in a second: `100M`, `2.5G`; `free` is [`None`].
pub(crate) fn speed(text: &str) -> Result<Option<u64>, String> {
    if text == "free" {
        return Ok(None);
    }
    let bits = scaled(text, &SPEEDS).ok_or(
        "write bits in a second with k, M or G, as in 100M, or `free` for links where only distance costs time",
    )?;
    match bits as u64 {
        bits @ SPEED_MIN..=SPEED_MAX => Ok(Some(bits)),
        _ => Err(String::from(
            "a node has from 10k to 1000G bits in a second",
        )),
    }
}

/// A pause: `250ms`, `1s`, `1m 30s`.
pub(crate) fn pause(text: &str) -> Result<Duration, String> {
    let pause: SignedDuration = text
        .parse()
        .map_err(|_| "write numbers and units, as in 250ms, 1s or 1m30s")?;
    match Duration::try_from(pause) {
        Ok(pause) if pause <= PAUSE_MAX => Ok(pause),
        _ => Err(String::from("a pause lies between 0s and 1h")),
    }
}

/// The number before one of the units, times what the unit means.
fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let number: f64 = digits.trim_end().parse().ok()?;
    Some((number * factor).round())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_up_to_the_edges_and_with_units_that_are_known() {
        assert_eq!(size("4KiB"), Ok(4096));
        assert_eq!(size("300"), Ok(300));
        assert_eq!(size("1.5 kB"), Ok(1500));
        assert_eq!(size("1B"), Ok(1));
        assert_eq!(size("128MiB"), Ok(PAYLOAD_BYTES_MAX));
        for beyond in ["0", "0.4B", "134217729", "1GiB", "-4KiB"] {
            let problem = size(beyond).expect_err(beyond);
            assert!(problem.contains("from 1 B to 128 MiB"), "{problem}");
        }
        for unknown in ["", "4K", "4kib", "KiB", "4KiBs", "nan", "4 KiB x"] {
            let problem = size(unknown).expect_err(unknown);
            assert!(problem.contains("as in 4KiB"), "{problem}");
        }
    }

    #[test]
    fn speeds_are_bits_in_a_second_or_free() {
        assert_eq!(speed("free"), Ok(None));
        assert_eq!(speed("100M"), Ok(Some(100_000_000)));
        assert_eq!(speed("2.5G"), Ok(Some(2_500_000_000)));
        assert_eq!(speed("10k"), Ok(Some(SPEED_MIN)));
        assert_eq!(speed("1000G"), Ok(Some(SPEED_MAX)));
        assert!(speed("9.9k").is_err_and(|problem| problem.contains("from 10k")));
        assert!(speed("1001G").is_err_and(|problem| problem.contains("from 10k")));
        for unknown in ["100", "100Mbit", "fast", ""] {
            assert!(speed(unknown).is_err_and(|problem| problem.contains("as in 100M")));
        }
    }

    #[test]
    fn pauses_end_at_an_hour() {
        assert_eq!(pause("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(pause("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(pause("0s"), Ok(Duration::ZERO));
        assert_eq!(pause("1h"), Ok(PAUSE_MAX));
        assert!(pause("1h 1ms").is_err_and(|problem| problem.contains("between 0s and 1h")));
        assert!(pause("-1s").is_err_and(|problem| problem.contains("between 0s and 1h")));
        assert!(pause("250").is_err_and(|problem| problem.contains("as in 250ms")));
    }
}
