//! A run is a function of its seed.

use std::time::Duration;

use ringwire_core::gossip::{Flood, FloodConfig};
use ringwire_core::reactor::erase;
use ringwire_sim::{FaultTable, LinkProfile, Rng, Scenario};

use crate::support::{CHAT, GOSSIP, channel, ring_and_chords};

fn trace_of(seed: u64) -> ([u8; 32], u64) {
    let span = Duration::from_secs(30);
    let mut world = Scenario::new(seed)
        .nodes(6)
        .shards_up_to(4)
        .link(LinkProfile::wan().chunked(3000))
        .channel(channel(CHAT, 1))
        .reactor("flood", |_, _| {
            erase(Flood::new(FloodConfig::new(channel(GOSSIP, 5))))
        })
        .faults(FaultTable::random(&mut Rng::new(seed), 6, span))
        .ring()
        .chords(2)
        .build();
    for _ in 0..20 {
        world.run_for(Duration::from_secs(1));
        for (from, to) in ring_and_chords(6, 2) {
            world.send(from, to, CHAT, 2000);
        }
        world.publish(0, GOSSIP, 500);
    }
    world.run_for(span);
    (world.trace().hash(), world.trace().entries())
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_last_byte() {
    for seed in 0..4 {
        let (hash, entries) = trace_of(seed);
        assert!(entries > 1000, "a run of {entries} steps shows nothing");
        assert_eq!(trace_of(seed), (hash, entries), "seed {seed}");
        // With --nocapture: a change of structure alone leaves these as they were.
        println!(
            "seed {seed}: {entries} entries, trace {}",
            hex::encode(hash)
        );
    }
}

#[test]
fn another_seed_gives_another_run() {
    assert_ne!(trace_of(1).0, trace_of(2).0);
}
