//! Two connections back to back through both record layers, and the reference's own test list.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use ringwire_codec::DecodeError;
use ringwire_codec::packet::PacketHeader;
use ringwire_codec::secret::{FRAME_SEALED, FrameError, RECORD_PLAIN_MAX, RecordError};

use super::super::testing::*;
use super::*;
use crate::config::Config;

const NOW: Instant = Instant::ZERO;
const BOTH: [Offer; 2] = [Offer::Comet, Offer::Wide];

fn at(seconds: u64) -> Instant {
    NOW + Duration::from_secs(seconds)
}

/// Seals raw plaintext as a peer that holds the keys could.
fn seal(sender: &mut End, plain: &[u8]) -> Vec<u8> {
    let mut buf = SendBuf::new(sender.pool.take_send(), &sender.conn.sealer);
    buf.put(plain);
    buf.seal(&mut sender.conn.sealer)
        .expect("nonces are left")
        .to_vec()
}

fn packet(channel: u8, eof: bool, data: &[u8]) -> Vec<u8> {
    let mut header = [0; packet::PACKET_HEADER_MAX];
    let len = PacketHeader::encode(ChannelId(channel), eof, data.len(), &mut header);
    [&header[..len], data].concat()
}

/// What the receiver says to raw plaintext of the sender.
fn error_after(offer: Offer, plain: &[u8]) -> ConnError {
    let (mut a, mut b) = pair(offer);
    let bytes = seal(&mut a, plain);
    b.receive(&bytes, NOW);
    let error = b.next(NOW).expect_err("the bytes break a rule");
    assert_eq!(b.next(NOW), Err(error.clone()), "the answer stays");
    assert!(!b.conn.wants_read(NOW));
    error
}

// ---- packets of other sizes ----------------------------------------------------------------------

/// Two ends on CometBFT framing that are configured for packets of this payload.
fn pair_for(payload_max: usize) -> (End, End) {
    let (a, b) = layers_with(Offer::Comet, payload_max);
    (End::new(a, config()), End::new(b, config()))
}

/// Sends raw plaintext of any length, frame by frame, and reads after each piece. Gives the most
/// memory that the receiver held meanwhile.
fn feed(a: &mut End, b: &mut End, plain: &[u8]) -> Result<usize, ConnError> {
    let mut held_most = 0;
    for piece in plain.chunks(60_000) {
        let bytes = seal(a, piece);
        b.receive(&bytes, NOW);
        if b.next(NOW)?.is_some() {
            panic!("the message has not ended");
        }
        held_most = held_most.max(b.conn.held_bytes());
    }
    Ok(held_most)
}

#[test]
fn a_packet_as_large_as_live_networks_allow_is_taken_and_one_byte_more_is_not() {
    for payload_max in [102_400, 1_000_000] {
        let (mut a, mut b) = pair_for(payload_max);
        let data = message(1, payload_max);
        let whole = packet(DATA.0, true, &data);
        let (most, last) = whole.split_at(whole.len() - 10);
        let held_most = feed(&mut a, &mut b, most).expect("within the limit");
        // What is not opened yet, and up to four times what was put together.
        assert!(held_most <= 4 * (payload_max + 128 * 1024), "{held_most}");
        assert!(held_most >= payload_max - 10, "what is held is counted");
        let bytes = seal(&mut a, last);
        b.receive(&bytes, NOW);
        assert!(b.messages(NOW) == [(DATA, data)]);
        assert_eq!(b.conn.held_bytes(), 0, "nothing is held between packets");

        // Its length alone condemns it, before it has come. (Ten bytes more: the limit has the room
        // that other channels and counts of bytes need.)
        let (mut a, mut b) = pair_for(payload_max);
        let over = packet(DATA.0, true, &message(1, payload_max + 10));
        let error = feed(&mut a, &mut b, &over[..100]).expect_err("over the limit");
        assert!(matches!(error, ConnError::PacketTooLong { .. }), "{error}");
    }
}

