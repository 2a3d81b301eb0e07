//! The nodes that the operator named to be asked when nobody else can be.
//!
//! A round dials them one after the other in a random order until one answers. They are asked,
//! they answer and hang up, so they are never dialed as ordinary peers. One that hangs up without an
//! answer has no room, and the round goes on: a connection alone is worth nothing.

use ringwire_codec::{NetAddress, NodeId};

use super::draw::shuffle;
use crate::chance::Chance;

/// The seeds, and the round under way.
#[derive(Debug)]
pub(super) struct Seeds {
    all: Vec<NetAddress>,
    /// Those of this round that were not tried yet.
    untried: Vec<NetAddress>,
    /// The one that is being dialed.
    dialing: Option<NodeId>,
    /// The one that is connected and has not answered yet.
    visiting: Option<NodeId>,
}

/// What the end of a dial means for the round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Round {
    /// The dial was none of the round's.
    NotOurs,
    /// A seed is connected: the round is over if it answers.
    Reached,
    /// The next one is to be tried, if there is one.
    GoesOn,
}

impl Seeds {
    /// These seeds; none of them is dialed yet.
    pub(super) fn new(all: Vec<NetAddress>) -> Self {
        Seeds {
            all,
            untried: Vec::new(),
            dialing: None,
            visiting: None,
        }
    }

    /// The operator names others now. Of a round under way only those that stay are still tried.
    pub(super) fn rename(&mut self, all: Vec<NetAddress>) {
        self.untried.retain(|seed| all.contains(seed));
        self.all = all;
    }

    /// Whether the id is a seed's.
    pub(super) fn contains(&self, id: &NodeId) -> bool {
        self.all.iter().any(|seed| seed.id == *id)
    }

    /// Begins a round, unless one is under way.
    pub(super) fn begin_round(&mut self, chance: &mut Chance) {
        if self.dialing.is_none() {
            self.untried.clone_from(&self.all);
            shuffle(&mut self.untried, chance);
        }
    }

    /// The next seed to dial that `accepts` allows; it counts as being dialed.
    pub(super) fn next(&mut self, accepts: impl Fn(&NodeId) -> bool) -> Option<NetAddress> {
        let next = std::iter::from_fn(|| self.untried.pop()).find(|seed| accepts(&seed.id));
        self.dialing = next.as_ref().map(|seed| seed.id);
        next
    }

    /// A peer has answered: if it is the seed of this round, the round is over.
    pub(super) fn handle_answered(&mut self, id: &NodeId) {
        if self.visiting == Some(*id) {
            self.visiting = None;
            self.untried.clear();
        }
    }

    /// A peer has left: if it is the seed of this round, it has not answered.
    pub(super) fn handle_left(&mut self, id: &NodeId) -> Round {
        if self.visiting != Some(*id) {
            return Round::NotOurs;
        }
        self.visiting = None;
        Round::GoesOn
    }

    /// A dial has ended.
    pub(super) fn handle_dialed(&mut self, id: &NodeId, is_connected: bool) -> Round {
        if self.dialing != Some(*id) {
            return Round::NotOurs;
        }
        self.dialing = None;
        if is_connected {
            self.visiting = Some(*id);
            Round::Reached
        } else {
            Round::GoesOn
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(number: u8) -> NetAddress {
        NetAddress::from_ip(
            NodeId::from_bytes([number; 20]),
            [192, 0, 2, number].into(),
            26_656,
        )
    }

    fn seeds(count: u8) -> Seeds {
        Seeds::new((1..=count).map(seed).collect())
    }

    // Conformance item 72.
    #[test]
    fn a_round_tries_seeds_until_one_answers_and_no_longer() {
        let mut seeds = seeds(3);
        seeds.begin_round(&mut Chance::new([1; 32]));
        let first = seeds.next(|_| true).expect("three are untried");
        assert_eq!(seeds.handle_dialed(&first.id, false), Round::GoesOn);
        let second = seeds.next(|_| true).expect("two are untried");
        assert_ne!(first, second);
        assert_eq!(seeds.handle_dialed(&second.id, true), Round::Reached);
        seeds.handle_answered(&second.id);
        assert_eq!(seeds.handle_left(&second.id), Round::NotOurs);
        assert_eq!(seeds.next(|_| true), None);
    }

    #[test]
    fn a_seed_that_hangs_up_without_an_answer_is_followed_by_the_next() {
        let mut seeds = seeds(2);
        seeds.begin_round(&mut Chance::new([1; 32]));
        let first = seeds.next(|_| true).expect("two are untried");
        assert_eq!(seeds.handle_dialed(&first.id, true), Round::Reached);
        assert_eq!(seeds.handle_left(&seed(9).id), Round::NotOurs);
        assert_eq!(seeds.handle_left(&first.id), Round::GoesOn);
        assert_eq!(seeds.handle_left(&first.id), Round::NotOurs);
        let second = seeds.next(|_| true).expect("one is untried");
        assert_ne!(first, second);
    }

    // Conformance item 72.
    #[test]
    fn a_round_without_a_seed_that_answers_ends_after_each_was_tried_once() {
        let mut seeds = seeds(3);
        seeds.begin_round(&mut Chance::new([2; 32]));
        let mut tried = Vec::new();
        while let Some(next) = seeds.next(|_| true) {
            tried.push(next.id);
            // A second round does not begin while this one dials.
            seeds.begin_round(&mut Chance::new([3; 32]));
            assert_eq!(seeds.handle_dialed(&next.id, false), Round::GoesOn);
        }
        tried.sort_unstable();
        assert_eq!(tried, [seed(1).id, seed(2).id, seed(3).id]);
    }

    #[test]
    fn a_round_goes_on_without_a_seed_that_is_none_any_more_and_the_next_one_knows_the_new_one() {
        let mut seeds = seeds(2);
        seeds.begin_round(&mut Chance::new([1; 32]));
        let first = seeds.next(|_| true).expect("two are untried");
        seeds.rename(vec![first.clone(), seed(3)]);
        assert_eq!(seeds.handle_dialed(&first.id, false), Round::GoesOn);
        assert_eq!(seeds.next(|_| true), None, "the other one is none now");
        seeds.begin_round(&mut Chance::new([1; 32]));
        let mut tried = [seeds.next(|_| true), seeds.next(|_| true)];
        tried.sort();
        let mut expected = [Some(first), Some(seed(3))];
        expected.sort();
        assert_eq!(tried, expected);
        assert!(seeds.contains(&seed(3).id));
    }

    #[test]
    fn a_seed_that_is_connected_or_ourselves_is_passed_over() {
        let mut seeds = seeds(2);
        seeds.begin_round(&mut Chance::new([4; 32]));
        assert_eq!(seeds.next(|id| *id == seed(2).id), Some(seed(2)));
        assert_eq!(seeds.handle_dialed(&seed(1).id, false), Round::NotOurs);
        assert_eq!(seeds.handle_dialed(&seed(2).id, false), Round::GoesOn);
        assert_eq!(seeds.next(|id| *id == seed(2).id), None);
    }

    #[test]
    fn rounds_begin_with_different_seeds() {
        let first = |byte: u8| {
            let mut seeds = seeds(3);
            seeds.begin_round(&mut Chance::new([byte; 32]));
            seeds.next(|_| true).expect("three are untried").id
        };
        assert!((0..20).any(|byte| first(byte) != first(0)));
    }
}
