//! An application that says which large payloads it wants: of offers at once, of whole payloads when it has looked.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ringwire_codec::ChannelId;
use ringwire_core::gossip::{Acceptance, Check, CheckAnswer, Large, LargeConfig, LargeOffer};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{Instance, erase};
use ringwire_sim::{Scenario, World};

use crate::gossip::{connect, counter};

const CONTROL: ChannelId = ChannelId(0x73);
const SHARDS: ChannelId = ChannelId(0x74);
const MOMENT: Duration = Duration::from_secs(1);
const KIB: usize = 1024;

/// Three nodes in a row, and a fourth that has no link yet.
const ORIGIN: u32 = 0;
const CHECKER: u32 = 1;
const BEHIND: u32 = 2;
const LATE: u32 = 3;

type Waiting = Rc<RefCell<Vec<Check>>>;

fn config() -> LargeConfig {
    LargeConfig {
        check_within: Duration::from_secs(20),
        ..LargeConfig::new(CONTROL, SHARDS)
    }
}

/// The nodes, of which the checker is as `check` makes it.
fn row(seed: u64, config: &LargeConfig, check: impl Fn(Large) -> Large + 'static) -> World {
    let config = config.clone();
    let make = move |node, _| -> Box<dyn Instance> {
        let large = Large::new(config.clone());
        match node {
            CHECKER => erase(check(large)),
            _ => erase(large),
        }
    };
    let mut world = Scenario::new(seed).nodes(4).reactor("large", make).build();
    connect(&mut world, &[(ORIGIN, CHECKER), (CHECKER, BEHIND)]);
    world
}

/// The nodes; what the checker has to check waits here.
fn checked(seed: u64, config: &LargeConfig) -> (World, Waiting) {
    let waiting = Waiting::default();
    let desk = Rc::clone(&waiting);
    let world = row(seed, config, move |large| {
        let desk = Rc::clone(&desk);
        large.with_checker(move |check| desk.borrow_mut().push(check))
    });
    (world, waiting)
}

/// The nodes; the checker answers so to each offer, and what it was offered stands here.
fn offered(seed: u64, answer: Acceptance) -> (World, Rc<RefCell<Vec<LargeOffer>>>) {
    let offers = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&offers);
    let world = row(seed, &config(), move |large| {
        let (seen, answer) = (Rc::clone(&seen), answer.clone());
        large.with_offer_validator(move |offer| {
            seen.borrow_mut().push(*offer);
            answer.clone()
        })
    });
    (world, offers)
}

/// Publishes a payload and gives the check of it.
fn publish(world: &mut World, waiting: &Waiting, from: u32, bytes: usize) -> Check {
    world.publish(from, SHARDS, bytes);
    world.run_for(MOMENT);
    let mut checks = waiting.take();
    assert_eq!(checks.len(), 1);
    checks.remove(0)
}

fn answer(world: &mut World, check: &Check, acceptance: Acceptance) {
    let id = check.id;
    let answer = CheckAnswer { id, acceptance };
    world
        .ask::<Large, _>(CHECKER, ShardId(0), answer)
        .expect("the reactor is there");
    world.run_for(MOMENT);
}

fn lens(world: &World, node: u32) -> Vec<usize> {
    let received = world.received(node).iter();
    received.map(|received| received.bytes).collect()
}

fn lie() -> Acceptance {
    Acceptance::Blame(String::from("a lie"))
}

#[test]
fn a_whole_payload_is_delivered_when_the_application_says_so_and_passed_on_before() {
    let (mut world, waiting) = checked(1, &config());
    let check = publish(&mut world, &waiting, ORIGIN, 200 * KIB);
    assert_eq!(
        (check.from, check.message.len()),
        (world.id_of(ORIGIN), 200 * KIB)
    );
    assert_eq!(
        (lens(&world, CHECKER), lens(&world, BEHIND)),
        (vec![], vec![200 * KIB])
    );
    assert_eq!(counter(&world, CHECKER, "large_delivered"), 0);
    answer(&mut world, &check, Acceptance::Accept);
    assert_eq!(lens(&world, CHECKER), [200 * KIB]);
    assert_eq!(counter(&world, CHECKER, "large_delivered"), 1);
    // A second answer says nothing.
    answer(&mut world, &check, Acceptance::Ignore);
    connect(&mut world, &[(LATE, CHECKER)]);
    world.run_for(MOMENT * 10);
    assert_eq!(
        lens(&world, LATE),
        [200 * KIB],
        "it is kept for who comes later"
    );
}

