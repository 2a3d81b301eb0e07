//! The driver: the one task of a shard, which turns switch and transport into a running node.
//!
//! One turn, with the clock read once:
//!
//! ```text
//!   transport ─▶ completions ─▶ letters ─▶ requests ─▶ timers ─▶ switch.run ─▶ outputs ─▶ wake-ups
//!      ▲   does what the last turn queued; then the application is told                       │
//!      │   what that turn did                                                                 │
//!      └─────────────── work: at once ·· none: watch a while, then sleep in the transport ◀───┘
//! ```
//!
//! Everything that can end the sleep comes through the transport: sockets, other shards and application
//! threads (its waker), time (the bound of the sleep). So there is one place to sleep, and no executor
//! ever parks. The driver yields before it rests, and now and then while it has work, which lets any
//! other task of the executor run.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::shard::cpu_placement::CpuPlace;
use crate::shard::error::panic_message;
use crate::shard::shell::Shell;
use crate::shard::spin::Spinner;
use crate::transport::{TransportError, Wait};

/// The longest sleep. Nothing needs it: it bounds the damage of a wake-up that a kernel lost.
const SLEEP_MAX: Duration = Duration::from_secs(5);
/// The sleep while letters wait for room in a lane: nobody tells when there is room.
const CONGESTED_SLEEP: Duration = Duration::from_micros(200);
/// Turns in a row without a yield while there is work: a yield costs as much as a small message.
const TURNS_PER_YIELD: usize = 16;
/// How often a watching shard looks between two readings of the clock.
const LOOKS_PER_CLOCK: usize = 16;

/// A shard's loop. Lives and dies on the shard's thread.
pub(super) struct Driver {
    shell: Shell,
    spinner: Spinner,
    cpu_place: CpuPlace,
}

/// Runs a shard until the engine has stopped. `Err` tells why it failed: a panic within a turn is
/// caught here, so that the driver is dropped in order and glommio never sees it unwind.
pub(super) async fn drive(mut driver: Driver) -> Result<(), String> {
    let mut wait = Wait::None;
    for turn in 1usize.. {
        let worked = guarded(|| driver.turn(wait))?;
        if driver.shell.is_done() {
            guarded(|| Ok(driver.shell.report()))?;
            break;
        }
        if !worked || turn.is_multiple_of(TURNS_PER_YIELD) {
            YieldNow::default().await;
        }
        wait = if worked { Wait::None } else { driver.rest() };
    }
    Ok(())
}

fn guarded<T>(work: impl FnOnce() -> Result<T, TransportError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(panic) => Err(panic_message(&*panic)),
    }
}

impl Driver {
    /// The loop of a shell that has not begun; it watches for `busy_poll` at most before it sleeps.
    pub(super) fn new(shell: Shell, busy_poll: Duration, cpu_place: CpuPlace) -> Self {
        Driver {
            shell,
            spinner: Spinner::new(busy_poll),
            cpu_place,
        }
    }

    /// One turn of the loop. Returns whether there was, or still is, something to do.
    fn turn(&mut self, wait: Wait) -> Result<bool, TransportError> {
        let shell = &mut self.shell;
        let passed = shell.turn_transport(wait)?;
        let mut worked = shell.report();
        worked |= shell.take_completions();
        worked |= shell.take_resolved();
        worked |= shell.take_signed();
        worked |= shell.take_letters();
        worked |= shell.take_requests();
        worked |= shell.serve_inlets();
        worked |= shell.take_timers();
        if matches!(wait, Wait::Until(_)) && worked {
            self.spinner.handle_slept(passed);
        }
        worked |= shell.run();
        shell.send_off();
        Ok(worked || shell.has_work())
    }

    /// Nothing to do: watches for a while if that has paid lately, then says how long to sleep.
    fn rest(&mut self) -> Wait {
        let budget = self.spinner.budget(self.cpu_place.is_crowded());
        if !budget.is_zero() {
            if self.watch(budget) {
                self.spinner.handle_caught();
                return Wait::None;
            }
            self.spinner.handle_missed();
        }
        Wait::Until(self.sleep_time())
    }

    /// Watches for something to do, at most for `budget`.
    fn watch(&mut self, budget: Duration) -> bool {
        let start = std::time::Instant::now();
        loop {
            for _ in 0..LOOKS_PER_CLOCK {
                if self.shell.has_news() {
                    return true;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() >= budget {
                return false;
            }
        }
    }

    fn sleep_time(&self) -> Duration {
        let longest = match self.shell.is_congested() {
            true => CONGESTED_SLEEP,
            false => SLEEP_MAX,
        };
        self.shell.idle_time().unwrap_or(longest).min(longest)
    }
}

/// Lets the executor's other ready tasks run once.
#[derive(Default)]
struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
