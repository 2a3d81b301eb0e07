//! Pinning a thread to a CPU, and starting threads that are not pinned with it.
//!
//! A thread inherits the CPUs of the one that starts it. So a helper of a pinned shard would live on
//! the shard's only CPU, and hold it up with every file it writes and every name it resolves. Threads
//! of the engine are therefore started by [`spawn`], which gives them the CPUs that the shard had
//! before it was pinned.

use std::cell::RefCell;
use std::io;
use std::thread::{self, JoinHandle};

use super::process;

thread_local! {
    /// The CPUs of this thread before it was pinned.
    static BEFORE: RefCell<Option<Vec<usize>>> = const { RefCell::new(None) };
}

/// Keeps the calling thread on one CPU.
///
/// # Errors
/// The kernel refused: the CPU is not one of the process's, or a seccomp profile forbids it. The
/// thread goes on as before.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let before = process::allowed_cpus()?;
    process::set_allowed_cpus(&[cpu])?;
    BEFORE.set(Some(before));
    Ok(())
}

/// Whether threads may be pinned here at all. Changes nothing.
///
/// # Errors
/// What the kernel says.
pub(crate) fn check() -> io::Result<()> {
    // The same set again: whoever may choose may choose that.
    process::set_allowed_cpus(&process::allowed_cpus()?)
}

/// Starts a thread that may use all CPUs which this one had before it was pinned.
///
/// # Errors
/// There is no thread to be had.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let cpus = BEFORE.with_borrow(Clone::clone);
    let builder = thread::Builder::new().name(name.to_owned());
    builder.spawn(move || {
        if let Some(Err(error)) = cpus.map(|cpus| process::set_allowed_cpus(&cpus)) {
            tracing::debug!(%error, "a helper thread shares its shard's CPU");
        }
        work()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_of_a_pinned_thread_has_all_its_cpus() {
        let shard = thread::spawn(|| {
            let all = process::allowed_cpus().expect("the kernel tells");
            let last = *all.last().expect("we run somewhere");
            pin(last).expect("one of ours");
            let ours = process::allowed_cpus().expect("the kernel tells");
            let helper = spawn("helper", || {
                process::allowed_cpus().expect("the kernel tells")
            });
            let helpers = helper.expect("a thread").join().expect("no panic");
            (all, last, ours, helpers)
        });
        let (all, last, ours, helpers) = shard.join().expect("no panic");
        assert_eq!(ours, [last]);
        assert_eq!(helpers, all);
    }

    #[test]
    fn a_cpu_that_is_not_ours_is_refused_and_nothing_changes() {
        thread::spawn(|| {
            let before = process::allowed_cpus().expect("the kernel tells");
            assert!(pin(1023).is_err(), "machines that run this have fewer CPUs");
            assert!(process::set_allowed_cpus(&[usize::MAX]).is_err());
            assert_eq!(process::allowed_cpus().expect("the kernel tells"), before);
            check().expect("what we have already");
        })
        .join()
        .expect("no panic");
    }
}
