//! The handshake against the reference's bytes, against itself, and against evil peers.

use sha2::{Digest, Sha256};

use super::super::duplex::run_pair;
use super::super::frame::FrameError;
use super::*;
use crate::error::{Blame, DecodeError};
use crate::key::PublicKey;

const EPHEMERAL_A: [u8; 32] = [0x11; 32];
const EPHEMERAL_B: [u8; 32] = [0x22; 32];

fn key_a() -> NodeKey {
    NodeKey::from_seed([0xa1; 32])
}

fn key_b() -> NodeKey {
    NodeKey::from_seed([0xb2; 32])
}

fn side_a() -> Handshake {
    Handshake::new(key_a(), EPHEMERAL_A, Some(key_b().id()))
}

fn side_b() -> Handshake {
    Handshake::new(key_b(), EPHEMERAL_B, None)
}

fn bytes(hex_text: &str) -> Vec<u8> {
    hex::decode(hex_text).unwrap()
}

/// Everything A sends to B in a good handshake: the ephemeral key message, then one frame.
fn sent_by_a() -> (Bytes, Bytes) {
    let (mut a, mut b) = (side_a(), side_b());
    let ephemeral = a.poll_transmit().unwrap();
    told(&mut a, &b.poll_transmit().unwrap()).unwrap();
    (ephemeral, a.poll_transmit().unwrap())
}

fn told(handshake: &mut Handshake, input: &[u8]) -> Result<Progress, HandshakeError> {
    handshake.handle_bytes(&mut BytesMut::from(input))
}

fn failed(handshake: &mut Handshake, input: &[u8]) -> HandshakeError {
    match told(handshake, input) {
        Err(error) => error,
        Ok(progress) => panic!("expected an error, got {progress:?}"),
    }
}

/// B, ready for the authentication, and a sealer that holds A's keys but writes what it likes.
fn b_and_evil_sealer() -> (Handshake, FrameSealer, [u8; CHALLENGE_BYTES]) {
    let mut b = side_b();
    let b_ephemeral = b.poll_transmit().unwrap();
    let State::AwaitEphemeral(own) = side_a().state else {
        unreachable!()
    };
    let secured = Secured::agree(&own, b_ephemeral.last_chunk().unwrap()).unwrap();
    told(&mut b, &sent_by_a().0).unwrap();
    (b, secured.sealer, secured.challenge)
}

fn framed(sealer: &mut FrameSealer, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; FRAME_SEALED];
    frame[FRAME_HEADER..FRAME_HEADER + data.len()].copy_from_slice(data);
    sealer.seal(&mut frame, data.len()).unwrap();
    frame
}

fn auth_of(key: &NodeKey, challenge: &[u8]) -> [u8; AUTH_BYTES] {
    AuthMessage {
        key: key.public_key(),
        signature: key.sign(challenge),
    }
    .encode()
}

#[test]
fn every_value_of_the_reference_connection_comes_out() {
    let (ephemeral, frame) = sent_by_a();
    let expected = "220a207b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13";
    assert_eq!(ephemeral[..], bytes(expected)[..]);
    assert_eq!(frame[..16], bytes("a6383eff654a7daa007ffbad27118038")[..]);
    assert_eq!(frame[1028..], bytes("0397d4a9350412170fe8dae58e27287c")[..]);
    let digest = "a0d4010a39faca1b00d31fdaec47ccdb2a59308889d820811369a16331f3b7c5";
    assert_eq!(Sha256::digest(&frame)[..], bytes(digest)[..]);

    let (a, b) = run_pair(&mut side_a(), &mut side_b(), 4096).unwrap();
    let secret = "9e004098efc091d4ec2663b4e9f5cfd4d7064571690b4bea97ab146ab9f35056";
    assert_eq!(a.shared_secret.as_bytes()[..], bytes(secret)[..]);
    let challenge = "aeeeddd30d4776bbd049fa4791562a50a2a2c939bb34f5f8d5984d3de1b8eaef";
    assert_eq!(a.challenge[..], bytes(challenge)[..]);
    assert_eq!(b.challenge, a.challenge);
    assert!(b.local_is_lower && !a.local_is_lower);
}

