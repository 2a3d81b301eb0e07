//! The buffers of a shard, and when those are given back that nobody needs.

use std::time::Duration;

use crate::buffer::{BufferPool, PoolLimits};
use crate::switch::core::Core;
use crate::switch::links::table::Links;
use crate::switch::timers::Timer;

/// Pause between two trims of the pool: long enough that the rests of a busy shard's turns are not
/// freed and made again.
const TRIM_PERIOD: Duration = Duration::from_secs(1);

/// The buffers of a shard.
pub(crate) struct Memory {
    pool: BufferPool,
    /// Whether a trim of the pool is in the timer heap.
    trim_planned: bool,
    /// How often the pool had run out of chunks when the peers were last parked.
    exhausted: u64,
}

impl Memory {
    /// Nothing is taken.
    pub(crate) fn new() -> Self {
        Memory {
            pool: BufferPool::new(PoolLimits::default()),
            trim_planned: false,
            exhausted: 0,
        }
    }

    /// The pool chunks are taken from and given back to.
    #[inline]
    pub(crate) fn pool(&mut self) -> &mut BufferPool {
        &mut self.pool
    }

    /// Frees the chunks that peers hold whose messages nobody pulls, if the pool ran out of chunks
    /// since the last call: they must not keep the other peers from being read.
    pub(crate) fn park_if_exhausted(&mut self, links: &mut Links) {
        let exhausted = self.pool.counters().exhausted;
        if std::mem::replace(&mut self.exhausted, exhausted) == exhausted {
            return;
        }
        let keys: Vec<_> = links.peer_keys().collect();
        for key in keys {
            if let Some(peer) = links.peer_mut(key) {
                peer.park(&mut self.pool);
            }
        }
    }

    /// Looks after the chunks that a burst has left, once in [`TRIM_PERIOD`] while there are any.
    pub(crate) fn plan_trim(&mut self, core: &mut Core) {
        if !self.trim_planned && self.pool.is_idling() {
            self.trim_planned = true;
            core.set_timer(core.now() + TRIM_PERIOD, Timer::Trim);
        }
    }

    /// Frees what nobody has needed in the last period.
    pub(crate) fn trim(&mut self) {
        self.trim_planned = false;
        self.pool.trim();
    }
}
