//! The book's file: JSON as the reference writes it, indented with tabs.
//!
//! ```text
//! { "key": 24 hex digits,
//!   "addrs": [ { "addr": {"id","ip","port"}, "src": {…}, "buckets": [n…], "attempts": n,
//!                "bucket_type": 1 new | 2 old, "last_attempt", "last_success", "last_ban_time" } ],
//!   "bucket_hash": 8 hex digits,        ours: what decided the buckets (see `bucket.rs`)
//!   "banned": [ … ] }                   ours: entries whose ban ends at "last_ban_time"
//! ```
//!
//! Fields that one side does not know, it passes over; so each reads the other's file. The file is
//! read as Go reads it (see `go_json.rs`), and more kindly where a book was edited or damaged: what an
//! entry needs is an address. Without that it is counted and left out; whatever else is damaged counts
//! as missing. A key that is not ours, of any form, costs nothing: it only decides places.
//!
//! What makes the whole no address book is an error, and so is one that is too large: this is a file
//! that others can make us write into.

use std::fmt;
use std::net::IpAddr;

use ringwire_codec::{Host, NetAddress, NodeId};
use serde::Serialize;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde::ser::{SerializeStruct as _, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

use super::bans::BANS_MAX;
use super::bucket::{BOOK_KEY_BYTES, BUCKET_LEN_MAX, NEW_BUCKETS, OLD_BUCKETS};
use super::go_json::Object;
use super::known_address::{ATTEMPTS_MAX, Class, KnownAddress};
use super::timestamp::Timestamp;

/// The longest file that is read, in bytes. The fullest book with all bans has 24 576 entries of at
/// most 760 bytes each.
pub const BOOK_FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Addresses in a file at most: the reference's buckets take one more than their size.
const ENTRIES_MAX: usize = (NEW_BUCKETS as usize + OLD_BUCKETS as usize) * (BUCKET_LEN_MAX + 1);

const _: () = assert!((ENTRIES_MAX + BANS_MAX) * 1000 < BOOK_FILE_BYTES_MAX);

/// Bytes of an entry as it is written, of IPv4 and with one bucket, rounded up.
const ENTRY_BYTES_USUAL: usize = 600;
/// Bytes beside the entries, rounded up.
const HEAD_BYTES: usize = 256;

/// Why bytes are not an address book.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BookFileError {
    /// There are more bytes than any book has.
    #[error("the file has {len} bytes, and an address book at most {BOOK_FILE_BYTES_MAX}")]
    TooLong {
        /// Bytes of the file.
        len: usize,
    },
    /// It is not JSON of this form, or lists more entries than a book holds.
    #[error("the file is not an address book: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is JSON of another kind: an object with fields, but no list of addresses.
    #[error("the file is not an address book: it has no \"addrs\"")]
    NoAddresses,
}

/// What a file holds.
pub(super) struct LoadedBook {
    /// The book's key, if it is one as we write it.
    pub(super) book_key: Option<[u8; BOOK_KEY_BYTES]>,
    /// What decided the buckets of the entries, if the file says so.
    pub(super) fingerprint: Option<[u8; 4]>,
    pub(super) addresses: Vec<LoadedEntry>,
    pub(super) banned: Vec<LoadedEntry>,
    /// Entries that could not be read.
    pub(super) malformed: usize,
}

/// One entry: the address in no bucket yet, and the buckets it names.
pub(super) struct LoadedEntry {
    pub(super) known: KnownAddress,
    pub(super) buckets: Vec<u16>,
}

/// Reads a file.
pub(super) fn load(bytes: &[u8]) -> Result<LoadedBook, BookFileError> {
    if bytes.len() > BOOK_FILE_BYTES_MAX {
        return Err(BookFileError::TooLong { len: bytes.len() });
    }
    let text = String::from_utf8_lossy(bytes);
    let [key, addrs, bucket_hash, banned] = [0, 1, 2, 3];
    let file = Object::read(&text, &["key", "addrs", "bucket_hash", "banned"])?;
    let (mut entries, mut bans) = (Entries::default(), Entries::default());
    if let Some(list) = file.raw(addrs) {
        entries = Entries::read(list, ENTRIES_MAX)?;
    } else if !file.is_empty && !file.has(addrs) {
        // Whoever named a file of another kind as the book would lose it at the first save.
        return Err(BookFileError::NoAddresses);
    }
    if let Some(list) = file.raw(banned) {
        bans = Entries::read(list, BANS_MAX)?;
    }
    Ok(LoadedBook {
        book_key: file.get::<String>(key).and_then(|text| digits(&text)),
        fingerprint: file
            .get::<String>(bucket_hash)
            .and_then(|text| digits(&text)),
        addresses: entries.whole,
        banned: bans.whole,
        malformed: entries.damaged + bans.damaged,
    })
}

/// Bytes from exactly so many hexadecimal digits.
fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// A book to be written: values of its own, so that it can be rendered on any thread.
pub(super) struct BookFile {
    pub(super) book_key: [u8; BOOK_KEY_BYTES],
    pub(super) fingerprint: [u8; 4],
    pub(super) addresses: Vec<KnownAddress>,
    pub(super) banned: Vec<KnownAddress>,
}

