//! Large payloads between whole engines over real sockets.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{builder, connect, skip_without_ring};
use ringwire::gossip::{Large, LargeConfig, Publish};
use ringwire::peer::ShardId;
use ringwire::{ChannelId, Engine, Handle, Subscription};

/// How long anything here is waited for: generous, for a machine that does other work.
const WITHIN: Duration = Duration::from_secs(60);

const CONTROL: ChannelId = ChannelId(0x73);
const SHARDS: ChannelId = ChannelId(0x74);
const MIB: usize = 1024 * 1024;

/// Engines that take part, and what each hears.
fn engines(count: usize, shards: u16) -> (Vec<Engine>, Vec<Subscription>) {
    let make = |_| Large::new(LargeConfig::new(CONTROL, SHARDS));
    let start = |_| {
        let engine = builder(shards).reactor("large", make).start();
        engine.expect("an engine")
    };
    let engines: Vec<_> = (0..count).map(start).collect();
    let heard = engines
        .iter()
        .map(|engine| engine.handle().subscribe(SHARDS));
    let heard = heard
        .map(|heard| heard.expect("a channel of the reactor"))
        .collect();
    (engines, heard)
}

fn publish(from: &Handle, shard: u16, payload: Bytes) {
    let question = Publish(payload);
    let answer = from
        .reactor::<Large>()
        .ask_blocking(ShardId(shard), question, WITHIN);
    answer.expect("the engine runs").expect("it is taken");
}

/// Bytes that differ from place to place.
fn payload(bytes: usize, seed: u8) -> Bytes {
    (0..bytes).map(|at| (at % 251) as u8 ^ seed).collect()
}

#[test]
fn payloads_reach_every_engine_once_through_those_between() {
    if skip_without_ring() {
        return;
    }
    // A line of four, and two of several shards each: the ends share no link.
    let (engines, mut heard) = engines(4, 2);
    for pair in engines.windows(2) {
        connect(pair[0].handle(), pair[1].handle());
    }
    let sent = [payload(9 * MIB, 1), payload(300_000, 2)];
    for (shard, body) in sent.iter().enumerate() {
        publish(engines[0].handle(), shard as u16, body.clone());
    }
    for heard in &mut heard[1..] {
        let mut got: Vec<_> = (0..2)
            .map(|_| heard.recv_timeout(WITHIN).expect("it comes").message)
            .collect();
        got.sort_by_key(|body| std::cmp::Reverse(body.len()));
        assert!(got == sent, "the bytes that were sent");
    }
    let twice = heard[1].recv_timeout(Duration::from_millis(300));
    assert!(twice.is_none(), "each comes once");
}

#[test]
fn a_file_of_64_mib_is_one_message() {
    if skip_without_ring() {
        return;
    }
    let (engines, mut heard) = engines(2, 1);
    connect(engines[0].handle(), engines[1].handle());
    let sent = payload(64 * MIB, 3);
    publish(engines[0].handle(), 0, sent.clone());
    let got = heard[1].recv_timeout(WITHIN).expect("it comes");
    assert!(got.message == sent, "the bytes that were sent");
}
