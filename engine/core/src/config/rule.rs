//! How broken rules are collected: every check notes what it finds, and the list is told at once.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{ConfigError, duration};

/// Notes a number that lies outside `range`.
pub fn within(
    problems: &mut Vec<ConfigError>,
    key: &'static str,
    value: usize,
    range: RangeInclusive<usize>,
) {
    if !range.contains(&value) {
        let (min, max) = range.into_inner();
        refuse(
            problems,
            key,
            format!("{value} is not between {min} and {max}"),
        );
    }
}

/// Notes a time that lies outside `range`.
pub fn within_times(
    problems: &mut Vec<ConfigError>,
    key: &'static str,
    value: Duration,
    range: RangeInclusive<Duration>,
) {
    if !range.contains(&value) {
        let [value, min, max] = [value, *range.start(), *range.end()].map(duration::format);
        refuse(
            problems,
            key,
            format!("{value} is not between {min} and {max}"),
        );
    }
}

/// Notes that `key` breaks a rule: what is wrong and how to mend it.
pub fn refuse(problems: &mut Vec<ConfigError>, key: &'static str, problem: impl Into<String>) {
    problems.push(ConfigError::new(key, problem));
}

/// Notes that `key` and another setting do not go together: what is wrong with the one, and how to mend it.
pub fn refuse_against(
    problems: &mut Vec<ConfigError>,
    key: &'static str,
    other: &'static str,
    problem: impl Into<String>,
) {
    problems.push(ConfigError {
        against: vec![other],
        ..ConfigError::new(key, problem)
    });
}
