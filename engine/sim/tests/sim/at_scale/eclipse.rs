//! What one /16 with ten thousand addresses gets of one address book, beside the theory.
//!
//! The rule of buckets (`ringwire_core::pex`): the new bucket of an address follows from its group and
//! the group of who told of it, so one /16 told of from S groups has at most S buckets of 64.

use std::net::{IpAddr, Ipv4Addr};

use ringwire_codec::{NetAddress, NodeId};
use ringwire_core::pex::{AddrBook, BookConfig, BookSecret, Timestamp};

use super::network::books::{BUCKET_LEN, OLD_BUCKETS_PER_GROUP, buckets_expected};
use super::network::plan::{OFFERED, offered};

/// The places differ by the seed already.
const SECRET: BookSecret = BookSecret::from_bytes([9; 32]);

/// The source that tells for the `group`-th group.
fn source(group: u32) -> NetAddress {
    let [high, low] = (group as u16).to_be_bytes();
    let ip = Ipv4Addr::new(20 + high, low, 1, 1);
    NetAddress::from_ip(NodeId::from_bytes([7; 20]), IpAddr::V4(ip), 26_656)
}

/// A book that was told all addresses of the /16 from each of so many groups.
fn book_told_from(groups: u32, seed: u8) -> AddrBook {
    let mut book = AddrBook::new(BookConfig { strict: true }, &SECRET, [seed; 32]);
    for group in 0..groups {
        for index in 0..OFFERED {
            // Most are refused a place, as they should be.
            let _ = book.add(&offered(index), &source(group));
        }
    }
    book
}

#[test]
fn one_network_told_of_by_one_group_gets_one_bucket_however_much_it_offers() {
    for seed in 0..5 {
        assert_eq!(book_told_from(1, seed).len(), BUCKET_LEN);
    }
}

#[test]
fn one_network_gets_no_more_new_buckets_than_groups_tell_of_it() {
    println!("source groups: addresses in the book, of 10000 offered; bound; expected buckets");
    for groups in [2, 8, 32, 100] {
        let book = book_told_from(groups, 1);
        let expected = buckets_expected(groups);
        let bound = BUCKET_LEN * groups as usize;
        println!("{groups:>4}: {:>5}; {bound:>5}; {expected:.1}", book.len());
        assert!(book.len() <= bound, "{groups} groups: {}", book.len());
        // An address that is in several buckets takes the place of several: no more than all.
        assert!(book.len() <= 256 * BUCKET_LEN);
    }
}

#[test]
fn one_network_gets_no_more_than_four_old_buckets_even_if_all_its_nodes_prove_good() {
    for seed in 0..5 {
        let mut book = AddrBook::new(BookConfig { strict: true }, &SECRET, [seed; 32]);
        for index in 0..OFFERED {
            let address = offered(index);
            let _ = book.add(&address, &source(index % 200));
            book.mark_good(&address.id, Timestamp::from_unix_nanos(1));
        }
        let bound = BUCKET_LEN * OLD_BUCKETS_PER_GROUP;
        assert!(book.old_len() <= bound, "{} of {bound}", book.old_len());
        assert!(book.old_len() > 0);
    }
}
