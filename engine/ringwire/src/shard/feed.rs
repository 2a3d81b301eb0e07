//! Feeds: the way from the shards to one subscription of the application.
//!
//! ```text
//!   shard 0: Feed ══ ring ══▶ Lane ┐
//!   shard 1: Feed ══ ring ══▶ Lane ┼─▶ Intake (Stream, iterator)
//!   shard 2: Feed ══ ring ══▶ Lane ┘      ▲ one Bell for all lanes
//! ```
//!
//! Each ring is lock-free with one producer and one consumer. Two wake-ups keep them going, both
//! by the same rule: say that you sleep, fence, look again, sleep.
//! - The consumer found all lanes empty: it arms the bell; a shard that pushed rings it, once per
//!   turn.
//! - A shard found its ring full: it marks the lane blocked and leaves the rest with the switch,
//!   which stops reading the peers of that channel. The consumer wakes the shard when it has
//!   emptied half of the ring, so a slow reader costs few wake-ups.
//!
//! A ring is full when its places are, or when the messages in it are more than [`FEED_BYTES`].
//! A dropped intake abandons its lanes; the shards notice and never wait for it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::shard::payload::Payload;
use crate::shard::port::Port;
use crate::shard::wake::wake;

/// Bytes of messages in one ring from which it counts as full: as much as the switch keeps for a
/// channel. A subscription of a thousand places must not hold a thousand blocks.
pub(crate) const FEED_BYTES: usize = 16 * 1024 * 1024;

/// Makes the ends of one subscription: a feed for each of `ports`, and their common intake. Each
/// ring holds `capacity` items, at least one.
pub(crate) fn feeds<T: Payload>(ports: &[Arc<Port>], capacity: usize) -> (Vec<Feed<T>>, Intake<T>) {
    let bell = Arc::new(Bell::default());
    let connect = |port: &Arc<Port>| {
        let (producer, consumer) = rtrb::RingBuffer::new(capacity.max(1));
        let blocked = Arc::new(AtomicBool::new(false));
        let bytes = Arc::new(AtomicUsize::new(0));
        let feed = Feed {
            ring: producer,
            bytes: bytes.clone(),
            blocked: blocked.clone(),
            is_dirty: false,
            bell: RingOnDrop(bell.clone()),
        };
        (
            feed,
            Lane {
                ring: consumer,
                bytes,
                blocked,
                port: WakeOnDrop(port.clone()),
            },
        )
    };
    let (feeds, lanes) = ports.iter().map(connect).unzip();
    (
        feeds,
        Intake {
            lanes,
            next: 0,
            bell,
        },
    )
}

/// A shard's end.
#[derive(Debug)]
pub(crate) struct Feed<T> {
    ring: rtrb::Producer<T>,
    /// Bytes of the messages in the ring: added here, taken off by the reader.
    bytes: Arc<AtomicUsize>,
    blocked: Arc<AtomicBool>,
    is_dirty: bool,
    // Dropped after the ring, so that whoever is woken finds the ring abandoned.
    bell: RingOnDrop,
}

impl<T: Payload> Feed<T> {
    /// Whether the subscription is gone.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// Whether an item fits. If not, the consumer will wake the shard when it has made room.
    pub(crate) fn has_room(&self) -> bool {
        if !self.is_full() {
            return true;
        }
        self.blocked.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.ring.is_full() || self.bytes.load(Ordering::Relaxed) >= FEED_BYTES
    }

    /// Puts an item into the ring, or hands it back.
    pub(crate) fn push(&mut self, item: T) -> Result<(), T> {
        // Counted before the reader can take it.
        let bytes = item.payload_bytes();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        match self.ring.push(item) {
            Ok(()) => {
                self.is_dirty = true;
                Ok(())
            }
            Err(rtrb::PushError::Full(item)) => {
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                Err(item)
            }
        }
    }

    /// Wakes the consumer if there is news since the last call.
    pub(crate) fn flush(&mut self) {
        if std::mem::take(&mut self.is_dirty) {
            self.bell.0.ring();
        }
    }
}

/// The application's end: all lanes of one subscription, served in turn.
#[derive(Debug)]
pub(crate) struct Intake<T> {
    lanes: Vec<Lane<T>>,
    next: usize,
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Lane<T> {
    ring: rtrb::Consumer<T>,
    bytes: Arc<AtomicUsize>,
    blocked: Arc<AtomicBool>,
    // Dropped after the ring, so that the shard finds it abandoned.
    port: WakeOnDrop,
}

impl<T: Payload> Intake<T> {
    /// The next item, if one is there.
    pub(crate) fn try_next(&mut self) -> Option<T> {
        for step in 0..self.lanes.len() {
            let at = (self.next + step) % self.lanes.len();
            if let Some(item) = self.lanes[at].pop() {
                self.next = at + 1;
                return Some(item);
            }
        }
        None
    }

