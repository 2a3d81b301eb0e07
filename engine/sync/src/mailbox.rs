//! A shard's mailbox: where other threads leave what they want of it.
//!
//! ```text
//!   send, broadcast, publish ──reserve──▶ [inbox: so many requests, so many bytes] ─▶ driver
//!   subscribe, dial, stop, … ───────────▶ [control: a short list under a lock] ─────▶ driver
//!   calls with a deadline ──────────────▶ [alarms: cancelled when the call ends] ───▶ driver
//! ```
//!
//! Nobody takes a lock for a message, but the inbox is not lock-free in the strict sense. A sender
//! claims a place of the queue and writes into it, two steps a few nanoseconds apart, and the driver
//! that comes to a place claimed and not yet written spins until it is. If the system takes the CPU
//! from the sender just there, the shard spins until the sender runs again, milliseconds at worst
//! where threads outnumber CPUs; other senders go on meanwhile.
//!
//! A slot is reserved before it is filled, so a caller knows at once whether there is room, and a
//! broadcast can reserve one slot on every shard or none at all. Everything rare takes the control
//! list, which never refuses.
//!
//! The driver takes the control list first and the inbox second, but acts in the opposite order:
//! so whatever a thread sent before it asked for the shutdown is in the inbox by then.
//!
//! # The end
//!
//! ```text
//!   close   say "closed", fence ──▶ empty inbox, control list, alarms; tell who waits for room
//!   fill    push, fence ──▶ closed? empty the inbox as well
//!   ask     under the list's lock: closed? drop it
//!   wait    enter the list, fence ──▶ closed? give up
//! ```
//! So one of the two sides drops what nobody will take any more, and whoever waits for its answer
//! hears of the drop.

use std::task::Waker;

use crate::Weigh;
use crate::alarms::{AlarmKey, Alarms};
use crate::primitives::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, Queue, fence, lock};
use crate::room::Room;
use crate::shard_waker::ShardWaker;

/// The bounds of an inbox.
#[derive(Clone, Copy, Debug)]
pub struct InboxLimits {
    /// Requests that wait at most, fewer than 32768.
    pub requests: usize,
    /// Bytes of the messages that wait, from which no more are taken.
    pub bytes: usize,
}

/// The threads' side of one shard: `R` is a request, `C` what is asked rarely.
#[derive(Debug)]
pub struct Mailbox<R, C> {
    inbox: Queue<R>,
    weigh: Weigh<R>,
    /// Slots of the inbox that are reserved or filled, and who waits for one.
    room: Room,
    control: Mutex<Vec<C>>,
    has_control: AtomicBool,
    alarms: Alarms,
    /// A bit per channel that takes no more to publish.
    unpublishable: [AtomicU64; 4],
    closed: AtomicBool,
    waker: Arc<ShardWaker>,
}

/// A reserved place in an inbox; given back when dropped unfilled.
#[derive(Debug)]
pub struct Slot<'a, R, C> {
    mailbox: &'a Mailbox<R, C>,
    /// Bytes of the message it is reserved for.
    bytes: usize,
}

impl<R, C> Mailbox<R, C> {
    /// The mailbox of a shard that is about to start; `weigh` tells the bytes of a request.
    pub fn new(limits: InboxLimits, weigh: Weigh<R>) -> Self {
        Mailbox {
            inbox: Queue::new(limits.requests),
            weigh,
            room: Room::new(limits.requests, limits.bytes),
            control: Mutex::new(Vec::new()),
            has_control: AtomicBool::new(false),
            alarms: Alarms::default(),
            unpublishable: std::array::from_fn(|_| AtomicU64::new(0)),
            closed: AtomicBool::new(false),
            waker: Arc::new(ShardWaker::default()),
        }
    }

    /// How the shard is woken; also for the lanes that it fills.
    pub fn waker(&self) -> &Arc<ShardWaker> {
        &self.waker
    }

    /// Wakes the shard if it sleeps.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Whether the shard is gone; nothing will be answered any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    // ---- any thread ---------------------------------------------------------------------------

