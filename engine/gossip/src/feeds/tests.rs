//! Messages between neighbours: both sides of each limit.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const PAYLOAD: &[u8] = &[9; MEDIUM_BYTES_MAX + 1];
const SIGNATURE: [u8; SIGNATURE_BYTES] = [3; SIGNATURE_BYTES];

fn alias(number: u16) -> Alias {
    Alias::new(number).unwrap()
}

fn body(payload_bytes: usize) -> Body<'static> {
    Body {
        alias: alias(ALIASES_MAX - 1),
        seq: 7,
        urgent: false,
        is_bundle: false,
        priority: 5,
        left_ms: 30_000,
        signature: None,
        members: None,
        payload: &PAYLOAD[..payload_bytes],
    }
}

/// Messages in which every byte up to the last field is needed.
fn of_one_length() -> [FeedMessage<'static>; 3] {
    [
        FeedMessage::Part(Part::Feed, Which::One(alias(0)), 0),
        FeedMessage::Part(Part::Quiet, Which::All, STRIPES_MAX - 1),
        FeedMessage::Alias(alias(3), [8; 32]),
    ]
}

fn assert_same_after_reading(message: FeedMessage<'_>) {
    let bytes = message.encode().unwrap();
    assert_eq!(FeedMessage::decode(&bytes), Ok(message));
    fuzz_feed_message(&bytes);
}

#[test]
fn messages_are_read_as_they_were_written() {
    of_one_length()
        .into_iter()
        .for_each(assert_same_after_reading);
    assert_same_after_reading(FeedMessage::Part(Part::Backup, Which::All, 0));
    let signature = Some(&SIGNATURE);
    for len in [0, 1, SMALL_BYTES_MAX, MEDIUM_BYTES_MAX] {
        assert_same_after_reading(FeedMessage::Body(body(len)));
        let signed = Body {
            signature,
            ..body(len)
        };
        assert_same_after_reading(FeedMessage::Body(signed));
        for body in [body(len), signed] {
            let members = Some([5; MEMBERS_TAG_BYTES]);
            assert_same_after_reading(FeedMessage::Body(Body { members, ..body }));
        }
    }
}

#[test]
fn a_byte_less_or_more_is_refused() {
    for message in of_one_length() {
        let mut bytes = message.encode().unwrap().to_vec();
        for len in 0..bytes.len() {
            let refused = FeedMessage::decode(&bytes[..len]);
            assert!(matches!(refused, Err(Refusal::Truncated { .. })), "{len}");
        }
        bytes.push(0);
        assert_eq!(
            FeedMessage::decode(&bytes),
            Err(Refusal::Trailing { got: 1 })
        );
    }
}

#[test]
fn a_body_that_ends_before_its_payload_is_refused() {
    let signed = Body {
        signature: Some(&SIGNATURE),
        members: Some([5; MEMBERS_TAG_BYTES]),
        ..body(0)
    };
    let bytes = FeedMessage::Body(signed).encode().unwrap();
    let header_bytes = BODY_HEADER_BYTES + SIGNATURE_BYTES + MEMBERS_TAG_BYTES;
    assert_eq!(bytes.len(), header_bytes);
    for len in 0..bytes.len() {
        let refused = FeedMessage::decode(&bytes[..len]);
        assert!(matches!(refused, Err(Refusal::Truncated { .. })), "{len}");
    }
}

