//! What it costs to make a connection, both ends together: key exchange, signatures, NodeInfo.

use criterion::{Criterion, criterion_group, criterion_main};
use ringwire::peer::Framing;
use ringwire_bench::pair::{node_key, upgrade};
use ringwire_codec::secret::Handshake;
use ringwire_codec::secret::duplex::run_pair;

fn handshakes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    group.bench_function("secret_connection", |bencher| {
        bencher.iter(|| {
            let mut left = Handshake::new(node_key(1), [0x11; 32], None);
            let mut right = Handshake::new(node_key(2), [0x22; 32], None);
            run_pair(&mut left, &mut right, 4096).expect("an honest pair")
        });
    });
    for (name, framing) in [("comet", Framing::Comet), ("wide", Framing::Wide)] {
        group.bench_function(format!("upgrade/framing={name}"), |bencher| {
            bencher.iter(|| upgrade(framing));
        });
    }
    group.finish();
}

criterion_group!(benches, handshakes);
criterion_main!(benches);
