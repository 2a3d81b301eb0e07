//! How long one library takes to seal and to open pieces of one length, in CPU time of this thread.
//!
//! Pieces lie one behind the other in as much memory as the engine seals in a turn, so that a piece is no warmer
//! in the cache than there. All of them are sealed, then all of them opened, each under its own nonce.

use std::time::Duration;

use ringwire_codec::secret::aead::{Aead, NONCE_BYTES, TAG_BYTES};
use rustix::time::{ClockId, clock_gettime};

/// Bytes that are sealed before they are opened: those of a wide record, or of 62 frames.
const BATCH_BYTES: usize = 65_536;
/// CPU time for which each length is measured in a round, sealing and opening together.
const SPAN: Duration = Duration::from_millis(40);

/// Plaintext bytes of CometBFT's frame.
pub(crate) const FRAME_BYTES: usize = 1028;

/// CPU time of one piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    /// To seal it.
    pub(crate) sealed_nanos: f64,
    /// To open it.
    pub(crate) opened_nanos: f64,
}

/// Measures pieces of so many bytes.
///
/// # Panics
/// When a library does not open what it has sealed.
pub(crate) fn measure<A: Aead>(piece_bytes: usize) -> Time {
    let count = (BATCH_BYTES / piece_bytes).max(1);
    let mut batch = Batch {
        aead: A::new(&[7; 32]),
        memory: vec![0x5a; count * piece_bytes],
        tags: vec![[0; TAG_BYTES]; count],
        piece_bytes,
        nonces: 0,
    };
    batch.seal();
    batch.open();
    let (mut sealed, mut opened, mut batches) = (Duration::ZERO, Duration::ZERO, 0_usize);
    while sealed + opened < SPAN {
        let began = cpu_time();
        batch.seal();
        let between = cpu_time();
        batch.open();
        sealed += between - began;
        opened += cpu_time() - between;
        batches += 1;
    }
    let each = |time: Duration| time.as_nanos() as f64 / (batches * count) as f64;
    Time {
        sealed_nanos: each(sealed),
        opened_nanos: each(opened),
    }
}

struct Batch<A> {
    aead: A,
    memory: Vec<u8>,
    tags: Vec<[u8; TAG_BYTES]>,
    piece_bytes: usize,
    /// Nonces that were used before this batch.
    nonces: u64,
}

impl<A: Aead> Batch<A> {
    fn seal(&mut self) {
        let pieces = self.memory.chunks_exact_mut(self.piece_bytes);
        for ((piece, tag), number) in pieces.zip(&mut self.tags).zip(self.nonces..) {
            *tag = self.aead.seal(&nonce(number), &[], piece);
        }
    }

    fn open(&mut self) {
        let pieces = self.memory.chunks_exact_mut(self.piece_bytes);
        for ((piece, tag), number) in pieces.zip(&self.tags).zip(self.nonces..) {
            let opened = self.aead.open(&nonce(number), &[], piece, tag);
            opened.expect("the same key and nonce sealed it");
        }
        self.nonces += self.tags.len() as u64;
    }
}

fn nonce(number: u64) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[4..].copy_from_slice(&number.to_le_bytes());
    nonce
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("no thread has run for less than no time")
}
