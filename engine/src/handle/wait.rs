//! Waiting for something with a deadline, without a runtime: a shard rings the alarm.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use crate::shard::node::Node;
use crate::shard::port::{Control, Port};
use crate::shard::timer::Alarm;
use crate::time::Instant;

/// Calls `attempt` whenever the task is woken, until it gives something. `None` at the deadline or
/// when the shard of `port` is gone. `attempt` registers the waker for what it waits for first and
/// looks second.
pub(crate) async fn wait_for<T>(
    node: &Node,
    port: &Port,
    deadline: Option<Instant>,
    mut attempt: impl FnMut(&mut Context<'_>) -> Option<T>,
) -> Option<T> {
    let mut armed: Option<Waker> = None;
    poll_fn(move |cx| {
        if let Some(found) = attempt(cx) {
            return Poll::Ready(Some(found));
        }
        if port.is_closed() || deadline.is_some_and(|at| at <= node.clock.now()) {
            return Poll::Ready(None);
        }
        if let Some(at) = deadline
            && armed
                .as_ref()
                .is_none_or(|waker| !waker.will_wake(cx.waker()))
        {
            armed = Some(cx.waker().clone());
            port.ask(Control::Alarm(Alarm {
                at,
                waker: cx.waker().clone(),
            }));
        }
        Poll::Pending
    })
    .await
}
