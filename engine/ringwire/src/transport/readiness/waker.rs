//! Waking the transport from any thread, without a system call unless it sleeps.
//!
//! Whether it sleeps is told by a [`Notice`], which also promises that no wake-up is lost; here is what
//! rings it up, the waker of its poll.

use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};

use mio::{Registry, Token};
use ringwire_sync::Notice;

struct Shared {
    notice: Notice,
    rouse: mio::Waker,
}

impl Shared {
    fn wake_up(&self) {
        if self.notice.post() {
            // It fails only when the counter behind it is full, and then the poll ends all the same.
            let _ = self.rouse.wake();
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_up();
    }
}

/// The transport's side of its wakers.
pub(super) struct WakeSource {
    shared: Arc<Shared>,
}

impl WakeSource {
    /// A source whose wakers end the poll of `registry`, which then tells of `token`.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let shared = Shared {
            notice: Notice::default(),
            rouse: mio::Waker::new(registry, token)?,
        };
        Ok(WakeSource {
            shared: Arc::new(shared),
        })
    }

    /// Wakes the transport. Cheap to clone, usable from any thread, harmless after it is gone. One
    /// atomic exchange, and a system call only if it sleeps.
    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.shared))
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
    use std::time::{Duration, Instant};

    use mio::{Events, Poll};

    use super::*;

    fn source() -> (Poll, WakeSource) {
        let poll = Poll::new().expect("a poll");
        let source = WakeSource::new(poll.registry(), Token(0)).expect("a waker");
        (poll, source)
    }

    #[test]
    fn many_wakes_before_a_turn_are_one() {
        let (_poll, source) = source();
        source.waker().wake();
        source.waker().wake();
        assert!(source.take());
        assert!(!source.take());
    }

    #[test]
    fn a_wake_reaches_the_poll_only_of_a_sleeper() {
        let (mut poll, source) = source();
        let mut events = Events::with_capacity(1);
        source.waker().wake();
        let now = Some(Duration::ZERO);
        poll.poll(&mut events, now).expect("polls");
        assert!(events.is_empty(), "nobody sleeps, so nobody is rung up");
        assert!(!source.fall_asleep(), "there is a notice");
        assert!(source.take());

        assert!(source.fall_asleep());
        source.waker().wake();
        let start = Instant::now();
        let long = Duration::from_secs(60);
        poll.poll(&mut events, Some(long)).expect("polls");
        assert!(!events.is_empty() && start.elapsed() < long / 2);
        assert!(source.stand_up());
        assert!(!source.stand_up());
    }
}
