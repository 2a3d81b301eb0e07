//! Full buckets, and who gives way.

use super::*;

/// Addresses of one network told by one source: all of them meet in one new bucket.
fn neighbour(n: u32) -> NetAddress {
    let ip = Ipv4Addr::from(0x4001_0000 + n);
    NetAddress::from_ip(id(n), ip.into(), 26_656)
}

fn crowd(len: u32) -> AddrBook {
    let mut book = strict_book();
    for n in 0..len {
        book.advance(NOW + Duration::from_secs(n.into()));
        book.add(&neighbour(n), &address(1_000_000)).unwrap();
    }
    book
}

#[test]
fn a_new_bucket_holds_sixty_four_and_the_oldest_gives_way() {
    assert_eq!(crowd(64).len(), 64);
    let book = crowd(65);
    book.invariants();
    assert_eq!(book.len(), 64);
    assert!(!book.contains(&id(0)) && book.contains(&id(1)) && book.contains(&id(64)));
}

#[test]
fn a_bad_address_gives_way_before_an_older_good_one() {
    let mut book = crowd(64);
    for _ in 0..3 {
        book.mark_attempt(&neighbour(40), NOW + Duration::from_secs(100));
    }
    book.advance(NOW + Duration::from_secs(161));
    book.add(&neighbour(64), &address(1_000_000)).unwrap();
    assert!(!book.contains(&id(40)) && book.contains(&id(0)));
    assert_eq!(book.len(), 64);
}

#[test]
fn an_address_that_leaves_one_bucket_stays_in_its_others() {
    let mut book = crowd(64);
    let mut source = 0;
    while book.known(&id(0)).unwrap().buckets.len() < 2 {
        source += 1;
        book.add(&neighbour(0), &address(source)).unwrap();
    }
    book.add(&neighbour(64), &address(1_000_000)).unwrap();
    book.invariants();
    assert_eq!(book.known(&id(0)).unwrap().buckets.len(), 1);
    assert_eq!(book.len(), 65);
}

#[test]
fn a_full_old_bucket_makes_its_oldest_new_again() {
    let mut book = strict_book();
    // One network has four old buckets of 64.
    for n in 0..1000 {
        let now = NOW + Duration::from_secs(n.into());
        book.advance(now);
        book.add(&neighbour(n), &address(n)).unwrap();
        book.mark_good(&id(n), now);
        assert!(book.is_good(&id(n)));
    }
    book.invariants();
    assert!((65..=256).contains(&book.old_len()), "{}", book.old_len());
    assert!(
        !book.is_good(&id(0)),
        "the first to come is the first to go"
    );
    assert!(book.new_len() > 300, "who is no longer old is new");
}

#[test]
fn a_book_never_outgrows_its_buckets() {
    let mut book = strict_book();
    book.advance(NOW);
    for n in 0..60_000 {
        book.add(&address(n), &address(n)).unwrap();
        if n % 3 == 0 {
            book.mark_good(&id(n), NOW);
        }
    }
    book.invariants();
    assert!(book.new_len() <= 256 * 64 && book.old_len() <= 64 * 64);
    assert!(book.len() > 15_000, "{}", book.len());
    assert_eq!(book.selection().len(), 250);
}
