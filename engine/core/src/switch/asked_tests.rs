//! What a shard answers about itself: how long things take, who its peers are.

use std::time::Duration;

use bytes::Bytes;

use crate::conn::ConnectionStatus;
use crate::error::NetworkError;
use crate::metrics::Histogram;
use crate::peer::PeerInfo;
use crate::switch::io::{LinkId, Output};
use crate::switch::testing::{DATA, House, Remote};

const DATA_NUMBER: usize = 0;

/// How many were counted, and the bound that all of them keep.
fn told(histogram: &Histogram) -> (u64, Option<Duration>) {
    (histogram.count(), histogram.quantile(1.0))
}

fn house_with_peer() -> (House, Remote) {
    let (mut house, mut peer) = (House::new(), Remote::new(1));
    house.join(&mut peer);
    (house, peer)
}

#[test]
fn a_message_has_come_to_its_reactor_when_the_turn_ends_in_which_it_did() {
    let (mut house, mut peer) = house_with_peer();
    peer.send(&mut house, Bytes::from_static(b"first"));
    peer.send(&mut house, Bytes::from_static(b"second"));
    house.turn();
    let told_now = |house: &House| {
        let metrics = house.switch.metrics();
        told(&metrics.channels[DATA_NUMBER].receive_time)
    };
    assert_eq!(house.received.borrow().len(), 2);
    assert_eq!(told_now(&house), (0, None), "the turn goes on");
    house.now += Duration::from_micros(30);
    house.turn();
    assert_eq!(told_now(&house), (2, Some(Duration::from_micros(50))));
}

#[test]
fn a_message_has_been_sent_when_its_write_is_done() {
    let (mut house, _peer) = house_with_peer();
    let id = house.switch.peers(house.now)[0].0.id;
    let mut messages = vec![Bytes::from_static(b"one more"); 3];
    house
        .switch
        .handle_offered(house.now, id, DATA, || messages.pop());
    house.now += Duration::from_micros(700);
    let outputs = house.turn();
    let is_write = |output: &&Output| matches!(output, Output::Transmit { .. });
    assert_eq!(outputs.iter().filter(is_write).count(), 1);
    let told_now = |house: &House| {
        let metrics = house.switch.metrics();
        told(&metrics.channels[DATA_NUMBER].send_time)
    };
    assert_eq!(told_now(&house), (0, None), "the kernel has not taken it");
    house.now += Duration::from_micros(700);
    house.finish_writes();
    assert_eq!(told_now(&house), (3, Some(Duration::from_millis(2))));
    house.finish_writes();
    assert_eq!(told_now(&house).0, 3);
}

#[test]
fn a_handshake_takes_from_the_socket_to_the_question_whether_it_is_admitted() {
    let (mut house, mut peer) = (House::new(), Remote::new(1));
    house.accept(1);
    while !peer.is_peer() {
        house.now += Duration::from_millis(1);
        let outputs = house.turn();
        assert_eq!(house.switch.metrics().handshake_time.count(), 0);
        peer.exchange(&mut house, &outputs);
    }
    let turns = house.now.as_nanos() / 1_000_000;
    house.now += Duration::from_millis(1);
    house.turn();
    let time = house.switch.metrics().handshake_time;
    assert_eq!(
        (time.count(), time.sum()),
        (1, Duration::from_millis(turns + 1))
    );
    // Whoever says nothing has no handshake whose time could be told.
    house.accept(2);
    house.turn();
    house.now += Duration::from_secs(3600);
    house.switch.handle_timeout(house.now);
    assert_eq!(house.switch.metrics().handshake_time.count(), 1);
}