#[test]
fn an_ignored_payload_is_not_delivered_and_nobody_gets_it_of_this_node_any_more() {
    let (mut world, waiting) = checked(2, &config());
    let check = publish(&mut world, &waiting, ORIGIN, 200 * KIB);
    answer(&mut world, &check, Acceptance::Ignore);
    connect(&mut world, &[(LATE, CHECKER)]);
    world.run_for(MOMENT * 10);
    assert_eq!(
        (lens(&world, CHECKER), lens(&world, LATE)),
        (vec![], vec![])
    );
    assert_eq!(counter(&world, CHECKER, "large_ignored"), 1);
    assert_eq!(counter(&world, CHECKER, "large_delivered"), 0);
    assert!(world.are_connected(ORIGIN, CHECKER) && world.are_connected(CHECKER, BEHIND));
    // What was refused does not come back by who has it.
    connect(&mut world, &[(LATE, BEHIND)]);
    world.run_for(MOMENT * 10);
    assert_eq!(lens(&world, LATE), [200 * KIB]);
    assert!(waiting.take().is_empty());
}

#[test]
fn an_origin_of_what_the_application_blames_is_stopped_and_who_sent_shards_is_not() {
    let (mut world, waiting) = checked(3, &config());
    // The checker has it of a neighbour that is not its origin.
    let check = publish(&mut world, &waiting, BEHIND, 200 * KIB);
    answer(&mut world, &check, lie());
    assert!(!world.are_connected(CHECKER, BEHIND));
    assert!(world.are_connected(ORIGIN, CHECKER));
    connect(&mut world, &[(ORIGIN, LATE)]);
    let check = publish(&mut world, &waiting, LATE, 200 * KIB);
    assert_eq!(check.from, world.id_of(ORIGIN));
    answer(&mut world, &check, lie());
    assert!(world.are_connected(ORIGIN, CHECKER), "it could not know");
    assert_eq!(counter(&world, CHECKER, "large_blamed"), 2);
    assert!(lens(&world, CHECKER).is_empty());
}

#[test]
fn where_nobody_signs_nobody_is_stopped_for_what_somebody_published_in_its_name() {
    let config = LargeConfig {
        signed: false,
        ..config()
    };
    let (mut world, waiting) = checked(4, &config);
    let check = publish(&mut world, &waiting, ORIGIN, 200 * KIB);
    answer(&mut world, &check, lie());
    assert!(world.are_connected(ORIGIN, CHECKER));
    assert!(lens(&world, CHECKER).is_empty());
}

#[test]
fn a_payload_without_an_answer_in_time_is_ignored() {
    let (mut world, waiting) = checked(5, &config());
    let check = publish(&mut world, &waiting, ORIGIN, 200 * KIB);
    world.run_for(Duration::from_secs(18));
    assert_eq!(counter(&world, CHECKER, "large_checks_late"), 0);
    world.run_for(Duration::from_secs(3));
    assert_eq!(counter(&world, CHECKER, "large_checks_late"), 1);
    answer(&mut world, &check, Acceptance::Accept);
    assert!(lens(&world, CHECKER).is_empty());
}

