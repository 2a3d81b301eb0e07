//! How much one write may carry: no more than the link takes in a moment.
//!
//! What was handed to the kernel is in order for good, so a vote that is queued now waits for the
//! whole write in flight. A fast link takes four buffers in a fraction of a millisecond, and fewer,
//! larger writes cost less; a link of 50 MB/s takes 5 ms for them, one of 1 MB/s a quarter of a
//! second.
//!
//! The next write is asked for when the last one has ended, so the time between shows how fast the
//! link is, if there was something left to write all the while:
//!
//! ```text
//!   took over SLOW            half as many buffers, one at least
//!   took under SLOW / 4       twice as many, four at most
//! ```

use std::time::Duration;

use crate::time::Instant;

/// Buffers of the largest write: enough to keep any link busy.
const BUFFERS_MAX: usize = 4;
/// A write that takes longer makes others wait: as long as a vote may wait at all (targets of the
/// benches: 2 ms).
const SLOW: Duration = Duration::from_millis(2);

/// The pace of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    buffers: usize,
    /// When the last write was handed out, if more waited than it carried.
    begun: Option<Instant>,
}

impl Pace {
    /// The pace of a link that nothing is known of: fast.
    pub(super) fn new() -> Self {
        Pace {
            buffers: BUFFERS_MAX,
            begun: None,
        }
    }

    /// Buffers that the write which begins now may have; the last one has ended.
    pub(super) fn begin_write(&mut self, now: Instant) -> usize {
        if let Some(begun) = self.begun.take() {
            let took = now - begun;
            if took > SLOW {
                self.buffers = (self.buffers / 2).max(1);
            } else if took < SLOW / 4 {
                self.buffers = (self.buffers * 2).min(BUFFERS_MAX);
            }
        }
        self.buffers
    }

    /// The write was handed out; `is_full` tells whether more waits.
    pub(super) fn handle_written(&mut self, now: Instant, is_full: bool) {
        self.begun = is_full.then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANO: Duration = Duration::from_nanos(1);

    /// The buffers of one write after another, each of which took so long.
    fn buffers_after(took: &[Duration]) -> Vec<usize> {
        let (mut pace, mut now) = (Pace::new(), Instant::ZERO);
        let mut begin = |took: Duration| {
            now += took;
            let buffers = pace.begin_write(now);
            pace.handle_written(now, true);
            buffers
        };
        took.iter().map(|took| begin(*took)).collect()
    }

    #[test]
    fn a_slow_link_gets_smaller_writes_down_to_one_buffer() {
        let slow = SLOW + NANO;
        assert_eq!(buffers_after(&[NANO, slow, slow, slow]), [4, 2, 1, 1]);
        assert_eq!(buffers_after(&[NANO, SLOW, SLOW]), [4, 4, 4]);
    }

    #[test]
    fn a_link_that_is_fast_again_gets_its_large_writes_back() {
        let (slow, fast) = (SLOW + NANO, SLOW / 4 - NANO);
        let steps = [NANO, slow, slow, fast, SLOW / 4, fast, fast];
        assert_eq!(buffers_after(&steps), [4, 2, 1, 2, 2, 4, 4]);
    }

    #[test]
    fn a_pause_without_anything_to_write_says_nothing_of_the_link() {
        let mut pace = Pace::new();
        assert_eq!(pace.begin_write(Instant::ZERO), BUFFERS_MAX);
        pace.handle_written(Instant::ZERO, false);
        let later = Instant::ZERO + Duration::from_secs(60);
        assert_eq!(pace.begin_write(later), BUFFERS_MAX);
    }
}
