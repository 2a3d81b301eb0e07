//! The address book as `addrbook.json` has it, read for a look only: what of it is odd is shown and
//! not judged.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// How the file writes a point in time that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The `bucket_type` of an address that was connected to.
const OLD: u8 = 2;

/// An address book, the most useful addresses first.
pub(crate) struct Book {
    pub(crate) entries: Vec<Entry>,
}

/// What is known of one address.
pub(crate) struct Entry {
    /// The node's id.
    pub(crate) id: String,
    /// `host:port`.
    pub(crate) address: String,
    /// The id of the node that told of it.
    pub(crate) source: String,
    /// Whether it was connected to, or is banned.
    pub(crate) class: Class,
    /// Attempts since the last success.
    pub(crate) attempts: u64,
    /// When it was dialed last, as the file writes it.
    pub(crate) last_attempt: Option<String>,
    /// When it was connected to last.
    pub(crate) last_success: Option<String>,
    /// When its last ban ends, or ended.
    pub(crate) banned_until: Option<String>,
}

/// What kind of address it is; the order is that of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// It was connected to.
    Old,
    /// It is known from hearsay.
    New,
    /// It is not dialed and not told of for a while.
    Banned,
}

/// How many addresses a book holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Known from hearsay.
    pub(crate) new: usize,
    /// Connected to at least once.
    pub(crate) old: usize,
    /// Not to be dialed for a while.
    pub(crate) banned: usize,
}

impl Counts {
    /// Counts the addresses in a file's bytes, without a look at anything else; zeros if it is none.
    pub(crate) fn read(file: &[u8]) -> Counts {
        #[derive(Default, Deserialize)]
        struct File {
            addrs: Vec<Kind>,
            #[serde(default)]
            banned: Vec<IgnoredAny>,
        }
        #[derive(Deserialize)]
        struct Kind {
            bucket_type: u8,
        }
        let file: File = serde_json::from_slice(file).unwrap_or_default();
        let is_old = |kind: &&Kind| kind.bucket_type == OLD;
        let old = file.addrs.iter().filter(is_old).count();
        Counts {
            new: file.addrs.len() - old,
            old,
            banned: file.banned.len(),
        }
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    addrs: Vec<FileEntry>,
    /// CometBFT forgets its bans when it stops.
    #[serde(default)]
    banned: Vec<FileEntry>,
}

#[derive(Deserialize)]
struct FileEntry {
    addr: FileAddress,
    src: FileAddress,
    #[serde(default)]
    attempts: u64,
    #[serde(default)]
    bucket_type: u8,
    #[serde(default)]
    last_attempt: String,
    #[serde(default)]
    last_success: String,
    #[serde(default)]
    last_ban_time: String,
}

#[derive(Deserialize)]
struct FileAddress {
    id: String,
    ip: String,
    port: u16,
}

impl Book {
    /// Reads the JSON of a file.
    pub(crate) fn read(file: &Value) -> Result<Book, serde_json::Error> {
        let file = File::deserialize(file)?;
        let known = file.addrs.into_iter().map(|entry| {
            let class = if entry.bucket_type == OLD {
                Class::Old
            } else {
                Class::New
            };
            Entry::new(entry, class)
        });
        let banned = file.banned.into_iter();
        let mut entries: Vec<_> = known
            .chain(banned.map(|entry| Entry::new(entry, Class::Banned)))
            .collect();
        // Times of one zone sort as text; in a file of several zones the order is a little off.
        entries.sort_by(|a, b| {
            let order = a.class.cmp(&b.class);
            let order = order.then_with(|| b.last_success.cmp(&a.last_success));
            order.then_with(|| a.id.cmp(&b.id))
        });
        Ok(Book { entries })
    }

    /// How many addresses of a class there are.
    pub(crate) fn count(&self, class: Class) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.class == class)
            .count()
    }

    /// Everything, under names that say what they mean.
    pub(crate) fn to_json(&self) -> Value {
        let entry = |entry: &Entry| {
            json!({
                "id": entry.id,
                "address": entry.address,
                "source": entry.source,
                "class": entry.class.word(),
                "attempts": entry.attempts,
                "last_attempt": entry.last_attempt,
                "last_success": entry.last_success,
                "banned_until": entry.banned_until,
            })
        };
        json!({
            "old": self.count(Class::Old),
            "new": self.count(Class::New),
            "banned": self.count(Class::Banned),
            "addresses": self.entries.iter().map(entry).collect::<Vec<_>>(),
        })
    }
}

impl Class {
    /// One word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Class::Old => "old",
            Class::New => "new",
            Class::Banned => "banned",
        }
    }
}

impl Entry {
    fn new(entry: FileEntry, class: Class) -> Entry {
        let time = |text: String| Some(text).filter(|text| !text.is_empty() && text != NEVER);
        let host = match entry.addr.ip.contains(':') {
            true => format!("[{}]", entry.addr.ip),
            false => entry.addr.ip,
        };
        Entry {
            id: entry.addr.id,
            address: format!("{host}:{}", entry.addr.port),
            source: entry.src.id,
            class,
            attempts: entry.attempts,
            last_attempt: time(entry.last_attempt),
            last_success: time(entry.last_success),
            banned_until: time(entry.last_ban_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, bucket_type: u8, last_success: &str) -> Value {
        json!({
            "addr": { "id": id, "ip": "::1", "port": 1 },
            "src": { "id": "s", "ip": "10.0.0.1", "port": 2 },
            "buckets": [3],
            "attempts": 4,
            "bucket_type": bucket_type,
            "last_attempt": "2026-01-02T00:00:00Z",
            "last_success": last_success,
            "last_ban_time": NEVER,
        })
    }

    #[test]
    fn old_addresses_come_first_and_of_these_who_was_there_last() {
        let file = json!({
            "key": "k",
            "addrs": [
                entry("new", 1, NEVER),
                entry("earlier", 2, "2026-01-01T00:00:00Z"),
                entry("later", 2, "2026-01-02T00:00:00Z"),
            ],
            "banned": [entry("bad", 1, NEVER)],
        });
        let book = Book::read(&file).expect("a book");
        let order: Vec<_> = book.entries.iter().map(|entry| &*entry.id).collect();
        assert_eq!(order, ["later", "earlier", "new", "bad"]);
        let told = book.to_json();
        assert_eq!((&told["old"], &told["banned"]), (&json!(2), &json!(1)));
        let new = &told["addresses"][2];
        assert_eq!(new["address"], "[::1]:1");
        assert_eq!(new["last_success"], Value::Null, "never");
        assert_eq!(new["attempts"], 4);
    }

    #[test]
    fn addresses_are_counted_by_class() {
        let file = json!({
            "addrs": [entry("a", 1, NEVER), entry("b", 2, NEVER), entry("c", 2, NEVER)],
            "banned": [entry("d", 1, NEVER)],
        });
        let counts = Counts {
            new: 1,
            old: 2,
            banned: 1,
        };
        assert_eq!(Counts::read(file.to_string().as_bytes()), counts);
        assert_eq!(Counts::read(b""), Counts::default());
    }

    #[test]
    fn what_is_no_book_is_an_error_and_an_empty_one_is_not() {
        assert!(Book::read(&json!({ "addrs": 3 })).is_err());
        assert!(Book::read(&json!({ "addrs": [{ "addr": {} }] })).is_err());
        let empty = Book::read(&json!({ "key": "k", "addrs": [] })).expect("an empty book");
        assert!(empty.entries.is_empty());
    }
}
