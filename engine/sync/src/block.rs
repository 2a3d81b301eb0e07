//! Waiting for a future on a plain thread.
//!
//! The blocking half of the handle is its asynchronous half, waited for: the thread parks until the
//! future's waker unparks it. No runtime is involved. Without a deadline that is `futures_lite`'s
//! `block_on`; here is the wait with one.
//!
//! A shard's thread must not wait: what it waits for is mostly its own work. It says so once, and a wait
//! there is a panic, which a reactor's caller catches, and not a node that stands still without a word.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

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

thread_local! {
    /// Whether this thread must not wait.
    static CARRIES_OTHERS: Cell<bool> = const { Cell::new(false) };
}

/// This thread does the work that others wait for. From now on [`block_on`] and [`block_until`] panic on it
/// where they would have to wait, and [`refuse_to_wait`] does.
pub fn forbid_waiting() {
    CARRIES_OTHERS.with(|carries| carries.set(true));
}

/// Whether this thread may wait: it has not called [`forbid_waiting`].
pub fn may_wait() -> bool {
    // A thread that ends carries nobody any more.
    !CARRIES_OTHERS.try_with(Cell::get).unwrap_or(false)
}

/// For a call that is about to wait by other means than a future.
///
/// # Panics
/// The thread must not wait.
pub fn refuse_to_wait() {
    assert!(
        may_wait(),
        "a call that waits was made on a shard's thread (in a reactor, validator or filter), which \
         would wait for itself: take a try_ call, or another thread"
    );
}

/// Runs `future` to its end on this thread.
///
/// # Panics
/// It would have to wait, and the thread has said that it must not.
pub fn block_on<F: Future>(future: F) -> F::Output {
    if may_wait() {
        return futures_lite::future::block_on(future);
    }
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut cx) {
        Poll::Ready(output) => output,
        Poll::Pending => {
            refuse_to_wait();
            unreachable!("it was asked above, and nothing allows it again")
        }
    }
}

/// Runs `future` to its end on this thread, but gives up at `deadline`: then `None`. Not for use inside an
/// asynchronous task: it would block the runtime's thread.
///
/// # Panics
/// It would have to wait, and the thread has said that it must not.
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
        refuse_to_wait();
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
    fn a_thread_that_carries_others_takes_what_is_there_and_never_waits() {
        let later = from_now(Duration::from_secs(3600));
        let waits: [fn(Instant); 3] = [
            |_| block_on(std::future::pending::<()>()),
            |later| assert_eq!(block_until(std::future::pending::<()>(), later), None),
            |_| refuse_to_wait(),
        ];
        for wait in waits {
            let waits = thread::spawn(move || {
                refuse_to_wait();
                forbid_waiting();
                assert_eq!(block_on(std::future::ready(3)), 3);
                assert_eq!(block_until(std::future::ready(3), later), Some(3));
                let now = Instant::now();
                assert_eq!(block_until(std::future::pending::<()>(), now), None);
                wait(later);
            });
            let panicked = waits.join().expect_err("it would wait");
            let message = panicked.downcast_ref::<&str>().expect("a sentence");
            assert!(message.contains("on a shard's thread"), "{message}");
        }
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
