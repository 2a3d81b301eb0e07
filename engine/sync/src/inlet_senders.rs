//! [`InletSenders`]: the way of one thread into several shards, each item into all of them or into none.
//!
//! ```text
//!                    ┌══ ring ══▶ Inlet of shard 0
//!   InletSenders ────┼══ ring ══▶ Inlet of shard 1     the slowest ring decides whether there is room
//!                    └══ ring ══▶ Inlet of shard 2
//! ```
//!
//! Room that a ring once had stays until this thread fills it, so it is enough to look at each in turn. Who
//! waits arms the bell of every shard, also of those with room: from these it hears when they are gone.

use std::task::{Context, Poll};

use smallvec::SmallVec;

use crate::inlet::InletSender;

/// The ends of one thread that sends to several shards, or to one.
#[derive(Debug)]
pub struct InletSenders<T>(SmallVec<[InletSender<T>; 1]>);

impl<T> Default for InletSenders<T> {
    fn default() -> Self {
        InletSenders(SmallVec::new())
    }
}

impl<T: Clone> InletSenders<T> {
    /// One more shard, which gets what is pushed from now on.
    pub fn add(&mut self, sender: InletSender<T>) {
        self.0.push(sender);
    }

    /// Leaves an item for every shard, or hands it back when one has no room. Shards may not know of it before
    /// [`InletSenders::flush`].
    ///
    /// # Panics
    /// When there is no shard.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        let (last, others) = self.0.split_last_mut().expect("it leads into a shard");
        // One alone says itself whether it has room.
        if !others.is_empty() {
            if !(last.has_room() && others.iter().all(InletSender::has_room)) {
                return Err(item);
            }
            for sender in others {
                let left = sender.push(item.clone());
                debug_assert!(left.is_ok(), "nobody else takes the room");
            }
        }
        last.push(item)
    }

    /// Has each shard look that rests. To be called after each push, or once for many.
    pub fn flush(&mut self) {
        self.0.iter_mut().for_each(InletSender::flush);
    }

    /// Whether a shard takes no more: its end is gone.
    pub fn is_abandoned(&self) -> bool {
        self.0.iter().any(InletSender::is_abandoned)
    }

    /// Ready when all shards have room, or one is gone.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_told() {
            return Poll::Ready(());
        }
        self.0.iter().for_each(|sender| sender.arm(cx.waker()));
        match self.is_told() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Whether there is nothing to wait for.
    fn is_told(&self) -> bool {
        self.is_abandoned() || self.0.iter().all(InletSender::has_room)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;
    use crate::{Inlet, ShardWaker, inlet};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ways into two shards, with one place for the first and two for the second.
    fn one_and_two_places() -> (InletSenders<u8>, [Inlet<u8>; 2]) {
        let mut senders = InletSenders::default();
        let ends = [1, 2].map(|places| {
            let (sender, end) = inlet(&Arc::new(ShardWaker::default()), places, 100, |_| 0);
            senders.add(sender);
            end
        });
        (senders, ends)
    }

    #[test]
    fn an_item_for_which_one_shard_has_no_room_goes_to_none() {
        let (mut senders, mut ends) = one_and_two_places();
        assert_eq!(senders.push(1), Ok(()));
        assert_eq!(senders.push(2), Err(2));
        let got = ends.each_mut().map(|end| [end.pop(), end.pop()]);
        assert_eq!(got, [[Some(1), None], [Some(1), None]]);
    }

    #[test]
    fn who_waits_for_one_shard_is_told_when_another_is_gone() {
        let (mut senders, [full, with_room]) = one_and_two_places();
        senders.push(1).expect("a place in each");
        let told = Arc::new(Count::default());
        let waker = Waker::from(told.clone());
        let cx = &mut Context::from_waker(&waker);
        assert!(senders.poll_room(cx).is_pending());
        drop(with_room);
        assert_eq!(told.0.load(Ordering::Relaxed), 1);
        assert!(senders.poll_room(cx).is_ready());
        assert!(senders.is_abandoned());
        drop(full);
    }
}
