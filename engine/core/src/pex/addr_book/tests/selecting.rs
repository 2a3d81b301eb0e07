//! Which addresses are picked and told.

use super::*;

/// The addresses of a selection: in the book, none twice, not too many.
fn checked(book: &AddrBook, selection: &[NetAddress]) -> usize {
    let ids: BTreeSet<NodeId> = selection.iter().map(|address| address.id).collect();
    assert_eq!(ids.len(), selection.len(), "no node is told twice");
    for address in selection {
        assert_eq!(book.address_of(&address.id), Some(address));
    }
    assert!(selection.len() <= 250);
    selection.len()
}

fn good_among(book: &AddrBook, selection: &[NetAddress]) -> usize {
    let good = selection.iter().filter(|address| book.is_good(&address.id));
    good.count()
}

// Conformance item 82.
#[test]
fn an_empty_book_gives_nothing_and_one_address_is_picked_whatever_the_bias() {
    let mut empty = strict_book();
    for bias in [0, 30, 50, 100, 255] {
        assert_eq!(empty.pick(bias), None);
        assert_eq!(book_of(1, 0).pick(bias), Some(address(0)));
        assert_eq!(book_of(0, 1).pick(bias), Some(address(0)));
    }
}

#[test]
fn the_bias_and_the_roots_of_their_sizes_weigh_new_against_old() {
    let mut book = book_of(900, 100);
    let mut news = |bias| {
        let picks = (0..4000).map(|_| book.pick(bias).unwrap());
        let new = picks.filter(|address| address.id < id(900));
        new.count()
    };
    assert_eq!((news(0), news(100), news(255)), (0, 4000, 4000));
    // sqrt(900) : sqrt(100) = 3 : 1, so 3000 at an even bias.
    assert!((2850..3150).contains(&news(50)));
    // 3 × 20 : 80, so 1714.
    assert!((1560..1870).contains(&news(20)));
}

// Conformance item 85.
#[test]
fn addresses_that_proved_good_are_old_and_a_selection_shows_23_per_cent_and_at_least_32() {
    for len in [10, 100, 500] {
        let mut book = book_of(len, 0);
        for n in 0..len / 2 {
            book.mark_good(&id(n), NOW);
        }
        book.invariants();
        assert_eq!(book.old_len(), len as usize / 2);
        assert_eq!(book.len(), len as usize);
        let selection = book.selection();
        let expected = (len as usize * 23 / 100).max(32.min(len as usize));
        assert_eq!(checked(&book, &selection), expected);
    }
}

// Conformance item 88.
#[test]
fn a_selection_of_one_has_it_and_of_none_is_empty() {
    assert_eq!(strict_book().selection(), []);
    assert_eq!(strict_book().selection_with_bias(50), []);
    for mut book in [book_of(1, 0), book_of(0, 1)] {
        assert_eq!(book.selection(), [address(0)]);
        for bias in [0, 50, 100, 255] {
            assert_eq!(book.selection_with_bias(bias), [address(0)]);
        }
    }
}

// Conformance item 88.
#[test]
fn a_selection_never_tells_a_node_twice_and_has_new_ones_first() {
    for (new, old) in [
        (1, 1),
        (5, 30),
        (30, 5),
        (100, 300),
        (300, 100),
        (2000, 600),
    ] {
        let mut book = book_of(new, old);
        for bias in [0, 30, 50, 77, 100] {
            let selection = book.selection_with_bias(bias);
            let len = checked(&book, &selection);
            let news = len - good_among(&book, &selection);
            assert_eq!(good_among(&book, &selection[..news]), 0, "new first");
            let plain = book.selection();
            assert_eq!(checked(&book, &plain), len);
        }
    }
}

// Conformance item 89.
#[test]
fn a_bias_of_thirty_per_cent_leaves_seventy_for_old_addresses() {
    let mut book = book_of(500, 500);
    let selection = book.selection_with_bias(30);
    assert_eq!(checked(&book, &selection), 230);
    assert_eq!(good_among(&book, &selection), 161);
}

#[test]
fn the_same_seed_makes_the_same_choices() {
    let choices = |mut book: AddrBook| (book.pick(50), book.selection(), book.to_json());
    assert_eq!(choices(book_of(300, 100)), choices(book_of(300, 100)));
}
