//! Deadlines of one shard: a heap, and one entry per thing that may be due.
//!
//! A link's deadline moves with every packet, so it is not moved in the heap. The link remembers
//! the earliest entry it has there; when that entry comes up too early, the link looks again and
//! pushes the later one. So the heap holds about one entry per link, and moving a deadline into
//! the future costs nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::peer::PeerKey;
use crate::time::Instant;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// Something of a link: its handshake, its connection, a send that waits, its flush.
    Link(PeerKey),
    /// A timer of a reactor, by the reactor's index and its own token.
    Reactor(u16, u64),
    /// The coordinator's dial plan.
    Dials,
    /// The end of the shutdown.
    Shutdown,
}

/// The deadline heap. Equal deadlines come out in the order in which they were set.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64, Timer)>>,
    /// Counts the entries ever made, so that equal deadlines keep their order.
    made: u64,
}

impl Timers {
    /// Adds an entry.
    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.made += 1;
        self.heap.push(Reverse((at, self.made, timer)));
    }

    /// The earliest deadline.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the earliest entry that is due at `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((at, _, timer))| (at, timer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_at_its_instant_and_not_before() {
        let mut timers = Timers::default();
        timers.set(Instant::from_nanos(5), Timer::Dials);
        assert_eq!(timers.next_at(), Some(Instant::from_nanos(5)));
        assert_eq!(timers.pop_due(Instant::from_nanos(4)), None);
        assert_eq!(
            timers.pop_due(Instant::from_nanos(5)),
            Some((Instant::from_nanos(5), Timer::Dials))
        );
        assert_eq!(timers.next_at(), None);
    }

    #[test]
    fn equal_deadlines_come_out_in_the_order_they_were_set() {
        let mut timers = Timers::default();
        timers.set(Instant::ZERO, Timer::Reactor(1, 9));
        timers.set(Instant::ZERO, Timer::Reactor(0, 7));
        assert_eq!(
            timers.pop_due(Instant::ZERO).unwrap().1,
            Timer::Reactor(1, 9)
        );
        assert_eq!(
            timers.pop_due(Instant::ZERO).unwrap().1,
            Timer::Reactor(0, 7)
        );
    }
}
