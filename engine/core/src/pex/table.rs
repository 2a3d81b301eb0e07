//! The table of known addresses: found by id, by bucket and by number.
//!
//! ```text
//!   index: id ─▶ slot            entries[slot] = address, buckets, number
//!   new   ├ buckets: 256 × up to 64 slots      ├ list: number ─▶ slot, in no order
//!   old   └ buckets:  64 × up to 64 slots      └ list: number ─▶ slot, in no order
//! ```
//!
//! A slot stays where it is as long as its address is known. The lists have no holes, so that a
//! random choice of addresses is a choice of numbers. Which address gives way when a bucket is full
//! is decided here; whether an address may come in at all is the book's affair.
//!
//! Between two calls: an address is in one to four new buckets, or in the one old bucket that is
//! its own; each bucket holds an address once, and lists, index and buckets tell the same.

use ringwire_codec::{NetAddress, NodeId};
use slab::Slab;

use super::bucket::{ADDRESSES_MAX, BucketKey, Buckets, NEW_BUCKETS, OLD_BUCKETS, Slot};
use super::index::Index;
use super::known_address::{BucketList, Class, KnownAddress, NEW_BUCKETS_PER_ADDRESS_MAX};
use super::selection::Population;
use super::timestamp::Timestamp;
use crate::chance::Chance;

/// All addresses of a book.
pub(super) struct Table {
    key: BucketKey,
    entries: Slab<Entry>,
    index: Index,
    new: Part,
    old: Part,
}

struct Entry {
    known: KnownAddress,
    /// Its place in the list of its class.
    number: u16,
}

/// The addresses of one class.
struct Part {
    buckets: Buckets,
    list: Vec<Slot>,
}

impl Part {
    fn new(buckets: u16) -> Self {
        Part {
            buckets: Buckets::new(buckets),
            list: Vec::new(),
        }
    }
}

impl Table {
    pub(super) fn new(key: BucketKey) -> Self {
        Table {
            index: Index::new(key.index_key()),
            key,
            entries: Slab::new(),
            new: Part::new(NEW_BUCKETS),
            old: Part::new(OLD_BUCKETS),
        }
    }

    pub(super) fn key(&self) -> &BucketKey {
        &self.key
    }

    pub(super) fn population(&self) -> Population {
        Population {
            new: self.new.list.len(),
            old: self.old.list.len(),
        }
    }

    pub(super) fn slot_of(&self, id: &NodeId) -> Option<Slot> {
        self.index
            .find(id, |slot| self.known(slot).address.id == *id)
    }

    pub(super) fn known(&self, slot: Slot) -> &KnownAddress {
        &self.entry(slot).known
    }

    /// Notes an attempt to connect.
    pub(super) fn attempted(&mut self, slot: Slot, now: Timestamp) {
        self.entry_mut(slot).known.attempted(now);
    }

