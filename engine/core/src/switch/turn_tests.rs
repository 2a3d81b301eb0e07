//! Shares of a turn: what handshakes may take of it, and what they are always given.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{NodeKey, SignerError};

use super::*;
use crate::buffer::Chunk;
use crate::error::NetworkError;
use crate::peer::PeerKey;
use crate::switch::io::{Event, Output};
use crate::switch::message::{Pass, Ticket};
use crate::switch::testing::{House, Remote};

/// First transmits of handshakes among the outputs of a turn.
fn transmits(outputs: &[Output]) -> usize {
    let is_transmit = |output: &&Output| matches!(output, Output::Transmit { .. });
    outputs.iter().filter(is_transmit).count()
}

#[test]
fn a_storm_of_connections_takes_one_step_of_each_turn_and_every_turn_takes_one() {
    let mut house = House::new();
    let storm = 300;
    for number in 0..storm {
        house.accept(number);
    }
    for left in (0..storm).rev() {
        assert!(house.switch.has_work());
        assert_eq!(transmits(&house.turn()), 1);
        assert_eq!(house.switch.shard().links().shaking_len(), left as usize);
    }
    assert!(!house.switch.has_work());
    assert_eq!(transmits(&house.turn()), 0);
}

#[test]
fn data_is_taken_in_the_turn_it_comes_in_however_many_handshakes_wait() {
    let mut house = House::new();
    let mut peer = Remote::new(1);
    house.join(&mut peer);
    for number in 100..200 {
        house.accept(number);
    }
    for turn in 0..50 {
        let message = Bytes::from(vec![turn; 500]);
        peer.send(&mut house, message.clone());
        let waiting = house.switch.shard().links().shaking_len();
        house.turn();
        assert_eq!(house.received.borrow_mut().pop(), Some(message));
        assert_eq!(house.switch.shard().links().shaking_len(), waiting - 1);
    }
}

#[test]
fn a_handshake_comes_to_its_end_beside_a_peer_that_always_has_more() {
    let mut house = House::new();
    let mut busy = Remote::new(1);
    house.join(&mut busy);
    let mut other = Remote::new(2);
    house.accept(2);
    // A handshake has four steps; a few turns more carry its bytes.
    for _ in 0..12 {
        for _ in 0..100 {
            busy.send(&mut house, Bytes::from_static(b"always more"));
        }
        let outputs = house.turn();
        assert!(house.switch.has_work(), "the peer's share does not suffice");
        other.exchange(&mut house, &outputs);
    }
    assert!(other.is_peer());
    assert_eq!(house.switch.shard().links().peer_count(), 2);
}

#[test]
fn links_that_want_no_step_do_not_use_up_the_share() {
    let mut house = House::new();
    for number in 0..20 {
        house.accept(number);
        house.turn();
    }
    // Their writes have ended, which is no step.
    house.finish_writes();
    house.accept(20);
    assert_eq!(house.switch.shard().links().shaking_len(), 21);
    assert_eq!(transmits(&house.turn()), 1);
    assert!(!house.switch.has_work());
}

#[test]
fn a_handshake_that_waits_for_its_turn_holds_no_chunk() {
    let mut house = House::new();
    let (mut first, mut second) = (Remote::new(1), Remote::new(2));
    house.accept(1);
    house.accept(2);
    for _ in 0..2 {
        let outputs = house.turn();
        first.exchange_through_pool(&mut house, &outputs);
        second.exchange_through_pool(&mut house, &outputs);
    }
    assert_eq!(
        house.switch.shard().links().shaking_len(),
        2,
        "both have answered"
    );
    assert_eq!(house.switch.pool().counters().allocated, 1);
}

#[test]
fn a_connection_that_ends_before_its_turn_costs_no_step() {
    let mut house = House::new();
    let (ended, next) = (house.accept(1), house.accept(2));
    let (now, error) = (house.now, NetworkError::Eof);
    house.switch.handle_closed(now, ended, error);
    let outputs = house.turn();
    let closed = |output: &Output| matches!(output, Output::Close { link } if *link == ended);
    assert!(outputs.iter().any(closed));
    let begun = |output: &Output| matches!(output, Output::Transmit { link, .. } if *link == next);
    assert!(outputs.iter().any(begun), "in the same turn");
}

