//! The address book's calls, one by one, at two sizes.
//!
//! `cargo bench -p ringwire-bench --bench addr_book -- [FILTER]`
//!
//! `size=10000` is a book of 10,000 addresses of as many networks, a quarter of them old;
//! `size=100000` is one that was offered 100,000 and is as full as it gets, some 20,000. Where a
//! call changes the book, a fresh one is made outside the measured time.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ringwire::{NetAddress, NodeId};
use ringwire_core::chance::Chance;
use ringwire_core::pex::{AddrBook, BookConfig, BookSecret, Timestamp};

#[global_allocator]
static ALLOCATOR: jemallocator::Jemalloc = jemallocator::Jemalloc;

/// Addresses offered.
const SIZES: [usize; 2] = [10_000, 100_000];
/// Nodes that tell of the others.
const SOURCES: usize = 1000;
const NOW: Timestamp = Timestamp::from_unix_nanos(1_795_338_307_000_000_000);
const SEED: [u8; 32] = [1; 32];
const SECRET: BookSecret = BookSecret::from_bytes([9; 32]);

/// Who is told of, and by whom.
struct Offer {
    address: NetAddress,
    source: NetAddress,
}

fn address(chance: &mut Chance) -> NetAddress {
    let [id @ .., a, b, c] = *chance.bytes().first_chunk::<23>().expect("23 of 32 bytes");
    let ip = Ipv4Addr::new(64 + (a & 31), b, c, 1);
    NetAddress::from_ip(NodeId::from_bytes(id), ip.into(), 26_656)
}

fn offers(size: usize) -> Vec<Offer> {
    let mut chance = Chance::new([2; 32]);
    let sources: Vec<_> = (0..SOURCES).map(|_| address(&mut chance)).collect();
    let offer = |n: usize| Offer {
        address: address(&mut chance),
        source: sources[n % SOURCES].clone(),
    };
    (0..size).map(offer).collect()
}

fn empty() -> AddrBook {
    let mut book = AddrBook::new(BookConfig { strict: true }, &SECRET, SEED);
    book.advance(NOW);
    book
}

/// A book that was offered all, and connected to one in `old_every` of them.
fn book(offers: &[Offer], old_every: usize) -> AddrBook {
    let mut book = empty();
    for (n, Offer { address, source }) in offers.iter().enumerate() {
        book.add(address, source).expect("the address is good");
        if n % old_every == 0 {
            book.mark_good(&address.id, NOW);
        }
    }
    book
}

/// Runs `call` on one item after the other, `iterations` times in all; `renew` makes the book, and
/// makes it again when every item had its turn, outside the measured time.
fn each<T, B>(
    iterations: u64,
    items: &[T],
    mut renew: impl FnMut() -> B,
    mut call: impl FnMut(&mut B, &T),
) -> Duration {
    let mut left = usize::try_from(iterations).expect("64-bit machine");
    let mut elapsed = Duration::ZERO;
    while left > 0 {
        let mut book = renew();
        let round = &items[..left.min(items.len())];
        let start = Instant::now();
        for item in round {
            call(&mut book, item);
        }
        elapsed += start.elapsed();
        left -= round.len();
    }
    elapsed
}

fn changing(criterion: &mut Criterion) {
    for size in SIZES {
        let offers = offers(size);
        let id = BenchmarkId::from_parameter(format!("size={size}"));
        // Whole rounds only, so that a full book is always part of what is measured.
        let rounds = |iterations: u64| iterations.next_multiple_of(size as u64);
        let per_call = |elapsed: Duration, iterations: u64| {
            elapsed.mul_f64(iterations as f64 / rounds(iterations) as f64)
        };
        criterion
            .benchmark_group("addr_book::add")
            .bench_function(id.clone(), |bencher| {
                bencher.iter_custom(|iterations| {
                    let elapsed = each(rounds(iterations), &offers, empty, |book, offer| {
                        black_box(book.add(&offer.address, &offer.source)).expect("good");
                    });
                    per_call(elapsed, iterations)
                });
            });
        criterion
            .benchmark_group("addr_book::add_known")
            .bench_function(id.clone(), |bencher| {
                let mut book = book(&offers, 4);
                let mut known: Vec<_> = book.entries().cloned().collect();
                shuffle(&mut known);
                let source = &offers[0].source;
                let mut next = known.iter().cycle();
                bencher.iter(|| {
                    let address = next.next().expect("it never ends").address();
                    book.add(address, source).expect("good");
                });
            });
        criterion
            .benchmark_group("addr_book::mark_good")
            .bench_function(id, |bencher| {
                let all_new = || book(&offers, usize::MAX);
                let mut ids: Vec<_> = all_new().entries().map(|known| known.id()).collect();
                shuffle(&mut ids);
                // A quarter becomes old, as much as the old buckets hold.
                ids.truncate(ids.len() / 4);
                bencher.iter_custom(|iterations| {
                    each(iterations, &ids, all_new, |book, id| {
                        book.mark_good(black_box(id), NOW);
                    })
                });
            });
    }
}

fn shuffle<T>(items: &mut [T]) {
    let mut chance = Chance::new([3; 32]);
    for len in (2..=items.len()).rev() {
        let bound = u32::try_from(len).expect("a book is small");
        items.swap(len - 1, chance.below(bound) as usize);
    }
}

fn reading(criterion: &mut Criterion) {
    for size in SIZES {
        let mut book = book(&offers(size), 4);
        let text = book.to_json();
        println!(
            "size={size}: {} new, {} old, file of {} KiB",
            book.new_len(),
            book.old_len(),
            text.len() / 1024
        );
        let mut bench = |name: &str, call: &mut dyn FnMut()| {
            criterion
                .benchmark_group(format!("addr_book::{name}"))
                .bench_function(
                    BenchmarkId::from_parameter(format!("size={size}")),
                    |bencher| bencher.iter(&mut *call),
                );
        };
        bench("pick", &mut || {
            black_box(book.pick(50));
        });
        bench("selection", &mut || {
            black_box(book.selection());
        });
        bench("selection_with_bias", &mut || {
            black_box(book.selection_with_bias(30));
        });
        bench("document", &mut || {
            black_box(book.document());
        });
        bench("save", &mut || {
            black_box(book.to_json());
        });
        bench("load", &mut || {
            let config = BookConfig { strict: true };
            black_box(AddrBook::from_json(config, &SECRET, SEED, &text)).expect("our own file");
        });
    }
}

criterion_group!(benches, changing, reading);
criterion_main!(benches);
