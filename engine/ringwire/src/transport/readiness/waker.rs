//! The bell of the transport by readiness: the waker of its poll.

use std::io;

use mio::{Registry, Token};

use super::super::waker::{Bell, WakeSource};

impl Bell for mio::Waker {
    fn ring(&self) {
        // It fails only when the counter behind it is full, and then the poll ends all the same.
        let _ = self.wake();
    }
}

/// A source whose wakers end the poll of `registry`, which then tells of `token`.
pub(super) fn wake_source(registry: &Registry, token: Token) -> io::Result<WakeSource<mio::Waker>> {
    mio::Waker::new(registry, token).map(WakeSource::new)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn a_wake_reaches_the_poll_only_of_a_sleeper() {
        let mut poll = Poll::new().expect("a poll");
        let source = wake_source(poll.registry(), Token(0)).expect("a waker");
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
