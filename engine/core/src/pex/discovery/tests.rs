//! What discovery decides, asked without a network: a context that writes down what it is told.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use ringwire_codec::secret::handshake::HandshakeError;
use ringwire_codec::{NetAddress, NodeId};

use super::*;
use crate::config::Config;
use crate::error::{CloseReason, NetworkError, Reject};
use crate::peer::Census;
use crate::pex::{BookSecret, Timestamp};
use crate::reactor::{Own, Told};
use crate::time::Instant;

/// A context that writes down what it is told.
struct Recorder {
    told: Told,
    own: Own<Pex>,
}

impl Deref for Recorder {
    type Target = Told;

    fn deref(&self) -> &Told {
        &self.told
    }
}

impl DerefMut for Recorder {
    fn deref_mut(&mut self) -> &mut Told {
        &mut self.told
    }
}

impl Recorder {
    /// The timers that were set, and for how long.
    fn timers(&self) -> Vec<(Duration, PexTimer)> {
        let timers = self.told.timers.iter();
        let typed = |(after, token): &(Duration, u64)| Some((*after, *self.own.timer(*token)?));
        timers.filter_map(typed).collect()
    }

    fn cx(&mut self) -> Context<'_, Pex> {
        self.own.context(&mut self.told)
    }

    /// The notes so far; they are forgotten.
    fn take_notes(&mut self) -> Vec<(ShardId, PexNote)> {
        let notes = std::mem::take(&mut self.notes).into_iter();
        notes
            .map(|(to, note)| (to, note.into_value().expect("one of ours")))
            .collect()
    }

    /// A dial has ended and its place is free.
    fn end_dial(&mut self, id: &NodeId) {
        self.census.dialing -= 1;
        self.known.retain(|known| known != id);
    }
}

fn id(number: u8) -> NodeId {
    NodeId::from_bytes([number; 20])
}

/// A routable address, each in a network of its own.
fn address(number: u8) -> NetAddress {
    NetAddress::from_ip(id(number), [44, number, 1, 1].into(), 26_656)
}

fn world(adjust: impl FnOnce(&mut Config)) -> (Discovery, Recorder) {
    let mut config = Config::default();
    adjust(&mut config);
    let origin = Timestamp::from_unix_nanos(1_767_225_600_000_000_000);
    let config = PexConfig::new(&config, origin, vec![address(0)]);
    let book = AddrBook::new(config.book(), &BookSecret::from_bytes([2; 32]), [1; 32]);
    let mut discovery = Discovery::new(Arc::new(config), book, Chance::new([2; 32]));
    let mut cx = Recorder {
        told: Told::default(),
        own: Own::new(),
    };
    discovery.start(&mut cx.cx());
    (discovery, cx)
}

fn introduction(number: u8, direction: Direction) -> Introduction {
    Introduction {
        direction,
        is_kept: false,
        speaks_pex: true,
        place: address(number),
        listens_at: Some(address(number)),
    }
}

fn join(discovery: &mut Discovery, cx: &mut Recorder, number: u8, direction: Direction) {
    let peer = introduction(number, direction);
    discovery.handle_joined(&mut cx.cx(), ShardId(2), id(number), peer);
}

/// Puts nodes into the book by the word of node 200.
fn know(discovery: &mut Discovery, cx: &mut Recorder, numbers: impl IntoIterator<Item = u8>) {
    let addresses: Vec<_> = numbers.into_iter().map(address).collect();
    discovery.learn(cx.now, &addresses, &address(200));
}

