//! [`Owed`]: what a neighbour was asked for and has not sent in time. It may still come.

use std::collections::VecDeque;
use std::time::Duration;

use super::held::Key;

/// As many as it takes to be hung up on, and some.
const OWED_MAX: usize = 16;

/// Messages of one neighbour, and when it was asked for each.
#[derive(Debug, Default)]
pub(super) struct Owed(VecDeque<(Key, Duration)>);

impl Owed {
    /// It did not send this in time. Of too many the first is forgotten.
    pub(super) fn insert(&mut self, key: Key, asked_at: Duration) {
        if self.0.len() == OWED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((key, asked_at));
    }

    /// It has sent this now. When it was asked for it, if it owed it.
    pub(super) fn take(&mut self, key: Key) -> Option<Duration> {
        let at = self.0.iter().position(|(owed, _)| *owed == key)?;
        self.0.remove(at).map(|(_, asked_at)| asked_at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::origins::OriginIndex;
    use super::*;

    const fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn what_is_owed_is_paid_once_and_the_oldest_of_too_many_is_forgotten() {
        let key = |seq| (OriginIndex::OWN, seq);
        let mut owed = Owed::default();
        (0..=16).for_each(|seq| owed.insert(key(seq), at(seq)));
        assert_eq!(owed.take(key(0)), None);
        assert_eq!(owed.take(key(16)), Some(at(16)));
        assert_eq!(owed.take(key(16)), None);
        assert_eq!(owed.take(key(1)), Some(at(1)));
    }
}
