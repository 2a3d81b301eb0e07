//! A connection with CometBFT while nothing happens, and at its end.

use std::thread;
use std::time::{Duration, Instant};

use ringwire::error::{CloseReason, NetworkError};
use serde_json::json;

use super::content::content;
use super::line::LINES;
use super::ours::{CHANNELS, Ours, arrives, dialed_by, each_line, unlimited};
use super::process::{Comet, POLL, WITHIN};

/// Pings that must come through in each direction.
const PINGS: u64 = 10;

// Conformance items 7 and 8.
#[test]
fn an_idle_connection_lives_through_many_pings_from_both_sides() {
    let quick = ["-ping-interval", "800ms", "-pong-timeout", "790ms"];
    let comets: Vec<Comet> = LINES
        .into_iter()
        .filter_map(|line| Comet::start(line, &quick))
        .collect();
    let Some(mut ours) = Ours::start(|config| {
        config.ping_interval = Duration::from_millis(800);
        config.pong_timeout = Duration::from_millis(790);
    }) else {
        return;
    };
    let us = ours.engine.handle().node_id();
    let connected = comets.len();
    // All at once: each waits for itself.
    let mut comets: Vec<Comet> = comets
        .into_iter()
        .map(|mut comet| {
            dialed_by(&mut comet, &mut ours);
            comet
        })
        .collect();
    for comet in &mut comets {
        let deadline = Instant::now() + WITHIN;
        loop {
            let beats = comet.heartbeats();
            let least = [
                beats.pings_sent,
                beats.pings_received,
                beats.pongs_sent,
                beats.pongs_received,
            ];
            if least.iter().all(|count| *count >= PINGS) {
                break;
            }
            assert!(Instant::now() < deadline, "{}: {beats:?}", comet.line.name);
            thread::sleep(POLL);
        }
        assert_eq!(comet.peers(), [us.to_string()], "{}", comet.line.name);
    }
    assert_eq!(
        ours.engine.handle().peer_count(),
        connected,
        "nobody was lost"
    );
}

/// Lets a message through each way, so that an end is the end of something.
fn exchange(comet: &mut Comet, ours: &mut Ours) {
    let [(channel, _), ..] = CHANNELS;
    let (there, back) = (content(1, 3000), content(2, 3000));
    ours.send(comet, channel, there.clone());
    assert_eq!(comet.message(), arrives(channel, &there));
    let told = comet.tell_send(ours.engine.handle().node_id(), channel, 3000, 2, 1);
    comet.answer(told).expect("it was accepted");
    assert_eq!(ours.receive(channel), back);
}

// Conformance items 9 and 55.
#[test]
fn a_comet_node_that_stops_is_a_peer_that_closed_its_side() {
    each_line(&[], unlimited, |comet, ours| {
        dialed_by(comet, ours);
        exchange(comet, ours);
        assert!(comet.quit().success(), "{}", comet.line.name);
        let reason = ours.removed(comet);
        assert_eq!(
            reason,
            CloseReason::Network(NetworkError::Eof),
            "{}",
            comet.line.name
        );
        assert_eq!(ours.engine.handle().peer_count(), 0, "{}", comet.line.name);
    });
}

#[test]
fn a_comet_node_that_drops_us_is_a_peer_that_closed_its_side() {
    each_line(&[], unlimited, |comet, ours| {
        dialed_by(comet, ours);
        exchange(comet, ours);
        let us = ours.engine.handle().node_id().to_string();
        comet
            .ask(json!({ "stop_peer": us }))
            .expect("a peer can be stopped");
        let reason = ours.removed(comet);
        assert_eq!(
            reason,
            CloseReason::Network(NetworkError::Eof),
            "{}",
            comet.line.name
        );
    });
}

#[test]
fn a_comet_node_that_is_killed_is_gone_at_once_and_by_the_networks_fault() {
    each_line(&[], unlimited, |comet, ours| {
        dialed_by(comet, ours);
        exchange(comet, ours);
        comet.kill();
        let reason = ours.removed(comet);
        assert!(
            matches!(reason, CloseReason::Network(_)),
            "{}: {reason}",
            comet.line.name
        );
        assert_eq!(ours.engine.handle().peer_count(), 0, "{}", comet.line.name);
    });
}

#[test]
fn a_peer_that_we_stop_sees_an_orderly_end_behind_its_last_message() {
    let [(channel, _), ..] = CHANNELS;
    each_line(&[], unlimited, |comet, ours| {
        dialed_by(comet, ours);
        exchange(comet, ours);
        let last = content(3, 100_000);
        ours.send(comet, channel, last.clone());
        assert!(
            ours.engine.handle().stop_peer(comet.id),
            "{}",
            comet.line.name
        );
        assert_eq!(
            comet.message(),
            arrives(channel, &last),
            "{}",
            comet.line.name
        );
        assert_eq!(
            comet.peer_removed(ours.engine.handle().node_id()),
            "EOF",
            "{}",
            comet.line.name
        );
        assert_eq!(
            ours.removed(comet),
            CloseReason::Stopped,
            "{}",
            comet.line.name
        );
    });
}

// Conformance item 1.
#[test]
fn a_shutdown_is_seen_by_comet_as_an_orderly_end_behind_the_last_message() {
    let [(channel, _), ..] = CHANNELS;
    each_line(&[], unlimited, |comet, ours| {
        dialed_by(comet, ours);
        exchange(comet, ours);
        let last = content(4, 100_000);
        ours.send(comet, channel, last.clone());
        let us = ours.engine.handle().node_id();
        ours.engine
            .handle()
            .shutdown_blocking(WITHIN)
            .expect("it stops in order");
        assert_eq!(
            comet.message(),
            arrives(channel, &last),
            "{}",
            comet.line.name
        );
        assert_eq!(comet.peer_removed(us), "EOF", "{}", comet.line.name);
    });
}
