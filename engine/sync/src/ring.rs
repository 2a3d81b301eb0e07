//! A ring between two threads that counts the bytes of the messages in it.
//!
//! A ring has so many places; whether they hold votes or blocks is a difference of gigabytes. So both
//! ends share one number beside the ring: the sender adds a message's bytes before the receiver can
//! take it, the receiver takes them off. The number is for bounds and promises no order.

use crate::Weigh;
use crate::primitives::{Arc, AtomicUsize, Consumer, Ordering, Producer, PushError, ring};

/// The end that fills.
#[derive(Debug)]
pub struct RingSender<T> {
    ring: Producer<T>,
    bytes: Arc<AtomicUsize>,
    weigh: Weigh<T>,
}

/// The end that empties.
#[derive(Debug)]
pub struct RingReceiver<T> {
    ring: Consumer<T>,
    bytes: Arc<AtomicUsize>,
    weigh: Weigh<T>,
}

/// Both ends of a ring with `capacity` places; `weigh` tells the bytes of a message.
pub fn weighed_ring<T>(capacity: usize, weigh: Weigh<T>) -> (RingSender<T>, RingReceiver<T>) {
    let (producer, consumer) = ring(capacity);
    let bytes = Arc::new(AtomicUsize::new(0));
    let sender = RingSender {
        ring: producer,
        bytes: bytes.clone(),
        weigh,
    };
    let receiver = RingReceiver {
        ring: consumer,
        bytes,
        weigh,
    };
    (sender, receiver)
}

impl<T> RingSender<T> {
    /// Counts an item that will be pushed with [`RingSender::push_charged`], now or later.
    pub fn charge(&self, item: &T) {
        let bytes = (self.weigh)(item);
        if bytes > 0 {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
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
        self.charge(&item);
        self.push_charged(item).inspect_err(|item| {
            self.bytes.fetch_sub((self.weigh)(item), Ordering::Relaxed);
        })
    }

    /// Whether all places are taken.
    pub fn is_full(&self) -> bool {
        self.ring.is_full()
    }

    /// Bytes of the messages in the ring, and of those charged before it.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
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
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        Some(item)
    }

    /// Whether at most half of the places are taken, and at most half of `bytes_max`.
    pub(crate) fn is_half_empty(&self, bytes_max: usize) -> bool {
        self.ring.slots() <= self.ring.buffer().capacity() / 2
            && self.bytes.load(Ordering::Relaxed) <= bytes_max / 2
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
