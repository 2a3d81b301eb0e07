//! All chance of one shard, drawn from the seed it was given.
//!
//! Ephemeral keys come from here, so the stream must not be guessable from what is seen of it:
//! draw `n` is BLAKE3 keyed by the seed over `n`. The same seed gives the same run.
//!
//! Choices among few, such as which address to dial, need little chance each and many at a time:
//! they share one long draw, word by word.

use std::fmt;
use std::time::Duration;

/// Words that one draw yields for [`Chance::below`]: four blocks of BLAKE3's output.
const WORDS: usize = 64;

/// A stream of chance. Never cloned: two copies would draw the same keys.
pub struct Chance {
    seed: [u8; 32],
    drawn: u64,
    /// The words of the last long draw; those before `words_used` are spent.
    words: [u32; WORDS],
    words_used: usize,
}

impl Chance {
    /// The stream of `seed`.
    pub fn new(seed: [u8; 32]) -> Self {
        Chance {
            seed,
            drawn: 0,
            words: [0; WORDS],
            words_used: WORDS,
        }
    }

    /// 32 fresh bytes.
    pub fn bytes(&mut self) -> [u8; 32] {
        let draw = self.drawn;
        self.drawn += 1;
        *blake3::keyed_hash(&self.seed, &draw.to_le_bytes()).as_bytes()
    }

    /// A number from 0 to `bound - 1`, each as likely as the others to within `bound` in 2^32.
    ///
    /// # Panics
    ///
    /// If `bound` is zero: there is nothing to choose from.
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "a choice needs at least one alternative");
        let scaled = (u64::from(self.word()) * u64::from(bound)) >> 32;
        u32::try_from(scaled).expect("a product's upper half is below the factor")
    }

    /// The next word of the long draw.
    fn word(&mut self) -> u32 {
        if self.words_used == WORDS {
            self.draw_words();
        }
        let word = self.words[self.words_used];
        self.words_used += 1;
        word
    }

    fn draw_words(&mut self) {
        let draw = self.drawn;
        self.drawn += 1;
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(&draw.to_le_bytes());
        let mut bytes = [0; 4 * WORDS];
        hasher.finalize_xof().fill(&mut bytes);
        for (word, bytes) in self.words.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        self.words_used = 0;
    }

    /// A pause between zero and `max`, nanosecond by nanosecond.
    pub fn duration_up_to(&mut self, max: Duration) -> Duration {
        let nanos_max = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX);
        let bytes = self.bytes();
        let word = u64::from_le_bytes(bytes[..8].try_into().expect("eight of 32 bytes"));
        // The product's upper half is the draw scaled to the range, without a division's bias.
        let scaled = (u128::from(word) * (u128::from(nanos_max) + 1)) >> 64;
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(nanos_max))
    }
}

impl fmt::Debug for Chance {
    /// Without the seed, which must not be read in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chance")
            .field("drawn", &self.drawn)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_stays_below_its_bound_and_takes_every_alternative() {
        let mut chance = Chance::new([3; 32]);
        let mut seen = [0; 7];
        for _ in 0..7_000 {
            seen[chance.below(7) as usize] += 1;
        }
        assert!(
            seen.iter().all(|times| (850..1_150).contains(times)),
            "{seen:?}"
        );
        assert_eq!(chance.below(1), 0);
    }

    #[test]
    fn words_and_bytes_never_come_from_the_same_draw() {
        let mut both = Chance::new([4; 32]);
        let word = both.below(u32::MAX);
        let bytes = both.bytes();
        let mut only_bytes = Chance::new([4; 32]);
        let first = only_bytes.bytes();
        assert_ne!(bytes, first, "the first draw went into words");
        assert_eq!(bytes, only_bytes.bytes());
        let head = u32::from_le_bytes(first[..4].try_into().unwrap());
        assert!(word.abs_diff(head) <= 1, "scaled by nearly one");
    }

    #[test]
    fn the_same_seed_draws_the_same_and_never_twice() {
        let mut left = Chance::new([7; 32]);
        let mut right = Chance::new([7; 32]);
        let first = left.bytes();
        assert_eq!(first, right.bytes());
        assert_ne!(first, left.bytes());
    }

    #[test]
    fn a_pause_stays_within_its_bound_and_uses_it() {
        let mut chance = Chance::new([1; 32]);
        let max = Duration::from_secs(3);
        let pauses: Vec<_> = (0..200).map(|_| chance.duration_up_to(max)).collect();
        assert!(pauses.iter().all(|pause| *pause <= max));
        assert!(pauses.iter().any(|pause| *pause > max / 2));
        assert!(pauses.iter().any(|pause| *pause < max / 2));
        assert_eq!(chance.duration_up_to(Duration::ZERO), Duration::ZERO);
    }
}
