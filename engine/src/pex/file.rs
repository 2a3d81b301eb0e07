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
//! Fields that one side does not know, it passes over; so each reads the other's file. A damaged
//! entry costs itself: it is counted and left out. What makes the whole no address book is an error,
//! and so is one that is too large: this is a file that others can make us write into.

use std::fmt;
use std::net::IpAddr;

use ringwire_codec::{Host, NetAddress, NodeId};
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::ser::{SerializeStruct as _, Serializer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::bans::BANS_MAX;
use super::bucket::{BOOK_KEY_BYTES, BUCKET_LEN_MAX, NEW_BUCKETS, OLD_BUCKETS};
use super::known_address::{ATTEMPTS_MAX, Class, KnownAddress};
use super::timestamp::Timestamp;

/// The longest file that is read, in bytes. The fullest book with all bans has 24 576 entries of at
/// most 760 bytes each.
pub const BOOK_FILE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Addresses in a file at most: the reference's buckets take one more than their size.
const ENTRIES_MAX: usize = (NEW_BUCKETS as usize + OLD_BUCKETS as usize) * (BUCKET_LEN_MAX + 1);

const _: () = assert!((ENTRIES_MAX + BANS_MAX) * 1000 < BOOK_FILE_BYTES_MAX);

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
    /// The book's key is not 24 hexadecimal digits.
    #[error("the key of the address book is not {} hexadecimal digits", 2 * BOOK_KEY_BYTES)]
    BadKey,
}

/// What a file holds.
pub(super) struct LoadedBook {
    pub(super) book_key: [u8; BOOK_KEY_BYTES],
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
    let file: FileText = serde_json::from_slice(bytes)?;
    let mut book_key = [0; BOOK_KEY_BYTES];
    hex::decode_to_slice(&file.key, &mut book_key).map_err(|_| BookFileError::BadKey)?;
    let (addresses, malformed_addresses) = file.addrs.unwrap_or_default().loaded();
    let (banned, malformed_bans) = file.banned.unwrap_or_default().loaded();
    Ok(LoadedBook {
        book_key,
        fingerprint: file.bucket_hash.and_then(|text| fingerprint(&text)),
        addresses,
        banned,
        malformed: malformed_addresses + malformed_bans,
    })
}

fn fingerprint(text: &str) -> Option<[u8; 4]> {
    let mut fingerprint = [0; 4];
    hex::decode_to_slice(text, &mut fingerprint).ok()?;
    Some(fingerprint)
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
        let mut text = Vec::new();
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
        file.serialize_field("addrs", &Entries(&self.addresses))?;
        file.serialize_field("bucket_hash", &hex::encode(self.fingerprint))?;
        file.serialize_field("banned", &Entries(&self.banned))?;
        file.end()
    }
}

struct Entries<'a>(&'a [KnownAddress]);

impl Serialize for Entries<'_> {
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

/// An address as it is written and read. An IPv4 address mapped into IPv6 is read as IPv4.
#[derive(Serialize, Deserialize)]
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

    fn address(&self) -> NetAddress {
        NetAddress::from_ip(self.id, self.ip, self.port)
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

impl<'de> Deserialize<'de> for BucketType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            1 => Ok(BucketType(Class::New)),
            2 => Ok(BucketType(Class::Old)),
            _ => Err(serde::de::Error::custom("a bucket type is 1 or 2")),
        }
    }
}

/// A file as it is read.
#[derive(Deserialize)]
struct FileText {
    key: String,
    #[serde(default)]
    addrs: Option<ReadEntries<ENTRIES_MAX>>,
    #[serde(default)]
    bucket_hash: Option<String>,
    #[serde(default)]
    banned: Option<ReadEntries<BANS_MAX>>,
}

/// Up to `MAX` entries, read or damaged.
#[derive(Default)]
struct ReadEntries<const MAX: usize>(Vec<ReadEntry>);

#[derive(Deserialize)]
#[serde(untagged)]
enum ReadEntry {
    Whole(Box<WholeEntry>),
    Damaged(IgnoredAny),
}

/// An entry as it is read.
#[derive(Deserialize)]
struct WholeEntry {
    addr: AddressText,
    #[serde(default)]
    src: Option<AddressText>,
    #[serde(default)]
    buckets: Option<Vec<i64>>,
    #[serde(default)]
    attempts: u32,
    bucket_type: BucketType,
    #[serde(default)]
    last_attempt: Timestamp,
    #[serde(default)]
    last_success: Timestamp,
    #[serde(default)]
    last_ban_time: Timestamp,
}

impl WholeEntry {
    fn loaded(self) -> LoadedEntry {
        let address = self.addr.address();
        let source = self.src.map(|source| source.address());
        let source = source.unwrap_or_else(|| address.clone());
        let mut known = KnownAddress::new(address, source, self.last_attempt);
        known.class = self.bucket_type.0;
        known.attempts = self.attempts.min(ATTEMPTS_MAX);
        known.last_success = self.last_success;
        known.banned_until = self.last_ban_time;
        // A number that is no bucket is kept as one: a place that is impossible is computed anew.
        let bucket = |number| u16::try_from(number).unwrap_or(u16::MAX);
        let buckets = self.buckets.unwrap_or_default();
        LoadedEntry {
            known,
            buckets: buckets.into_iter().map(bucket).collect(),
        }
    }
}

impl<const MAX: usize> ReadEntries<MAX> {
    /// The entries that could be read, and how many could not.
    fn loaded(self) -> (Vec<LoadedEntry>, usize) {
        let len = self.0.len();
        let whole = self.0.into_iter().filter_map(|entry| match entry {
            ReadEntry::Whole(entry) => Some(entry.loaded()),
            ReadEntry::Damaged(_) => None,
        });
        let whole: Vec<LoadedEntry> = whole.collect();
        let damaged = len - whole.len();
        (whole, damaged)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for ReadEntries<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EntriesVisitor::<MAX>)
    }
}

struct EntriesVisitor<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for EntriesVisitor<MAX> {
    type Value = ReadEntries<MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} addresses")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            if entries.len() == MAX {
                return Err(serde::de::Error::invalid_length(MAX + 1, &self));
            }
            entries.push(entry);
        }
        Ok(ReadEntries(entries))
    }
}
