//! Messages to CometBFT and back: every edge of packets and frames, several channels at once,
//! limits of speed.

use std::time::{Duration, Instant};

use ringwire_codec::ChannelId;

use super::content::content;
use super::ours::{CHANNELS, Ours, arrives, dialed_by, each_line, unlimited};
use super::process::Comet;
use crate::golang::say;

/// Where packets and frames begin and end, and what blocks and snapshots are made of.
const SIZES: [usize; 10] = [0, 1, 127, 128, 1023, 1024, 1025, 64 << 10, 1 << 20, 4 << 20];

/// Flags of a program that holds nobody up: no limit of speed to speak of, and a quick flush.
const FAST: [&str; 6] = [
    "-send-rate",
    "1000000000",
    "-recv-rate",
    "1000000000",
    "-flush-throttle",
    "2ms",
];

// Conformance items 3 and 50.
#[test]
fn messages_of_every_size_come_back_from_comet_as_they_went() {
    each_line(&FAST, unlimited, |comet, ours| {
        dialed_by(comet, ours);
        comet
            .ask(serde_json::json!({ "echo": true }))
            .expect("it can echo");
        for (channel, _) in CHANNELS {
            for size in SIZES {
                let message = content(u64::from(channel.0), size);
                ours.send(comet, channel, message.clone());
                assert_eq!(
                    comet.message(),
                    arrives(channel, &message),
                    "{}",
                    comet.line.name
                );
                // An empty message alone on its connection is not lost by the reference.
                let echo = ours.receive(channel);
                assert!(
                    echo == message,
                    "{}: {size} bytes on {channel} came back changed",
                    comet.line.name
                );
            }
        }
        assert_eq!(ours.engine.handle().peer_count(), 1, "{}", comet.line.name);
    });
}

/// Messages of each channel in each direction of the test of several channels.
const BUSY_COUNT: u64 = 12;

/// The size of each channel's messages: they keep it busy while the others are.
const BUSY: [usize; CHANNELS.len()] = [200, 1 << 20, 1025, 300_000];

#[test]
fn several_channels_at_once_carry_all_their_messages_in_order_both_ways() {
    each_line(&FAST, unlimited, |comet, ours| {
        let dialed = ours.engine.handle().dial_blocking(comet.address.clone());
        assert_eq!(dialed, Ok(comet.id));
        let us = ours.engine.handle().node_id();
        comet.peer_added(us);
        let told = CHANNELS.map(|(channel, _)| {
            let size = BUSY[place(channel)];
            comet.tell_send(us, channel, size, seed_of(channel), BUSY_COUNT)
        });
        for number in 0..BUSY_COUNT {
            for (channel, _) in CHANNELS {
                let seed = !seed_of(channel) + number;
                ours.send(comet, channel, content(seed, BUSY[place(channel)]));
            }
        }
        for command in told {
            comet.answer(command).expect("all were accepted");
        }
        check_received(comet, ours);
        check_arrived(comet);
    });
}

/// The seed of the first message that CometBFT sends on a channel; ours begin at its complement.
fn seed_of(channel: ChannelId) -> u64 {
    u64::from(channel.0) << 8
}

/// Everything that CometBFT sent has come, in its order.
fn check_received(comet: &Comet, ours: &mut Ours) {
    for (channel, _) in CHANNELS {
        for number in 0..BUSY_COUNT {
            let expected = content(seed_of(channel) + number, BUSY[place(channel)]);
            let received = ours.receive(channel);
            let name = comet.line.name;
            assert!(received == expected, "{name}: {number} on {channel}");
        }
    }
}

/// Everything that we sent has come to CometBFT, each channel in its order.
fn check_arrived(comet: &mut Comet) {
    let mut arrived = [0; CHANNELS.len()];
    for _ in 0..BUSY_COUNT * CHANNELS.len() as u64 {
        let message = comet.message();
        let channel = ChannelId(message.channel);
        let count = &mut arrived[place(channel)];
        let expected = content(!seed_of(channel) + *count, BUSY[place(channel)]);
        assert_eq!(message, arrives(channel, &expected), "{}", comet.line.name);
        *count += 1;
    }
    assert_eq!(arrived, [BUSY_COUNT; CHANNELS.len()], "{}", comet.line.name);
}

fn place(channel: ChannelId) -> usize {
    let place = CHANNELS.iter().position(|(id, _)| *id == channel);
    place.expect("a channel of the program")
}

