//! The secret connection: our pure handshake and frames against each oracle, on blocking sockets.

use std::net::TcpStream;
use std::thread;

use ringwire_codec::secret::{FRAME_SEALED, HandshakeError};
use ringwire_codec::{NodeId, NodeKey};

use crate::pure::{Cut, Ours};
use crate::support::loopback;
use crate::support::oracle::{
    MessageRead, MessageWrite, ORACLE_MESSAGE_MAX, ORACLES, Opened, Oracle,
};
use crate::support::traffic::{Digest, Rng, Traffic};

const OUR_SEED: [u8; 32] = [0x0a; 32];
const ORACLE_SEED: [u8; 32] = [0x0b; 32];

/// Bytes that travel in each direction of a bulk test.
const BULK_BYTES: usize = 32 << 20;

/// Which of the two dials. Nothing on the wire tells; the order of the first bytes does.
#[derive(Clone, Copy, Debug)]
enum Dialer {
    Us,
    Oracle,
}

const DIALERS: [Dialer; 2] = [Dialer::Us, Dialer::Oracle];

/// Our end and the oracle's of a fresh connection.
fn sockets(dialer: Dialer) -> (TcpStream, TcpStream) {
    let (dialed, accepted) = loopback::pair();
    match dialer {
        Dialer::Us => (dialed, accepted),
        Dialer::Oracle => (accepted, dialed),
    }
}

/// Both handshakes at once, each to its own end.
fn shake(
    oracle: Oracle,
    dialer: Dialer,
    expected: Option<NodeId>,
) -> (Result<Ours, HandshakeError>, Result<Opened, String>) {
    let (our_socket, oracle_socket) = sockets(dialer);
    thread::scope(|scope| {
        let theirs = scope.spawn(move || oracle.shake(oracle_socket, ORACLE_SEED));
        let key = NodeKey::from_seed(OUR_SEED);
        let ours = Ours::shake(our_socket, &key, expected, &mut Rng::new(7));
        (ours, theirs.join().expect("the oracle does not panic"))
    })
}

fn connected(oracle: Oracle, dialer: Dialer) -> (Ours, Opened) {
    let (ours, theirs) = shake(oracle, dialer, Some(Oracle::key(ORACLE_SEED).id()));
    (
        ours.unwrap_or_else(|error| panic!("{} with {dialer:?} dialing: {error}", oracle.name)),
        theirs.unwrap_or_else(|error| panic!("{} with {dialer:?} dialing: {error}", oracle.name)),
    )
}

fn for_each_case(check: impl Fn(Oracle, Dialer)) {
    for oracle in ORACLES {
        for dialer in DIALERS {
            check(oracle, dialer);
        }
    }
}

// Conformance item 17.
#[test]
fn both_sides_prove_their_keys_whoever_dials() {
    for_each_case(|oracle, dialer| {
        let (ours, theirs) = connected(oracle, dialer);
        assert_eq!(ours.remote_key, Oracle::key(ORACLE_SEED), "{}", oracle.name);
        assert_eq!(
            theirs.remote_key,
            NodeKey::from_seed(OUR_SEED).public_key(),
            "{}",
            oracle.name
        );
    });
}

/// Sends all of `traffic`; gives the digest of what was sent.
fn send_all(writer: &mut dyn MessageWrite, traffic: Traffic) -> Digest {
    let mut digest = Digest::default();
    for message in traffic {
        writer.write(&message).expect("the other side reads on");
        digest.add(&message);
    }
    digest
}

/// Reads until `bytes` have come; gives the digest of what came.
fn read_all(reader: &mut dyn MessageRead, bytes: usize) -> Digest {
    let mut digest = Digest::default();
    while digest.bytes < bytes as u64 {
        digest.add(&reader.read().expect("the other side writes on"));
    }
    digest
}

