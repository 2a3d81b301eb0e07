//! A ring between two threads that counts the bytes of the messages in it.
//!
//! A ring has so many places; whether they hold votes or blocks is a difference of gigabytes. So each end
//! counts the bytes that went through it: the sender before the receiver can take the message, the
//! receiver when it has. What is in the ring is the difference. The numbers are for bounds and promise no order.
//!
//! ```text
//!   sender    pushed ─────────────▶ │ line │         each writes its own line alone, without exchanges;
//!   receiver            │ line │ ◀───────── popped   each reads the other's only when a bound is in question
//! ```

use crate::Weigh;
use crate::primitives::{Arc, AtomicUsize, Consumer, Ordering, Producer, PushError, ring};

/// A counter that one thread writes, away from what others write: processors fetch lines by pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line(AtomicUsize);

impl Line {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// Bytes that went through the ends so far. They wrap around, and so does their difference.
#[derive(Debug, Default)]
struct Passed {
    pushed: Line,
    popped: Line,
}

/// The end that fills.
#[derive(Debug)]
pub struct RingSender<T> {
    ring: Producer<T>,
    passed: Arc<Passed>,
    /// What this end has counted.
    pushed: usize,
    /// What the other had counted when it was asked last.
    popped_seen: usize,
    weigh: Weigh<T>,
}

/// The end that empties.
#[derive(Debug)]
pub struct RingReceiver<T> {
    ring: Consumer<T>,
    passed: Arc<Passed>,
    /// What this end has counted.
    popped: usize,
    weigh: Weigh<T>,
}

/// Both ends of a ring with `capacity` places; `weigh` tells the bytes of a message.
pub fn weighed_ring<T>(capacity: usize, weigh: Weigh<T>) -> (RingSender<T>, RingReceiver<T>) {
    let (producer, consumer) = ring(capacity);
    let passed = Arc::new(Passed::default());
    let sender = RingSender {
        ring: producer,
        passed: passed.clone(),
        pushed: 0,
        popped_seen: 0,
        weigh,
    };
    let receiver = RingReceiver {
        ring: consumer,
        passed,
        popped: 0,
        weigh,
    };
    (sender, receiver)
}

impl<T> RingSender<T> {
    /// Counts an item that will be pushed with [`RingSender::push_charged`], now or later.
    pub fn charge(&mut self, item: &T) {
        self.set_pushed(self.pushed.wrapping_add((self.weigh)(item)));
    }

    fn set_pushed(&mut self, bytes: usize) {
        if bytes != self.pushed {
            self.pushed = bytes;
            self.passed.pushed.set(bytes);
        }
    }

    /// Puts a charged item into the ring, or hands it back, still charged.
    pub fn push_charged(&mut self, item: T) -> Result<(), T> {
        let pushed = self.ring.push(item);
        pushed.map_err(|PushError::Full(item)| item)
    }

    /// Puts an item into the ring, or hands it back.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        // Counted before the receiver can take it.
        let before = self.pushed;
        self.charge(&item);
        self.push_charged(item)
            .inspect_err(|_| self.set_pushed(before))
    }

    /// Whether all places are taken.
    pub fn is_full(&self) -> bool {
        self.ring.is_full()
    }

    /// Bytes of the messages in the ring, and of those charged before it.
    pub fn bytes(&self) -> usize {
        self.pushed.wrapping_sub(self.passed.popped.get())
    }

    /// Whether there are less than `bytes_max` of them. Asks the other end only if there were not when it was
    /// asked last.
    pub(crate) fn is_below(&mut self, bytes_max: usize) -> bool {
        if self.pushed.wrapping_sub(self.popped_seen) < bytes_max {
            return true;
        }
        self.popped_seen = self.passed.popped.get();
        self.pushed.wrapping_sub(self.popped_seen) < bytes_max
    }

    /// Whether the receiver is gone.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

impl<T> RingReceiver<T> {
    /// The next item.
    pub fn pop(&mut self) -> Option<T> {
        let item = self.ring.pop().ok()?;
        let bytes = (self.weigh)(&item);
        if bytes > 0 {
            self.popped = self.popped.wrapping_add(bytes);
            self.passed.popped.set(self.popped);
        }
        Some(item)
    }

    /// Whether at most half of the places are taken, and at most half of `bytes_max`.
    pub(crate) fn is_half_empty(&self, bytes_max: usize) -> bool {
        // What was popped was counted as pushed before, so this is never below zero.
        let bytes = self.passed.pushed.get().wrapping_sub(self.popped);
        self.ring.slots() <= self.ring.buffer().capacity() / 2 && bytes <= bytes_max / 2
    }

    /// Whether there is no item now.
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.slots() == 0
    }

    /// Whether the sender is gone; then no items come but those that are in the ring.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}
