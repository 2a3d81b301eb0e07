//! What it costs to code a large payload, and to put it together again from the worst half: repair
//! shards alone. Hashes, trees and proofs are part of it.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringwire_gossip::coded::{
    CodedSegment, Decoder, Encoder, Limits, SHARD_BYTES, SHARD_BYTES_MAX, SHARD_BYTES_MIN, Shard,
};

const MIB: usize = 1024 * 1024;
const ORIGIN: [u8; 32] = [7; 32];

fn payload(bytes: usize) -> Bytes {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

fn encoder(bytes: usize, shard_bytes: usize) -> Encoder {
    Encoder::new(ORIGIN, 1, payload(bytes), shard_bytes).expect("a length that is coded")
}

fn segments(encoder: &mut Encoder) -> Vec<CodedSegment> {
    let all = 0..encoder.manifest().layout().segment_count();
    all.map(|index| encoder.segment(index).expect("a segment"))
        .collect()
}

/// k shards of each segment, the first `lost` originals replaced by repair shards.
fn shards(encoder: &mut Encoder, lost: impl Fn(u16) -> u16) -> Vec<Shard> {
    let of_segment = |segment: &CodedSegment| {
        let k = segment.layout().originals();
        let first = lost(k);
        let indices = first..first + k;
        let shards = indices.map(|index| segment.shard(index).expect("a shard"));
        shards.collect::<Vec<_>>()
    };
    segments(encoder).iter().flat_map(of_segment).collect()
}

/// Puts a payload together from its shards.
fn decode(encoder: &Encoder, shards: Vec<Shard>) -> Decoder<u8> {
    let mut decoder = Decoder::new(Limits::default());
    decoder
        .open(*encoder.manifest(), ORIGIN)
        .expect("there is room");
    for shard in shards {
        black_box(decoder.insert(0, shard).expect("a good shard"));
    }
    assert!(decoder.is_empty(), "the payload is whole");
    decoder
}

fn coding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("coded");
    group.sample_size(20);
    let sizes = [
        (MIB, SHARD_BYTES_MIN),
        (MIB, SHARD_BYTES),
        (MIB, SHARD_BYTES_MAX),
        (4 * MIB, SHARD_BYTES),
        (16 * MIB, SHARD_BYTES),
    ];
    for (bytes, shard_bytes) in sizes {
        let name = format!("{}MiB/shard={}KiB", bytes / MIB, shard_bytes / 1024);
        group.throughput(Throughput::Bytes(bytes as u64));
        let body = payload(bytes);
        group.bench_function(format!("encode/{name}"), |bencher| {
            bencher.iter(|| Encoder::new(ORIGIN, 1, body.clone(), shard_bytes));
        });
        let mut made = encoder(bytes, shard_bytes);
        let complete = shards(&mut made, |_| 0);
        group.bench_function(format!("join/{name}"), |bencher| {
            let shards = || complete.clone();
            bencher.iter_batched(
                shards,
                |shards| decode(&made, shards),
                BatchSize::LargeInput,
            );
        });
        let repairs = shards(&mut made, |k| k);
        group.bench_function(format!("decode/{name}"), |bencher| {
            let shards = || repairs.clone();
            bencher.iter_batched(
                shards,
                |shards| decode(&made, shards),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, coding);
criterion_main!(benches);