// Conformance items 20 and 25.
#[test]
fn bulk_of_mixed_sizes_travels_both_ways_at_once_unchanged() {
    for_each_case(|oracle, dialer| {
        let (mut ours, mut theirs) = connected(oracle, dialer);
        if oracle.keeps_streams {
            ours.writer.cut = Cut::Random(Rng::new(3));
        }
        let out = Traffic::new(1, BULK_BYTES).at_most(ORACLE_MESSAGE_MAX);
        let back = Traffic::new(2, BULK_BYTES).at_most(ORACLE_MESSAGE_MAX);
        let [sent, arrived, answered, came_back] = thread::scope(|scope| {
            let sent = scope.spawn(|| send_all(&mut ours.writer, out));
            let arrived = scope.spawn(|| read_all(&mut *theirs.reader, BULK_BYTES));
            let answered = scope.spawn(|| send_all(&mut *theirs.writer, back));
            let came_back = scope.spawn(|| read_all(&mut ours.reader, BULK_BYTES));
            [sent, arrived, answered, came_back].map(|end| end.join().expect("no end panics"))
        });
        let case = format!("{} with {dialer:?} dialing", oracle.name);
        assert_eq!(sent.finish(), arrived.finish(), "{case}: to the oracle");
        assert_eq!(
            answered.finish(),
            came_back.finish(),
            "{case}: from the oracle"
        );
    });
}

// Conformance item 44.
#[test]
fn an_oracle_that_is_not_the_node_we_dialed_is_refused_by_name() {
    let expected = NodeKey::from_seed([0x0c; 32]).id();
    let found = Oracle::key(ORACLE_SEED).id();
    for oracle in ORACLES {
        let (ours, theirs) = shake(oracle, Dialer::Us, Some(expected));
        assert_eq!(
            ours.err(),
            Some(HandshakeError::WrongId { expected, found }),
            "{}",
            oracle.name
        );
        // The oracle has no say in whom we expect: at most it finds that we have hung up.
        let end = theirs.and_then(|mut opened| opened.reader.read());
        assert!(
            end.is_err(),
            "{}: nothing may follow the refusal",
            oracle.name
        );
    }
}

/// One byte of each part of a frame: length, data, padding, tag, and both ends of each.
const TAMPERED: [usize; 8] = [0, 3, 4, 13, 500, 1027, 1028, FRAME_SEALED - 1];

#[test]
fn the_oracle_detects_each_byte_of_our_frames_that_was_changed() {
    for oracle in ORACLES {
        for position in TAMPERED {
            let (mut ours, mut theirs) = connected(oracle, Dialer::Us);
            let mut frame = ours.writer.seal(b"\x09untouched");
            frame[position] ^= 0x10;
            ours.writer.send(&frame).expect("the oracle still reads");
            assert!(
                theirs.reader.read().is_err(),
                "{}: byte {position}",
                oracle.name
            );
        }
    }
}

#[test]
fn we_detect_each_byte_of_the_oracles_frames_that_was_changed() {
    for oracle in ORACLES {
        for position in TAMPERED {
            let (mut ours, mut theirs) = connected(oracle, Dialer::Oracle);
            theirs.writer.write(b"untouched").expect("we still read");
            let mut frame = ours.reader.sealed_frame().expect("the frame comes whole");
            frame[position] ^= 0x10;
            let error = ours
                .reader
                .open(frame)
                .expect_err("a changed frame is not authentic");
            assert_eq!(
                error, "frame: authentication failed",
                "{}: byte {position}",
                oracle.name
            );
        }
    }
}

#[test]
fn a_repeated_or_skipped_frame_is_detected_by_both_sides() {
    for oracle in ORACLES {
        let (mut ours, mut theirs) = connected(oracle, Dialer::Us);
        let skipped = ours.writer.seal(b"\x01a");
        let frame = ours.writer.seal(b"\x01b");
        assert_ne!(skipped, frame, "each frame has its own nonce");
        ours.writer.send(&frame).expect("the oracle still reads");
        assert!(theirs.reader.read().is_err(), "{}: skipped", oracle.name);

        let (mut ours, mut theirs) = connected(oracle, Dialer::Us);
        theirs.writer.write(b"once").expect("we still read");
        let frame = ours.reader.sealed_frame().expect("the frame comes whole");
        assert!(
            ours.reader.open(frame.clone()).is_ok(),
            "{}: first",
            oracle.name
        );
        assert!(
            ours.reader.open(frame).is_err(),
            "{}: repeated",
            oracle.name
        );
    }
}
