//! What a test does where the machine refuses io_uring: it says so, loudly, and passes, unless
//! `RINGWIRE_REQUIRE_RING=1` stands in the environment. `.ci/run` sets that, so that no machine tests
//! nothing and calls it success.
//!
//! One file for all programs of tests; those of other crates name it by its path.

use std::fmt::Display;

/// The variable that makes a refused io_uring an error.
const REQUIRED: &str = "RINGWIRE_REQUIRE_RING";

/// To be called by a test that cannot go on without io_uring, and then returns.
///
/// # Panics
/// If this machine was said to have one.
#[track_caller]
pub(crate) fn skip(why: impl Display) {
    let is_required = std::env::var_os(REQUIRED).is_some_and(|value| value == "1");
    assert!(
        !is_required,
        "{REQUIRED} is 1, and this machine refuses io_uring: {why}"
    );
    eprintln!("SKIPPED: this machine refuses io_uring: {why}");
}
