//! Inlets: the way of one thread into one shard, for whoever sends much.
//!
//! ```text
//!   InletSender ══ ring ══▶ Inlet        one sender, one shard, nothing shared per message but the ring
//!        │                    │
//!        │ ◀── bell: room ────┤          the shard has emptied half of a ring that was full
//!        └──── wake: item ───▶│          only if the shard had found the ring empty
//! ```
//!
//! A mailbox serves everybody, so each message costs its callers three words that all of them write.
//! Here a sender writes its own end of the ring, and looks at one flag that the shard seldom changes.
//! Both wake-ups follow the rule of this crate: say it, fence, look again.
//! - The shard found the ring empty: it says that it rests, and looks once more. A sender that pushed
//!   and finds it resting wakes it, once.
//! - A sender found the ring full: it arms the bell and looks once more. The shard rings when half of
//!   the ring is empty, so a slow peer costs few wake-ups.
//!
//! A ring is full when its places are, or when its messages are more than the bytes it was made for.

use std::task::{Context, Poll, Waker};

use crate::Weigh;
use crate::bell::Bell;
use crate::primitives::{Arc, AtomicBool, Ordering, fence};
use crate::ring::{RingReceiver, RingSender, weighed_ring};
use crate::shard_waker::ShardWaker;

/// What both ends share beside the ring.
#[derive(Debug, Default)]
struct Shared {
    /// The shard found the ring empty and looks again only when it is woken.
    rests: AtomicBool,
    /// The sender found the ring full and waits for the bell.
    blocked: AtomicBool,
    bell: Bell,
}

/// Makes the ends of an inlet into the shard of `waker`: a ring of `places`, at least one, full also
/// from `bytes_max` on, by what `weigh` tells.
pub fn inlet<T>(
    waker: &Arc<ShardWaker>,
    places: usize,
    bytes_max: usize,
    weigh: Weigh<T>,
) -> (InletSender<T>, Inlet<T>) {
    let (sender, receiver) = weighed_ring(places.max(1), weigh);
    let shared = Arc::new(Shared::default());
    let sender = InletSender {
        ring: sender,
        bytes_max,
        ends: WakeOnDrop {
            shared: shared.clone(),
            shard: waker.clone(),
        },
    };
    let inlet = Inlet {
        ring: receiver,
        bytes_max,
        ends: RingOnDrop(shared),
    };
    (sender, inlet)
}

/// The end of the thread that sends.
#[derive(Debug)]
pub struct InletSender<T> {
    ring: RingSender<T>,
    bytes_max: usize,
    // Dropped after the ring, so that a shard that is woken finds it abandoned.
    ends: WakeOnDrop,
}

