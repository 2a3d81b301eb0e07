//! The map of a directory: peers by id, of which many snapshots are kept at the price of one.
//!
//! It is a tree of 16 ways, one digit of the id a level. A change copies the branches on its way, and
//! shares all others with the snapshots that readers keep:
//!
//! ```text
//!   former snapshot   root ─▶ [0 1 … f]            a join of 1c…: two branches are new,
//!                              │ │   └─▶ ▒         all that is drawn as ▒ is shared
//!                              ▒ ▒ (former)
//!   the map           root ─▶ [0 1 … f]
//!                              │ └─▶ [… c …] ─▶ the peer
//!                              ▒
//! ```
//!
//! Ids are hashes of keys, so 10,000 of them need four levels or five. Who makes up keys until their
//! ids agree in so many digits deepens the tree by as many levels for sixteen times the work each; it
//! ends after the forty digits of an id.
//!
//! Between two calls: a branch has two peers below it at least, and each peer lies on the path of its
//! digits. So the tree's form follows from who is in it, and not from who came and went.

use std::sync::Arc;

use ringwire_codec::NodeId;

use crate::shard::queue_room::PeerEntry;

/// Branches of a node of the tree: one for each value of a digit of four bits.
const WAYS: usize = 16;

/// Peers by id. A clone is a snapshot, and costs one reference.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerMap {
    root: Slot,
    len: usize,
}

#[derive(Clone, Debug, Default)]
enum Slot {
    #[default]
    Empty,
    Peer(Arc<PeerEntry>),
    Branch(Arc<Branch>),
}

#[derive(Clone, Debug, Default)]
struct Branch([Slot; WAYS]);

impl PeerMap {
    /// How many peers are in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The entry of a peer.
    pub(super) fn get(&self, id: &NodeId) -> Option<&Arc<PeerEntry>> {
        let mut slot = &self.root;
        for level in 0.. {
            match slot {
                Slot::Branch(branch) => slot = &branch.0[digit(id, level)],
                Slot::Peer(entry) => return Some(entry).filter(|entry| entry.info().id == *id),
                Slot::Empty => return None,
            }
        }
        unreachable!("each level is deeper, and a path ends with its id")
    }

    /// All entries, by id.
    pub(super) fn entries(&self) -> Vec<Arc<PeerEntry>> {
        let mut entries = Vec::with_capacity(self.len);
        self.root.collect(&mut entries);
        entries
    }

    /// Puts an entry in, in the place of another one of its id.
    pub(super) fn insert(&mut self, entry: Arc<PeerEntry>) {
        let is_more = self.root.insert(entry, 0);
        self.len += usize::from(is_more);
    }

    /// Takes this very entry out; another one of its id stays.
    pub(super) fn remove(&mut self, entry: &Arc<PeerEntry>) {
        // Looked for first: on the way to take it out branches are copied.
        let is_there = self
            .get(&entry.info().id)
            .is_some_and(|held| Arc::ptr_eq(held, entry));
        if is_there {
            self.root.remove(&entry.info().id, 0);
            self.len -= 1;
        }
    }
}

impl Slot {
    fn collect(&self, entries: &mut Vec<Arc<PeerEntry>>) {
        match self {
            Slot::Empty => {}
            Slot::Peer(entry) => entries.push(entry.clone()),
            Slot::Branch(branch) => branch.0.iter().for_each(|slot| slot.collect(entries)),
        }
    }

    /// Puts an entry in below this level; true unless it took the place of another.
    fn insert(&mut self, entry: Arc<PeerEntry>, level: usize) -> bool {
        match self {
            Slot::Empty => {
                *self = Slot::Peer(entry);
                true
            }
            Slot::Peer(held) if held.info().id == entry.info().id => {
                *held = entry;
                false
            }
            Slot::Peer(held) => {
                // Two in one place: both go a level down, where they differ or meet again.
                let mut branch = Branch::default();
                branch.0[digit(&held.info().id, level)] = Slot::Peer(held.clone());
                *self = Slot::Branch(Arc::new(branch));
                self.insert(entry, level)
            }
            Slot::Branch(branch) => {
                let digit = digit(&entry.info().id, level);
                Arc::make_mut(branch).0[digit].insert(entry, level + 1)
            }
        }
    }

