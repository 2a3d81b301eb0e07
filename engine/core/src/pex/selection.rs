//! Which addresses answer a peer that asks: how many, of which class, and which by chance.
//!
//! The book numbers its addresses, first the new ones, then the old:
//!
//! ```text
//!   0 … new − 1 │ new … new + old − 1
//! ```
//!
//! and a selection is a list of such numbers. Nothing is copied but what is chosen: distinct numbers
//! are drawn by Floyd's method (Bentley and Floyd, "A sample of brilliance", 1987), which draws
//! exactly as many as it returns, and are put into random order afterwards.

use super::bucket::ADDRESSES_MAX;
use super::draw::shuffle;
use crate::chance::Chance;

/// Addresses in one selection at most: what one message of the peer exchange holds.
pub const SELECTION_LEN_MAX: usize = 250;
/// Below so many addresses a selection has all of them, above at least so many.
const SELECTION_LEN_MIN: usize = 32;
/// Part of the book that a selection shows, in per cent.
const SELECTION_PERCENT: usize = 23;

const _: () = assert!(SELECTION_LEN_MAX <= ringwire_codec::pex::PEX_ADDRESSES_MAX);

/// How many new and old addresses there are to select from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Population {
    pub(super) new: usize,
    pub(super) old: usize,
}

impl Population {
    fn len(self) -> usize {
        self.new + self.old
    }

    /// How many addresses are selected: 23 % of all, but at least 32 as long as there are so many,
    /// and never over 250.
    pub(super) fn selection_len(self) -> usize {
        let share = self.len() * SELECTION_PERCENT / 100;
        share
            .max(self.len().min(SELECTION_LEN_MIN))
            .min(SELECTION_LEN_MAX)
    }

    /// Chooses from all alike.
    pub(super) fn select(self, chance: &mut Chance) -> Vec<u16> {
        let mut chosen = Vec::with_capacity(self.selection_len());
        choose(chance, 0, self.len(), self.selection_len(), &mut chosen);
        chosen
    }

    /// Chooses `bias_new` per cent new addresses, first in the list, then old ones; where one class
    /// has too few, the other fills up.
    pub(super) fn select_with_bias(self, chance: &mut Chance, bias_new: u8) -> Vec<u16> {
        let (new, old) = self.parts(bias_new);
        let mut chosen = Vec::with_capacity(new + old);
        choose(chance, 0, self.new, new, &mut chosen);
        choose(chance, self.new, self.old, old, &mut chosen);
        chosen
    }

    /// How many of each class a selection with this bias has; together [`Self::selection_len`].
    pub(super) fn parts(self, bias_new: u8) -> (usize, usize) {
        let len = self.selection_len();
        let wanted = (len * usize::from(bias_new.min(100)) + 50) / 100;
        let new = wanted.max(len.saturating_sub(self.old)).min(self.new);
        (new, len - new)
    }
}

/// Appends `count` different numbers of the `population` that starts at `first`, in random order.
fn choose(chance: &mut Chance, first: usize, population: usize, count: usize, out: &mut Vec<u16>) {
    assert!(count <= population && first + population <= ADDRESSES_MAX);
    let number = |at: usize| u16::try_from(first + at).expect("a book is smaller than 2^16");
    let bound = |len: usize| u32::try_from(len).expect("a book is smaller than 2^16");
    let mut taken = [0_u64; ADDRESSES_MAX.div_ceil(64)];
    let start = out.len();
    for last in population - count..population {
        // Among the numbers up to `last`: if the one drawn is taken, `last` itself cannot be.
        let drawn = chance.below(bound(last + 1)) as usize;
        let is_taken = taken[drawn / 64] >> (drawn % 64) & 1 == 1;
        let at = if is_taken { last } else { drawn };
        taken[at / 64] |= 1 << (at % 64);
        out.push(number(at));
    }
    shuffle(&mut out[start..], chance);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    // Conformance item 85: the size of a selection.
    #[test]
    fn a_selection_shows_all_of_a_few_and_part_of_many() {
        for (len, expected) in [
            (0, 0),
            (1, 1),
            (31, 31),
            (32, 32),
            (33, 32),
            (139, 32),
            (143, 32),
            (144, 33),
            (1000, 230),
            (1086, 249),
            (1087, 250),
            (20_480, 250),
        ] {
            for old in [0, len / 3, len] {
                let population = Population {
                    new: len - old,
                    old,
                };
                assert_eq!(population.selection_len(), expected, "{population:?}");
            }
        }
    }

    // Conformance item 88: layouts for many pairs of new and old, new ones first.
    #[test]
    fn a_selection_with_bias_has_new_ones_first_and_fills_up_from_the_other_class() {
        let mut chance = Chance::new([1; 32]);
        for new in [0, 1, 3, 10, 32, 100, 500, 16_384] {
            for old in [0, 1, 3, 10, 32, 100, 500, 4096] {
                for bias in [0, 1, 30, 50, 99, 100, 255] {
                    let population = Population { new, old };
                    let len = population.selection_len();
                    let (chosen_new, chosen_old) = population.parts(bias);
                    assert_eq!(chosen_new + chosen_old, len);
                    let wanted = (len as f64 * f64::from(bias.min(100)) / 100.0).round();
                    // The bias is kept unless a class has too few.
                    if chosen_new as f64 != wanted {
                        assert!(chosen_new == new || chosen_old == old, "{population:?}");
                    }
                    let chosen = population.select_with_bias(&mut chance, bias);
                    assert_eq!(chosen.len(), len);
                    let are_old: Vec<bool> =
                        chosen.iter().map(|at| usize::from(*at) >= new).collect();
                    assert!(are_old.is_sorted(), "new first, then old");
                    assert_eq!(are_old.iter().filter(|old| !**old).count(), chosen_new);
                    let distinct: BTreeSet<_> = chosen.iter().collect();
                    assert_eq!(distinct.len(), len, "never one twice");
                    assert!(chosen.iter().all(|at| usize::from(*at) < new + old));
                }
            }
        }
    }

    #[test]
    fn every_number_and_every_place_in_the_list_is_as_likely() {
        let mut chance = Chance::new([2; 32]);
        let population = Population { new: 30, old: 70 };
        let (mut chosen_times, mut first_times) = ([0; 100], [0; 100]);
        for _ in 0..10_000 {
            let chosen = population.select(&mut chance);
            first_times[usize::from(chosen[0])] += 1;
            for at in chosen {
                chosen_times[usize::from(at)] += 1;
            }
        }
        // Expected 3200, with a standard deviation of 47; and 100, with one of 10.
        assert!(
            chosen_times.iter().all(|n| (2950..3450).contains(n)),
            "{chosen_times:?}"
        );
        assert!(
            first_times.iter().all(|n| (50..150).contains(n)),
            "{first_times:?}"
        );
    }
}
