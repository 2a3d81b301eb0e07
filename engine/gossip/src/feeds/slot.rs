//! [`Slot`]: a link's place at this node; and [`Slots`], a set of them in two words.

/// Links of a node that take part; more get nothing from this room. CometBFT's default of all peers is 50, and a
/// full mesh has a hundred members.
pub const LINKS_MAX: usize = 128;

const WORD: usize = u64::BITS as usize;
const WORDS: usize = LINKS_MAX / WORD;

/// A link's place: below [`LINKS_MAX`]. When the link is gone another may get it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(u8);

impl Slot {
    /// The place of this number. `None` from [`LINKS_MAX`] on.
    pub fn new(number: usize) -> Option<Slot> {
        (number < LINKS_MAX).then_some(Slot(number as u8))
    }

    /// Its number.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of slots.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Slots([u64; WORDS]);

// A bit for each, and a slot's number is a byte.
const _: () = assert!(LINKS_MAX == WORDS * WORD && LINKS_MAX <= 1 << u8::BITS);

impl Slots {
    /// None.
    pub const NONE: Slots = Slots([0; WORDS]);

    /// Whether the slot is in it.
    pub fn contains(self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        self.0[word] & bit != 0
    }

    /// Puts a slot in. Returns whether it was not there.
    pub fn insert(&mut self, slot: Slot) -> bool {
        let was_in = self.contains(slot);
        let (word, bit) = place(slot);
        self.0[word] |= bit;
        !was_in
    }

    /// Takes a slot out.
    pub fn remove(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        self.0[word] &= !bit;
    }

    /// How many are in it.
    pub fn len(self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether none is.
    pub fn is_empty(self) -> bool {
        self.0 == [0; WORDS]
    }

    /// The lowest slot that is not in it.
    pub fn first_free(self) -> Option<Slot> {
        let word = self.0.iter().position(|word| *word != u64::MAX)?;
        Slot::new(word * WORD + self.0[word].trailing_ones() as usize)
    }

    /// Those of this set that are not in the other.
    #[must_use]
    pub fn without(self, other: Slots) -> Slots {
        Slots(std::array::from_fn(|at| self.0[at] & !other.0[at]))
    }

    /// All of them, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = Slot> {
        let of_word = |(at, mut rest): (usize, u64)| {
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Slot::new(at * WORD + bit)
            })
        };
        self.0.into_iter().enumerate().flat_map(of_word)
    }
}

/// Which word has the slot's bit, and that bit.
fn place(slot: Slot) -> (usize, u64) {
    (slot.index() / WORD, 1 << (slot.index() % WORD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_each_slot_once_and_gives_them_in_order() {
        let slot = |number| Slot::new(number).unwrap();
        let mut slots = Slots::default();
        for number in [63, 0, 127, 64, 7, 63] {
            slots.insert(slot(number));
        }
        assert_eq!(slots.len(), 5);
        let numbers: Vec<usize> = slots.iter().map(Slot::index).collect();
        assert_eq!(numbers, [0, 7, 63, 64, 127]);
        assert_eq!(slots.first_free(), Slot::new(1));
        slots.remove(slot(0));
        assert_eq!(slots.first_free(), Slot::new(0));
        assert!(!slots.contains(slot(0)) && slots.contains(slot(63)));
        assert!(slots.contains(slot(127)) && !slots.contains(slot(126)));
        assert!(slots.without(slots).is_empty() && !slots.is_empty());
    }

    #[test]
    fn there_is_no_slot_beyond_the_last() {
        assert!(Slot::new(LINKS_MAX - 1).is_some());
        assert_eq!(Slot::new(LINKS_MAX), None);
        let mut all = Slots::default();
        for number in 0..LINKS_MAX {
            assert_eq!(all.first_free(), Slot::new(number));
            all.insert(Slot::new(number).unwrap());
        }
        assert_eq!(all.first_free(), None);
    }
}
