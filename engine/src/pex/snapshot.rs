//! The addresses of a book at one moment, packed into bytes that any shard may hold.
//!
//! ```text
//!   new u32 LE │ old u32 LE │ record … (new ones first, then old ones)
//!   record: id (20) │ IP as IPv6, IPv4 mapped (16) │ port u16 BE (2)
//! ```
//!
//! The book lives on one shard; the others answer their peers from a snapshot. It holds what a
//! selection needs and nothing else, so one of the fullest book has 760 KiB, and copying it is
//! taking a reference. The reader checks lengths once; afterwards every record is what it seems.

use std::fmt;
use std::net::Ipv6Addr;

use bytes::Bytes;
use ringwire_codec::{NetAddress, NodeId};

use super::bucket::{ADDRESSES_MAX, ip_bytes};
use super::selection::Population;
use crate::chance::Chance;

const HEADER_BYTES: usize = 8;
const RECORD_BYTES: usize = 20 + 16 + 2;

/// An unchanging table of addresses. Cloning it copies a reference.
#[derive(Clone, PartialEq, Eq)]
pub struct BookSnapshot {
    bytes: Bytes,
    population: Population,
}

impl BookSnapshot {
    /// Packs what `numbered` tells for each number of the population.
    pub(super) fn new<'a>(
        population: Population,
        numbered: impl Fn(u16) -> &'a NetAddress,
    ) -> Self {
        let len = population.new + population.old;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + len * RECORD_BYTES);
        for count in [population.new, population.old] {
            let count = u32::try_from(count).expect("a book is smaller than 2^16");
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        for number in 0..len {
            let number = u16::try_from(number).expect("a book is smaller than 2^16");
            put_record(numbered(number), &mut bytes);
        }
        BookSnapshot {
            bytes: bytes.into(),
            population,
        }
    }

    /// The snapshot of an empty book.
    pub fn empty() -> Self {
        BookSnapshot {
            bytes: Bytes::from_static(&[0; HEADER_BYTES]),
            population: Population { new: 0, old: 0 },
        }
    }

    /// Reads what [`BookSnapshot::into_bytes`] gave. `None` if the length is not that of its
    /// records, or they are more than a book holds.
    pub fn from_bytes(bytes: Bytes) -> Option<Self> {
        let (new, rest) = bytes.split_first_chunk()?;
        let (old, records) = rest.split_first_chunk()?;
        let [new, old] = [new, old].map(|count| u32::from_le_bytes(*count) as usize);
        let len = new.checked_add(old)?;
        let is_whole = len <= ADDRESSES_MAX && records.len() == len * RECORD_BYTES;
        let population = Population { new, old };
        is_whole.then_some(BookSnapshot { bytes, population })
    }

    /// The packed table, to be sent to another shard.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Addresses in it.
    pub fn len(&self) -> usize {
        self.population.new + self.population.old
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Addresses to tell a peer, by the rule of [`AddrBook::selection`](super::AddrBook::selection).
    pub fn selection(&self, chance: &mut Chance) -> Vec<NetAddress> {
        self.addresses(&self.population.select(chance))
    }

    /// Addresses to tell a peer, by the rule of
    /// [`AddrBook::selection_with_bias`](super::AddrBook::selection_with_bias).
    pub fn selection_with_bias(&self, chance: &mut Chance, bias_new: u8) -> Vec<NetAddress> {
        self.addresses(&self.population.select_with_bias(chance, bias_new))
    }

    fn addresses(&self, numbers: &[u16]) -> Vec<NetAddress> {
        numbers.iter().map(|number| self.address(*number)).collect()
    }

    fn address(&self, number: u16) -> NetAddress {
        let at = HEADER_BYTES + usize::from(number) * RECORD_BYTES;
        let record: &[u8; RECORD_BYTES] = self.bytes[at..]
            .first_chunk()
            .expect("the length was checked against the number of records");
        let [id @ .., _, _] = record;
        let (id, ip) = id.split_at(20);
        let id = id.try_into().expect("twenty bytes were split off");
        let ip: [u8; 16] = ip
            .try_into()
            .expect("sixteen bytes are left before the port");
        let port = u16::from_be_bytes([record[36], record[37]]);
        NetAddress::from_ip(NodeId::from_bytes(id), Ipv6Addr::from(ip).into(), port)
    }
}

fn put_record(address: &NetAddress, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(address.id.as_bytes());
    bytes.extend_from_slice(&ip_bytes(&address.host));
    bytes.extend_from_slice(&address.port.to_be_bytes());
}

impl fmt::Debug for BookSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Population { new, old } = self.population;
        f.debug_struct("BookSnapshot")
            .field("new", &new)
            .field("old", &old)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Vec<NetAddress> {
        let hosts = ["1.2.3.4", "[2602:100::1]", "255.254.253.252"];
        let text = |n: usize| format!("{:040x}@{}:{}", n, hosts[n % 3], 65_535 - n);
        (0..100).map(|n| text(n).parse().unwrap()).collect()
    }

    fn snapshot(new: usize) -> BookSnapshot {
        let addresses = addresses();
        let old = addresses.len() - new;
        BookSnapshot::new(Population { new, old }, |at| &addresses[usize::from(at)])
    }

    #[test]
    fn every_address_comes_back_from_the_bytes() {
        let snapshot = BookSnapshot::from_bytes(snapshot(60).into_bytes()).unwrap();
        assert_eq!(snapshot.len(), 100);
        let read: Vec<_> = (0..100).map(|number| snapshot.address(number)).collect();
        assert_eq!(read, addresses());
    }

    #[test]
    fn a_selection_of_a_snapshot_follows_the_rules_of_the_book() {
        let mut chance = Chance::new([1; 32]);
        let snapshot = snapshot(60);
        let all = addresses();
        assert_eq!(snapshot.selection(&mut chance).len(), 32);
        let selected = snapshot.selection_with_bias(&mut chance, 25);
        let (new, old) = selected.split_at(8);
        assert!(new.iter().all(|address| all[..60].contains(address)));
        assert!(old.iter().all(|address| all[60..].contains(address)));
        assert_eq!(old.len(), 24);
        assert_eq!(BookSnapshot::empty().selection(&mut chance), []);
        assert!(BookSnapshot::empty().is_empty());
    }

    #[test]
    fn bytes_of_another_length_are_no_snapshot() {
        let whole = snapshot(60).into_bytes();
        assert!(BookSnapshot::from_bytes(whole.clone()).is_some());
        assert_eq!(BookSnapshot::from_bytes(whole.slice(1..)), None);
        assert_eq!(
            BookSnapshot::from_bytes(whole.slice(..whole.len() - 1)),
            None
        );
        assert_eq!(BookSnapshot::from_bytes(whole.slice(..7)), None);
        assert_eq!(BookSnapshot::from_bytes(Bytes::new()), None);
        let empty = BookSnapshot::from_bytes(BookSnapshot::empty().into_bytes());
        assert_eq!(empty, Some(BookSnapshot::empty()));
        let too_many = |len: u32| {
            let mut bytes = vec![0; HEADER_BYTES + len as usize * RECORD_BYTES];
            bytes[..4].copy_from_slice(&len.to_le_bytes());
            BookSnapshot::from_bytes(bytes.into()).is_some()
        };
        assert!(too_many(20_480) && !too_many(20_481));
    }
}
