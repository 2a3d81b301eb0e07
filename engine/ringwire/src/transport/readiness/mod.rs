//! Sockets by readiness: the system tells which of them can be read or written, and we do it.
//!
//! The way for machines that have no io_uring, or forbid it: older kernels, containers with the usual
//! seccomp profile, other systems than Linux. `mio` waits for the sockets (epoll, kqueue); reads, writes
//! and accepts are plain calls on sockets that never block.
//!
//! # A turn
//!
//! ```text
//!   write what was queued ─▶ wait for readiness ─▶ write ─▶ accept ─▶ read, into the pool's chunks
//!                              (not at all, if there is something to report)
//! ```
//!
//! # What is remembered of a socket
//!
//! It is registered once, for both directions and by edges: the system says once that it has become
//! readable, and no more until it was read empty. So each link remembers what it was told, and forgets it
//! when a call would have blocked. Who is readable and wanted stands in a queue, and so does who is
//! writable and has a write; each gets one read or write per turn.
//!
//! # What is different from the ring
//!
//! Nothing is ever in flight: a call has been made or has not. So there is no memory the kernel may
//! touch, nothing to cancel, and a link that is not to be ended in order is gone at once. In return each
//! read, write and accept is a system call, a shard that watches makes one per look, and a sleep is
//! rounded up to milliseconds.

#![forbid(unsafe_code)]

mod acceptor;
mod deadlines;
mod dispatch;
mod outgoing;
#[allow(
    clippy::module_inception,
    reason = "the transport is the room's namesake"
)]
mod readiness;
mod socket;
mod waker;

pub(crate) use readiness::{Readiness, ReadinessConfig};
