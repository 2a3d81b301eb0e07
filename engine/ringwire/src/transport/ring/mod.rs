//! One io_uring for one shard.
//!
//! # A turn
//!
//! Calls such as [`Ring::read`] and [`Ring::transmit`] only queue submissions. [`Ring::turn`] makes
//! one `io_uring_enter` that submits them all, runs the kernel's deferred work, optionally sleeps,
//! and then turns every completion into a [`Completion`](super::Completion).
//!
//! # What lives how long
//!
//! ```text
//!   memory the kernel may touch         owner                    freed
//!   received bytes (kernel writes)      ProvidedBuffers::slots   when taken by its completion
//!   bytes to send, msghdr, iovecs       RingSocket (boxed)             when the link is quiet
//!   remote address, deadline            RingSocket (boxed)             when the link is quiet
//!   counter of the eventfd              CounterRead (boxed)      after the ring is drained
//! ```
//!
//! A link is *quiet* when each operation started for it, cancellations included, has had its last
//! completion. Only then are its descriptor, memory and slot given up: so a number in a completion
//! never names a newer link, and a descriptor never a newer socket. The generation in
//! `user_data` asserts it. Dropping a ring cancels everything and waits until nothing is in flight.
//!
//! # Why these flags
//!
//! `DEFER_TASKRUN` (with `SINGLE_ISSUER`) runs completions only inside our own `io_uring_enter`: no
//! interrupts of running code, no atomics. `TASKRUN_FLAG` lets a spinning driver see without a
//! system call that there is something to run. `SUBMIT_ALL` keeps one bad entry from holding up
//! the rest.

#![allow(
    unsafe_code,
    reason = "the kernel reads and writes memory that is named by address"
)]

mod acceptor;
mod dispatch;
mod kernel;
mod provided;
mod refusals;
#[allow(clippy::module_inception, reason = "the ring is the room's namesake")]
mod ring;
mod sink;
mod socket;
mod system;
mod token;
mod waker;

#[cfg(test)]
mod tests;

pub(crate) use ring::{Ring, RingConfig};

pub(super) use kernel::{Kernel, mend_setup};
