//! The room of an inbox: how much of it is taken, and who waits for some.
//!
//! ```text
//!   reserve      taken full? ── yes ─▶ no            take it; were we overtaken, give back and tell
//!   give back    taken falls, then ──▶ tell: fence, does anybody wait? wake all
//!   wait         enter the list, say so, fence ──▶ reserve again: room may have come before
//! ```
//!
//! Requests and bytes are two bounds in one word, so that both are taken in one step: nobody is
//! refused for want of a place that another, who lacks bytes, holds for a moment.
//!
//! Who takes room and finds that others were faster holds too much until it has given it back, and
//! in that moment it may be why a third is refused. The third has said that it waits by then or will
//! look again, so it is told as after any other return of room. (A refusal by the first look changes
//! nothing and tells nobody; else those who wait would wake each other for ever.)

use std::task::Waker;

use crate::primitives::{AtomicBool, AtomicU64, Mutex, Ordering, fence, lock};
use crate::wake::wake;

/// One request in the word that counts both: above 48 bits of bytes.
const REQUEST: u64 = 1 << 48;

/// The room of one inbox.
#[derive(Debug)]
pub(crate) struct Room {
    /// Requests and bytes that are taken.
    taken: AtomicU64,
    requests_max: u64,
    bytes_max: u64,
    waiting: Mutex<Vec<Waker>>,
    has_waiting: AtomicBool,
}

impl Room {
    /// All of it is free.
    pub(crate) fn new(requests_max: usize, bytes_max: usize) -> Self {
        // Every thread of the process may be overtaken at once: there are fewer than 32768.
        assert!(requests_max < 1 << 15, "so many requests are counted");
        Room {
            taken: AtomicU64::new(0),
            requests_max: requests_max as u64,
            bytes_max: bytes_max as u64,
            waiting: Mutex::new(Vec::new()),
            has_waiting: AtomicBool::new(false),
        }
    }

    /// Takes room for a request of so many bytes, if there is room for a byte.
    pub(crate) fn reserve(&self, bytes: usize) -> bool {
        if self.is_full(self.taken.load(Ordering::Relaxed)) {
            return false;
        }
        // Acquire: who takes a place sees that its former request has left the queue.
        let before = self.taken.fetch_add(amount(bytes), Ordering::AcqRel);
        if !self.is_full(before) {
            return true;
        }
        self.give_back(bytes);
        self.tell();
        false
    }

    fn is_full(&self, taken: u64) -> bool {
        taken / REQUEST >= self.requests_max || taken % REQUEST >= self.bytes_max
    }

    /// A request has left; [`Room::tell`] follows, once for many.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(amount(bytes), Ordering::AcqRel);
    }

    /// Has `waker` woken when there is room. Look again after this call: room may have come before it.
    pub(crate) fn wait(&self, waker: &Waker) {
        let mut waiting = lock(&self.waiting);
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        self.has_waiting.store(true, Ordering::SeqCst);
        drop(waiting);
        // Between this store and the look that follows: see `tell`.
        fence(Ordering::SeqCst);
    }

    /// Wakes those who wait.
    pub(crate) fn tell(&self) {
        // Between the return of room and this load: one of the two sides sees the other.
        fence(Ordering::SeqCst);
        if self.has_waiting.load(Ordering::Relaxed) {
            self.has_waiting.store(false, Ordering::SeqCst);
            let waiting = std::mem::take(&mut *lock(&self.waiting));
            waiting.into_iter().for_each(wake);
        }
    }
}

fn amount(bytes: usize) -> u64 {
    debug_assert!((bytes as u64) < REQUEST / 2);
    REQUEST + bytes as u64
}
