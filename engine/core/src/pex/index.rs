//! Slots found by node id.
//!
//! hashbrown's table of places. Ids come from strangers, who could choose them to meet in one spot; so
//! the spot is told by a hash under a secret key (products of 64-bit words folded into one, as in
//! wyhash). What such a hash lacks in strength costs at most time within one bounded table. Nothing
//! ever walks through the places in their order, so that order decides nothing.
//!
//! ```text
//!   hash(id) ─▶ HashTable of (hash, slot) ─▶ the caller compares the id that stands in the slot
//! ```

use hashbrown::HashTable;
use ringwire_codec::NodeId;

use super::bucket::Slot;

/// Slots by id. The ids themselves stand in the slots, so the caller compares.
pub(super) struct Index {
    places: HashTable<Place>,
    keys: [u64; 4],
}

/// A slot, and the hash of the id in it: the table grows without asking anybody for ids.
struct Place {
    hash: u32,
    slot: Slot,
}

impl Index {
    /// An empty table whose order is told by `key`, which looks like chance.
    pub(super) fn new(key: [u8; 32]) -> Self {
        let word = |at: usize| {
            key[8 * at..]
                .first_chunk()
                .map_or(0, |word| u64::from_le_bytes(*word))
        };
        Index {
            places: HashTable::new(),
            keys: [word(0), word(1), word(2), word(3)],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The slot of `id`, if `is_there` says of one that it holds that id.
    pub(super) fn find(&self, id: &NodeId, is_there: impl Fn(Slot) -> bool) -> Option<Slot> {
        let hash = self.hash(id);
        let is_there = |place: &Place| place.hash == hash && is_there(place.slot);
        self.places
            .find(spread(hash), is_there)
            .map(|place| place.slot)
    }

    /// Enters the slot of an id that is not there.
    pub(super) fn insert(&mut self, id: &NodeId, slot: Slot) {
        let hash = self.hash(id);
        let hash_of = |place: &Place| spread(place.hash);
        self.places
            .insert_unique(spread(hash), Place { hash, slot }, hash_of);
    }

    /// Takes the slot of `id` out.
    ///
    /// # Panics
    /// If it is not there.
    pub(super) fn remove(&mut self, id: &NodeId, slot: Slot) {
        let hash = spread(self.hash(id));
        let Ok(place) = self.places.find_entry(hash, |place| place.slot == slot) else {
            panic!("what is removed was entered");
        };
        place.remove();
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

/// A hash as the table takes it: it finds the spot by the lowest bits and tells neighbours apart by the
/// highest seven.
fn spread(hash: u32) -> u64 {
    (u64::from(hash) << 32) | u64::from(hash)
}

/// The two halves of a product, mixed.
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn id(n: u16) -> NodeId {
        let mut id = [0; 20];
        id[18..].copy_from_slice(&n.to_be_bytes());
        NodeId::from_bytes(id)
    }

    #[test]
    fn a_full_book_is_found_and_ids_that_look_alike_are_spread() {
        const BOOK: u16 = 20_480;
        const SPOTS: u64 = 32_768;
        let mut index = Index::new(*blake3::hash(b"seven").as_bytes());
        for n in 0..BOOK {
            index.insert(&id(n), n);
        }
        let mut spots = BTreeSet::new();
        for n in 0..BOOK {
            assert_eq!(index.find(&id(n), |slot| slot == n), Some(n));
            spots.insert(spread(index.hash(&id(n))) % SPOTS);
        }
        // So many balls thrown into so many bins at random fill 1 - e^(-5/8) of them: 15,229.
        assert!((15_000..15_500).contains(&spots.len()), "{}", spots.len());
        assert_eq!(index.find(&id(BOOK), |_| true), None);
    }

    #[test]
    fn two_keys_put_one_id_in_two_spots() {
        let [one, other] = [b"one", b"two"].map(|key| Index::new(*blake3::hash(key).as_bytes()));
        assert_ne!(one.hash(&id(7)), other.hash(&id(7)));
    }

    proptest! {
        #[test]
        fn it_finds_what_was_entered_and_not_removed(
            // Few keys: each comes and goes many times.
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
