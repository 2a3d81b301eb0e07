//! CometBFT's PEX reactor, asked and told by hand: what the codec says on its channel is what the
//! reference understands, and what the reference does not forgive.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use ringwire::error::{CloseReason, NetworkError};
use ringwire_codec::pex::PEX_CHANNEL;
use ringwire_codec::{NetAddress, NodeKey, PexMessage};

use super::ours::{Ours, dialed_by, each_line, unlimited};
use super::process::Comet;

/// Flags of a program that exchanges addresses and does nothing of its own accord while a test runs.
pub(crate) const QUIET: [&str; 3] = ["-pex", "-ensure-peers-period", "1h"];

/// Addresses of nodes that are not there; every third is of IPv6.
pub(crate) fn addresses(count: u8) -> Vec<NetAddress> {
    let address = |number: u8| {
        let id = NodeKey::from_seed([number; 32]).id();
        let port = 20_000 + u16::from(number);
        let text = match number % 3 {
            0 => format!("{id}@[2a01:4f8:{number:x}::1]:{port}"),
            _ => format!("{id}@127.0.{number}.9:{port}"),
        };
        text.parse().expect("an address")
    };
    (1..=count).map(address).collect()
}

fn encoded(message: &PexMessage) -> Bytes {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes);
    bytes.freeze()
}

/// The next message of the peer exchange.
fn received(ours: &mut Ours) -> PexMessage {
    let message = ours.receive(PEX_CHANNEL);
    PexMessage::decode(&message).expect("the reference writes messages of its own protocol")
}

/// Asks, and returns the addresses that are the answer; whether the reference asks too is its own
/// affair.
fn ask(comet: &Comet, ours: &mut Ours) -> Vec<NetAddress> {
    ours.send(comet, PEX_CHANNEL, encoded(&PexMessage::Request));
    loop {
        if let PexMessage::Addrs(told) = received(ours) {
            return told;
        }
    }
}

/// We dial, and the reference has put down where we listen.
fn dial_and_be_known(comet: &mut Comet, ours: &Ours) {
    let dialed = ours.engine.handle().dial_blocking(comet.address.clone());
    assert_eq!(dialed, Ok(comet.id));
    comet.wait_book(&[ours.address()]);
}

#[test]
fn comet_tells_who_asks_all_addresses_of_its_book_and_that_of_who_dialed_it() {
    each_line(&QUIET, unlimited, |comet, ours| {
        comet.add_addresses(&addresses(20));
        dial_and_be_known(comet, ours);
        let told = ask(comet, ours);
        let told: BTreeSet<String> = told.iter().map(ToString::to_string).collect();
        let mut known = addresses(20);
        known.push(ours.address());
        let known: BTreeSet<String> = known.iter().map(ToString::to_string).collect();
        assert_eq!(told, known, "{}", comet.line.name);
    });
}

#[test]
fn comet_asks_who_it_dialed_and_puts_down_what_it_is_told() {
    each_line(&QUIET, unlimited, |comet, ours| {
        dialed_by(comet, ours);
        assert_eq!(received(ours), PexMessage::Request, "{}", comet.line.name);
        let told = addresses(30);
        let answer = encoded(&PexMessage::Addrs(told.clone()));
        ours.send(comet, PEX_CHANNEL, answer);
        comet.wait_book(&told);
        assert_eq!(ours.engine.handle().peer_count(), 1, "{}", comet.line.name);
    });
}

#[test]
fn comet_parts_from_who_tells_addresses_unasked() {
    each_line(&QUIET, unlimited, |comet, ours| {
        dial_and_be_known(comet, ours);
        let unasked = encoded(&PexMessage::Addrs(addresses(1)));
        ours.send(comet, PEX_CHANNEL, unasked.clone());
        // Had it asked just now, the first was an answer; otherwise nobody may be there any more.
        let _ = ours
            .engine
            .handle()
            .try_send(comet.id, PEX_CHANNEL, unasked);
        let reason = comet.peer_removed(ours.engine.handle().node_id());
        assert!(reason.contains("nsolicited"), "{reason}");
        let reason = ours.removed(comet);
        assert!(matches!(reason, CloseReason::Network(_)), "{reason}");
    });
}

#[test]
fn comet_answers_two_requests_at_once_and_parts_from_who_asks_a_third_time() {
    each_line(&QUIET, unlimited, |comet, ours| {
        dial_and_be_known(comet, ours);
        for _ in 0..2 {
            let told = ask(comet, ours);
            assert_eq!(told, [ours.address()], "{}", comet.line.name);
        }
        ours.send(comet, PEX_CHANNEL, encoded(&PexMessage::Request));
        let reason = comet.peer_removed(ours.engine.handle().node_id());
        assert!(reason.contains("too soon"), "{reason}");
    });
}

#[test]
fn a_seed_of_comet_answers_once_and_parts_in_order() {
    each_line(&["-pex", "-seed-mode"], unlimited, |comet, ours| {
        comet.add_addresses(&addresses(20));
        dial_and_be_known(comet, ours);
        let told = ask(comet, ours);
        assert!(told.len() >= 20, "{}: {}", comet.line.name, told.len());
        let reason = ours.removed(comet);
        let orderly = CloseReason::Network(NetworkError::Eof);
        assert_eq!(reason, orderly, "{}", comet.line.name);
        assert_eq!(comet.peer_removed(ours.engine.handle().node_id()), "");
    });
}
