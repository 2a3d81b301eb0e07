//! The messages that a shard keeps because some peer has no room for them yet: one copy each, what
//! they cost, and who is asked to send less because of them.
//!
//! ```text
//!   source A ─▶ [ m1 m2 m3 ]──┐            a message is kept once; a peer that waits for it holds
//!   source B ─▶ [ m4 ]        ├─▶ peers    a pointer; both are charged to the message's source
//!   ourselves ▶ [ m5 m6 ]   ──┘
//!
//!   charged to one source:  0 ──── limit/2 ──────── limit ───▶
//!                                  released      held back        limit = (budget/2) ÷ (sources + 1)
//! ```
//!
//! All sources together have half of the budget; the other half takes what is under way when a
//! source is told. A source is a peer that brought messages, or this node itself, whose publishers
//! are held back by the same rule. So what a node takes in is bounded by what it can pass on, and a
//! source that floods has its own share of the memory and nobody else's.
//!
//! Invariant: `total` is the sum of `charged` over the sources; a source with nothing charged is
//! not held back and has no entry.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;

use super::seen::{Digest, Source};
use crate::buffer::{COPY_OUT_BYTES, memory_cost};

/// Bytes of a kept message beside what every queue charges for it: its id, its source, its counts.
const KEPT_BYTES: usize = 96;
/// Bytes of a pointer to a kept message in a peer's queue, which has up to twice the room it needs.
const POINTER_BYTES: usize = 2 * size_of::<Rc<Kept>>();

const _: () = assert!(
    size_of::<Kept>() - size_of::<Bytes>() + 2 * size_of::<usize>() <= KEPT_BYTES,
    "a kept message is charged in full"
);

/// A message that at least one peer waits for.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) digest: Digest,
    pub(super) body: Bytes,
    source: Source,
    /// Peers that wait for it.
    waiting: Cell<u32>,
}

impl Kept {
    pub(super) fn source(&self) -> Source {
        self.source
    }

    /// What the message costs, whoever waits for it.
    pub(super) fn cost(&self) -> usize {
        KEPT_BYTES + memory_cost(self.body.len())
    }
}

/// What one source has a shard keep.
#[derive(Debug, Default)]
struct Account {
    charged: usize,
    is_held_back: bool,
}

/// A source that is to be held back from now on, or no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) source: Source,
    pub(super) is_held_back: bool,
}

/// The kept messages of one shard.
#[derive(Debug)]
pub(super) struct Retained {
    budget: usize,
    /// What one source may have kept at most, however few there are.
    source_max: usize,
    total: usize,
    highest: usize,
    accounts: BTreeMap<Source, Account>,
    /// What has to be told, each source at most once per change of its state.
    changes: VecDeque<Change>,
}

impl Retained {
    /// Nothing kept, within a budget of so many bytes, of which one source gets at most
    /// `source_max`.
    pub(super) fn new(budget: usize, source_max: usize) -> Self {
        Retained {
            budget,
            source_max,
            total: 0,
            highest: 0,
            accounts: BTreeMap::new(),
            changes: VecDeque::new(),
        }
    }

    /// Gives the shard its part of the budget.
    pub(super) fn set_budget(&mut self, budget: usize) {
        self.budget = budget;
    }

    pub(super) fn budget(&self) -> usize {
        self.budget
    }

    /// Bytes charged now.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// The most that was ever charged.
    pub(super) fn highest(&self) -> usize {
        self.highest
    }

    pub(super) fn is_over_budget(&self) -> bool {
        self.total > self.budget
    }

    /// Whether the source is held back on this shard's word.
    pub(super) fn is_held_back(&self, source: Source) -> bool {
        self.accounts
            .get(&source)
            .is_some_and(|account| account.is_held_back)
    }

    /// Whether a peer is held back on this shard's word.
    pub(super) fn holds_a_peer_back(&self) -> bool {
        let peers = self.accounts.iter().filter(|(source, _)| source.is_some());
        peers.into_iter().any(|(_, account)| account.is_held_back)
    }

    /// Keeps a message. A small one is copied: what is kept for long must pin no larger buffer.
    pub(super) fn keep(&mut self, source: Source, digest: Digest, body: &Bytes) -> Rc<Kept> {
        let body = match body.len() < COPY_OUT_BYTES {
            true => Bytes::copy_from_slice(body),
            false => body.clone(),
        };
        Rc::new(Kept {
            digest,
            body,
            source,
            waiting: Cell::new(0),
        })
    }

    /// One more peer waits for the message.
    pub(super) fn wait_for(&mut self, kept: &Rc<Kept>) -> Rc<Kept> {
        let is_first = kept.waiting.get() == 0;
        kept.waiting.set(kept.waiting.get() + 1);
        let message = if is_first { kept.cost() } else { 0 };
        self.charge(kept.source, message + POINTER_BYTES);
        Rc::clone(kept)
    }

    /// A peer that waited for the message has it now, or is gone.
    pub(super) fn leave(&mut self, kept: &Rc<Kept>) {
        kept.waiting.set(kept.waiting.get() - 1);
        let is_last = kept.waiting.get() == 0;
        let message = if is_last { kept.cost() } else { 0 };
        self.discharge(kept.source, message + POINTER_BYTES);
    }

    /// The next source whose state has changed.
    pub(super) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// What one source may have kept.
    fn limit(&self) -> usize {
        let share = self.budget / 2 / (self.accounts.len() + 1);
        share.min(self.source_max)
    }

