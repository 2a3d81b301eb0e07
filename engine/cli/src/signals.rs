//! Signals, as what they ask a command to do.
//!
//! ```text
//!   TERM, INT, QUIT, XCPU, PWR   before the node runs: the process ends at once, nothing is lost
//!                                while it runs: an orderly end; a second one ends it at once
//!   HUP                          the node reads its configuration again (see `reload`)
//!   USR1, USR2, ALRM, … RT       nothing is meant by them: a log line, and the node goes on
//! ```
//!
//! All signals whose default would end the process are caught, so that none makes a node lose its
//! address book or leave without a goodbye. Those that tell of a fault of the program (SEGV, ABRT
//! and the like) keep their default, and so does one that was ignored when the program started:
//! whoever started it (nohup, a shell in the background) wanted it so.
//!
//! The handlers are signal-hook's; a thread of our own reads what they note. It serves signals while
//! the other threads wait for a file, a disk or a reader.

use std::fs;
use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use libc::c_int;
use signal_hook::consts::signal::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;
use tracing::info;

use crate::stderr;

/// A signal so soon after the first is no impatience: timeout(1) sends its signal to the program and
/// then to the whole group, the program again.
const SAME_WISH_WITHIN: Duration = Duration::from_millis(500);

/// Signals that ask for the end.
const ENDING: [c_int; 4] = [SIGTERM, SIGINT, SIGQUIT, SIGXCPU];

/// Signals by which nothing is meant here and whose default would end the process, but for those of
/// one system.
const UNUSED: [c_int; 7] = [
    SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO,
    // The write beyond the limit of file sizes fails, and whoever wrote tells it.
    SIGXFSZ,
];

/// What Linux has beside those that all systems have: the power fails, which asks for the end, and what means nothing.
#[cfg(target_os = "linux")]
mod of_system {
    use libc::c_int;

    pub(super) const ENDING: &[c_int] = &[libc::SIGPWR];

    pub(super) fn unused() -> impl Iterator<Item = c_int> {
        let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
        real_time.chain([libc::SIGSTKFLT])
    }
}

#[cfg(not(target_os = "linux"))]
mod of_system {
    use libc::c_int;

    pub(super) const ENDING: &[c_int] = &[];

    pub(super) fn unused() -> impl Iterator<Item = c_int> {
        std::iter::empty()
    }
}

/// All signals that ask for the end on this system.
fn ending() -> impl Iterator<Item = c_int> {
    ENDING.iter().chain(of_system::ENDING).copied()
}

/// The node does not run yet: there is nothing to put away.
const STARTING: u8 = 0;
/// The node runs, or what else is to be ended in order.
const RUNNING: u8 = 1;
/// It is time to end.
const ASKED: u8 = 2;

/// Whether the operator wants the program to end. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Says that from now on there is something to end in order. Before, a signal ends the process
    /// at once: the command may be waiting for a file, and looks at nothing.
    pub(crate) fn begin(&self) {
        self.0.store(RUNNING, Ordering::Relaxed);
    }

    /// Whether it is time to end.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ASKED
    }

    /// Asks for the end, as a signal does. The threads that look at the flag are parked for short
    /// whiles only, so nobody needs to be woken. False if there is nothing to end in order.
    fn ask(&self) -> bool {
        let asked = self
            .0
            .compare_exchange(RUNNING, ASKED, Ordering::Relaxed, Ordering::Relaxed);
        asked != Err(STARTING)
    }
}

/// What a hangup means to a command: that its terminal is gone, or that it is to read its
/// configuration again.
pub(crate) enum Hangup {
    /// This is told of it, and the command goes on.
    Tells(SyncSender<()>),
    /// It ends at once: it has nothing to lose.
    Ends,
}

/// A way to hear of hangups. Two of them before anybody looked are one: what is read then is newer
/// than both.
pub(crate) fn hangups() -> (SyncSender<()>, Receiver<()>) {
    sync_channel(1)
}

/// Serves signals from now on. To be called once, before anything that can wait.
///
/// # Errors
/// The system takes no handler or gives no thread.
pub(crate) fn install(hangup: Hangup) -> io::Result<Stop> {
    let ignored = ignored_at_start();
    let hangups = match hangup {
        Hangup::Tells(hangups) => Some(hangups),
        Hangup::Ends => None,
    };
    let caught = ending()
        .chain(UNUSED)
        .chain(hangups.as_ref().map(|_| SIGHUP))
        .chain(of_system::unused())
        .filter(|signal| !is_in(ignored, *signal));
    let mut signals = Signals::new(caught)?;
    let stop = Stop::default();
    let mut listener = Listener::new(stop.clone());
    thread::Builder::new()
        .name(String::from("rw-signals"))
        .spawn(move || {
            for signal in signals.forever() {
                match listener.handle(signal, Instant::now()) {
                    // Full: one that was not looked at yet waits already.
                    Act::TellHangup => hangups.iter().for_each(|tell| {
                        let _ = tell.try_send(());
                    }),
                    deed => act(signal, deed),
                }
            }
        })?;
    Ok(stop)
}

