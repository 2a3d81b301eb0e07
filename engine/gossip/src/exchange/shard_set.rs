//! [`ShardSet`]: some of the shards of a segment.

use super::stripes::{STRIPES, Stripes};
use crate::coded::ORIGINALS_MAX;

const WORDS: usize = 4;
const _: () = assert!(
    64 * WORDS == 2 * ORIGINALS_MAX as usize,
    "a bit for each shard"
);
const _: () = assert!(STRIPES == 16, "four times in a word");

/// Some of the up to 256 shards of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ShardSet([u64; WORDS]);

impl ShardSet {
    /// Bytes of its form on the wire.
    pub const BYTES: usize = 8 * WORDS;

    /// The first `count` shards, 256 at most.
    pub fn first(count: u16) -> Self {
        let count = usize::from(count);
        let word = |at: usize| match count.saturating_sub(64 * at) {
            in_it @ 0..64 => (1 << in_it) - 1,
            _ => u64::MAX,
        };
        ShardSet(std::array::from_fn(word))
    }

    /// All shards of some stripes.
    pub fn of_stripes(stripes: Stripes) -> Self {
        // A word has each stripe four times.
        let word = u64::from(stripes.0) * 0x0001_0001_0001_0001;
        ShardSet([word; WORDS])
    }

    /// Whether a shard is in it.
    pub fn contains(&self, index: u16) -> bool {
        let word = self.0.get(usize::from(index / 64));
        word.is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// Adds a shard below 256; others are none.
    pub fn insert(&mut self, index: u16) {
        if let Some(word) = self.0.get_mut(usize::from(index / 64)) {
            *word |= 1 << (index % 64);
        }
    }

    /// Takes a shard out; whether it was in it.
    pub fn remove(&mut self, index: u16) -> bool {
        let was_there = self.contains(index);
        if was_there {
            self.0[usize::from(index / 64)] &= !(1 << (index % 64));
        }
        was_there
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    /// Those in either.
    #[must_use]
    pub fn union(&self, other: &ShardSet) -> ShardSet {
        self.each(other, |ours, theirs| ours | theirs)
    }

    /// Those in both.
    #[must_use]
    pub fn both(&self, other: &ShardSet) -> ShardSet {
        self.each(other, |ours, theirs| ours & theirs)
    }

    /// Those that are not in the other.
    #[must_use]
    pub fn without(&self, other: &ShardSet) -> ShardSet {
        self.each(other, |ours, theirs| ours & !theirs)
    }

    /// The first `count` of them, counted from shard `start` on and round.
    #[must_use]
    pub fn some(&self, count: usize, start: u16) -> ShardSet {
        let from_start = self.iter().filter(|index| *index >= start);
        let before = self.iter().filter(|index| *index < start);
        from_start.chain(before).take(count).collect()
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<> {
        (0..).step_by(64).zip(self.0).flat_map(|(first, word)| {
            let some = |left: u64| (left != 0).then_some(left);
            let left = std::iter::successors(some(word), move |left| some(left & (left - 1)));
            left.map(move |left| first + left.trailing_zeros() as u16)
        })
    }

    /// Its form on the wire: little-endian words, lowest shards first.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The set of a form on the wire.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let mut set = ShardSet::default();
        for (word, bytes) in set.0.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        set
    }

    fn each(&self, other: &ShardSet, of: impl Fn(u64, u64) -> u64) -> ShardSet {
        ShardSet(std::array::from_fn(|at| of(self.0[at], other.0[at])))
    }
}

impl FromIterator<u16> for ShardSet {
    fn from_iter<I: IntoIterator<Item = u16>>(indices: I) -> Self {
        let mut set = ShardSet::default();
        indices.into_iter().for_each(|index| set.insert(index));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::super::stripes::Stripe;
    use super::*;

    #[test]
    fn shards_up_to_the_last_bit_are_in_and_none_behind_it() {
        let mut set = ShardSet::default();
        set.insert(255);
        set.insert(256);
        assert!(set.contains(255) && !set.contains(256));
        assert_eq!(set.len(), 1);
        assert!(set.remove(255) && !set.remove(255));
        assert!(set.is_empty());
    }

    #[test]
    fn the_first_and_those_of_stripes_are_what_counting_gives() {
        for count in [0, 1, 63, 64, 65, 128, 200, 255, 256] {
            let counted: ShardSet = (0..count).collect();
            assert_eq!(ShardSet::first(count), counted);
            assert!(counted.iter().eq(0..count), "{count}");
        }
        for stripes in [0, 1, 0b1000_0000_0010_0000, u16::MAX].map(Stripes) {
            let all = 0..256;
            let counted: ShardSet = all.filter(|at| stripes.contains(Stripe::of(*at))).collect();
            assert_eq!(ShardSet::of_stripes(stripes), counted);
        }
    }

    #[test]
    fn some_are_counted_from_the_start_and_round() {
        let set: ShardSet = [1, 5, 100].into_iter().collect();
        let some = |count, start| set.some(count, start).iter().collect::<Vec<_>>();
        assert_eq!(some(2, 5), [5, 100]);
        assert_eq!(some(2, 6), [1, 100]);
        assert_eq!(some(9, 0), [1, 5, 100]);
    }

    #[test]
    fn a_set_is_read_as_it_was_written() {
        let set: ShardSet = [0, 63, 64, 255].into_iter().collect();
        assert_eq!(ShardSet::from_bytes(&set.to_bytes()), set);
        assert_eq!(set.to_bytes()[0], 1);
    }
}