    /// Takes out the peer of this id, which is there.
    fn remove(&mut self, id: &NodeId, level: usize) {
        let Slot::Branch(branch) = self else {
            *self = Slot::Empty;
            return;
        };
        let slots = Arc::make_mut(branch);
        slots.0[digit(id, level)].remove(id, level + 1);
        if let Some(last) = slots.last_peer() {
            *self = Slot::Peer(last);
        }
    }
}

impl Branch {
    /// The one peer of a branch that has nothing else.
    fn last_peer(&self) -> Option<Arc<PeerEntry>> {
        let mut taken = self.0.iter().filter(|slot| !matches!(slot, Slot::Empty));
        match (taken.next(), taken.next()) {
            (Some(Slot::Peer(last)), None) => Some(last.clone()),
            _ => None,
        }
    }
}

/// The digit of an id that decides at a level, the first one at the root.
fn digit(id: &NodeId, level: usize) -> usize {
    let byte = id.as_bytes()[level / 2];
    usize::from(match level % 2 {
        0 => byte >> 4,
        _ => byte & 0xf,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::hint::black_box;
    use std::time::Instant;

    use super::*;
    use crate::shard::queue_room::tests::entry_of;

    /// Ids that nobody chose, as keys give them.
    fn ids(count: u32) -> impl Iterator<Item = NodeId> {
        (0..count).map(|number| {
            let hash = blake3::hash(&number.to_le_bytes());
            NodeId::from_bytes(hash.as_bytes()[..20].try_into().expect("20 bytes"))
        })
    }

    fn map_of(ids: impl Iterator<Item = NodeId>) -> PeerMap {
        let mut map = PeerMap::default();
        ids.for_each(|id| map.insert(entry_of(id, 0)));
        map
    }

    impl PeerMap {
        fn invariants(&self) {
            assert_eq!(self.root.count(&mut Vec::new()), self.len);
        }

        /// Branches of this map that `other` does not share.
        fn own_branches(&self, other: &PeerMap) -> usize {
            self.root.own_branches(&other.root)
        }
    }

    impl Slot {
        /// Peers below, each on its path.
        fn count(&self, path: &mut Vec<usize>) -> usize {
            match self {
                Slot::Empty => 0,
                Slot::Peer(entry) => {
                    let digits = (0..path.len()).map(|level| digit(&entry.info().id, level));
                    assert!(digits.eq(path.iter().copied()), "it lies on its path");
                    1
                }
                Slot::Branch(branch) => {
                    let below = branch.0.iter().enumerate().map(|(digit, slot)| {
                        path.push(digit);
                        let count = slot.count(path);
                        path.pop();
                        count
                    });
                    let count = below.sum();
                    assert!(count >= 2, "a branch with less is none");
                    count
                }
            }
        }

        fn own_branches(&self, other: &Slot) -> usize {
            let Slot::Branch(branch) = self else { return 0 };
            let former = match other {
                Slot::Branch(former) if Arc::ptr_eq(branch, former) => return 0,
                Slot::Branch(former) => former.clone(),
                _ => Arc::default(),
            };
            let pairs = branch.0.iter().zip(&former.0);
            1 + pairs
                .map(|(slot, former)| slot.own_branches(former))
                .sum::<usize>()
        }
    }

    #[test]
    fn peers_that_come_and_go_are_found_as_in_a_plain_map() {
        let (mut map, mut model) = (PeerMap::default(), BTreeMap::new());
        let known: Vec<_> = ids(300).collect();
        let mut random = blake3::Hasher::new().finalize_xof();
        for step in 0..5000 {
            let mut draw = [0; 4];
            random.fill(&mut draw);
            let id = known[u32::from_le_bytes(draw) as usize % known.len()];
            match model.remove(&id) {
                // Half the time a newer connection takes the place, before the former one leaves.
                Some(former) if step % 2 == 0 => {
                    let newer = entry_of(id, step);
                    map.insert(newer.clone());
                    map.remove(&former);
                    model.insert(id, newer);
                }
                Some(former) => map.remove(&former),
                None => {
                    let entry = entry_of(id, step);
                    map.insert(entry.clone());
                    model.insert(id, entry);
                }
            }
            if step % 100 == 0 {
                map.invariants();
            }
        }
        map.invariants();
        let entries = map.entries();
        assert_eq!(entries.len(), map.len());
        assert!(
            entries
                .iter()
                .zip(model.values())
                .all(|(a, b)| Arc::ptr_eq(a, b))
        );
        for id in &known {
            let (found, expected) = (map.get(id), model.get(id));
            assert_eq!(found.map(Arc::as_ptr), expected.map(Arc::as_ptr));
        }
        model.values().for_each(|entry| map.remove(entry));
        assert!(map.len() == 0 && matches!(map.root, Slot::Empty));
    }

    #[test]
    fn a_join_and_a_leave_copy_their_path_and_leave_the_snapshot_as_it_was() {
        let mut map = map_of(ids(10_000));
        for id in ids(10_100).skip(10_000) {
            let former = map.clone();
            let entry = entry_of(id, 0);
            map.insert(entry.clone());
            let copied = map.own_branches(&former);
            assert!((1..=8).contains(&copied), "{copied} branches of thousands");
            assert!(former.get(&id).is_none() && former.len() == 10_000);

            let with_it = map.clone();
            map.remove(&entry);
            assert!(map.own_branches(&with_it) <= 8);
            assert!(with_it.get(&id).is_some() && with_it.len() == 10_001);
        }
        map.invariants();
    }

    #[test]
    fn the_removal_of_who_is_not_there_copies_nothing() {
        let mut map = map_of(ids(100));
        let former = map.clone();
        // A stranger, and a former connection of somebody who is there.
        map.remove(&entry_of(ids(101).last().expect("the last"), 0));
        map.remove(&entry_of(ids(1).last().expect("the first"), 0));
        assert_eq!((map.len(), map.own_branches(&former)), (100, 0));
    }

    #[test]
    fn ids_that_differ_in_their_last_digit_only_have_their_places() {
        let twin = |last: u8| {
            let mut bytes = [7; 20];
            bytes[19] = last;
            NodeId::from_bytes(bytes)
        };
        let mut map = map_of((0..16).map(twin));
        map.invariants();
        assert!((0..16).all(|last| map.get(&twin(last)).is_some()));
        assert!(map.get(&twin(16)).is_none());
        for last in 0..15 {
            let entry = map.get(&twin(last)).expect("it is there").clone();
            map.remove(&entry);
            map.invariants();
        }
        // The last of them needs no branch.
        assert!(matches!(map.root, Slot::Peer(_)));
    }

    /// The figures of decision 38. Nothing is asserted: they are the machine's.
    #[test]
    #[ignore = "prints figures"]
    fn joins_and_look_ups_take_the_time_that_this_prints() {
        for count in [100, 1000, 10_000] {
            let entries: Vec<_> = ids(count).map(|id| entry_of(id, 0)).collect();
            let per = |what: &str, began: Instant| {
                println!("{count:>6} {what}: {:?}", began.elapsed() / count);
            };
            let (mut whole, mut snapshot) = (Arc::new(std::collections::HashMap::new()), None);
            let began = Instant::now();
            for entry in &entries {
                Arc::make_mut(&mut whole).insert(entry.info().id, entry.clone());
                snapshot = Some(whole.clone());
            }
            per("joins, a whole map copied", began);
            let began = Instant::now();
            for entry in &entries {
                black_box(whole.get(&black_box(entry.info().id)).cloned());
            }
            per("look-ups, a whole map", began);
            drop(snapshot);

            let (mut map, mut snapshot) = (PeerMap::default(), PeerMap::default());
            let began = Instant::now();
            for entry in &entries {
                map.insert(entry.clone());
                snapshot = map.clone();
            }
            per("joins, paths copied", began);
            let began = Instant::now();
            for entry in &entries {
                black_box(map.get(&black_box(entry.info().id)).cloned());
            }
            per("look-ups, paths", began);
            drop(snapshot);
        }
    }
}