#[test]
fn the_packets_we_send_fit_a_send_buffer_however_large_they_may_be() {
    let (mut a, mut b) = pair_for(1_000_000);
    let sent = message(1, 300_000);
    a.conn
        .try_send(NOW, DATA, sent.clone())
        .expect("there is room");
    b.receive(&a.transmit_all(NOW), NOW);
    assert!(b.messages(NOW) == [(DATA, sent)]);
    let packets = a.conn.counters().sent_packets;
    assert!((5..=10).contains(&packets), "{packets}");
}

// ---- the reference's list ----------------------------------------------------------------------

// Conformance item 1.
#[test]
fn a_flush_sends_all_that_was_queued_whatever_the_rate_and_takes_nothing_more() {
    for offer in BOTH {
        let (a, b) = layers(offer);
        let slow = MConnectionConfig {
            send_rate: 1000,
            ..config()
        };
        let (mut a, mut b) = (End::new(a, slow), End::new(b, config()));
        for n in 0..8 {
            a.conn
                .try_send(NOW, DATA, message(n, 200_000))
                .expect("the queue has room");
        }
        assert!(!a.conn.is_flushed());
        a.conn.begin_flush();
        let refused = a.conn.try_send(NOW, VOTE, Bytes::new());
        assert_eq!(refused, Err(TrySendError::NotConnected(Bytes::new())));
        assert!(!a.conn.can_send(VOTE));
        let mut received = Vec::new();
        while let Some(bytes) = a.transmit(NOW) {
            b.receive(&bytes, NOW);
            received.extend(b.messages(NOW));
        }
        assert!(a.conn.is_flushed());
        let expected: Vec<_> = (0..8).map(|n| (DATA, message(n, 200_000))).collect();
        assert!(received == expected);
    }
}

// Conformance items 2 and 3.
#[test]
fn what_is_sent_arrives_and_an_unknown_channel_is_an_answer() {
    for offer in BOTH {
        let (mut a, mut b) = pair(offer);
        let text = Bytes::from_static(b"Spider-Man");
        a.conn
            .try_send(NOW, VOTE, text.clone())
            .expect("the queue has room");
        let unknown = ChannelId(0x77);
        let refused = a.conn.try_send(NOW, unknown, text.clone());
        assert_eq!(refused, Err(TrySendError::UnknownChannel(unknown)));
        b.receive(&a.transmit_all(NOW), NOW);
        assert_eq!(b.messages(NOW), [(VOTE, text)]);
    }
}

// Conformance item 4.
#[test]
fn the_status_has_each_channel_with_its_queue_and_what_was_sent() {
    let (mut a, _) = pair(Offer::Comet);
    assert!(
        a.conn
            .status(at(9))
            .channels
            .iter()
            .all(|channel| channel.send_queue_size == 0)
    );
    a.conn
        .try_send(NOW, VOTE, message(0, 300))
        .expect("the queue has room");
    a.conn
        .try_send(NOW, VOTE, message(1, 300))
        .expect("the queue has room");
    let vote = |end: &End| end.conn.status(at(9)).channels[1];
    assert_eq!((vote(&a).id, vote(&a).send_queue_size), (VOTE, 2));
    a.transmit_all(at(9));
    assert_eq!(vote(&a).send_queue_size, 0);
    assert!(vote(&a).recently_sent > 600);
    let status = a.conn.status(at(9));
    assert_eq!(
        (status.duration, status.framing),
        (Duration::from_secs(9), Framing::Comet)
    );
    assert_eq!(
        (status.counters.sent_messages, status.counters.sent_packets),
        (2, 2)
    );
    assert_eq!(status.counters.sent_bytes, FRAME_SEALED as u64);
}

// Conformance item 5.
#[test]
fn a_peer_that_never_answers_a_ping_is_given_up() {
    let (mut a, _) = pair(Offer::Comet);
    assert_eq!(a.conn.poll_timeout(), Some(at(60)));
    a.conn
        .handle_timeout(at(60))
        .expect("no pong is awaited yet");
    assert!(a.transmit(at(60)).is_some());
    assert_eq!(a.conn.poll_timeout(), Some(at(105)));
    let error = ConnError::PongTimeout(Duration::from_secs(45));
    assert_eq!(a.conn.handle_timeout(at(105)), Err(error));
}