#[test]
fn the_authentication_message_is_the_references() {
    let challenge = "aeeeddd30d4776bbd049fa4791562a50a2a2c939bb34f5f8d5984d3de1b8eaef";
    let message = auth_of(&key_a(), &bytes(challenge));
    let expected = "660a220a20bc7cbcb5636375fa1d82434d466724d92377f53b980695dd49d26d0ce12205a5\
        12406c2782fc2371ac916f9e760539041e324b8ac40ca3097b3774399aa074be87d5699615f9aa1f0311156201\
        0ddb128283d60ebfd0b88ff9ca21522a834e6e780b";
    assert_eq!(message[..], bytes(expected)[..]);
}

// Conformance item 17.
#[test]
fn both_sides_learn_each_others_key_however_the_bytes_are_cut() {
    for chunk_bytes in [1, 2, 34, 35, 36, 1043, 1044, 1079, 1 << 16] {
        let (a, b) = run_pair(&mut side_a(), &mut side_b(), chunk_bytes).unwrap();
        assert_eq!(
            (a.remote_key, a.remote_id),
            (key_b().public_key(), key_b().id())
        );
        assert_eq!(
            (b.remote_key, b.remote_id),
            (key_a().public_key(), key_a().id())
        );
        assert!(a.early_data.is_empty() && b.early_data.is_empty());
    }
}

// Conformance item 20.
#[test]
fn the_sessions_frames_flow_in_both_directions() {
    let (mut a, mut b) = run_pair(&mut side_a(), &mut side_b(), 100).unwrap();
    for round in 0..100_usize {
        let data = vec![round as u8; round * 10 + 1];
        let mut frame = framed(&mut a.sealer, &data);
        let range = b.opener.open(&mut frame).unwrap();
        assert_eq!(frame[range], data);
        let mut frame = framed(&mut b.sealer, &data);
        let range = a.opener.open(&mut frame).unwrap();
        assert_eq!(frame[range], data);
    }
}

#[test]
fn the_sessions_wide_records_flow_in_both_directions() {
    let (a, b) = run_pair(&mut side_a(), &mut side_b(), 4096).unwrap();
    let (mut a_sealer, mut a_opener) = a.wide_records(b"info of a", b"info of b", 1000);
    let (mut b_sealer, mut b_opener) = b.wide_records(b"info of b", b"info of a", 1000);
    let mut record = [7; 60];
    a_sealer.seal(&mut record).unwrap();
    assert_eq!(b_opener.open(&mut record), Ok(4..44));
    b_sealer.seal(&mut record).unwrap();
    assert_eq!(a_opener.open(&mut record), Ok(4..44));
}

#[test]
fn sides_that_saw_different_offers_cannot_read_each_others_records() {
    let (a, b) = run_pair(&mut side_a(), &mut side_b(), 4096).unwrap();
    let (mut sealer, _) = a.wide_records(b"info of a", b"info of b", 1000);
    let (_, mut opener) = b.wide_records(b"info of b", b"info of A", 1000);
    let mut record = [7; 60];
    sealer.seal(&mut record).unwrap();
    assert!(opener.open(&mut record).is_err());
}

#[test]
fn bytes_after_the_handshake_stay_in_the_buffer() {
    let (ephemeral, frame) = sent_by_a();
    let mut b = side_b();
    let mut buf = BytesMut::from(&[&ephemeral[..], &frame, b"next message"].concat()[..]);
    assert!(matches!(b.handle_bytes(&mut buf), Ok(Progress::Done(_))));
    assert_eq!(buf[..], b"next message"[..]);
    // Both of our own messages still wait to be sent.
    assert_eq!(b.poll_transmit().unwrap().len(), EPHEMERAL_BYTES);
    assert_eq!(b.poll_transmit().unwrap().len(), FRAME_SEALED);
    assert!(b.poll_transmit().is_none());
}

