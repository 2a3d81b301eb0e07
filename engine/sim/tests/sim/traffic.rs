//! Load: slow readers, saturated lines, votes beside bulk.

use std::time::Duration;

use ringwire_codec::ChannelId;
use ringwire_sim::{LinkProfile, Scenario, World};

use crate::support::{BULK, CHAT, SOON, channel, connect_all, for_seeds};

// A slow reader slows itself only.
#[test]
fn a_node_that_takes_nothing_holds_up_its_own_messages_and_nobody_elses() {
    for_seeds(
        "a_node_that_takes_nothing_holds_up_its_own_messages",
        3,
        |seed| {
            let mut world = Scenario::new(seed)
                .nodes(3)
                .shards_up_to(2)
                .channel(channel(CHAT, 1))
                .edge(1, 0)
                .edge(2, 0)
                .build();
            connect_all(&mut world, &[(0, 1), (0, 2)]);
            world.set_consuming(1, false);
            for _ in 0..100 {
                for to in [1, 2] {
                    (0..20).for_each(|_| {
                        world.send(0, to, CHAT, 25_000);
                    });
                }
                world.run_for(Duration::from_millis(100));
            }
            world.run_for(SOON);
            assert_eq!(world.ledger().direct(0, 2, CHAT), (2000, 2000));
            assert_eq!(world.ledger().direct(0, 1, CHAT), (2000, 0));
            assert!(world.are_connected(0, 1), "a slow reader is not a dead one");
            world.set_consuming(1, true);
            world.run_for(SOON * 2);
            // What found no room was refused, and the sender knows.
            let refused = world.sends_failed();
            assert!(refused > 0, "queues are bounded");
            assert_eq!(world.ledger().direct(0, 1, CHAT), (2000, 2000 - refused));
        },
    );
}

/// Sends bulk as fast as the line takes it and a vote every 50 ms; gives the latencies of the
/// votes, ascending.
fn votes_beside_bulk(votes: ChannelId, bulk_priority: u16, speed: u64) -> Vec<Duration> {
    let mut world = Scenario::new(1)
        .channel(channel(BULK, bulk_priority))
        .channel(channel(CHAT, 100))
        .link(LinkProfile::wan().at_speed(speed))
        .edge(0, 1)
        .build();
    connect_all(&mut world, &[(0, 1)]);
    (0..64).for_each(|_| {
        world.send(0, 1, BULK, 30_000);
    });
    for _ in 0..200 {
        world.run_for(Duration::from_millis(50));
        keep_busy(&mut world, speed);
        world.send(0, 1, votes, 200);
    }
    world.run_for(SOON * 4);
    let received = world
        .received(1)
        .iter()
        .filter(|message| message.bytes == 200);
    let mut latencies: Vec<Duration> = received
        .filter_map(|vote| vote.sent_at.map(|sent| vote.at - sent))
        .collect();
    assert_eq!(latencies.len(), 200, "all votes arrived");
    latencies.sort();
    latencies
}

/// Adds bulk for the next 50 ms.
fn keep_busy(world: &mut World, speed: u64) {
    for _ in 0..speed / 20 / 30_000 + 1 {
        world.send(0, 1, BULK, 30_000);
    }
}

#[test]
fn votes_do_not_wait_behind_bulk_on_a_saturated_line() {
    let speed = 1_000_000;
    let beside = votes_beside_bulk(CHAT, 1, speed);
    let behind = votes_beside_bulk(BULK, 1, speed);
    let (p50, last) = (beside[100], beside[199]);
    // A vote waits for the write that is on the line, then travels: some 4 sealed buffers of
    // 68 KiB at this speed, and 50 ms of line.
    let write = Duration::from_secs(4 * 68 * 1024) / speed as u32;
    assert!(
        last < write * 2 + Duration::from_millis(100),
        "the last vote took {last:?}"
    );
    assert!(
        behind[100] > p50 * 3,
        "median {p50:?} beside bulk, {:?} behind it",
        behind[100]
    );
}

#[test]
fn a_channel_gets_its_share_and_the_other_is_not_starved() {
    let mut world = Scenario::new(2)
        .channel(channel(BULK, 1))
        .channel(channel(CHAT, 9))
        .link(LinkProfile::wan().at_speed(1_000_000))
        .edge(0, 1)
        .build();
    connect_all(&mut world, &[(0, 1)]);
    for _ in 0..400 {
        (0..2).for_each(|_| {
            world.send(0, 1, BULK, 10_000);
            world.send(0, 1, CHAT, 10_000);
        });
    }
    world.run_for(Duration::from_secs(5));
    let arrived = |channel| world.ledger().direct(0, 1, channel).1 as f64;
    let share = arrived(CHAT) / arrived(BULK).max(1.0);
    assert!(arrived(BULK) > 20.0, "the lesser channel starves");
    assert!((7.0..11.0).contains(&share), "nine to one, but {share:.1}");
}
