//! The one clock of an engine.
//!
//! The pure rooms know time as nanoseconds since an origin. All shards of an engine share that
//! origin, because a connection carries its times along when it moves to another shard.

use ringwire_core::time::Instant;

/// Reads monotonic time as nanoseconds since the engine was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that stands at zero now.
    pub(crate) fn new() -> Self {
        Clock {
            origin: std::time::Instant::now(),
        }
    }

    /// The time. The driver reads it once per turn.
    pub(crate) fn now(self) -> Instant {
        let nanos = self.origin.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(nanos).expect("584 years have not passed"))
    }
}
