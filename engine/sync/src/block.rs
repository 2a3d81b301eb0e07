//! Waiting for a future on a plain thread.
//!
//! The blocking half of the handle is its asynchronous half, waited for: the thread parks until the
//! future's waker unparks it. No runtime is involved. Without a deadline that is `futures_lite`'s
//! [`block_on`]; here is the wait with one.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

pub use futures_lite::future::block_on;

/// What a wait without an end amounts to: longer than any process lives.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The point in time `span` from now; a span that no clock can hold is a century.
pub fn from_now(span: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(span).unwrap_or_else(|| now + CENTURY)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// Wakes this thread. One for all its waits: a wait per message shall not cost an allocation each.
    static UNPARK: Waker = unpark_this_thread();
}

fn unpark_this_thread() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// Runs `future` to its end on this thread, but gives up at `deadline`: then `None`. Not for use inside an
/// asynchronous task: it would block the runtime's thread.
pub fn block_until<F: Future>(future: F, deadline: Instant) -> Option<F::Output> {
    let mut future = pin!(future);
    // The thread's own is gone when the thread ends and something that is dropped then waits.
    let waker = UNPARK.try_with(Waker::clone);
    let waker = waker.unwrap_or_else(|_| unpark_this_thread());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply;

    #[test]
    fn a_future_woken_by_another_thread_ends_the_wait() {
        let (sender, future) = reply();
        let other = thread::spawn(move || sender.send(3));
        assert_eq!(block_on(future), Some(3));
        other.join().expect("the other thread does not panic");
    }

    #[test]
    fn a_span_that_no_clock_can_hold_is_a_long_wait_and_no_panic() {
        assert!(from_now(Duration::MAX) > Instant::now() + CENTURY / 2);
        assert!(from_now(Duration::from_secs(1)) < Instant::now() + CENTURY / 2);
    }

    #[test]
    fn a_deadline_in_the_past_still_looks_once() {
        let past = Instant::now();
        assert_eq!(block_until(std::future::ready(1), past), Some(1));
        assert_eq!(block_until(std::future::pending::<u8>(), past), None);
    }
}
