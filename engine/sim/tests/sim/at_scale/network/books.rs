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
//! What counts in the end is how often the /16 is dialed. A new address is picked by bucket first, and
//! all that the /16 has lies in few buckets: so it is picked as often as it has buckets, whatever
//! share of the addresses it has.
//!
//! The attacker's own nodes are one group. Honest nodes that pass on what they were told are the
//! others. Books are read from their files, buckets included: what is counted here is what a node
//! would start with again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ringwire_sim::World;
use serde::{Deserialize, Serialize};

use super::plan::ATTACKED_FROM;

/// Addresses in a bucket at most.
pub(crate) const BUCKET_LEN: usize = 64;
/// New buckets of a book.
const NEW_BUCKETS: usize = 256;
/// Old buckets that the addresses of one group can fill.
pub(crate) const OLD_BUCKETS_PER_GROUP: usize = 4;
/// `bucket_type` of an old address in the file.
const OLD: u8 = 2;
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
    /// Share of a book that the /16 would have if all it offers were taken.
    pub(crate) share_without_buckets: f64,
    /// Share of a book that the /16 has, in the mean and at the most.
    pub(crate) share_mean: f64,
    pub(crate) share_max: f64,
    /// How often a pick from the new buckets is of the /16, in the mean and at the most.
    pub(crate) pick_share_mean: f64,
    pub(crate) pick_share_max: f64,
    /// The /16's addresses in new buckets, in the mean and at the most.
    pub(crate) new_mean: f64,
    pub(crate) new_max: usize,
    /// New buckets with such an address, at the most.
    pub(crate) new_buckets_max: usize,
    /// Groups that told a book of the /16 first, at the most, and the buckets expected of so many.
    pub(crate) source_groups_max: usize,
    pub(crate) buckets_expected: f64,
    /// The fullest bucket's addresses of the /16.
    pub(crate) bucket_len_max: usize,
    /// The /16's addresses in old buckets at the most, and old buckets with one.
    pub(crate) old_max: usize,
    pub(crate) old_buckets_max: usize,
}

/// What is read of a book's file.
#[derive(Deserialize)]
struct BookText {
    addrs: Vec<EntryText>,
}

#[derive(Deserialize)]
struct EntryText {
    addr: PlaceText,
    src: PlaceText,
    buckets: Vec<u16>,
    bucket_type: u8,
}

#[derive(Deserialize)]
struct PlaceText {
    ip: IpAddr,
}

/// What the /16 has of one book.
#[derive(Default)]
struct Taken {
    len: usize,
    new: usize,
    old: usize,
    /// New buckets that are not empty: places of the /16, places in all.
    buckets: BTreeMap<u16, (usize, usize)>,
    old_buckets: BTreeSet<u16>,
    source_groups: BTreeSet<[u8; 2]>,
}

/// Looks into the books that `nodes` have kept.
pub(crate) fn look(world: &mut World, offered: u32, nodes: &BTreeSet<u32>) -> Eclipse {
    let books: Vec<Taken> = nodes
        .iter()
        .filter_map(|node| world.document(*node, BOOK).map(Taken::of))
        .collect();
    let count = books.len().max(1) as f64;
    let mean = |of: &dyn Fn(&Taken) -> usize| books.iter().map(of).sum::<usize>() as f64 / count;
    let max = |of: &dyn Fn(&Taken) -> usize| books.iter().map(of).max().unwrap_or(0);
    let others = mean(&|book| book.len - book.new - book.old);
    let source_groups_max = max(&|book| book.source_groups.len());
    Eclipse {
        offered,
        books: books.len(),
        book_len_mean: mean(&|book| book.len),
        share_without_buckets: f64::from(offered) / (f64::from(offered) + others),
        share_mean: books.iter().map(Taken::share).sum::<f64>() / count,
        share_max: books.iter().map(Taken::share).fold(0.0, f64::max),
        pick_share_mean: books.iter().map(Taken::pick_share).sum::<f64>() / count,
        pick_share_max: books.iter().map(Taken::pick_share).fold(0.0, f64::max),
        new_mean: mean(&|book| book.new),
        new_max: max(&|book| book.new),
        new_buckets_max: max(&Taken::new_buckets),
        source_groups_max,
        buckets_expected: buckets_expected(source_groups_max as u32),
        bucket_len_max: max(&Taken::fullest_bucket),
        old_max: max(&|book| book.old),
        old_buckets_max: max(&|book| book.old_buckets.len()),
    }
}

impl Taken {
    fn of(document: &[u8]) -> Self {
        let book: BookText = serde_json::from_slice(document).expect("a node's book is JSON");
        let mut taken = Taken {
            len: book.addrs.len(),
            ..Taken::default()
        };
        for entry in &book.addrs {
            taken.count(entry);
        }
        taken
    }

    fn count(&mut self, entry: &EntryText) {
        let is_taken = group(entry.addr.ip) == Some(ATTACKED_FROM);
        match (entry.bucket_type, is_taken) {
            (OLD, true) => {
                self.old += 1;
                self.old_buckets.extend(&entry.buckets);
            }
            (OLD, false) => {}
            (_, _) => {
                for bucket in &entry.buckets {
                    let (taken, all) = self.buckets.entry(*bucket).or_default();
                    *taken += usize::from(is_taken);
                    *all += 1;
                }
                self.new += usize::from(is_taken);
                self.source_groups
                    .extend(group(entry.src.ip).filter(|_| is_taken));
            }
        }
    }

    fn share(&self) -> f64 {
        (self.new + self.old) as f64 / self.len.max(1) as f64
    }

    fn new_buckets(&self) -> usize {
        self.buckets
            .values()
            .filter(|(taken, _)| *taken > 0)
            .count()
    }

    fn fullest_bucket(&self) -> usize {
        let taken = self.buckets.values().map(|(taken, _)| *taken);
        taken.max().unwrap_or(0)
    }

    fn pick_share(&self) -> f64 {
        let shares = self.buckets.values();
        let sum: f64 = shares.map(|(taken, all)| *taken as f64 / *all as f64).sum();
        sum / self.buckets.len().max(1) as f64
    }
}

/// The IPv4 /16 of an address.
fn group(ip: IpAddr) -> Option<[u8; 2]> {
    match ip {
        IpAddr::V4(ip) => Some([ip.octets()[0], ip.octets()[1]]),
        IpAddr::V6(_) => None,
    }
}

/// New buckets that one group is expected to reach when `source_groups` groups tell of it.
pub(crate) fn buckets_expected(source_groups: u32) -> f64 {
    let buckets = NEW_BUCKETS as f64;
    buckets * (1.0 - (1.0 - 1.0 / buckets).powi(source_groups as i32))
}
