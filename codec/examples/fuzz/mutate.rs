//! Inputs from valid messages: a few random edits each, all from one seed.

/// The longest input made, in bytes.
const INPUT_BYTES_MAX: usize = 4096;

/// The most edits made to one sample.
const EDITS_MAX: usize = 6;

/// Bytes at which decoders change their minds: ends of varints, tags, signs.
const EDGES: [u8; 10] = [0x00, 0x01, 0x0a, 0x12, 0x1a, 0x7f, 0x80, 0x81, 0xfe, 0xff];

/// Makes one input after the other.
pub(crate) struct Mutator {
    samples: Vec<Vec<u8>>,
    /// State of a xorshift generator, never zero.
    state: u64,
    input: Vec<u8>,
}

impl Mutator {
    /// A mutator of `samples`; the same seed gives the same inputs.
    pub(crate) fn new(samples: Vec<Vec<u8>>, seed: u64) -> Self {
        assert!(!samples.is_empty(), "every target has a sample");
        // An odd factor spreads small seeds over all bits; zero would stay zero for ever.
        let state = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1);
        Self {
            samples,
            state,
            input: Vec::new(),
        }
    }

    /// The next input: one in sixteen is noise, the rest are edited samples.
    pub(crate) fn next_input(&mut self) -> &[u8] {
        self.input.clear();
        if self.below(16) == 0 {
            let len = self.below(64);
            for _ in 0..len {
                let byte = self.byte();
                self.input.push(byte);
            }
        } else {
            let sample = self.below(self.samples.len());
            self.input.extend_from_slice(&self.samples[sample]);
            for _ in 0..self.below(EDITS_MAX + 1) {
                self.edit();
            }
            self.input.truncate(INPUT_BYTES_MAX);
        }
        &self.input
    }

    fn edit(&mut self) {
        let len = self.input.len();
        let at = self.below(len + 1);
        match self.below(8) {
            0 if at < len => self.input[at] ^= 1 << self.below(8),
            1 if at < len => self.input[at] = self.byte(),
            2 if at < len => self.input[at] = EDGES[self.below(EDGES.len())],
            3 if at < len => {
                self.input.remove(at);
            }
            4 => {
                let byte = self.byte();
                self.input.insert(at, byte);
            }
            5 => self.input.truncate(at),
            6 => self.repeat_part(at),
            _ => self.splice(at),
        }
    }

    /// Appends a copy of a part of the input.
    fn repeat_part(&mut self, at: usize) {
        let end = at + self.below(self.input.len() - at + 1);
        self.input.extend_from_within(at..end);
    }

    /// Continues with the tail of another sample.
    fn splice(&mut self, at: usize) {
        let sample = self.below(self.samples.len());
        let from = self.below(self.samples[sample].len() + 1);
        self.input.truncate(at);
        self.input.extend_from_slice(&self.samples[sample][from..]);
    }

    fn byte(&mut self) -> u8 {
        (self.random() >> 56) as u8
    }

    /// A number under `end`, which is not zero.
    fn below(&mut self, end: usize) -> usize {
        // The high bits of the product are the better ones; the slight bias does not matter here.
        ((u128::from(self.random()) * end as u128) >> 64) as usize
    }

    /// Marsaglia's xorshift with the multiplier of Vigna.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
