//! Waking a ring from any thread, without a system call unless it sleeps.
//!
//! ```text
//!               wake                      wake
//!   AWAKE ───────────────▶ NOTIFIED ◀───────────── ASLEEP     (only here the eventfd is written)
//!     ▲  └──── sleep ─────────────────────────────▶  │
//!     └──────── take: look into the inboxes ─────────┘
//! ```
//!
//! No wake-up is lost: whoever fills an inbox swaps `NOTIFIED` in afterwards; the ring swaps it
//! out *before* its driver empties the inboxes, and goes to sleep only by exchanging `AWAKE` for
//! `ASLEEP`, which fails while a notice is there. All of them read and write one word, so one of
//! the two sides always sees the other.

use std::cell::UnsafeCell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use io_uring::{opcode, squeue, types};

use super::system;
use super::token::{Kind, Token};

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const NOTIFIED: u8 = 2;

struct Shared {
    state: AtomicU8,
    event: File,
}

/// Wakes one ring. Cheap to clone, usable from any thread, harmless after the ring is gone.
#[derive(Clone)]
pub(crate) struct Waker {
    shared: Arc<Shared>,
}

impl Waker {
    /// Makes the ring's current or next turn end soon and report `Woken`. Call it after what the
    /// driver shall find is in its inbox. One atomic exchange, and a system call only if the ring
    /// sleeps; waking several times before a turn is waking once.
    pub(crate) fn wake(&self) {
        if self.shared.state.swap(NOTIFIED, Ordering::SeqCst) == ASLEEP {
            // An eventfd refuses a write only when its counter is full, and then it is readable.
            let _ = (&self.shared.event).write(&1u64.to_ne_bytes());
        }
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waker").finish_non_exhaustive()
    }
}

/// The ring's side of its wakers.
pub(super) struct WakeSource {
    shared: Arc<Shared>,
    /// Where the kernel puts the eventfd's counter; nobody reads it. Boxed: its address is known
    /// to the kernel while a read is in flight.
    counter: Box<UnsafeCell<u64>>,
}

impl WakeSource {
    pub(super) fn new() -> io::Result<Self> {
        let shared = Shared {
            state: AtomicU8::new(AWAKE),
            event: system::event_counter()?,
        };
        Ok(WakeSource {
            shared: Arc::new(shared),
            counter: Box::new(UnsafeCell::new(0)),
        })
    }

    pub(super) fn waker(&self) -> Waker {
        Waker {
            shared: Arc::clone(&self.shared),
        }
    }

    /// The read that ends a sleep. It refers to memory of `self`.
    pub(super) fn read_entry(&self) -> squeue::Entry {
        let event = types::Fd(self.shared.event.as_raw_fd());
        opcode::Read::new(event, self.counter.get().cast(), size_of::<u64>() as u32)
            .build()
            .user_data(Token::of_ring(Kind::Wake).pack())
    }

    /// Gives the counter's memory away for good, because the kernel may still write to it.
    pub(super) fn leak(&mut self) {
        std::mem::forget(std::mem::take(&mut self.counter));
    }

    /// Whether a notice waits. No store, so cheap enough to spin on.
    pub(super) fn is_notified(&self) -> bool {
        self.shared.state.load(Ordering::Relaxed) == NOTIFIED
    }

    /// Takes the notice, if there is one.
    pub(super) fn take(&self) -> bool {
        self.is_notified() && self.shared.state.swap(AWAKE, Ordering::SeqCst) == NOTIFIED
    }

    /// Announces sleep. `false` if there is a notice: then it must not sleep.
    pub(super) fn fall_asleep(&self) -> bool {
        self.shared
            .state
            .compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// Ends the sleep; says whether there was a notice meanwhile.
    pub(super) fn stand_up(&self) -> bool {
        self.shared.state.swap(AWAKE, Ordering::SeqCst) == NOTIFIED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_wakes_before_a_turn_are_one() {
        let source = WakeSource::new().expect("an eventfd");
        source.waker().wake();
        source.waker().wake();
        assert!(source.take());
        assert!(!source.take());
    }

    #[test]
    fn a_notified_ring_does_not_fall_asleep() {
        let source = WakeSource::new().expect("an eventfd");
        source.waker().wake();
        assert!(!source.fall_asleep());
        assert!(source.take());
        assert!(source.fall_asleep());
        source.waker().wake();
        assert!(source.stand_up());
        assert!(!source.stand_up());
    }
}
