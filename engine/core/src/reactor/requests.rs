//! Requests to peers that want an answer: which are under way, and until when.
//!
//! Pure bookkeeping, for a reactor to keep beside its other state. It sends nothing: the reactor
//! begins a request, sends its message, and tells of answers, of time that passed and of peers that
//! went. What is not answered comes back from [`Requests::poll_expired`] or
//! [`Requests::handle_peer_gone`], to be asked of somebody else.
//!
//! Invariant: `by_deadline` has one entry for each request, and a peer is in `open` exactly while it
//! owes an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use thiserror::Error;

use crate::time::Instant;

/// Why a request may not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum RequestRefused {
    /// The peer owes as many answers as it may.
    #[error("the peer owes as many answers as it may at once")]
    TooMany,
    /// The peer was asked the same already and has not answered.
    #[error("the peer was asked this already")]
    Asked,
}

/// The requests of one instance. `P` names a peer: its key, or its id where peers of other shards are asked
/// as well. `K` names a request: a height, a hash.
#[derive(Debug)]
pub struct Requests<P, K> {
    per_peer_max: usize,
    within: Duration,
    open: BTreeMap<P, BTreeMap<K, Instant>>,
    by_deadline: BTreeSet<(Instant, P, K)>,
}

impl<P: Ord + Copy, K: Ord + Clone> Requests<P, K> {
    /// No requests. A peer may owe `per_peer_max` answers at once, and has time `within` for each.
    pub fn new(per_peer_max: usize, within: Duration) -> Self {
        Requests {
            per_peer_max,
            within,
            open: BTreeMap::new(),
            by_deadline: BTreeSet::new(),
        }
    }

    /// Notes that `peer` is being asked for `what`.
    ///
    /// # Errors
    /// It owes too many answers, or this one already; then nothing is noted.
    pub fn begin(&mut self, now: Instant, peer: P, what: K) -> Result<(), RequestRefused> {
        let open = self.open.entry(peer).or_default();
        let refused = match open.contains_key(&what) {
            true => Some(RequestRefused::Asked),
            false => (open.len() >= self.per_peer_max).then_some(RequestRefused::TooMany),
        };
        if let Some(refused) = refused {
            self.forget_if_idle(peer);
            return Err(refused);
        }
        let deadline = now + self.within;
        open.insert(what.clone(), deadline);
        self.by_deadline.insert((deadline, peer, what));
        Ok(())
    }

    /// A peer answered. False if it was not asked for this, or too long ago.
    pub fn handle_answer(&mut self, peer: P, what: &K) -> bool {
        let Some(deadline) = self.open.get_mut(&peer).and_then(|open| open.remove(what)) else {
            return false;
        };
        self.by_deadline.remove(&(deadline, peer, what.clone()));
        self.forget_if_idle(peer);
        true
    }

    /// A request that was not answered in time, if there is one. It is under way no more.
    pub fn poll_expired(&mut self, now: Instant) -> Option<(P, K)> {
        let (deadline, ..) = self.by_deadline.first()?;
        if *deadline > now {
            return None;
        }
        let (_, peer, what) = self.by_deadline.pop_first()?;
        if let Some(open) = self.open.get_mut(&peer) {
            open.remove(&what);
        }
        self.forget_if_idle(peer);
        Some((peer, what))
    }

    /// When [`Requests::poll_expired`] has something, if nothing is answered before.
    pub fn next_at(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, ..)| *deadline)
    }

    /// A peer is gone: what it owes, in order.
    pub fn handle_peer_gone(&mut self, peer: P) -> Vec<K> {
        let open = self.open.remove(&peer).unwrap_or_default();
        let owed = open.into_iter().map(|(what, deadline)| {
            self.by_deadline.remove(&(deadline, peer, what.clone()));
            what
        });
        owed.collect()
    }

    /// Answers that `peer` owes.
    pub fn open_of(&self, peer: P) -> usize {
        self.open.get(&peer).map_or(0, BTreeMap::len)
    }

    /// Whether anybody was asked for `what` and may still answer.
    pub fn is_open(&self, what: &K) -> bool {
        self.open.values().any(|open| open.contains_key(what))
    }

    /// All requests under way.
    pub fn len(&self) -> usize {
        self.by_deadline.len()
    }

    /// Whether nobody owes an answer.
    pub fn is_empty(&self) -> bool {
        self.by_deadline.is_empty()
    }

    fn forget_if_idle(&mut self, peer: P) {
        if self.open.get(&peer).is_some_and(BTreeMap::is_empty) {
            self.open.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::PeerKey;

    const WITHIN: Duration = Duration::from_secs(10);

    fn peer(index: u32) -> PeerKey {
        PeerKey {
            index,
            generation: 1,
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_peer_owes_as_many_answers_as_it_may_and_each_once() {
        let mut requests = Requests::new(2, WITHIN);
        assert_eq!(requests.begin(at(0), peer(1), 5), Ok(()));
        assert_eq!(
            requests.begin(at(0), peer(1), 5),
            Err(RequestRefused::Asked)
        );
        assert_eq!(requests.begin(at(0), peer(1), 6), Ok(()));
        assert_eq!(
            requests.begin(at(0), peer(1), 7),
            Err(RequestRefused::TooMany)
        );
        assert!(requests.handle_answer(peer(1), &5));
        assert!(!requests.handle_answer(peer(1), &5), "answered already");
        assert!(
            !requests.handle_answer(peer(2), &6),
            "somebody else was asked"
        );
        assert_eq!(requests.begin(at(1), peer(1), 7), Ok(()));
        assert_eq!((requests.open_of(peer(1)), requests.len()), (2, 2));
    }

    #[test]
    fn what_is_not_answered_in_time_comes_back_in_the_order_of_its_deadline() {
        let mut requests = Requests::new(9, WITHIN);
        for (second, what) in [(0, 3), (1, 1), (1, 2)] {
            assert_eq!(requests.begin(at(second), peer(1), what), Ok(()));
        }
        assert_eq!(requests.next_at(), Some(at(10)));
        assert_eq!(requests.poll_expired(at(9)), None);
        assert_eq!(requests.poll_expired(at(10)), Some((peer(1), 3)));
        assert_eq!(requests.poll_expired(at(10)), None);
        assert!(!requests.handle_answer(peer(1), &3), "too late");
        assert!(requests.is_open(&1) && !requests.is_open(&3));
        assert_eq!(requests.poll_expired(at(11)), Some((peer(1), 1)));
    }

    #[test]
    fn what_a_peer_owes_comes_back_when_it_goes() {
        let mut requests = Requests::new(9, WITHIN);
        for what in [2, 1] {
            assert_eq!(requests.begin(at(0), peer(1), what), Ok(()));
        }
        assert_eq!(requests.begin(at(0), peer(2), 1), Ok(()));
        assert_eq!(requests.handle_peer_gone(peer(1)), [1, 2]);
        assert_eq!(requests.len(), 1);
        assert_eq!(requests.poll_expired(at(99)), Some((peer(2), 1)));
        assert!(requests.is_empty() && requests.next_at().is_none());
    }
}
