//! Slots found by node id.
//!
//! A table of places with linear probing. Ids come from strangers, who could choose them to meet in
//! one spot; so the spot is told by a hash under a secret key (products of 64-bit words folded into
//! one, as in wyhash). What such a hash lacks in strength costs at most time within one bounded
//! table. Nothing ever walks through the places in their order, so that order decides nothing.
//!
//! ```text
//!   hash(id) ─▶ home ─▶ │hash slot│hash slot│  empty  │      found, or empty: not there
//! ```

use ringwire_codec::NodeId;

use super::bucket::{ADDRESSES_MAX, Slot};

/// The slot of a place that holds none.
const EMPTY: Slot = Slot::MAX;
const _: () = assert!(ADDRESSES_MAX < EMPTY as usize);

/// Places of an empty table.
const PLACES_MIN: usize = 64;

/// Slots by id. The ids themselves stand in the slots, so the caller compares.
pub(super) struct Index {
    places: Vec<Place>,
    len: usize,
    keys: [u64; 4],
}

#[derive(Clone, Copy)]
struct Place {
    hash: u32,
    slot: Slot,
}

const NO_PLACE: Place = Place {
    hash: 0,
    slot: EMPTY,
};

impl Index {
    /// An empty table whose order is told by `key`, which looks like chance.
    pub(super) fn new(key: [u8; 32]) -> Self {
        let word = |at: usize| {
            key[8 * at..]
                .first_chunk()
                .map_or(0, |word| u64::from_le_bytes(*word))
        };
        Index {
            places: vec![NO_PLACE; PLACES_MIN],
            len: 0,
            keys: [word(0), word(1), word(2), word(3)],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The slot of `id`, if `is_there` says of one that it holds that id.
    pub(super) fn find(&self, id: &NodeId, is_there: impl Fn(Slot) -> bool) -> Option<Slot> {
        let hash = self.hash(id);
        let mut at = self.home(hash);
        // A quarter of the places is empty, so this ends.
        loop {
            let place = self.places[at];
            if place.slot == EMPTY {
                return None;
            }
            if place.hash == hash && is_there(place.slot) {
                return Some(place.slot);
            }
            at = self.after(at);
        }
    }

    /// Enters the slot of an id that is not there.
    pub(super) fn insert(&mut self, id: &NodeId, slot: Slot) {
        if (self.len + 1) * 4 > self.places.len() * 3 {
            self.grow();
        }
        self.len += 1;
        let hash = self.hash(id);
        self.put(Place { hash, slot });
    }

    /// Takes the slot of `id` out, which is there. Those that were pushed on because of it move back,
    /// so that no gap hides them.
    pub(super) fn remove(&mut self, id: &NodeId, slot: Slot) {
        let mut gap = self.home(self.hash(id));
        while self.places[gap].slot != slot {
            assert_ne!(self.places[gap].slot, EMPTY, "what is removed was entered");
            gap = self.after(gap);
        }
        self.len -= 1;
        let mut at = self.after(gap);
        while self.places[at].slot != EMPTY {
            let home = self.home(self.places[at].hash);
            if self.distance(home, at) >= self.distance(gap, at) {
                self.places[gap] = self.places[at];
                gap = at;
            }
            at = self.after(at);
        }
        self.places[gap] = NO_PLACE;
    }

    fn put(&mut self, place: Place) {
        let mut at = self.home(place.hash);
        while self.places[at].slot != EMPTY {
            at = self.after(at);
        }
        self.places[at] = place;
    }

    fn grow(&mut self) {
        let places = vec![NO_PLACE; 2 * self.places.len()];
        for place in std::mem::replace(&mut self.places, places) {
            if place.slot != EMPTY {
                self.put(place);
            }
        }
    }

    fn home(&self, hash: u32) -> usize {
        hash as usize & (self.places.len() - 1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.places.len() - 1)
    }

    /// Steps from one place forward to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.places.len() - 1)
    }

    fn hash(&self, id: &NodeId) -> u32 {
        let [first, second, third, fourth] = self.keys;
        let bytes = id.as_bytes();
        let word = |at: usize| {
            bytes[at..]
                .first_chunk()
                .map_or(0, |word| u64::from_le_bytes(*word))
        };
        // The last word overlaps the second: twenty bytes are two words and a half.
        let (head, middle, tail) = (word(0), word(8), word(12));
        let folded = fold(head ^ first, middle ^ second);
        let folded = fold(folded ^ tail ^ third, fourth | 1);
        // A product by a constant keeps ids that follow one another in step; one by itself does not.
        let folded = fold(folded ^ second, folded.rotate_left(29) ^ first);
        (folded >> 32) as u32
    }
}

/// The two halves of a product, mixed.
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(n: u16) -> NodeId {
        let mut id = [0; 20];
        id[18..].copy_from_slice(&n.to_be_bytes());
        NodeId::from_bytes(id)
    }

    #[test]
    fn a_full_book_is_found_and_ids_that_look_alike_are_spread() {
        let mut index = Index::new(*blake3::hash(b"seven").as_bytes());
        for n in 0..20_480 {
            index.insert(&id(n), n);
        }
        assert_eq!(index.places.len(), 32_768);
        let mut steps = 0;
        for n in 0..20_480 {
            assert_eq!(index.find(&id(n), |slot| slot == n), Some(n));
            let at = index.places.iter().position(|place| place.slot == n);
            steps += index.distance(index.home(index.hash(&id(n))), at.unwrap());
        }
        // Linear probing at 5/8 full: (1 / (1 - 5/8) - 1) / 2 = 0.83 steps on average.
        assert!((12_000..24_000).contains(&steps), "{steps}");
        assert_eq!(index.find(&id(20_480), |_| true), None);
    }

    proptest! {
        #[test]
        fn it_finds_what_was_entered_and_not_removed(
            // Few keys in few places: many share their home.
            calls in proptest::collection::vec((0..90_u16, any::<bool>()), 0..400),
        ) {
            let mut index = Index::new(*blake3::hash(b"nine").as_bytes());
            let mut model = BTreeMap::new();
            for (n, enters) in calls {
                if enters && !model.contains_key(&n) {
                    index.insert(&id(n), n);
                    model.insert(n, ());
                } else if model.remove(&n).is_some() {
                    index.remove(&id(n), n);
                }
                prop_assert_eq!(index.len(), model.len());
                for n in 0..90 {
                    let found = index.find(&id(n), |slot| slot == n);
                    prop_assert_eq!(found.is_some(), model.contains_key(&n));
                }
            }
        }
    }
}