#[test]
fn what_waits_for_an_answer_takes_room_and_the_next_payload_comes_when_there_is_some() {
    let tight = LargeConfig {
        under_way_bytes_max: 900 * KIB,
        peer_bytes_max: 900 * KIB,
        ..config()
    };
    let (mut world, waiting) = checked(6, &tight);
    // Each takes twice its length while it comes, and its length while it waits.
    let first = publish(&mut world, &waiting, ORIGIN, 320 * KIB);
    world.publish(ORIGIN, SHARDS, 304 * KIB);
    world.run_for(MOMENT * 8);
    assert!(waiting.borrow().is_empty());
    assert_eq!(lens(&world, BEHIND), [320 * KIB], "one hop after the other");
    answer(&mut world, &first, Acceptance::Accept);
    world.run_for(MOMENT * 8);
    let second = waiting.take().remove(0);
    answer(&mut world, &second, Acceptance::Accept);
    assert_eq!(lens(&world, CHECKER), [320 * KIB, 304 * KIB]);
}

#[test]
fn a_validator_that_answers_at_once_needs_no_time() {
    let mut world = row(7, &config(), |large| {
        large.with_validator(|_, payload| match payload.len() {
            len if len == 200 * KIB => Acceptance::Accept,
            len if len == 300 * KIB => Acceptance::Ignore,
            _ => lie(),
        })
    });
    for bytes in [200 * KIB, 300 * KIB, 400 * KIB] {
        world.publish(ORIGIN, SHARDS, bytes);
        world.run_for(MOMENT);
    }
    assert_eq!(lens(&world, CHECKER), [200 * KIB]);
    assert_eq!(counter(&world, CHECKER, "large_ignored"), 1);
    assert!(!world.are_connected(ORIGIN, CHECKER));
}

#[test]
fn an_offer_is_shown_once_with_all_that_is_known_and_a_good_one_is_taken() {
    let (mut world, offers) = offered(8, Acceptance::Accept);
    connect(&mut world, &[(ORIGIN, BEHIND)]);
    world.publish(ORIGIN, SHARDS, 200 * KIB);
    world.run_for(MOMENT);
    let offers = offers.take();
    assert_eq!(
        offers.len(),
        1,
        "although two neighbours offer it: {offers:?}"
    );
    assert_eq!(
        (offers[0].origin, offers[0].bytes),
        (world.id_of(ORIGIN), 200 * KIB)
    );
    let neighbours = [ORIGIN, BEHIND].map(|node| world.id_of(node));
    assert!(neighbours.contains(&offers[0].from));
    assert_eq!(lens(&world, CHECKER), [200 * KIB]);
}

#[test]
fn an_offer_that_is_ignored_is_neither_asked_for_nor_passed_on() {
    let (mut world, offers) = offered(9, Acceptance::Ignore);
    world.publish(ORIGIN, SHARDS, 200 * KIB);
    world.run_for(MOMENT * 10);
    assert_eq!(offers.take().len(), 1, "it is known from then on");
    assert_eq!(
        (lens(&world, CHECKER), lens(&world, BEHIND)),
        (vec![], vec![])
    );
    assert_eq!(counter(&world, CHECKER, "large_offers_ignored"), 1);
    for figure in [
        "large_shards_asked",
        "large_shards_wanted",
        "large_shards_sent",
    ] {
        assert_eq!(counter(&world, CHECKER, figure), 0, "{figure}");
    }
    assert!(world.are_connected(ORIGIN, CHECKER));
}

#[test]
fn who_offers_what_the_application_blames_is_stopped() {
    let (mut world, offers) = offered(10, lie());
    world.publish(ORIGIN, SHARDS, 200 * KIB);
    world.run_for(MOMENT);
    assert!(!world.are_connected(ORIGIN, CHECKER));
    assert!(world.are_connected(CHECKER, BEHIND));
    assert_eq!(counter(&world, CHECKER, "large_blamed"), 1);
    assert_eq!(offers.take().len(), 1);
    // Another one that offers it is asked about by itself.
    connect(&mut world, &[(ORIGIN, BEHIND)]);
    world.run_for(MOMENT * 10);
    assert!(!world.are_connected(CHECKER, BEHIND));
    assert_eq!(offers.take().len(), 1);
}
