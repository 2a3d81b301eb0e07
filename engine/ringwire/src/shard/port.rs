//! A shard's port: where other threads leave what they want of it.
//!
//! ```text
//!   send, broadcast, publish ──reserve──▶ [inbox: INBOX_REQUESTS, INBOX_BYTES] ──▶ driver   (no lock)
//!   subscribe, dial, stop, … ───────────▶ [control: a short list under a lock] ─▶ driver
//!   calls with a deadline ──────────────▶ [alarms: cancelled when the call ends] ─▶ driver
//! ```
//!
//! Messages take the inbox. A slot is reserved before it is filled, so a caller knows at once
//! whether there is room, and a broadcast can reserve one slot on every shard or none at all.
//! Everything rare takes the control list, which never refuses.
//!
//! Nobody takes a lock for a message, but the inbox is not lock-free in the strict sense. A sender
//! claims a place of the queue and writes into it, two steps a few nanoseconds apart, and the driver
//! that comes to a place claimed and not yet written spins until it is. If the system takes the CPU
//! from the sender just there, the shard spins until the sender runs again, milliseconds at worst
//! where threads outnumber CPUs; other senders go on meanwhile.
//!
//! The driver takes the control list first and the inbox second, but acts in the opposite order:
//! so whatever a thread sent before it asked for the shutdown is in the inbox by then.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use crossbeam_queue::ArrayQueue;
use ringwire_codec::ChannelId;
use ringwire_core::conn::ConnectionStatus;
use ringwire_core::metrics::Metrics;
use ringwire_core::peer::{PeerInfo, ShardId};
use ringwire_core::switch::{Command, Delivery, Event, Reply};
use ringwire_core::time::Instant;

use crate::shard::directory::Reservation;
use crate::shard::feed::Feed;
use crate::shard::payload::Payload;
use crate::shard::reply::ReplySender;
use crate::shard::timer::{AlarmKey, Alarms};
use crate::shard::wake::wake;
use crate::transport;

/// Requests that wait for a shard at most. A turn takes all of them; more room would only hide
/// that the shard is behind.
pub(crate) const INBOX_REQUESTS: usize = 4096;

/// Bytes of the messages that wait for a shard from which it takes no more. A turn takes all of them;
/// it must not be given a thousand blocks at once.
pub(crate) const INBOX_BYTES: usize = 8 * 1024 * 1024;

/// A message on its way to the switch.
#[derive(Debug)]
pub(crate) struct Request {
    /// What to do.
    pub(crate) command: Command,
    /// The room it holds in the peer's queue until the queue's gauge counts it.
    pub(crate) reservation: Option<Reservation>,
    /// Who wants to know what became of it.
    pub(crate) reply: Option<ReplySender<Reply>>,
}

/// What is asked rarely and never refused.
#[derive(Debug)]
pub(crate) enum Control {
    /// A command for the switch.
    Command(Command, Option<ReplySender<Reply>>),
    /// Deliver a channel's messages to a subscription.
    Subscribe(ChannelId, Feed<Delivery>),
    /// Tell an observer what happens.
    Observe(Feed<Event>),
    /// How are you?
    Status(ReplySender<ShardStatus>),
}

/// What one shard did so far, as of the turn in which it was asked.
#[derive(Clone, Debug)]
pub struct ShardStatus {
    /// Which shard.
    pub shard: ShardId,
    /// Its counters.
    pub metrics: Metrics,
    /// The figures each reactor shows: its name, their names and values.
    pub reactors: Vec<(String, Vec<(&'static str, u64)>)>,
    /// Its peers and how their connections are.
    pub peers: Vec<(PeerInfo, ConnectionStatus)>,
    /// System calls its ring has made: one carries all that a turn of the shard has to do, so few
    /// per message mean full turns.
    pub system_calls: u64,
    /// Those of them that the kernel refused for want of memory or room. They are made again, after
    /// pauses; a shard whose calls are refused for half a minute fails.
    pub refused_system_calls: u64,
}

/// The threads' side of one shard.
#[derive(Debug)]
pub(crate) struct Port {
    inbox: ArrayQueue<Request>,
    /// Slots of the inbox that are reserved or filled.
    taken: AtomicUsize,
    /// Bytes of the messages in them.
    bytes: AtomicUsize,
    control: Mutex<Vec<Control>>,
    has_control: AtomicBool,
    alarms: Alarms,
    /// Those who wait for room in the inbox.
    waiting: Mutex<Vec<Waker>>,
    has_waiting: AtomicBool,
    /// A bit per channel that takes no more to publish.
    unpublishable: [AtomicU64; 4],
    closed: AtomicBool,
    waker: OnceLock<transport::Waker>,
}

/// A reserved place in an inbox; given back when dropped unfilled.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    port: &'a Port,
    /// Bytes of the message it is reserved for.
    bytes: usize,
}

impl Port {
    /// The port of a shard that is about to start.
    pub(crate) fn new() -> Self {
        Port {
            inbox: ArrayQueue::new(INBOX_REQUESTS),
            taken: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            control: Mutex::default(),
            has_control: AtomicBool::new(false),
            alarms: Alarms::default(),
            waiting: Mutex::default(),
            has_waiting: AtomicBool::new(false),
            unpublishable: Default::default(),
            closed: AtomicBool::new(false),
            waker: OnceLock::new(),
        }
    }

