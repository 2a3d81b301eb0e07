//! A window: how far senders may be ahead of the slowest of those who receive.
//!
//! Senders and receivers are threads of one process here. Both meet at one lock, so they take and give back
//! places by the dozen.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Shared by senders and receivers.
pub struct Window {
    places: usize,
    progress: Mutex<Progress>,
    moved: Condvar,
}

struct Progress {
    /// Messages for which places were taken so far.
    taken: usize,
    /// Messages that each receiver has got.
    arrived: Vec<usize>,
}

impl Window {
    /// A window of so many messages, all of which each of the receivers gets.
    pub fn new(places: usize, receivers: usize) -> Self {
        Window {
            places,
            progress: Mutex::new(Progress {
                taken: 0,
                arrived: vec![0; receivers],
            }),
            moved: Condvar::new(),
        }
    }

    /// Takes places as soon as there are so many.
    pub fn take(&self, places: usize) {
        let mut progress = self.progress();
        while progress.taken + places > progress.slowest() + self.places {
            let waited = self.moved.wait(progress);
            progress = waited.unwrap_or_else(PoisonError::into_inner);
        }
        progress.taken += places;
    }

    /// A receiver has got so many more messages.
    pub fn give_back(&self, receiver: usize, messages: usize) {
        let mut progress = self.progress();
        let before = progress.slowest();
        progress.arrived[receiver] += messages;
        if progress.slowest() > before {
            self.moved.notify_all();
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Numbers that are always whole.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn slowest(&self) -> usize {
        self.arrived.iter().copied().min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_sender_waits_for_the_slowest_receiver() {
        let window = Arc::new(Window::new(2, 2));
        window.take(2);
        window.give_back(0, 2);
        let sender = thread::spawn({
            let window = window.clone();
            move || {
                window.take(1);
                window.progress().slowest()
            }
        });
        window.give_back(1, 1);
        assert_eq!(sender.join().expect("no panic"), 1);
    }
}
