//! Waking a transport from any thread, without a system call unless it sleeps.
//!
//! Whether it sleeps is told by a [`Notice`], which also promises that no wake-up is lost; what rings the
//! sleeper up is its own bell: an eventfd, the waker of a poll.

use std::sync::Arc;
use std::task::{Wake, Waker};

use ringwire_sync::Notice;

/// What ends the sleep of a transport.
pub(super) trait Bell: Send + Sync + 'static {
    /// Ends the sleep that the transport is in, or about to begin. Called only for a sleeper.
    fn ring(&self);
}

struct Shared<B> {
    notice: Notice,
    bell: B,
}

impl<B: Bell> Shared<B> {
    fn wake_up(&self) {
        if self.notice.post() {
            self.bell.ring();
        }
    }
}

impl<B: Bell> Wake for Shared<B> {
    fn wake(self: Arc<Self>) {
        self.wake_up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_up();
    }
}

/// The transport's side of its wakers.
pub(super) struct WakeSource<B> {
    shared: Arc<Shared<B>>,
}

impl<B: Bell> WakeSource<B> {
    /// A source whose wakers ring `bell`.
    pub(super) fn new(bell: B) -> Self {
        let notice = Notice::default();
        WakeSource {
            shared: Arc::new(Shared { notice, bell }),
        }
    }

    /// Wakes the transport. Cheap to clone, usable from any thread, harmless after it is gone. One
    /// atomic exchange, and a system call only if it sleeps.
    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.shared))
    }

    /// What its wakers ring.
    #[cfg(any(test, target_os = "linux", feature = "testing"))]
    pub(super) fn bell(&self) -> &B {
        &self.shared.bell
    }

    /// Whether a notice waits. No store, so cheap enough to spin on.
    pub(super) fn is_notified(&self) -> bool {
        self.shared.notice.is_posted()
    }

    /// Takes the notice, if there is one.
    pub(super) fn take(&self) -> bool {
        self.shared.notice.take()
    }

    /// Announces sleep. `false` if there is a notice: then it must not sleep.
    pub(super) fn fall_asleep(&self) -> bool {
        self.shared.notice.fall_asleep()
    }

    /// Ends the sleep; says whether there was a notice meanwhile.
    pub(super) fn stand_up(&self) -> bool {
        self.shared.notice.stand_up()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Bell for Counter {
        fn ring(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn rings(source: &WakeSource<Counter>) -> usize {
        source.bell().0.load(Ordering::Relaxed)
    }

    #[test]
    fn many_wakes_before_a_turn_are_one_and_ring_nobody_up() {
        let source = WakeSource::new(Counter::default());
        source.waker().wake();
        source.waker().wake();
        assert!(source.take());
        assert!(!source.take());
        assert_eq!(rings(&source), 0, "nobody sleeps");
    }

    #[test]
    fn only_the_first_to_find_it_asleep_rings_and_who_was_notified_does_not_fall_asleep() {
        let source = WakeSource::new(Counter::default());
        source.waker().wake();
        assert!(!source.fall_asleep());
        assert!(source.take());
        assert!(source.fall_asleep());
        source.waker().wake();
        source.waker().wake();
        assert_eq!(rings(&source), 1);
        assert!(source.stand_up());
        assert!(!source.stand_up());
    }
}
