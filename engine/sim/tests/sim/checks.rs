//! An application that checks messages and takes its time: nothing is passed on before its word, and nothing waits for
//! ever.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ringwire_codec::ChannelId;
use ringwire_core::gossip::{Acceptance, Check, CheckAnswer, Feeds, FeedsConfig};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{Instance, erase};
use ringwire_sim::{Scenario, World};

use crate::gossip::{connect, counter, publish};
use crate::support::GOSSIP;

const CONTROL: ChannelId = ChannelId(0x73);
const MOMENT: Duration = Duration::from_secs(1);

type Waiting = Rc<RefCell<Vec<Check>>>;

fn config() -> FeedsConfig {
    FeedsConfig {
        check_within: Duration::from_secs(20),
        unchecked_bytes_max: 10_000,
        ..FeedsConfig::new(CONTROL, GOSSIP)
    }
}

/// Three nodes in a row; the one in the middle checks, and what it has to check waits here.
fn row(seed: u64) -> (World, Waiting) {
    let waiting = Waiting::default();
    let desk = Rc::clone(&waiting);
    let make = move |node, _| -> Box<dyn Instance> {
        let feeds = Feeds::new(config());
        let desk = Rc::clone(&desk);
        match node {
            1 => erase(feeds.with_checker(move |check| desk.borrow_mut().push(check))),
            _ => erase(feeds),
        }
    };
    let mut world = Scenario::new(seed).nodes(3).reactor("feeds", make).build();
    connect(&mut world, &[(0, 1), (1, 2)]);
    (world, waiting)
}

fn answer(world: &mut World, check: &Check, acceptance: Acceptance) {
    let id = check.id;
    let answer = CheckAnswer { id, acceptance };
    world
        .ask::<Feeds, _>(1, ShardId(0), answer)
        .expect("the reactor is there");
    world.run_for(MOMENT);
}

fn lens(world: &World, node: u32) -> Vec<usize> {
    let received = world.received(node).iter();
    received.map(|received| received.bytes).collect()
}

#[test]
fn a_message_goes_on_when_the_application_says_so_and_not_before() {
    let (mut world, waiting) = row(1);
    for bytes in [100, 200] {
        publish(&mut world, 0, 0, vec![1; bytes]);
        world.run_for(MOMENT);
    }
    let checks = waiting.take();
    assert_eq!(checks.len(), 2);
    assert!(checks.iter().all(|check| check.from == world.id_of(0)));
    assert_eq!((lens(&world, 1), lens(&world, 2)), (vec![], vec![]));
    answer(&mut world, &checks[1], Acceptance::Accept);
    assert_eq!((lens(&world, 1), lens(&world, 2)), (vec![200], vec![200]));
    answer(&mut world, &checks[0], Acceptance::Ignore);
    assert_eq!((lens(&world, 1), lens(&world, 2)), (vec![200], vec![200]));
    // A second answer says nothing.
    answer(&mut world, &checks[0], Acceptance::Accept);
    assert_eq!(lens(&world, 1), [200]);
    assert_eq!(counter(&world, 1, "feeds_ignored"), 1);
}

#[test]
fn a_bundle_waits_for_all_its_messages_and_those_that_are_good_are_delivered() {
    let (mut world, waiting) = row(5);
    for bytes in [100, 200, 300] {
        publish(&mut world, 0, 0, vec![1; bytes]);
    }
    world.run_for(MOMENT);
    let checks = waiting.take();
    assert_eq!(checks.len(), 3);
    answer(&mut world, &checks[0], Acceptance::Accept);
    answer(&mut world, &checks[1], Acceptance::Ignore);
    assert!(lens(&world, 1).is_empty());
    answer(&mut world, &checks[2], Acceptance::Accept);
    assert_eq!(lens(&world, 1), [100, 300]);
    // The bundle is signed as a whole, so it goes on as a whole.
    assert_eq!(lens(&world, 2), [100, 200, 300]);
}

#[test]
fn who_sends_what_the_application_blames_is_stopped_when_it_says_so() {
    let (mut world, waiting) = row(2);
    publish(&mut world, 0, 0, vec![1; 100]);
    world.run_for(MOMENT);
    let check = waiting.take().remove(0);
    assert!(world.are_connected(0, 1));
    answer(&mut world, &check, Acceptance::Blame(String::from("a lie")));
    assert!(!world.are_connected(0, 1));
    assert!(lens(&world, 2).is_empty());
}

#[test]
fn what_has_no_answer_in_time_is_ignored() {
    let (mut world, waiting) = row(3);
    publish(&mut world, 0, 0, vec![1; 100]);
    world.run_for(Duration::from_secs(19));
    assert_eq!(counter(&world, 1, "feeds_checks_late"), 0);
    world.run_for(Duration::from_secs(3));
    assert_eq!(counter(&world, 1, "feeds_checks_late"), 1);
    let check = waiting.take().remove(0);
    answer(&mut world, &check, Acceptance::Accept);
    assert_eq!((lens(&world, 1), lens(&world, 2)), (vec![], vec![]));
}

#[test]
fn what_is_too_much_to_wait_is_asked_for_again_when_there_is_room() {
    let (mut world, waiting) = row(4);
    for bytes in [4000, 4001, 4002] {
        publish(&mut world, 0, 0, vec![1; bytes]);
        world.run_for(MOMENT / 4);
    }
    world.run_for(MOMENT);
    let checks = waiting.take();
    assert_eq!(checks.len(), 2, "the third is beyond 10,000 bytes");
    assert!(counter(&world, 1, "feeds_checks_refused") > 0);
    for check in &checks {
        answer(&mut world, check, Acceptance::Accept);
    }
    world.run_for(Duration::from_secs(15));
    let checks = waiting.take();
    assert_eq!(checks.len(), 1);
    answer(&mut world, &checks[0], Acceptance::Accept);
    assert_eq!(lens(&world, 2), [4000, 4001, 4002]);
}
