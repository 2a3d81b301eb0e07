//! Alarms: how a future of the application waits for a point in time without a runtime of its own.
//!
//! The switch keeps the protocol's deadlines; these belong to callers of the handle ("wait for
//! room, but not longer than this"). The shard wakes the caller's task and the caller looks at the
//! clock itself, so a late or needless alarm does no harm.
//!
//! ```text
//!   caller   set ─▶ ┌ table, under a lock ┐ ◀─ cancel    when its call ends early
//!   shard    next ─▶│ earliest, an atomic │ ─▶ ring      once per turn; the lock only when one is due
//! ```
//!
//! Invariant: the table holds one alarm per call that waits at this moment and none of a call that
//! has ended, so it is no larger than what its callers hold themselves; `earliest` is that of the
//! table whenever the lock is free.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::primitives::{AtomicU64, Mutex, MutexGuard, Ordering, lock};
use crate::wake::wake;

/// What `earliest` says while there is no alarm: 584 years from the start of the engine's clock.
const NEVER: u64 = u64::MAX;

/// The name of one alarm: when it rings, in nanoseconds of the engine's clock, and a number that no other has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AlarmKey(u64, u64);

/// The alarms of one shard. Any thread sets and cancels, the shard rings.
#[derive(Debug)]
pub struct Alarms {
    table: Mutex<Table>,
    earliest: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    alarms: BTreeMap<AlarmKey, Waker>,
    /// Counts the alarms ever set.
    made: u64,
}

impl Default for Alarms {
    fn default() -> Self {
        Alarms {
            table: Mutex::new(Table::default()),
            earliest: AtomicU64::new(NEVER),
        }
    }
}

impl Alarms {
    /// Has `waker` woken at `at_nanos`. The second answer tells whether it is the earliest now: then the
    /// shard may sleep too long, and its caller wakes it.
    pub fn set(&self, at_nanos: u64, waker: Waker) -> (AlarmKey, bool) {
        let mut table = self.lock();
        table.made += 1;
        let key = AlarmKey(at_nanos, table.made);
        table.alarms.insert(key, waker);
        self.publish(&table);
        (key, table.earliest() == Some(at_nanos))
    }

    /// Has another task woken at the time of an alarm. Nothing happens when it has rung.
    pub fn replace(&self, key: AlarmKey, waker: Waker) {
        if let Some(former) = self.lock().alarms.get_mut(&key) {
            *former = waker;
        }
    }

    /// Forgets an alarm. Nothing happens when it has rung.
    pub fn cancel(&self, key: AlarmKey) {
        let mut table = self.lock();
        let waker = table.alarms.remove(&key);
        self.publish(&table);
        // Dropping a waker may run code of the application: not under the lock.
        drop(table);
        drop(waker);
    }

    /// When the earliest is due.
    pub fn next(&self) -> Option<u64> {
        let nanos = self.earliest.load(Ordering::SeqCst);
        (nanos != NEVER).then_some(nanos)
    }

    /// Wakes all that are due.
    pub fn ring(&self, now_nanos: u64) {
        if self.next().is_some_and(|at| at <= now_nanos) {
            self.take_until(AlarmKey(now_nanos, u64::MAX))
                .into_values()
                .for_each(wake);
        }
    }

    /// Wakes all: the shard is gone and rings no more.
    pub fn ring_all(&self) {
        self.take_until(AlarmKey(u64::MAX, u64::MAX))
            .into_values()
            .for_each(wake);
    }

    fn take_until(&self, last: AlarmKey) -> BTreeMap<AlarmKey, Waker> {
        let mut table = self.lock();
        let later = table.alarms.split_off(&last);
        let due = std::mem::replace(&mut table.alarms, later);
        self.publish(&table);
        due
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.lock().alarms.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn publish(&self, table: &Table) {
        let nanos = table.earliest().unwrap_or(NEVER);
        self.earliest.store(nanos, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }
}

impl Table {
    fn earliest(&self) -> Option<u64> {
        self.alarms.keys().next().map(|AlarmKey(at, _)| *at)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Count {
        fn get(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn alarms_ring_when_due_and_not_before() {
        let count = Arc::new(Count::default());
        let alarms = Alarms::default();
        let firsts = [30, 10, 20].map(|nanos| {
            let at = nanos;
            alarms.set(at, count.clone().into()).1
        });
        assert_eq!(firsts, [true, true, false], "the shard is woken for these");
        assert_eq!(alarms.next(), Some(10));
        alarms.ring(9);
        assert_eq!(count.get(), 0);
        alarms.ring(20);
        assert_eq!(count.get(), 2);
        assert_eq!(alarms.next(), Some(30));
        alarms.ring_all();
        assert_eq!((count.get(), alarms.next()), (3, None));
    }

    #[test]
    fn an_alarm_that_is_cancelled_leaves_nothing_and_one_that_rang_may_be() {
        let count = Arc::new(Count::default());
        let alarms = Alarms::default();
        let at = 10;
        let (first, _) = alarms.set(at, count.clone().into());
        let (second, _) = alarms.set(at, count.clone().into());
        alarms.cancel(first);
        assert_eq!((alarms.len(), alarms.next()), (1, Some(at)));
        alarms.ring(at);
        assert_eq!(count.get(), 1);
        alarms.cancel(second);
        alarms.replace(second, Waker::noop().clone());
        assert_eq!((alarms.len(), alarms.next()), (0, None));
    }
}
