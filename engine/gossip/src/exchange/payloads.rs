//! [`Payloads`]: the payloads of which something is here. Whole ones are kept for those who ask, as far as there is room:
//! the oldest goes first.

use std::collections::{BTreeMap, VecDeque};

use super::payload::Payload;
use crate::coded::ManifestId;

/// All payloads, under way and kept.
pub(super) struct Payloads<L> {
    payloads: BTreeMap<ManifestId, Payload<L>>,
    /// Those that are kept, oldest first.
    kept: VecDeque<ManifestId>,
    /// Bytes that they take.
    kept_bytes: usize,
    kept_bytes_max: usize,
}

impl<L> Payloads<L> {
    pub(super) fn len(&self) -> usize {
        self.payloads.len()
    }

    /// Bytes that whole payloads take with their repair shards.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }
}

impl<L: Copy + Ord> Payloads<L> {
    pub(super) fn new(kept_bytes_max: usize) -> Self {
        Payloads {
            payloads: BTreeMap::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            kept_bytes_max,
        }
    }

    pub(super) fn contains(&self, id: ManifestId) -> bool {
        self.payloads.contains_key(&id)
    }

    pub(super) fn get(&self, id: ManifestId) -> Option<&Payload<L>> {
        self.payloads.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ManifestId) -> Option<&mut Payload<L>> {
        self.payloads.get_mut(&id)
    }

    pub(super) fn insert(&mut self, id: ManifestId, payload: Payload<L>) {
        self.payloads.insert(id, payload);
    }

    pub(super) fn ids(&self) -> Vec<ManifestId> {
        self.payloads.keys().copied().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ManifestId, &Payload<L>)> {
        self.payloads.iter().map(|(id, payload)| (*id, payload))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (ManifestId, &mut Payload<L>)> {
        self.payloads.iter_mut().map(|(id, payload)| (*id, payload))
    }

    /// A payload is whole: it is kept for those who ask, in place of what is [surplus](Payloads::surplus) now.
    pub(super) fn keep(&mut self, id: ManifestId) {
        self.kept.push_back(id);
        self.kept_bytes += self.payloads[&id].kept_bytes();
    }

    /// The oldest that is kept, if there is no room for all. The youngest has it in any case.
    pub(super) fn surplus(&self) -> Option<ManifestId> {
        let is_too_much = self.kept_bytes > self.kept_bytes_max && self.kept.len() > 1;
        self.kept.front().copied().filter(|_| is_too_much)
    }

    pub(super) fn remove(&mut self, id: ManifestId) -> Option<Payload<L>> {
        let payload = self.payloads.remove(&id)?;
        if let Some(at) = self.kept.iter().position(|kept| *kept == id) {
            self.kept.remove(at);
            self.kept_bytes -= payload.kept_bytes();
        }
        Some(payload)
    }

    /// A neighbour has stalled: what it is asked for may be asked of others. Gives how many shards these are.
    pub(super) fn take_back(&mut self, from: L) -> usize {
        let payloads = self.payloads.values_mut();
        payloads.map(|payload| payload.take_back(from)).sum()
    }

    pub(super) fn remove_link(&mut self, link: L) {
        for payload in self.payloads.values_mut() {
            payload.remove_link(link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coded::{Encoder, MANIFEST_ID_BYTES, SHARD_BYTES_MIN};

    fn id(number: u8) -> ManifestId {
        ManifestId([number; MANIFEST_ID_BYTES])
    }

    fn payload() -> Payload<u8> {
        let bytes = vec![7; 20 * SHARD_BYTES_MIN].into();
        let encoder = Encoder::new([1; 32], 1, bytes, SHARD_BYTES_MIN);
        Payload::published(encoder.expect("it is coded"), None)
    }

    fn kept(max: usize) -> Payloads<u8> {
        let mut payloads = Payloads::new(max);
        for number in 1..=3 {
            payloads.insert(id(number), payload());
            payloads.keep(id(number));
        }
        payloads
    }

    #[test]
    fn the_oldest_goes_first_and_what_there_is_room_for_stays() {
        let one = payload().kept_bytes();
        let mut payloads = kept(2 * one);
        assert_eq!(payloads.surplus(), Some(id(1)));
        assert!(payloads.remove(id(1)).is_some());
        assert_eq!((payloads.surplus(), payloads.kept_bytes()), (None, 2 * one));
        assert_eq!(kept(3 * one).surplus(), None);
        assert_eq!(kept(3 * one - 1).surplus(), Some(id(1)));
    }

    #[test]
    fn the_youngest_is_kept_whatever_room_there_is() {
        let mut payloads = kept(0);
        while let Some(oldest) = payloads.surplus() {
            assert!(payloads.remove(oldest).is_some());
        }
        assert_eq!(payloads.ids(), [id(3)]);
    }

    #[test]
    fn what_was_under_way_takes_no_room_of_what_is_kept() {
        let mut payloads = kept(usize::MAX);
        let before = payloads.kept_bytes();
        payloads.insert(id(4), payload());
        assert!(payloads.remove(id(4)).is_some() && payloads.remove(id(4)).is_none());
        assert_eq!(payloads.kept_bytes(), before);
    }
}
