//! How others wake a shard: known to all from the start, though its ring comes later.

use std::sync::OnceLock;
use std::task::Waker;

/// The waker of one shard. Wakes nobody before the shard has its ring; the shard looks into its
/// inboxes before its first sleep.
#[derive(Debug, Default)]
pub struct ShardWaker(OnceLock<Waker>);

impl ShardWaker {
    /// The shard's ring exists: from now on it can be woken.
    pub fn attach(&self, waker: Waker) {
        // Set once by the shard's own thread; a second call would be for the same ring.
        let _ = self.0.set(waker);
    }

    /// Wakes the shard if it sleeps.
    pub fn wake(&self) {
        if let Some(waker) = self.0.get() {
            waker.wake_by_ref();
        }
    }
}
