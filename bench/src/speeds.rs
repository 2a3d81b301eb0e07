//! What the machine itself gives: the terms that every figure of a node is made of. A run measures them
//! first, so that figures of two machines can be told apart from figures of two programs.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ringwire_codec::secret::frame::{FRAME_DATA_MAX, FRAME_SEALED, FrameSealer};
use ringwire_codec::secret::record::RecordSealer;
use serde::{Deserialize, Serialize};

use crate::measure::pin_to;

/// Larger than the caches that one core has to itself, and than most that cores share.
const COPY_BYTES: usize = 64 << 20;
/// As large as a wide record becomes.
const RECORD_BYTES: usize = 65_536;
/// How long each is measured, in so many parts, of which the fastest counts: a neighbour makes a part slower,
/// and nothing makes one faster.
const PARTS: u32 = 5;
const PART: Duration = Duration::from_millis(20);

/// What one core of the machine gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speeds {
    /// Copying memory that no cache holds, bytes copied per second.
    pub copy_bytes_per_sec: f64,
    /// Sealing 64 KiB with AES-256-GCM in place, as wide records are, bytes per second.
    pub aes_gcm_bytes_per_sec: f64,
    /// Sealing CometBFT's frames with ChaCha20-Poly1305 in place, bytes of payload per second.
    pub chacha20_bytes_per_sec: f64,
    /// The least system call, nanoseconds.
    pub system_call_nanos: f64,
}

impl Speeds {
    /// Measures them on a thread that runs on this CPU alone, in less than a second.
    ///
    /// # Panics
    /// When no thread can be started.
    pub fn of(cpu: usize) -> Speeds {
        let measured = std::thread::spawn(move || {
            pin_to(cpu);
            Speeds::here()
        });
        measured.join().expect("nothing that is measured panics")
    }

    fn here() -> Speeds {
        let (from, mut to) = (vec![0x5a_u8; COPY_BYTES], vec![0_u8; COPY_BYTES]);
        let copies = per_second(|| {
            to.copy_from_slice(black_box(&from));
            black_box(&mut to);
        });
        let key = [7; 32];
        let mut record = vec![0x5a; RECORD_BYTES];
        let mut sealer: RecordSealer = RecordSealer::new(&key, RECORD_BYTES);
        let records = per_second(|| {
            let sealed = sealer.seal(black_box(&mut record));
            sealed.expect("the counter is far from its end");
        });
        let mut frame = vec![0x5a; FRAME_SEALED];
        let mut sealer: FrameSealer = FrameSealer::new(&key);
        let frames = per_second(|| {
            let sealed = sealer.seal(black_box(&mut frame), FRAME_DATA_MAX);
            sealed.expect("the counter is far from its end");
        });
        let calls = per_second(|| {
            // SAFETY: it takes nothing and cannot fail.
            black_box(unsafe { libc::getppid() });
        });
        Speeds {
            copy_bytes_per_sec: copies * COPY_BYTES as f64,
            aes_gcm_bytes_per_sec: records * RECORD_BYTES as f64,
            chacha20_bytes_per_sec: frames * FRAME_DATA_MAX as f64,
            system_call_nanos: 1e9 / calls,
        }
    }

    /// All of them in a sentence.
    pub fn sentence(&self) -> String {
        format!(
            "One core copies {:.1} GB/s of memory, seals {:.2} GB/s with AES-256-GCM in 64 KiB and {:.2} GB/s with \
             ChaCha20-Poly1305 in CometBFT's frames; a system call takes {:.0} ns.",
            self.copy_bytes_per_sec / 1e9,
            self.aes_gcm_bytes_per_sec / 1e9,
            self.chacha20_bytes_per_sec / 1e9,
            self.system_call_nanos,
        )
    }
}

/// How often something is done in a second.
fn per_second(mut work: impl FnMut()) -> f64 {
    work();
    let parts = (0..PARTS).map(|_| {
        let (began, mut done) = (Instant::now(), 0_u32);
        // The clock is asked seldom where a turn is short.
        let mut turns = 1;
        while began.elapsed() < PART {
            (0..turns).for_each(|_| work());
            done += turns;
            turns = (turns * 2).min(1024);
        }
        f64::from(done) / began.elapsed().as_secs_f64()
    });
    parts.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_has_each_in_its_unit() {
        let speeds = Speeds {
            copy_bytes_per_sec: 12.34e9,
            aes_gcm_bytes_per_sec: 5.678e9,
            chacha20_bytes_per_sec: 0.9e9,
            system_call_nanos: 81.6,
        };
        let sentence = speeds.sentence();
        for part in ["12.3 GB/s", "5.68 GB/s", "0.90 GB/s", "82 ns"] {
            assert!(sentence.contains(part), "{part} in {sentence}");
        }
    }

    #[test]
    fn whatever_is_measured_takes_time() {
        let speeds = Speeds::of(crate::measure::usable_cpus().first().copied().unwrap_or(0));
        let all = [
            speeds.copy_bytes_per_sec,
            speeds.aes_gcm_bytes_per_sec,
            speeds.chacha20_bytes_per_sec,
            speeds.system_call_nanos,
        ];
        assert!(
            all.iter().all(|it| it.is_finite() && *it > 0.0),
            "{speeds:?}"
        );
    }
}
