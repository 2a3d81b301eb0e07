//! The notice: one word by which any thread wakes a thread that sleeps outside of our sight, in the
//! kernel, and by which nobody makes a system call for one that is awake.
//!
//! ```text
//!              post                       post
//!   AWAKE ───────────────▶ POSTED ◀───────────── ASLEEP     (only here it must be rung)
//!     ▲  └──── sleep ──────────────────────────▶  │
//!     └──────── take: look into the inboxes ──────┘
//! ```
//!
//! No wake-up is lost: whoever fills an inbox swaps `POSTED` in afterwards; the sleeper swaps it out
//! *before* it empties the inboxes, and goes to sleep only by exchanging `AWAKE` for `ASLEEP`, which
//! fails while a notice is there. All of them read and write one word, so one of the two sides always
//! sees the other.

use crate::primitives::{AtomicU8, Ordering};

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const POSTED: u8 = 2;

/// Shared by one sleeper and all who wake it.
#[derive(Debug)]
pub struct Notice(AtomicU8);

impl Default for Notice {
    fn default() -> Self {
        Notice(AtomicU8::new(AWAKE))
    }
}

impl Notice {
    /// Leaves a notice. Call it after what the sleeper shall find is in its place. `true` means that
    /// the sleeper sleeps, and that the caller, and nobody else, must ring it up.
    #[must_use = "a sleeper that is not rung up sleeps on"]
    pub fn post(&self) -> bool {
        self.0.swap(POSTED, Ordering::SeqCst) == ASLEEP
    }

    /// Whether a notice waits. No store, so cheap enough to spin on; nothing may follow from `false`.
    pub fn is_posted(&self) -> bool {
        self.0.load(Ordering::Relaxed) == POSTED
    }

    /// Takes the notice, if there is one. The sleeper looks into its inboxes afterwards.
    pub fn take(&self) -> bool {
        self.is_posted() && self.0.swap(AWAKE, Ordering::SeqCst) == POSTED
    }

    /// Announces sleep. `false` if there is a notice: then it must not sleep.
    #[must_use = "who has a notice must not sleep"]
    pub fn fall_asleep(&self) -> bool {
        self.0
            .compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// Ends the sleep; says whether there was a notice meanwhile.
    pub fn stand_up(&self) -> bool {
        self.0.swap(AWAKE, Ordering::SeqCst) == POSTED
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn many_notices_before_a_turn_are_one() {
        let notice = Notice::default();
        assert!(!notice.post() && !notice.post());
        assert!(notice.take());
        assert!(!notice.take());
    }

    #[test]
    fn who_has_a_notice_does_not_fall_asleep_and_the_first_to_find_it_asleep_rings() {
        let notice = Notice::default();
        assert!(!notice.post());
        assert!(!notice.fall_asleep());
        assert!(notice.take());
        assert!(notice.fall_asleep());
        assert!(notice.post() && !notice.post());
        assert!(notice.stand_up());
        assert!(!notice.stand_up());
    }
}
