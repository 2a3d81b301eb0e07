//! When links are at the end of their time: dials, and links that end in order.
//!
//! A limit that is no more is not taken out: it is found to be stale when it is due. There are few, and
//! none is longer than a dial may take.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use ringwire_core::switch::io::LinkId;

/// The time limits of a transport's links.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(Instant, LinkId)>>);

impl Deadlines {
    /// The time of `link` is up at `at`.
    pub(super) fn add(&mut self, at: Instant, link: LinkId) {
        self.0.push(Reverse((at, link)));
    }

    /// When the next may be due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// The next that is due at `now`, with the time that was set for it.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, LinkId)> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse(due)| due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn limits_are_due_in_the_order_of_their_times_and_not_before() {
        let (mut deadlines, now) = (Deadlines::default(), Instant::now());
        let second = Duration::from_secs(1);
        deadlines.add(now + 2 * second, LinkId(1));
        deadlines.add(now + second, LinkId(2));
        assert_eq!(deadlines.next(), Some(now + second));
        let early = now + second - Duration::from_nanos(1);
        assert_eq!(deadlines.pop_due(early), None);
        let at = now + second;
        assert_eq!(deadlines.pop_due(at), Some((at, LinkId(2))));
        assert_eq!(deadlines.pop_due(at), None);
        let later = now + 2 * second;
        assert_eq!(deadlines.pop_due(later), Some((later, LinkId(1))));
        assert_eq!(deadlines.next(), None);
    }
}
