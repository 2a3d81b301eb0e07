//! What others leave for a shard, and how it is woken.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use ringwire_core::switch::io::LinkId;

use super::super::waker::Bell;
use super::end::End;

/// A connection that was dialed, for who listens.
pub(super) struct Arrival {
    /// Its side of it.
    pub(super) end: End,
    /// From where it seems to come.
    pub(super) from: std::net::SocketAddr,
}

/// What waits for a shard.
#[derive(Default)]
pub(super) struct News {
    /// Connections to accept.
    pub(super) arrivals: VecDeque<Arrival>,
    /// Links that have something to read, or room to write.
    pub(super) stirred: Vec<LinkId>,
}

/// What waits, and whether anybody will take it.
#[derive(Default)]
struct State {
    news: News,
    is_closed: bool,
}

/// The place where others leave that. They wake the shard afterwards.
pub(super) struct Inbox {
    state: Mutex<State>,
    waker: Waker,
}

impl Inbox {
    pub(super) fn new(waker: Waker) -> Self {
        Inbox {
            state: Mutex::default(),
            waker,
        }
    }

    /// Leaves a connection, unless `backlog` wait already or the shard is gone: then it comes back.
    pub(super) fn arrive(&self, arrival: Arrival, backlog: usize) -> Result<(), Arrival> {
        let mut state = self.lock();
        if state.is_closed || state.news.arrivals.len() >= backlog {
            return Err(arrival);
        }
        state.news.arrivals.push_back(arrival);
        drop(state);
        self.waker.wake_by_ref();
        Ok(())
    }

    /// Takes all that waits.
    pub(super) fn take(&self) -> News {
        std::mem::take(&mut self.lock().news)
    }

    /// The shard is gone: gives what it has not taken.
    pub(super) fn close(&self) -> News {
        let mut state = self.lock();
        state.is_closed = true;
        std::mem::take(&mut state.news)
    }

    /// Whether something waits.
    pub(super) fn has_news(&self) -> bool {
        let state = self.lock();
        !state.news.arrivals.is_empty() || !state.news.stirred.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Changed in single steps: a panic cannot leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the owner of a link that it can go on.
#[derive(Clone)]
pub(super) struct Notify {
    inbox: Arc<Inbox>,
    link: LinkId,
}

impl Notify {
    pub(super) fn new(inbox: Arc<Inbox>, link: LinkId) -> Self {
        Notify { inbox, link }
    }

    pub(super) fn tell(&self) {
        self.inbox.lock().news.stirred.push(self.link);
        self.inbox.waker.wake_by_ref();
    }
}

impl std::fmt::Debug for Notify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Notify").field(&self.link).finish()
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
