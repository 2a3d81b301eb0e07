//! Addresses that are banned from the book, each until a time of its own.
//!
//! What is banned has left the book and cannot be told to it again. When its ban has ended it goes
//! back as hearsay. The reference forgets bans when it stops; here they are kept in the file.

use std::collections::BTreeMap;

use ringwire_codec::NodeId;

use super::known_address::{BucketList, Class, KnownAddress};
use super::timestamp::Timestamp;

/// Bans kept at most. Each had a place in the book before, so this is a fifth of the book; when
/// there are more, the ban that ends first is lifted.
pub(super) const BANS_MAX: usize = 4096;

/// The list of bans.
#[derive(Default)]
pub(super) struct Bans {
    by_id: BTreeMap<NodeId, KnownAddress>,
}

impl Bans {
    pub(super) fn contains(&self, id: &NodeId) -> bool {
        self.by_id.contains_key(id)
    }

    /// All of them, by id.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &KnownAddress> {
        self.by_id.values()
    }

    /// Bans an address that has left the book.
    pub(super) fn insert(&mut self, mut known: KnownAddress, until: Timestamp) {
        if self.by_id.len() == BANS_MAX {
            let ends_first = self.iter().min_by_key(|known| known.banned_until);
            let ends_first = ends_first.expect("a full list is not empty").id();
            self.by_id.remove(&ends_first);
        }
        known.class = Class::New;
        known.buckets = BucketList::default();
        known.banned_until = until;
        self.by_id.insert(known.id(), known);
    }

    /// Lets a ban end at `until`, if it would end earlier.
    pub(super) fn extend(&mut self, id: &NodeId, until: Timestamp) {
        if let Some(known) = self.by_id.get_mut(id) {
            known.banned_until = known.banned_until.max(until);
        }
    }

    /// Takes out those whose ban has ended.
    pub(super) fn take_ended(&mut self, now: Timestamp) -> Vec<KnownAddress> {
        let has_ended = |_: &NodeId, known: &mut KnownAddress| known.banned_until <= now;
        let ended = self.by_id.extract_if(.., has_ended);
        ended.map(|(_, known)| known).collect()
    }

    pub(super) fn invariants(&self) {
        assert!(self.by_id.len() <= BANS_MAX);
        for (id, known) in &self.by_id {
            assert_eq!(known.id(), *id);
            assert!(known.class == Class::New && known.buckets.len() == 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ringwire_codec::NetAddress;

    use super::*;

    fn known(n: u32) -> KnownAddress {
        let mut id = [0; 20];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let ip = Ipv4Addr::from(0x0c00_0000 + n).into();
        let address = NetAddress::from_ip(NodeId::from_bytes(id), ip, 26_656);
        KnownAddress::new(address.clone(), address, Timestamp::NEVER)
    }

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos)
    }

    #[test]
    fn a_ban_over_the_maximum_lifts_the_one_that_ends_first() {
        let mut bans = Bans::default();
        for n in 0..4096 {
            bans.insert(known(n), at(if n == 7 { 1 } else { 100 }));
        }
        assert_eq!(bans.iter().count(), BANS_MAX);
        bans.insert(known(5000), at(50));
        bans.invariants();
        assert_eq!(bans.iter().count(), BANS_MAX);
        assert!(!bans.contains(&known(7).id()) && bans.contains(&known(5000).id()));
    }

    #[test]
    fn a_ban_is_extended_but_never_shortened_and_ends_at_its_time() {
        let mut bans = Bans::default();
        bans.insert(known(1), at(10));
        bans.extend(&known(1).id(), at(20));
        bans.extend(&known(1).id(), at(5));
        assert_eq!(bans.take_ended(at(19)), []);
        assert_eq!(bans.take_ended(at(20)).len(), 1);
        assert_eq!(bans.iter().count(), 0);
    }
}
