//! What a link is like when nothing goes wrong: latency, speed, window, and how reads cut it.

use std::time::Duration;

/// What a link is like, the same in both directions.
#[derive(Clone, Copy, Debug)]
pub struct LinkProfile {
    /// Time from the end of the line to the reader.
    pub latency: Duration,
    /// Random part added to it; order is kept all the same.
    pub jitter: Duration,
    /// Speed of the line; zero means unlimited.
    pub bytes_per_second: u64,
    /// Bytes written and not yet read at most: the sockets' buffers together.
    pub window_bytes: usize,
    /// How the reader's reads cut the stream.
    pub chunking: Chunking,
}

/// How reads cut the stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunking {
    /// A read takes all that has arrived and fits.
    Whole,
    /// A read takes between one byte and this many.
    Random(usize),
}

impl LinkProfile {
    /// Two machines of one room: 100 µs, unlimited speed.
    pub const fn lan() -> Self {
        LinkProfile {
            latency: Duration::from_micros(100),
            jitter: Duration::ZERO,
            bytes_per_second: 0,
            window_bytes: 512 * 1024,
            chunking: Chunking::Whole,
        }
    }

    /// Two continents: 40 to 50 ms, 100 Mbit/s.
    pub const fn wan() -> Self {
        LinkProfile {
            latency: Duration::from_millis(40),
            jitter: Duration::from_millis(10),
            bytes_per_second: 12_500_000,
            window_bytes: 2 * 1024 * 1024,
            chunking: Chunking::Whole,
        }
    }

    /// The same link, cut into reads of one to `max` bytes.
    pub const fn chunked(mut self, max: usize) -> Self {
        self.chunking = Chunking::Random(max);
        self
    }

    /// The same link at another speed.
    pub const fn at_speed(mut self, bytes_per_second: u64) -> Self {
        self.bytes_per_second = bytes_per_second;
        self
    }
}
