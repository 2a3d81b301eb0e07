//! Random orders from a stream of chance.

use crate::chance::Chance;

/// Puts `items`, fewer than 2^32 of them, into a random order (Fisher and Yates).
pub(super) fn shuffle<T>(items: &mut [T], chance: &mut Chance) {
    for last in (1..items.len()).rev() {
        let bound = u32::try_from(last + 1).expect("fewer than 2^32 items");
        items.swap(last, chance.below(bound) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_every_item_and_moves_each_about() {
        let mut chance = Chance::new([2; 32]);
        let mut firsts = [0; 4];
        for _ in 0..400 {
            let mut items = [0, 1, 2, 3];
            shuffle(&mut items, &mut chance);
            firsts[items[0]] += 1;
            items.sort_unstable();
            assert_eq!(items, [0, 1, 2, 3]);
        }
        assert!(firsts.iter().all(|count| *count > 50), "{firsts:?}");
        shuffle::<u8>(&mut [], &mut chance);
    }
}
