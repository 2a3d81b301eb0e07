//! Peers that come and go for hours: what a node keeps is what the peers of now need.

use std::collections::BTreeMap;
use std::time::Duration;

use ringwire_core::gossip::{Flood, FloodConfig};
use ringwire_core::reactor::{Instance, erase};
use ringwire_sim::{Rng, Scenario, World};

use crate::support::{GOSSIP, channel};

const NODES: u32 = 24;
const STEP: Duration = Duration::from_secs(10);
const STEPS_PER_HOUR: u64 = 3600 / STEP.as_secs();
/// Ids that node 0 remembers at most, less than come in an hour.
const IDS_MAX: usize = 300;

/// A network whose nodes find each other.
fn network() -> World {
    let make = |_, _| -> Box<dyn Instance> {
        erase(Flood::new(FloodConfig {
            seen_max: IDS_MAX,
            seen_span: Duration::from_secs(600),
            ..FloodConfig::new(channel(GOSSIP, 5))
        }))
    };
    let scenario = Scenario::new(54).nodes(NODES).shards_up_to(2);
    let scenario = scenario.spread_addresses().config(|_, config| {
        config.discovery.pex = true;
    });
    let edges = (1..NODES).fold(scenario, |scenario, node| scenario.edge(node, 0));
    edges.reactor("gossip", make).build()
}

/// Somebody goes, with or without a goodbye, or comes back; and somebody says something.
fn step(world: &mut World, chance: &mut Rng) {
    let node = 1 + chance.below(u64::from(NODES) - 1) as u32;
    match (world.is_up(node), chance.below(2)) {
        (false, _) => world.bring_up(node),
        (true, 0) => world.take_down(node),
        (true, _) => {
            world.shutdown(node, Duration::from_secs(1));
            world.run_for(Duration::from_secs(2));
            world.take_down(node);
        }
    }
    for speaker in [0, 1 + chance.below(u64::from(NODES) - 1) as u32] {
        if world.is_up(speaker) {
            world.publish(speaker, GOSSIP, 100);
        }
    }
    world.run_for(STEP);
    // The world's own memory of it is not what is looked at.
    (0..NODES).for_each(|node| drop(world.take_events(node)));
}

/// The tables of node 0, all shards together, and what its gossip keeps on shard 0.
fn sizes(world: &mut World) -> BTreeMap<String, usize> {
    let mut sizes = BTreeMap::new();
    for (table, size) in world.switches(0).flat_map(|switch| switch.table_sizes()) {
        *sizes.entry(String::from(table)).or_default() += size;
    }
    let gossip = world
        .inspect(0, "gossip")
        .expect("gossip shows what it keeps");
    let gossip = String::from_utf8(gossip).expect("JSON is text");
    for field in gossip.trim_matches(['{', '}']).split(',') {
        let (name, size) = field.split_once(':').expect("a name and a number");
        let size = size.parse().expect("a number");
        sizes.insert(format!("gossip {}", name.trim_matches('"')), size);
    }
    sizes
}

/// The largest that each table was in an hour.
fn an_hour(world: &mut World, chance: &mut Rng) -> BTreeMap<String, usize> {
    let mut largest = BTreeMap::new();
    for number in 0..STEPS_PER_HOUR {
        step(world, chance);
        if number.is_multiple_of(12) {
            for (table, size) in sizes(world) {
                let most: &mut usize = largest.entry(table).or_default();
                *most = size.max(*most);
            }
        }
    }
    largest
}

#[test]
fn peers_that_come_and_go_for_hours_leave_no_table_larger() {
    let mut world = network();
    let mut chance = Rng::new(540);
    let first = an_hour(&mut world, &mut chance);
    let _second = an_hour(&mut world, &mut chance);
    let third = an_hour(&mut world, &mut chance);
    for (table, size) in &third {
        let before = first.get(table).copied().unwrap_or(0);
        // A few messages may be under way when the tables are looked at.
        let under_way = match table.ends_with("bytes") {
            true => 64 << 10,
            false => 8,
        };
        assert!(
            *size <= before + before / 4 + under_way,
            "{table}: {before} in the first hour, {size} in the third"
        );
    }
    assert!(first["sockets"] <= 2 * NODES as usize, "{first:?}");
    assert!(first["gossip sources"] <= NODES as usize, "{first:?}");
    assert!(first["gossip ids"] <= 2 * IDS_MAX, "{first:?}");
    assert!(first["timers"] <= 40 * NODES as usize, "{first:?}");
    println!("{first:?}\n{third:?}");
}
