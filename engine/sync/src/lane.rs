//! Lanes: the way from the shards to one subscription of the application.
//!
//! ```text
//!   shard 0: LaneSender ══ ring ══▶ Lane ┐
//!   shard 1: LaneSender ══ ring ══▶ Lane ┼─▶ Intake (Stream, iterator)
//!   shard 2: LaneSender ══ ring ══▶ Lane ┘      ▲ one Bell for all lanes
//! ```
//!
//! Each ring has one sender and one reader. Two wake-ups keep them going, both by the same rule: say
//! that you sleep, fence, look again, sleep.
//! - The reader found all lanes empty: it arms the bell; a shard that pushed rings it, once per turn.
//! - A shard found its ring full: it marks the lane blocked and leaves the rest with the switch,
//!   which stops reading the peers of that channel. The reader wakes the shard when it has emptied
//!   half of the ring, so a slow reader costs few wake-ups.
//!
//! A ring is full when its places are, or when the messages in it are more than [`LANE_BYTES`].
//! A dropped intake abandons its lanes; the shards notice and never wait for it.

use std::task::{Context, Poll};

use crate::Weigh;
use crate::bell::Bell;
use crate::primitives::{Arc, AtomicBool, Ordering, fence};
use crate::ring::{RingReceiver, RingSender, weighed_ring};
use crate::shard_waker::ShardWaker;

/// Bytes of messages in one ring from which it counts as full: as much as the switch keeps for a
/// channel. A subscription of a thousand places must not hold a thousand blocks.
pub const LANE_BYTES: usize = 16 * 1024 * 1024;

/// Makes the ends of one subscription: a sender for each of the `shards`, and their common intake.
/// Each ring holds `capacity` items, at least one, and `weigh` tells the bytes of an item.
pub fn lanes<'a, T>(
    shards: impl IntoIterator<Item = &'a Arc<ShardWaker>>,
    capacity: usize,
    weigh: Weigh<T>,
) -> (Vec<LaneSender<T>>, Intake<T>) {
    let bell = Arc::new(Bell::default());
    let connect = |shard: &Arc<ShardWaker>| {
        let (sender, receiver) = weighed_ring(capacity.max(1), weigh);
        let blocked = Arc::new(AtomicBool::new(false));
        let sender = LaneSender {
            ring: sender,
            blocked: blocked.clone(),
            is_dirty: false,
            bell: RingOnDrop(bell.clone()),
        };
        let lane = Lane {
            ring: receiver,
            blocked,
            shard: WakeOnDrop(shard.clone()),
        };
        (sender, lane)
    };
    let (senders, lanes) = shards.into_iter().map(connect).unzip();
    let intake = Intake {
        lanes,
        next: 0,
        bell,
    };
    (senders, intake)
}

/// A shard's end.
#[derive(Debug)]
pub struct LaneSender<T> {
    ring: RingSender<T>,
    blocked: Arc<AtomicBool>,
    is_dirty: bool,
    // Dropped after the ring, so that whoever is woken finds the ring abandoned.
    bell: RingOnDrop,
}

impl<T> LaneSender<T> {
    /// Whether the subscription is gone.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// Whether an item fits. If not, the reader will wake the shard when it has made room.
    pub fn has_room(&self) -> bool {
        if !self.is_full() {
            return true;
        }
        self.blocked.swap(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.ring.is_full() || self.ring.bytes() >= LANE_BYTES
    }

    /// Puts an item into the ring, or hands it back.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        self.ring.push(item)?;
        self.is_dirty = true;
        Ok(())
    }

    /// Wakes the reader if there is news since the last call.
    pub fn flush(&mut self) {
        if std::mem::take(&mut self.is_dirty) {
            self.bell.0.ring();
        }
    }
}

