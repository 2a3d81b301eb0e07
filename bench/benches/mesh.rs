//! The ways between threads of one node, without a kernel: lanes between shards, and the inbox
//! that the application's threads fill. Nobody sleeps, so nobody is woken.
//!
//! Figures are per letter or request. `across_threads` needs two CPUs of its own; where the two
//! threads share one, it measures the kernel's scheduler.

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Bencher, Criterion, Throughput, criterion_group, criterion_main};
use ringwire::bench::{Inbox, LANE_LETTERS, Lanes};
use ringwire::peer::ShardId;

/// Bytes of a message; it travels as a reference, so its length costs nothing.
const MESSAGE_BYTES: usize = 200;
/// Looks before a thread that waits lets others run.
const LOOKS: u32 = 1000;

const FIRST: ShardId = ShardId(0);
const SECOND: ShardId = ShardId(1);

fn message() -> Bytes {
    Bytes::from(vec![7; MESSAGE_BYTES])
}

fn pair() -> [Lanes; 2] {
    let mut ends = Lanes::connect(2).into_iter();
    std::array::from_fn(|_| ends.next().expect("two shards"))
}

/// One turn of a shard that sends and one of the shard that receives, on one core.
fn send(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mesh::send");
    for letters in [1, 64, LANE_LETTERS] {
        group.throughput(Throughput::Elements(letters as u64));
        group.bench_function(format!("letters={letters}"), |bencher| {
            let ([mut first, mut second], message) = (pair(), message());
            bencher.iter(|| {
                (0..letters).for_each(|_| first.send(SECOND, message.clone()));
                assert_eq!(first.flush(), 1, "one wake-up a turn");
                drain(&mut second, letters);
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("mesh::send_own");
    group.throughput(Throughput::Elements(64));
    group.bench_function("letters=64", |bencher| {
        let ([mut first, _], message) = (pair(), message());
        bencher.iter(|| {
            (0..64).for_each(|_| first.send(FIRST, message.clone()));
            assert_eq!(first.flush(), 0, "nobody is woken");
            drain(&mut first, 64);
        });
    });
    group.finish();
}

fn drain(lanes: &mut Lanes, letters: usize) {
    let mut received = 0;
    while lanes.receive().is_some() {
        received += 1;
    }
    assert_eq!(received, letters);
}

/// A shard that looks for letters where there are none, as it does every turn.
fn look(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mesh::receive_nothing");
    for shards in [2, 16] {
        group.bench_function(format!("shards={shards}"), |bencher| {
            let mut lanes = Lanes::connect(shards);
            bencher.iter(|| lanes[0].receive());
        });
    }
    group.finish();
}

/// One thread sends in turns of so many letters, another drains.
fn across_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mesh::across_threads");
    group.sample_size(20);
    for letters in [1, 64] {
        group.throughput(Throughput::Elements(letters));
        group.bench_function(format!("letters={letters}"), |bencher: &mut Bencher| {
            bencher.iter_custom(|turns| cross(turns, letters));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("mesh::there_and_back");
    group.sample_size(20);
    group.bench_function("letters=1", |bencher: &mut Bencher| {
        bencher.iter_custom(there_and_back);
    });
    group.finish();
}

fn cross(turns: u64, letters: u64) -> Duration {
    let ([mut first, mut second], message) = (pair(), message());
    let start = Instant::now();
    let receiver = thread::spawn(move || {
        for _ in 0..turns * letters {
            wait_for(|| second.receive());
        }
        start.elapsed()
    });
    for _ in 0..turns {
        (0..letters).for_each(|_| first.send(SECOND, message.clone()));
        first.flush();
        // A shard whose lane is full takes nothing new until it has room.
        wait_for(|| {
            first.flush();
            (!first.is_congested()).then_some(())
        });
    }
    receiver.join().expect("the receiver does not panic")
}

fn there_and_back(rounds: u64) -> Duration {
    let ([mut first, mut second], message) = (pair(), message());
    let echo = thread::spawn(move || {
        for _ in 0..rounds {
            let message = wait_for(|| second.receive());
            second.send(FIRST, message);
            second.flush();
        }
    });
    let start = Instant::now();
    for _ in 0..rounds {
        first.send(SECOND, message.clone());
        first.flush();
        wait_for(|| first.receive());
    }
    let elapsed = start.elapsed();
    echo.join().expect("the echo does not panic");
    elapsed
}

/// Looks again and again, as a shard does before it sleeps.
fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        for _ in 0..LOOKS {
            if let Some(found) = look() {
                return found;
            }
            std::hint::spin_loop();
        }
        thread::yield_now();
    }
}

/// What a thread of the application leaves, and the shard takes, on one core.
fn inbox(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mesh::inbox");
    for requests in [1, 64, 1024] {
        group.throughput(Throughput::Elements(requests));
        group.bench_function(format!("requests={requests}"), |bencher| {
            let (inbox, message) = (Inbox::new(), message());
            bencher.iter(|| {
                for _ in 0..requests {
                    assert!(inbox.try_publish(message.clone()), "there is room");
                }
                while inbox.take().is_some() {}
            });
        });
    }
    group.finish();
}

criterion_group!(benches, send, look, across_threads, inbox);
criterion_main!(benches);
