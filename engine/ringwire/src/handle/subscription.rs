//! Subscriptions: messages and events on their way to the application, as a [`Stream`] and for plain
//! threads.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use ringwire_core::switch::{Delivery, Event};

use crate::shard::payload::Payload;
use ringwire_sync::{Intake, block_on, block_until, from_now};

/// The messages of one channel, from all peers. Every subscription of a channel gets every message.
///
/// Bounded: a subscription that is full holds up its channel, so that its peers are read no more
/// and TCP pushes back. Dropping it never holds anybody up. It ends, after the messages that have
/// come, when the engine does.
///
/// A [`Stream`] for asynchronous tasks; plain threads have [`Subscription::recv_blocking`] and
/// [`Subscription::blocking_iter`].
#[derive(Debug)]
pub struct Subscription(Source<Delivery>);

/// What happens to peers: who came, who went and why, what was refused. An observer that falls
/// behind misses events; it never holds up the engine.
#[derive(Debug)]
pub struct EventSubscription(Source<Event>);

#[derive(Debug)]
struct Source<T>(Intake<T>);

impl<T: Payload> Source<T> {
    async fn recv(&mut self) -> Option<T> {
        std::future::poll_fn(|cx| self.0.poll_next(cx)).await
    }

    fn recv_timeout(&mut self, timeout: Duration) -> Option<T> {
        block_until(self.recv(), from_now(timeout)).flatten()
    }
}

macro_rules! subscription {
    ($name:ident, $item:ty) => {
        impl $name {
            pub(crate) fn new(intake: Intake<$item>) -> Self {
                $name(Source(intake))
            }

            /// Waits for the next item; `None` when the engine has ended. Dropping the future
            /// loses nothing.
            pub async fn recv(&mut self) -> Option<$item> {
                self.0.recv().await
            }

            /// The next item, if it is there.
            pub fn try_recv(&mut self) -> Option<$item> {
                self.0.0.try_next()
            }

            /// Blocks the thread for the next item; `None` when the engine has ended.
            pub fn recv_blocking(&mut self) -> Option<$item> {
                block_on(self.0.recv())
            }

            /// Waits for an item, and adds it and what else is there to `items`, at most `max`; returns
            /// how many. Zero when the engine has ended, or `max` is zero. Dropping the future loses
            /// nothing: what was taken is in `items`.
            pub async fn recv_many(&mut self, items: &mut Vec<$item>, max: usize) -> usize {
                if max == 0 {
                    return 0;
                }
                let Some(first) = self.recv().await else {
                    return 0;
                };
                items.push(first);
                let more = std::iter::from_fn(|| self.try_recv()).take(max - 1);
                let before = items.len();
                items.extend(more);
                1 + items.len() - before
            }

            /// [`Self::recv_many`] for plain threads.
            pub fn recv_many_blocking(&mut self, items: &mut Vec<$item>, max: usize) -> usize {
                block_on(self.recv_many(items, max))
            }

            /// The items as an iterator that blocks the thread for each, until the engine has ended.
            pub fn blocking_iter(&mut self) -> impl Iterator<Item = $item> {
                std::iter::from_fn(|| self.recv_blocking())
            }

            /// Blocks the thread for the next item, at most for `timeout`; `None` when none came
            /// or the engine has ended.
            ///
            /// # Panics
            /// It would have to wait, on a shard's thread: [`Self::try_recv`] serves there.
            pub fn recv_timeout(&mut self, timeout: Duration) -> Option<$item> {
                self.0.recv_timeout(timeout)
            }
        }

        impl Stream for $name {
            type Item = $item;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<$item>> {
                self.get_mut().0.0.poll_next(cx)
            }
        }
    };
}

subscription!(Subscription, Delivery);
subscription!(EventSubscription, Event);
