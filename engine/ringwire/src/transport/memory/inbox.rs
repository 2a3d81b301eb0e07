//! Connections that wait for a shard to accept them, and the bell by which it is woken.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::super::waker::Bell;
use super::end::End;

/// A connection that was dialed, for who listens.
pub(super) struct Arrival {
    /// Its side of it.
    pub(super) end: End,
    /// From where it seems to come.
    pub(super) from: SocketAddr,
}

#[derive(Default)]
struct State {
    arrivals: VecDeque<Arrival>,
    is_closed: bool,
}

/// The place where others leave connections. They wake the shard afterwards.
pub(super) struct Inbox {
    state: Mutex<State>,
    waker: Waker,
}

impl Inbox {
    /// Of the shard that `waker` wakes.
    pub(super) fn new(waker: Waker) -> Self {
        Inbox {
            state: Mutex::default(),
            waker,
        }
    }

    /// Leaves a connection, unless `backlog` wait already or the shard is gone: then it comes back.
    pub(super) fn arrive(&self, arrival: Arrival, backlog: usize) -> Result<(), Arrival> {
        let mut state = self.lock();
        if state.is_closed || state.arrivals.len() >= backlog {
            return Err(arrival);
        }
        state.arrivals.push_back(arrival);
        drop(state);
        self.waker.wake_by_ref();
        Ok(())
    }

    /// Takes all that wait.
    pub(super) fn take(&self) -> VecDeque<Arrival> {
        std::mem::take(&mut self.lock().arrivals)
    }

    /// The shard is gone: gives what it has not taken.
    pub(super) fn close(&self) -> VecDeque<Arrival> {
        let mut state = self.lock();
        state.is_closed = true;
        std::mem::take(&mut state.arrivals)
    }

    /// Whether some wait.
    pub(super) fn has_some(&self) -> bool {
        !self.lock().arrivals.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Changed in single steps: a panic cannot leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bell of a shard that sleeps here: a condition that it waits for.
#[derive(Default)]
pub(super) struct Alarm {
    has_rung: Mutex<bool>,
    rung: Condvar,
}

impl Alarm {
    /// Sleeps until it rings, or for `sleep` at most.
    pub(super) fn wait(&self, sleep: Duration) {
        let has_rung = self.has_rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .rung
            .wait_timeout_while(has_rung, sleep, |has_rung| !*has_rung);
        let (mut has_rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *has_rung = false;
    }
}

impl Bell for Alarm {
    fn ring(&self) {
        *self.has_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.rung.notify_one();
    }
}
