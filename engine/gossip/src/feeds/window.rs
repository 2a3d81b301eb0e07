//! [`SeqWindow`]: which messages of an origin a node has had.
//!
//! ```text
//!  seq   … │ too old: as if had │ had or not, a bit each          │ new …
//!          └────────────────────┴─────────────────────────── last ┘
//! ```
//! An origin numbers its messages one after the other, so a bit tells what a hash of 32 bytes would. The
//! window is 64 numbers long, and longer while one is missing that would fall out of it: so an origin whose
//! messages overtake each other by more costs more, and no other does.

/// Numbers behind the last one that an origin's window covers at most: at 3,000 messages a second, those of
/// more than one second.
pub const WINDOW_MAX: u64 = 4096;

const WORD: u64 = 64;
const WORDS: usize = (WINDOW_MAX / WORD) as usize;

/// The words of a long window behind its newest one.
type Older = [u64; WORDS - 1];

/// The numbers of an origin that were had.
#[derive(Clone, Debug, Default)]
pub struct SeqWindow {
    /// Bit i: whether `last - i` was had. Nothing was had while it is 0, and then the others say nothing.
    newest: u64,
    last: u64,
    /// The lowest number that was had: of what lies before it nobody knows that it exists.
    first: u64,
    older: Option<Box<Older>>,
}

impl SeqWindow {
    /// The highest number that was had.
    pub fn last(&self) -> Option<u64> {
        (self.newest != 0).then_some(self.last)
    }

    /// Whether the number was had, or is so old that it counts as such.
    pub fn contains(&self, seq: u64) -> bool {
        let Some(last) = self.last() else {
            return false;
        };
        if seq > last {
            return false;
        }
        let word = self.word((last - seq) / WORD);
        word & (1 << ((last - seq) % WORD)) != 0
    }

    /// Notes that the number was had. Returns whether it was not before.
    pub fn insert(&mut self, seq: u64) -> bool {
        if self.contains(seq) {
            return false;
        }
        match self.last() {
            None => (self.first, self.last) = (seq, seq),
            Some(last) if seq > last => {
                self.shift(seq - last);
                self.last = seq;
            }
            Some(_) => self.first = self.first.min(seq),
        }
        let behind = self.last - seq;
        let bit = 1 << (behind % WORD);
        match ((behind / WORD) as usize, &mut self.older) {
            (0, _) => self.newest |= bit,
            (word, Some(older)) => older[word - 1] |= bit,
            (_, None) => unreachable!("what lies behind a short window counts as had"),
        }
        true
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.older.as_ref().map_or(0, |words| size_of_val(&**words))
    }

    /// The bits of 64 numbers. What lies behind the window counts as had.
    fn word(&self, index: u64) -> u64 {
        if index == 0 {
            return self.newest;
        }
        let older = self.older.as_ref();
        older
            .and_then(|older| older.get(index as usize - 1))
            .map_or(u64::MAX, |word| *word)
    }

    /// Moves the window up by so many numbers.
    fn shift(&mut self, ahead: u64) {
        if self.older.is_none() && !self.loses_missing(ahead) {
            self.newest = self.newest.checked_shl(ahead as u32).unwrap_or(0);
            return;
        }
        let shifted: [u64; WORDS] = std::array::from_fn(|index| self.shifted_word(index, ahead));
        self.newest = shifted[0];
        let older = self.older.get_or_insert_with(|| Box::new([0; WORDS - 1]));
        older.copy_from_slice(&shifted[1..]);
        if older.iter().all(|word| *word == u64::MAX) {
            self.older = None;
        }
    }

    /// Whether a number that is missing would fall out of a short window.
    fn loses_missing(&self, ahead: u64) -> bool {
        // The numbers that fall out, `WORD` behind the new last one and more, as far as the window knows them.
        let stay = WORD.saturating_sub(ahead);
        let known = WORD.min(self.last - self.first + 1);
        let missing = |behind: u64| self.newest & (1 << behind) == 0;
        // A jump beyond a long window would lose them there too.
        ahead < WINDOW_MAX && ((stay..known).any(missing) || ahead > WORD)
    }

    fn shifted_word(&self, index: usize, ahead: u64) -> u64 {
        let (words, bits) = (ahead / WORD, ahead % WORD);
        // Before the newest word lies nothing that was had.
        let word = |back: u64| {
            let index = (index as u64).checked_sub(words + back);
            index.map_or(0, |index| self.word(index))
        };
        match bits {
            0 => word(0),
            _ => (word(0) << bits) | (word(1) >> (WORD - bits)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_number_is_new_once() {
        let mut window = SeqWindow::default();
        assert_eq!(window.last(), None);
        for seq in [10, 12, 11, 9] {
            assert!(!window.contains(seq));
            assert!(window.insert(seq));
            assert!(!window.insert(seq), "{seq}");
        }
        assert_eq!(window.last(), Some(12));
    }

    #[test]
    fn numbers_in_order_cost_no_heap_whatever_the_first_is() {
        let mut window = SeqWindow::default();
        for seq in 1_000_000..1_010_000 {
            assert!(window.insert(seq));
        }
        assert_eq!(window.heap_bytes(), 0);
        assert!(window.contains(1_000_000), "too old counts as had");
    }

    #[test]
    fn a_missing_number_is_new_as_long_as_the_long_window_reaches() {
        let mut window = SeqWindow::default();
        window.insert(0);
        for seq in 2..=WINDOW_MAX {
            window.insert(seq);
        }
        assert!(window.heap_bytes() > 0);
        assert!(window.clone().insert(1), "the oldest number of the window");
        window.insert(WINDOW_MAX + 1);
        assert!(!window.insert(1), "one more and it is too old");
        for seq in WINDOW_MAX + 2..3 * WINDOW_MAX {
            window.insert(seq);
        }
        assert_eq!(window.heap_bytes(), 0, "nothing is missing any more");
    }

    #[test]
    fn a_jump_beyond_the_window_forgets_what_lies_before_it() {
        let mut window = SeqWindow::default();
        window.insert(5);
        window.insert(u64::MAX);
        assert!(window.contains(u64::MAX) && !window.insert(6));
        assert!(window.insert(u64::MAX - 63));
        assert_eq!(window.heap_bytes(), 0);
    }

    proptest! {
        /// Against a set: what is new to the set and not too old is new to the window.
        #[test]
        fn it_agrees_with_a_set(steps in proptest::collection::vec(0_u64..200, 1..400)) {
            let mut window = SeqWindow::default();
            let mut had = BTreeSet::new();
            for (at, step) in steps.into_iter().enumerate() {
                let seq = at as u64 * 20 + step;
                let first = had.first().copied().unwrap_or(seq);
                let last = had.last().copied().unwrap_or(seq);
                let reach = if seq < first { 64 } else { WINDOW_MAX };
                // Before the first number a short window may be all there is.
                if seq + reach > last {
                    prop_assert_eq!(window.contains(seq), had.contains(&seq), "{}", seq);
                    prop_assert_eq!(window.insert(seq), had.insert(seq), "{}", seq);
                }
            }
        }
    }
}
