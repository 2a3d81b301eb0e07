//! The whole of a connection without a kernel: queue, schedule, pack, seal, copy as the kernel
//! would, open, gather, pull. Both ends on one core.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringwire::peer::Framing;
use ringwire_bench::pair::{DATA, Pair, VOTE};

/// Payload bytes carried in one iteration, so that the batch is what a busy link has.
const BURST_BYTES: usize = 1 << 20;

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mconnection");
    group.sample_size(20);
    for (name, framing) in [("comet", Framing::Comet), ("wide", Framing::Wide)] {
        for (channel, message_bytes) in [(VOTE, 200), (DATA, 1024), (DATA, 65_536)] {
            let mut pair = Pair::new(framing);
            let message = Bytes::from(vec![7; message_bytes]);
            let count = BURST_BYTES / message_bytes;
            group.throughput(Throughput::Elements(count as u64));
            let case = format!("carry/framing={name}/message={message_bytes}");
            group.bench_function(case, |bencher| {
                bencher.iter(|| pair.carry(channel, &message, count));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
