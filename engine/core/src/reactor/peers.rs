//! What a reactor remembers of the peers of its shard.
//!
//! Found by a peer's key in one step. A state is lent out while its peer is at hand, so that a
//! reactor can use it beside its context; it is back when the call ends, also by a panic.

use crate::peer::PeerKey;

/// A state and whose it is; without the state while that is lent out.
struct Slot<P> {
    generation: u32,
    state: Option<Box<P>>,
}

/// States by peer. As many slots as the shard ever had links at once.
pub(super) struct Peers<P>(Vec<Option<Slot<P>>>);

impl<P> Peers<P> {
    pub(super) fn new() -> Self {
        Peers(Vec::new())
    }

    /// Begins to remember a peer. Its place is free: a former peer's was taken back.
    pub(super) fn insert(&mut self, key: PeerKey, state: P) {
        let index = place(key);
        if index >= self.0.len() {
            self.0.resize_with(index + 1, || None);
        }
        debug_assert!(self.0[index].is_none(), "{key:?} is remembered already");
        self.0[index] = Some(Slot {
            generation: key.generation,
            state: Some(Box::new(state)),
        });
    }

    /// Lends a state out, until [`Peers::give_back`].
    pub(super) fn lend(&mut self, key: PeerKey) -> Option<Box<P>> {
        self.slot_mut(key)?.state.take()
    }

    /// A state comes home.
    pub(super) fn give_back(&mut self, key: PeerKey, state: Box<P>) {
        if let Some(slot) = self.slot_mut(key) {
            slot.state = Some(state);
        }
    }

    /// Forgets a peer.
    pub(super) fn remove(&mut self, key: PeerKey) -> Option<P> {
        let slot = self.0.get_mut(place(key))?;
        let is_it = slot
            .as_ref()
            .is_some_and(|slot| slot.generation == key.generation);
        let state = slot.take_if(|_| is_it)?.state?;
        Some(*state)
    }

    /// What is remembered of a peer, unless it is lent out.
    pub(super) fn get(&self, key: PeerKey) -> Option<&P> {
        let slot = self.0.get(place(key))?.as_ref()?;
        slot.state
            .as_deref()
            .filter(|_| slot.generation == key.generation)
    }

    /// As [`Peers::get`], to be changed.
    pub(super) fn get_mut(&mut self, key: PeerKey) -> Option<&mut P> {
        self.slot_mut(key)?.state.as_deref_mut()
    }

    /// All states that are not lent out, in the order of their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerKey, &P)> {
        let slots = self.0.iter().enumerate();
        slots.filter_map(|(index, slot)| {
            let slot = slot.as_ref()?;
            // As many places as links, whose keys have 32 bits.
            let index = u32::try_from(index).ok()?;
            let key = PeerKey {
                index,
                generation: slot.generation,
            };
            Some((key, slot.state.as_deref()?))
        })
    }

    fn slot_mut(&mut self, key: PeerKey) -> Option<&mut Slot<P>> {
        let slot = self.0.get_mut(place(key))?.as_mut()?;
        (slot.generation == key.generation).then_some(slot)
    }
}

fn place(key: PeerKey) -> usize {
    key.index as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(index: u32, generation: u32) -> PeerKey {
        PeerKey { index, generation }
    }

    #[test]
    fn a_state_is_found_by_the_key_of_its_peer_and_no_other() {
        let mut peers = Peers::new();
        peers.insert(key(3, 7), "three");
        assert_eq!(peers.get(key(3, 7)), Some(&"three"));
        assert_eq!(
            [key(3, 6), key(2, 7), key(9, 7)].map(|key| peers.get(key)),
            [None; 3]
        );
        assert_eq!(peers.remove(key(3, 6)), None, "a former life of the place");
        assert_eq!(peers.remove(key(3, 7)), Some("three"));
        assert_eq!(peers.get(key(3, 7)), None);
    }

    #[test]
    fn a_state_that_is_lent_out_is_not_there_for_others_until_it_is_back() {
        let mut peers = Peers::new();
        peers.insert(key(0, 1), 10);
        peers.insert(key(1, 1), 20);
        let mut lent = peers.lend(key(0, 1)).expect("it is home");
        assert_eq!(peers.iter().collect::<Vec<_>>(), [(key(1, 1), &20)]);
        assert!(peers.lend(key(0, 1)).is_none());
        *lent += 1;
        peers.give_back(key(0, 1), lent);
        assert_eq!(peers.get(key(0, 1)), Some(&11));
    }
}
