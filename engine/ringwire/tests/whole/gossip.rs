//! A [`Gossip`] between whole engines over real sockets, as an application takes it.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use ringwire::gossip::{
    Acceptance, Check, CheckLimits, Gossip, GossipBuilder, GossipHandle, GossipSubscription,
    PublishOptions,
};
use ringwire::{ChannelId, Engine};

use crate::common::{builder, connect, skip_without_ring, wait_until};

/// How long anything here is waited for: generous, for a machine that does other work.
const WITHIN: Duration = Duration::from_secs(60);

/// Long enough for what must not come.
const QUIET: Duration = Duration::from_millis(500);

struct Member {
    /// Ends with it.
    _engine: Engine,
    gossip: GossipHandle,
    heard: GossipSubscription,
}

/// Engines of two shards in a row.
fn row(gossips: Vec<Gossip>) -> Vec<Member> {
    let start = |gossip: Gossip| {
        let engine = builder(2).gossip("gossip", &gossip).start();
        let engine = engine.expect("an engine");
        let gossip = engine.handle().gossip(&gossip).expect("it was built in");
        let heard = gossip.subscribe().expect("the engine runs");
        Member {
            _engine: engine,
            gossip,
            heard,
        }
    };
    let members: Vec<Member> = gossips.into_iter().map(start).collect();
    for pair in members.windows(2) {
        connect(pair[0]._engine.handle(), pair[1]._engine.handle());
    }
    members
}

fn gossip(choose: impl FnOnce(GossipBuilder) -> GossipBuilder) -> Gossip {
    choose(Gossip::builder())
        .build()
        .expect("a gossip that can be")
}

