//! Any sequence of calls leaves the book sound.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Call {
    Add(u32, u32),
    Remove(u32),
    Attempt(u32),
    Good(u32),
    Bad(u32, u64),
    Reinstate,
    Private(u32),
    Ours(u32),
    Later(u64),
    Reload,
}

fn call() -> impl Strategy<Value = Call> {
    // Few nodes and fewer networks, so that buckets fill and calls meet.
    let node = 0..400_u32;
    prop_oneof![
        20 => (node.clone(), 0..40_u32).prop_map(|(n, source)| Call::Add(n, source)),
        2 => node.clone().prop_map(Call::Remove),
        6 => node.clone().prop_map(Call::Attempt),
        8 => node.clone().prop_map(Call::Good),
        2 => (node.clone(), 0..100_000_u64).prop_map(|(n, seconds)| Call::Bad(n, seconds)),
        2 => Just(Call::Reinstate),
        1 => (node.clone()).prop_map(Call::Private),
        1 => node.prop_map(Call::Ours),
        4 => (0..1_000_000_u64).prop_map(Call::Later),
        1 => Just(Call::Reload),
    ]
}

/// All nodes share eight networks.
fn crowded(n: u32) -> NetAddress {
    let ip = Ipv4Addr::from(0x4000_0000 + ((n % 8) << 16) + n);
    NetAddress::from_ip(id(n), ip.into(), 26_656)
}

fn run(book: &mut AddrBook, now: &mut Timestamp, call: Call) {
    match call {
        Call::Add(n, source) => {
            let known = book.address_of(&id(n)).cloned();
            let is_let_in = book.add(&crowded(n), &crowded(source)).is_ok();
            assert!(!is_let_in || book.contains(&id(n)));
            assert!(known.is_none() || book.address_of(&id(n)) == known.as_ref());
        }
        Call::Remove(n) => {
            book.remove(&crowded(n));
            assert!(!book.contains(&id(n)));
        }
        Call::Attempt(n) => book.mark_attempt(&crowded(n), *now),
        Call::Good(n) => {
            book.mark_good(&id(n), *now);
            assert_eq!(book.is_good(&id(n)), book.contains(&id(n)));
        }
        Call::Bad(n, seconds) => {
            book.mark_bad(&crowded(n), Duration::from_secs(seconds), *now);
            assert!(!book.contains(&id(n)));
        }
        Call::Reinstate => {
            book.reinstate_bad(*now);
            assert!(book.banned().all(|known| known.banned_until() > *now));
        }
        Call::Private(n) => book.add_private_ids([id(n)]),
        Call::Ours(n) => book.add_our_address(crowded(n)),
        Call::Later(seconds) => *now = *now + Duration::from_secs(seconds),
        Call::Reload => reload(book),
    }
}

/// Reads the book from its own file, and tells it again what no file holds.
fn reload(book: &mut AddrBook) {
    let again = AddrBook::from_json(book.config, &SECRET, [2; 32], &book.to_json()).unwrap();
    assert_eq!(again.entries_by_id(), book.entries_by_id());
    assert!(again.banned().eq(book.banned()));
    let before = std::mem::replace(book, again);
    book.add_private_ids(before.private_ids.iter().copied());
    for address in before.our_addresses {
        book.add_our_address(address);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_book_stays_sound_whatever_is_called(
        seed: [u8; 32],
        calls in proptest::collection::vec(call(), 1..1200),
    ) {
        let mut book = AddrBook::new(BookConfig { strict: true }, &SECRET, seed);
        let mut now = NOW;
        for (at, call) in calls.into_iter().enumerate() {
            run(&mut book, &mut now, call);
            if at % 16 == 0 {
                book.invariants();
            }
        }
        book.invariants();
        let len = book.len();
        prop_assert_eq!(book.pick(50).is_some(), len > 0);
        prop_assert_eq!(book.selection().len(), book.selection_with_bias(30).len());
    }
}
