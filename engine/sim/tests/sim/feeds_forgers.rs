//! Gossip by feeds among forgers: a node that passes on what its origin did not sign so is hung up on, and moves
//! nothing: what the origin does say is heard by all.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::gossip::{Feeds, FeedsConfig};
use ringwire_sim::World;

use crate::forger::{self, FORGER, HEARER, MOMENT, ORIGIN, Script};
use crate::gossip::{connect, counter, publish};
use crate::support::{GOSSIP, SOON};

const CONTROL: ChannelId = ChannelId(0x73);

// Where the fields of a signed body lie.
const ALIAS: std::ops::Range<usize> = 1..3;
const SEQ: std::ops::Range<usize> = 3..11;
const FLAGS: usize = 11;
const PRIORITY: usize = 12;
const LEFT_MS: std::ops::Range<usize> = 13..17;
const SIGNATURE: std::ops::Range<usize> = 17..81;

/// What a body and the name of its origin begin with.
const BODY: u8 = 1;
const NAME: u8 = 5;

/// Two honest nodes and a forger.
fn world(signed: bool) -> (World, Rc<RefCell<Script>>) {
    let config = FeedsConfig::new(CONTROL, GOSSIP);
    let channels = [config.control.clone(), config.bodies.clone()];
    forger::world(channels, GOSSIP, move || {
        Feeds::new(FeedsConfig {
            signed,
            ..config.clone()
        })
    })
}

/// The messages of this kind that the forger has heard.
fn heard(script: &Script, kind: u8) -> Vec<Vec<u8>> {
    let messages = script.heard.iter().map(|(_, message)| message.to_vec());
    messages.filter(|message| message[0] == kind).collect()
}

/// The origin that the forger has heard the name of first.
fn named(script: &Script) -> Vec<u8> {
    heard(script, NAME).first().expect("it was named")[3..].to_vec()
}

/// The forger hears a message of the origin, and says to the hearer, who has heard nothing, what it makes of the
/// body. Then the origin itself speaks to the hearer. Gives how many messages the hearer had from the forger, and in
/// the end, and whether it kept the forger.
fn play(signed: bool, key: Option<[u8; 32]>, forge: impl Fn(&mut Vec<u8>)) -> (World, usize, bool) {
    let (mut world, script) = world(signed);
    connect(&mut world, &[(ORIGIN, FORGER)]);
    publish(&mut world, ORIGIN, 0, "one");
    world.run_for(MOMENT);
    connect(&mut world, &[(FORGER, HEARER)]);
    {
        let mut script = script.borrow_mut();
        let mut body = heard(&script, BODY).remove(0);
        let mut alias = vec![NAME];
        alias.extend(&body[ALIAS]);
        alias.extend(key.map_or_else(|| named(&script), Vec::from));
        forge(&mut body);
        script.to_say.extend([alias.into(), body.into()]);
    }
    world.run_for(MOMENT);
    let heard = world.received(HEARER).len();
    let kept = world.are_connected(FORGER, HEARER);
    connect(&mut world, &[(ORIGIN, HEARER)]);
    publish(&mut world, ORIGIN, 0, "two");
    world.run_for(SOON);
    (world, heard, kept)
}

#[test]
fn what_an_origin_signed_is_taken_from_anybody() {
    let longer = |body: &mut Vec<u8>| body[LEFT_MS].copy_from_slice(&[0; 4]);
    let (world, heard, kept) = play(true, None, longer);
    assert_eq!((heard, kept), (1, true));
    assert_eq!(world.received(HEARER).len(), 2);
    assert_eq!(counter(&world, HEARER, "feeds_unproven"), 0);
}

#[test]
fn a_forger_is_hung_up_on_and_the_origin_is_heard_all_the_same() {
    type Forge = fn(&mut Vec<u8>);
    let high_number: Forge = |body| body[SEQ][7] = 0x7f;
    let forgeries: [(&str, Option<[u8; 32]>, Forge); 8] = [
        ("no signature", None, |body| {
            body[SEQ][7] = 0x7f;
            body[FLAGS] &= !2;
            body.drain(SIGNATURE);
        }),
        ("a high number", None, high_number),
        ("another priority", None, |body| body[PRIORITY] ^= 1),
        ("not urgent", None, |body| body[FLAGS] ^= 1),
        ("an end", None, |body| body[LEFT_MS][0] = 1),
        ("another signature", None, |body| body[SIGNATURE][40] ^= 1),
        ("another payload", None, |body| {
            *body.last_mut().unwrap() ^= 1
        }),
        ("another's name", Some([9; 32]), |_| ()),
    ];
    for (forgery, key, forge) in forgeries {
        let (world, heard, kept) = play(true, key, forge);
        assert_eq!((heard, kept), (0, false), "{forgery}");
        assert_eq!(counter(&world, HEARER, "feeds_unproven"), 1, "{forgery}");
        assert_eq!(world.received(HEARER).len(), 2, "{forgery}");
    }
}

#[test]
fn a_bundle_that_is_none_is_refused_before_its_signature_is_looked_at() {
    let (world, heard, kept) = play(true, None, |body| body[FLAGS] |= 4);
    assert_eq!((heard, kept), (0, false));
    assert_eq!(counter(&world, HEARER, "feeds_unproven"), 0);
    assert_eq!(counter(&world, HEARER, "feeds_blamed"), 1);
    assert_eq!(world.received(HEARER).len(), 2);
}

#[test]
fn without_signatures_a_high_number_silences_its_origin() {
    let (world, heard, kept) = play(false, None, |body| body[SEQ][7] = 0x7f);
    assert_eq!((heard, kept), (1, true));
    assert_eq!(
        world.received(HEARER).len(),
        1,
        "what FeedsConfig::signed says of this is true"
    );
}

#[test]
fn an_old_message_that_is_said_again_after_its_origin_has_restarted_is_not_delivered_again() {
    let (mut world, script) = world(true);
    connect(
        &mut world,
        &[(ORIGIN, HEARER), (ORIGIN, FORGER), (FORGER, HEARER)],
    );
    for message in ["one", "two"] {
        publish(&mut world, ORIGIN, 0, message);
        world.run_for(MOMENT);
    }
    assert_eq!(world.received(HEARER).len(), 2);
    world.take_down(ORIGIN);
    world.run_for(MOMENT);
    world.bring_up(ORIGIN);
    connect(&mut world, &[(ORIGIN, HEARER)]);
    publish(&mut world, ORIGIN, 0, "three");
    world.run_for(MOMENT);
    assert_eq!(
        world.received(HEARER).len(),
        3,
        "its numbers are higher now"
    );
    {
        let mut script = script.borrow_mut();
        let bodies = heard(&script, BODY);
        assert!(bodies.len() >= 2);
        let mut alias = vec![NAME];
        alias.extend(&bodies[0][ALIAS]);
        alias.extend(named(&script));
        script.to_say.push(alias.into());
        script.to_say.extend(bodies.into_iter().map(Bytes::from));
    }
    world.run_for(MOMENT);
    publish(&mut world, ORIGIN, 0, "four");
    world.run_for(SOON);
    assert_eq!(world.received(HEARER).len(), 4);
    assert!(counter(&world, HEARER, "feeds_duplicates") >= 2);
}
