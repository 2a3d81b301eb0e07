//! Wide records: the edges of their length, and every change that must be noticed.

use proptest::prelude::*;

use super::super::aead::rustcrypto;
use super::*;

const KEY: [u8; KEY_BYTES] = [5; KEY_BYTES];

fn pair(plain_max: usize) -> (RecordSealer, RecordOpener) {
    (
        RecordSealer::new(&KEY, plain_max),
        RecordOpener::new(&KEY, plain_max),
    )
}

fn sealed(sealer: &mut RecordSealer, plain: &[u8]) -> Vec<u8> {
    let mut record = vec![0; plain.len() + RECORD_OVERHEAD];
    record[RECORD_HEADER..RECORD_HEADER + plain.len()].copy_from_slice(plain);
    sealer.seal(&mut record).unwrap();
    record
}

#[test]
fn records_of_every_length_come_back() {
    let (mut sealer, mut opener) = pair(RECORD_PLAIN_MAX);
    for len in [1, 2, 15, 16, 17, 1024, 65_535, RECORD_PLAIN_MAX] {
        let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let mut record = sealed(&mut sealer, &plain);
        assert_eq!(opener.sealed_len(&record), Ok(Some(record.len())));
        let range = opener.open(&mut record).unwrap();
        assert_eq!(range, 4..4 + len);
        assert_eq!(record[range], plain);
    }
}

/// At every border of the cipher's blocks, and with each library.
#[test]
fn a_record_is_the_same_wherever_the_end_of_its_text_lies() {
    fn check<A: Aead>(len: usize, tail_len: usize) {
        let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let whole = sealed(&mut pair(RECORD_PLAIN_MAX).0, &plain);
        let (head, tail) = plain.split_at(len - tail_len);
        let mut record = vec![0xee; len + RECORD_OVERHEAD];
        record[RECORD_HEADER..RECORD_HEADER + head.len()].copy_from_slice(head);
        let mut sealer = RecordSealer::<A>::new(&KEY, RECORD_PLAIN_MAX);
        assert_eq!(sealer.seal_with_tail(&mut record, tail), Ok(()));
        assert!(record == whole, "{tail_len} of {len}");
    }
    for len in [1, 15, 16, 17, 255, 1024, 5000, RECORD_PLAIN_MAX] {
        for head_len in (0..70).chain([127, 128, 129, 4096]) {
            let Some(tail_len) = len.checked_sub(head_len) else {
                continue;
            };
            check::<DefaultAesGcm>(len, tail_len);
            check::<rustcrypto::AesGcm>(len, tail_len);
        }
    }
}

#[test]
fn a_tail_longer_than_its_record_is_refused_and_changes_nothing() {
    let (mut sealer, mut opener) = pair(100);
    let mut record = [9; 10 + RECORD_OVERHEAD];
    let len = record.len();
    for tail in [11, 30, 31] {
        let refused = sealer.seal_with_tail(&mut record, &vec![1; tail]);
        assert_eq!(refused, Err(RecordError::WrongSize { len, max: 100 }));
        assert_eq!(record, [9; 10 + RECORD_OVERHEAD]);
    }
    assert_eq!(sealer.seal_with_tail(&mut record, &[1; 10]), Ok(()));
    assert_eq!(opener.open(&mut record), Ok(4..14));
}

#[test]
fn the_header_says_how_much_to_wait_for_as_soon_as_it_has_come() {
    let (mut sealer, opener) = pair(100);
    let record = sealed(&mut sealer, &[7; 100]);
    for len in 0..RECORD_HEADER {
        assert_eq!(opener.sealed_len(&record[..len]), Ok(None));
    }
    assert_eq!(opener.sealed_len(&record[..RECORD_HEADER]), Ok(Some(120)));
}

#[test]
fn a_length_at_the_agreed_maximum_passes_and_one_more_is_refused_at_once() {
    let (_, opener) = pair(100);
    assert_eq!(opener.sealed_len(&100_u32.to_le_bytes()), Ok(Some(120)));
    let too_long = |len| RecordError::TooLong { len, max: 100 };
    assert_eq!(
        opener.sealed_len(&101_u32.to_le_bytes()),
        Err(too_long(101))
    );
    assert_eq!(opener.sealed_len(&[0xff; 4]), Err(too_long(u32::MAX)));
    let mut record = sealed(&mut pair(101).0, &[0; 101]);
    assert_eq!(pair(100).1.open(&mut record), Err(too_long(101)));
}

#[test]
fn an_empty_record_is_refused_on_both_sides() {
    let (mut sealer, mut opener) = pair(100);
    assert_eq!(opener.sealed_len(&[0; 4]), Err(RecordError::Empty));
    assert_eq!(
        opener.open(&mut [0; RECORD_OVERHEAD]),
        Err(RecordError::Empty)
    );
    let refused = sealer.seal(&mut [0; RECORD_OVERHEAD]);
    assert_eq!(refused, Err(RecordError::WrongSize { len: 20, max: 100 }));
}