fn message(bytes: usize) -> Bytes {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

#[test]
fn messages_of_every_length_go_the_right_way_and_come_to_one_subscription() {
    if skip_without_ring() {
        return;
    }
    let mut members = row((0..3).map(|_| gossip(|it| it)).collect());
    let lengths = [0, 1, 1024, 1025, 128 * 1024, 128 * 1024 + 1, 3_000_000];
    for bytes in lengths {
        let published = members[0].gossip.try_publish(message(bytes));
        published.expect("the engine runs, and has room for so few");
    }
    for member in &mut members[1..] {
        let mut got: Vec<Bytes> = (lengths.iter())
            .map(|_| member.heard.recv_timeout(WITHIN).expect("it comes").message)
            .collect();
        got.sort_by_key(Bytes::len);
        assert!(got == lengths.map(message), "the bytes that were sent");
        assert!(
            member.heard.recv_timeout(QUIET).is_none(),
            "each comes once"
        );
    }
    assert!(members[0].heard.try_recv().is_none(), "nobody hears itself");
}

#[test]
fn an_application_checks_on_a_thread_of_its_own_and_only_what_is_good_goes_on() {
    if skip_without_ring() {
        return;
    }
    let (to_mempool, checks) = mpsc::channel::<Check>();
    let hand_on = move |check| drop(to_mempool.send(check));
    let checked = gossip(|it| it.checker(CheckLimits::default(), hand_on));
    let mut members = row(vec![gossip(|it| it), checked, gossip(|it| it)]);
    thread::spawn(move || {
        for check in checks {
            thread::sleep(Duration::from_millis(5));
            match check.message().len() {
                100 => check.accept(),
                200 => check.ignore(),
                // Dropped: ignored as well.
                _ => {}
            }
        }
    });
    for bytes in [200, 300, 100] {
        let published = members[0].gossip.publish_blocking(message(bytes));
        published.expect("the engine runs");
        // Each in a turn of its own, so that they are no bundle.
        thread::sleep(QUIET);
    }
    for member in &mut members[1..] {
        let got = member.heard.recv_timeout(WITHIN).expect("it comes");
        assert_eq!(got.message.len(), 100);
        assert!(member.heard.recv_timeout(QUIET).is_none());
    }
}

#[test]
fn an_application_checks_long_payloads_when_they_are_whole_and_only_what_is_good_is_delivered() {
    if skip_without_ring() {
        return;
    }
    const GOOD: usize = 200_000;
    const IGNORED: usize = 300_000;
    const DROPPED: usize = 400_000;
    const UNANSWERED: usize = 500_000;
    const BLAMED: usize = 600_000;
    let limits = CheckLimits {
        within: QUIET,
        ..CheckLimits::default()
    };
    let (to_application, checks) = mpsc::channel::<Check>();
    let hand_on = move |check| drop(to_application.send(check));
    let checked = gossip(|it| it.checker(limits, hand_on));
    let mut members = row(vec![gossip(|it| it), checked, gossip(|it| it)]);
    let (say, said) = mpsc::channel();
    thread::spawn(move || {
        let mut unanswered = Vec::new();
        for check in checks {
            say.send(check.message().len()).expect("the test listens");
            match check.message().len() {
                GOOD => check.accept(),
                IGNORED => check.ignore(),
                DROPPED => drop(check),
                BLAMED => check.blame("a lie"),
                _ => unanswered.push(check),
            }
        }
        // An answer that comes too late says nothing.
        unanswered.into_iter().for_each(Check::accept);
    });
    let publish = |members: &[Member], bytes| {
        let published = members[0].gossip.publish_blocking(message(bytes));
        published.expect("the engine runs");
        assert_eq!(said.recv_timeout(WITHIN), Ok(bytes));
    };
    for bytes in [UNANSWERED, IGNORED, DROPPED, GOOD] {
        publish(&members, bytes);
    }
    let got = members[1].heard.recv_timeout(WITHIN).expect("it comes");
    assert!(got.message == message(GOOD), "the bytes that were sent");
    // It is passed on, and so is of the others what came before the word about them.
    let behind = &mut members[2].heard;
    let next = || Some(behind.recv_timeout(WITHIN)?.message.len());
    assert!(std::iter::from_fn(next).any(|bytes| bytes == GOOD));
    assert_eq!(members[1]._engine.handle().peer_count(), 2);
    publish(&members, BLAMED);
    let handle = members[1]._engine.handle();
    wait_until("the origin is stopped", || handle.peer_count() == 1);
    assert!(members[1].heard.recv_timeout(QUIET * 2).is_none());
}

#[test]
fn an_application_refuses_long_payloads_that_are_offered() {
    if skip_without_ring() {
        return;
    }
    let small = gossip(|it| {
        it.offer_validator(|offer| match offer.bytes > 300_000 {
            true => Acceptance::Ignore,
            false => Acceptance::Accept,
        })
    });
    let mut members = row(vec![gossip(|it| it), small, gossip(|it| it)]);
    for bytes in [400_000, 200_000] {
        let published = members[0].gossip.publish_blocking(message(bytes));
        published.expect("the engine runs");
    }
    for member in &mut members[1..] {
        let got = member.heard.recv_timeout(WITHIN).expect("it comes");
        assert_eq!(got.message.len(), 200_000);
        assert!(member.heard.recv_timeout(QUIET).is_none());
    }
}

#[test]
fn a_node_learns_that_its_neighbours_have_a_message_and_who_feeds_it() {
    if skip_without_ring() {
        return;
    }
    let mut members = row((0..2).map(|_| gossip(|it| it)).collect());
    let options = PublishOptions {
        tag: 77,
        ..PublishOptions::default()
    };
    let published = members[0]
        .gossip
        .publish_with_blocking(message(10), options);
    published.expect("the engine runs");
    members[1].heard.recv_timeout(WITHIN).expect("it comes");
    let is_told = || {
        let reaches = members[0].gossip.reaches_blocking(WITHIN);
        let reaches = reaches.expect("the engine runs");
        assert_eq!(reaches.len(), 1);
        assert_eq!((reaches[0].tag, reaches[0].neighbours), (77, 1));
        reaches[0].is_everywhere()
    };
    let mut looks = 0;
    while !is_told() {
        looks += 1;
        assert!(looks < 600, "a digest goes out each second");
        thread::sleep(Duration::from_millis(100));
    }
    let origin = members[0]._engine.handle().node_id();
    let feeders = members[1].gossip.feeders_blocking(WITHIN);
    for feeder in feeders.expect("the engine runs") {
        assert_eq!((feeder.origin, feeder.feeder), (origin, origin));
    }
}

#[test]
fn a_gossip_that_an_engine_was_not_built_with_is_refused() {
    if skip_without_ring() {
        return;
    }
    let engine = builder(1).start().expect("an engine");
    let unknown = gossip(|it| it.channels(ChannelId(0x40)));
    assert!(engine.handle().gossip(&unknown).is_err());
}
