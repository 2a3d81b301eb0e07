//! What polls the driver of a shard: glommio's executor beside a ring, the bare thread without one.
//!
//! The driver waits for nothing but its own yields, so whoever polls it again at once serves it. Without
//! a ring that is a loop.
//!
//! # Why glommio cannot hang here
//!
//! glommio parks with runnable tasks, and then sleeps for ever, when its preempt timer fires
//! between being armed and the first look at it: the round of tasks that did not run is taken for
//! "nothing to do". It takes a thread that is held up at the wrong moment; with a timer of 5 us
//! every start hangs, with one of 1 ms some.
//!
//! So the timer is set to [`PREEMPT`], which is never in effect. The driver is the executor's main
//! future and always ready but while it sleeps in its own ring, on its own timers; so glommio is
//! never out of tasks, never looks at its rings and never parks. That needs neither signals nor a
//! watchdog thread, and saves the 9 us that a pass over glommio's rings costs each time its timer
//! fires. The price: a task that waits for glommio's own timers or files would wait for the next
//! [`PREEMPT`]. A shard has no such task; files are written on a plain thread.
//!
//! The executor is built without its pool of blocking threads, which would be one idle thread per
//! shard.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
#[cfg(target_os = "linux")]
use std::time::Duration;

#[cfg(target_os = "linux")]
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement, PoolPlacement};
use ringwire_core::peer::ShardId;

use crate::shard::error::StartError;
use crate::transport::Way;
#[cfg(target_os = "linux")]
use crate::transport::ring_check;

/// glommio's preempt timer: never, in effect.
#[cfg(target_os = "linux")]
const PREEMPT: Duration = Duration::from_secs(3600);
/// Memory glommio registers for files, which shards do not use. The least it takes.
#[cfg(target_os = "linux")]
const GLOMMIO_IO_BYTES: usize = 64 * 1024;

/// The executor of one shard's thread.
pub(super) enum Executor {
    /// glommio's, which has rings of its own.
    #[cfg(target_os = "linux")]
    Glommio(LocalExecutor),
    /// The thread itself.
    Thread,
}

impl Executor {
    /// An executor for the calling thread, as the way to move bytes wants it.
    ///
    /// # Errors
    /// There is no glommio to be had.
    pub(super) fn new(way: Way, shard: ShardId) -> Result<Executor, StartError> {
        match way {
            #[cfg(target_os = "linux")]
            Way::IoUring => glommio(shard).map(Executor::Glommio),
            #[cfg(not(target_os = "linux"))]
            Way::IoUring => Err(StartError::Executor {
                shard,
                message: String::from("only Linux has io_uring"),
            }),
            Way::Readiness => Ok(Executor::Thread),
        }
    }

    /// Runs `driver` to its end.
    pub(super) fn run<T>(self, driver: impl Future<Output = T>) -> T {
        match self {
            #[cfg(target_os = "linux")]
            Executor::Glommio(executor) => executor.run(driver),
            Executor::Thread => poll_to_the_end(driver),
        }
    }
}

/// Polls again whenever the future yields: it is ready at once, as only drivers are run here.
fn poll_to_the_end<T>(driver: impl Future<Output = T>) -> T {
    let mut driver = pin!(driver);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(ended) = driver.as_mut().poll(&mut context) {
            return ended;
        }
    }
}

/// glommio's executor. It places nothing: glommio would look for the machine's CPUs in /sys,
/// which containers may lack, and takes a refusal to pin for an error.
#[cfg(target_os = "linux")]
fn glommio(shard: ShardId) -> Result<LocalExecutor, StartError> {
    // glommio refuses to start below it, in words that name no remedy.
    if let Some(limit) = ring_check::short_locked_memory() {
        let needed = ring_check::LOCKED_BYTES_PER_SHARD;
        return Err(StartError::LockedMemory { limit, needed });
    }
    LocalExecutorBuilder::new(Placement::Unbound)
        .io_memory(GLOMMIO_IO_BYTES)
        .preempt_timer(PREEMPT)
        .blocking_thread_pool_placement(PoolPlacement::Custom(Vec::new()))
        .make()
        .map_err(|error| StartError::Executor {
            shard,
            message: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_polls_what_yields_until_it_ends() {
        let mut left = 3;
        let driver = std::future::poll_fn(move |_| {
            left -= 1;
            match left {
                0 => Poll::Ready("ended"),
                _ => Poll::Pending,
            }
        });
        let executor = Executor::new(Way::Readiness, ShardId(0)).expect("it needs nothing");
        assert_eq!(executor.run(driver), "ended");
    }
}
