//! The crawl of a seed: whom to visit next.
//!
//! Each interval the crawler takes a selection of the book and visits those that it did not visit
//! lately, as many at a time as there is room for outbound peers. A visit is a dial, a request, an
//! answer and a goodbye; each end of a visit makes room for the next. The reference visits one
//! after the other and stays connected to all of them (docs/quirks.md, quirk 24).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};

use crate::time::Instant;

/// Addresses that wait for a visit at most: one selection.
const QUEUE_MAX: usize = ringwire_codec::pex::PEX_ADDRESSES_MAX;

/// What a seed knows of its visits.
#[derive(Debug)]
pub(super) struct Crawler {
    waiting: VecDeque<NetAddress>,
    /// Visits within the last pause. Bounded by the pace of the visits and cleaned at each refill.
    visited: BTreeMap<NodeId, Instant>,
    /// The least time between two visits of one node.
    pause: Duration,
}

impl Crawler {
    /// A crawler that has visited nobody.
    pub(super) fn new(pause: Duration) -> Self {
        Crawler {
            waiting: VecDeque::new(),
            visited: BTreeMap::new(),
            pause,
        }
    }

    /// Takes a selection of the book in place of what is left of the last one.
    pub(super) fn refill(&mut self, now: Instant, selection: Vec<NetAddress>) {
        let pause = self.pause;
        self.visited.retain(|_, visited| now - *visited < pause);
        self.waiting = selection.into_iter().take(QUEUE_MAX).collect();
    }

    /// The next address to visit that was not visited lately and that `accepts` allows. It counts
    /// as visited.
    pub(super) fn next(
        &mut self,
        now: Instant,
        accepts: impl Fn(&NetAddress) -> bool,
    ) -> Option<NetAddress> {
        while let Some(address) = self.waiting.pop_front() {
            let visited = self.visited.get(&address.id);
            let is_recent = visited.is_some_and(|visited| now - *visited < self.pause);
            if !is_recent && accepts(&address) {
                self.visited.insert(address.id, now);
                return Some(address);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(120);

    fn address(number: u8) -> NetAddress {
        NetAddress::from_ip(
            NodeId::from_bytes([number; 20]),
            [192, 0, 2, number].into(),
            26_656,
        )
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_node_is_visited_again_only_after_the_pause() {
        let mut crawler = Crawler::new(PAUSE);
        crawler.refill(at(0), vec![address(1), address(1)]);
        assert_eq!(crawler.next(at(0), |_| true), Some(address(1)));
        assert_eq!(crawler.next(at(0), |_| true), None);
        crawler.refill(at(119), vec![address(1)]);
        assert_eq!(crawler.next(at(119), |_| true), None);
        crawler.refill(at(120), vec![address(1)]);
        assert_eq!(crawler.next(at(120), |_| true), Some(address(1)));
    }

    #[test]
    fn an_address_that_is_not_acceptable_now_was_not_visited() {
        let mut crawler = Crawler::new(PAUSE);
        crawler.refill(at(0), vec![address(1), address(2)]);
        assert_eq!(
            crawler.next(at(0), |next| *next != address(1)),
            Some(address(2))
        );
        crawler.refill(at(1), vec![address(1)]);
        assert_eq!(crawler.next(at(1), |_| true), Some(address(1)));
    }

    #[test]
    fn what_is_remembered_ends_with_the_pause() {
        let mut crawler = Crawler::new(PAUSE);
        crawler.refill(at(0), (0..200).map(address).collect());
        while crawler.next(at(0), |_| true).is_some() {}
        assert_eq!(crawler.visited.len(), 200);
        crawler.refill(at(120), Vec::new());
        assert!(crawler.visited.is_empty());
    }
}
