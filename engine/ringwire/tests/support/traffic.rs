//! Messages that come from a seed, and the digest by which both ends compare what they saw.
//!
//! Every message is a slice of one random pattern, so making a gibibyte of them costs nothing; the
//! digest covers each message's length and bytes in order, so a message that is lost, repeated,
//! swapped, cut or joined changes it.

use std::sync::OnceLock;

use bytes::Bytes;

/// The longest message [`Traffic`] makes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The sizes at which packets, frames and records begin and end.
const EDGES: [usize; 12] = [
    0,
    1,
    127,
    128,
    1014,
    1023,
    1024,
    1025,
    2048,
    65_515,
    65_536,
    MESSAGE_BYTES_MAX,
];

/// A small generator (xorshift64*): the same seed, the same run.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator for `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        // An odd factor spreads small seeds; zero is the one state that xorshift cannot leave.
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }

    /// Thirty-two bytes, for keys.
    pub(crate) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed.chunks_exact_mut(8)
            .for_each(|part| part.copy_from_slice(&self.next().to_le_bytes()));
        seed
    }
}

/// Messages of mixed sizes until `bytes` have been made.
pub(crate) struct Traffic {
    rng: Rng,
    left: usize,
    longest: usize,
}

impl Traffic {
    /// About `bytes` bytes, in messages from 0 B to [`MESSAGE_BYTES_MAX`].
    pub(crate) fn new(seed: u64, bytes: usize) -> Self {
        Traffic {
            rng: Rng::new(seed),
            left: bytes,
            longest: MESSAGE_BYTES_MAX,
        }
    }

    /// The same, with no message longer than `longest` bytes.
    pub(crate) fn at_most(mut self, longest: usize) -> Self {
        self.longest = longest.min(MESSAGE_BYTES_MAX);
        self
    }

    /// Votes, parts of blocks, and the edges in between.
    fn size(&mut self) -> usize {
        let size = match self.rng.below(16) {
            0 => EDGES[self.rng.below(EDGES.len())],
            1..=7 => self.rng.below(400),
            8..=11 => self.rng.below(4096),
            12..=14 => self.rng.below(1 << 17),
            _ => self.rng.below(MESSAGE_BYTES_MAX + 1),
        };
        size.min(self.longest).min(self.left)
    }
}

impl Iterator for Traffic {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        let size = self.size();
        self.left -= size;
        let from = self.rng.below(MESSAGE_BYTES_MAX);
        Some(pattern().slice(from..from + size))
    }
}

/// What was sent or received so far.
#[derive(Default)]
pub(crate) struct Digest {
    hasher: blake3::Hasher,
    /// Messages taken in.
    pub(crate) messages: u64,
    /// Bytes taken in.
    pub(crate) bytes: u64,
}

impl Digest {
    /// Takes the next message in.
    pub(crate) fn add(&mut self, message: &[u8]) {
        self.hasher.update(&(message.len() as u64).to_le_bytes());
        self.hasher.update(message);
        self.messages += 1;
        self.bytes += message.len() as u64;
    }

    /// Messages, bytes and BLAKE3 of all of them: equal on both ends, or something went wrong.
    pub(crate) fn finish(&self) -> (u64, u64, blake3::Hash) {
        (self.messages, self.bytes, self.hasher.finalize())
    }

    /// The digest of all messages of `traffic`.
    pub(crate) fn of(traffic: Traffic) -> (u64, u64, blake3::Hash) {
        let mut digest = Digest::default();
        traffic.for_each(|message| digest.add(&message));
        digest.finish()
    }
}

fn pattern() -> &'static Bytes {
    static PATTERN: OnceLock<Bytes> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut pattern = vec![0; 2 * MESSAGE_BYTES_MAX];
        blake3::Hasher::new_derive_key("ringwire 2026 test traffic v1")
            .finalize_xof()
            .fill(&mut pattern);
        Bytes::from(pattern)
    })
}