#[test]
fn a_handshake_that_waits_takes_no_part_of_a_message() {
    let (ephemeral, frame) = sent_by_a();
    let mut b = side_b();
    let mut buf = BytesMut::from(&ephemeral[..34]);
    assert!(matches!(b.handle_bytes(&mut buf), Ok(Progress::NeedMore)));
    assert_eq!(buf.len(), 34);
    buf.extend_from_slice(&ephemeral[34..]);
    buf.extend_from_slice(&frame[..1043]);
    assert!(matches!(b.handle_bytes(&mut buf), Ok(Progress::NeedMore)));
    assert_eq!(buf.len(), 1043);
}

#[test]
fn plaintext_behind_the_authentication_in_its_frame_is_kept() {
    let (mut b, mut sealer, challenge) = b_and_evil_sealer();
    let data = [&auth_of(&key_a(), &challenge)[..], b"early"].concat();
    match told(&mut b, &framed(&mut sealer, &data)) {
        Ok(Progress::Done(session)) => assert_eq!(session.early_data[..], b"early"[..]),
        other => panic!("not done: {other:?}"),
    }
}

#[test]
fn an_authentication_spread_over_many_frames_is_gathered() {
    let (mut b, mut sealer, challenge) = b_and_evil_sealer();
    let message = auth_of(&key_a(), &challenge);
    let (last, rest) = message.split_last().unwrap();
    for byte in rest {
        let frame = framed(&mut sealer, &[*byte]);
        assert!(matches!(told(&mut b, &frame), Ok(Progress::NeedMore)));
    }
    assert!(matches!(
        told(&mut b, &framed(&mut sealer, &[*last])),
        Ok(Progress::Done(_))
    ));
}

#[test]
fn the_last_allowed_frame_passes_and_one_more_empty_one_is_refused() {
    for (empty_frames, passes) in [(AUTH_FRAMES_MAX - 1, true), (AUTH_FRAMES_MAX, false)] {
        let (mut b, mut sealer, challenge) = b_and_evil_sealer();
        let mut input = Vec::new();
        for _ in 0..empty_frames {
            input.extend(framed(&mut sealer, &[]));
        }
        input.extend(framed(&mut sealer, &auth_of(&key_a(), &challenge)));
        match told(&mut b, &input) {
            Ok(Progress::Done(_)) => assert!(passes),
            Err(error) => assert!(!passes && error == HandshakeError::AuthTooManyFrames),
            Ok(Progress::NeedMore) => panic!("all was told"),
        }
    }
}

// Conformance item 23.
#[test]
fn a_peer_that_stops_is_reported_with_the_stage_it_stopped_at() {
    let mut b = side_b();
    let error = b.handle_close();
    assert_eq!(error, HandshakeError::Closed(HandshakeStage::EphemeralKey));
    assert_eq!(error.blame(), Blame::Network);

    let mut b = side_b();
    told(&mut b, &sent_by_a().0).unwrap();
    assert_eq!(
        b.handle_close(),
        HandshakeError::Closed(HandshakeStage::Authentication)
    );
}

// Conformance item 23.
#[test]
fn a_malformed_ephemeral_key_is_refused_at_its_first_wrong_byte() {
    let refused = |input: &[u8]| failed(&mut side_b(), input);
    let at = |offset, found, expected| HandshakeError::EphemeralMalformed {
        offset,
        found,
        expected,
    };
    assert_eq!(refused(b"GET / HTTP/1.1\r\n"), at(0, b'G', 0x22));
    assert_eq!(refused(&[0x21]), at(0, 0x21, 0x22));
    assert_eq!(refused(&[0x22, 0x08]), at(1, 0x08, 0x0a));
    assert_eq!(refused(&[0x22, 0x0a, 0x1f]), at(2, 0x1f, 0x20));
    assert_eq!(refused(&[0x21]).stage(), Some(HandshakeStage::EphemeralKey));
    assert_eq!(refused(&[0x21]).blame(), Blame::Peer);
}

// Conformance item 24.
#[test]
fn ephemeral_keys_of_low_order_are_refused() {
    let points = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for point in points {
        let message = [&EPHEMERAL_PREFIX[..], &bytes(point)].concat();
        assert_eq!(
            failed(&mut side_b(), &message),
            HandshakeError::EphemeralLowOrder,
            "{point}"
        );
    }
}

