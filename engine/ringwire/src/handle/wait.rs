//! Waiting for something with a deadline, without a runtime: a shard rings the alarm.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use ringwire_sync::AlarmKey;

use ringwire_core::time::Instant;

use crate::shard::node::Node;
use crate::shard::request::Mailbox;

/// Calls `attempt` whenever the task is woken, until it gives something. `None` at the deadline or
/// when the shard of `mailbox` is gone. `attempt` registers the waker for what it waits for first and
/// looks second. A wait that ends, or is dropped, leaves no alarm behind.
pub(crate) async fn wait_for<T>(
    node: &Node,
    mailbox: &Mailbox,
    deadline: Option<Instant>,
    mut attempt: impl FnMut(&mut Context<'_>) -> Option<T>,
) -> Option<T> {
    let mut alarm = Alarm { mailbox, set: None };
    poll_fn(move |cx| {
        if let Some(found) = attempt(cx) {
            return Poll::Ready(Some(found));
        }
        if mailbox.is_closed() || deadline.is_some_and(|at| at <= node.clock.now()) {
            return Poll::Ready(None);
        }
        if let Some(at) = deadline {
            alarm.set(at, cx.waker());
        }
        Poll::Pending
    })
    .await
}

/// The alarm of one wait; cancelled when dropped.
struct Alarm<'a> {
    mailbox: &'a Mailbox,
    set: Option<(AlarmKey, Waker)>,
}

impl Alarm<'_> {
    /// Has `waker` woken at the deadline, in place of another that was given before.
    fn set(&mut self, deadline: Instant, waker: &Waker) {
        match &mut self.set {
            Some((_, armed)) if armed.will_wake(waker) => {}
            Some((key, armed)) => {
                armed.clone_from(waker);
                self.mailbox.alarms().replace(*key, waker.clone());
            }
            None => {
                let key = self.mailbox.set_alarm(deadline.as_nanos(), waker.clone());
                self.set = Some((key, waker.clone()));
            }
        }
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if let Some((key, _)) = self.set {
            self.mailbox.alarms().cancel(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Wake;
    use std::time::Duration;

    use ringwire_codec::NodeId;
    use ringwire_core::peer::ShardId;

    use super::*;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    fn node() -> Node {
        Node::new(0, NodeId::from_bytes([0; 20]), Vec::new(), 1)
    }

    #[test]
    fn a_wait_has_one_alarm_while_it_lasts_and_none_afterwards() {
        let node = node();
        let mailbox = node.mailbox(ShardId::COORDINATOR);
        let deadline = Some(node.clock.now() + Duration::from_secs(3600));
        for round in 0..100 {
            let mut polls = 0;
            let mut wait = pin!(wait_for(&node, mailbox, deadline, |_| {
                polls += 1;
                (round % 2 == 0 && polls == 4).then_some(())
            }));
            // The same task, and then another, as a join or a select makes them.
            let wakers = [Waker::noop().clone(), Arc::new(Nobody).into()];
            for waker in [&wakers[0], &wakers[0], &wakers[1]] {
                let polled = wait.as_mut().poll(&mut Context::from_waker(waker));
                assert!(polled.is_pending());
                assert_eq!(mailbox.alarms().len(), 1);
            }
            let polled = wait.as_mut().poll(&mut Context::from_waker(&wakers[0]));
            assert_eq!(polled.is_ready(), round % 2 == 0);
        }
        assert_eq!(mailbox.alarms().len(), 0);
    }

    #[test]
    fn a_wait_that_begins_when_the_shard_is_gone_ends_at_once() {
        let node = node();
        let mailbox = node.mailbox(ShardId::COORDINATOR);
        mailbox.close();
        let deadline = Some(node.clock.now() + Duration::from_secs(3600));
        let mut wait = pin!(wait_for(&node, mailbox, deadline, |_| None::<()>));
        let polled = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(None));
        assert_eq!(mailbox.alarms().len(), 0);
    }
}
