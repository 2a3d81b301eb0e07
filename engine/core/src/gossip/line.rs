//! [`Line`]: what waits for one channel of one peer, in the order in which it goes.
//!
//! ```text
//!   fence │ said about messages │ priority 255 … 0 │ fence │ …
//!         └ nothing overtakes a fence, and it overtakes nothing ┘
//! ```
//! Those of one priority keep the order in which they came.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ringwire_gossip::feeds::Order;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineLimits {
    pub(super) messages_max: usize,
    /// One more is taken as long as less than this waits.
    pub(super) bytes_max: usize,
}

/// What goes before bodies of every priority.
const FIRST: u16 = 256;

/// Where a message stands: behind how many fences, how urgent, and when it came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    fences: u64,
    rank: Reverse<u16>,
    number: u64,
}

/// A message that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) message: Bytes,
    /// When nobody needs it any more, if that comes.
    pub(super) ends_at: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Line {
    limits: LineLimits,
    waiting: BTreeMap<Place, Waiting>,
    bytes: usize,
    fences: u64,
    next_number: u64,
}

impl Line {
    pub(super) fn new(limits: LineLimits) -> Self {
        Line {
            limits,
            waiting: BTreeMap::new(),
            bytes: 0,
            fences: 0,
            next_number: 0,
        }
    }

    /// Lets a message wait. Returns what is left out: those of a lower priority as far as their room is
    /// needed, else this one.
    pub(super) fn push(&mut self, now: Duration, order: Order, message: Bytes) -> Vec<Bytes> {
        let (rank, left) = match order {
            Order::Fence | Order::First => (FIRST, None),
            Order::Body { priority, left } => (u16::from(priority), left),
        };
        let ends_at = left.map(|left| now.saturating_add(left));
        let mut left_out = Vec::new();
        while !self.has_room() {
            let Some(lower) = self.take_below(rank) else {
                left_out.push(message);
                return left_out;
            };
            left_out.push(lower);
        }
        self.fences += u64::from(order == Order::Fence);
        let place = Place {
            fences: self.fences,
            rank: Reverse(rank),
            number: self.next_number,
        };
        self.next_number += 1;
        self.put_back(place, Waiting { message, ends_at });
        left_out
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < self.limits.messages_max && self.bytes < self.limits.bytes_max
    }

    /// Takes out the last of the bodies of a lower priority, if there is one.
    fn take_below(&mut self, rank: u16) -> Option<Bytes> {
        let mut last = self.waiting.keys().rev();
        let place = *last.find(|place| place.rank.0 < rank)?;
        let waiting = self.waiting.remove(&place)?;
        self.bytes -= waiting.message.len();
        Some(waiting.message)
    }

    /// Takes the next message.
    pub(super) fn pop(&mut self) -> Option<(Place, Waiting)> {
        let (place, waiting) = self.waiting.pop_first()?;
        self.bytes -= waiting.message.len();
        Some((place, waiting))
    }

    /// Puts a message in its place.
    pub(super) fn put_back(&mut self, place: Place, waiting: Waiting) {
        self.bytes += waiting.message.len();
        self.waiting.insert(place, waiting);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }

    /// Takes out the bodies, and leaves what is said about them.
    pub(super) fn leave_bodies_out(&mut self) -> Vec<Bytes> {
        let is_body = |place: &Place| place.rank.0 != FIRST;
        let all = std::mem::take(&mut self.waiting);
        let (bodies, others): (BTreeMap<_, _>, _) =
            all.into_iter().partition(|(place, _)| is_body(place));
        self.waiting = others;
        self.bytes = self.waiting.values().map(|it| it.message.len()).sum();
        bodies.into_values().map(|it| it.message).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes_max: usize) -> Line {
        Line::new(LineLimits {
            messages_max: usize::MAX,
            bytes_max,
        })
    }

    fn body(priority: u8) -> Order {
        let left = None;
        Order::Body { priority, left }
    }

    fn push(line: &mut Line, order: Order, message: &'static str) -> Vec<Bytes> {
        line.push(
            Duration::ZERO,
            order,
            Bytes::from_static(message.as_bytes()),
        )
    }

    fn drained(line: &mut Line) -> Vec<Bytes> {
        let all: Vec<Bytes> = std::iter::from_fn(|| line.pop().map(|(_, it)| it.message)).collect();
        assert_eq!(line.bytes(), 0);
        all
    }

    #[test]
    fn the_higher_priority_goes_first_and_those_alike_in_the_order_they_came() {
        let mut line = line(1000);
        for (priority, message) in [(0, "block"), (9, "vote"), (0, "block 2"), (9, "vote 2")] {
            assert!(push(&mut line, body(priority), message).is_empty());
        }
        assert!(push(&mut line, Order::First, "have").is_empty());
        let order = ["have", "vote", "vote 2", "block", "block 2"];
        assert_eq!(drained(&mut line), order);
    }

    #[test]
    fn nothing_overtakes_a_fence_and_it_overtakes_nothing() {
        let mut line = line(1000);
        push(&mut line, body(0), "of the old");
        push(&mut line, Order::Fence, "the name is another's now");
        push(&mut line, body(9), "of the new");
        push(&mut line, Order::First, "have");
        let order = [
            "of the old",
            "the name is another's now",
            "have",
            "of the new",
        ];
        assert_eq!(drained(&mut line), order);
    }

    #[test]
    fn a_full_line_leaves_out_what_is_less_urgent_and_else_the_new_one() {
        let mut line = line(10);
        push(&mut line, body(1), "12345");
        push(&mut line, body(0), "67890");
        assert_eq!(
            push(&mut line, body(0), "more"),
            ["more"],
            "no less urgent than the last"
        );
        let gave_way = push(&mut line, body(5), "vote");
        assert_eq!(gave_way, ["67890"], "the last gave way");
        assert_eq!(drained(&mut line), ["vote", "12345"]);
        push(&mut line, Order::First, "a long word");
        assert_eq!(
            push(&mut line, body(255), "vote"),
            ["vote"],
            "what is said is never left out"
        );
        assert_eq!(drained(&mut line), ["a long word"]);
    }

    #[test]
    fn a_message_that_did_not_go_keeps_its_place() {
        let mut line = line(1000);
        push(&mut line, body(0), "first");
        push(&mut line, body(0), "second");
        let (place, first) = line.pop().expect("two wait");
        line.put_back(place, first);
        assert_eq!(drained(&mut line), ["first", "second"]);
    }

    #[test]
    fn names_stay_when_bodies_are_left_out() {
        let mut line = line(1000);
        push(&mut line, Order::First, "name");
        push(&mut line, body(0), "body");
        assert_eq!(line.leave_bodies_out(), ["body"]);
        assert_eq!(drained(&mut line), ["name"]);
    }
}
