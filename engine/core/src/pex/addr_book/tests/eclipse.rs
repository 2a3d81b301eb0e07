//! Hearsay against what is known, and one network against the book.

use super::*;

/// Another place for the `n`th node.
fn moved(n: u32) -> NetAddress {
    NetAddress {
        id: id(n),
        ..address(n + 1_000_000)
    }
}

// Conformance item 94.
#[test]
fn gossip_never_changes_the_address_of_a_known_node() {
    for mut book in [book_of(0, 1), book_of(1, 0)] {
        let was_good = book.is_good(&id(0));
        for source in 1..200 {
            assert_eq!(book.add(&moved(0), &address(source)), Ok(()));
        }
        book.invariants();
        assert_eq!(book.address_of(&id(0)), Some(&address(0)));
        assert_eq!((book.len(), book.is_good(&id(0))), (1, was_good));
    }
}

#[test]
fn an_old_address_stays_in_its_one_bucket_whoever_tells_of_it() {
    let mut book = book_of(0, 1);
    let before = book.known(&id(0)).unwrap().clone();
    for source in 1..200 {
        book.add(&address(0), &address(source)).unwrap();
    }
    assert_eq!(book.known(&id(0)), Some(&before));
}

#[test]
fn one_network_fills_an_eighth_of_the_new_places_and_drives_few_others_out() {
    let mut book = book_of(2000, 500);
    let source = address(5_000_000);
    for n in 10_000..110_000 {
        let mut told = address(n);
        told.id = id(n);
        book.add(&told, &source).unwrap();
    }
    book.invariants();
    let flood = book.entries().filter(|known| known.id() >= id(10_000));
    assert!(flood.count() <= 32 * 64);
    let honest = book.entries().filter(|known| known.id() < id(2500));
    // The flood's 32 buckets of 256 held an eighth of the honest new ones.
    assert!(honest.count() > 2500 - 2000 / 4);
    assert_eq!(book.old_len(), 500);
}

#[test]
fn a_further_teller_counts_less_with_each_bucket() {
    // The first further bucket comes after two tellings on average, the next after four, then six.
    let tellings = |books: u32, buckets: usize| -> f64 {
        let mut tellings = 0;
        for seed in 0..books {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&seed.to_le_bytes());
            let mut book = AddrBook::new(BookConfig { strict: true }, &SECRET, key);
            let mut source = 0;
            while book
                .known(&id(0))
                .is_none_or(|known| known.buckets.len() < buckets)
            {
                source += 1;
                book.add(&address(0), &address(source)).unwrap();
            }
            tellings += source;
        }
        f64::from(tellings) / f64::from(books)
    };
    assert_eq!(tellings(10, 1), 1.0);
    let averages = [tellings(600, 2) - 1.0, tellings(600, 4) - 1.0];
    assert!((1.8..2.2).contains(&averages[0]), "{averages:?}");
    // 2 + 4 + 6, and a little more because two sources may share a bucket.
    assert!((11.0..13.5).contains(&averages[1]), "{averages:?}");
}