    fn charge(&mut self, source: Source, bytes: usize) {
        self.total += bytes;
        self.highest = self.highest.max(self.total);
        let account = self.accounts.entry(source).or_default();
        account.charged += bytes;
        if account.is_held_back {
            return;
        }
        let charged = account.charged;
        if charged > self.limit() {
            self.set_held_back(source, true);
        }
    }

    fn discharge(&mut self, source: Source, bytes: usize) {
        self.total -= bytes;
        let limit = self.limit();
        let Some(account) = self.accounts.get_mut(&source) else {
            return;
        };
        account.charged -= bytes;
        let (charged, is_held_back) = (account.charged, account.is_held_back);
        if is_held_back && charged <= limit / 2 {
            self.set_held_back(source, false);
        }
        if charged == 0 {
            self.accounts.remove(&source);
        }
    }

    fn set_held_back(&mut self, source: Source, is_held_back: bool) {
        if let Some(account) = self.accounts.get_mut(&source) {
            account.is_held_back = is_held_back;
        }
        // A change that nobody has heard of yet and that is taken back was none.
        let former = self.changes.iter().position(|c| c.source == source);
        match former {
            Some(place) => drop(self.changes.remove(place)),
            None => self.changes.push_back(Change {
                source,
                is_held_back,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use ringwire_codec::NodeId;

    use super::*;

    fn peer(n: u8) -> Source {
        Some(NodeId::from_bytes([n; 20]))
    }

    fn kept(retained: &mut Retained, source: Source, bytes: usize) -> Rc<Kept> {
        let kept = retained.keep(source, [0; 32], &Bytes::from(vec![0; bytes]));
        retained.wait_for(&kept)
    }

    fn changes(retained: &mut Retained) -> Vec<(Source, bool)> {
        std::iter::from_fn(|| retained.poll_change())
            .map(|change| (change.source, change.is_held_back))
            .collect()
    }

    #[test]
    fn a_message_is_charged_once_and_each_who_waits_for_it_a_pointer() {
        let mut retained = Retained::new(1 << 20, 1 << 20);
        let message = retained.keep(peer(1), [7; 32], &Bytes::from_static(b"eight by"));
        assert_eq!(retained.total(), 0);
        let waiting: Vec<_> = (0..20).map(|_| retained.wait_for(&message)).collect();
        assert_eq!(retained.total(), message.cost() + 20 * POINTER_BYTES);
        assert!(message.cost() > 200, "eight bytes cost far more than eight");
        waiting.iter().for_each(|kept| retained.leave(kept));
        assert_eq!(retained.total(), 0);
        assert!(retained.accounts.is_empty());
        assert_eq!(retained.highest(), message.cost() + 20 * POINTER_BYTES);
    }

    #[test]
    fn a_small_message_that_is_kept_pins_nothing_but_itself() {
        let mut retained = Retained::new(1 << 20, 1 << 20);
        let arena = Bytes::from(vec![1; 16_384]);
        let small = retained.keep(None, [0; 32], &arena.slice(100..108));
        assert_eq!(&small.body[..], [1; 8]);
        assert!(arena.is_unique(), "the arena is free again");
        let large = Bytes::from(vec![1; COPY_OUT_BYTES]);
        let kept = retained.keep(None, [0; 32], &large);
        assert!(std::ptr::eq(&kept.body[..], &large[..]), "no copy");
    }

    #[test]
    fn a_source_over_its_share_is_held_back_until_half_of_it_is_gone() {
        let mut retained = Retained::new(80_000, usize::MAX);
        let first = kept(&mut retained, peer(1), 1000);
        let cost = retained.total();
        let limit = retained.limit();
        assert_eq!(limit, 20_000);
        let mut waiting = vec![first];
        while retained.total() + cost <= limit {
            waiting.push(kept(&mut retained, peer(1), 1000));
        }
        assert!(changes(&mut retained).is_empty(), "exactly at the limit");
        waiting.push(kept(&mut retained, peer(1), 1000));
        assert_eq!(changes(&mut retained), [(peer(1), true)]);
        assert!(retained.is_held_back(peer(1)) && retained.holds_a_peer_back());
        while retained.total() > limit / 2 {
            assert!(changes(&mut retained).is_empty());
            retained.leave(&waiting.pop().expect("it waits"));
        }
        assert_eq!(changes(&mut retained), [(peer(1), false)]);
    }

    #[test]
    fn one_source_over_its_share_costs_another_nothing() {
        let mut retained = Retained::new(80_000, usize::MAX);
        let _flood: Vec<_> = (0..30)
            .map(|_| kept(&mut retained, peer(1), 1000))
            .collect();
        let _honest = kept(&mut retained, peer(2), 1000);
        let _own = kept(&mut retained, None, 1000);
        assert_eq!(changes(&mut retained), [(peer(1), true)]);
        assert!(!retained.is_held_back(None));
    }

    #[test]
    fn a_change_that_was_taken_back_before_it_was_told_is_not_told() {
        let mut retained = Retained::new(8000, usize::MAX);
        let waiting: Vec<_> = (0..5).map(|_| kept(&mut retained, None, 1000)).collect();
        waiting.iter().for_each(|kept| retained.leave(kept));
        assert!(changes(&mut retained).is_empty());
    }
}
