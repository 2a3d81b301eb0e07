//! What all of this crate is made of: the standard library's atomics, locks and threads, or those of
//! Loom, which runs a model under every order of steps and every value that a load may return.
//!
//! Loom cannot look into the queues of other crates. Under it [`Queue`] and the rings stand for them:
//! as many places, items in order, and no more ordering than the originals promise. What they share
//! with the original is what a protocol around a queue may rely on: whoever finds an item sees what
//! was written before its push, and whoever finds none has learned nothing.
//!
//! Loom takes sequentially consistent loads and stores for acquire and release. So whatever here must
//! not pass an earlier store stands behind a fence. And it lets a plain store come before an exchange
//! that did not see it, in an order which no machine may choose; so a flag that is exchanged by one side
//! is exchanged by the other as well, which costs a processor what the store costs.

#[cfg(not(loom))]
mod of_std {
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

    pub(crate) use crossbeam_queue::ArrayQueue as Queue;
    pub(crate) use rtrb::{Consumer, Producer, PushError};

    /// Both ends of a ring of so many places.
    pub(crate) fn ring<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
        rtrb::RingBuffer::new(capacity)
    }
}

#[cfg(not(loom))]
pub(crate) use of_std::*;

#[cfg(loom)]
mod of_loom {
    use std::collections::VecDeque;
    use std::ops::Deref;

    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};

    /// Stands for `crossbeam_queue::ArrayQueue`. The lock keeps the items only: whether there are any
    /// is told by a number, so that a look at an empty queue orders nothing.
    #[derive(Debug)]
    pub(crate) struct Queue<T> {
        items: Mutex<VecDeque<T>>,
        len: AtomicUsize,
        capacity: usize,
    }

    impl<T> Queue<T> {
        pub(crate) fn new(capacity: usize) -> Self {
            Queue {
                items: Mutex::new(VecDeque::new()),
                len: AtomicUsize::new(0),
                capacity,
            }
        }

        pub(crate) fn push(&self, item: T) -> Result<(), T> {
            if self.is_full() {
                return Err(item);
            }
            self.items.lock().expect("no panic").push_back(item);
            self.len.fetch_add(1, Ordering::Release);
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            if self.len() == 0 {
                return None;
            }
            let item = self.items.lock().expect("no panic").pop_front();
            if item.is_some() {
                self.len.fetch_sub(1, Ordering::Release);
            }
            item
        }

        pub(crate) fn len(&self) -> usize {
            self.len.load(Ordering::Acquire)
        }

        pub(crate) fn is_full(&self) -> bool {
            self.len() >= self.capacity
        }

        pub(crate) fn capacity(&self) -> usize {
            self.capacity
        }
    }

    /// What both ends of a ring share.
    #[derive(Debug)]
    pub(crate) struct Ring<T> {
        queue: Queue<T>,
        is_abandoned: AtomicBool,
    }

    impl<T> Deref for Ring<T> {
        type Target = Queue<T>;

        fn deref(&self) -> &Queue<T> {
            &self.queue
        }
    }

    impl<T> Ring<T> {
        fn is_abandoned(&self) -> bool {
            self.is_abandoned.load(Ordering::Acquire)
        }
    }

    /// Stands for `rtrb::Producer`.
    #[derive(Debug)]
    pub(crate) struct Producer<T>(Arc<Ring<T>>);

    /// Stands for `rtrb::Consumer`.
    #[derive(Debug)]
    pub(crate) struct Consumer<T>(Arc<Ring<T>>);

    /// Stands for `rtrb::PushError`.
    pub(crate) enum PushError<T> {
        Full(T),
    }

    /// Both ends of a ring of so many places.
    pub(crate) fn ring<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
        let ring = Arc::new(Ring {
            queue: Queue::new(capacity),
            is_abandoned: AtomicBool::new(false),
        });
        (Producer(ring.clone()), Consumer(ring))
    }

    impl<T> Producer<T> {
        pub(crate) fn push(&mut self, item: T) -> Result<(), PushError<T>> {
            self.0.push(item).map_err(PushError::Full)
        }

        pub(crate) fn is_full(&self) -> bool {
            self.0.is_full()
        }

        pub(crate) fn is_abandoned(&self) -> bool {
            self.0.is_abandoned()
        }
    }

    impl<T> Consumer<T> {
        pub(crate) fn pop(&mut self) -> Result<T, ()> {
            self.0.pop().ok_or(())
        }

        pub(crate) fn slots(&self) -> usize {
            self.0.len()
        }

        pub(crate) fn buffer(&self) -> &Ring<T> {
            &self.0
        }

        pub(crate) fn is_abandoned(&self) -> bool {
            self.0.is_abandoned()
        }
    }

    impl<T> Drop for Producer<T> {
        fn drop(&mut self) {
            self.0.is_abandoned.store(true, Ordering::Release);
        }
    }

    impl<T> Drop for Consumer<T> {
        fn drop(&mut self) {
            self.0.is_abandoned.store(true, Ordering::Release);
        }
    }
}

#[cfg(loom)]
pub(crate) use of_loom::*;

/// The guard of a lock whose content no panic leaves half done: single pushes and takes.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
