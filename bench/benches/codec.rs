//! What it costs to write and read the messages of the wire, without sealing them.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringwire::NodeInfo;
use ringwire::peer::Framing;
use ringwire_bench::pair::{VOTE, node_info, node_key};
use ringwire_codec::packet::{self, PACKET_HEADER_MAX};
use ringwire_codec::pex::{PEX_ADDRESSES_MAX, PexMessage};
use ringwire_codec::{NetAddress, Packet, PacketHeader, PacketMsg};

fn packets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packet");
    for data_bytes in [200, 1024, 16_384] {
        group.throughput(Throughput::Bytes(data_bytes as u64));
        group.bench_function(format!("encode_header/data={data_bytes}"), |bencher| {
            let mut header = [0; PACKET_HEADER_MAX];
            bencher.iter(|| PacketHeader::encode(black_box(VOTE), true, data_bytes, &mut header));
        });
        let mut encoded = Vec::new();
        let data = vec![7; data_bytes];
        let message = PacketMsg {
            channel: VOTE,
            eof: true,
            data: &data,
        };
        Packet::Msg(message).encode(&mut encoded);
        let body_max = packet::accepted_body_max(data_bytes);
        group.bench_function(format!("decode/data={data_bytes}"), |bencher| {
            bencher.iter(|| {
                let read = packet::decode_delimited(black_box(&encoded), body_max);
                read.expect("a valid packet").expect("a whole packet").1
            });
        });
    }
    group.finish();
}

fn introductions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("node_info");
    let info = node_info(1, Framing::Wide);
    let mut encoded = Vec::new();
    info.encode(&mut encoded);
    group.bench_function("encode", |bencher| {
        let mut buf = Vec::with_capacity(encoded.len());
        bencher.iter(|| {
            buf.clear();
            black_box(&info).encode(&mut buf);
            buf.len()
        });
    });
    group.bench_function("decode_and_validate", |bencher| {
        bencher.iter(|| {
            let read = NodeInfo::decode(black_box(&encoded)).expect("just encoded");
            let (info, _) = read.expect("a whole message");
            info.validate().expect("valid");
            info
        });
    });
    group.finish();
}

fn peer_exchange(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pex");
    let address = |number: usize| {
        let place = u32::try_from(number).expect("a small number") | 0x0a00_0000;
        NetAddress::from_ip(node_key(1).id(), place.to_be_bytes().into(), 26_656)
    };
    let message = PexMessage::Addrs((0..PEX_ADDRESSES_MAX).map(address).collect());
    let mut encoded = Vec::new();
    message.encode(&mut encoded);
    group.throughput(Throughput::Elements(PEX_ADDRESSES_MAX as u64));
    group.bench_function(format!("encode/addresses={PEX_ADDRESSES_MAX}"), |bencher| {
        let mut buf = Vec::with_capacity(encoded.len());
        bencher.iter(|| {
            buf.clear();
            black_box(&message).encode(&mut buf);
            buf.len()
        });
    });
    group.bench_function(format!("decode/addresses={PEX_ADDRESSES_MAX}"), |bencher| {
        bencher.iter(|| PexMessage::decode(black_box(&encoded)).expect("just encoded"));
    });
    group.finish();
}

criterion_group!(benches, packets, introductions, peer_exchange);
criterion_main!(benches);