#[test]
fn a_ping_measures_the_round_trip_of_its_peer_and_of_the_node() {
    let (mut house, mut peer) = house_with_peer();
    assert_eq!(house.switch.peers(house.now)[0].1.round_trip, None);
    house.now += Duration::from_secs(60);
    house.switch.handle_timeout(house.now);
    let outputs = house.turn();
    peer.take(&outputs);
    house.now += Duration::from_millis(3);
    peer.answer_pings(&mut house);
    house.turn();
    let time = house.switch.metrics().round_trip_time;
    assert_eq!((time.count(), time.sum()), (1, Duration::from_millis(3)));
    let round_trip = house.switch.peers(house.now)[0].1.round_trip;
    let round_trip = round_trip.expect("it was measured");
    assert_eq!(round_trip.last, Duration::from_millis(3));
    assert_eq!(round_trip.smoothed, Duration::from_millis(3));
}

#[test]
fn peers_are_told_page_by_page_and_each_once() {
    let mut house = House::new();
    let mut remotes: Vec<_> = (1..=5).map(Remote::new).collect();
    remotes.iter_mut().for_each(|remote| house.join(remote));
    let ids = |page: &[(PeerInfo, ConnectionStatus)]| -> Vec<_> {
        page.iter().map(|(info, _)| info.id).collect()
    };
    let all = ids(&house.switch.peers(house.now));
    assert!(all.len() == 5 && all.is_sorted());
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = ids(&house.switch.peers_after(house.now, after, 2));
        pages.push(page.len());
        let Some(last) = page.last() else { break };
        let seen = all.iter().position(|id| id == last).expect("one of them");
        assert_eq!(page, all[seen + 1 - page.len()..=seen]);
        after = Some(*last);
    }
    assert_eq!(pages, [2, 2, 1, 0]);
}

#[test]
fn handshakes_are_counted_without_peers_and_until_they_end() {
    let mut house = House::new();
    let mut peer = Remote::new(1);
    house.join(&mut peer);
    for number in 2..=4 {
        house.accept(number);
        house.turn();
    }
    let handshakes = |house: &House| house.switch.metrics().handshakes;
    assert_eq!(handshakes(&house), 3);
    house
        .switch
        .handle_closed(house.now, LinkId(4), NetworkError::Eof);
    house.turn();
    assert_eq!(handshakes(&house), 2);
    house.now += house.switch.config().handshake_timeout;
    house.switch.handle_timeout(house.now);
    assert_eq!(handshakes(&house), 0);
    assert_eq!(house.switch.metrics().peers, 1);
}

/// What a scrape, `peers` and `top` cost the shard. Prints times and asserts none: they are the
/// machine's. `cargo test -p ringwire-core --lib ten_thousand -- --ignored --nocapture`
#[test]
#[ignore = "it measures, and takes half a minute"]
#[allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it measures what a look costs, which no simulated clock tells"
)]
fn a_look_at_ten_thousand_peers_is_taken_in_short_pieces() {
    const PEERS: u16 = 10_000;
    const PAGE: usize = 256;
    let mut house = House::with(|config| config.max_num_inbound_peers = usize::from(PEERS));
    for number in 1..=PEERS {
        house.join(&mut Remote::new(number));
    }
    let whole = std::time::Instant::now();
    assert_eq!(house.switch.peers(house.now).len(), usize::from(PEERS));
    let whole = whole.elapsed();
    let counters = std::time::Instant::now();
    let metrics = house.switch.metrics();
    let counters = counters.elapsed();
    assert_eq!((metrics.peers, metrics.handshakes), (u64::from(PEERS), 0));
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let began = std::time::Instant::now();
        let page = house.switch.peers_after(house.now, after, PAGE);
        pages.push(began.elapsed());
        let Some((last, _)) = page.last().filter(|_| page.len() == PAGE) else {
            break;
        };
        after = Some(last.id);
    }
    assert_eq!(pages.len(), usize::from(PEERS).div_ceil(PAGE));
    pages.sort();
    let (median, longest) = (pages[pages.len() / 2], pages[pages.len() - 1]);
    println!(
        "all at once {whole:?}; counters {counters:?}; a page {median:?}, at most {longest:?}"
    );
}
