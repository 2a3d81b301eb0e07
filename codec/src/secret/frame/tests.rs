//! Frames: the sizes, the edges, and every change that must be noticed.

use proptest::prelude::*;

use super::super::aead::rustcrypto;
use super::*;

const KEY: [u8; KEY_BYTES] = [5; KEY_BYTES];

fn pair() -> (FrameSealer, FrameOpener) {
    (FrameSealer::new(&KEY), FrameOpener::new(&KEY))
}

fn sealed(sealer: &mut FrameSealer, data: &[u8]) -> [u8; FRAME_SEALED] {
    let mut frame = [0xee; FRAME_SEALED];
    frame[FRAME_HEADER..FRAME_HEADER + data.len()].copy_from_slice(data);
    sealer.seal(&mut frame, data.len()).unwrap();
    frame
}

/// A frame by a peer that holds the key and writes any plaintext it likes.
fn sealed_plain(plain: &[u8; FRAME_PLAIN]) -> [u8; FRAME_SEALED] {
    let mut frame = [0; FRAME_SEALED];
    frame[..FRAME_PLAIN].copy_from_slice(plain);
    let (plain, tag) = split(&mut frame).unwrap();
    *tag = DefaultChaCha::new(&KEY).seal(&[0; NONCE_BYTES], &[], plain);
    frame
}

#[test]
fn data_of_every_length_comes_back_from_where_it_was_put() {
    let (mut sealer, mut opener) = pair();
    for len in [0, 1, 2, 1023, FRAME_DATA_MAX] {
        let data: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let mut frame = sealed(&mut sealer, &data);
        let range = opener.open(&mut frame).unwrap();
        assert_eq!(range, FRAME_HEADER..FRAME_HEADER + len);
        assert_eq!(frame[range], data);
    }
}

#[test]
fn the_longest_data_fits_and_one_byte_more_is_refused() {
    let (mut sealer, _) = pair();
    let mut frame = [0; FRAME_SEALED];
    assert_eq!(sealer.seal(&mut frame, 1024), Ok(()));
    assert_eq!(
        sealer.seal(&mut frame, 1025),
        Err(FrameError::DataTooLong { len: 1025 })
    );
}

#[test]
fn a_length_field_at_the_limit_opens_and_one_more_is_refused() {
    let mut plain = [0; FRAME_PLAIN];
    plain[..4].copy_from_slice(&1024_u32.to_le_bytes());
    assert_eq!(pair().1.open(&mut sealed_plain(&plain)), Ok(4..1028));
    plain[..4].copy_from_slice(&1025_u32.to_le_bytes());
    let refused = pair().1.open(&mut sealed_plain(&plain));
    assert_eq!(refused, Err(FrameError::LengthField { len: 1025 }));
    plain[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let refused = pair().1.open(&mut sealed_plain(&plain));
    assert_eq!(refused, Err(FrameError::LengthField { len: u32::MAX }));
}

#[test]
fn padding_never_carries_old_bytes_and_a_peers_padding_is_not_looked_at() {
    let (mut sealer, mut opener) = pair();
    let mut frame = sealed(&mut sealer, b"abc");
    opener.open(&mut frame).unwrap();
    assert!(
        frame[FRAME_HEADER + 3..FRAME_PLAIN]
            .iter()
            .all(|&byte| byte == 0)
    );

    let mut plain = [0xaa; FRAME_PLAIN];
    plain[..4].copy_from_slice(&3_u32.to_le_bytes());
    assert_eq!(pair().1.open(&mut sealed_plain(&plain)), Ok(4..7));
}

#[test]
fn every_flipped_byte_is_noticed() {
    let frame = sealed(&mut pair().0, b"some data");
    for index in 0..FRAME_SEALED {
        let mut changed = frame;
        changed[index] ^= 0x40;
        assert_eq!(
            pair().1.open(&mut changed),
            Err(FrameError::NotAuthentic),
            "byte {index}"
        );
    }
}

#[test]
fn a_repeated_skipped_or_swapped_frame_is_noticed() {
    let (mut sealer, mut opener) = pair();
    let first = sealed(&mut sealer, b"first");
    let second = sealed(&mut sealer, b"second");
    assert_eq!(
        opener.open(&mut second.clone()),
        Err(FrameError::NotAuthentic)
    );
    assert!(opener.open(&mut first.clone()).is_ok());
    assert_eq!(
        opener.open(&mut first.clone()),
        Err(FrameError::NotAuthentic)
    );
    assert!(opener.open(&mut second.clone()).is_ok());
}

#[test]
fn another_key_opens_nothing() {
    let mut frame = sealed(&mut pair().0, b"x");
    let mut opener = FrameOpener::<DefaultChaCha>::new(&[6; KEY_BYTES]);
    assert_eq!(opener.open(&mut frame), Err(FrameError::NotAuthentic));
}

#[test]
fn a_buffer_of_another_size_is_refused() {
    let (mut sealer, mut opener) = pair();
    for len in [0, 1, FRAME_SEALED - 1, FRAME_SEALED + 1] {
        let mut buffer = vec![0; len];
        assert_eq!(
            sealer.seal(&mut buffer, 0),
            Err(FrameError::WrongSize { len })
        );
        assert_eq!(opener.open(&mut buffer), Err(FrameError::WrongSize { len }));
    }
}

#[test]
fn the_last_nonce_serves_and_the_next_one_is_refused() {
    let (mut sealer, mut opener) = pair();
    sealer.nonces = NonceCounter::at_last();
    opener.nonces = NonceCounter::at_last();
    let mut frame = sealed(&mut sealer, b"last");
    assert!(opener.open(&mut frame).is_ok());
    assert_eq!(sealer.seal(&mut frame, 4), Err(FrameError::NonceExhausted));
    assert_eq!(opener.open(&mut frame), Err(FrameError::NonceExhausted));
}

#[test]
fn both_providers_write_the_same_frames() {
    let (mut sealer, _) = pair();
    let mut other = FrameSealer::<rustcrypto::ChaCha>::new(&KEY);
    for data in [&b"one"[..], b"", b"three"] {
        let mut frame = [0; FRAME_SEALED];
        frame[FRAME_HEADER..FRAME_HEADER + data.len()].copy_from_slice(data);
        other.seal(&mut frame, data.len()).unwrap();
        assert_eq!(frame, sealed(&mut sealer, data));
    }
}

#[test]
fn each_error_knows_whose_fault_it_is() {
    assert_eq!(FrameError::WrongSize { len: 0 }.blame(), Blame::Local);
    assert_eq!(FrameError::NotAuthentic.blame(), Blame::Network);
    assert_eq!(FrameError::LengthField { len: 1025 }.blame(), Blame::Peer);
}

#[test]
fn fuzz_entry_holds_on_a_few_inputs() {
    for input in [
        &[][..],
        &[0; 4],
        &[255; 4],
        &[0, 4, 0, 0],
        &[1, 4, 0, 0],
        &[7; 2000],
    ] {
        fuzz_frame(input);
    }
}

proptest! {
    // Conformance items 20 and 25.
    #[test]
    fn a_stream_of_any_writes_comes_out_equal(
        writes in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..=FRAME_DATA_MAX), 0..8)
    ) {
        let (mut sealer, mut opener) = pair();
        for data in writes {
            let mut frame = sealed(&mut sealer, &data);
            let range = opener.open(&mut frame).unwrap();
            prop_assert_eq!(&frame[range], &data[..]);
        }
    }
}
