//! Threads that nobody joins: they may wait for a terminal, a pipe or a disk for ever, and end with
//! the process.

use std::io;
use std::thread;

/// Starts one.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(String::from(name))
        .spawn(body)
        .map(drop)
}