    /// A place in the inbox for a message of so many bytes, or `None` when it is full.
    pub fn reserve(&self, bytes: usize) -> Option<Slot<'_, R, C>> {
        // Not made before there is room: a slot gives back what it holds when it is dropped.
        self.room.reserve(bytes).then(|| Slot {
            mailbox: self,
            bytes,
        })
    }

    /// A place in the inbox for something to publish, or `None` when it is full or the channel's
    /// reactor is behind.
    pub fn reserve_to_publish(&self, channel: u8, bytes: usize) -> Option<Slot<'_, R, C>> {
        let (word, bit) = self.publish_bit(channel);
        let is_open = word.load(Ordering::SeqCst) & bit == 0;
        is_open.then(|| self.reserve(bytes)).flatten()
    }

    fn publish_bit(&self, channel: u8) -> (&AtomicU64, u64) {
        let word = &self.unpublishable[usize::from(channel / 64)];
        (word, 1 << (channel % 64))
    }

    /// Has `waker` woken when the inbox has room, a channel opens, or the shard is gone. Look again
    /// after this call: it may have happened before.
    pub fn wait_for_room(&self, waker: &Waker) {
        self.room.wait(waker);
    }

    /// Asks something rare. Dropped, and so answered with "gone", when the shard is closed.
    pub fn ask(&self, control: C) {
        let mut list = lock(&self.control);
        if self.is_closed() {
            return;
        }
        list.push(control);
        self.has_control.swap(true, Ordering::SeqCst);
        drop(list);
        self.wake();
    }

    /// Has `waker` woken at `at_nanos` of the engine's clock, or when the shard is gone. Whoever sets
    /// it cancels it.
    pub fn set_alarm(&self, at_nanos: u64, waker: Waker) -> AlarmKey {
        let (key, is_earliest) = self.alarms.set(at_nanos, waker);
        if self.is_closed() {
            // A shard that closed meanwhile has rung its alarms without this one.
            self.alarms.ring_all();
        } else if is_earliest {
            self.wake();
        }
        key
    }

    /// The alarms of those who wait.
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    // ---- the driver ---------------------------------------------------------------------------

    /// Moves the control list into `into`.
    pub fn take_control(&self, into: &mut Vec<C>) {
        if self.has_control.swap(false, Ordering::AcqRel) {
            into.append(&mut lock(&self.control));
        }
    }

    /// Requests in the inbox now.
    pub fn inbox_len(&self) -> usize {
        self.inbox.len()
    }

    /// The next request. Its slot is free again; [`Mailbox::tell_room`] follows, once for many.
    pub fn take_request(&self) -> Option<R> {
        let request = self.inbox.pop()?;
        self.room.give_back((self.weigh)(&request));
        Some(request)
    }

    /// Opens or closes a channel to publishers; one that opens wakes those who wait.
    pub fn set_publishable(&self, channel: u8, is_open: bool) {
        let (word, bit) = self.publish_bit(channel);
        let was_open = word.load(Ordering::Relaxed) & bit == 0;
        if is_open && !was_open {
            word.fetch_and(!bit, Ordering::SeqCst);
            self.tell_room();
        } else if was_open && !is_open {
            word.fetch_or(bit, Ordering::SeqCst);
        }
    }

    /// Wakes those who waited for room; called after requests were taken.
    pub fn tell_room(&self) {
        self.room.tell();
    }

    /// The shard is gone: drops what waits, so that every caller hears of it.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // Before the look into the inbox: see `Slot::fill`.
        fence(Ordering::SeqCst);
        self.discard();
        // Whoever waits for an answer hears of the end by the drop of what it is to come by.
        drop(std::mem::take(&mut *lock(&self.control)));
        self.alarms.ring_all();
        self.tell_room();
    }

    fn discard(&self) {
        while self.take_request().is_some() {}
    }
}