#[test]
fn a_connection_whose_turn_does_not_come_in_time_is_refused_by_name() {
    let mut house = House::new();
    for number in 0..3 {
        house.accept(number);
    }
    let timeout = house.switch.shard().core().config().handshake_timeout;
    house.now += timeout - Duration::from_nanos(1);
    house.switch.handle_timeout(house.now);
    assert_eq!(house.switch.shard().links().upgrading_count(), 3);
    house.now += Duration::from_nanos(1);
    house.switch.handle_timeout(house.now);
    assert_eq!(timed_out(&house.turn()), 3);
}

/// How many connections were refused because their handshake took too long.
fn timed_out(outputs: &[Output]) -> usize {
    let is_late = |output: &&Output| {
        let reason = match output {
            Output::Event(Event::ConnectionRefused { reason, .. }) => reason,
            _ => return false,
        };
        matches!(reason, CloseReason::HandshakeTimeout(_))
    };
    outputs.iter().filter(is_late).count()
}

#[test]
fn a_handshake_goes_on_after_a_pause_of_our_own_that_was_longer_than_its_time() {
    let mut house = House::new();
    let mut remote = Remote::new(1);
    house.accept(1);
    let mut outputs = house.turn();
    // What the remote has sent by now lies in the socket; the timer is looked at first.
    house.now += Duration::from_secs(3600);
    house.switch.handle_timeout(house.now);
    for _ in 0..20 {
        remote.exchange(&mut house, &outputs);
        outputs = house.turn();
        assert_eq!(timed_out(&outputs), 0);
    }
    assert!(remote.is_peer());
}

#[test]
fn a_silent_handshake_has_its_time_once_more_after_a_pause_of_our_own_and_not_twice() {
    // One whose turn has come, and one that waits for it.
    for has_begun in [true, false] {
        let mut house = House::new();
        let timeout = house.switch.shard().core().config().handshake_timeout;
        house.accept(1);
        if has_begun {
            house.turn();
        }
        let pass = |house: &mut House, span: Duration| {
            house.now += span;
            house.switch.handle_timeout(house.now);
            house.switch.shard().links().upgrading_count()
        };
        assert_eq!(pass(&mut house, Duration::from_secs(3600)), 1);
        assert_eq!(house.switch.poll_timeout(), Some(house.now + timeout));
        assert_eq!(pass(&mut house, timeout - Duration::from_nanos(1)), 1);
        assert_eq!(pass(&mut house, Duration::from_secs(3600)), 0);
        assert_eq!(timed_out(&house.turn()), 1);
    }
}

#[test]
fn what_a_handshake_had_to_say_goes_out_behind_the_write_in_flight_when_it_fails() {
    let mut house = House::new();
    let mut remote = Remote::new(1);
    let link = house.accept(1);
    let outputs = house.turn();
    remote.take(&outputs);
    // The first write is still on its way when the remote's key comes, and then nonsense.
    for said in [remote.take_written(), vec![0; 1044]] {
        let chunk = Chunk::copied_from(&said);
        house.switch.handle_received(house.now, link, chunk);
        let outputs = house.turn();
        let is_closed = |output: &Output| matches!(output, Output::Close { .. });
        assert!(!outputs.iter().any(is_closed), "{outputs:?}");
    }
    house.finish_writes();
    let outputs = house.turn();
    let of_link: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Transmit { link: to, .. } if *to == link => Some("transmit"),
            Output::Close { link: closed } if *closed == link => Some("close"),
            _ => None,
        })
        .collect();
    assert_eq!(of_link, ["transmit", "close"]);
}