// Conformance items 6, 7 and 8.
#[test]
fn pings_are_answered_pongs_are_harmless_and_the_connection_stays_up() {
    for offer in BOTH {
        let (mut a, mut b) = pair(offer);
        let pongs = seal(&mut a, &PONG.repeat(3));
        b.receive(&pongs, NOW);
        assert_eq!(b.next(NOW), Ok(None));
        let pings = seal(&mut a, &PING.repeat(3));
        b.receive(&pings, NOW);
        assert_eq!(b.next(NOW), Ok(None));
        assert!(b.conn.has_output(NOW));
        let answer = b.transmit(NOW).expect("a pong is owed");
        assert!(!b.conn.has_output(NOW));
        a.receive(&answer, NOW);
        assert_eq!(a.next(NOW), Ok(None));
        for round in 1..20 {
            let now = at(60 * round);
            a.conn.handle_timeout(now).expect("each ping was answered");
            b.receive(&a.transmit(now).expect("a ping is due"), now);
            assert_eq!(b.next(now), Ok(None));
            a.receive(&b.transmit(now).expect("a pong is owed"), now);
            assert_eq!(a.next(now), Ok(None));
        }
    }
}

// Conformance items 10 and 13.
#[test]
fn bytes_that_are_no_packet_end_the_connection() {
    assert_eq!(
        error_after(Offer::Comet, &[1, 2, 3, 4, 5]).blame(),
        ringwire_codec::Blame::Peer
    );
    let bad = error_after(Offer::Comet, &[2, 0x1a, 9]);
    assert!(matches!(bad, ConnError::BadEncoding(_)), "{bad:?}");
    // A NodeInfo-like message, and one with a later member of the oneof.
    assert_eq!(
        error_after(Offer::Comet, &[3, 0x22, 1, 0]),
        ConnError::UnknownPacket
    );
    assert_eq!(error_after(Offer::Wide, &[0]), ConnError::UnknownPacket);
    // A goodbye, where nobody agreed on goodbyes.
    assert_eq!(
        error_after(Offer::Comet, &[6, 0x92, 0x89, 0x02, 2, 0x08, 2]),
        ConnError::UnknownPacket
    );
    let overflow = error_after(Offer::Comet, &[0xff; 11]);
    assert_eq!(
        overflow,
        ConnError::BadEncoding(DecodeError::VarintOverflow)
    );
}

// Conformance item 11.
#[test]
fn a_packet_on_an_unregistered_channel_ends_the_connection() {
    let error = error_after(Offer::Comet, &packet(0x77, true, b"x"));
    assert_eq!(error, ConnError::UnknownChannel(ChannelId(0x77)));
}

// Conformance item 12.
#[test]
fn a_full_payload_is_accepted_and_a_longer_one_is_refused_before_it_came() {
    for channel in [0x21, 0xaa] {
        let (mut a, mut b) = pair(Offer::Comet);
        let bytes = seal(&mut a, &packet(channel, true, &[7; 1024]));
        b.receive(&bytes, NOW);
        assert_eq!(
            b.messages(NOW),
            [(ChannelId(channel), Bytes::from(vec![7; 1024]))]
        );
    }
    let start = &packet(0x21, true, &[7; 1124])[..100];
    let error = error_after(Offer::Comet, start);
    assert_eq!(
        error,
        ConnError::PacketTooLong {
            len: 1134,
            max: 1035
        }
    );
}

#[test]
fn a_message_over_its_channels_maximum_is_refused_on_both_sides() {
    let max = descriptors()[0].recv_message_capacity;
    for offer in BOTH {
        let (mut a, mut b) = pair(offer);
        let long = a.conn.try_send(NOW, DATA, Bytes::from(vec![0; max + 1]));
        assert_eq!(long, Err(TrySendError::TooLong { len: max + 1, max }));
        a.conn
            .try_send(NOW, DATA, Bytes::from(vec![0; max]))
            .expect("just short enough");
        b.receive(&a.transmit_all(NOW), NOW);
        assert_eq!(b.messages(NOW).len(), 1);
        let mut outcome = Ok(None);
        while outcome == Ok(None) {
            let part = seal(&mut a, &packet(0x21, false, &[0; 1000]).repeat(60));
            b.receive(&part, NOW);
            outcome = b.next(NOW);
        }
        let len = (max / 1000 + 1) * 1000;
        assert_eq!(
            outcome,
            Err(ConnError::MessageTooLong {
                channel: DATA,
                len,
                max
            })
        );
    }
}