impl<T> InletSender<T> {
    /// Leaves an item for the shard, or hands it back when there is no room. The shard may not know
    /// of it before [`InletSender::flush`].
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if !self.ring.is_below(self.bytes_max) {
            return Err(item);
        }
        self.ring.push(item)
    }

    /// Has the shard look, if it rests. To be called after each push, or once for many.
    pub fn flush(&mut self) {
        self.ends.flush();
    }

    /// Whether the shard takes no more: the other end is gone.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// Ready when there is room, or nobody on the other side who could make any.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_room() || self.is_abandoned() {
            return Poll::Ready(());
        }
        self.arm(cx.waker());
        match self.has_room() || self.is_abandoned() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Has `waker` woken when the shard makes room where there is none, and when it is gone. Look again after
    /// this call.
    pub(crate) fn arm(&self, waker: &Waker) {
        self.ends.shared.bell.arm(waker);
        if !self.has_room() {
            self.ends.shared.blocked.swap(true, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
    }

    /// Whether the next [`InletSender::push`] finds room: once there is some, only a push takes it.
    pub fn has_room(&self) -> bool {
        !self.ring.is_full() && self.ring.bytes() < self.bytes_max
    }
}

/// A shard that rests must come and see what is left in the ring, and that nobody fills it any more.
#[derive(Debug)]
struct WakeOnDrop {
    shared: Arc<Shared>,
    shard: Arc<ShardWaker>,
}

impl WakeOnDrop {
    fn flush(&self) {
        fence(Ordering::SeqCst);
        if self.shared.rests.load(Ordering::Relaxed)
            && self.shared.rests.swap(false, Ordering::SeqCst)
        {
            self.shard.wake();
        }
    }
}

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The shard's end.
#[derive(Debug)]
pub struct Inlet<T> {
    ring: RingReceiver<T>,
    bytes_max: usize,
    // Dropped after the ring, so that a sender that is woken finds it abandoned.
    ends: RingOnDrop,
}

impl<T> Inlet<T> {
    /// Whether a look is due: the shard has not found it empty, or somebody has filled it since.
    pub fn is_awake(&self) -> bool {
        !self.ends.0.rests.load(Ordering::Relaxed)
    }

    /// The next item. `None` means that it rests from now on, until the sender wakes the shard.
    pub fn pop(&mut self) -> Option<T> {
        let item = self.ring.pop().or_else(|| self.rest());
        // A sender may have found the ring full just before we emptied it. Then we come by here again
        // with another item, or with none: behind the fence of `rest`, which stands before this load.
        if self.ends.0.blocked.load(Ordering::Relaxed) && self.ring.is_half_empty(self.bytes_max) {
            self.unblock();
        }
        item
    }

    /// Says that it rests; what came before the sender could see that is found all the same.
    fn rest(&mut self) -> Option<T> {
        self.ends.0.rests.swap(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let item = self.ring.pop()?;
        self.ends.0.rests.swap(false, Ordering::SeqCst);
        Some(item)
    }

    /// Whether nothing will come any more: the sender is gone and the ring is empty.
    pub fn is_over(&self) -> bool {
        // In this order: what was pushed before the sender went is seen afterwards.
        self.ring.is_abandoned() && self.ring.is_empty()
    }

    fn unblock(&self) {
        if self.ends.0.blocked.swap(false, Ordering::SeqCst) {
            self.ends.0.bell.ring();
        }
    }
}

/// A sender that waits for room must come and see that nobody will make any.
#[derive(Debug)]
struct RingOnDrop(Arc<Shared>);

impl Drop for RingOnDrop {
    fn drop(&mut self) {
        self.0.bell.ring();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Count {
        fn take(&self) -> usize {
            self.0.swap(0, Ordering::Relaxed)
        }
    }

    fn counted() -> (std::sync::Arc<Count>, Arc<ShardWaker>) {
        let (count, waker) = (std::sync::Arc::new(Count::default()), ShardWaker::default());
        waker.attach(count.clone().into());
        (count, Arc::new(waker))
    }

    fn pair(places: usize) -> (InletSender<usize>, Inlet<usize>, std::sync::Arc<Count>) {
        let (count, waker) = counted();
        let (sender, inlet) = inlet(&waker, places, 1000, |bytes| *bytes);
        (sender, inlet, count)
    }

    #[test]
    fn a_shard_is_woken_once_for_what_comes_while_it_rests() {
        let (mut sender, mut inlet, woken) = pair(8);
        assert_eq!(inlet.pop(), None);
        assert!(!inlet.is_awake());
        for item in [1, 2, 3] {
            sender.push(item).expect("room");
            sender.flush();
        }
        assert_eq!(woken.take(), 1);
        assert!(inlet.is_awake());
        assert_eq!([inlet.pop(), inlet.pop()], [Some(1), Some(2)]);
        // It has not found the ring empty, so nobody need wake it.
        sender.push(4).expect("room");
        sender.flush();
        assert_eq!(woken.take(), 0);
        assert_eq!(
            [inlet.pop(), inlet.pop(), inlet.pop()],
            [Some(3), Some(4), None]
        );
    }

    #[test]
    fn a_ring_is_full_by_places_and_by_bytes() {
        let (mut sender, mut inlet, _) = pair(2);
        assert_eq!((sender.push(1), sender.push(2)), (Ok(()), Ok(())));
        assert_eq!(sender.push(3), Err(3));
        assert_eq!((inlet.pop(), inlet.pop()), (Some(1), Some(2)));
        assert_eq!((sender.push(999), sender.push(1)), (Ok(()), Ok(())));
        assert_eq!(inlet.pop(), Some(999));
        assert_eq!(sender.push(1000), Ok(()));
        assert_eq!(inlet.pop(), Some(1));
        assert_eq!(
            sender.push(0),
            Err(0),
            "1000 bytes are there, one place is free"
        );
    }

    #[test]
    fn a_sender_that_waits_is_told_when_half_is_empty() {
        let (mut sender, mut inlet, _) = pair(4);
        (0..4).for_each(|item| sender.push(item).expect("room"));
        let room = std::sync::Arc::new(Count::default());
        let waker = Waker::from(room.clone());
        let cx = &mut Context::from_waker(&waker);
        assert!(sender.poll_room(cx).is_pending());
        inlet.pop();
        assert_eq!(room.take(), 0);
        inlet.pop();
        assert_eq!(room.take(), 1);
        assert!(sender.poll_room(cx).is_ready());
    }

    #[test]
    fn each_end_hears_that_the_other_is_gone() {
        let (mut sender, inlet, _) = pair(1);
        sender.push(1).expect("room");
        let room = std::sync::Arc::new(Count::default());
        let waker = Waker::from(room.clone());
        assert!(
            sender
                .poll_room(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop(inlet);
        assert_eq!(room.take(), 1);
        assert!(sender.is_abandoned());

        let (mut sender, mut inlet, woken) = pair(1);
        assert_eq!(inlet.pop(), None);
        sender.push(1).expect("room");
        drop(sender);
        assert_eq!(woken.take(), 1);
        assert!(!inlet.is_over());
        assert_eq!(inlet.pop(), Some(1));
        assert!(inlet.is_over());
    }
}
