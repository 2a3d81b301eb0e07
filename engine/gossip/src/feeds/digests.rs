//! [`DigestRounds`]: when digests go out, and to which links.

use std::time::Duration;

use super::slot::{LINKS_MAX, Slot, Slots};

/// How often digests go out, to how many links, and how old a message is of which they tell.
const DIGEST_EVERY: Duration = Duration::from_secs(1);
const DIGEST_LINKS: usize = 2;
pub(super) const DIGEST_AGE: Duration = Duration::from_secs(4);

/// The rounds in which all links get digests in turn.
#[derive(Debug)]
pub(super) struct DigestRounds {
    at: Duration,
    /// The number of the slot that is looked at first in the next round.
    next: usize,
}

impl Default for DigestRounds {
    fn default() -> Self {
        DigestRounds {
            at: DIGEST_EVERY,
            next: 0,
        }
    }
}

impl DigestRounds {
    /// When the next digests go out.
    pub(super) fn at(&self) -> Duration {
        self.at
    }

    /// Whether a round begins, after which comes another.
    pub(super) fn begin(&mut self, now: Duration) -> bool {
        let begins = self.at <= now;
        if begins {
            self.at = now + DIGEST_EVERY;
        }
        begins
    }

    /// The links whose turn it is, of these.
    pub(super) fn links(&mut self, taken: Slots) -> Vec<Slot> {
        let count = DIGEST_LINKS.min(taken.len());
        (0..count).filter_map(|_| self.next_of(taken)).collect()
    }

    fn next_of(&mut self, taken: Slots) -> Option<Slot> {
        let from_here = (0..LINKS_MAX).map(|ahead| (self.next + ahead) % LINKS_MAX);
        let mut slots = from_here.filter_map(Slot::new);
        let slot = slots.find(|slot| taken.contains(*slot))?;
        self.next = slot.index() + 1;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_begins_each_second_and_all_links_have_their_turn() {
        let mut rounds = DigestRounds::default();
        let just_before = DIGEST_EVERY - Duration::from_nanos(1);
        assert!(!rounds.begin(just_before) && rounds.begin(DIGEST_EVERY));
        assert_eq!(rounds.at(), 2 * DIGEST_EVERY);
        let mut taken = Slots::default();
        let all = [0, 5, 63].map(|number| Slot::new(number).unwrap());
        for slot in all {
            taken.insert(slot);
        }
        assert_eq!(rounds.links(taken), [all[0], all[1]]);
        assert_eq!(rounds.links(taken), [all[2], all[0]]);
        assert_eq!(rounds.links(Slots::default()), []);
    }
}