// Conformance item 14.
#[test]
fn a_full_queue_hands_the_message_back_until_it_is_drained() {
    let (mut a, _) = pair(Offer::Wide);
    for n in 0..8 {
        assert!(a.conn.can_send(VOTE));
        a.conn
            .try_send(NOW, VOTE, message(n, 100))
            .expect("the queue has room");
    }
    assert!(!a.conn.can_send(VOTE));
    assert_eq!(a.conn.queue_len(VOTE), 8);
    let back = a.conn.try_send(NOW, VOTE, message(9, 100));
    assert_eq!(back, Err(TrySendError::Full(message(9, 100))));
    assert!(a.conn.can_send(DATA));
    a.transmit_all(NOW);
    assert!(a.conn.can_send(VOTE));
}

// Conformance item 15.
#[test]
fn the_bytes_in_a_frame_are_the_references() {
    let (mut a, mut b) = pair(Offer::Comet);
    a.conn
        .try_send(NOW, VOTE, Bytes::from_static(b"abc"))
        .expect("the queue has room");
    let bytes = a.transmit(NOW).expect("a message waits");
    b.recv_plain(&bytes, |plain| {
        assert_eq!(
            plain,
            [0x0b, 0x1a, 9, 8, 0x22, 0x10, 1, 0x1a, 3, b'a', b'b', b'c']
        );
    });
}

impl End {
    fn recv_plain(&mut self, bytes: &[u8], look: impl FnOnce(&[u8])) {
        self.receive(bytes, NOW);
        assert_eq!(self.conn.recv.open_next(&mut self.pool), Ok(true));
        look(self.conn.recv.plain());
    }
}

// Conformance item 16.
#[test]
fn a_channel_number_over_a_byte_is_not_cut_to_one() {
    let aliased = error_after(Offer::Comet, &[5, 0x1a, 3, 8, 0x81, 8]);
    assert!(matches!(
        aliased,
        ConnError::BadEncoding(DecodeError::OutOfRange { .. })
    ));
    let negative = [&[13, 0x1a, 11, 8][..], &[0xff; 9], &[1]].concat();
    let negative = error_after(Offer::Comet, &negative);
    assert!(matches!(
        negative,
        ConnError::BadEncoding(DecodeError::OutOfRange { .. })
    ));
}

/// What a connection at its rate did in ten seconds.
#[derive(Default)]
struct Paced {
    /// Bytes of packets, which is what the rate is for.
    packets: u64,
    /// Bytes on the wire.
    wire: u64,
    /// Writes, or times that the socket was read.
    steps: u64,
}

const RATES: [u64; 4] = [20_000, 100_000, 2_000_000, 5_120_000];
const SPAN: u64 = 10;

fn limited(send_rate: u64, recv_rate: u64) -> MConnectionConfig {
    MConnectionConfig {
        send_rate,
        recv_rate,
        ..config()
    }
}

/// Sends messages of `len` bytes at the rate over a wire that takes no time.
fn send_at(rate: u64, offer: Offer, len: usize) -> Paced {
    let (a, b) = layers(offer);
    let (mut a, mut b) = (End::new(a, limited(rate, 0)), End::new(b, config()));
    let (mut now, mut n, mut paced) = (NOW, 0, Paced::default());
    while now < at(SPAN) {
        loop {
            while a.conn.can_send(DATA) {
                a.conn
                    .try_send(NOW, DATA, message(n, len))
                    .expect("it has room");
                n += 1;
            }
            let Some(bytes) = a.transmit(now) else { break };
            paced.wire += bytes.len() as u64;
            paced.steps += 1;
            b.receive(&bytes, now);
            while let Ok(Some((_, message))) = b.next(now) {
                paced.packets += packed(offer, message.len());
            }
        }
        assert!(!a.conn.has_output(now));
        now = a.conn.poll_timeout().expect("a debt has an end");
        a.conn.handle_timeout(now).expect("no ping yet");
    }
    paced
}