    /// The next item; `Ready(None)` when all shards are gone and their lanes are empty.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(item) = self.try_next() {
            return Poll::Ready(Some(item));
        }
        self.bell.arm(cx.waker());
        // Looked at before the lanes: a lane that is abandoned now gets no more items.
        let is_over = self.lanes.iter().all(|lane| lane.ring.is_abandoned());
        match self.try_next() {
            Some(item) => Poll::Ready(Some(item)),
            None if is_over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl<T: Payload> Lane<T> {
    fn pop(&mut self) -> Option<T> {
        let item = self.ring.pop().ok();
        match &item {
            Some(item) => drop(
                self.bytes
                    .fetch_sub(item.payload_bytes(), Ordering::Relaxed),
            ),
            // The shard may have found the ring full just before we emptied it; without the
            // fence we could miss its mark and both sides would wait.
            None => fence(Ordering::SeqCst),
        }
        if self.blocked.load(Ordering::Relaxed) && self.is_half_empty() {
            self.unblock();
        }
        item
    }

    fn is_half_empty(&self) -> bool {
        self.ring.slots() <= self.ring.buffer().capacity() / 2
            && self.bytes.load(Ordering::Relaxed) <= FEED_BYTES / 2
    }

    fn unblock(&self) {
        if self.blocked.swap(false, Ordering::SeqCst) {
            self.port.0.wake();
        }
    }
}

/// A shard that waits for room must come and see that nobody reads any more.
#[derive(Debug)]
struct WakeOnDrop(Arc<Port>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// How a consumer that found nothing is woken.
#[derive(Debug, Default)]
struct Bell {
    is_armed: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Bell {
    fn arm(&self, waker: &Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
        self.is_armed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.is_armed.load(Ordering::Relaxed) && self.is_armed.swap(false, Ordering::SeqCst) {
            let waker = self
                .waker
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(waker) = waker {
                wake(waker);
            }
        }
    }
}

#[derive(Debug)]
struct RingOnDrop(Arc<Bell>);

impl Drop for RingOnDrop {
    fn drop(&mut self) {
        self.0.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::shard::block::block_on;

    fn ports(count: u16) -> Vec<Arc<Port>> {
        (0..count).map(|_| Arc::new(Port::new())).collect()
    }

    #[test]
    fn a_full_ring_hands_the_item_back_and_has_room_again_after_a_read() {
        let (mut feeds, mut intake) = feeds(&ports(1), 2);
        let feed = &mut feeds[0];
        assert_eq!(
            (feed.push(1), feed.push(2), feed.push(3)),
            (Ok(()), Ok(()), Err(3))
        );
        assert!(!feed.has_room());
        assert_eq!(intake.try_next(), Some(1));
        assert!(feed.has_room());
    }

    #[test]
    fn a_ring_is_full_of_few_large_items_as_well_and_its_shard_is_woken_when_half_is_read() {
        let (mut feeds, mut intake) = feeds::<usize>(&ports(1), 1000);
        let feed = &mut feeds[0];
        // The item of a test weighs what it says.
        for _ in 0..4 {
            assert!(feed.has_room());
            feed.push(FEED_BYTES / 4).expect("there are places");
        }
        assert!(!feed.has_room());
        assert_eq!(intake.try_next(), Some(FEED_BYTES / 4));
        assert!(feed.has_room());
        feed.push(FEED_BYTES).expect("one large item fits behind");
        assert!(!feed.has_room() && feed.blocked.load(Ordering::Relaxed));
        for _ in 0..3 {
            intake.try_next();
        }
        assert!(
            feed.blocked.load(Ordering::Relaxed),
            "more than half is there"
        );
        intake.try_next();
        assert!(!feed.blocked.load(Ordering::Relaxed));
    }

    #[test]
    fn lanes_are_served_in_turn() {
        let (mut feeds, mut intake) = feeds(&ports(2), 4);
        for item in 0..3 {
            feeds[0].push((0, item)).expect("room");
            feeds[1].push((1, item)).expect("room");
        }
        let order: Vec<_> = std::iter::from_fn(|| intake.try_next()).collect();
        assert_eq!(order, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
    }

    #[test]
    fn the_intake_ends_after_the_last_item_of_the_last_shard() {
        let (mut feeds, mut intake) = feeds(&ports(2), 4);
        feeds[1].push(5).expect("room");
        drop(feeds);
        let cx = &mut Context::from_waker(Waker::noop());
        assert_eq!(intake.poll_next(cx), Poll::Ready(Some(5)));
        assert_eq!(intake.poll_next(cx), Poll::Ready(None));
    }

    #[test]
    fn a_dropped_intake_abandons_its_feeds() {
        let (feeds, intake) = feeds::<u8>(&ports(1), 1);
        drop(intake);
        assert!(feeds[0].is_abandoned());
    }

    #[test]
    fn no_wake_up_is_lost_between_two_threads() {
        let (mut feeds, mut intake) = feeds(&ports(1), 4);
        let mut feed = feeds.remove(0);
        const ITEMS: u32 = 100_000;
        // Each item may take a change of threads; a machine that does much else has to do fewer.
        let until = Instant::now() + Duration::from_secs(5);
        let producer = std::thread::spawn(move || {
            let mut pushed = 0;
            for item in (0..ITEMS).take_while(|_| Instant::now() < until) {
                while !feed.has_room() {
                    feed.flush();
                    std::thread::yield_now();
                }
                feed.push(item).expect("has room");
                feed.flush();
                pushed = item + 1;
            }
            pushed
        });
        let mut received = 0;
        while let Some(item) = block_on(std::future::poll_fn(|cx| intake.poll_next(cx))) {
            assert_eq!(item, received);
            received += 1;
        }
        let pushed = producer.join().expect("the producer does not panic");
        assert_eq!((received, pushed > 0), (pushed, true));
    }
}
