//! [`Slot`]: a link's place at this node; and [`Slots`], a set of them in one word.

/// Links of a node that take part; more get nothing from this room. CometBFT's default of all peers is 50.
pub const LINKS_MAX: usize = 64;

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
pub struct Slots(u64);

// A bit for each.
const _: () = assert!(LINKS_MAX == u64::BITS as usize);

impl Slots {
    /// None.
    pub const NONE: Slots = Slots(0);

    /// Whether the slot is in it.
    pub fn contains(self, slot: Slot) -> bool {
        self.0 & bit(slot) != 0
    }

    /// Puts a slot in. Returns whether it was not there.
    pub fn insert(&mut self, slot: Slot) -> bool {
        let was_in = self.contains(slot);
        self.0 |= bit(slot);
        !was_in
    }

    /// Takes a slot out.
    pub fn remove(&mut self, slot: Slot) {
        self.0 &= !bit(slot);
    }

    /// How many are in it.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether none is.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lowest slot that is not in it.
    pub fn first_free(self) -> Option<Slot> {
        Slot::new(self.0.trailing_ones() as usize)
    }

    /// Those of this set that are not in the other.
    #[must_use]
    pub fn without(self, other: Slots) -> Slots {
        Slots(self.0 & !other.0)
    }

    /// All of them, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = Slot> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let slot = Slot::new(rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(slot)
        })
    }
}

fn bit(slot: Slot) -> u64 {
    1 << slot.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_each_slot_once_and_gives_them_in_order() {
        let slot = |number| Slot::new(number).unwrap();
        let mut slots = Slots::default();
        for number in [63, 0, 7, 63] {
            slots.insert(slot(number));
        }
        assert_eq!(slots.len(), 3);
        let numbers: Vec<usize> = slots.iter().map(Slot::index).collect();
        assert_eq!(numbers, [0, 7, 63]);
        assert_eq!(slots.first_free(), Slot::new(1));
        slots.remove(slot(0));
        assert_eq!(slots.first_free(), Slot::new(0));
        assert!(!slots.contains(slot(0)) && slots.contains(slot(63)));
    }

    #[test]
    fn there_is_no_slot_beyond_the_last() {
        assert!(Slot::new(LINKS_MAX - 1).is_some());
        assert_eq!(Slot::new(LINKS_MAX), None);
        let mut all = Slots::default();
        (0..LINKS_MAX).for_each(|number| {
            all.insert(Slot::new(number).unwrap());
        });
        assert_eq!(all.first_free(), None);
    }
}