/// The signals that were ignored when the program started, a bit each; none if /proc does not say.
fn ignored_at_start() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn is_in(set: u64, signal: c_int) -> bool {
    // Signals are numbered from 1 to 64.
    set >> (signal - 1) & 1 == 1
}

/// What follows from a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Nothing, or the commands see it by themselves.
    Nothing,
    /// Who reads the configuration is told.
    TellHangup,
    /// The log says that nothing is meant by the signal.
    NoteUnused,
    /// The process ends at once; nothing was begun yet.
    ExitAtStart,
    /// The process ends at once, in the middle of its orderly end.
    Exit,
}

/// Decides what follows from each signal.
struct Listener {
    stop: Stop,
    /// When the end was asked for first.
    first: Option<Instant>,
    /// Unused signals that were noted, a bit each: one that comes with every write of a log must not
    /// be logged each time.
    noted: u64,
}

impl Listener {
    fn new(stop: Stop) -> Listener {
        Listener {
            stop,
            first: None,
            noted: 0,
        }
    }

    fn handle(&mut self, signal: c_int, now: Instant) -> Act {
        if signal == SIGHUP {
            return Act::TellHangup;
        }
        if !ending().any(|one| one == signal) {
            let is_news = !is_in(self.noted, signal);
            self.noted |= 1 << (signal - 1);
            return if is_news {
                Act::NoteUnused
            } else {
                Act::Nothing
            };
        }
        if !self.stop.ask() {
            return Act::ExitAtStart;
        }
        let first = *self.first.get_or_insert(now);
        match now.saturating_duration_since(first) > SAME_WISH_WITHIN {
            true => Act::Exit,
            false => Act::Nothing,
        }
    }
}

fn act(signal: c_int, act: Act) {
    let name = signal_name(signal).map_or_else(|| format!("signal {signal}"), String::from);
    match act {
        Act::Nothing | Act::TellHangup => {}
        Act::NoteUnused => info!("{name}: no use is made of this signal, the node goes on"),
        Act::ExitAtStart => {
            stderr::say(&format!("error: ended by {name} before the node ran"));
            exit(signal);
        }
        Act::Exit => exit(signal),
    }
}

/// Ends the process with the exit code that shells give one that a signal ended.
fn exit(signal: c_int) -> ! {
    stderr::flush();
    process::exit(128 + signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> (Stop, Listener) {
        let stop = Stop::default();
        stop.begin();
        (stop.clone(), Listener::new(stop))
    }

    #[test]
    fn before_the_node_runs_the_first_signal_ends_the_process() {
        let stop = Stop::default();
        let mut listener = Listener::new(stop.clone());
        for signal in ending() {
            assert_eq!(listener.handle(signal, Instant::now()), Act::ExitAtStart);
        }
        assert!(!stop.is_asked());
    }

    #[test]
    fn a_running_node_is_asked_to_end_and_a_second_wish_ends_it_at_once() {
        for signal in ending() {
            let ((stop, mut listener), now) = (running(), Instant::now());
            assert_eq!(listener.handle(signal, now), Act::Nothing);
            assert!(stop.is_asked());
            let same = now + SAME_WISH_WITHIN;
            assert_eq!(listener.handle(signal, same), Act::Nothing);
            let later = same + Duration::from_millis(1);
            assert_eq!(listener.handle(SIGTERM, later), Act::Exit);
        }
    }

    #[test]
    fn a_hangup_and_signals_without_a_meaning_end_nothing() {
        let ((stop, mut listener), now) = (running(), Instant::now());
        assert_eq!(listener.handle(SIGHUP, now), Act::TellHangup);
        assert_eq!(listener.handle(SIGHUP, now), Act::TellHangup);
        for signal in UNUSED.into_iter().chain(of_system::unused()) {
            assert_eq!(listener.handle(signal, now), Act::NoteUnused);
            assert_eq!(listener.handle(signal, now), Act::Nothing, "told already");
        }
        assert!(!stop.is_asked());
    }

    #[test]
    fn a_set_of_signals_is_read_as_the_kernel_writes_it() {
        // SigIgn of a program under nohup: SIGHUP and SIGPIPE.
        let set = 0x1001;
        assert!(is_in(set, SIGHUP) && is_in(set, libc::SIGPIPE));
        assert!(!is_in(set, SIGINT) && !is_in(set, 64));
    }
}
