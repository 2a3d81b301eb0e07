//! Waking a ring from any thread, without a system call unless it sleeps.
//!
//! Whether it sleeps is told by a [`Notice`], which also promises that no wake-up is lost; here is what
//! rings it up, an eventfd that the ring reads while it sleeps.

use std::cell::UnsafeCell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::task::{Wake, Waker};

use io_uring::{opcode, squeue, types};
use ringwire_sync::Notice;

use super::system;
use super::token::{Kind, Token};

struct Shared {
    notice: Notice,
    event: File,
}

impl Shared {
    fn wake_up(&self) {
        if self.notice.post() {
            // An eventfd refuses a write only when its counter is full, and then it is readable.
            let _ = (&self.event).write(&1u64.to_ne_bytes());
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_up();
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
            notice: Notice::default(),
            event: system::event_counter()?,
        };
        Ok(WakeSource {
            shared: Arc::new(shared),
            counter: Box::new(UnsafeCell::new(0)),
        })
    }

    /// Wakes the ring. Cheap to clone, usable from any thread, harmless after the ring is gone. One
    /// atomic exchange, and a system call only if the ring sleeps.
    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.shared))
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
        self.shared.notice.is_posted()
    }

    /// Takes the notice, if there is one.
    pub(super) fn take(&self) -> bool {
        self.shared.notice.take()
    }

    /// Announces sleep. `false` if there is a notice: then it must not sleep.
    pub(super) fn fall_asleep(&self) -> bool {
        self.shared.notice.fall_asleep()
    }

    /// Ends the sleep; says whether there was a notice meanwhile.
    pub(super) fn stand_up(&self) -> bool {
        self.shared.notice.stand_up()
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
