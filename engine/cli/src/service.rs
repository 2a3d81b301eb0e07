//! What a service manager is told: systemd's `Type=notify` and its watchdog.
//!
//! ```text
//!   READY=1      the node listens, or has read its configuration again
//!   RELOADING=1  the node reads its configuration again
//!   WATCHDOG=1   three times in the manager's WatchdogSec, each after all shards have answered
//!   STOPPING=1   the node ends in order
//! ```
//!
//! A shard that hangs leaves the question open, so the next beat never comes and the manager restarts
//! the node. Without a manager (no `NOTIFY_SOCKET` in the environment) nothing is done.
//!
//! Source: sd_notify(3) and sd_watchdog_enabled(3) of systemd.

use std::env;
use std::io;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use ringwire::Handle;
use sd_notify::NotifyState;
use tracing::warn;

use crate::node::Node;
use crate::threads;

/// Beats in the manager's time: a late one ends nothing. systemd advises two.
const BEATS: u32 = 3;

/// Shortest pause between two beats, whatever time the manager gives: each asks all shards.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// Longest wait for the manager to take a word. The node has better to do than to wait for it.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// Says that the node listens, and from now on that it lives.
pub(crate) fn ready(node: &Node) {
    let status = format!("listens on {}", node.address());
    tell("READY", move || {
        sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)])
    });
    let Some(pause) = sd_notify::watchdog_enabled().and_then(pause) else {
        return;
    };
    let handle = node.handle();
    if let Err(error) = threads::spawn("rw-watchdog", move || beat(&handle, pause)) {
        warn!("no thread for the service manager's watchdog: {error}");
    }
}

/// Says that the node reads its configuration again.
pub(crate) fn reloading() {
    tell("RELOADING", || {
        // The manager tells by the time whether it was this reload that it asked for.
        let now = NotifyState::monotonic_usec_now()?;
        sd_notify::notify(&[NotifyState::Reloading, now])
    });
}

/// Says that the node has read its configuration again, or goes on by the former one.
pub(crate) fn reloaded() {
    tell("READY", || sd_notify::notify(&[NotifyState::Ready]));
}

/// Says that the node ends in order.
pub(crate) fn stopping() {
    tell("STOPPING", || sd_notify::notify(&[NotifyState::Stopping]));
}

/// Has a word said by a thread of its own: the manager may take none, and its socket be full.
fn tell(word: &'static str, say: impl FnOnce() -> io::Result<()> + Send + 'static) {
    if env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let (saying, said) = channel();
    let told = threads::spawn("rw-notify", move || {
        // Nobody listens any more if it took too long.
        let _ = saying.send(say());
    });
    let told = told.and_then(|()| match said.recv_timeout(TOLD_WITHIN) {
        Ok(told) => told,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    });
    if let Err(error) = told {
        warn!("the service manager did not take {word}=1: {error}");
    }
}

/// The pause between two beats; none if the manager keeps no watch.
fn pause(watchdog: Duration) -> Option<Duration> {
    (!watchdog.is_zero()).then(|| (watchdog / BEATS).max(PAUSE_MIN))
}

/// Beats until the node ends.
fn beat(handle: &Handle, pause: Duration) {
    let mut is_told = false;
    while !handle.is_stopping() {
        if all_answer(handle)
            && let Err(error) = sd_notify::notify(&[NotifyState::Watchdog])
            && !is_told
        {
            warn!("the service manager's watchdog cannot be told that the node lives: {error}");
            is_told = true;
        }
        thread::sleep(pause);
    }
}

/// Whether every shard answers. One that is gone is missing among the answers; one that hangs keeps
/// this waiting, and that is an answer, too.
fn all_answer(handle: &Handle) -> bool {
    handle.counters_blocking().len() == usize::from(handle.shard_count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_hears_three_beats_in_its_time_and_none_is_asked_for_by_a_time_of_zero() {
        let minute = Duration::from_secs(60);
        assert_eq!(pause(minute), Some(Duration::from_secs(20)));
        assert_eq!(pause(PAUSE_MIN * BEATS), Some(PAUSE_MIN));
        assert_eq!(pause(Duration::from_micros(1)), Some(PAUSE_MIN));
        assert_eq!(pause(Duration::ZERO), None);
    }
}
