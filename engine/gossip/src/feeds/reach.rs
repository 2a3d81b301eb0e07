//! [`Reaches`]: which neighbours have said that they have a node's own messages.
//!
//! Who sends, announces, or names in a digest a message of ours has it. Who only gets it from us does not say so at once,
//! but by its next digest, of which each neighbour gets one in turn: so what is known is less than what is.

use std::collections::VecDeque;
use std::time::Duration;

use super::slot::{Slot, Slots};

/// Own messages of which it is remembered who has them.
pub const REACHES_MAX: usize = 1024;

/// How far a message of this node has come among its neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// Its number.
    pub seq: u64,
    /// When it was published.
    pub published_at: Duration,
    /// Neighbours that have said that they have it.
    pub have: Slots,
}

/// The last messages of this node, by number.
#[derive(Debug, Default)]
pub(super) struct Reaches(VecDeque<Reach>);

impl Reaches {
    /// A message was published; its number follows that of the last.
    pub(super) fn insert(&mut self, now: Duration, seq: u64) {
        debug_assert!(self.0.back().is_none_or(|last| last.seq + 1 == seq));
        if self.0.len() == REACHES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Reach {
            seq,
            published_at: now,
            have: Slots::default(),
        });
    }

    /// A neighbour has it.
    pub(super) fn note(&mut self, seq: u64, slot: Slot) {
        let first = self.0.front().map_or(0, |first| first.seq);
        let place = seq
            .checked_sub(first)
            .and_then(|place| usize::try_from(place).ok());
        if let Some(reach) = place.and_then(|place| self.0.get_mut(place)) {
            reach.have.insert(slot);
        }
    }

    /// Another link may get this place.
    pub(super) fn handle_link_down(&mut self, slot: Slot) {
        for reach in &mut self.0 {
            reach.have.remove(slot);
        }
    }

    /// The oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Reach> + '_ {
        self.0.iter().copied()
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Reach>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn slot(number: usize) -> Slot {
        Slot::new(number).unwrap()
    }

    fn have(reaches: &Reaches) -> Vec<(u64, usize)> {
        reaches
            .iter()
            .map(|reach| (reach.seq, reach.have.len()))
            .collect()
    }

    #[test]
    fn neighbours_count_once_and_as_long_as_they_are_there() {
        let mut reaches = Reaches::default();
        (100..103).for_each(|seq| reaches.insert(NOW, seq));
        for (seq, number) in [
            (100, 0),
            (100, 0),
            (100, 1),
            (102, 1),
            (99, 1),
            (103, 1),
            (0, 1),
        ] {
            reaches.note(seq, slot(number));
        }
        assert_eq!(have(&reaches), [(100, 2), (101, 0), (102, 1)]);
        reaches.handle_link_down(slot(1));
        assert_eq!(have(&reaches), [(100, 1), (101, 0), (102, 0)]);
    }

    #[test]
    fn the_last_ones_are_remembered() {
        let mut reaches = Reaches::default();
        (0..REACHES_MAX as u64).for_each(|seq| reaches.insert(NOW, seq));
        assert_eq!(reaches.iter().next().map(|reach| reach.seq), Some(0));
        reaches.insert(NOW, REACHES_MAX as u64);
        assert_eq!(reaches.iter().count(), REACHES_MAX);
        reaches.note(0, slot(0));
        reaches.note(1, slot(0));
        assert_eq!(have(&reaches)[0], (1, 1));
    }
}
