//! How much of the honest nodes' address books the attacker's /16 has taken, and what the rule of
//! buckets allows it.
//!
//! The new bucket of an address follows from two groups alone: its own, and that of who told of it.
//! So one /16, told of from S groups, reaches at most S of the 256 new buckets:
//!
//! ```text
//!   entries in new buckets ≤ 64 · min(256, S)        buckets expected: 256 · (1 − (1 − 1/256)^S)
//!   entries in old buckets ≤ 64 · 4                  and only nodes that were really connected
//! ```
//!
//! The attacker's own nodes are one group. Honest nodes that pass on what they were told are the
//! others.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ringwire::pex::{AddrBook, BookConfig, Class, KnownAddress};
use ringwire::sim::World;
use ringwire_codec::Host;
use serde::Serialize;

use super::plan::is_attacker;

/// Addresses in a bucket at most.
pub(crate) const BUCKET_LEN: usize = 64;
/// New buckets of a book.
const NEW_BUCKETS: usize = 256;
/// Old buckets that the addresses of one group can fill.
const OLD_BUCKETS_PER_GROUP: usize = 4;
/// The document of the address book.
const BOOK: &str = "addr_book";

/// What the attacker holds of the books, and what it may.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Eclipse {
    /// Addresses that the attacker offers.
    pub(crate) offered: u32,
    /// Books looked at.
    pub(crate) books: usize,
    /// Addresses of a book, in the mean.
    pub(crate) book_len_mean: f64,
    /// Share that the /16 would have of a book without buckets, if all it offers were taken.
    pub(crate) share_without_buckets: f64,
    /// Share of a book that the /16 has, in the mean and at the most.
    pub(crate) share_mean: f64,
    pub(crate) share_max: f64,
    /// The /16's entries in new buckets, in the mean and at the most.
    pub(crate) new_mean: f64,
    pub(crate) new_max: usize,
    /// Groups that told a book of the /16, at the most, and what the rule allows with so many.
    pub(crate) source_groups_max: usize,
    pub(crate) new_allowed_max: usize,
    /// The largest share of what is allowed that a book's new entries reach: 1 is the bound.
    pub(crate) new_of_allowed_max: f64,
    /// Entries that the attacker's own nodes told of, at the most: one group, so one bucket.
    pub(crate) new_direct_max: usize,
    /// The /16's entries in old buckets at the most, and what the rule allows.
    pub(crate) old_max: usize,
    pub(crate) old_allowed: usize,
}

/// What the /16 has of one book.
#[derive(Default)]
struct Taken {
    len: usize,
    new: usize,
    new_direct: usize,
    old: usize,
    source_groups: BTreeSet<[u8; 2]>,
}

/// Looks into the books that `nodes` have kept.
pub(crate) fn look(world: &mut World, offered: u32, nodes: &BTreeSet<u32>) -> Eclipse {
    let books: Vec<Taken> = nodes
        .iter()
        .filter_map(|node| world.document(*node, BOOK).map(taken_of))
        .collect();
    let count = books.len().max(1) as f64;
    let mean = |of: &dyn Fn(&Taken) -> f64| books.iter().map(of).sum::<f64>() / count;
    let max = |of: &dyn Fn(&Taken) -> usize| books.iter().map(of).max().unwrap_or(0);
    let honest = mean(&|book| (book.len - book.new - book.old) as f64);
    Eclipse {
        offered,
        books: books.len(),
        book_len_mean: mean(&|book| book.len as f64),
        share_without_buckets: f64::from(offered) / (f64::from(offered) + honest),
        share_mean: mean(&Taken::share),
        share_max: books.iter().map(Taken::share).fold(0.0, f64::max),
        new_mean: mean(&|book| book.new as f64),
        new_max: max(&|book| book.new),
        source_groups_max: max(&|book| book.source_groups.len()),
        new_allowed_max: max(&Taken::allowed),
        new_of_allowed_max: books.iter().map(Taken::of_allowed).fold(0.0, f64::max),
        new_direct_max: max(&|book| book.new_direct),
        old_max: max(&|book| book.old),
        old_allowed: BUCKET_LEN * OLD_BUCKETS_PER_GROUP,
    }
}

fn taken_of(document: &[u8]) -> Taken {
    let book = AddrBook::from_json(BookConfig { strict: true }, [0; 32], document)
        .expect("a node's own book is one");
    let mut taken = Taken {
        len: book.len(),
        ..Taken::default()
    };
    for entry in book.entries().filter(|entry| is_attacker(entry.address())) {
        taken.count(entry);
    }
    taken
}

impl Taken {
    fn count(&mut self, entry: &KnownAddress) {
        if entry.class() == Class::Old {
            self.old += 1;
            return;
        }
        self.new += 1;
        self.new_direct += usize::from(is_attacker(entry.source()));
        if let Host::Ip(IpAddr::V4(ip)) = entry.source().host {
            let [a, b, ..] = ip.octets();
            self.source_groups.insert([a, b]);
        }
    }

    fn share(&self) -> f64 {
        (self.new + self.old) as f64 / self.len.max(1) as f64
    }

    /// Entries in new buckets that the rule allows with so many source groups.
    fn allowed(&self) -> usize {
        BUCKET_LEN * self.source_groups.len().min(NEW_BUCKETS)
    }

    fn of_allowed(&self) -> f64 {
        self.new as f64 / self.allowed().max(1) as f64
    }
}

/// New buckets that one group is expected to reach when `source_groups` groups tell of it.
pub(crate) fn buckets_expected(source_groups: u32) -> f64 {
    let buckets = NEW_BUCKETS as f64;
    buckets * (1.0 - (1.0 - 1.0 / buckets).powi(source_groups as i32))
}
