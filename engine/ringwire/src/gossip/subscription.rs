//! [`GossipSubscription`]: the messages of a gossip, whichever way they came.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use ringwire_core::switch::Delivery;
use ringwire_sync::{block_on, block_until, from_now};

use crate::handle::Subscription;

/// The messages of all lengths that come by a gossip, each once. Every subscription gets every message.
///
/// A [`Stream`] for asynchronous tasks; plain threads have [`recv_blocking`](GossipSubscription::recv_blocking) and
/// [`blocking_iter`](GossipSubscription::blocking_iter). As with any [`Subscription`], one that is full has its
/// peers read no more, and dropping it never holds anybody up. It ends when the engine does.
#[derive(Debug)]
pub struct GossipSubscription {
    /// Those that have not ended, at most one for each way.
    ways: Vec<Subscription>,
    /// Which is asked first: they take turns, so that none waits for the other for ever.
    next: usize,
}

impl GossipSubscription {
    pub(super) fn new(ways: Vec<Subscription>) -> Self {
        GossipSubscription { ways, next: 0 }
    }

    /// Waits for the next message; `None` when the engine has ended. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Delivery> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// The next message, if it is there.
    pub fn try_recv(&mut self) -> Option<Delivery> {
        let count = self.ways.len();
        let turns = (0..count).map(|turn| (self.next + turn) % count);
        for way in turns {
            if let Some(delivery) = self.ways[way].try_recv() {
                self.next = way + 1;
                return Some(delivery);
            }
        }
        None
    }

    /// Blocks the thread for the next message; `None` when the engine has ended.
    pub fn recv_blocking(&mut self) -> Option<Delivery> {
        block_on(self.recv())
    }

    /// Blocks the thread for a message, at most for `timeout`; `None` when none came or the engine has ended.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Option<Delivery> {
        block_until(self.recv(), from_now(timeout)).flatten()
    }

    /// The messages as an iterator that blocks the thread for each, until the engine has ended.
    pub fn blocking_iter(&mut self) -> impl Iterator<Item = Delivery> {
        std::iter::from_fn(|| self.recv_blocking())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let mut turn = 0;
        while turn < self.ways.len() {
            let way = (self.next + turn) % self.ways.len();
            match Pin::new(&mut self.ways[way]).poll_next(cx) {
                Poll::Ready(Some(delivery)) => {
                    self.next = way + 1;
                    return Poll::Ready(Some(delivery));
                }
                Poll::Ready(None) => {
                    self.ways.remove(way);
                }
                Poll::Pending => turn += 1,
            }
        }
        match self.ways.is_empty() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}

impl Stream for GossipSubscription {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.get_mut().poll(cx)
    }
}
