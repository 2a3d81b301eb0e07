//! The buckets of one class, and which bucket an address belongs to.
//!
//! ```text
//!   new:  256 buckets × 64   bucket = f(group of the source, one of 32 by group of the address)
//!   old:   64 buckets × 64   bucket = f(group of the address, one of 4 by the address)
//! ```
//!
//! So all that one network tells lands in 32 of the 256 new buckets, and all addresses of one
//! network in 4 of the 64 old ones, and which these are nobody outside can tell: the hash is BLAKE3
//! keyed by the book's own key, which is kept in its file, and a secret of the node, which is not.
//! Books are published and copied; two nodes that start with one file place its addresses
//! differently, and whoever has the file cannot tell where.
//!
//! Buckets hold slots, the places of addresses in the table. Which of them hold any is kept as bits,
//! so that a bucket that is not empty is chosen at random in one step.

use std::fmt;

use ringwire_codec::{Host, NetAddress, NodeKey};

use super::group::{GROUP_BYTES, Group};
use crate::chance::Chance;

/// Addresses that one bucket holds at most. (The reference writes 64 and takes 65.)
pub(super) const BUCKET_LEN_MAX: usize = 64;
/// Buckets of new addresses.
pub(super) const NEW_BUCKETS: u16 = 256;
/// Buckets of old addresses.
pub(super) const OLD_BUCKETS: u16 = 64;
/// New buckets that one source group can fill.
const NEW_BUCKETS_PER_GROUP: u64 = 32;
/// Old buckets that the addresses of one group can fill.
const OLD_BUCKETS_PER_GROUP: u64 = 4;
/// Addresses that a book holds at most: the places in all its buckets.
pub(super) const ADDRESSES_MAX: usize =
    (NEW_BUCKETS as usize + OLD_BUCKETS as usize) * BUCKET_LEN_MAX;

/// Bytes of a book's key: 96 bits, as in the reference's file.
pub(super) const BOOK_KEY_BYTES: usize = 12;
/// Sets the bucket hash apart from every other use of BLAKE3, and its versions from each other.
const HASH_CONTEXT: &str = "ringwire address book buckets v2";

/// Sets the book's secret apart from all else that follows from a node's key.
const SECRET_CONTEXT: &str = "ringwire address book secret v1";

/// What keeps a book's places from everybody else: it stands in no file but that of the node's key.
#[derive(Clone)]
pub struct BookSecret([u8; 32]);

impl BookSecret {
    /// The secret of the node with this key, the same in each of its lives.
    pub fn of_node(key: &NodeKey) -> Self {
        BookSecret(key.derive_secret(SECRET_CONTEXT))
    }

    /// These bytes as the secret: for tests, and for whoever only looks at a book.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        BookSecret(bytes)
    }
}

impl fmt::Debug for BookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BookSecret").finish_non_exhaustive()
    }
}

/// The place of an address in the table.
pub(super) type Slot = u16;

// One more than fits is there while an address moves between classes.
const _: () = assert!(ADDRESSES_MAX < Slot::MAX as usize);

/// What decides which bucket an address belongs to.
#[derive(Clone)]
pub(super) struct BucketKey {
    book_key: [u8; BOOK_KEY_BYTES],
    hash_key: [u8; 32],
    strict: bool,
}

impl BucketKey {
    /// The places of the book with this key at the node with this secret.
    pub(super) fn new(secret: &BookSecret, book_key: [u8; BOOK_KEY_BYTES], strict: bool) -> Self {
        let mut material = [0; 32 + BOOK_KEY_BYTES];
        material[..32].copy_from_slice(&secret.0);
        material[32..].copy_from_slice(&book_key);
        BucketKey {
            book_key,
            hash_key: blake3::derive_key(HASH_CONTEXT, &material),
            strict,
        }
    }

    /// The key as it is kept in the file.
    pub(super) fn book_key(&self) -> &[u8; BOOK_KEY_BYTES] {
        &self.book_key
    }

    /// Four bytes that differ when the same address would belong elsewhere: by another key, at another
    /// node, by another hash or other groups.
    pub(super) fn fingerprint(&self) -> [u8; 4] {
        let strict = [b'f', u8::from(self.strict)];
        self.hash(&strict).to_le_bytes()[..4]
            .try_into()
            .expect("four of eight bytes")
    }

    /// A key for the table that finds ids, of this book and no other.
    pub(super) fn index_key(&self) -> [u8; 32] {
        *blake3::keyed_hash(&self.hash_key, b"i").as_bytes()
    }

    /// The new bucket of `address` when `source` tells of it.
    pub(super) fn new_bucket(&self, address: &NetAddress, source: &NetAddress) -> u16 {
        let address = Group::of(address, self.strict).to_bytes();
        let source = Group::of(source, self.strict).to_bytes();
        let mut pair = [b'n'; 1 + 2 * GROUP_BYTES];
        pair[1..=GROUP_BYTES].copy_from_slice(&source);
        pair[1 + GROUP_BYTES..].copy_from_slice(&address);
        let share = self.hash(&pair) % NEW_BUCKETS_PER_GROUP;
        self.bucket_of_share(b'N', source, share, NEW_BUCKETS)
    }