    /// The shard's ring exists: from now on it can be woken.
    pub(crate) fn attach(&self, waker: transport::Waker) {
        // Set once by the shard's own thread; a second call would be for the same ring.
        let _ = self.waker.set(waker);
    }

    /// Wakes the shard if it sleeps.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    /// Whether the shard is gone; nothing will be answered any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    // ---- any thread ---------------------------------------------------------------------------

    /// A place in the inbox for a message of so many bytes, or `None` when it is full.
    pub(crate) fn reserve(&self, bytes: usize) -> Option<Slot<'_>> {
        let taken = self.taken.fetch_add(1, Ordering::AcqRel);
        let before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        if taken < INBOX_REQUESTS && before < INBOX_BYTES {
            return Some(Slot { port: self, bytes });
        }
        self.give_back(bytes);
        None
    }

    /// A place is free again.
    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }

    /// A place in the inbox for something to publish, or `None` when it is full or the channel's
    /// reactor is behind.
    pub(crate) fn reserve_to_publish(&self, channel: ChannelId, bytes: usize) -> Option<Slot<'_>> {
        let (word, bit) = self.publish_bit(channel);
        let is_open = word.load(Ordering::SeqCst) & bit == 0;
        is_open.then(|| self.reserve(bytes)).flatten()
    }

    fn publish_bit(&self, channel: ChannelId) -> (&AtomicU64, u64) {
        (
            &self.unpublishable[usize::from(channel.0 / 64)],
            1 << (channel.0 % 64),
        )
    }

    /// Has `waker` woken when the inbox has room. Look again after this call: room may have come
    /// before it.
    pub(crate) fn wait_for_room(&self, waker: &Waker) {
        let mut waiting = lock(&self.waiting);
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        self.has_waiting.store(true, Ordering::SeqCst);
    }

    /// Asks something rare. Dropped, and so answered with "gone", when the shard is closed.
    pub(crate) fn ask(&self, control: Control) {
        let mut list = lock(&self.control);
        if self.is_closed() {
            return;
        }
        list.push(control);
        self.has_control.store(true, Ordering::SeqCst);
        drop(list);
        self.wake();
    }

    /// Has `waker` woken at `at`, or when the shard is gone. Whoever sets it cancels it.
    pub(crate) fn set_alarm(&self, at: Instant, waker: Waker) -> AlarmKey {
        let (key, is_earliest) = self.alarms.set(at, waker);
        if self.is_closed() {
            // A shard that closed meanwhile has rung its alarms without this one.
            self.alarms.ring_all();
        } else if is_earliest {
            self.wake();
        }
        key
    }

    /// The alarms of those who wait.
    pub(crate) fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    // ---- the driver ---------------------------------------------------------------------------

    /// Moves the control list into `into`.
    pub(crate) fn take_control(&self, into: &mut Vec<Control>) {
        if self.has_control.swap(false, Ordering::AcqRel) {
            into.append(&mut lock(&self.control));
        }
    }

    /// Requests in the inbox now.
    pub(crate) fn inbox_len(&self) -> usize {
        self.inbox.len()
    }

    /// The next request. Its slot is free again.
    pub(crate) fn take_request(&self) -> Option<Request> {
        let request = self.inbox.pop()?;
        self.give_back(request.command.payload_bytes());
        Some(request)
    }

    /// Opens or closes a channel to publishers; one that opens wakes those who wait.
    pub(crate) fn set_publishable(&self, channel: ChannelId, is_open: bool) {
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
    pub(crate) fn tell_room(&self) {
        fence(Ordering::SeqCst);
        if self.has_waiting.load(Ordering::Relaxed) {
            self.has_waiting.store(false, Ordering::SeqCst);
            let waiting = std::mem::take(&mut *lock(&self.waiting));
            waiting.into_iter().for_each(wake);
        }
    }

    /// The shard is gone: drops what waits, so that every caller hears of it.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
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

impl Slot<'_> {
    /// Fills the slot. The caller wakes the port, once for all it sends.
    pub(crate) fn fill(self, request: Request) {
        let port = self.port;
        debug_assert_eq!(request.command.payload_bytes(), self.bytes);
        // The slot is the request's now: `take_request` gives it back.
        std::mem::forget(self);
        let pushed = port.inbox.push(request);
        debug_assert!(pushed.is_ok(), "every filled slot was reserved");
        // A shard that closed meanwhile has emptied its inbox without this request.
        fence(Ordering::SeqCst);
        if port.is_closed() {
            port.discard();
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.port.give_back(self.bytes);
        // Somebody may have found the inbox full because of this very slot, and the driver, which
        // never saw it, will not tell.
        self.port.tell_room();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The lists are changed by single pushes and takes: a panic cannot leave them half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::reply::reply;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll};

    fn request() -> Request {
        let command = Command::StopPeer {
            peer: ringwire_codec::NodeId::from_bytes([0; 20]),
        };
        Request {
            command,
            reservation: None,
            reply: None,
        }
    }

    #[test]
    fn the_inbox_takes_exactly_its_capacity() {
        let port = Port::new();
        for _ in 0..INBOX_REQUESTS {
            port.reserve(0)
                .expect("within the capacity")
                .fill(request());
        }
        assert!(port.reserve(0).is_none());
        assert!(port.take_request().is_some());
        assert!(port.reserve(0).is_some());
    }

    #[test]
    fn few_large_messages_fill_the_inbox_as_well() {
        let port = Port::new();
        let publish = |bytes| {
            let slot = port.reserve(bytes)?;
            let (channel, message) = (ChannelId(1), bytes::Bytes::from(vec![0; bytes]));
            slot.fill(Request {
                command: Command::Publish { channel, message },
                ..request()
            });
            Some(())
        };
        assert!(publish(INBOX_BYTES - 1).is_some());
        assert!(
            publish(2).is_some(),
            "there is room for a byte, so for one more"
        );
        assert!(publish(0).is_none() && port.reserve(1).is_none());
        assert!(port.take_request().is_some());
        assert!(publish(1).is_some());
    }

    #[test]
    fn a_channel_that_is_behind_takes_nothing_to_publish_until_it_opens() {
        let port = Port::new();
        port.set_publishable(ChannelId(255), false);
        assert!(port.reserve_to_publish(ChannelId(255), 0).is_none());
        assert!(port.reserve_to_publish(ChannelId(254), 0).is_some());
        port.set_publishable(ChannelId(255), true);
        assert!(port.reserve_to_publish(ChannelId(255), 0).is_some());
    }

    #[test]
    fn an_unfilled_slot_is_given_back() {
        let port = Port::new();
        let slots: Vec<_> = (0..INBOX_REQUESTS).map(|_| port.reserve(0)).collect();
        assert!(slots.iter().all(Option::is_some) && port.reserve(0).is_none());
        drop(slots);
        assert!(port.reserve(0).is_some());
    }

    #[test]
    fn a_slot_given_back_unfilled_wakes_who_waits_for_room() {
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let port = Port::new();
        let mut slots: Vec<_> = (0..INBOX_REQUESTS).map(|_| port.reserve(0)).collect();
        let count = std::sync::Arc::new(Count(AtomicUsize::new(0)));
        port.wait_for_room(&count.clone().into());
        assert!(port.reserve(0).is_none());
        slots.pop();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(port.reserve(0).is_some());
    }

    #[test]
    fn a_closed_port_lets_nobody_wait_for_an_answer() {
        let port = Port::new();
        let (before, asked_before) = reply();
        let (after, asked_after) = reply();
        port.reserve(0).expect("empty").fill(Request {
            reply: Some(before),
            ..request()
        });
        port.close();
        port.reserve(0).expect("empty").fill(Request {
            reply: Some(after),
            ..request()
        });
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(pin!(asked_before).poll(cx), Poll::Ready(None)));
        assert!(matches!(pin!(asked_after).poll(cx), Poll::Ready(None)));
    }
}