impl BookFile {
    /// The text of the file.
    pub(super) fn render(&self) -> Vec<u8> {
        let entries = self.addresses.len() + self.banned.len();
        // Asked for at once: growing by doubling would hold the text three times over.
        let mut text = Vec::with_capacity(HEAD_BYTES + entries * ENTRY_BYTES_USUAL);
        let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, tabs);
        self.serialize(&mut serializer)
            .expect("text, numbers and lists are always JSON, and memory takes all bytes");
        text
    }
}

impl Serialize for BookFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut file = serializer.serialize_struct("BookFile", 4)?;
        file.serialize_field("key", &hex::encode(self.book_key))?;
        file.serialize_field("addrs", &Written(&self.addresses))?;
        file.serialize_field("bucket_hash", &hex::encode(self.fingerprint))?;
        file.serialize_field("banned", &Written(&self.banned))?;
        file.end()
    }
}

struct Written<'a>(&'a [KnownAddress]);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(EntryText::new))
    }
}

/// An entry as it is written.
#[derive(Serialize)]
struct EntryText<'a> {
    addr: AddressText,
    src: AddressText,
    buckets: &'a [u16],
    attempts: u32,
    bucket_type: BucketType,
    last_attempt: Timestamp,
    last_success: Timestamp,
    last_ban_time: Timestamp,
}

impl<'a> EntryText<'a> {
    fn new(known: &'a KnownAddress) -> Self {
        EntryText {
            addr: AddressText::new(&known.address),
            src: AddressText::new(&known.source),
            buckets: known.buckets.as_slice(),
            attempts: known.attempts,
            bucket_type: BucketType(known.class),
            last_attempt: known.last_attempt,
            last_success: known.last_success,
            last_ban_time: known.banned_until,
        }
    }
}

/// An address as it is written.
#[derive(Serialize)]
struct AddressText {
    id: NodeId,
    ip: IpAddr,
    port: u16,
}

impl AddressText {
    fn new(address: &NetAddress) -> Self {
        let NetAddress {
            id,
            host: Host::Ip(ip),
            port,
        } = *address
        else {
            unreachable!("names never come into the book")
        };
        AddressText { id, ip, port }
    }
}

struct BucketType(Class);

impl Serialize for BucketType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(match self.0 {
            Class::New => 1,
            Class::Old => 2,
        })
    }
}

/// The entries of a list that could be read, and how many could not.
#[derive(Default)]
struct Entries {
    whole: Vec<LoadedEntry>,
    damaged: usize,
}

impl Entries {
    /// Reads a list of at most `max` entries.
    fn read(list: &RawValue, max: usize) -> serde_json::Result<Entries> {
        serde_json::Deserializer::from_str(list.get()).deserialize_seq(EntriesVisitor { max })
    }

    fn push(&mut self, entry: Option<LoadedEntry>) {
        match entry {
            Some(entry) => self.whole.push(entry),
            None => self.damaged += 1,
        }
    }
}

struct EntriesVisitor {
    max: usize,
}

impl<'t> Visitor<'t> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {} addresses", self.max)
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<Entries, A::Error> {
        let mut entries = Entries::default();
        while let Some(entry) = list.next_element::<&RawValue>()? {
            let len = entries.whole.len() + entries.damaged;
            if len == self.max {
                return Err(serde::de::Error::invalid_length(len + 1, &self));
            }
            entries.push(LoadedEntry::read(entry));
        }
        Ok(entries)
    }
}

impl LoadedEntry {
    /// Reads an entry; none if it has no address.
    fn read(entry: &RawValue) -> Option<LoadedEntry> {
        let names = [
            "addr",
            "src",
            "buckets",
            "attempts",
            "bucket_type",
            "last_attempt",
            "last_success",
            "last_ban_time",
        ];
        let entry = Object::read(entry.get(), &names).ok()?;
        let address = address(entry.raw(0)?)?;
        // Who told of it is lost, so it counts as told by itself: a network of its own.
        let source = entry.raw(1).and_then(self::address);
        let source = source.unwrap_or_else(|| address.clone());
        let time = |field| entry.get(field).unwrap_or(Timestamp::NEVER);
        let mut known = KnownAddress::new(address, source, time(5));
        known.class = match entry.get::<u8>(4) {
            Some(2) => Class::Old,
            // Hearsay, unless it says that it is more.
            _ => Class::New,
        };
        let attempts = entry.get::<i64>(3).unwrap_or(0);
        known.attempts = u32::try_from(attempts).unwrap_or(0).min(ATTEMPTS_MAX);
        known.last_success = time(6);
        known.banned_until = time(7);
        // A number that is no bucket is kept as one: a place that is impossible is computed anew.
        let bucket = |number: i64| u16::try_from(number).unwrap_or(u16::MAX);
        let buckets: Vec<i64> = entry.get(2).unwrap_or_default();
        Some(LoadedEntry {
            known,
            buckets: buckets.into_iter().map(bucket).collect(),
        })
    }
}

/// An address as it is read. An IPv4 address mapped into IPv6 is read as IPv4.
fn address(address: &RawValue) -> Option<NetAddress> {
    let address = Object::read(address.get(), &["id", "ip", "port"]).ok()?;
    let (id, ip): (NodeId, IpAddr) = (address.get(0)?, address.get(1)?);
    Some(NetAddress::from_ip(id, ip, address.get(2)?))
}
