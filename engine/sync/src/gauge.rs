//! A gauge: whether a queue of another thread has room, told without asking that thread.
//!
//! ```text
//!   room = capacity − queued − coming
//!     queued   what waits in the queue, written by its owner
//!     coming   what was accepted from elsewhere and is not yet part of `queued`
//! ```
//!
//! The owner writes `queued` first and lowers `coming` afterwards, and who reserves raises `coming`
//! first and reads `queued` afterwards. Whoever sees `coming` lowered sees `queued` as it was written
//! before, so the sum is never too small: a message that was accepted finds its room. It may be too
//! large for a moment, and then a queue counts as full that is not.

use crate::primitives::{AtomicUsize, Ordering};

/// The figures of one queue. Any thread reserves, its owner counts.
#[derive(Debug)]
pub struct Gauge {
    capacity: usize,
    queued: AtomicUsize,
    coming: AtomicUsize,
}

impl Gauge {
    /// Of an empty queue.
    pub fn new(capacity: usize) -> Self {
        Gauge {
            capacity,
            queued: AtomicUsize::new(0),
            coming: AtomicUsize::new(0),
        }
    }

    /// Holds room for one message. `false` when the queue is full: then nothing is held.
    #[must_use = "what is held must be released"]
    pub fn reserve(&self) -> bool {
        let coming = self.coming.fetch_add(1, Ordering::AcqRel);
        let has_room = self.queued.load(Ordering::Acquire) + coming < self.capacity;
        if !has_room {
            self.release();
        }
        has_room
    }

    /// Gives room back that was held: the message counts as queued now, or did not come.
    pub fn release(&self) {
        self.coming.fetch_sub(1, Ordering::AcqRel);
    }

    /// The owner counted what waits.
    pub fn set_queued(&self, queued: usize) {
        self.queued.store(queued, Ordering::Release);
    }

    /// What waits: queued or on the way.
    pub fn len(&self) -> usize {
        let queued = self.queued.load(Ordering::Acquire);
        queued + self.coming.load(Ordering::Acquire)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_queue_takes_what_fits_between_what_is_queued_and_what_is_coming() {
        let gauge = Gauge::new(2);
        assert!(gauge.reserve() && gauge.reserve());
        assert!(!gauge.reserve());
        // The owner took the first: it counts as queued before it ceases to be coming.
        gauge.set_queued(1);
        gauge.release();
        assert!(!gauge.reserve());
        assert_eq!(gauge.len(), 2);
        gauge.set_queued(0);
        assert!(gauge.reserve());
    }
}
