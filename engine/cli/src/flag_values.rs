//! How the values of flags are read that several commands take. What is wrong with one is found
//! before the command does anything, so that it ends as every wrong call does.

use std::num::NonZeroUsize;
use std::time::Duration;

use ringwire_core::config::duration;

/// A time in which something has to happen, so over zero.
///
/// # Errors
/// A sentence about what is no duration, or none at all.
pub(crate) fn time_over_zero(text: &str) -> Result<Duration, String> {
    match duration::parse(text).map_err(|error| error.to_string())? {
        Duration::ZERO => Err(String::from("nothing happens in no time: take more than 0")),
        time => Ok(time),
    }
}

/// A number from 1 to `MAX`.
///
/// # Errors
/// A sentence with both ends.
pub(crate) fn up_to<const MAX: usize>(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.trim().parse::<NonZeroUsize>().ok();
    let within = number.filter(|number| number.get() <= MAX);
    within.ok_or_else(|| match MAX {
        usize::MAX => String::from("it must be a number from 1 on"),
        _ => format!("it must be a number from 1 to {MAX}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_over_zero_by_a_nanosecond_at_least() {
        assert_eq!(time_over_zero("1ns"), Ok(Duration::from_nanos(1)));
        for none in ["0", "0s", "-0s"] {
            let refused = time_over_zero(none).expect_err("that is no time");
            assert!(refused.contains("more than 0"), "{refused}");
        }
        let refused = time_over_zero("5").expect_err("it has no unit");
        assert!(refused.contains("needs a unit"), "{refused}");
    }

    #[test]
    fn a_number_keeps_both_ends() {
        let read = |text: &str| up_to::<512>(text).map(NonZeroUsize::get);
        assert_eq!(read("1"), Ok(1));
        assert_eq!(read("512"), Ok(512));
        for wrong in ["0", "513", "-1", "x", ""] {
            assert_eq!(
                read(wrong),
                Err(String::from("it must be a number from 1 to 512"))
            );
        }
        let without_end = up_to::<{ usize::MAX }>("0");
        assert_eq!(
            without_end,
            Err(String::from("it must be a number from 1 on"))
        );
    }
}
