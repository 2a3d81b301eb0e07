//! What the rivals written in Rust share: their flags, what an application does with links, and
//! the line of JSON that one run prints.
//!
//! ```text
//!  application ─► outbound queue ─► the rival's connection ─► inbound queue ─► application
//!        └────────────────────────────── Link ──────────────────────────────────────┘
//! ```

mod app;
mod link;
mod outcome;
mod tally;
mod window;
mod work;

use std::error::Error;
use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

pub use app::{do_work, histogram};
pub use link::{Far, Link, Pair, pair};
pub use outcome::{Outcome, Percentiles, Stopwatch};
pub use tally::Tally;
pub use window::{acknowledged_each, window};
pub use work::{Task, Work};

/// The allocator that Ringwire's bench runs with, so that no contender is ahead by it alone.
#[global_allocator]
static ALLOCATOR: jemallocator::Jemalloc = jemallocator::Jemalloc;

/// Why a run came to nothing.
pub type Failure = Box<dyn Error + Send + Sync>;

/// How long a run may take before it counts as hung.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Reads the flags, runs the work and prints its outcome. `settings` are the names that the rival
/// knows, the first of which stands where none is given.
pub fn main(
    name: &str,
    settings: &[&str],
    run: impl FnOnce(&Work) -> Result<Outcome, Failure>,
) -> ExitCode {
    let outcome = Work::of_args(std::env::args().skip(1), settings).and_then(|work| run(&work));
    match outcome {
        Ok(outcome) => {
            let line = serde_json::to_string(&outcome).expect("an outcome is plain data");
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a future on tokio's threads as they come, one for each CPU, for [`PATIENCE`] at most.
///
/// # Errors
/// What the future fails with, or that it took too long.
pub fn block_on<F>(future: F) -> Result<Outcome, Failure>
where
    F: Future<Output = Result<Outcome, Failure>>,
{
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await });
    // Connections that nobody closes need not be waited for.
    runtime.shutdown_background();
    outcome.map_err(|_| format!("the work took over {PATIENCE:?}"))?
}
