//! What it costs to decide whose packet is next.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ringwire_core::conn::scheduler::Scheduler;

/// The priorities of a full node's channels, in the order in which CometBFT announces them.
const PRIORITIES: [u16; 10] = [5, 6, 10, 7, 1, 5, 6, 5, 3, 1];

fn picks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scheduler");
    for busy in [1, 3, PRIORITIES.len()] {
        group.bench_function(format!("pick_and_charge/busy={busy}"), |bencher| {
            let mut scheduler = Scheduler::new(PRIORITIES);
            (0..busy).for_each(|index| scheduler.wake(index));
            bencher.iter(|| {
                let index = scheduler.pick().expect("a channel is busy");
                scheduler.charge(index, 1036);
                index
            });
        });
    }
    group.bench_function("wake_pick_charge_rest", |bencher| {
        bencher.iter_batched_ref(
            || Scheduler::new(PRIORITIES),
            |scheduler| {
                scheduler.wake(3);
                let index = scheduler.pick().expect("just woken");
                scheduler.charge(index, 210);
                scheduler.rest(index);
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, picks);
criterion_main!(benches);
