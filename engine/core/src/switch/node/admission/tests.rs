//! Admission: budgets, duplicates, bans, homes and the tie-break of simultaneous dials.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::peer::{PeerKey, RemoteAddr};
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
        ..AdmissionLimits::default()
    }
}

fn candidate(byte: u8, direction: Direction) -> Candidate {
    Candidate {
        link: PeerKey {
            index: u32::from(byte),
            generation: 0,
        },
        id: id(byte),
        remote_addr: SocketAddr::from(([10, 0, 0, byte], 26_656)).into(),
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
    let again = Candidate {
        direction: Direction::Outbound,
        breaks_ties: false,
        ..inbound(1)
    };
    assert_eq!(
        reject(ask(&mut admission, again)),
        Reject::DuplicateId(id(1))
    );
    admission.leave(first.ticket);
    let second = pass(ask(&mut admission, inbound(1)));
    assert_ne!(first.ticket, second.ticket);
}

#[test]
fn a_node_that_comes_again_waits_for_its_older_connection_to_live_or_to_leave() {
    let mut admission = admission(limits(9), 1);
    let first = pass(ask(&mut admission, inbound(1)));
    let (ticket, home) = (first.ticket, first.home);
    let probe = Decision::Probe { ticket, home };
    assert_eq!(ask(&mut admission, inbound(1)), probe);
    // One waits; a third is refused at once.
    assert_eq!(
        reject(ask(&mut admission, inbound(1))),
        Reject::DuplicateId(id(1))
    );
    let rival = admission.take_rival(ticket);
    assert_eq!(rival, Some((ShardId(0), inbound(1))), "the older one lives");
    assert_eq!(admission.take_rival(ticket), None);
    assert_eq!(ask(&mut admission, inbound(1)), probe);
    let departed = admission.leave(ticket).expect("it was there");
    assert_eq!(departed.successor, Some((ShardId(0), inbound(1))));
    pass(ask(&mut admission, inbound(1)));
}

#[test]
fn the_winner_of_a_simultaneous_dial_is_not_refused_because_the_loser_lives() {
    let mut admission = admission(limits(9), 1);
    let dialed = pass(ask(
        &mut admission,
        candidate(LOCAL + 1, Direction::Outbound),
    ));
    let decision = ask(&mut admission, inbound(LOCAL + 1));
    assert!(matches!(decision, Decision::Displace { .. }));
    assert_eq!(admission.take_rival(dialed.ticket), None);
    assert!(
        admission
            .leave(dialed.ticket)
            .expect("it was there")
            .successor
            .is_some()
    );
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
    twin.remote_addr = SocketAddr::from(([10, 0, 0, 1], 9)).into();
    let first = pass(ask(&mut strict, inbound(1)));
    let ip = twin.remote_addr.ip().expect("it came over the network");
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
fn as_many_ids_fit_at_a_shared_address_as_its_limit_says() {
    let mut admission = admission(
        AdmissionLimits {
            per_ip_max: 2,
            ..limits(9)
        },
        1,
    );
    let mut at_one_address = |byte| {
        let mut candidate = inbound(byte);
        candidate.remote_addr = SocketAddr::from(([10, 0, 0, 1], u16::from(byte))).into();
        ask(&mut admission, candidate)
    };
    let first = pass(at_one_address(1));
    pass(at_one_address(2));
    let (ip, limit) = ("10.0.0.1".parse().unwrap(), 2);
    assert_eq!(reject(at_one_address(3)), Reject::PeersFromIp { ip, limit });
    admission.leave(first.ticket);
    let mut third = inbound(3);
    third.remote_addr = SocketAddr::from(([10, 0, 0, 1], 3)).into();
    pass(ask(&mut admission, third));
}

#[test]
fn a_subnet_has_its_share_of_strangers_who_come_and_of_nobody_else() {
    let mut admission = admission(
        AdmissionLimits {
            per_subnet_max: 2,
            unconditional: vec![id(20)],
            ..limits(9)
        },
        1,
    );
    let (ip, limit) = ("10.0.0.3".parse().unwrap(), 2);
    let full = Reject::PeersFromSubnet { ip, limit };
    let first = pass(ask(&mut admission, inbound(1)));
    pass(ask(&mut admission, candidate(4, Direction::Outbound)));
    pass(ask(&mut admission, inbound(2)));
    assert_eq!(reject(ask(&mut admission, inbound(3))), full);
    let persistent = Plan {
        persistent: true,
        ..plan(OwnDial::None)
    };
    pass(admission.decide(Instant::ZERO, ShardId(0), inbound(5), persistent));
    pass(ask(&mut admission, inbound(20)));
    let mut elsewhere = inbound(6);
    elsewhere.remote_addr = SocketAddr::from(([10, 0, 1, 6], 1)).into();
    pass(ask(&mut admission, elsewhere));
    admission.leave(first.ticket);
    pass(ask(&mut admission, inbound(3)));
}

#[test]
fn discovered_peers_fill_the_outbound_budget_and_others_pass_it() {
    let mut admission = admission(
        AdmissionLimits {
            outbound_max: 2,
            unconditional: vec![id(20)],
            ..limits(9)
        },
        1,
    );
    let discovered = Plan {
        discovered: true,
        ..plan(OwnDial::None)
    };
    let mut dial = |byte, plan| {
        let candidate = candidate(byte, Direction::Outbound);
        admission.decide(Instant::ZERO, ShardId(0), candidate, plan)
    };
    pass(dial(1, discovered));
    pass(dial(20, discovered));
    pass(dial(2, discovered));
    assert_eq!(reject(dial(3, discovered)), Reject::OutboundFull(2));
    // Persistent peers and dials of the application are not limited, but they count.
    pass(dial(4, plan(OwnDial::None)));
    let census = Census {
        outbound: 3,
        ..Census::default()
    };
    assert_eq!(admission.census(), census);
}

/// Something that happens to a book of peers.
#[derive(Clone, Debug)]
enum Step {
    Ask {
        id: u8,
        ip: u8,
        inbound: bool,
        persistent: bool,
        discovered: bool,
        from: u16,
    },
    /// Of the tickets given so far.
    Leave(u64),
    BanId(u8),
    BanIp(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    let ask = (0..12_u8, 0..6_u8, any::<[bool; 3]>(), 0..3_u16);
    prop_oneof![
        6 => ask.prop_map(|(id, ip, [inbound, persistent, discovered], from)| Step::Ask {
            id,
            ip,
            inbound,
            persistent,
            discovered,
            from,
        }),
        3 => (0..40_u64).prop_map(Step::Leave),
        1 => (0..12_u8).prop_map(Step::BanId),
        1 => (0..6_u8).prop_map(Step::BanIp),
    ]
}

/// Two subnets of three addresses each.
fn ip_of(ip: u8) -> IpAddr {
    IpAddr::from([10, 0, ip / 3, ip])
}

/// The sums that `admission` keeps, made anew from its entries.
fn must_add_up(admission: &Admission) {
    let entries = || admission.entries.iter();
    let counted = |direction| {
        entries()
            .filter(|(_, entry)| entry.counted && entry.direction == direction)
            .count()
    };
    assert_eq!(admission.inbound, counted(Direction::Inbound));
    assert_eq!(admission.outbound, counted(Direction::Outbound));
    let (mut ips, mut subnets) = (Tally::new(), Tally::new());
    let mut loads = vec![0; admission.loads.len()];
    for (id, entry) in entries() {
        entry.ip.into_iter().for_each(|ip| ips.add(ip));
        entry.subnet.into_iter().for_each(|it| subnets.add(it));
        assert!(
            entry
                .subnet
                .is_none_or(|it| entry.ip.map(Prefix::subnet) == Some(it))
        );
        loads[usize::from(entry.home.0)] += 1;
        assert_eq!(admission.by_ticket.get(&entry.ticket), Some(id));
        assert_eq!(entry.counted, !admission.is_unconditional(id));
    }
    assert_eq!(admission.ips, ips);
    assert_eq!(admission.subnets, subnets);
    assert_eq!(admission.loads, loads);
    assert_eq!(admission.by_ticket.len(), admission.entries.len());
    let limits = &admission.limits;
    assert!(admission.inbound <= limits.inbound_max);
    let is_within = |ip| ips.count(&ip) <= limits.per_ip_max;
    assert!(entries().all(|(_, entry)| entry.ip.is_none_or(is_within)));
    let is_within = |ip| subnets.count(&Prefix::subnet(ip)) <= limits.per_subnet_max;
    assert!(entries().all(|(_, entry)| entry.ip.is_none_or(is_within)));
}

proptest! {
    #[test]
    fn the_counts_are_those_of_the_entries_whatever_happens(
        steps in prop::collection::vec(any_step(), 0..120),
    ) {
        let limits = AdmissionLimits {
            inbound_max: 4,
            outbound_max: 3,
            allow_duplicate_ip: true,
            per_ip_max: 3,
            per_subnet_max: 2,
            unconditional: vec![id(0), id(1)],
        };
        let mut admission = admission(limits, 3);
        for (second, step) in (1..).zip(steps) {
            let now = Instant::ZERO + Duration::from_secs(second);
            let soon = now + Duration::from_secs(5);
            match step {
                Step::Ask { id, ip, inbound, persistent, discovered, from } => {
                    let direction = match inbound {
                        true => Direction::Inbound,
                        false => Direction::Outbound,
                    };
                    let mut candidate = candidate(id, direction);
                    candidate.remote_addr = SocketAddr::new(ip_of(ip), 1).into();
                    let plan = Plan { persistent, discovered, ..plan(OwnDial::None) };
                    let _ = admission.decide(now, ShardId(from), candidate, plan);
                }
                Step::Leave(ticket) => {
                    if let Some((from, successor)) =
                        admission.leave(Ticket(ticket)).and_then(|departed| departed.successor)
                    {
                        let _ = admission.decide(now, from, successor, plan(OwnDial::None));
                    }
                }
                Step::BanId(byte) => {
                    admission.ban(BanTarget::Id(id(byte)), soon, BanOrigin::Operator);
                }
                Step::BanIp(ip) => {
                    admission.ban(BanTarget::Ip(ip_of(ip)), soon, BanOrigin::Reactor);
                }
            }
            must_add_up(&admission);
        }
    }
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
    mapped.remote_addr = "[::ffff:10.0.0.1]:1".parse::<SocketAddr>().unwrap().into();
    let ip = "10.0.0.1".parse().unwrap();
    assert_eq!(reject(ask(&mut strict, mapped)), Reject::DuplicateIp(ip));
}

#[test]
fn peers_behind_unix_sockets_count_as_inbound_and_against_no_rule_of_addresses() {
    let limits = AdmissionLimits {
        allow_duplicate_ip: false,
        per_ip_max: 1,
        per_subnet_max: 1,
        ..limits(2)
    };
    let mut admission = admission(limits, 1);
    let local = |byte| Candidate {
        remote_addr: RemoteAddr::Unix("/run/p2p.sock".into()),
        ..inbound(byte)
    };
    pass(ask(&mut admission, local(1)));
    let second = pass(ask(&mut admission, local(2)));
    must_add_up(&admission);
    assert_eq!(
        reject(ask(&mut admission, local(3))),
        Reject::InboundFull(2)
    );
    admission.leave(second.ticket).expect("it was there");
    must_add_up(&admission);
    // A ban of an address means nobody here; a ban of an id does.
    let forever = Instant::ZERO + Duration::from_secs(1);
    let everywhere = BanTarget::Ip(IpAddr::from([0, 0, 0, 0]));
    assert_eq!(admission.ban(everywhere, forever, BanOrigin::Operator), []);
    admission.ban(BanTarget::Id(id(2)), forever, BanOrigin::Operator);
    assert_eq!(reject(ask(&mut admission, local(2))), Reject::Banned);
    pass(ask(&mut admission, local(4)));
}

#[test]
fn a_ban_holds_until_its_end_and_no_longer() {
    let mut admission = admission(limits(9), 1);
    let until = Instant::from_nanos(10);
    let by = BanOrigin::Operator;
    assert_eq!(admission.ban(BanTarget::Id(id(1)), until, by), []);
    let ip = "10.0.0.2".parse().expect("an address");
    admission.ban(BanTarget::Ip(ip), until, by);
    let at = |nanos| Instant::from_nanos(nanos);
    let mut ask =
        |nanos, byte| admission.decide(at(nanos), ShardId(0), inbound(byte), plan(OwnDial::None));
    assert_eq!(reject(ask(9, 1)), Reject::Banned);
    assert_eq!(reject(ask(9, 2)), Reject::Banned);
    pass(ask(10, 1));
    pass(ask(10, 2));
}

#[test]
fn a_ban_of_an_ipv6_address_closes_and_refuses_its_whole_network_of_64_bits() {
    let mut admission = admission(limits(9), 1);
    let from = |byte, ip: &str| Candidate {
        remote_addr: SocketAddr::new(ip.parse().expect("an address"), 1).into(),
        ..inbound(byte)
    };
    let near = pass(ask(&mut admission, from(1, "2a00:1:2:3::1")));
    pass(ask(&mut admission, from(2, "2a00:1:2:4::1")));
    let target = BanTarget::Ip("2a00:1:2:3::ffff".parse().expect("an address"));
    let until = Instant::from_nanos(10);
    let closed = admission.ban(target, until, BanOrigin::Operator);
    assert_eq!(closed, [(near.ticket, near.home)]);
    assert_eq!(
        reject(ask(&mut admission, from(3, "2a00:1:2:3::3"))),
        Reject::Banned
    );
    assert!(admission.unban(target));
    pass(ask(&mut admission, from(3, "2a00:1:2:3::3")));
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
        admission.decide(Instant::ZERO, ShardId(0), candidate, plan(OwnDial::Proven))
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
    assert!(matches!(decision, Decision::Probe { .. }), "if it is dead");
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
                // While our own dial has not asked yet, it has proven its remote.
                let own_dial = if ask.direction == Direction::Inbound && !own_first {
                    OwnDial::Proven
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
                    Decision::Probe { .. } => panic!("they came at once"),
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