    /// The old bucket of `address`.
    pub(super) fn old_bucket(&self, address: &NetAddress) -> u16 {
        let group = Group::of(address, self.strict).to_bytes();
        let share = self.hash(&place_bytes(address)) % OLD_BUCKETS_PER_GROUP;
        self.bucket_of_share(b'O', group, share, OLD_BUCKETS)
    }

    fn bucket_of_share(&self, tag: u8, group: [u8; GROUP_BYTES], share: u64, buckets: u16) -> u16 {
        let mut bytes = [tag; 1 + GROUP_BYTES + 1];
        bytes[1..=GROUP_BYTES].copy_from_slice(&group);
        bytes[1 + GROUP_BYTES] = u8::try_from(share).expect("a group has few buckets");
        let bucket = self.hash(&bytes) % u64::from(buckets);
        u16::try_from(bucket).expect("below a number of 16 bits")
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        let hash = blake3::keyed_hash(&self.hash_key, bytes);
        let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Id, IP and port of an address. Names never come so far; they would count as no IP.
fn place_bytes(address: &NetAddress) -> [u8; 1 + 20 + 16 + 2] {
    let mut bytes = [b'o'; 1 + 20 + 16 + 2];
    bytes[1..21].copy_from_slice(address.id.as_bytes());
    bytes[21..37].copy_from_slice(&ip_bytes(&address.host));
    bytes[37..].copy_from_slice(&address.port.to_be_bytes());
    bytes
}

/// The IP as IPv6, IPv4 mapped into it.
pub(super) fn ip_bytes(host: &Host) -> [u8; 16] {
    match host {
        Host::Ip(std::net::IpAddr::V4(ip)) => ip.to_ipv6_mapped().octets(),
        Host::Ip(std::net::IpAddr::V6(ip)) => ip.octets(),
        Host::Name(_) | Host::Unix(_) => [0; 16],
    }
}

/// Up to [`BUCKET_LEN_MAX`] slots, in no order.
#[derive(Clone)]
struct Bucket {
    slots: [Slot; BUCKET_LEN_MAX],
    len: u8,
}

impl Bucket {
    const EMPTY: Bucket = Bucket {
        slots: [0; BUCKET_LEN_MAX],
        len: 0,
    };

    fn as_slice(&self) -> &[Slot] {
        &self.slots[..usize::from(self.len)]
    }
}

/// All buckets of one class.
pub(super) struct Buckets {
    buckets: Box<[Bucket]>,
    /// A bit for each bucket that holds an address.
    occupied: Box<[u64]>,
    /// How many bits are set.
    occupied_len: u16,
}

impl Buckets {
    /// `count` empty buckets.
    pub(super) fn new(count: u16) -> Self {
        Buckets {
            buckets: vec![Bucket::EMPTY; count.into()].into(),
            occupied: vec![0; usize::from(count).div_ceil(64)].into(),
            occupied_len: 0,
        }
    }

    /// How many buckets there are.
    pub(super) fn count(&self) -> u16 {
        u16::try_from(self.buckets.len()).expect("made from a number of 16 bits")
    }

    /// What `bucket` holds, in no order.
    pub(super) fn slots(&self, bucket: u16) -> &[Slot] {
        self.buckets[usize::from(bucket)].as_slice()
    }

    pub(super) fn is_full(&self, bucket: u16) -> bool {
        self.slots(bucket).len() == BUCKET_LEN_MAX
    }

    /// Puts `slot` into `bucket`, which does not hold it.
    ///
    /// # Panics
    ///
    /// If the bucket is full, which the caller looks at first.
    pub(super) fn insert(&mut self, bucket: u16, slot: Slot) {
        debug_assert!(!self.slots(bucket).contains(&slot));
        let held = &mut self.buckets[usize::from(bucket)];
        held.slots[usize::from(held.len)] = slot;
        held.len += 1;
        if held.len == 1 {
            self.occupied[usize::from(bucket / 64)] |= 1 << (bucket % 64);
            self.occupied_len += 1;
        }
    }

    /// Takes `slot` out of `bucket`.
    pub(super) fn remove(&mut self, bucket: u16, slot: Slot) {
        let held = &mut self.buckets[usize::from(bucket)];
        let at = held.as_slice().iter().position(|place| *place == slot);
        let at = at.expect("an address is in the buckets it lists");
        held.len -= 1;
        held.slots[at] = held.slots[usize::from(held.len)];
        if held.len == 0 {
            self.occupied[usize::from(bucket / 64)] &= !(1 << (bucket % 64));
            self.occupied_len -= 1;
        }
    }

    /// Chooses a bucket among those that hold anything, then a slot in it.
    pub(super) fn pick(&self, chance: &mut Chance) -> Option<Slot> {
        if self.occupied_len == 0 {
            return None;
        }
        let nth = chance.below(self.occupied_len.into());
        let slots = self.slots(self.nth_occupied(nth));
        let len = u32::try_from(slots.len()).expect("a bucket is small");
        Some(slots[chance.below(len) as usize])
    }

    /// The bucket with `nth` occupied ones before it.
    fn nth_occupied(&self, mut nth: u32) -> u16 {
        if self.occupied_len == self.count() {
            return u16::try_from(nth).expect("below a number of 16 bits");
        }
        for (at, word) in (0..).zip(self.occupied.iter()) {
            let ones = word.count_ones();
            if nth < ones {
                let mut rest = *word;
                for _ in 0..nth {
                    rest &= rest - 1;
                }
                return at * 64 + u16::try_from(rest.trailing_zeros()).expect("below 64");
            }
            nth -= ones;
        }
        unreachable!("the caller counted the ones")
    }

    /// Checks that the bits tell which buckets hold anything.
    pub(super) fn invariants(&self) {
        let ones: u32 = self.occupied.iter().map(|word| word.count_ones()).sum();
        assert_eq!(ones, u32::from(self.occupied_len));
        for bucket in 0..self.count() {
            let bit = self.occupied[usize::from(bucket / 64)] >> (bucket % 64) & 1;
            let slots = self.slots(bucket);
            assert_eq!(bit == 1, !slots.is_empty(), "bucket {bucket}");
            assert!(slots.len() <= BUCKET_LEN_MAX, "bucket {bucket}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    use ringwire_codec::NodeId;

    use super::*;

    fn address(ip: u32, id: u8) -> NetAddress {
        NetAddress::from_ip(NodeId::from_bytes([id; 20]), Ipv4Addr::from(ip).into(), 1)
    }

    const SECRET: BookSecret = BookSecret::from_bytes([9; 32]);

    fn key(byte: u8) -> BucketKey {
        BucketKey::new(&SECRET, [byte; BOOK_KEY_BYTES], true)
    }

    #[test]
    fn one_source_group_fills_thirty_two_new_buckets_and_one_group_four_old_ones() {
        let source = address(0x0102_0304, 1);
        let new: BTreeSet<u16> = (0..4000_u32)
            .map(|n| key(1).new_bucket(&address(0x0c00_0000 + (n << 16), 2), &source))
            .collect();
        // 32 draws out of 256 may meet.
        assert!((24..=32).contains(&new.len()), "{}", new.len());
        let old: BTreeSet<u16> = (0..4000_u32)
            .map(|n| key(1).old_bucket(&address(0x0c01_0000 + n, 2)))
            .collect();
        assert!((2..=4).contains(&old.len()), "{}", old.len());
    }

    #[test]
    fn buckets_follow_from_key_and_address_and_all_are_used() {
        let (mut new, mut old) = (BTreeSet::new(), BTreeSet::new());
        let mut moved = 0;
        for n in 0..10_000_u32 {
            let (told, source) = (
                address(n * 429_496, 2),
                address(n.wrapping_mul(77_777_777), 3),
            );
            let bucket = key(1).new_bucket(&told, &source);
            assert_eq!(bucket, key(1).new_bucket(&told, &source));
            moved += u32::from(bucket != key(2).new_bucket(&told, &source));
            new.insert(bucket);
            old.insert(key(1).old_bucket(&told));
        }
        assert_eq!((new.len(), old.len()), (256, 64));
        assert!(moved > 9_000, "another key, another place: {moved}");
        assert!(new.iter().all(|bucket| *bucket < NEW_BUCKETS));
    }

    #[test]
    fn the_fingerprint_tells_keys_and_strictness_apart() {
        let strict = key(1).fingerprint();
        assert_eq!(strict, key(1).fingerprint());
        assert_ne!(strict, key(2).fingerprint());
        let loose = BucketKey::new(&SECRET, [1; BOOK_KEY_BYTES], false);
        assert_ne!(strict, loose.fingerprint());
        let other = BookSecret::from_bytes([8; 32]);
        let other = BucketKey::new(&other, [1; BOOK_KEY_BYTES], true);
        assert_ne!(strict, other.fingerprint());
    }

    #[test]
    fn sixty_four_fit_into_a_bucket() {
        let mut buckets = Buckets::new(3);
        for slot in 0..64 {
            assert!(!buckets.is_full(2));
            buckets.insert(2, slot);
            buckets.invariants();
        }
        assert!(buckets.is_full(2));
        for slot in 0..64 {
            buckets.remove(2, slot);
            buckets.invariants();
        }
        assert!(buckets.slots(2).is_empty());
    }

    #[test]
    fn only_buckets_that_hold_something_are_picked_from_and_each_equally_often() {
        let mut chance = Chance::new([5; 32]);
        let mut buckets = Buckets::new(NEW_BUCKETS);
        assert_eq!(buckets.pick(&mut chance), None);
        for (bucket, slots) in [(0, 0..1), (63, 1..3), (64, 3..7), (255, 7..57)] {
            slots.for_each(|slot| buckets.insert(bucket, slot));
        }
        let mut picked = [0; 4];
        for _ in 0..4000 {
            match buckets.pick(&mut chance).unwrap() {
                0 => picked[0] += 1,
                1..3 => picked[1] += 1,
                3..7 => picked[2] += 1,
                _ => picked[3] += 1,
            }
        }
        assert!(
            picked.iter().all(|times| (880..1120).contains(times)),
            "{picked:?}"
        );
    }
}
