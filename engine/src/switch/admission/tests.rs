//! Admission: budgets, duplicates, bans, homes and the tie-break of simultaneous dials.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::peer::PeerKey;
use crate::switch::message::AttemptId;

const LOCAL: u8 = 100;

fn id(byte: u8) -> NodeId {
    NodeId::from_bytes([byte; 20])
}

fn admission(limits: AdmissionLimits, shards: u16) -> Admission {
    Admission::new(id(LOCAL), limits, shards)
}

fn plan(own_dial: OwnDial) -> Plan {
    Plan {
        own_dial,
        persistent: false,
        discovered: false,
    }
}

fn limits(inbound_max: usize) -> AdmissionLimits {
    AdmissionLimits {
        inbound_max,
        outbound_max: 10,
        allow_duplicate_ip: true,
        unconditional: Vec::new(),
    }
}

fn candidate(byte: u8, direction: Direction) -> Candidate {
    Candidate {
        link: PeerKey {
            index: u32::from(byte),
            generation: 0,
        },
        id: id(byte),
        remote_addr: SocketAddr::from(([10, 0, 0, byte], 26_656)),
        direction,
        attempt: (direction == Direction::Outbound).then_some(AttemptId(0)),
        breaks_ties: true,
    }
}

fn inbound(byte: u8) -> Candidate {
    candidate(byte, Direction::Inbound)
}

fn ask(admission: &mut Admission, candidate: Candidate) -> Decision {
    admission.decide(Instant::ZERO, ShardId(0), candidate, plan(OwnDial::None))
}

fn pass(decision: Decision) -> Pass {
    match decision {
        Decision::Verdict(Ok(pass)) => pass,
        other => panic!("not admitted: {other:?}"),
    }
}

fn reject(decision: Decision) -> Reject {
    match decision {
        Decision::Verdict(Err(reject)) => reject,
        other => panic!("not rejected: {other:?}"),
    }
}

// Conformance item 62.
#[test]
fn five_inbound_peers_fit_the_sixth_is_refused_and_unconditional_ones_still_pass() {
    let unconditional = vec![id(20), id(21)];
    let mut admission = admission(
        AdmissionLimits {
            unconditional,
            ..limits(5)
        },
        1,
    );
    for byte in 1..=5 {
        pass(ask(&mut admission, inbound(byte)));
    }
    assert!(admission.is_inbound_full());
    assert_eq!(
        reject(ask(&mut admission, inbound(6))),
        Reject::InboundFull(5)
    );
    pass(ask(&mut admission, inbound(20)));
    pass(ask(&mut admission, inbound(21)));
    pass(ask(&mut admission, candidate(7, Direction::Outbound)));
}

#[test]
fn an_inbound_peer_that_leaves_makes_room_for_one() {
    let mut admission = admission(limits(1), 1);
    let first = pass(ask(&mut admission, inbound(1)));
    assert_eq!(
        reject(ask(&mut admission, inbound(2))),
        Reject::InboundFull(1)
    );
    assert_eq!(admission.leave(first.ticket).unwrap().id, id(1));
    assert!(admission.leave(first.ticket).is_none());
    pass(ask(&mut admission, inbound(2)));
}

// Conformance items 54 and 65.
#[test]
fn an_id_is_refused_until_its_former_connection_has_left() {
    let mut admission = admission(limits(9), 1);
    let first = pass(ask(&mut admission, inbound(1)));
    assert_eq!(
        reject(ask(&mut admission, inbound(1))),
        Reject::DuplicateId(id(1))
    );
    admission.leave(first.ticket);
    let second = pass(ask(&mut admission, inbound(1)));
    assert_ne!(first.ticket, second.ticket);
}

// Conformance item 34.
#[test]
fn of_twenty_candidates_with_one_id_exactly_one_is_admitted() {
    let mut admission = admission(limits(99), 4);
    let admitted = (0..20)
        .map(|shard| {
            let asker = ShardId(shard % 4);
            let mut twin = inbound(1);
            twin.breaks_ties = false;
            admission.decide(Instant::ZERO, asker, twin, plan(OwnDial::None))
        })
        .filter(|decision| matches!(decision, Decision::Verdict(Ok(_))))
        .count();
    assert_eq!(admitted, 1);
}

// Conformance item 46.
#[test]
fn our_own_id_is_refused_as_ourselves() {
    let mut admission = admission(limits(9), 1);
    assert_eq!(reject(ask(&mut admission, inbound(LOCAL))), Reject::IsSelf);
}

// Conformance item 47.
#[test]
fn a_second_id_at_one_address_is_refused_unless_allowed() {
    let mut strict = admission(
        AdmissionLimits {
            allow_duplicate_ip: false,
            ..limits(9)
        },
        1,
    );
    let mut twin = inbound(2);
    twin.remote_addr = SocketAddr::from(([10, 0, 0, 1], 9));
    let first = pass(ask(&mut strict, inbound(1)));
    let ip = twin.remote_addr.ip();
    assert_eq!(
        reject(ask(&mut strict, twin.clone())),
        Reject::DuplicateIp(ip)
    );
    strict.leave(first.ticket);
    pass(ask(&mut strict, twin.clone()));

    let mut lax = admission(limits(9), 1);
    pass(ask(&mut lax, inbound(1)));
    pass(ask(&mut lax, twin));
}