/// About the bytes of the packets that carry a message.
fn packed(offer: Offer, len: usize) -> u64 {
    let payload_max = match offer {
        Offer::Comet => 1024,
        Offer::Wide => RECORD_PLAIN_MAX as u64,
    };
    len as u64 + 11 * (len as u64).div_ceil(payload_max)
}

// Conformance item 98.
#[test]
fn the_send_rate_counts_bytes_of_packets_in_either_framing_and_fills_the_frames() {
    for offer in BOTH {
        for (rate, len) in RATES
            .into_iter()
            .flat_map(|rate| [(rate, 200), (rate, 10_000)])
        {
            let paced = send_at(rate, offer, len);
            let (expected, burst) = (SPAN * rate, (rate / 10).max(65_536) + 20_000);
            let case = format!("{offer:?} at {rate}, messages of {len}");
            assert!(
                (expected * 97 / 100..expected * 101 / 100 + burst).contains(&paced.packets),
                "{case}: {} bytes of packets, not {expected}",
                paced.packets
            );
            // A queue of short messages ends a write before the rate does.
            if len < 1024 {
                continue;
            }
            // Frames add 2 %, and what is left empty in the last frame of a write no more than 6 %.
            assert!(
                paced.wire < (expected + burst) * 108 / 100,
                "{case}: {} bytes on the wire",
                paced.wire
            );
            // A hundred portions in a second, and the burst at the start.
            assert!(
                paced.steps < SPAN * 101 + 20,
                "{case}: {} writes",
                paced.steps
            );
        }
    }
}

// Conformance item 98.
#[test]
fn the_receive_rate_counts_bytes_of_packets_in_either_framing() {
    for offer in BOTH {
        for rate in RATES {
            let paced = receive_at(rate, offer);
            let expected = SPAN * rate;
            assert!(
                (expected * 96 / 100..expected + rate / 10 + 200_000).contains(&paced.packets),
                "{offer:?} at {rate}: {} bytes of packets, not {expected}",
                paced.packets
            );
            assert!(
                paced.steps < SPAN * 101 + 20,
                "{offer:?} at {rate}: read {} times",
                paced.steps
            );
        }
    }
}

/// Reads at the rate from a socket that always has more.
fn receive_at(rate: u64, offer: Offer) -> Paced {
    /// Bytes that the socket holds.
    const SOCKET: usize = 64 * 1024;
    let (a, b) = layers(offer);
    let (mut a, mut b) = (End::new(a, config()), End::new(b, limited(0, rate)));
    let (mut now, mut n, mut paced) = (NOW, 0, Paced::default());
    let mut socket = Vec::new();
    while now < at(SPAN) {
        while b.conn.wants_read(now) {
            while socket.len() < SOCKET {
                while a.conn.can_send(DATA) {
                    a.conn
                        .try_send(NOW, DATA, message(n, 10_000))
                        .expect("it has room");
                    n += 1;
                }
                socket.extend(a.transmit(now).expect("there is no limit"));
            }
            let read: Vec<u8> = socket.drain(..SOCKET).collect();
            paced.steps += 1;
            b.receive(&read, now);
            while let Ok(Some((_, message))) = b.next(now) {
                paced.packets += packed(offer, message.len());
            }
        }
        now = b.conn.poll_timeout().expect("a debt has an end");
        b.conn.handle_timeout(now).expect("no ping yet");
    }
    paced
}

// Conformance item 98.
#[test]
fn control_packets_never_wait_for_a_rate() {
    let (a, _) = layers(Offer::Wide);
    let mut a = End::new(a, limited(100_000, 100_000));
    a.conn.heartbeat.handle_ping(NOW);
    a.conn.send_bucket.take(NOW, 1_000_000);
    a.conn
        .try_send(NOW, DATA, message(0, 100))
        .expect("it has room");
    let pong = a.transmit(NOW).map(|bytes| bytes.len());
    assert_eq!(pong, Some(4 + PONG.len() + 16));
    assert!(!a.conn.has_output(NOW) && a.conn.has_output(at(60)));
}

// ---- both ends, any cut ------------------------------------------------------------------------

