//! Alarms: how a future of the application waits for a point in time without a runtime of its own.
//!
//! The switch keeps the protocol's deadlines; these belong to callers of the handle ("wait for
//! room, but not longer than this"). The shard wakes the caller's task and the caller looks at the
//! clock itself, so a late or needless alarm does no harm.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::task::Waker;

use crate::time::Instant;

/// Somebody to wake at a point in time.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// When.
    pub(crate) at: Instant,
    /// Whom.
    pub(crate) waker: Waker,
}

/// A shard's alarms, the earliest first. As many as there are waiting calls, each at most once per
/// poll of its future.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    heap: BinaryHeap<Alarm>,
}

impl Alarms {
    /// Adds an alarm.
    pub(crate) fn set(&mut self, alarm: Alarm) {
        self.heap.push(alarm);
    }

    /// When the earliest is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|alarm| alarm.at)
    }

    /// Wakes all that are due.
    pub(crate) fn ring(&mut self, now: Instant) {
        while self.next().is_some_and(|at| at <= now) {
            if let Some(alarm) = self.heap.pop() {
                alarm.waker.wake();
            }
        }
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Alarm) -> bool {
        self.at == other.at
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Alarm) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    /// Reversed: the heap's greatest is the earliest.
    fn cmp(&self, other: &Alarm) -> Ordering {
        other.at.cmp(&self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn alarms_ring_when_due_and_not_before() {
        let count = Arc::new(Count::default());
        let mut alarms = Alarms::default();
        for nanos in [30, 10, 20] {
            let at = Instant::from_nanos(nanos);
            alarms.set(Alarm {
                at,
                waker: count.clone().into(),
            });
        }
        assert_eq!(alarms.next(), Some(Instant::from_nanos(10)));
        alarms.ring(Instant::from_nanos(9));
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        alarms.ring(Instant::from_nanos(20));
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert_eq!(alarms.next(), Some(Instant::from_nanos(30)));
    }
}
