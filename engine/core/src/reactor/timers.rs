//! The timers of one instance: what each is for, and the token by which the switch knows it.

use slab::Slab;

use super::host::TimerId;

/// A timer that was set, to take it back. It finds nothing once the timer was due or was cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimerKey {
    place: usize,
    number: u64,
}

struct Entry<T> {
    number: u64,
    timer: T,
    /// By which name the switch has it.
    id: Option<TimerId>,
}

/// The timers of one instance that are not due yet.
pub(super) struct Timers<T> {
    entries: Slab<Entry<T>>,
    /// Timers ever set, so that a key finds its own timer or none.
    made: u64,
}

impl<T> Timers<T> {
    pub(super) fn new() -> Self {
        Timers {
            entries: Slab::new(),
            made: 0,
        }
    }

    /// Remembers a timer. The switch is to be told its token, and its answer to be noted by
    /// [`Timers::note_id`].
    pub(super) fn insert(&mut self, timer: T) -> TimerKey {
        self.made += 1;
        let number = self.made;
        let place = self.entries.insert(Entry {
            number,
            timer,
            id: None,
        });
        TimerKey { place, number }
    }

    /// The switch has the timer under this name.
    pub(super) fn note_id(&mut self, key: TimerKey, id: TimerId) {
        if let Some(entry) = self.entries.get_mut(key.place) {
            entry.id = Some(id);
        }
    }

    /// What the timer of a token is for.
    #[cfg(test)]
    pub(super) fn of_token(&self, token: u64) -> Option<&T> {
        let place = usize::try_from(token).ok()?;
        self.entries.get(place).map(|entry| &entry.timer)
    }

    /// The timer of a token is due.
    pub(super) fn take_due(&mut self, token: u64) -> Option<T> {
        let place = usize::try_from(token).ok()?;
        self.entries.try_remove(place).map(|entry| entry.timer)
    }

    /// Takes a timer back: what it was for, and the switch's name of it.
    pub(super) fn cancel(&mut self, key: TimerKey) -> Option<(T, Option<TimerId>)> {
        let entry = self.entries.get(key.place)?;
        if entry.number != key.number {
            return None;
        }
        let entry = self.entries.remove(key.place);
        Some((entry.timer, entry.id))
    }
}

impl TimerKey {
    /// The token by which the switch tells that it is due.
    pub(super) fn token(self) -> u64 {
        self.place as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_back_its_own_timer_once_and_never_one_that_came_after_it() {
        let mut timers = Timers::new();
        let (first, second) = (timers.insert("first"), timers.insert("second"));
        assert_eq!(timers.cancel(first).map(|(timer, _)| timer), Some("first"));
        assert!(timers.cancel(first).is_none());
        let third = timers.insert("third");
        assert_eq!(third.place, first.place, "the place is used again");
        assert!(timers.cancel(first).is_none());
        assert_eq!(timers.take_due(second.token()), Some("second"));
        assert!(timers.cancel(second).is_none(), "it was due");
        assert_eq!(timers.take_due(third.token()), Some("third"));
    }
}