#[test]
fn a_vote_overtakes_the_blocks_that_wait_before_it() {
    let [_, (parts, _), (votes, _), _] = CHANNELS;
    // Eight megabytes at two in a second: most of them wait with us.
    let slow = ["-recv-rate", "2000000"];
    each_line(
        &slow,
        |config| config.send_rate = 2_000_000,
        |comet, ours| {
            dialed_by(comet, ours);
            for number in 0..8 {
                ours.send(comet, parts, content(number, 1 << 20));
            }
            ours.send(comet, votes, content(99, 200));
            let mut before = 0;
            while comet.message().channel != votes.0 {
                before += 1;
            }
            assert!(
                before < 4,
                "{}: {before} of 8 blocks were before the vote",
                comet.line.name
            );
        },
    );
}

#[test]
fn limits_of_speed_on_comets_side_slow_a_connection_and_do_not_break_it() {
    let [_, (channel, _), ..] = CHANNELS;
    let slow = ["-send-rate", "400000", "-recv-rate", "400000"];
    each_line(&slow, unlimited, |comet, ours| {
        dialed_by(comet, ours);
        let started = Instant::now();
        let us = ours.engine.handle().node_id();
        let told = comet.tell_send(us, channel, 1 << 20, 5, 1);
        let message = content(6, 1 << 20);
        ours.send(comet, channel, message.clone());
        assert!(
            ours.receive(channel) == content(5, 1 << 20),
            "{}",
            comet.line.name
        );
        assert_eq!(
            comet.message(),
            arrives(channel, &message),
            "{}",
            comet.line.name
        );
        comet.answer(told).expect("it was accepted");
        // A mebibyte at 400 000 bytes in a second, less what a first sample lets through.
        let took = started.elapsed();
        assert!(
            took > Duration::from_millis(1500),
            "{}: no limit, {took:?}",
            comet.line.name
        );
        assert_eq!(ours.engine.handle().peer_count(), 1, "{}", comet.line.name);
    });
}

/// Our rate in the tests of it, and what is sent at it.
const RATE: u64 = 1_000_000;
const MIB: u64 = 1 << 20;
const MESSAGES: u64 = 2;

/// What a rate may let through at once: a tenth of a second's worth, and what was in flight.
const BURST: u64 = RATE / 10 + 300_000;

/// Tries to see the rate reached: other work on the machine can only make it slower.
const TRIES: usize = 4;

/// Measures a transfer until one is about as fast as the rate allows. None may be faster.
#[track_caller]
fn check_rate(case: &str, mut transfer: impl FnMut()) {
    let least = Duration::from_secs_f64((MESSAGES * MIB - BURST) as f64 / RATE as f64);
    // At half the rate, as when each packet is charged as two frames, it is 4.2 s.
    let reached = Duration::from_secs_f64((MESSAGES * MIB) as f64 / RATE as f64 * 1.4);
    let mut took = Vec::new();
    while took.len() < TRIES && took.last().is_none_or(|last| *last > reached) {
        let started = Instant::now();
        transfer();
        took.push(started.elapsed());
        assert!(took.last() >= Some(&least), "{case}: no limit, {took:?}");
        // So that each begins with a full bucket.
        std::thread::sleep(Duration::from_millis(200));
    }
    say(&format!(
        "{case}: {} MiB at {RATE} bytes in a second took {took:.2?}",
        MESSAGES
    ));
    assert!(
        took.last() <= Some(&reached),
        "{case}: {took:?}, never under {reached:?}"
    );
}

#[test]
fn our_send_rate_is_kept_and_reached_towards_comet() {
    let [_, (channel, _), ..] = CHANNELS;
    each_line(
        &FAST,
        |config| config.send_rate = RATE,
        |comet, ours| {
            dialed_by(comet, ours);
            check_rate(&format!("to CometBFT {}", comet.line.name), || {
                for seed in 0..MESSAGES {
                    ours.send(comet, channel, content(seed, MIB as usize));
                }
                for _ in 0..MESSAGES {
                    comet.message();
                }
            });
        },
    );
}

#[test]
fn our_receive_rate_is_kept_and_reached_when_comet_sends() {
    let [_, (channel, _), ..] = CHANNELS;
    each_line(
        &FAST,
        |config| config.recv_rate = RATE,
        |comet, ours| {
            dialed_by(comet, ours);
            let us = ours.engine.handle().node_id();
            check_rate(&format!("from CometBFT {}", comet.line.name), || {
                let told = comet.tell_send(us, channel, MIB as usize, 0, MESSAGES);
                for _ in 0..MESSAGES {
                    ours.receive(channel);
                }
                comet.answer(told).expect("it was accepted");
            });
        },
    );
}