#[test]
fn we_never_seal_more_than_was_agreed() {
    let (mut sealer, _) = pair(100);
    assert_eq!(sealer.seal(&mut [0; 120]), Ok(()));
    let refused = sealer.seal(&mut [0; 121]);
    assert_eq!(refused, Err(RecordError::WrongSize { len: 121, max: 100 }));
}

#[test]
fn every_flipped_byte_is_noticed_in_length_ciphertext_and_tag() {
    let record = sealed(&mut pair(1000).0, &[3; 50]);
    for index in 0..record.len() {
        let mut changed = record.clone();
        changed[index] ^= 0x01;
        assert!(pair(1000).1.open(&mut changed).is_err(), "byte {index}");
    }
}

#[test]
fn a_changed_length_breaks_the_tag_even_when_the_bytes_are_cut_to_fit() {
    let mut record = sealed(&mut pair(1000).0, &[3; 50]);
    record.truncate(record.len() - 1);
    record[0] -= 1;
    assert_eq!(
        pair(1000).1.open(&mut record),
        Err(RecordError::NotAuthentic)
    );
}

#[test]
fn a_buffer_that_is_not_exactly_the_record_is_refused() {
    let mut record = sealed(&mut pair(1000).0, &[3; 50]);
    record.push(0);
    let refused = pair(1000).1.open(&mut record);
    assert_eq!(
        refused,
        Err(RecordError::LengthMismatch {
            header: 50,
            buffer: 51
        })
    );
    let refused = pair(1000).1.open(&mut [1; RECORD_OVERHEAD - 1]);
    assert_eq!(refused, Err(RecordError::WrongSize { len: 19, max: 1000 }));
}

#[test]
fn a_repeated_skipped_or_swapped_record_is_noticed() {
    let (mut sealer, mut opener) = pair(1000);
    let first = sealed(&mut sealer, b"first");
    let second = sealed(&mut sealer, b"second");
    assert_eq!(
        opener.open(&mut second.clone()),
        Err(RecordError::NotAuthentic)
    );
    assert!(opener.open(&mut first.clone()).is_ok());
    assert_eq!(
        opener.open(&mut first.clone()),
        Err(RecordError::NotAuthentic)
    );
    assert!(opener.open(&mut second.clone()).is_ok());
}

#[test]
fn the_last_nonce_serves_and_the_next_one_is_refused() {
    let (mut sealer, mut opener) = pair(1000);
    sealer.nonces = NonceCounter::at_last();
    opener.nonces = NonceCounter::at_last();
    let mut record = sealed(&mut sealer, b"last");
    assert!(opener.open(&mut record).is_ok());
    assert_eq!(sealer.seal(&mut record), Err(RecordError::NonceExhausted));
    assert_eq!(opener.open(&mut record), Err(RecordError::NonceExhausted));
}

#[test]
fn one_provider_opens_the_records_of_the_other() {
    let (mut sealer, mut opener) = pair(1000);
    let mut other_sealer = RecordSealer::<rustcrypto::AesGcm>::new(&KEY, 1000);
    let mut other_opener = RecordOpener::<rustcrypto::AesGcm>::new(&KEY, 1000);
    for plain in [&b"a"[..], &[7; 999]] {
        let mut record = sealed(&mut sealer, plain);
        let mut other = vec![0; plain.len() + RECORD_OVERHEAD];
        other[RECORD_HEADER..RECORD_HEADER + plain.len()].copy_from_slice(plain);
        other_sealer.seal(&mut other).unwrap();
        assert_eq!(record, other);
        assert!(other_opener.open(&mut record).is_ok());
        assert!(opener.open(&mut other).is_ok());
    }
}

#[test]
#[should_panic(expected = "an agreed record size")]
fn a_maximum_over_the_protocols_own_is_a_fault_of_ours() {
    pair(RECORD_PLAIN_MAX + 1);
}

#[test]
fn fuzz_entry_holds_on_a_few_inputs() {
    let record = sealed(&mut pair(1000).0, &[3; 50]);
    for input in [
        &[][..],
        &[0; 4],
        &[255; 30],
        &[1, 0, 0, 0],
        &[2; 100],
        &record,
    ] {
        fuzz_record(input);
    }
}

proptest! {
    #[test]
    fn a_stream_of_any_records_comes_out_equal(
        plains in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 1..3000), 0..8)
    ) {
        let (mut sealer, mut opener) = pair(3000);
        for plain in plains {
            let mut record = sealed(&mut sealer, &plain);
            let range = opener.open(&mut record).unwrap();
            prop_assert_eq!(&record[range], &plain[..]);
        }
    }
}
