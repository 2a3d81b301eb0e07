//! Members of a full mesh send each other short messages directly, and what the application changes of that holds at once.

use std::time::Duration;

use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::gossip::{Feeds, FeedsConfig, SetMembers};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{Instance, erase};
use ringwire_sim::{Scenario, World};

use crate::gossip::counter;
use crate::support::{GOSSIP, SOON, connect_all};

const CONTROL: ChannelId = ChannelId(0x73);
const NODES: u32 = 6;

fn full_mesh(signed: bool) -> World {
    let make = move |_, _| -> Box<dyn Instance> {
        let mut config = FeedsConfig::new(CONTROL, GOSSIP);
        config.signed = signed;
        erase(Feeds::new(config))
    };
    let scenario = Scenario::new(5).nodes(NODES).reactor("feeds", make);
    let mut world = scenario.full_mesh().build();
    let pairs = (0..NODES).flat_map(|one| (0..one).map(move |other| (one, other)));
    let edges: Vec<(u32, u32)> = pairs.collect();
    connect_all(&mut world, &edges);
    world
}

fn set_members(world: &mut World, members: &[u32]) {
    let ids: Vec<NodeId> = members.iter().map(|node| world.id_of(*node)).collect();
    for node in 0..NODES {
        let members: SetMembers = ids.iter().copied().collect();
        let told = world.ask::<Feeds, _>(node, ShardId(0), members);
        told.expect("the reactor is there");
    }
}

/// Each node publishes, and every other gets it. Returns the sums of what was sent directly, announced, and came twice.
fn publish_all(world: &mut World) -> [u64; 3] {
    let sums = |world: &World| {
        ["feeds_direct", "feeds_announced", "feeds_duplicates"].map(|name| {
            let counters = (0..NODES).map(|node| counter(world, node, name));
            counters.sum::<u64>()
        })
    };
    let before = sums(world);
    for node in 0..NODES {
        world.publish(node, GOSSIP, 300);
        world.run_for(Duration::from_millis(300));
    }
    world.run_for(SOON);
    for node in 0..NODES {
        let spread = world.ledger().spread(node, GOSSIP);
        assert!(spread.iter().all(|nodes| *nodes == NODES - 1), "{spread:?}");
    }
    let after = sums(world);
    std::array::from_fn(|at| after[at] - before[at])
}

#[test]
fn members_send_directly_and_announce_nothing_as_long_as_they_are_members() {
    let mut world = full_mesh(true);
    let all: Vec<u32> = (0..NODES).collect();
    let [direct, announced, _] = publish_all(&mut world);
    assert_eq!(direct, 0);
    assert!(announced > 0);
    set_members(&mut world, &all);
    assert_eq!(publish_all(&mut world), [u64::from(NODES), 0, 0]);
    // Node 5 is none any more. Its own messages go to the members as well.
    set_members(&mut world, &all[..5]);
    let [direct, _, _] = publish_all(&mut world);
    assert_eq!(direct, u64::from(NODES));
    set_members(&mut world, &[]);
    let [direct, _, _] = publish_all(&mut world);
    assert_eq!(direct, 0);
}

#[test]
fn where_origins_do_not_sign_members_change_nothing() {
    let mut world = full_mesh(false);
    set_members(&mut world, &(0..NODES).collect::<Vec<_>>());
    let [direct, announced, _] = publish_all(&mut world);
    assert_eq!(direct, 0);
    assert!(announced > 0);
}
