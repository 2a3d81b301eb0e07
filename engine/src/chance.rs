//! All chance of one shard, drawn from the seed it was given.
//!
//! Ephemeral keys come from here, so the stream must not be guessable from what is seen of it:
//! draw `n` is BLAKE3 keyed by the seed over `n`. The same seed gives the same run.

use std::time::Duration;

/// A stream of chance. Never cloned: two copies would draw the same keys.
pub(crate) struct Chance {
    seed: [u8; 32],
    drawn: u64,
}

impl Chance {
    /// The stream of `seed`.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Chance { seed, drawn: 0 }
    }

    /// 32 fresh bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let draw = self.drawn;
        self.drawn += 1;
        *blake3::keyed_hash(&self.seed, &draw.to_le_bytes()).as_bytes()
    }

    /// A pause between zero and `max`, nanosecond by nanosecond.
    pub(crate) fn duration_up_to(&mut self, max: Duration) -> Duration {
        let nanos_max = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX);
        let bytes = self.bytes();
        let word = u64::from_le_bytes(bytes[..8].try_into().expect("eight of 32 bytes"));
        // The product's upper half is the draw scaled to the range, without a division's bias.
        let scaled = (u128::from(word) * (u128::from(nanos_max) + 1)) >> 64;
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(nanos_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
