//! What the book promises: item by item of the reference's tests, and against whoever would fill it.

use std::collections::BTreeSet;

use super::*;

mod eclipse;
mod limits;
mod model;
mod persistence;
mod selecting;

const DAY: Duration = Duration::from_secs(24 * 3600);
const NOW: Timestamp = Timestamp::from_unix_nanos(1_795_338_307_000_000_000);

const SECRET: BookSecret = BookSecret::from_bytes([9; 32]);

fn strict_book() -> AddrBook {
    AddrBook::new(BookConfig { strict: true }, &SECRET, [1; 32])
}

/// The `n`th node, with an id of its own.
fn id(n: u32) -> NodeId {
    let mut id = [0xab; 20];
    id[16..].copy_from_slice(&n.to_be_bytes());
    NodeId::from_bytes(id)
}

/// The `n`th node at an address of its own, most of them in networks of their own.
fn address(n: u32) -> NetAddress {
    // An odd factor visits every number once; the first byte stays within public networks.
    let bits = n.wrapping_mul(0x9e37_79b1);
    let ip = Ipv4Addr::from((bits & 0x1fff_ffff) | 0x4000_0000);
    NetAddress::from_ip(id(n), ip.into(), 26_656)
}

/// A book of `new` + `old` addresses, each told by itself. Few collide, so all are in it.
fn book_of(new: u32, old: u32) -> AddrBook {
    let mut book = strict_book();
    book.advance(NOW);
    for n in 0..new + old {
        book.add(&address(n), &address(n)).unwrap();
        if n >= new {
            book.mark_good(&id(n), NOW);
        }
    }
    assert_eq!(
        (book.new_len(), book.old_len()),
        (new as usize, old as usize)
    );
    book
}

// Conformance item 84.
#[test]
fn every_address_of_a_hundred_is_found() {
    let book = book_of(100, 0);
    for n in 0..100 {
        assert!(book.contains(&id(n)));
        assert_eq!(book.address_of(&id(n)), Some(&address(n)));
        assert_eq!(book.attempts_of(&id(n)), Some(0));
    }
    assert!(!book.contains(&id(100)));
    assert_eq!(book.address_of(&id(100)), None);
    assert_eq!(book.attempts_of(&id(100)), None);
}

// Conformance item 86.
#[test]
fn an_id_that_many_tell_of_is_one_entry_in_four_buckets_at_most() {
    let mut book = strict_book();
    for source in 1..2000 {
        book.add(&address(0), &address(source)).unwrap();
        assert_eq!(book.len(), 1);
    }
    book.invariants();
    assert_eq!(book.known(&id(0)).unwrap().buckets.len(), 4);
}

// Conformance item 87.
#[test]
fn a_removed_address_is_gone_and_may_come_back() {
    let mut book = book_of(1, 1);
    for n in [0, 1] {
        book.remove(&address(n));
        assert!(!book.contains(&id(n)));
        book.invariants();
    }
    assert!(book.is_empty());
    book.remove(&address(0));
    assert_eq!(book.add(&address(0), &address(1)), Ok(()));
    assert_eq!(book.len(), 1);
}

// Conformance item 90.
#[test]
fn an_address_is_had_while_it_is_in_the_book() {
    let mut book = strict_book();
    assert!(!book.has_address(&address(0)));
    book.add(&address(0), &address(0)).unwrap();
    assert!(book.has_address(&address(0)));
    book.remove(&address(0));
    assert!(!book.has_address(&address(0)));
}

// Conformance item 91.
#[test]
fn a_banned_node_leaves_the_book_and_comes_back_as_new_when_its_ban_has_ended() {
    let mut book = book_of(0, 1);
    for _ in 0..17 {
        book.mark_attempt(&address(0), NOW);
    }
    book.mark_bad(&address(0), DAY, NOW);
    assert!(book.is_banned(&id(0)) && book.is_empty() && !book.is_good(&id(0)));
    assert_eq!(book.banned().next().unwrap().banned_until(), NOW + DAY);
    assert_eq!(
        book.add(&address(0), &address(1)),
        Err(AddAddressError::Banned)
    );
    let last = NOW + (DAY - Duration::from_nanos(1));
    assert_eq!(book.reinstate_bad(last), 0);
    assert_eq!(book.reinstate_bad(NOW + DAY), 1);
    book.invariants();
    assert!(!book.is_banned(&id(0)));
    assert_eq!((book.new_len(), book.old_len()), (1, 0));
    assert_eq!(book.attempts_of(&id(0)), Some(0), "a new chance");
    assert_eq!(book.reinstate_bad(NOW + 2 * DAY), 0);
}

#[test]
fn only_what_is_in_the_book_is_banned_and_a_second_ban_only_extends_the_first() {
    let mut book = book_of(1, 0);
    book.mark_bad(&address(7), DAY, NOW);
    assert!(!book.is_banned(&id(7)));
    book.mark_bad(&address(0), 2 * DAY, NOW);
    book.mark_bad(&address(0), DAY, NOW);
    assert_eq!(book.reinstate_bad(NOW + DAY), 0);
    book.mark_bad(&address(0), 3 * DAY, NOW);
    assert_eq!(book.reinstate_bad(NOW + 2 * DAY), 0);
    assert_eq!(book.reinstate_bad(NOW + 3 * DAY), 1);
}