#[test]
fn the_longest_body_is_read_and_one_byte_more_is_refused() {
    let mut writer = BundleWriter::new(false);
    let part = MEDIUM_BYTES_MAX / BUNDLE_MESSAGES_MAX;
    for _ in 0..BUNDLE_MESSAGES_MAX {
        writer.push(Bytes::from_static(&PAYLOAD[..part]));
    }
    let payload = writer.finish().unwrap().bytes;
    let longest = Body {
        signature: Some(&SIGNATURE),
        members: Some([5; MEMBERS_TAG_BYTES]),
        is_bundle: true,
        payload: &payload,
        ..body(0)
    };
    assert_same_after_reading(FeedMessage::Body(longest));
    let mut bytes = FeedMessage::Body(longest).encode().unwrap().to_vec();
    assert_eq!(bytes.len(), FEED_MESSAGE_BYTES_MAX);
    bytes.push(0);
    let (got, max) = (FEED_MESSAGE_BYTES_MAX + 1, FEED_MESSAGE_BYTES_MAX);
    assert_eq!(
        FeedMessage::decode(&bytes),
        Err(Refusal::TooLong { got, max })
    );

    // Without a signature the message is short enough, but its payload is not.
    let mut unsigned = FeedMessage::Body(body(MEDIUM_BYTES_MAX))
        .encode()
        .unwrap()
        .to_vec();
    unsigned.push(0);
    let (got, max) = (MEDIUM_BYTES_MAX + 1, MEDIUM_BYTES_MAX);
    let too_long = Refusal::TooLong { got, max };
    assert_eq!(FeedMessage::decode(&unsigned), Err(too_long));
    let refused = FeedMessage::Body(body(got)).encode();
    assert_eq!(refused, Err(too_long));
}

#[test]
fn an_urgent_body_is_a_small_one() {
    let urgent = |len| {
        FeedMessage::Body(Body {
            urgent: true,
            is_bundle: false,
            ..body(len)
        })
    };
    assert_same_after_reading(urgent(SMALL_BYTES_MAX));
    let (got, max) = (SMALL_BYTES_MAX + 1, SMALL_BYTES_MAX);
    let refusal = Refusal::Urgent { got, max };
    assert_eq!(urgent(got).encode(), Err(refusal));
    let mut bytes = urgent(SMALL_BYTES_MAX).encode().unwrap().to_vec();
    bytes.push(0);
    assert_eq!(FeedMessage::decode(&bytes), Err(refusal));
}

#[test]
fn a_bundle_is_read_as_it_was_written_and_a_wrong_one_is_refused() {
    let mut writer = BundleWriter::new(false);
    for len in [5, 0, 70_000] {
        writer.push(Bytes::from(vec![len as u8; len]));
    }
    let payload = writer.finish().unwrap();
    let bundle = |payload, signature| {
        FeedMessage::Body(Body {
            is_bundle: true,
            signature,
            payload,
            ..body(0)
        })
    };
    for signature in [None, Some(&SIGNATURE)] {
        let message = bundle(&payload.bytes, signature);
        assert_same_after_reading(message);
        let mut bytes = message.encode().unwrap().to_vec();
        bytes.pop();
        let refused = FeedMessage::decode(&bytes);
        assert!(
            matches!(refused, Err(Refusal::Truncated { .. })),
            "{refused:?}"
        );
    }
    let refused = bundle(b"\x01\0\0\0v", None).encode();
    assert_eq!(refused, Err(Refusal::Bundle { got: 1 }));
    // The same bytes are a message like any other where the flag is not set.
    let mut bytes = FeedMessage::Body(body(0)).encode().unwrap().to_vec();
    assert!(FeedMessage::decode(&bytes).is_ok());
    bytes[11] = 4;
    assert_eq!(FeedMessage::decode(&bytes), Err(Refusal::Bundle { got: 0 }));
}

#[test]
fn entries_are_counted_before_they_are_read() {
    let name = |seq| Name {
        alias: alias(seq as u16 % ALIASES_MAX),
        seq,
    };
    let kinds = [
        (2, encode_have as fn(&[Name]) -> _),
        (3, encode_want),
        (7, encode_over),
    ];
    for (kind, encode) in kinds {
        for count in [1, NAMES_MAX as u64] {
            let names: Vec<Name> = (0..count).map(name).collect();
            let bytes: bytes::Bytes = encode(&names);
            let (FeedMessage::Have(list) | FeedMessage::Want(list) | FeedMessage::Over(list)) =
                FeedMessage::decode(&bytes).unwrap()
            else {
                panic!("kind {kind} has names");
            };
            assert!(list.iter().eq(names));
            fuzz_feed_message(&bytes);
        }
        assert_list_bounds(kind, NAMES_MAX, Name::BYTES);
    }
    let entry = DigestEntry {
        alias: alias(3),
        last: 70,
        bits: 0b101,
    };
    assert!(entry.seqs().eq([70, 68]));
    let entries = [entry; DIGEST_ENTRIES_MAX];
    let bytes = encode_digest(&entries);
    let Ok(FeedMessage::Digest(list)) = FeedMessage::decode(&bytes) else {
        panic!("a digest is one");
    };
    assert!(list.iter().eq(entries));
    fuzz_feed_message(&bytes);
    assert_list_bounds(6, DIGEST_ENTRIES_MAX, DigestEntry::BYTES);
}

