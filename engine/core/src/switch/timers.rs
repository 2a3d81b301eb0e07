//! Deadlines of one shard, in order, and one entry per thing that may be due.
//!
//! A link's deadline moves with every packet, so it is not moved here. The link remembers
//! the [`Entries`] it has there; when one comes up too early, the link looks again and makes a
//! later one, unless it has that already. So there is about one entry per link and kind of
//! deadline, and moving a deadline into the future costs nothing. A reactor's timer can be taken
//! back, and then its entry goes at once: whoever sets and cancels makes nothing grow.

use std::collections::BTreeMap;

use ringwire_codec::ChannelId;
use smallvec::SmallVec;

use crate::peer::PeerKey;
use crate::reactor::TimerId;
use crate::time::Instant;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// Something of a link: its handshake, its connection, a send that waits, its flush.
    Link(PeerKey),
    /// A timer of a reactor, by the reactor's index and its own token.
    Reactor(u16, u64),
    /// The coordinator's dial plan.
    Dials,
    /// The time of the peer that is read although it holds much.
    Favour,
    /// A channel without room for its messages.
    Shut(ChannelId),
    /// Chunks that nobody needs are freed.
    Trim,
    /// The end of the shutdown.
    Shutdown,
}

/// The deadlines. Equal ones come out in the order in which they were set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    entries: BTreeMap<TimerId, Timer>,
    /// Counts the entries ever made, so that equal deadlines keep their order.
    made: u64,
}

impl Timers {
    /// Adds an entry.
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) -> TimerId {
        self.made += 1;
        let id = TimerId {
            at,
            number: self.made,
        };
        self.entries.insert(id, timer);
        id
    }

    /// Takes an entry back, if it did not come up yet.
    pub(crate) fn cancel(&mut self, id: TimerId) {
        self.entries.remove(&id);
    }

    /// Entries that did not come up yet.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The earliest deadline.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|(id, _)| id.at)
    }

    /// The mark of this moment for [`Timers::pop_due`]: what is set from now on lies behind it.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.made)
    }

    /// Takes the earliest entry that is due at `now`, if it was set before `mark`. Whoever takes all
    /// that is due marks the beginning first: a timer that sets itself again for at once must not
    /// keep the loop from ending.
    pub(crate) fn pop_due(&mut self, now: Instant, mark: Mark) -> Option<(Instant, Timer)> {
        let first = self.entries.first_entry()?;
        let TimerId { at, number } = *first.key();
        if at > now || number > mark.0 {
            return None;
        }
        Some((at, first.remove()))
    }
}

/// A moment in the life of a [`Timers`], see [`Timers::mark`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(u64);

/// The entries that one link has here.
///
/// Invariant: each is earlier than the one before it, so the last one comes up first.
#[derive(Debug, Default)]
pub(crate) struct Entries(SmallVec<[Instant; 2]>);

impl Entries {
    /// Whether an entry has to be made so that the link is looked after at `want`; notes it.
    pub(crate) fn must_add(&mut self, want: Instant) -> bool {
        let is_missing = self.0.last().is_none_or(|at| want < *at);
        if is_missing {
            self.0.push(want);
        }
        is_missing
    }

    /// The entry of `at` came up.
    pub(crate) fn handle_fired(&mut self, at: Instant) {
        while self.0.last().is_some_and(|entry| *entry <= at) {
            self.0.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_deadlines_that_come_and_go_leave_the_long_one_in_the_heap_once() {
        let mut entries = Entries::default();
        let mut made = 0;
        // A connection at its rate: every millisecond it waits, and behind that stands its ping.
        for millis in 0..1000 {
            let ping = Instant::from_nanos(60_000_000_000 + millis);
            let paid = Instant::from_nanos((millis + 1) * 1_000_000);
            made += u32::from(entries.must_add(ping));
            assert!(entries.must_add(paid));
            entries.handle_fired(paid);
        }
        assert_eq!(made, 1);
    }

    #[test]
    fn an_entry_is_made_for_an_earlier_deadline_only() {
        let mut entries = Entries::default();
        assert!(entries.must_add(Instant::from_nanos(5)));
        assert!(!entries.must_add(Instant::from_nanos(5)));
        assert!(entries.must_add(Instant::from_nanos(4)));
        entries.handle_fired(Instant::from_nanos(4));
        assert!(!entries.must_add(Instant::from_nanos(6)));
        entries.handle_fired(Instant::from_nanos(5));
        assert!(entries.must_add(Instant::from_nanos(6)));
    }

    #[test]
    fn a_timer_is_due_at_its_instant_and_not_before() {
        let mut timers = Timers::default();
        timers.set(Instant::from_nanos(5), Timer::Dials);
        assert_eq!(timers.next_at(), Some(Instant::from_nanos(5)));
        let mark = timers.mark();
        assert_eq!(timers.pop_due(Instant::from_nanos(4), mark), None);
        assert_eq!(
            timers.pop_due(Instant::from_nanos(5), mark),
            Some((Instant::from_nanos(5), Timer::Dials))
        );
        assert_eq!(timers.next_at(), None);
    }

    #[test]
    fn what_is_set_after_the_mark_is_due_for_the_next_one() {
        let mut timers = Timers::default();
        timers.set(Instant::ZERO, Timer::Dials);
        let mark = timers.mark();
        timers.set(Instant::ZERO, Timer::Trim);
        assert!(timers.pop_due(Instant::ZERO, mark).is_some());
        assert_eq!(timers.pop_due(Instant::ZERO, mark), None);
        let next = timers.mark();
        assert!(timers.pop_due(Instant::ZERO, next).is_some());
    }

    #[test]
    fn equal_deadlines_come_out_in_the_order_they_were_set() {
        let mut timers = Timers::default();
        timers.set(Instant::ZERO, Timer::Reactor(1, 9));
        timers.set(Instant::ZERO, Timer::Reactor(0, 7));
        let mark = timers.mark();
        assert_eq!(
            timers.pop_due(Instant::ZERO, mark).unwrap().1,
            Timer::Reactor(1, 9)
        );
        assert_eq!(
            timers.pop_due(Instant::ZERO, mark).unwrap().1,
            Timer::Reactor(0, 7)
        );
    }
}
