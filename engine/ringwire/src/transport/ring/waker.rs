//! The bell of a ring: an eventfd, and the read of it that ends the ring's sleep.

use std::cell::UnsafeCell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use io_uring::{opcode, squeue, types};

use super::super::waker::Bell;
use super::system;
use super::token::{Kind, Token};

/// The eventfd.
pub(super) struct EventCounter(File);

impl EventCounter {
    pub(super) fn new() -> io::Result<Self> {
        system::event_counter().map(EventCounter)
    }
}

impl Bell for EventCounter {
    fn ring(&self) {
        // An eventfd refuses a write only when its counter is full, and then it is readable.
        let _ = (&self.0).write(&1u64.to_ne_bytes());
    }
}

/// Where the kernel puts the eventfd's counter; nobody reads it. Boxed: its address is known to the kernel
/// while a read is in flight.
#[derive(Default)]
pub(super) struct CounterRead(Box<UnsafeCell<u64>>);

impl CounterRead {
    /// The read that ends a sleep. It refers to memory of `self`.
    pub(super) fn entry(&self, event: &EventCounter) -> squeue::Entry {
        let event = types::Fd(event.0.as_raw_fd());
        opcode::Read::new(event, self.0.get().cast(), size_of::<u64>() as u32)
            .build()
            .user_data(Token::of_ring(Kind::Wake).pack())
    }

    /// Gives the memory away for good, because the kernel may still write to it.
    pub(super) fn leak(&mut self) {
        std::mem::forget(std::mem::take(&mut self.0));
    }
}
