//! The book read from its file and made into one.
//!
//! Where a file is ours, its addresses come back into the buckets they were in: the file carries the
//! book's key and a fingerprint of what decides the places, and these agree with the node's secret. A
//! file that another node or the reference wrote has places that mean nothing here; then each address
//! goes where our hash puts it, under its first source. The place of an old address follows
//! from the address alone, so it is always computed.

use super::super::file::{self, BookFile, BookFileError};
use super::*;
use crate::document::Document;

impl AddrBook {
    /// The name of the book's document.
    pub const DOCUMENT_NAME: &str = "addr_book";

    /// The book that a file holds, ours or another's; chance is drawn from `seed`. Places come back as
    /// they were if the book was written under the same `secret`.
    ///
    /// Entries that are damaged, told twice, or that this book would not take are left out and
    /// counted ([`AddrBook::skipped_entries`]).
    ///
    /// # Errors
    ///
    /// [`BookFileError`] if the whole is no address book; the caller sets the file aside.
    pub fn from_json(
        config: BookConfig,
        secret: &BookSecret,
        seed: [u8; 32],
        bytes: &[u8],
    ) -> Result<AddrBook, BookFileError> {
        let loaded = file::load(bytes)?;
        let mut book = AddrBook::with_key(config, secret, seed, loaded.book_key);
        let are_ours = loaded.fingerprint == Some(book.table.key().fingerprint());
        book.skipped_entries = loaded.malformed;
        for entry in loaded.addresses {
            if !book.restore(entry.known, &entry.buckets, are_ours) {
                book.skipped_entries += 1;
            }
        }
        for entry in loaded.banned {
            if !book.restore_ban(entry.known) {
                book.skipped_entries += 1;
            }
        }
        Ok(book)
    }

    /// Takes in an entry of a file, in the buckets it names if they are of our making and possible,
    /// else where it belongs. False if there is no place for it.
    fn restore(&mut self, mut known: KnownAddress, buckets: &[u16], are_ours: bool) -> bool {
        known.source = without_name(&known.source);
        if self.contains(&known.id()) || self.may_enter(&known.address).is_err() {
            return false;
        }
        if known.class == Class::Old {
            self.table.insert_old(known, self.now);
            return true;
        }
        let named = are_ours.then(|| self.table.possible_new_buckets(buckets));
        match named.flatten() {
            Some(buckets) => self.table.insert_new_in(known, buckets),
            None => self.table.insert_new(known, self.now),
        }
        true
    }

    /// Takes in a ban of a file. False if the node is held or banned already, or may not come back, or
    /// if nobody knows when the ban ends.
    fn restore_ban(&mut self, mut known: KnownAddress) -> bool {
        known.source = without_name(&known.source);
        if known.banned_until.is_never() {
            return false;
        }
        if self.contains(&known.id()) || self.may_enter(&known.address).is_err() {
            return false;
        }
        let until = known.banned_until;
        self.bans.insert(known, until);
        true
    }

    /// Entries of the file that were left out when the book was read.
    pub fn skipped_entries(&self) -> usize {
        self.skipped_entries
    }

    /// What is to be kept of the book: the document `addr_book`, whose bytes are made elsewhere.
    pub fn document(&self) -> Document {
        let file = self.file();
        Document::new(Self::DOCUMENT_NAME, move || file.render())
    }

    /// The book as its file holds it: JSON in the reference's format, with additions that the
    /// reference passes over.
    pub fn to_json(&self) -> Vec<u8> {
        self.file().render()
    }

    fn file(&self) -> BookFile {
        BookFile {
            book_key: *self.table.key().book_key(),
            fingerprint: self.table.key().fingerprint(),
            addresses: self.table.iter().cloned().collect(),
            banned: self.bans.iter().cloned().collect(),
        }
    }
}

/// Fuzz target: a file that is read gives a sound book, and the book's own file gives it again.
#[doc(hidden)]
pub fn fuzz_addr_book(bytes: &[u8]) {
    let secret = BookSecret::from_bytes([2; 32]);
    for strict in [false, true] {
        let config = BookConfig { strict };
        let Ok(mut book) = AddrBook::from_json(config, &secret, [1; 32], bytes) else {
            continue;
        };
        book.invariants();
        let again = AddrBook::from_json(config, &secret, [1; 32], &book.to_json());
        let again = again.expect("what the book writes, it reads");
        again.invariants();
        assert_eq!(again.skipped_entries(), 0);
        assert!(again.entries_by_id() == book.entries_by_id());
        assert!(again.banned().eq(book.banned()));
        assert_eq!(book.pick(50).is_some(), !book.is_empty());
        assert_eq!(book.selection().is_empty(), book.is_empty());
    }
}
