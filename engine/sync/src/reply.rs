//! One answer to one question, across threads.
//!
//! The asking side holds a future; the answering side a sender that travels with the request. A
//! sender that is dropped unanswered (the shard is gone) wakes the asker with `None`, so nobody
//! waits for ever.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::primitives::{Arc, Mutex, lock};
use crate::wake::wake;

/// Makes a connected pair.
pub fn reply<T>() -> (ReplySender<T>, ReplyFuture<T>) {
    let slot = Arc::new(Mutex::new(Slot {
        answer: None,
        gone: false,
        waker: None,
    }));
    (ReplySender(slot.clone()), ReplyFuture(slot))
}

#[derive(Debug)]
struct Slot<T> {
    answer: Option<T>,
    gone: bool,
    waker: Option<Waker>,
}

/// The side that answers.
#[derive(Debug)]
pub struct ReplySender<T>(Arc<Mutex<Slot<T>>>);

impl<T> ReplySender<T> {
    /// Answers; a caller that stopped waiting does not hear it.
    pub fn send(self, answer: T) {
        lock(&self.0).answer = Some(answer);
    }
}

impl<T> Drop for ReplySender<T> {
    fn drop(&mut self) {
        let mut slot = lock(&self.0);
        slot.gone = true;
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            wake(waker);
        }
    }
}

/// The side that waits: the answer, or `None` when the other side is gone.
#[derive(Debug)]
pub struct ReplyFuture<T>(Arc<Mutex<Slot<T>>>);

impl<T> Future for ReplyFuture<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = lock(&self.0);
        match slot.answer.take() {
            Some(answer) => Poll::Ready(Some(answer)),
            None if slot.gone => Poll::Ready(None),
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn poll<T>(future: &mut ReplyFuture<T>) -> Poll<Option<T>> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn an_answer_arrives_once() {
        let (sender, mut future) = reply();
        assert_eq!(poll(&mut future), Poll::Pending);
        sender.send(7);
        assert_eq!(poll(&mut future), Poll::Ready(Some(7)));
    }

    #[test]
    fn a_dropped_sender_answers_none() {
        let (sender, mut future) = reply::<u8>();
        drop(sender);
        assert_eq!(poll(&mut future), Poll::Ready(None));
    }
}