/// Sends `plan` from one end to the other, the wire cut into `cuts`, and compares per channel.
fn exchange(offer: Offer, plan: &[(ChannelId, usize)], cuts: &[usize]) {
    let (mut a, mut b) = pair(offer);
    let mut waiting: BTreeMap<ChannelId, Vec<Bytes>> = BTreeMap::new();
    for (n, &(channel, len)) in plan.iter().enumerate() {
        waiting.entry(channel).or_default().push(message(n, len));
    }
    let expected = waiting.clone();
    let mut received: BTreeMap<ChannelId, Vec<Bytes>> = BTreeMap::new();
    let mut cut = cuts.iter().copied().cycle();
    loop {
        for (&channel, messages) in &mut waiting {
            while !messages.is_empty() && a.conn.can_send(channel) {
                a.conn
                    .try_send(NOW, channel, messages.remove(0))
                    .expect("asked before");
            }
        }
        let Some(bytes) = a.transmit(NOW) else { break };
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(cut.next().unwrap_or(1).min(rest.len()));
            b.receive(piece, NOW);
            rest = after;
            for (channel, message) in b.messages(NOW) {
                received.entry(channel).or_default().push(message);
            }
        }
    }
    assert!(received == expected, "something was lost, cut or mixed");
    assert_eq!(b.conn.recv.backlog_bytes(), 0);
    assert_eq!(b.conn.counters().received_messages, plan.len() as u64);
}

const SIZES: [usize; 14] = [
    0, 1, 200, 1023, 1024, 1025, 2048, 4095, 4096, 4097, 65_514, 65_536, 70_000, 300_000,
];

#[test]
fn messages_of_all_sizes_on_all_channels_arrive_whole_and_in_order() {
    let plan: Vec<_> = SIZES
        .iter()
        .flat_map(|&len| [DATA, VOTE, HIGH, ZERO].map(|channel| (channel, len)))
        .chain([(DATA, 1 << 20), (HIGH, 1 << 20)])
        .collect();
    for offer in BOTH {
        for cuts in [
            &[usize::MAX][..],
            &[128 * 1024],
            &[1448],
            &[1044, 7, 1043, 1045],
        ] {
            exchange(offer, &plan, cuts);
        }
    }
}

