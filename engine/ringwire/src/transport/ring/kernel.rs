//! The io_uring itself: submissions in, completions out, and a count of what is in flight.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::{EnterFlags, IoUring, cqueue, squeue};

use super::super::error::TransportError;
use super::refusals::Refusals;
use super::system::{self, RingName};

/// Room in the completion queue for each submission entry: multishot operations complete many
/// times for one submission. An overflow costs speed, never a completion (`FEAT_NODROP`).
const COMPLETIONS_PER_ENTRY: u32 = 4;

/// An io_uring with an overflow list for submissions, so that queueing never fails and never makes
/// a system call.
pub(crate) struct Kernel {
    io: IoUring,
    /// What the ring is to this thread.
    name: RingName,
    /// Flags of a call that may sleep.
    sleep_flags: EnterFlags,
    refusals: Refusals,
    /// Submissions that found the queue full, oldest first. Bounded by the operations a link can
    /// have at once, times the links.
    backlog: VecDeque<squeue::Entry>,
    /// Operations queued or in the kernel whose last completion has not come.
    in_flight: usize,
    /// Calls of `io_uring_enter` so far.
    enters: u64,
}

impl Kernel {
    /// Sets up a ring with `entries` submissions. It must be used on the calling thread only.
    pub(crate) fn new(entries: u32) -> Result<Self, TransportError> {
        let io = IoUring::builder()
            .dontfork()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_clamp()
            .setup_cqsize(entries.saturating_mul(COMPLETIONS_PER_ENTRY))
            .build(entries)
            .map_err(|source| TransportError::Setup {
                step: "io_uring_setup",
                mend: mend_setup(&source),
                source,
            })?;
        let descriptor = io.as_raw_fd();
        Ok(Kernel {
            // A thread can register sixteen; more rings are entered by their descriptors.
            name: system::register_ring(descriptor)
                .map_or(RingName::Descriptor(descriptor), RingName::Index),
            sleep_flags: sleep_flags(io.params().is_feature_no_iowait()),
            refusals: Refusals::default(),
            io,
            backlog: VecDeque::new(),
            in_flight: 0,
            enters: 0,
        })
    }

