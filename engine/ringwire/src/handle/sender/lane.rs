//! [`Lane`]: what all senders of their own have in common.

use std::collections::VecDeque;
use std::future::poll_fn;

use bytes::Bytes;
use ringwire_core::error::TrySendError;
use ringwire_sync::{Inlet, InletSenders, Weigh, inlet};

use crate::shard::request::Mailbox;

/// Items that an inlet holds, beside those in the queues behind it: more than a shard takes in a turn.
const INLET_ITEMS: usize = 1024;
/// Bytes of messages from which an inlet is full.
const INLET_BYTES: usize = 4 * 1024 * 1024;

/// A thread's way into one shard or several: each item goes into all of them or into none.
#[derive(Debug)]
pub(super) struct Lane<T> {
    inlets: InletSenders<T>,
    message_bytes_max: usize,
    weigh: Weigh<T>,
}

/// Why an item was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its message has `len` bytes, `max` are allowed.
    TooLong { len: usize, max: usize },
    /// There is no room yet.
    Full,
    /// Nobody takes anything any more.
    Gone,
}

impl Refused {
    /// What it means for this message where the lane ends with the node.
    pub(super) fn by_node(self, message: Bytes) -> TrySendError {
        match self {
            Refused::TooLong { len, max } => TrySendError::TooLong { len, max },
            Refused::Full => TrySendError::Full(message),
            Refused::Gone => TrySendError::Stopping(message),
        }
    }
}

impl<T: Clone> Lane<T> {
    /// A way without shards yet, for messages up to so many bytes.
    pub(super) fn new(message_bytes_max: usize, weigh: Weigh<T>) -> Self {
        Lane {
            inlets: InletSenders::default(),
            message_bytes_max,
            weigh,
        }
    }

    /// Makes a way into one more shard; its end is for the shard.
    pub(super) fn open(&mut self, shard: &Mailbox) -> Inlet<T> {
        let (sender, items) = inlet(shard.waker(), INLET_ITEMS, INLET_BYTES, self.weigh);
        self.inlets.add(sender);
        items
    }

    /// Leaves an item, or says at once why not.
    pub(super) fn try_push(&mut self, item: T) -> Result<(), (Refused, T)> {
        if let Err(refused) = self.check(&item) {
            return Err((refused, item));
        }
        let left = self.inlets.push(item);
        self.inlets.flush();
        left.map_err(|item| (Refused::Full, item))
    }

    /// Leaves items from the front of `items`, as many as there is room for, with one wake-up for all of
    /// them; returns how many. The first that is left is what an error is about; what was taken before
    /// it is told first.
    pub(super) fn try_push_all(&mut self, items: &mut VecDeque<T>) -> Result<usize, Refused> {
        let mut taken = 0;
        let refused = loop {
            let Some(item) = items.front() else {
                break None;
            };
            if let Err(refused) = self.check(item) {
                break Some(refused);
            }
            let item = items.pop_front().expect("it was just there");
            if let Err(item) = self.inlets.push(item) {
                items.push_front(item);
                break None;
            }
            taken += 1;
        };
        self.inlets.flush();
        match refused {
            Some(refused) if taken == 0 => Err(refused),
            _ => Ok(taken),
        }
    }

    /// Leaves an item as soon as there is room. Dropping the future leaves none.
    pub(super) async fn push(&mut self, mut item: T) -> Result<(), (Refused, T)> {
        loop {
            match self.try_push(item) {
                Err((Refused::Full, refused)) => item = refused,
                done => return done,
            }
            poll_fn(|cx| self.inlets.poll_room(cx)).await;
        }
    }

    fn check(&self, item: &T) -> Result<(), Refused> {
        let (len, max) = ((self.weigh)(item), self.message_bytes_max);
        if len > max {
            return Err(Refused::TooLong { len, max });
        }
        match self.inlets.is_abandoned() {
            true => Err(Refused::Gone),
            false => Ok(()),
        }
    }
}
