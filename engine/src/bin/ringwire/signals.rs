//! SIGINT and SIGTERM as a flag that a command looks at.
//!
//! Both signals are blocked before any thread starts, so every thread inherits the block and none
//! is ever interrupted; one thread of our own waits for them. So there is no handler, and nothing
//! that a handler may not do. The first signal asks for an orderly end; a later one ends the
//! process at once, unless it follows so soon that it is the same wish.

use std::io;
use std::mem::MaybeUninit;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A signal so soon after the first is no impatience: timeout(1) sends its signal to the program and
/// then to the whole group, the program again.
const SAME_WISH_WITHIN: Duration = Duration::from_millis(500);

/// Whether the operator wants the program to end. Clones share the answer.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether it is time to end.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks for the end, as a signal does. The threads that look at the flag are parked for short
    /// whiles only, so nobody needs to be woken.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Turns SIGINT and SIGTERM into `Stop`. To be called once, before any other thread starts.
pub(crate) fn install() -> io::Result<Stop> {
    let signals = blocked_signals()?;
    let stop = Stop::default();
    let asked = stop.clone();
    thread::Builder::new()
        .name(String::from("rw-signals"))
        .spawn(move || {
            let mut first = None;
            while let Some(signal) = next(&signals) {
                let since = *first.get_or_insert_with(Instant::now);
                if asked.is_asked() && since.elapsed() > SAME_WISH_WITHIN {
                    // The convention of shells for a process that a signal ended.
                    process::exit(128 + signal);
                }
                asked.ask();
            }
        })?;
    Ok(stop)
}

/// Blocks both signals on this thread and those it will start, and names them as a set.
fn blocked_signals() -> io::Result<libc::sigset_t> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set it is given and cannot fail for a valid pointer;
    // the other calls read or extend that initialised set, and no old mask is asked for.
    let (set, error) = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
        libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
        let set = set.assume_init();
        (
            set,
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()),
        )
    };
    match error {
        0 => Ok(set),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Waits for one of `signals`. None if the system refuses to wait.
fn next(signals: &libc::sigset_t) -> Option<i32> {
    let mut signal = 0;
    // SAFETY: both pointers are to live values of the right type; `sigwait` writes `signal` only.
    let error = unsafe { libc::sigwait(signals, &mut signal) };
    (error == 0).then_some(signal)
}