    /// Notes a success. The address is old from now on.
    pub(super) fn succeeded(&mut self, slot: Slot, now: Timestamp) {
        let known = &mut self.entry_mut(slot).known;
        known.succeeded(now);
        if known.class == Class::New {
            self.promote(slot, now);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &KnownAddress> {
        self.entries.iter().map(|(_, entry)| &entry.known)
    }

    /// The address with this number: new ones first, then old ones.
    pub(super) fn numbered(&self, number: u16) -> &NetAddress {
        let number = usize::from(number);
        let slot = match number.checked_sub(self.new.list.len()) {
            None => self.new.list[number],
            Some(number) => self.old.list[number],
        };
        &self.known(slot).address
    }

    /// A random address of a random bucket of `class`.
    pub(super) fn pick(&self, class: Class, chance: &mut Chance) -> Option<&NetAddress> {
        let slot = self.part(class).buckets.pick(chance)?;
        Some(&self.known(slot).address)
    }

    /// Takes in an address that is not known yet, as a new one in the bucket of its source.
    pub(super) fn insert_new(&mut self, known: KnownAddress, now: Timestamp) {
        let bucket = self.key.new_bucket(&known.address, &known.source);
        let slot = self.insert_entry(known, Class::New);
        self.put_into_new(slot, bucket, now);
    }

    /// Takes in an old address that is not known yet. If its bucket is full it comes in as a new
    /// one: an address in its place has the older right.
    pub(super) fn insert_old(&mut self, known: KnownAddress, now: Timestamp) {
        let bucket = self.key.old_bucket(&known.address);
        if self.old.buckets.is_full(bucket) {
            return self.insert_new(known, now);
        }
        let slot = self.insert_entry(known, Class::Old);
        self.put(slot, bucket);
    }

    /// The buckets that a file names for a new address, if they can be true: one to four different
    /// ones with room.
    pub(super) fn possible_new_buckets(&self, named: &[u16]) -> Option<BucketList> {
        let mut buckets = BucketList::default();
        for bucket in named.iter().copied() {
            let is_possible = buckets.len() < NEW_BUCKETS_PER_ADDRESS_MAX
                && bucket < NEW_BUCKETS
                && !buckets.contains(bucket)
                && !self.new.buckets.is_full(bucket);
            if !is_possible {
                return None;
            }
            buckets.push(bucket);
        }
        (buckets.len() > 0).then_some(buckets)
    }

    /// Takes in a new address that is not known yet, in these possible buckets.
    pub(super) fn insert_new_in(&mut self, known: KnownAddress, buckets: BucketList) {
        let slot = self.insert_entry(known, Class::New);
        for bucket in buckets.as_slice() {
            self.put(slot, *bucket);
        }
    }

    /// Another source tells of a new address: puts it into that source's bucket as well, if it is
    /// not there and not in four buckets.
    pub(super) fn add_source(&mut self, slot: Slot, source: &NetAddress, now: Timestamp) {
        let known = self.known(slot);
        debug_assert_eq!(known.class, Class::New, "an old address has one bucket");
        let bucket = self.key.new_bucket(&known.address, source);
        let has_room = known.buckets.len() < NEW_BUCKETS_PER_ADDRESS_MAX;
        if has_room && !known.buckets.contains(bucket) {
            self.put_into_new(slot, bucket, now);
        }
    }

    /// Forgets an address.
    pub(super) fn remove(&mut self, slot: Slot) -> KnownAddress {
        self.take_out_of_buckets(slot);
        self.unlist(slot);
        let mut known = self.entries.remove(slot.into()).known;
        self.index.remove(&known.address.id, slot);
        known.class = Class::New;
        known
    }

    /// Moves a new address to its old bucket. If that is full, the one in it that was tried longest
    /// ago becomes new again.
    fn promote(&mut self, slot: Slot, now: Timestamp) {
        self.change_class(slot, Class::Old);
        let bucket = self.key.old_bucket(&self.known(slot).address);
        if self.old.buckets.is_full(bucket) {
            let oldest = self.oldest_old(bucket);
            self.change_class(oldest, Class::New);
            let known = self.known(oldest);
            let freed = self.key.new_bucket(&known.address, &known.source);
            self.put_into_new(oldest, freed, now);
        }
        self.put(slot, bucket);
    }

    /// Puts an address into a new bucket. If that is full, its first bad one leaves it, or the one
    /// that was tried longest ago.
    fn put_into_new(&mut self, slot: Slot, bucket: u16, now: Timestamp) {
        if self.new.buckets.is_full(bucket) {
            self.take_out_of(self.least_useful(bucket, now), bucket);
        }
        self.put(slot, bucket);
    }

    /// The first bad address of a full new bucket, or the one that was tried longest ago.
    fn least_useful(&self, bucket: u16, now: Timestamp) -> Slot {
        let slots = self.new.buckets.slots(bucket);
        let mut oldest = (Timestamp::from_unix_nanos(u64::MAX), slots[0]);
        // One pass: looking at an address costs more than judging it.
        for slot in slots.iter().copied() {
            let known = self.known(slot);
            if known.is_bad(now) {
                return slot;
            }
            if known.last_attempt < oldest.0 {
                oldest = (known.last_attempt, slot);
            }
        }
        oldest.1
    }

    /// The address of a full old bucket that was tried longest ago.
    fn oldest_old(&self, bucket: u16) -> Slot {
        let slots = self.old.buckets.slots(bucket).iter();
        let oldest = slots.min_by_key(|slot| self.known(**slot).last_attempt);
        *oldest.expect("a full bucket is not empty")
    }

    fn put(&mut self, slot: Slot, bucket: u16) {
        let known = &mut self.entry_mut(slot).known;
        known.buckets.push(bucket);
        let class = known.class;
        self.part_mut(class).buckets.insert(bucket, slot);
    }

    /// Takes an address out of one new bucket, and forgets it if that was its last.
    fn take_out_of(&mut self, slot: Slot, bucket: u16) {
        let buckets = &mut self.entry_mut(slot).known.buckets;
        buckets.remove(bucket);
        let was_last = buckets.len() == 0;
        self.new.buckets.remove(bucket, slot);
        if was_last {
            self.remove(slot);
        }
    }

    fn take_out_of_buckets(&mut self, slot: Slot) {
        let known = &mut self.entry_mut(slot).known;
        let buckets = std::mem::take(&mut known.buckets);
        let class = known.class;
        for bucket in buckets.as_slice() {
            self.part_mut(class).buckets.remove(*bucket, slot);
        }
    }

    fn change_class(&mut self, slot: Slot, class: Class) {
        self.take_out_of_buckets(slot);
        self.unlist(slot);
        self.list(slot, class);
    }

    fn insert_entry(&mut self, mut known: KnownAddress, class: Class) -> Slot {
        known.buckets = BucketList::default();
        let id = known.address.id;
        debug_assert_eq!(self.slot_of(&id), None, "an id is known once");
        let slot = self.entries.insert(Entry { known, number: 0 });
        let slot = Slot::try_from(slot).expect("a book has fewer places than 2^16");
        self.index.insert(&id, slot);
        self.list(slot, class);
        slot
    }

    fn list(&mut self, slot: Slot, class: Class) {
        let list = &mut self.part_mut(class).list;
        let number = u16::try_from(list.len()).expect("a book has fewer places than 2^16");
        list.push(slot);
        let entry = self.entry_mut(slot);
        entry.known.class = class;
        entry.number = number;
    }

    /// Takes an address off its list; the last one gets its number.
    fn unlist(&mut self, slot: Slot) {
        let entry = self.entry(slot);
        let (number, class) = (entry.number, entry.known.class);
        let list = &mut self.part_mut(class).list;
        list.swap_remove(number.into());
        if let Some(moved) = list.get(usize::from(number)).copied() {
            self.entry_mut(moved).number = number;
        }
    }

    fn part(&self, class: Class) -> &Part {
        match class {
            Class::New => &self.new,
            Class::Old => &self.old,
        }
    }

    fn part_mut(&mut self, class: Class) -> &mut Part {
        match class {
            Class::New => &mut self.new,
            Class::Old => &mut self.old,
        }
    }

    fn entry(&self, slot: Slot) -> &Entry {
        &self.entries[usize::from(slot)]
    }

    fn entry_mut(&mut self, slot: Slot) -> &mut Entry {
        &mut self.entries[usize::from(slot)]
    }

    /// Checks what holds between two calls. It looks at every address and every bucket.
    pub(super) fn invariants(&self) {
        assert!(self.entries.len() <= ADDRESSES_MAX);
        assert_eq!(self.index.len(), self.entries.len());
        assert_eq!(
            self.new.list.len() + self.old.list.len(),
            self.entries.len()
        );
        for (slot, entry) in &self.entries {
            let slot = Slot::try_from(slot).expect("a book has fewer places than 2^16");
            self.entry_invariants(slot, entry);
        }
        for class in [Class::New, Class::Old] {
            let buckets = &self.part(class).buckets;
            buckets.invariants();
            let held: usize = (0..buckets.count()).map(|at| buckets.slots(at).len()).sum();
            let of_class = self.iter().filter(|known| known.class == class);
            let listed: usize = of_class.map(|known| known.buckets.len()).sum();
            assert_eq!(held, listed, "no bucket holds what does not list it");
        }
    }

    fn entry_invariants(&self, slot: Slot, entry: &Entry) {
        let Entry { known, number } = entry;
        assert_eq!(self.slot_of(&known.id()), Some(slot));
        let part = self.part(known.class);
        assert_eq!(part.list[usize::from(*number)], slot);
        let buckets = known.buckets.as_slice();
        for bucket in buckets {
            let slots = part.buckets.slots(*bucket).iter();
            assert_eq!(slots.filter(|held| **held == slot).count(), 1);
        }
        match known.class {
            Class::New => assert!((1..=NEW_BUCKETS_PER_ADDRESS_MAX).contains(&buckets.len())),
            Class::Old => assert_eq!(buckets, [self.key.old_bucket(&known.address)]),
        }
        assert!(known.address.host.ip().is_some() && known.source.host.ip().is_some());
    }
}