fn assert_list_bounds(kind: u8, entries_max: usize, entry_bytes: usize) {
    let refusal = |list_bytes: usize| {
        let mut bytes = vec![0; 1 + list_bytes];
        bytes[0] = kind;
        FeedMessage::decode(&bytes).err()
    };
    let (got, max) = ((entries_max + 1) * entry_bytes, entries_max * entry_bytes);
    assert_eq!(refusal(max), None);
    assert_eq!(refusal(got), Some(Refusal::TooLong { got, max }));
    for got in [0, entry_bytes - 1, entry_bytes + 1] {
        assert_eq!(refusal(got), Some(Refusal::List { got }));
    }
}

#[test]
fn an_entry_of_no_alias_is_refused() {
    for kind in [2, 3, 6] {
        let mut bytes = vec![kind];
        bytes.extend(u16::MAX.to_le_bytes());
        bytes.resize(if kind == 6 { 19 } else { 11 }, 0);
        let (got, max) = (u16::MAX, ALIASES_MAX - 1);
        assert_eq!(
            FeedMessage::decode(&bytes),
            Err(Refusal::Alias { got, max })
        );
    }
}

#[test]
fn numbers_before_the_first_are_none() {
    let entry = DigestEntry {
        alias: alias(0),
        last: 1,
        bits: u64::MAX,
    };
    assert!(entry.seqs().eq([1, 0]));
}

#[test]
fn what_has_no_meaning_is_refused() {
    let refusals = [
        (vec![0], Refusal::Kind { got: 0 }),
        (vec![8], Refusal::Kind { got: 8 }),
        (vec![4, 3, 0, 0, 0], Refusal::Part { got: 3 }),
        (
            vec![4, 2, 0, 0, STRIPES_MAX],
            Refusal::Stripe {
                got: STRIPES_MAX,
                count: STRIPES_MAX,
            },
        ),
        (
            vec![4, 2, 0xfe, 0xff, 0],
            Refusal::Alias {
                got: 0xfffe,
                max: ALIASES_MAX - 1,
            },
        ),
    ];
    for (bytes, refusal) in refusals {
        assert_eq!(FeedMessage::decode(&bytes), Err(refusal));
    }
    let stripe = FeedMessage::Part(Part::Feed, Which::All, STRIPES_MAX).encode();
    assert!(matches!(stripe, Err(Refusal::Stripe { .. })));
    let mut bytes = FeedMessage::Body(body(0)).encode().unwrap().to_vec();
    bytes[11] = 16;
    assert_eq!(FeedMessage::decode(&bytes), Err(Refusal::Flags { got: 16 }));
}

#[test]
fn an_alias_has_a_place_in_the_table() {
    assert_eq!(alias(ALIASES_MAX - 1).number(), ALIASES_MAX - 1);
    for got in [ALIASES_MAX, u16::MAX] {
        let max = ALIASES_MAX - 1;
        assert_eq!(Alias::new(got), Err(Refusal::Alias { got, max }));
        // `ffff` names all origins in a `part`, and none where an origin gets its alias.
        let mut bytes = of_one_length()[2].encode().unwrap().to_vec();
        bytes[1..3].copy_from_slice(&got.to_le_bytes());
        assert_eq!(
            FeedMessage::decode(&bytes),
            Err(Refusal::Alias { got, max })
        );
    }
}

proptest! {
    #[test]
    fn whatever_the_bytes_are_a_message_is_refused_or_what_its_encoding_says(
        kind in 0_u8..8,
        mut bytes in proptest::collection::vec(any::<u8>(), 1..128),
    ) {
        bytes[0] = kind;
        fuzz_feed_message(&bytes);
    }
}
