//! The address book for eyes and programs, live or as its file has it.

use ringwire_core::pex::{
    AddrBook, BookConfig, BookFileError, BookSecret, Class, KnownAddress, Timestamp,
};
use serde_json::{Value, json};

/// A look needs no luck: whatever is drawn from it is not used.
const NO_SEED: [u8; 32] = [0; 32];

/// Nor is it asked where an address is kept.
const NO_SECRET: BookSecret = BookSecret::from_bytes([0; 32]);

/// What is known of everybody, the most useful addresses first.
pub(crate) struct Book {
    rows: Vec<Row>,
    counts: Counts,
}

/// What is known of one node.
pub(crate) struct Row {
    /// What kind of address it is.
    pub(crate) kind: Kind,
    /// The rest.
    pub(crate) known: KnownAddress,
}

/// What kind of address it is; the order is that of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It was connected to.
    Old,
    /// It is known from hearsay.
    New,
    /// It is not dialed and not told of for a while.
    Banned,
}

/// How many addresses of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) old: usize,
    pub(crate) new: usize,
    pub(crate) banned: usize,
}

impl Counts {
    fn of(book: &AddrBook) -> Counts {
        Counts {
            old: book.old_len(),
            new: book.new_len(),
            banned: book.banned().count(),
        }
    }
}

impl Book {
    /// Reads the bytes of a file: ours or CometBFT's.
    pub(crate) fn read(file: &[u8]) -> Result<Book, BookFileError> {
        let book = read(file)?;
        let known = book.entries().map(|known| {
            let kind = match known.class() {
                Class::Old => Kind::Old,
                Class::New => Kind::New,
            };
            let known = known.clone();
            Row { kind, known }
        });
        let banned = book.banned().map(|known| Row {
            kind: Kind::Banned,
            known: known.clone(),
        });
        let mut rows: Vec<_> = known.chain(banned).collect();
        rows.sort_by_key(|row| {
            let since = std::cmp::Reverse(row.known.last_success());
            (row.kind, since, row.known.id())
        });
        Ok(Book {
            rows,
            counts: Counts::of(&book),
        })
    }

    /// Everybody: who was connected to last, then who never was, then who is banned.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How many there are.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Everything, under names that say what they mean.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "old": self.counts.old,
            "new": self.counts.new,
            "banned": self.counts.banned,
            "addresses": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Row {
    /// When the address is let in again; none if it never was banned.
    pub(crate) fn banned_until(&self) -> Option<Timestamp> {
        some(self.known.banned_until())
    }

    /// When it was dialed last.
    pub(crate) fn last_attempt(&self) -> Option<Timestamp> {
        some(self.known.last_attempt())
    }

    /// When it was connected to last.
    pub(crate) fn last_success(&self) -> Option<Timestamp> {
        some(self.known.last_success())
    }

    fn to_json(&self) -> Value {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let address = self.known.address();
        json!({
            "id": address.id.to_string(),
            "address": endpoint(&self.known),
            "source": self.known.source().to_string(),
            "class": self.kind.word(),
            "attempts": self.known.attempts(),
            "last_attempt": time(self.last_attempt()),
            "last_success": time(self.last_success()),
            "banned_until": time(self.banned_until()),
        })
    }
}

impl Kind {
    /// One word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Old => "old",
            Kind::New => "new",
            Kind::Banned => "banned",
        }
    }
}

/// Where a node listens: its address without its id.
pub(crate) fn endpoint(known: &KnownAddress) -> String {
    let address = known.address().to_string();
    match address.split_once('@') {
        Some((_, endpoint)) => endpoint.to_owned(),
        None => address,
    }
}

/// Reads a file without judging which addresses belong into it.
fn read(file: &[u8]) -> Result<AddrBook, BookFileError> {
    AddrBook::from_json(BookConfig { strict: false }, &NO_SECRET, NO_SEED, file)
}

fn some(time: Timestamp) -> Option<Timestamp> {
    Some(time).filter(|time| !time.is_never())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const NEVER: &str = "0001-01-01T00:00:00Z";

    /// A book of so many nodes that are known from hearsay, in the format of CometBFT.
    pub(crate) fn hearsay(nodes: u8) -> Book {
        let entries: Vec<_> = (0..nodes).map(|node| entry(node, 1, NEVER)).collect();
        book(&json!({ "key": "00".repeat(12), "addrs": entries }))
    }

    fn book(file: &Value) -> Book {
        Book::read(file.to_string().as_bytes()).expect("a book")
    }

    fn entry(node: u8, bucket_type: u8, last_success: &str) -> Value {
        let address = |node: u8| json!({ "id": format!("{node:02x}").repeat(20), "ip": format!("10.{node}.0.1"), "port": 7 });
        json!({
            "addr": address(node),
            "src": address(99),
            "buckets": [node],
            "attempts": 4,
            "bucket_type": bucket_type,
            "last_attempt": "2026-01-02T03:04:05Z",
            "last_success": last_success,
            "last_ban_time": NEVER,
        })
    }

    #[test]
    fn who_was_there_last_comes_first_and_who_never_was_comes_later() {
        let book = book(&json!({
            "key": "00".repeat(12),
            "addrs": [
                entry(1, 1, NEVER),
                entry(2, 2, "2026-01-01T00:00:00Z"),
                entry(3, 2, "2026-01-02T00:00:00Z"),
            ],
        }));
        let order: Vec<_> = book.rows().iter().map(|row| endpoint(&row.known)).collect();
        assert_eq!(order, ["10.3.0.1:7", "10.2.0.1:7", "10.1.0.1:7"]);
        let counts = Counts {
            old: 2,
            new: 1,
            banned: 0,
        };
        assert_eq!(book.counts(), counts);
        let told = book.to_json();
        assert_eq!((&told["old"], &told["new"]), (&json!(2), &json!(1)));
        let new = &told["addresses"][2];
        assert_eq!(new["class"], "new");
        assert_eq!(new["last_success"], Value::Null, "never");
        assert_eq!(new["attempts"], 4);
    }

    #[test]
    fn what_is_no_book_is_an_error() {
        assert!(Book::read(b"").is_err());
        assert_eq!(hearsay(3).counts().new, 3);
    }
}