    /// The interface for registrations.
    pub(crate) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.io.submitter()
    }

    /// Operations whose last completion has not come.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How often the kernel was entered.
    pub(super) fn enters(&self) -> u64 {
        self.enters
    }

    /// Queues an operation for the next [`Kernel::enter`].
    ///
    /// # Safety
    ///
    /// Whatever memory and descriptor `entry` refers to must stay valid, and be left alone as the
    /// operation demands, until the operation's last completion was reaped.
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry) {
        self.in_flight += 1;
        if !self.backlog.is_empty() {
            self.backlog.push_back(entry);
            return;
        }
        // SAFETY: the caller vouches for the entry.
        let pushed = unsafe { self.io.submission().push(&entry) };
        if pushed.is_err() {
            self.backlog.push_back(entry);
        }
    }

    /// Forgets what did not even reach the submission queue.
    pub(super) fn clear_backlog(&mut self) {
        self.in_flight -= self.backlog.len();
        self.backlog.clear();
    }

    /// Whether a turn would find something without waiting. No system call.
    pub(super) fn has_pending(&mut self) -> bool {
        if !self.io.completion().is_empty() {
            return true;
        }
        let queue = self.io.submission();
        queue.taskrun() || queue.cq_overflow()
    }

    /// Submits everything queued, runs deferred work, and waits up to `wait` for a completion.
    /// Makes no system call if there is nothing to submit, to run or to wait for.
    pub(super) fn enter(&mut self, wait: Option<Duration>) -> Result<(), TransportError> {
        loop {
            let queued = self.fill_from_backlog();
            let more = !self.backlog.is_empty();
            let sleep = wait.filter(|_| !more);
            if sleep.is_none() && queued == 0 && !self.has_work_for_enter() {
                return Ok(());
            }
            self.enters += 1;
            let entered = self.call(queued, sleep);
            let is_taken = entered.is_ok();
            if let Some(pause) = self.refusals.handle(entered)? {
                // Nothing can be read or written before a call is taken, so the shard may sleep.
                std::thread::sleep(pause);
            }
            if !(is_taken && more) {
                return Ok(());
            }
        }
    }

    /// Whether the kernel can tell a sleep of this ring from waiting for IO.
    #[cfg(test)]
    pub(super) fn can_sleep_without_iowait(&self) -> bool {
        self.sleep_flags.contains(EnterFlags::NO_IOWAIT)
    }

    /// How many calls the kernel has refused.
    pub(super) fn refused(&self) -> u64 {
        self.refusals.total()
    }

    /// Moves every completion that is there to `reaped`.
    pub(super) fn reap(&mut self, reaped: &mut Vec<cqueue::Entry>) {
        let from = reaped.len();
        reaped.extend(self.io.completion());
        let finished = reaped[from..]
            .iter()
            .filter(|entry| !cqueue::more(entry.flags()))
            .count();
        assert!(
            finished <= self.in_flight,
            "more operations completed than were started"
        );
        self.in_flight -= finished;
    }

    fn has_work_for_enter(&mut self) -> bool {
        let queue = self.io.submission();
        queue.taskrun() || queue.cq_overflow()
    }

    /// Fills the submission queue; returns how many entries it holds.
    fn fill_from_backlog(&mut self) -> usize {
        let mut queue = self.io.submission();
        while let Some(entry) = self.backlog.front() {
            // SAFETY: whoever pushed the entry vouched for it until its last completion, which
            // cannot come before it is submitted.
            if unsafe { queue.push(entry) }.is_err() {
                break;
            }
            self.backlog.pop_front();
        }
        queue.len()
    }

    /// Submits the `queued` entries, runs deferred work, also what this very submission creates, and
    /// sleeps for a completion if it may.
    fn call(&mut self, queued: usize, sleep: Option<Duration>) -> io::Result<usize> {
        // SAFETY: `queued` is the length of the queue, whose entries were vouched for when they were
        // pushed.
        unsafe {
            match sleep {
                Some(sleep) => {
                    let flags = self.sleep_flags.bits();
                    system::enter_and_sleep(self.name, queued as u32, flags, sleep)
                }
                None => system::enter(self.name, queued as u32, EnterFlags::GETEVENTS.bits()),
            }
        }
    }
}

/// Flags of a call that may sleep. A shard that sleeps waits for peers, not for a disk: where the
/// kernel can tell them apart (6.15 and newer), it is not counted as waiting for IO.
fn sleep_flags(can_tell: bool) -> EnterFlags {
    match can_tell {
        true => EnterFlags::GETEVENTS | EnterFlags::NO_IOWAIT,
        false => EnterFlags::GETEVENTS,
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        if let RingName::Index(index) = self.name {
            // Only a ring that was not registered by this thread fails here, and then it is not.
            let _ = system::unregister_ring(self.io.as_raw_fd(), index);
        }
    }
}

/// What the operator can do when `io_uring_setup` fails.
pub(crate) fn mend_setup(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOSYS) => {
            "this kernel has no io_uring, or a seccomp profile hides it: use Linux 6.1 or newer, \
             and in a container allow io_uring_setup, io_uring_enter and io_uring_register"
        }
        Some(libc::EPERM | libc::EACCES) => {
            "io_uring is forbidden: set sysctl kernel.io_uring_disabled=0, and in a container \
             allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile"
        }
        Some(libc::EINVAL) => "a flag is unknown to this kernel: use Linux 6.1 or newer",
        Some(libc::ENOMEM) => "raise the limit of locked memory (ulimit -l, LimitMEMLOCK=)",
        Some(libc::EMFILE | libc::ENFILE) => "raise the limit of open files (ulimit -n)",
        _ => "see io_uring_setup(2)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeping_ring_says_that_it_does_not_wait_for_a_disk_where_the_kernel_knows_the_word() {
        assert!(sleep_flags(true).contains(EnterFlags::NO_IOWAIT));
        assert!(!sleep_flags(false).contains(EnterFlags::NO_IOWAIT));
    }
}