#[test]
fn a_mapped_address_is_the_address_it_maps() {
    let mut strict = admission(
        AdmissionLimits {
            allow_duplicate_ip: false,
            ..limits(9)
        },
        1,
    );
    pass(ask(&mut strict, inbound(1)));
    let mut mapped = inbound(2);
    mapped.remote_addr = "[::ffff:10.0.0.1]:1".parse().unwrap();
    let ip = "10.0.0.1".parse().unwrap();
    assert_eq!(reject(ask(&mut strict, mapped)), Reject::DuplicateIp(ip));
}

#[test]
fn a_ban_holds_until_its_end_and_no_longer() {
    let mut admission = admission(limits(9), 1);
    let until = Instant::from_nanos(10);
    assert_eq!(admission.ban_id(id(1), until), []);
    admission.ban_ip("10.0.0.2".parse().unwrap(), until);
    let at = |nanos| Instant::from_nanos(nanos);
    let mut ask =
        |nanos, byte| admission.decide(at(nanos), ShardId(0), inbound(byte), plan(OwnDial::None));
    assert_eq!(reject(ask(9, 1)), Reject::Banned);
    assert_eq!(reject(ask(9, 2)), Reject::Banned);
    pass(ask(10, 1));
    pass(ask(10, 2));
}

#[test]
fn a_home_is_the_lightest_shard_and_of_equals_the_asking_one() {
    let mut admission = admission(limits(99), 3);
    let mut home = |byte, from| {
        let decision = admission.decide(
            Instant::ZERO,
            ShardId(from),
            inbound(byte),
            plan(OwnDial::None),
        );
        pass(decision).home.0
    };
    assert_eq!(home(1, 2), 2);
    assert_eq!(home(2, 2), 0);
    assert_eq!(home(3, 2), 1);
    assert_eq!(home(4, 1), 1);
}

#[test]
fn the_higher_id_refuses_the_inbound_half_while_its_own_dial_shakes_hands() {
    let mut admission = admission(limits(9), 1);
    let decide = |admission: &mut Admission, candidate| {
        admission.decide(
            Instant::ZERO,
            ShardId(0),
            candidate,
            plan(OwnDial::PastConnect),
        )
    };
    let lower = inbound(LOCAL - 1);
    assert_eq!(
        reject(decide(&mut admission, lower)),
        Reject::DuplicateId(id(LOCAL - 1))
    );
    pass(decide(&mut admission, inbound(LOCAL + 1)));
    let mut plain = inbound(LOCAL - 2);
    plain.breaks_ties = false;
    pass(decide(&mut admission, plain));
}

#[test]
fn the_lower_id_displaces_its_own_dial_when_the_kept_half_comes() {
    let mut admission = admission(limits(9), 1);
    let dialed = pass(ask(
        &mut admission,
        candidate(LOCAL + 1, Direction::Outbound),
    ));
    let kept = inbound(LOCAL + 1);
    let expected = Decision::Displace {
        ticket: dialed.ticket,
        home: dialed.home,
    };
    assert_eq!(ask(&mut admission, kept.clone()), expected);
    let departed = admission.leave(dialed.ticket).unwrap();
    assert_eq!(departed.successor, Some((ShardId(0), kept.clone())));
    pass(ask(&mut admission, kept));
}

#[test]
fn a_connection_past_the_window_is_no_longer_displaced() {
    let mut admission = admission(limits(9), 1);
    pass(ask(
        &mut admission,
        candidate(LOCAL + 1, Direction::Outbound),
    ));
    let late = Instant::ZERO + SIMULTANEOUS_WINDOW + Duration::from_nanos(1);
    let decision = admission.decide(late, ShardId(0), inbound(LOCAL + 1), plan(OwnDial::None));
    assert_eq!(reject(decision), Reject::DuplicateId(id(LOCAL + 1)));
}

#[test]
fn both_nodes_keep_the_same_half_of_a_simultaneous_dial_in_any_order() {
    // Each bit decides whose request a node handles first.
    for order in 0..4_u8 {
        let (low, high) = (id(1), id(2));
        let mut nodes = [
            Admission::new(low, limits(9), 1),
            Admission::new(high, limits(9), 1),
        ];
        let mut kept = [None, None];
        for (n, node) in nodes.iter_mut().enumerate() {
            let remote = if n == 0 { 2 } else { 1 };
            let own = candidate(remote, Direction::Outbound);
            let other = inbound(remote);
            let own_first = order >> n & 1 == 0;
            let asks = if own_first {
                [own, other]
            } else {
                [other, own]
            };
            for ask in asks {
                // While our own dial has not asked yet, it is past connect.
                let own_dial = if ask.direction == Direction::Inbound && !own_first {
                    OwnDial::PastConnect
                } else {
                    OwnDial::None
                };
                let direction = ask.direction;
                match node.decide(Instant::ZERO, ShardId(0), ask, plan(own_dial)) {
                    Decision::Verdict(Ok(_)) => kept[n] = Some(direction),
                    Decision::Displace { ticket, .. } => {
                        let (shard, successor) = node.leave(ticket).unwrap().successor.unwrap();
                        let again =
                            node.decide(Instant::ZERO, shard, successor, plan(OwnDial::None));
                        pass(again);
                        kept[n] = Some(direction);
                    }
                    Decision::Verdict(Err(_)) => {}
                }
            }
        }
        assert_eq!(
            kept[0],
            Some(Direction::Inbound),
            "low keeps what high dialed ({order})"
        );
        assert_eq!(
            kept[1],
            Some(Direction::Outbound),
            "high keeps what it dialed ({order})"
        );
    }
}