/// The application's end: all lanes of one subscription, served in turn.
#[derive(Debug)]
pub struct Intake<T> {
    lanes: Vec<Lane<T>>,
    next: usize,
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Lane<T> {
    ring: RingReceiver<T>,
    blocked: Arc<AtomicBool>,
    // Dropped after the ring, so that the shard finds it abandoned.
    shard: WakeOnDrop,
}

impl<T> Intake<T> {
    /// The next item, if one is there.
    pub fn try_next(&mut self) -> Option<T> {
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
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
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

impl<T> Lane<T> {
    fn pop(&mut self) -> Option<T> {
        let item = self.ring.pop();
        // The shard may have found the ring full just before we emptied it. A reader that goes to sleep
        // has armed the bell in between, whose fence stands before this load.
        if self.blocked.load(Ordering::Relaxed) && self.ring.is_half_empty(LANE_BYTES) {
            self.unblock();
        }
        item
    }

    fn unblock(&self) {
        if self.blocked.swap(false, Ordering::SeqCst) {
            self.shard.0.wake();
        }
    }
}

/// A shard that waits for room must come and see that nobody reads any more.
#[derive(Debug)]
struct WakeOnDrop(Arc<ShardWaker>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// A reader that waits for an item must come and see that none will come from here.
#[derive(Debug)]
struct RingOnDrop(Arc<Bell>);

impl Drop for RingOnDrop {
    fn drop(&mut self) {
        self.0.ring();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::task::Waker;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::block_on;

    fn shards(count: u16) -> Vec<Arc<ShardWaker>> {
        (0..count).map(|_| Arc::default()).collect()
    }

    fn weightless<T>(_: &T) -> usize {
        0
    }

    #[test]
    fn a_full_ring_hands_the_item_back_and_has_room_again_after_a_read() {
        let (mut senders, mut intake) = lanes(&shards(1), 2, weightless);
        let sender = &mut senders[0];
        assert_eq!(
            (sender.push(1), sender.push(2), sender.push(3)),
            (Ok(()), Ok(()), Err(3))
        );
        assert!(!sender.has_room());
        assert_eq!(intake.try_next(), Some(1));
        assert!(sender.has_room());
    }

    #[test]
    fn a_ring_is_full_of_few_large_items_as_well_and_its_shard_is_woken_when_half_is_read() {
        let (mut senders, mut intake) = lanes::<usize>(&shards(1), 1000, |bytes| *bytes);
        let sender = &mut senders[0];
        // The item of a test weighs what it says.
        for _ in 0..4 {
            assert!(sender.has_room());
            sender.push(LANE_BYTES / 4).expect("there are places");
        }
        assert!(!sender.has_room());
        assert_eq!(intake.try_next(), Some(LANE_BYTES / 4));
        assert!(sender.has_room());
        sender.push(LANE_BYTES).expect("one large item fits behind");
        assert!(!sender.has_room() && sender.blocked.load(Ordering::Relaxed));
        for _ in 0..3 {
            intake.try_next();
        }
        assert!(
            sender.blocked.load(Ordering::Relaxed),
            "more than half is there"
        );
        intake.try_next();
        assert!(!sender.blocked.load(Ordering::Relaxed));
    }

    #[test]
    fn lanes_are_served_in_turn() {
        let (mut senders, mut intake) = lanes(&shards(2), 4, weightless);
        for item in 0..3 {
            senders[0].push((0, item)).expect("room");
            senders[1].push((1, item)).expect("room");
        }
        let order: Vec<_> = std::iter::from_fn(|| intake.try_next()).collect();
        assert_eq!(order, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
    }

    #[test]
    fn the_intake_ends_after_the_last_item_of_the_last_shard() {
        let (mut senders, mut intake) = lanes(&shards(2), 4, weightless);
        senders[1].push(5).expect("room");
        drop(senders);
        let cx = &mut Context::from_waker(Waker::noop());
        assert_eq!(intake.poll_next(cx), Poll::Ready(Some(5)));
        assert_eq!(intake.poll_next(cx), Poll::Ready(None));
    }

    #[test]
    fn a_dropped_intake_abandons_its_lanes() {
        let (senders, intake) = lanes::<u8>(&shards(1), 1, weightless);
        drop(intake);
        assert!(senders[0].is_abandoned());
    }

    #[test]
    fn no_wake_up_is_lost_between_two_threads() {
        let (mut senders, mut intake) = lanes(&shards(1), 4, weightless);
        let mut sender = senders.remove(0);
        const ITEMS: u32 = 100_000;
        // Each item may take a change of threads; a machine that does much else has to do fewer.
        let until = Instant::now() + Duration::from_secs(5);
        let producer = std::thread::spawn(move || {
            let mut pushed = 0;
            for item in (0..ITEMS).take_while(|_| Instant::now() < until) {
                while !sender.has_room() {
                    sender.flush();
                    std::thread::yield_now();
                }
                sender.push(item).expect("has room");
                sender.flush();
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