#[test]
fn a_connection_that_fails_on_its_way_to_its_home_is_told_and_its_id_is_free() {
    let mut house = House::of_shard(ShardId(1), 2, |_| {});
    let mut remote = Remote::new(1);
    house.accept(1);
    let mut parcel = None;
    let (ticket, home) = (Ticket(7), ShardId::COORDINATOR);
    let pass = Pass {
        ticket,
        home,
        persistent: false,
    };
    for _ in 0..20 {
        let outputs = house.turn();
        remote.exchange(&mut house, &outputs);
        for output in outputs {
            match output {
                Output::Mesh {
                    message: ShardMessage::Admit(candidate),
                    ..
                } => {
                    let (link, verdict) = (candidate.link, Ok(pass));
                    let verdict = ShardMessage::Verdict { link, verdict };
                    house.switch.handle_mesh(house.now, home, verdict);
                }
                Output::Move { parcel: moved, .. } => parcel = Some(moved),
                _ => {}
            }
        }
    }
    let parcel = parcel.expect("it is admitted elsewhere");
    house
        .switch
        .handle_move_failed(house.now, *parcel, NetworkError::Eof);
    let told = house.turn();
    let left = |output: &Output| {
        matches!(output, Output::Mesh { to, message: ShardMessage::Left { ticket: of, .. } }
            if (*to, *of) == (home, ticket))
    };
    assert!(told.iter().any(left), "{told:?}");
    let refused = |output: &Output| {
        matches!(
            output,
            Output::Event(Event::ConnectionRefused { id: Some(_), .. })
        )
    };
    assert!(told.iter().any(refused), "{told:?}");
}

/// The link whose challenge a turn asked to be signed, and the challenge.
fn asked(outputs: &[Output]) -> Option<(PeerKey, [u8; 32])> {
    outputs.iter().find_map(|output| match output {
        Output::Sign { key, challenge } => Some((*key, *challenge)),
        _ => None,
    })
}

/// A house whose key is elsewhere, a remote that has sent all it can, and what is to be signed.
fn waits_for_its_key() -> (House, Remote, PeerKey, [u8; 32]) {
    let key = NodeKey::from_seed([0; 32]);
    let mut house = House::with_key(key.public_key(), |_| {});
    let mut remote = Remote::new(1);
    house.accept(1);
    let mut questions = Vec::new();
    for _ in 0..20 {
        let outputs = house.turn();
        questions.extend(asked(&outputs));
        remote.exchange(&mut house, &outputs);
    }
    assert!(!remote.is_peer(), "nobody has signed");
    assert!(!remote.is_read(), "what it sends could not be looked at");
    let [(key, challenge)] = questions[..] else {
        panic!("asked once: {questions:?}");
    };
    (house, remote, key, challenge)
}

#[test]
fn a_link_whose_key_is_elsewhere_waits_for_the_signature_and_goes_on() {
    let (mut house, mut remote, key, challenge) = waits_for_its_key();
    let signature = NodeKey::from_seed([0; 32]).sign(&challenge);
    // The answer for another link, or an earlier one at its place, changes nothing.
    let stale = PeerKey {
        generation: key.generation.wrapping_add(1),
        ..key
    };
    let refused = || Err(SignerError::new("not meant"));
    house.switch.handle_signed(house.now, stale, refused());
    house.switch.handle_signed(house.now, key, Ok(signature));
    for _ in 0..20 {
        let outputs = house.turn();
        assert_eq!(asked(&outputs), None);
        remote.exchange(&mut house, &outputs);
    }
    assert!(remote.is_peer());
    house.switch.handle_signed(house.now, key, refused());
    house.turn();
    assert_eq!(
        house.switch.shard().links().keys().count(),
        1,
        "it is a peer by now"
    );
}

#[test]
fn a_key_that_cannot_sign_costs_its_own_connection_with_the_reason() {
    let (mut house, _remote, key, _) = waits_for_its_key();
    let error = SignerError::new("the token was pulled out");
    house
        .switch
        .handle_signed(house.now, key, Err(error.clone()));
    let outputs = house.turn();
    let told = outputs.iter().find_map(|output| match output {
        Output::Event(Event::ConnectionRefused { reason, .. }) => Some(reason.to_string()),
        _ => None,
    });
    let expected = "this node's key could not sign: the token was pulled out";
    assert_eq!(told.as_deref(), Some(expected));
    assert_eq!(CloseReason::Signing(error).to_string(), expected);
    assert_eq!(house.switch.shard().links().upgrading_count(), 0);
}

#[test]
fn a_key_that_signs_too_late_is_too_late() {
    let (mut house, _remote, key, challenge) = waits_for_its_key();
    house.now += house.switch.shard().core().config().handshake_timeout;
    house.switch.handle_timeout(house.now);
    assert_eq!(timed_out(&house.turn()), 1);
    let signature = NodeKey::from_seed([0; 32]).sign(&challenge);
    house.switch.handle_signed(house.now, key, Ok(signature));
    assert_eq!(house.switch.shard().links().keys().count(), 0);
}
