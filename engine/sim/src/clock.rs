//! Simulated time: a heap of what will happen, ordered by time and then by when it was planned.
//!
//! Time moves only by taking the next event, so a world of hours runs in milliseconds. Two events
//! of the same instant come out in the order they went in; nothing else decides the order, hence
//! the same inputs give the same run.
//!
//! An event may be large and waits where it was put; the heap orders small entries that name its
//! place, because a heap moves each entry about as often as it has levels.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use ringwire_core::time::Instant;
use slab::Slab;

/// What will happen, and what time it is.
#[derive(Debug)]
pub struct Clock<E> {
    now: Instant,
    planned: u64,
    /// When, the how-manieth planned, and its place in `events`; the earliest comes first.
    heap: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    events: Slab<E>,
}

impl<E> Clock<E> {
    /// A clock at the origin with nothing planned.
    pub fn new() -> Self {
        Clock {
            now: Instant::ZERO,
            planned: 0,
            heap: BinaryHeap::new(),
            events: Slab::new(),
        }
    }

    /// The time of the event taken last, or later if [`Clock::advance_to`] said so.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Plans `event` for `at`, or for now when `at` has passed.
    pub fn plan(&mut self, at: Instant, event: E) {
        let at = at.max(self.now);
        let place = self.events.insert(event);
        self.heap.push(Reverse((at, self.planned, place)));
        self.planned += 1;
    }

    /// Plans `event` for `after` from now.
    pub fn plan_after(&mut self, after: Duration, event: E) {
        self.plan(self.now + after, event);
    }

    /// When the next event is due.
    pub fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the next event and moves time to it, unless it is due after `until`.
    pub fn take(&mut self, until: Instant) -> Option<E> {
        if self.next_at()? > until {
            return None;
        }
        let Reverse((at, _, place)) = self.heap.pop()?;
        debug_assert!(at >= self.now, "time never runs back");
        self.now = at;
        Some(self.events.remove(place))
    }

    /// Moves time to `to` when nothing is due before it.
    pub fn advance_to(&mut self, to: Instant) {
        debug_assert!(self.next_at().is_none_or(|at| at >= to));
        self.now = self.now.max(to);
    }
}

impl<E> Default for Clock<E> {
    fn default() -> Self {
        Clock::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn events_come_by_time_and_those_of_one_instant_as_planned() {
        let mut clock = Clock::new();
        clock.plan(at(9), 'c');
        clock.plan(at(5), 'a');
        clock.plan(at(9), 'd');
        clock.plan(at(5), 'b');
        let order: String = std::iter::from_fn(|| clock.take(at(100))).collect();
        assert_eq!(order, "abcd");
        assert_eq!(clock.now(), at(9));
    }

    #[test]
    fn an_event_due_at_the_limit_is_taken_and_one_after_it_is_not() {
        let mut clock = Clock::new();
        clock.plan(at(10), 1);
        clock.plan(at(11), 2);
        assert_eq!(clock.take(at(10)), Some(1));
        assert_eq!(clock.take(at(10)), None);
        assert_eq!(clock.now(), at(10));
    }

    #[test]
    fn what_is_planned_for_the_past_happens_now() {
        let mut clock = Clock::new();
        clock.advance_to(at(50));
        clock.plan(at(3), ());
        assert_eq!(clock.next_at(), Some(at(50)));
    }
}
