//! What all receivers together have got.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter of messages that tasks share.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<AtomicU64>);

impl Tally {
    /// One message more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages so far.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
