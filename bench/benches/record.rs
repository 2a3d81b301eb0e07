//! What it costs to seal and to open one frame, or one wide record, where it lies.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringwire_codec::secret::record::RECORD_OVERHEAD;
use ringwire_codec::secret::{
    FRAME_DATA_MAX, FRAME_SEALED, FrameOpener, FrameSealer, RECORD_PLAIN_MAX, RecordOpener,
    RecordSealer,
};

const KEY: [u8; 32] = [0x42; 32];
/// Units sealed ahead of the clock: few enough to stay in the cache, as they do on a link.
const BATCH: u64 = 16;

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    group.throughput(Throughput::Bytes(FRAME_DATA_MAX as u64));
    let mut sealer: FrameSealer = FrameSealer::new(&KEY);
    group.bench_function(format!("seal/data={FRAME_DATA_MAX}"), |bencher| {
        let mut frame = [7; FRAME_SEALED];
        bencher.iter(|| {
            sealer
                .seal(&mut frame, FRAME_DATA_MAX)
                .expect("nonces last")
        });
    });
    let mut sealer: FrameSealer = FrameSealer::new(&KEY);
    let mut opener: FrameOpener = FrameOpener::new(&KEY);
    group.bench_function(format!("open/data={FRAME_DATA_MAX}"), |bencher| {
        bencher.iter_custom(|count| {
            time_opening(
                count,
                FRAME_SEALED,
                |frame| sealer.seal(frame, FRAME_DATA_MAX).expect("nonces last"),
                |frame| opener.open(frame).expect("authentic").len(),
            )
        });
    });
    group.finish();
}

fn records(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    for plain in [256, 1024, 16_384, RECORD_PLAIN_MAX] {
        group.throughput(Throughput::Bytes(plain as u64));
        let mut sealer: RecordSealer = RecordSealer::new(&KEY, RECORD_PLAIN_MAX);
        group.bench_function(format!("seal/plain={plain}"), |bencher| {
            let mut record = vec![7; plain + RECORD_OVERHEAD];
            bencher.iter(|| sealer.seal(&mut record).expect("nonces last"));
        });
        let mut sealer: RecordSealer = RecordSealer::new(&KEY, RECORD_PLAIN_MAX);
        let mut opener: RecordOpener = RecordOpener::new(&KEY, RECORD_PLAIN_MAX);
        group.bench_function(format!("open/plain={plain}"), |bencher| {
            bencher.iter_custom(|count| {
                time_opening(
                    count,
                    plain + RECORD_OVERHEAD,
                    |record| sealer.seal(record).expect("nonces last"),
                    |record| opener.open(record).expect("authentic").len(),
                )
            });
        });
    }
    group.finish();
}

/// The time that opening `count` units takes. A unit opens once and in order, so each is sealed
/// first, while the clock stands.
fn time_opening(
    count: u64,
    unit_bytes: usize,
    mut seal: impl FnMut(&mut [u8]),
    mut open: impl FnMut(&mut [u8]) -> usize,
) -> Duration {
    let mut units = vec![vec![7; unit_bytes]; BATCH as usize];
    let (mut opened, mut spent) = (0, Duration::ZERO);
    while opened < count {
        let batch = (count - opened).min(BATCH) as usize;
        units[..batch].iter_mut().for_each(|unit| seal(unit));
        let start = Instant::now();
        for unit in &mut units[..batch] {
            black_box(open(unit));
        }
        spent += start.elapsed();
        opened += batch as u64;
    }
    spent
}

criterion_group!(benches, frames, records);
criterion_main!(benches);
