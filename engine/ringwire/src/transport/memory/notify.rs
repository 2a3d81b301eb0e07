//! Telling a shard that a link of it can go on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use ringwire_core::switch::io::LinkId;

/// The links of a shard that have something to read, or room to write, as others have noted.
pub(super) struct Stirred {
    links: Mutex<Vec<LinkId>>,
    waker: Waker,
}

impl Stirred {
    /// Of the shard that `waker` wakes.
    pub(super) fn new(waker: Waker) -> Self {
        Stirred {
            links: Mutex::default(),
            waker,
        }
    }

    /// Takes all that were noted.
    pub(super) fn take(&self) -> Vec<LinkId> {
        std::mem::take(&mut *self.lock())
    }

    /// Whether some were noted.
    pub(super) fn has_some(&self) -> bool {
        !self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LinkId>> {
        // Changed in single steps: a panic cannot leave it half done.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the owner of a link that it can go on.
#[derive(Clone)]
pub(super) struct Notify {
    stirred: Arc<Stirred>,
    link: LinkId,
}

impl Notify {
    pub(super) fn new(stirred: Arc<Stirred>, link: LinkId) -> Self {
        Notify { stirred, link }
    }

    pub(super) fn tell(&self) {
        self.stirred.lock().push(self.link);
        self.stirred.waker.wake_by_ref();
    }
}

impl std::fmt::Debug for Notify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Notify").field(&self.link).finish()
    }
}