fn eof() -> CloseReason {
    CloseReason::Network(NetworkError::Eof)
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_abuser_and_its_address_are_refused_from_the_second_time_on_and_for_longer_each_time() {
    let (mut discovery, mut cx) = world(|_| {});
    let ip = address(1).host.ip().expect("an IP");
    for (of_id, of_ip) in [(0, 0), (10, 10), (120, 60), (1440, 60), (1440, 60)] {
        join(&mut discovery, &mut cx, 1, Direction::Inbound);
        discovery.handle_offence(&mut cx.cx(), id(1), "it was rude");
        discovery.handle_left(&mut cx.cx(), id(1), EndedBy::Us);
        let expected = [(BanTarget::Id(id(1)), of_id), (BanTarget::Ip(ip), of_ip)];
        let expected = expected.map(|(target, minutes)| (target, MINUTE * minutes));
        match of_id {
            0 => assert!(cx.banned.is_empty()),
            _ => assert_eq!(cx.banned, expected),
        }
        assert_eq!(discovery.book.is_banned(&id(1)), of_id > 0);
        // Closed or banned, it is not dialed again at once.
        assert!(!discovery.attempts.may_dial(&id(1), cx.now));
        cx.banned.clear();
        cx.now += MINUTE * of_id;
        discovery.look(&mut cx.cx());
    }
    assert_eq!(discovery.counters.bans, 4);
}

#[test]
fn new_keys_are_no_way_around_a_ban_of_their_address() {
    let (mut discovery, mut cx) = world(|_| {});
    for (number, banned) in [(1, 0), (2, 1), (3, 2)] {
        let at_one_place = Introduction {
            place: address(9),
            ..introduction(number, Direction::Inbound)
        };
        discovery.handle_joined(&mut cx.cx(), ShardId(1), id(number), at_one_place);
        discovery.handle_offence(&mut cx.cx(), id(number), "it was rude");
        discovery.handle_left(&mut cx.cx(), id(number), EndedBy::Us);
        assert_eq!(cx.banned.len(), banned);
    }
}

#[test]
fn an_address_that_is_shared_or_not_routable_is_not_banned_with_its_node() {
    let (mut discovery, mut cx) = world(|_| {});
    let at = |number: u8, ip: [u8; 4]| Introduction {
        place: NetAddress::from_ip(id(number), ip.into(), 1),
        ..introduction(number, Direction::Inbound)
    };
    discovery.handle_joined(&mut cx.cx(), ShardId(0), id(1), at(1, [44, 9, 9, 9]));
    discovery.handle_joined(&mut cx.cx(), ShardId(1), id(2), at(2, [44, 9, 9, 9]));
    discovery.handle_joined(&mut cx.cx(), ShardId(1), id(3), at(3, [10, 0, 0, 1]));
    for number in [1, 3, 1, 3] {
        discovery.handle_offence(&mut cx.cx(), id(number), "it was rude");
    }
    let ids = [1, 3].map(|number| (BanTarget::Id(id(number)), MINUTE * 10));
    assert_eq!(cx.banned, ids);
}

#[test]
fn a_peer_that_is_to_be_kept_is_not_banned() {
    let (mut discovery, mut cx) = world(|_| {});
    let kept = Introduction {
        is_kept: true,
        ..introduction(1, Direction::Outbound)
    };
    discovery.handle_joined(&mut cx.cx(), ShardId(0), id(1), kept);
    for _ in 0..9 {
        discovery.handle_offence(&mut cx.cx(), id(1), "it was rude");
    }
    assert!(cx.banned.is_empty());
}

#[test]
fn places_are_filled_from_the_book_and_no_further() {
    let (mut discovery, mut cx) = world(|config| config.max_num_outbound_peers = 5);
    know(&mut discovery, &mut cx, 1..50);
    discovery.look(&mut cx.cx());
    assert_eq!(cx.dialed.len(), 5);
    discovery.look(&mut cx.cx());
    assert_eq!(cx.dialed.len(), 5);
}

#[test]
fn a_failed_dial_rests_and_is_noted_in_the_book() {
    let (mut discovery, mut cx) = world(|_| {});
    know(&mut discovery, &mut cx, [1]);
    discovery.look(&mut cx.cx());
    assert_eq!(cx.dialed, [address(1)]);
    cx.end_dial(&id(1));
    discovery.handle_dialed(&mut cx.cx(), &address(1), Err(&eof()));
    assert_eq!(discovery.book.attempts_of(&id(1)), Some(1));
    cx.now = Instant::ZERO + Duration::from_secs(1);
    discovery.look(&mut cx.cx());
    assert_eq!(cx.dialed.len(), 1);
    cx.now = Instant::ZERO + Duration::from_secs(3);
    discovery.look(&mut cx.cx());
    assert_eq!(cx.dialed.len(), 2);
}

#[test]
fn a_dial_that_we_had_no_place_for_is_not_held_against_the_address() {
    let (mut discovery, mut cx) = world(|_| {});
    know(&mut discovery, &mut cx, [1]);
    let full = CloseReason::Rejected(Reject::OutboundFull(10));
    discovery.handle_dialed(&mut cx.cx(), &address(1), Err(&full));
    assert_eq!(discovery.book.attempts_of(&id(1)), Some(0));
    assert!(discovery.attempts.may_dial(&id(1), cx.now));
}

#[test]
fn an_address_where_somebody_else_answers_is_dropped_and_its_node_may_be_told_again() {
    let (mut discovery, mut cx) = world(|_| {});
    know(&mut discovery, &mut cx, [1]);
    let wrong = HandshakeError::WrongId {
        expected: id(1),
        found: id(2),
    };
    discovery.handle_dialed(
        &mut cx.cx(),
        &address(1),
        Err(&CloseReason::Handshake(wrong)),
    );
    assert!(!discovery.book.contains(&id(1)) && !discovery.book.is_banned(&id(1)));
    know(&mut discovery, &mut cx, [1]);
    assert!(discovery.book.contains(&id(1)));
}

// Conformance item 51.
#[test]
fn an_address_at_which_we_find_ourselves_is_ours_from_then_on() {
    let (mut discovery, mut cx) = world(|_| {});
    know(&mut discovery, &mut cx, [1]);
    let ourselves = CloseReason::Rejected(Reject::IsSelf);
    discovery.handle_dialed(&mut cx.cx(), &address(1), Err(&ourselves));
    assert!(discovery.book.is_our_address(&address(1)));
    know(&mut discovery, &mut cx, [1]);
    assert!(discovery.book.is_empty());
}

#[test]
fn a_peer_that_turns_us_away_at_once_rests_and_one_that_stayed_does_not() {
    let (mut discovery, mut cx) = world(|_| {});
    let (us, remote) = (EndedBy::Us, EndedBy::Remote);
    for (stayed, ended_by, rests) in [(9, remote, true), (10, remote, false), (9, us, false)] {
        join(&mut discovery, &mut cx, 1, Direction::Outbound);
        cx.now += Duration::from_secs(stayed);
        discovery.handle_left(&mut cx.cx(), id(1), ended_by);
        let may_dial = discovery.attempts.may_dial(&id(1), cx.now);
        assert_eq!(may_dial, !rests, "{stayed} s, ended by {ended_by:?}");
    }
    // Who dialed us may be dialed however short it stayed.
    join(&mut discovery, &mut cx, 1, Direction::Inbound);
    discovery.handle_left(&mut cx.cx(), id(1), EndedBy::Remote);
    assert!(discovery.attempts.may_dial(&id(1), cx.now));
}

#[test]
fn what_a_peer_answers_is_dialed_at_once_and_a_seed_never_is() {
    let seeds = vec![address(9)];
    let (mut discovery, mut cx) = world(|config| config.discovery.seeds = seeds);
    join(&mut discovery, &mut cx, 1, Direction::Outbound);
    discovery.handle_learned(&mut cx.cx(), id(1), &[address(2), address(9)]);
    assert!(discovery.book.contains(&id(9)));
    assert_eq!(cx.dialed, [address(2)]);
}

#[test]
fn a_node_with_all_its_peers_still_asks_while_its_book_is_short() {
    let (mut discovery, mut cx) = world(|config| config.max_num_outbound_peers = 1);
    cx.census.outbound = 1;
    join(&mut discovery, &mut cx, 1, Direction::Inbound);
    assert!(cx.take_notes().is_empty());
    discovery.look(&mut cx.cx());
    assert_eq!(cx.take_notes(), [(ShardId(2), PexNote::Ask(id(1)))]);
    // Not again while its answer is out, nor before it may be asked again.
    cx.now += Duration::from_secs(100);
    discovery.look(&mut cx.cx());
    assert!(cx.take_notes().is_empty());
    discovery.handle_learned(&mut cx.cx(), id(1), &[]);
    cx.now += Duration::from_secs(10);
    discovery.look(&mut cx.cx());
    assert!(cx.take_notes().is_empty());
    cx.now += Duration::from_secs(1);
    discovery.look(&mut cx.cx());
    assert_eq!(cx.take_notes(), [(ShardId(2), PexNote::Ask(id(1)))]);
}

#[test]
fn a_node_that_stops_dials_nobody_whatever_ends_meanwhile() {
    // The first sign of the end is a peer that was let go, or a dial that was given up.
    for has_peer in [true, false] {
        let seeds = vec![address(201)];
        let (mut discovery, mut cx) = world(|config| config.discovery.seeds = seeds);
        know(&mut discovery, &mut cx, 1..100);
        discovery.look(&mut cx.cx());
        join(&mut discovery, &mut cx, 101, Direction::Outbound);
        let dialed = std::mem::take(&mut cx.dialed);
        if has_peer {
            discovery.handle_left(&mut cx.cx(), id(101), EndedBy::Shutdown);
        }
        for address in &dialed {
            cx.end_dial(&address.id);
            discovery.handle_dialed(&mut cx.cx(), address, Err(&CloseReason::Shutdown));
        }
        cx.now += discovery.config.interval;
        discovery.look(&mut cx.cx());
        assert_eq!(cx.dialed, []);
    }
}

fn seed_of_eight() -> (Discovery, Recorder) {
    world(|config| {
        config.discovery.seed_mode = true;
        config.max_num_inbound_peers = 8;
    })
}

fn dismissed(cx: &mut Recorder) -> Vec<NodeId> {
    let notes = cx.take_notes().into_iter();
    let dismissed = notes.filter_map(|(shard, note)| match note {
        PexNote::Dismiss(id) => Some((shard, id)),
        _ => None,
    });
    dismissed
        .map(|(shard, id)| {
            assert_eq!(shard, ShardId(2), "where it lives");
            id
        })
        .collect()
}

#[test]
fn a_seed_that_runs_out_of_places_sends_away_who_was_silent_longest() {
    let (mut discovery, mut cx) = seed_of_eight();
    for number in 1..=8 {
        cx.now += Duration::from_millis(200);
        cx.census.inbound += 1;
        join(&mut discovery, &mut cx, number, Direction::Inbound);
        // Two of eight places are kept free, and nobody has to go within a second.
        let gone: &[u8] = match number {
            7 => &[1],
            8 => &[2],
            _ => &[],
        };
        let gone: Vec<_> = gone.iter().map(|number| id(*number)).collect();
        assert_eq!(dismissed(&mut cx), gone, "after {number}");
    }
}

#[test]
fn a_seed_that_filled_up_within_a_second_makes_room_as_soon_as_that_is_over() {
    let (mut discovery, mut cx) = seed_of_eight();
    cx.census.inbound = 8;
    for number in 1..=8 {
        join(&mut discovery, &mut cx, number, Direction::Inbound);
    }
    assert_eq!(dismissed(&mut cx), []);
    let mut planned = cx.timers();
    planned.retain(|(_, timer)| *timer == PexTimer::Crowd);
    assert_eq!(planned, [(SILENCE_MIN, PexTimer::Crowd)]);
    cx.now += SILENCE_MIN;
    discovery.handle_crowd_due(&mut cx.cx());
    assert_eq!(dismissed(&mut cx), [id(1), id(2)]);
    // They are on their way out: nobody else has to go for them.
    discovery.handle_crowd_due(&mut cx.cx());
    assert_eq!(dismissed(&mut cx), []);
    assert_eq!(discovery.counters.dismissed, 2);
}

#[test]
fn only_a_seed_sends_silent_peers_away() {
    let (mut discovery, mut cx) = world(|config| config.max_num_inbound_peers = 2);
    cx.census.inbound = 2;
    join(&mut discovery, &mut cx, 1, Direction::Inbound);
    cx.now += SILENCE_MIN;
    join(&mut discovery, &mut cx, 2, Direction::Inbound);
    assert_eq!(dismissed(&mut cx), []);
}

#[test]
fn a_strict_book_on_a_private_network_is_told_of_once_and_on_the_internet_never() {
    let (mut discovery, _) = world(|_| {});
    let private = NetAddress::from_ip(id(1), [10, 0, 0, 1].into(), 1);
    let now = Instant::ZERO;
    discovery.learn(now, std::slice::from_ref(&private), &address(2));
    assert!(
        !discovery.has_warned,
        "somebody tells of what only he can reach"
    );
    discovery.learn(now, &[address(3)], &private);
    assert!(!discovery.has_warned, "nothing was refused");
    discovery.learn(now, std::slice::from_ref(&private), &private);
    assert!(discovery.has_warned);
}

#[test]
fn the_book_is_written_when_it_has_changed_and_only_then() {
    let (mut discovery, mut cx) = world(|_| {});
    discovery.handle_save_due(&mut cx.cx());
    assert_eq!(cx.saved, 0);
    know(&mut discovery, &mut cx, [1]);
    discovery.handle_save_due(&mut cx.cx());
    discovery.handle_save_due(&mut cx.cx());
    assert_eq!(cx.saved, 1);
    know(&mut discovery, &mut cx, [2]);
    discovery.save(&mut cx.cx());
    assert_eq!(cx.saved, 2);
}

#[test]
fn a_peer_is_good_once_it_stayed_and_only_where_the_book_has_it() {
    let (mut discovery, mut cx) = world(|_| {});
    know(&mut discovery, &mut cx, [1]);
    let elsewhere = NetAddress::from_ip(id(2), [44, 99, 1, 1].into(), 1);
    discovery.learn(cx.now, &[elsewhere], &address(200));
    join(&mut discovery, &mut cx, 1, Direction::Outbound);
    join(&mut discovery, &mut cx, 2, Direction::Outbound);
    cx.now = Instant::ZERO + Duration::from_secs(119);
    discovery.look(&mut cx.cx());
    assert!(!discovery.book.is_good(&id(1)));
    cx.now = Instant::ZERO + Duration::from_secs(120);
    discovery.look(&mut cx.cx());
    assert!(discovery.book.is_good(&id(1)) && !discovery.book.is_good(&id(2)));
}

#[test]
fn the_first_look_comes_at_once_unless_peers_are_dialed_already() {
    let first_look = |cx: &Recorder| {
        let mut timers = cx.timers().into_iter();
        let look = timers.find(|(_, timer)| *timer == PexTimer::Look);
        look.expect("a look").0
    };
    let (_, cx) = world(|_| {});
    assert_eq!(first_look(&cx), Duration::ZERO);
    let (discovery, cx) = world(|config| config.persistent_peers = vec![address(1)]);
    assert!(first_look(&cx) > Duration::ZERO && first_look(&cx) <= Duration::from_secs(30));
    // And they are in the book from the start.
    assert!(discovery.book.contains(&id(1)));
}

#[test]
fn a_dial_that_failed_is_followed_by_another_at_once_so_often_per_interval_and_no_more() {
    let (mut discovery, mut cx) = world(|config| config.max_num_outbound_peers = 1);
    know(&mut discovery, &mut cx, 1..100);
    for interval in 1..=2 {
        discovery.look(&mut cx.cx());
        while cx.census.dialing > 0 {
            let failed = cx.dialed.last().expect("one is being dialed").clone();
            cx.end_dial(&failed.id);
            discovery.handle_dialed(&mut cx.cx(), &failed, Err(&eof()));
        }
        assert_eq!(cx.dialed.len(), interval * (1 + REDIALS_PER_PLACE));
        cx.now += discovery.config.interval;
    }
}

#[test]
fn the_place_of_an_outbound_peer_that_left_is_filled_at_once() {
    let (mut discovery, mut cx) = world(|config| config.max_num_outbound_peers = 1);
    know(&mut discovery, &mut cx, 1..50);
    discovery.look(&mut cx.cx());
    let first = cx.dialed[0].clone();
    cx.census = Census {
        outbound: 1,
        ..Census::default()
    };
    let peer = Introduction {
        place: first.clone(),
        ..introduction(1, Direction::Outbound)
    };
    discovery.handle_joined(&mut cx.cx(), ShardId(0), first.id, peer);
    cx.now += discovery.config.interval;
    cx.census = Census::default();
    discovery.handle_left(&mut cx.cx(), first.id, EndedBy::Remote);
    assert_eq!(cx.dialed.len(), 2);
}

#[test]
fn a_node_that_an_interval_of_dialing_left_short_asks_a_seed_however_full_its_book_is() {
    let seed = address(201);
    let (mut discovery, mut cx) = world(|config| config.discovery.seeds = vec![address(201)]);
    know(&mut discovery, &mut cx, 1..200);
    discovery.look(&mut cx.cx());
    assert!(!cx.dialed.contains(&seed));
    // All that were dialed are gone by the next look, and there are more to dial.
    let dialed = std::mem::take(&mut cx.dialed);
    dialed.iter().for_each(|failed| cx.end_dial(&failed.id));
    discovery.look(&mut cx.cx());
    assert!(cx.dialed.contains(&seed) && cx.dialed.len() > 1);
}