#[test]
fn our_own_ephemeral_key_sent_back_is_refused() {
    let mut b = side_b();
    let own = b.poll_transmit().unwrap();
    assert_eq!(failed(&mut b, &own), HandshakeError::EphemeralReflected);
}

// Conformance item 23.
#[test]
fn a_malformed_authentication_is_refused() {
    let (mut b, _, _) = b_and_evil_sealer();
    let error = failed(&mut b, &[0x55; FRAME_SEALED]);
    assert_eq!(error, HandshakeError::AuthFrame(FrameError::NotAuthentic));
    assert_eq!(error.stage(), Some(HandshakeStage::Authentication));

    let (mut b, mut sealer, _) = b_and_evil_sealer();
    let error = failed(&mut b, &framed(&mut sealer, &[3, 0xff, 0xff, 0xff]));
    assert!(matches!(error, HandshakeError::AuthMalformed(_)));
    assert_eq!(error.blame(), Blame::Peer);
}

#[test]
fn an_authentication_over_its_limit_is_refused_from_its_length_alone() {
    // 1024 and 1025 as varints.
    let (mut b, mut sealer, _) = b_and_evil_sealer();
    assert!(matches!(
        told(&mut b, &framed(&mut sealer, &[0x80, 0x08])),
        Ok(Progress::NeedMore)
    ));
    let (mut b, mut sealer, _) = b_and_evil_sealer();
    let error = failed(&mut b, &framed(&mut sealer, &[0x81, 0x08]));
    assert!(matches!(
        error,
        HandshakeError::AuthMalformed(DecodeError::TooLong { .. })
    ));
}

#[test]
fn a_signature_over_another_challenge_proves_nothing() {
    let (mut b, mut sealer, mut challenge) = b_and_evil_sealer();
    challenge[0] ^= 1;
    let message = auth_of(&key_a(), &challenge);
    assert_eq!(
        failed(&mut b, &framed(&mut sealer, &message)),
        HandshakeError::BadSignature
    );
}

#[test]
fn a_signature_by_another_key_proves_nothing() {
    let (mut b, mut sealer, challenge) = b_and_evil_sealer();
    let signature = key_b().sign(&challenge);
    let message = AuthMessage {
        key: key_a().public_key(),
        signature,
    }
    .encode();
    assert_eq!(
        failed(&mut b, &framed(&mut sealer, &message)),
        HandshakeError::BadSignature
    );
}

#[test]
fn a_key_that_anyone_can_sign_for_is_no_identity() {
    let (mut b, mut sealer, _) = b_and_evil_sealer();
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let key = PublicKey::from_bytes(identity);
    let message = AuthMessage { key, signature }.encode();
    let error = failed(&mut b, &framed(&mut sealer, &message));
    assert_eq!(error, HandshakeError::IdentityLowOrder);
}

#[test]
fn another_node_than_the_dialed_one_is_refused_with_both_ids() {
    let expected = NodeId::from_bytes([9; 20]);
    let mut a = Handshake::new(key_a(), EPHEMERAL_A, Some(expected));
    let error = run_pair(&mut a, &mut side_b(), 4096).unwrap_err();
    assert_eq!(
        error,
        HandshakeError::WrongId {
            expected,
            found: key_b().id()
        }
    );
    let text = error.to_string();
    assert!(text.contains(&expected.to_string()) && text.contains(&key_b().id().to_string()));
}

#[test]
fn every_flipped_byte_of_either_message_is_noticed() {
    let (ephemeral, frame) = sent_by_a();
    let stream = [&ephemeral[..], &frame].concat();
    for index in 0..stream.len() {
        let mut changed = stream.clone();
        changed[index] ^= 0x01;
        assert!(told(&mut side_b(), &changed).is_err(), "byte {index}");
    }
}