// Conformance item 92.
#[test]
fn own_and_private_addresses_leave_the_book_empty() {
    let mut book = strict_book();
    assert!(book.is_empty());
    book.add_our_address(address(0));
    book.add_private_ids([id(1)]);
    assert_eq!(
        book.add(&address(0), &address(5)),
        Err(AddAddressError::OurAddress)
    );
    assert_eq!(
        book.add(&address(1), &address(5)),
        Err(AddAddressError::Private)
    );
    assert!(book.is_empty() && book.is_our_address(&address(0)));
    book.add(&address(2), &address(5)).unwrap();
    assert!(!book.is_empty());
}

// Conformance item 93.
#[test]
fn a_private_node_is_neither_told_of_nor_believed() {
    let mut book = book_of(3, 0);
    book.add_private_ids([id(0), id(1)]);
    assert!(book.is_private(&id(0)) && !book.is_private(&id(2)));
    assert_eq!(book.len(), 1, "who is private leaves the book");
    assert_eq!(
        book.add(&address(0), &address(5)),
        Err(AddAddressError::Private)
    );
    assert_eq!(
        book.add(&address(5), &address(1)),
        Err(AddAddressError::PrivateSource)
    );
    book.invariants();
}

#[test]
fn our_own_id_is_ours_at_every_address() {
    let mut book = book_of(1, 0);
    book.add_our_address(address(0));
    assert!(book.is_empty(), "our own address leaves the book");
    let mut elsewhere = address(1);
    elsewhere.id = id(0);
    assert!(!book.is_our_address(&elsewhere));
    assert_eq!(
        book.add(&elsewhere, &address(2)),
        Err(AddAddressError::OurAddress)
    );
}

#[test]
fn the_first_rule_that_is_broken_names_the_error() {
    let mut book = book_of(1, 0);
    let text = |host: &str| -> NetAddress { format!("{}@{host}:1", id(9)).parse().unwrap() };
    let cases = [
        (text("seed.example.com"), AddAddressError::Name),
        (text("0.0.0.0"), AddAddressError::Invalid),
        (text("[2001:db8::1]"), AddAddressError::Invalid),
        (text("224.0.0.1"), AddAddressError::Invalid),
        (
            format!("{}@44.1.1.1:0", id(9)).parse().unwrap(),
            AddAddressError::NoPort,
        ),
        (text("192.0.2.1"), AddAddressError::NotRoutable),
        (text("[3fff::1]"), AddAddressError::NotRoutable),
        (text("127.0.0.1"), AddAddressError::NotRoutable),
        (text("10.1.2.3"), AddAddressError::NotRoutable),
    ];
    for (address_told, error) in &cases {
        assert_eq!(book.add(address_told, &address(1)), Err(*error));
    }
    // From here on each reason hides the ones before it.
    let (private, source) = (text("127.0.0.1"), address(8));
    book.add_our_address(private.clone());
    let refused = |book: &mut AddrBook| book.add(&private, &source).unwrap_err();
    assert_eq!(refused(&mut book), AddAddressError::OurAddress);
    book.add_private_ids([source.id]);
    assert_eq!(refused(&mut book), AddAddressError::PrivateSource);
    book.add_private_ids([private.id]);
    assert_eq!(refused(&mut book), AddAddressError::Private);
    assert!(book.banned().next().is_none());
}

#[test]
fn a_book_that_is_not_strict_takes_private_networks() {
    let mut book = AddrBook::new(BookConfig { strict: false }, &SECRET, [1; 32]);
    for (n, host) in ["127.0.0.1", "10.1.2.3", "[fd00::1]"].iter().enumerate() {
        let text = format!("{:040x}@{host}:26656", n);
        let told: NetAddress = text.parse().unwrap();
        assert_eq!(book.add(&told, &told), Ok(()));
    }
    assert_eq!(book.len(), 3);
    book.invariants();
}

#[test]
fn an_unknown_node_is_not_good_and_marking_it_changes_nothing() {
    let mut book = book_of(1, 0);
    assert!(!book.is_good(&id(9)));
    book.mark_good(&id(9), NOW);
    book.mark_attempt(&address(9), NOW);
    book.remove(&address(9));
    assert!(!book.is_good(&id(9)) && book.len() == 1);
}

#[test]
fn attempts_count_until_the_node_answers() {
    let mut book = book_of(1, 0);
    book.mark_attempt(&address(0), NOW);
    book.mark_attempt(&address(0), NOW + DAY);
    assert_eq!(book.attempts_of(&id(0)), Some(2));
    assert_eq!(book.known(&id(0)).unwrap().last_attempt(), NOW + DAY);
    book.mark_good(&id(0), NOW + 2 * DAY);
    assert_eq!(book.attempts_of(&id(0)), Some(0));
    assert!(book.is_good(&id(0)));
    assert_eq!(book.known(&id(0)).unwrap().last_success(), NOW + 2 * DAY);
}

#[test]
fn a_node_needs_more_addresses_below_a_thousand() {
    let mut book = book_of(999, 0);
    assert!(book.needs_more());
    book.add(&address(5000), &address(5000)).unwrap();
    assert!(!book.needs_more());
}