#[test]
fn messages_arrive_whole_byte_by_byte() {
    let plan: Vec<_> = SIZES[..12].iter().map(|&len| (DATA, len)).collect();
    for offer in BOTH {
        exchange(offer, &plan, &[1]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_plan_and_any_cut_gives_the_same_messages(
        plan in prop::collection::vec(
            (prop::sample::select(vec![DATA, VOTE, HIGH, ZERO]), 0_usize..100_000), 1..20),
        cuts in prop::collection::vec(1_usize..150_000, 1..12),
        wide: bool,
    ) {
        exchange(BOTH[usize::from(wide)], &plan, &cuts);
    }

    #[test]
    fn any_plaintext_is_answered(plain in prop::collection::vec(any::<u8>(), 1..3000), wide: bool) {
        let (mut a, mut b) = pair(BOTH[usize::from(wide)]);
        let bytes = seal(&mut a, &plain);
        b.receive(&bytes, NOW);
        while let Ok(Some(_)) = b.next(NOW) {}
    }
}

/// Every byte of the first stretch, and one in seventeen beyond, because each costs a handshake.
/// The handshake of these tests is deterministic, so each receiver has the same keys.
#[test]
fn a_flipped_byte_is_detected_wherever_it_lies() {
    for offer in BOTH {
        let (mut a, _) = pair(offer);
        a.conn
            .try_send(NOW, DATA, message(1, 300))
            .expect("the queue has room");
        let bytes = a.transmit(NOW).expect("a message waits");
        for position in (0..bytes.len()).filter(|at| *at < 48 || at.is_multiple_of(17)) {
            let (_, mut b) = pair(offer);
            let mut changed = bytes.clone();
            changed[position] ^= 0x10;
            b.receive(&changed, NOW);
            match b.next(NOW) {
                Err(ConnError::Frame(FrameError::NotAuthentic)) => {}
                Err(ConnError::Record(RecordError::NotAuthentic)) => {}
                Err(ConnError::Record(RecordError::TooLong { .. })) if position < 4 => {}
                // A record that now claims to be longer is waited for, never delivered.
                Ok(None) if position < 4 && offer == Offer::Wide => {}
                other => panic!("{offer:?}, byte {position}: {other:?}"),
            }
        }
    }
}

// ---- order, bounds, backpressure ---------------------------------------------------------------

#[test]
fn a_vote_overtakes_the_block_in_the_next_write_and_on_delivery() {
    for offer in BOTH {
        let (mut a, mut b) = pair(offer);
        a.conn
            .try_send(NOW, DATA, message(0, 1 << 20))
            .expect("the queue has room");
        let first = a.transmit(NOW).expect("a block waits");
        a.conn
            .try_send(NOW, DATA, message(1, 5000))
            .expect("the queue has room");
        a.conn
            .try_send(NOW, VOTE, message(2, 200))
            .expect("the queue has room");
        let second = a.transmit(NOW).expect("the rest waits");
        b.receive(&first, NOW);
        assert_eq!(b.next(NOW), Ok(None));
        // The vote lies in the first packets of the second write.
        b.receive(&second[..second.len() / 2], NOW);
        assert_eq!(b.next(NOW), Ok(Some((VOTE, message(2, 200)))));
    }
}

#[test]
fn of_what_has_come_the_highest_priority_is_delivered_first_in_order_within_its_channel() {
    let (mut a, mut b) = pair(Offer::Comet);
    let plain: Vec<u8> = [(0x00, 1), (0x21, 2), (0x22, 3), (0x21, 4), (0x22, 5)]
        .iter()
        .flat_map(|&(channel, n)| packet(channel, true, &[n]))
        .collect();
    let bytes = seal(&mut a, &plain);
    b.receive(&bytes, NOW);
    let order: Vec<u8> = b
        .messages(NOW)
        .iter()
        .map(|(_, message)| message[0])
        .collect();
    assert_eq!(order, [3, 5, 2, 4, 1]);
}

#[test]
fn a_channel_that_nobody_takes_holds_its_capacity_then_stops_the_reading_and_loses_nothing() {
    for offer in BOTH {
        let (mut a, mut b) = pair(offer);
        let mut sent = 0;
        // The sender goes on until the receiver does not read any more.
        while b.conn.wants_read(NOW) {
            while a.conn.can_send(DATA) {
                a.conn
                    .try_send(NOW, DATA, message(sent, 20_000))
                    .expect("asked before");
                sent += 1;
            }
            if let Some(bytes) = a.transmit(NOW) {
                b.receive(&bytes, NOW);
            }
            let blocked = b
                .conn
                .next_message(NOW, &mut b.pool, |channel| channel != DATA);
            assert_eq!(blocked, Ok(None));
        }
        assert!(!b.conn.channels.at(0).has_room());
        assert!(b.conn.recv.backlog_bytes() < 3 * BACKLOG_BYTES);
        // The pong deadline stands still, because it is us who do not read.
        b.conn.handle_timeout(at(60)).expect("a ping is due");
        b.transmit(at(60));
        b.conn
            .handle_timeout(at(3600))
            .expect("the deadline stands still");
        let mut received = b.messages(at(3601));
        assert!(b.conn.wants_read(at(3601)));
        b.receive(&a.transmit_all(NOW), at(3601));
        received.extend(b.messages(at(3601)));
        assert_eq!(received.len(), sent);
        assert!(
            received
                .iter()
                .enumerate()
                .all(|(n, (_, got))| *got == message(n, 20_000))
        );
    }
}

#[test]
fn messages_that_came_whole_before_a_fault_are_delivered_first() {
    let (mut a, mut b) = pair(Offer::Comet);
    let mut plain = packet(0x22, true, b"first");
    plain.extend(packet(0x77, true, b"fault"));
    let bytes = seal(&mut a, &plain);
    b.receive(&bytes, NOW);
    assert_eq!(b.next(NOW), Ok(Some((VOTE, Bytes::from_static(b"first")))));
    assert_eq!(b.next(NOW), Err(ConnError::UnknownChannel(ChannelId(0x77))));
}

#[test]
fn a_packet_that_a_record_does_not_hold_whole_is_refused() {
    let half = &packet(0x22, true, &[1; 100])[..50];
    assert_eq!(
        error_after(Offer::Wide, half),
        ConnError::PacketSpansRecords
    );
}

#[test]
fn a_small_message_is_a_small_record_and_a_whole_frame() {
    for (offer, expected) in [
        (Offer::Wide, 4 + 10 + 200 + 16),
        (Offer::Comet, FRAME_SEALED),
    ] {
        let (mut a, _) = pair(offer);
        a.conn
            .try_send(NOW, VOTE, message(0, 200))
            .expect("the queue has room");
        let len = a.transmit(NOW).expect("a vote waits").len();
        assert!(len.abs_diff(expected) <= 4, "{offer:?}: {len}");
    }
}

#[test]
fn a_message_that_a_record_takes_whole_is_one_packet_and_a_longer_one_fills_records() {
    let payload = RECORD_PLAIN_MAX - packet::PACKET_HEADER_MAX;
    for (lens, packets) in [
        (&[65_536 + 200][..], 1),
        (&[40_000, 40_000, 200, 40_000], 4),
        (&[1_000, 66_000, 1_000], 3),
        (&[60_000, 3 * payload], 5),
    ] {
        let (mut a, mut b) = pair(Offer::Wide);
        for (fill, len) in (0..).zip(lens) {
            a.conn
                .try_send(NOW, DATA, message(fill, *len))
                .expect("the queue has room");
        }
        b.receive(&a.transmit_all(NOW), NOW);
        let expected = (0..).zip(lens);
        let expected: Vec<_> = expected
            .map(|(fill, len)| (DATA, message(fill, *len)))
            .collect();
        assert!(b.messages(NOW) == expected, "{lens:?}");
        assert_eq!(a.conn.counters().sent_packets, packets, "{lens:?}");
    }
}

#[test]
fn a_large_message_in_one_packet_is_a_slice_of_its_chunk_and_a_small_one_is_a_copy() {
    let (mut a, mut b) = pair(Offer::Wide);
    for len in [4095, 4096, 60_000] {
        a.conn
            .try_send(NOW, DATA, message(len, len))
            .expect("the queue has room");
        b.receive(&a.transmit_all(NOW), NOW);
        let before = b.pool.counters();
        let (_, got) = b
            .next(NOW)
            .expect("an honest peer")
            .expect("a whole message");
        assert_eq!(got, message(len, len));
        let copied = b.pool.counters().copied_out_bytes - before.copied_out_bytes;
        assert_eq!(copied, if len < 4096 { len as u64 } else { 0 });
    }
    assert_eq!(b.conn.counters().joins, 0);
}

#[test]
fn memory_goes_back_to_the_pool_when_messages_and_connection_are_gone() {
    let (mut a, mut b) = pair(Offer::Wide);
    for round in 0..50 {
        a.conn
            .try_send(NOW, DATA, message(round, 50_000))
            .expect("the queue has room");
        b.receive(&a.transmit_all(NOW), NOW);
        assert_eq!(b.messages(NOW).len(), 1);
    }
    assert_eq!(b.pool.counters().allocated, 1);
    a.conn
        .try_send(NOW, DATA, message(0, 50_000))
        .expect("the queue has room");
    b.receive(&a.transmit_all(NOW)[..100], NOW);
    b.conn.release(&mut b.pool);
    assert!(b.pool.take_chunk().is_some());
    assert_eq!(b.pool.counters().allocated, 1);
}

#[test]
fn a_pong_timeout_that_is_not_shorter_than_the_interval_is_refused() {
    let with = |ping, pong| Config {
        ping_interval: Duration::from_secs(ping),
        pong_timeout: Duration::from_secs(pong),
        ..Config::default()
    };
    assert!(MConnectionConfig::new(&with(60, 45)).is_ok());
    assert!(MConnectionConfig::new(&with(46, 45)).is_ok());
    for bad in [with(45, 45), with(45, 60), with(45, 0)] {
        assert_eq!(
            MConnectionConfig::new(&bad).map(|_| ()).unwrap_err().key,
            "pong_timeout"
        );
    }
}