impl<R, C> Slot<'_, R, C> {
    /// Fills the slot. The caller wakes the shard, once for all it sends.
    pub fn fill(self, request: R) {
        let mailbox = self.mailbox;
        debug_assert_eq!((mailbox.weigh)(&request), self.bytes);
        // The slot is the request's now: `take_request` gives it back.
        std::mem::forget(self);
        let pushed = mailbox.inbox.push(request);
        debug_assert!(pushed.is_ok(), "every filled slot was reserved");
        // A shard that closed meanwhile has emptied its inbox without this request.
        fence(Ordering::SeqCst);
        if mailbox.is_closed() {
            mailbox.discard();
        }
    }
}

impl<R, C> Drop for Slot<'_, R, C> {
    fn drop(&mut self) {
        self.mailbox.room.give_back(self.bytes);
        // Somebody may have found the inbox full because of this very slot, and the driver, which
        // never saw it, will not tell.
        self.mailbox.tell_room();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Poll};

    use super::*;
    use crate::reply::{ReplySender, reply};

    const REQUESTS: usize = 16;
    const BYTES: usize = 1000;

    /// A request of so many bytes, and who wants to know what became of it.
    type Request = (usize, Option<ReplySender<()>>);

    fn mailbox() -> Mailbox<Request, ()> {
        let limits = InboxLimits {
            requests: REQUESTS,
            bytes: BYTES,
        };
        Mailbox::new(limits, |request| request.0)
    }

    #[test]
    fn the_inbox_takes_exactly_its_capacity() {
        let mailbox = mailbox();
        for _ in 0..REQUESTS {
            let slot = mailbox.reserve(0).expect("within the capacity");
            slot.fill((0, None));
        }
        assert!(mailbox.reserve(0).is_none());
        assert!(mailbox.take_request().is_some());
        assert!(mailbox.reserve(0).is_some());
    }

    #[test]
    fn few_large_messages_fill_the_inbox_as_well() {
        let mailbox = mailbox();
        let publish = |bytes| {
            mailbox.reserve(bytes)?.fill((bytes, None));
            Some(())
        };
        assert!(publish(BYTES - 1).is_some());
        assert!(
            publish(2).is_some(),
            "there is room for a byte, so for one more"
        );
        assert!(publish(0).is_none() && mailbox.reserve(1).is_none());
        assert!(mailbox.take_request().is_some());
        assert!(publish(1).is_some());
    }

    #[test]
    fn a_channel_that_is_behind_takes_nothing_to_publish_until_it_opens() {
        let mailbox = mailbox();
        mailbox.set_publishable(255, false);
        assert!(mailbox.reserve_to_publish(255, 0).is_none());
        assert!(mailbox.reserve_to_publish(254, 0).is_some());
        mailbox.set_publishable(255, true);
        assert!(mailbox.reserve_to_publish(255, 0).is_some());
    }

    #[test]
    fn an_unfilled_slot_is_given_back() {
        let mailbox = mailbox();
        let slots: Vec<_> = (0..REQUESTS).map(|_| mailbox.reserve(0)).collect();
        assert!(slots.iter().all(Option::is_some) && mailbox.reserve(0).is_none());
        drop(slots);
        assert!(mailbox.reserve(0).is_some());
    }

    #[test]
    fn a_slot_given_back_unfilled_wakes_who_waits_for_room() {
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let mailbox = mailbox();
        let mut slots: Vec<_> = (0..REQUESTS).map(|_| mailbox.reserve(0)).collect();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        mailbox.wait_for_room(&count.clone().into());
        assert!(mailbox.reserve(0).is_none());
        slots.pop();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(mailbox.reserve(0).is_some());
    }

    #[test]
    fn a_closed_mailbox_lets_nobody_wait_for_an_answer() {
        let mailbox = mailbox();
        let (before, asked_before) = reply();
        let (after, asked_after) = reply();
        mailbox.reserve(0).expect("empty").fill((0, Some(before)));
        mailbox.close();
        mailbox.reserve(0).expect("empty").fill((0, Some(after)));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(pin!(asked_before).poll(cx), Poll::Ready(None)));
        assert!(matches!(pin!(asked_after).poll(cx), Poll::Ready(None)));
    }
}
