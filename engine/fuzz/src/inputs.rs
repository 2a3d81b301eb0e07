//! What must hold for any bytes: of configurations, lists of addresses, whole networks, and a peer
//! that is an attacker. cargo-fuzz feeds these functions with coverage feedback; an ordinary test
//! feeds them with a few seeded inputs, so that they compile and hold on stable Rust.
//!
//! Each reads its bytes as instructions and asserts by itself. The simulated world asserts besides,
//! after each step: invariants of every switch, and that each message comes whole, once, in order.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_codec::pex::PEX_CHANNEL;
use ringwire_core::config::{parse_listen_addrs, parse_peer_addresses};
use ringwire_core::gossip::{Flood, FloodConfig};
use ringwire_core::reactor::{
    ChannelDescriptor, Context, Envelope, Instance, Reactor, ReactorError, erase,
};
use ringwire_sim::{Fault, FaultTable, LinkProfile, Scenario, When, World};

/// A channel of the application.
const CHAT: ChannelId = ChannelId(0x70);
/// A channel that floods.
const GOSSIP: ChannelId = ChannelId(0x72);
/// Instructions of one input at most: more find nothing that so many do not.
const INSTRUCTIONS_MAX: usize = 64;
/// Time in which honest nodes must find each other again, whatever was done to them.
const SOON: Duration = Duration::from_secs(300);

/// Lists of addresses and listen addresses are read or refused, and what is read is written the same.
pub fn fuzz_address_list(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // Read or refused: both are fine, and neither panics.
    let _ = parse_listen_addrs(text);
    let Ok(list) = parse_peer_addresses(text) else {
        return;
    };
    let written: Vec<String> = list.addresses.iter().map(ToString::to_string).collect();
    let again = parse_peer_addresses(&written.join(",")).expect("what is written can be read");
    assert_eq!(again.addresses, list.addresses);
    assert!(again.left_out.is_empty(), "{:?}", again.left_out);
}

fn chat() -> ChannelDescriptor {
    ChannelDescriptor {
        send_queue_capacity: 16,
        ..ChannelDescriptor::new(CHAT, 5)
    }
}

fn flood() -> Box<dyn Instance> {
    erase(Flood::new(FloodConfig::new(ChannelDescriptor::new(
        GOSSIP, 3,
    ))))
}

/// Three nodes do what the bytes say: send, gossip, stop reading, wait, lose their links. The world
/// compares every message with what was sent, and in the end all of them are connected.
pub fn fuzz_network(bytes: &[u8]) {
    let Some((seed, instructions)) = bytes.split_first() else {
        return;
    };
    let faults = instructions.iter().take(3).map(|at| {
        let after = Duration::from_millis(u64::from(*at) * 40);
        (Fault::Reset, When::At(after))
    });
    let faults = faults.fold(FaultTable::new(), |table, (fault, when)| {
        table.with(fault, when)
    });
    let mut world = Scenario::new(u64::from(*seed))
        .nodes(3)
        .shards_up_to(3)
        .link(LinkProfile::wan().chunked(1500))
        .channel(chat())
        .reactor("flood", |_, _| flood())
        .faults(faults)
        .full_mesh()
        .build();
    for instruction in instructions.chunks_exact(3).take(INSTRUCTIONS_MAX) {
        obey(&mut world, instruction);
    }
    (0..3).for_each(|node| world.set_consuming(node, true));
    let whole = |world: &World| (0..3).all(|node| world.peers_of(node).len() == 2);
    assert!(world.run_until(SOON, whole), "honest nodes stay apart");
}

fn obey(world: &mut World, instruction: &[u8]) {
    let [verb, who, much] = [0, 1, 2].map(|place| instruction[place]);
    let (from, to) = (u32::from(who % 3), u32::from(who / 3 % 3));
    // From nothing to four megabytes, as often short as long.
    let len = 1usize << (much % 23);
    match verb % 5 {
        0 | 1 if from != to => drop(world.send(from, to, CHAT, len)),
        2 => world.publish(from, GOSSIP, len.min(1 << 16)),
        3 => world.set_consuming(from, much % 2 == 0),
        _ => world.run_for(Duration::from_millis(u64::from(much) * 10)),
    }
}

/// A peer that says what it is told to, on the channels of others' reactors, and takes all.
struct Attacker;

impl Reactor for Attacker {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        let channels = [PEX_CHANNEL, CHAT, GOSSIP];
        channels.map(|id| ChannelDescriptor::new(id, 1)).to_vec()
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        Ok(())
    }
}

/// Whether a node is the attacker.
fn is_attacker(node: u32) -> bool {
    node == 2
}

/// An authenticated peer sends any bytes on any channel at any time. Two honest nodes stay up, and
/// stay or become each other's peers.
pub fn fuzz_attacker(bytes: &[u8]) {
    let Some((seed, mut instructions)) = bytes.split_first() else {
        return;
    };
    let mut world = Scenario::new(u64::from(*seed))
        .nodes(3)
        .shards_up_to(3)
        .config(|node, config| config.discovery.pex = !is_attacker(node))
        .reactor("app", |node, _| match is_attacker(node) {
            true => erase(Attacker),
            false => flood(),
        })
        .full_mesh()
        .build();
    world.run_until(SOON, |world| !world.peers_of(2).is_empty());
    for _ in 0..INSTRUCTIONS_MAX {
        // Channel, pause, length, and then so many bytes.
        let Some(([channel, pause, len], rest)) = instructions.split_first_chunk() else {
            break;
        };
        let (message, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        instructions = rest;
        let channel = [PEX_CHANNEL, CHAT, GOSSIP][usize::from(channel % 3)];
        world.publish_bytes(2, channel, Bytes::copy_from_slice(message));
        world.run_for(Duration::from_millis(u64::from(*pause) * 8));
    }
    let honest = |world: &World| world.are_connected(0, 1);
    assert!(
        world.run_until(SOON, honest),
        "an attacker keeps honest nodes apart"
    );
    assert!(world.is_up(0) && world.is_up(1));
}
