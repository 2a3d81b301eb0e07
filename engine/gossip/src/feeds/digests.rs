//! [`DigestRounds`]: when digests go out, and to which links.

use std::time::Duration;

use super::held::CONFIRM;
use super::slot::{Slot, Slots};

/// How often digests go out, and to how many links.
const DIGEST_EVERY: Duration = Duration::from_secs(1);
const DIGEST_LINKS: usize = 2;

/// Digests also go out, to all links, whenever so large a part of what a node remembers has come, and at least so many
/// bytes: a neighbour that lacks something learns of it before it is forgotten, however fast messages come.
const SHARE: usize = 16;
const SHARE_BYTES_MIN: usize = 64 * 1024;

/// How old the last message of an origin is of which digests tell, and how many links there are for that.
const AGE: Duration = Duration::from_secs(4);
const FEW_LINKS: usize = 16;

/// How old it is for more links. Each node gets two digests a second, but from so many that these come by chance: of eight
/// that are due in four seconds one message in 3,000 sees none, of sixteen one in ten millions.
const AGE_OF_MANY: Duration = Duration::from_secs(8);

/// The last message of an origin may be so old that a node with so many links tells of it.
pub(super) fn age(links: usize) -> Duration {
    if links <= FEW_LINKS { AGE } else { AGE_OF_MANY }
}

/// The rounds in which all links get digests, each once, and then again.
///
/// The order is each node's own: where all are linked with all, each would tell the same one at the same time.
#[derive(Debug)]
pub(super) struct DigestRounds {
    at: Duration,
    /// Who has had its turn since all had.
    done: Slots,
    /// Bytes that came since digests went to all links, and when the last two times of that were, the older one first.
    bytes: usize,
    to_all_at: [Duration; 2],
    /// Chance (SplitMix64).
    chance: u64,
}

impl DigestRounds {
    /// `seed` is chance.
    pub(super) fn new(seed: u64) -> Self {
        DigestRounds {
            at: DIGEST_EVERY,
            done: Slots::NONE,
            bytes: 0,
            to_all_at: [Duration::ZERO; 2],
            chance: seed,
        }
    }

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

    /// A message of so many bytes came, asked for or not, and so many bytes are remembered at most. Returns, when all links
    /// are to get a digest, since when that names messages: each is named twice, so one that was under way the first time
    /// is told again.
    pub(super) fn note_message(
        &mut self,
        now: Duration,
        bytes: usize,
        was_asked: bool,
        keep_bytes_max: usize,
    ) -> Option<Duration> {
        self.bytes += bytes;
        let [since, last] = self.to_all_at;
        if self.bytes < SHARE_BYTES_MIN.max(keep_bytes_max / SHARE) {
            // Whoever waits to hear of this one publishes nothing that would bring on the next digest.
            let is_waited_for = was_asked && last > Duration::ZERO && now < last + CONFIRM;
            return is_waited_for.then_some(now);
        }
        self.bytes = 0;
        self.to_all_at = [last, now];
        Some(since)
    }

    /// The links whose turn it is, of these.
    pub(super) fn links(&mut self, taken: Slots) -> Vec<Slot> {
        let count = DIGEST_LINKS.min(taken.len());
        (0..count).filter_map(|_| self.next_of(taken)).collect()
    }

    fn next_of(&mut self, taken: Slots) -> Option<Slot> {
        let mut left = taken.without(self.done);
        if left.is_empty() {
            (self.done, left) = (Slots::NONE, taken);
        }
        let at = self.draw().checked_rem(left.len() as u64)?;
        let slot = left.iter().nth(at as usize)?;
        self.done.insert(slot);
        Some(slot)
    }

    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut drawn = self.chance;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        drawn ^ (drawn >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_begins_each_second_and_all_links_have_their_turn() {
        let mut rounds = DigestRounds::new(7);
        let just_before = DIGEST_EVERY - Duration::from_nanos(1);
        assert!(!rounds.begin(just_before) && rounds.begin(DIGEST_EVERY));
        assert_eq!(rounds.at(), 2 * DIGEST_EVERY);
        let mut taken = Slots::default();
        let all = [0, 5, 63, 127].map(|number| Slot::new(number).unwrap());
        for slot in all {
            taken.insert(slot);
        }
        for _ in 0..9 {
            let mut told = rounds.links(taken);
            told.extend(rounds.links(taken));
            told.sort_unstable();
            assert_eq!(told, all);
        }
        assert_eq!(rounds.links(Slots::default()), []);
        taken.remove(all[3]);
        let three = [rounds.links(taken), rounds.links(taken)].concat();
        assert!(
            all[..3].iter().all(|slot| three.contains(slot)),
            "{three:?}"
        );
    }

    #[test]
    fn all_links_get_one_when_much_has_come_which_names_each_message_twice() {
        let mut rounds = DigestRounds::new(7);
        let keep = SHARE * 100_000;
        let seconds = Duration::from_secs;
        let mut note = |at, bytes| rounds.note_message(seconds(at), bytes, false, keep);
        assert_eq!((note(1, 99_999), note(2, 1)), (None, Some(seconds(0))));
        assert_eq!((note(3, 99_999), note(4, 1)), (None, Some(seconds(0))));
        assert_eq!((note(5, 99_999), note(6, 1)), (None, Some(seconds(2))));
        let mut rounds = DigestRounds::new(7);
        let mut note = |bytes| rounds.note_message(DIGEST_EVERY, bytes, false, 0);
        assert_eq!(
            (note(SHARE_BYTES_MIN - 1), note(1)),
            (None, Some(seconds(0)))
        );
    }

    #[test]
    fn what_was_asked_for_is_told_to_all_while_messages_come_fast() {
        let mut rounds = DigestRounds::new(7);
        let seconds = Duration::from_secs;
        assert_eq!(rounds.note_message(seconds(1), 1, true, 0), None);
        rounds.note_message(seconds(2), SHARE_BYTES_MIN, false, 0);
        let until = seconds(2) + CONFIRM;
        let last = until - Duration::from_nanos(1);
        assert_eq!(rounds.note_message(last, 1, true, 0), Some(last));
        assert_eq!(rounds.note_message(last, 1, false, 0), None);
        assert_eq!(rounds.note_message(until, 1, true, 0), None);
    }

    #[test]
    fn each_node_has_an_order_of_its_own() {
        let mut taken = Slots::NONE;
        (0..100).for_each(|number| {
            taken.insert(Slot::new(number).unwrap());
        });
        let first = |seed| DigestRounds::new(seed).links(taken);
        let orders: Vec<_> = (0..8).map(first).collect();
        assert!(orders.iter().any(|order| *order != orders[0]), "{orders:?}");
        assert_eq!((age(16), age(17)), (AGE, AGE_OF_MANY));
    }
}
