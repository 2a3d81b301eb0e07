//! The io_uring itself: submissions in, completions out, and a count of what is in flight.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, squeue};

use super::super::error::TransportError;
use super::system;

/// Room in the completion queue for each submission entry: multishot operations complete many
/// times for one submission. An overflow costs speed, never a completion (`FEAT_NODROP`).
const COMPLETIONS_PER_ENTRY: u32 = 4;

/// An io_uring with an overflow list for submissions, so that queueing never fails and never makes
/// a system call.
pub(crate) struct Kernel {
    io: IoUring,
    /// What the ring is to this thread, if it could be registered.
    index: Option<u32>,
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
        Ok(Kernel {
            // A thread can register sixteen; more rings are entered by their descriptors.
            index: system::register_ring(io.as_raw_fd()).ok(),
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
            let entered = match sleep {
                Some(sleep) => self.submit_and_sleep(sleep),
                None => self.submit_and_run(queued),
            };
            match entered {
                Ok(_) if more => continue,
                Ok(_) => return Ok(()),
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(TransportError::Enter(error)),
            }
        }
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

    fn submit_and_sleep(&mut self, wait: Duration) -> io::Result<usize> {
        let time = Timespec::from(wait);
        self.io
            .submitter()
            .submit_with_args(1, &SubmitArgs::new().timespec(&time))
    }

    /// `Submitter::submit` would not ask for deferred work that this very submission creates.
    fn submit_and_run(&mut self, queued: usize) -> io::Result<usize> {
        let flags = EnterFlags::GETEVENTS.bits();
        // SAFETY: no argument structure is passed, and `queued` is the length of the queue, whose
        // entries were vouched for when they were pushed.
        unsafe {
            match self.index {
                Some(index) => system::enter_registered(index, queued as u32, flags),
                None => {
                    let submitter = self.io.submitter();
                    submitter.enter::<libc::sigset_t>(queued as u32, 0, flags, None)
                }
            }
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            // Only a ring that was not registered by this thread fails here, and then it is not.
            let _ = system::unregister_ring(self.io.as_raw_fd(), index);
        }
    }
}

/// Errors of `io_uring_enter` after which it is simply called again: the time was up, a signal
/// came, or completions must be reaped before more is taken.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN | libc::ENOMEM)
    )
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
