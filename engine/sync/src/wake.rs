//! Waking whoever waits in an application.
//!
//! The waker is the application's: its executor's code runs here, on the shard's thread. A panic in it
//! is told and goes no further, as with reactors and filters: it costs a wake-up, not the node.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Wakes, and says at error when the waker panics.
pub fn wake(waker: Waker) {
    // The waker is gone afterwards, whatever it did, so nobody sees it half done.
    if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
        tracing::error!(
            target: "ringwire::handle",
            "a waker of the application panicked: whoever it belongs to may wait for ever"
        );
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Faulty;

    impl Wake for Faulty {
        fn wake(self: Arc<Self>) {
            panic!("a fault of the executor");
        }
    }

    #[test]
    fn a_waker_that_panics_costs_the_thread_nothing() {
        wake(Waker::from(Arc::new(Faulty)));
    }

    #[test]
    fn a_waker_that_works_is_woken() {
        let (sender, mut future) = crate::reply::<u8>();
        let waited = std::thread::spawn(move || crate::block_on(&mut future));
        sender.send(7);
        assert_eq!(waited.join().expect("no panic"), Some(7));
    }
}