#[test]
fn the_ignored_top_bit_of_an_ephemeral_key_is_noticed_too() {
    // X25519 masks this bit, so the secret stays the same; the transcript does not.
    let (ephemeral, frame) = sent_by_a();
    let mut stream = [&ephemeral[..], &frame].concat();
    stream[EPHEMERAL_BYTES - 1] ^= 0x80;
    assert_eq!(failed(&mut side_b(), &stream), HandshakeError::BadSignature);
}

#[test]
fn nothing_goes_on_after_an_end() {
    let (ephemeral, frame) = sent_by_a();
    let mut b = side_b();
    told(&mut b, &ephemeral).unwrap();
    told(&mut b, &frame).unwrap();
    assert_eq!(failed(&mut b, &[]), HandshakeError::Over);
    assert_eq!(HandshakeError::Over.blame(), Blame::Local);

    let mut b = side_b();
    failed(&mut b, &[0]);
    assert_eq!(failed(&mut b, &ephemeral), HandshakeError::Over);
}

#[test]
fn a_session_can_move_to_another_thread_and_shows_no_secret() {
    fn assert_send<T: Send + 'static>(_: &T) {}
    let (a, _) = run_pair(&mut side_a(), &mut side_b(), 4096).unwrap();
    assert_send(&a);
    assert_send(&side_a());
    assert_eq!(
        format!("{a:?}"),
        format!("Session {{ remote_id: {:?}, .. }}", key_b().id())
    );
}

// Conformance item 25.
#[test]
fn fuzz_entry_holds_on_a_few_inputs() {
    let (ephemeral, frame) = sent_by_a();
    let stream = [&ephemeral[..], &frame].concat();
    for input in [
        &[][..],
        &[0x22],
        &[0; 40],
        &[0xff; 3000],
        &ephemeral,
        &stream[..100],
    ] {
        fuzz_handshake(input);
    }
}

#[test]
fn a_key_that_is_elsewhere_signs_later_and_the_same_bytes_go_out() {
    let (ephemeral, frame) = sent_by_a();
    let mut a = Handshake::new(LocalKey::Elsewhere(key_a().public_key()), EPHEMERAL_A, None);
    let mut b = side_b();
    assert_eq!(a.poll_transmit().unwrap(), ephemeral);
    told(&mut b, &ephemeral).unwrap();
    let mut input = BytesMut::from(&b.poll_transmit().unwrap()[..]);
    input.extend_from_slice(&b.poll_transmit().unwrap());
    assert!(matches!(a.handle_bytes(&mut input), Ok(Progress::NeedMore)));
    let challenge = a.poll_challenge().expect("it is to be signed");
    assert_eq!(a.poll_challenge(), None, "asked once");
    assert!(a.is_signing() && a.poll_transmit().is_none());
    // However often it is told of bytes, it takes none: the session must not begin unsigned.
    let waiting = input.len();
    assert!(matches!(a.handle_bytes(&mut input), Ok(Progress::NeedMore)));
    assert_eq!(input.len(), waiting);

    a.handle_signature(key_a().sign(&challenge));
    assert!(!a.is_signing());
    assert_eq!(a.poll_transmit().unwrap(), frame, "byte for byte");
    let Ok(Progress::Done(session)) = a.handle_bytes(&mut input) else {
        panic!("all of B's bytes are there");
    };
    assert_eq!(session.remote_id, key_b().id());
    a.handle_signature([0; 64]);
    assert!(a.poll_transmit().is_none(), "nobody asked");
    assert!(matches!(told(&mut b, &frame), Ok(Progress::Done(_))));
}

#[test]
fn a_stream_that_ends_while_the_key_signs_ended_in_the_authentication() {
    let mut a = Handshake::new(LocalKey::Elsewhere(key_a().public_key()), EPHEMERAL_A, None);
    a.poll_transmit().expect("its ephemeral key");
    told(&mut a, &side_b().poll_transmit().unwrap()).unwrap();
    assert_eq!(
        a.handle_close(),
        HandshakeError::Closed(HandshakeStage::Authentication)
    );
    a.handle_signature([0; 64]);
    assert!(a.poll_transmit().is_none(), "it is over");
}
