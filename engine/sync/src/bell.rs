//! The bell: how a reader that found nothing is woken by whoever brings something.
//!
//! Both sides follow one rule: say it, fence, look.
//!
//! ```text
//!   reader    arm:  leave the waker, say "armed", fence ──▶ look into the lanes again
//!   sender    push, then ring: fence ──▶ armed? take the waker and wake it
//! ```
//!
//! Of two threads that both store, fence and load, one at least sees the other's store: the reader
//! finds the item, or the sender finds the bell armed.

use std::task::Waker;

use crate::primitives::{AtomicBool, Mutex, Ordering, fence, lock};
use crate::wake::wake;

#[derive(Debug)]
pub(crate) struct Bell {
    is_armed: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Default for Bell {
    fn default() -> Self {
        Bell {
            is_armed: AtomicBool::new(false),
            waker: Mutex::new(None),
        }
    }
}

impl Bell {
    /// Has `waker` woken at the next ring. Look again after this call.
    pub(crate) fn arm(&self, waker: &Waker) {
        *lock(&self.waker) = Some(waker.clone());
        self.is_armed.swap(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Wakes the reader if it waits; called after what it shall find is in its place.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.is_armed.load(Ordering::Relaxed) && self.is_armed.swap(false, Ordering::SeqCst) {
            let waker = lock(&self.waker).take();
            if let Some(waker) = waker {
                wake(waker);
            }
        }
    }
}
