//! How the values of flags are read that several commands take. What is wrong with one is found
//! before the command does anything, so that it ends as every wrong call does.

use std::any::TypeId;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Command;
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
pub(crate) fn up_to<const MAX: u64>(text: &str) -> Result<NonZeroUsize, String> {
    let number = within::<usize, 1, MAX>(text)?;
    NonZeroUsize::new(number).ok_or_else(|| rule(1, MAX))
}

/// A whole number from `MIN` to `MAX`.
///
/// # Errors
/// A sentence with both ends.
pub(crate) fn within<N: TryFrom<u64>, const MIN: u64, const MAX: u64>(
    text: &str,
) -> Result<N, String> {
    let number = text.trim().parse().ok();
    let within = number.filter(|number| (MIN..=MAX).contains(number));
    let number = within.and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| rule(MIN, MAX))
}

fn rule(min: u64, max: u64) -> String {
    match max {
        u64::MAX => format!("it must be a number from {min} on"),
        _ => format!("it must be a number from {min} to {max}"),
    }
}

/// Lets each flag with a value take one that begins with a minus and looks like a number, or, where it wants a time,
/// like anything: it is refused with the flag's own words then, and not as a flag that nobody knows.
pub(crate) fn take_negative_numbers(command: Command) -> Command {
    let command = command.mut_args(|arg| match arg.get_long() {
        Some(_) if arg.get_action().takes_values() => {
            let is_time = arg.get_value_parser().type_id() == TypeId::of::<Duration>();
            match is_time {
                true => arg.allow_hyphen_values(true),
                false => arg.allow_negative_numbers(true),
            }
        }
        _ => arg,
    });
    command.mut_subcommands(take_negative_numbers)
}

#[cfg(test)]
mod tests {
    use clap::Arg;
    use clap::error::ErrorKind;

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
    fn a_value_that_begins_with_a_minus_is_the_flags_affair() {
        let command = Command::new("ringwire")
            .arg(Arg::new("every").long("every").value_parser(time_over_zero))
            .arg(Arg::new("max").long("max").value_parser(up_to::<9>));
        let command = take_negative_numbers(command);
        for wrong in [["--every", "-5s"], ["--every", "-5"], ["--max", "-5"]] {
            let called = command
                .clone()
                .try_get_matches_from([&["ringwire"], &wrong[..]].concat());
            let error = called.expect_err("it is no such value");
            assert_eq!(error.kind(), ErrorKind::ValueValidation, "{error}");
            assert!(error.to_string().contains(wrong[1]), "{error}");
        }
        let called = command.try_get_matches_from(["ringwire", "--max", "--every", "5s"]);
        let error = called.expect_err("a flag has no value");
        assert_eq!(error.kind(), ErrorKind::InvalidValue, "{error}");
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
        let without_end = up_to::<{ u64::MAX }>("0");
        assert_eq!(
            without_end,
            Err(String::from("it must be a number from 1 on"))
        );
        let read = within::<u8, 2, 300>;
        assert_eq!((read("2"), read("255")), (Ok(2), Ok(255)));
        for wrong in ["1", "256", "301"] {
            let rule = String::from("it must be a number from 2 to 300");
            assert_eq!(read(wrong), Err(rule));
        }
    }
}
