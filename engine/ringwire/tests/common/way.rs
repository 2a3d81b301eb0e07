//! By which way the engines of tests move bytes, and what a test does that cannot have it.
//!
//! One file for all programs of tests; those of other crates name it by its path.

#[path = "without_ring.rs"]
mod without_ring;

use ringwire::TransportChoice;
use ringwire::machine::{Verdict, check, verdict};

/// The variable that names the way. `.ci/run` runs the tests of the engine by each.
const TRANSPORT: &str = "RINGWIRE_TEST_TRANSPORT";

/// The way of these tests: io_uring, unless the environment names another.
///
/// # Panics
/// If it names none that there is.
pub(crate) fn transport() -> TransportChoice {
    match std::env::var(TRANSPORT) {
        Ok(name) => name
            .parse()
            .unwrap_or_else(|rule| panic!("{TRANSPORT} {rule}")),
        Err(_) => TransportChoice::IoUring,
    }
}

/// Tells, loudly, that a test cannot run where io_uring is its way and is refused.
#[track_caller]
pub(crate) fn skip_without_ring() -> bool {
    let skip = transport() == TransportChoice::IoUring && !has_ring();
    if skip {
        without_ring::skip("`ringwire doctor` says why");
    }
    skip
}

/// Whether an engine that may use nothing but io_uring would start.
fn has_ring() -> bool {
    verdict(&check(1, TransportChoice::IoUring)) != Verdict::Fail
}
