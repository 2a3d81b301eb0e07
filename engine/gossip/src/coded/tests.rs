//! Payloads through the code: whole, in pieces, damaged, and made by an origin that lies.

use bytes::Bytes;
use proptest::prelude::*;

use super::merkle::{Tree, leaf};
use super::*;

const ORIGIN: Origin = [7; 32];
const SMALL: usize = SHARD_BYTES_MIN;

/// Bytes that differ from place to place, by a seed.
fn payload(length: usize, seed: u64) -> Bytes {
    let mut bytes = vec![0; length];
    let mut reader = blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof();
    reader.fill(&mut bytes);
    Bytes::from(bytes)
}

fn encoder(length: usize, seed: u64) -> Encoder {
    Encoder::new(ORIGIN, seed, payload(length, seed), SMALL).expect("a length that is coded")
}

fn decoder() -> Decoder<u8> {
    Decoder::new(Limits::default())
}

/// Opens a manifest at its origin's expense, as one whose signature was checked.
fn open(decoder: &mut Decoder<u8>, manifest: Manifest) -> Result<Opened<u8>, Fault> {
    decoder.open(manifest, manifest.origin())
}

/// A decoder that knows the encoder's manifest.
fn opened(encoder: &Encoder) -> Decoder<u8> {
    let mut decoder = decoder();
    open(&mut decoder, *encoder.manifest()).expect("there is room");
    decoder
}

/// Sends the shards of a segment with these indices.
fn send(
    encoder: &mut Encoder,
    decoder: &mut Decoder<u8>,
    segment: u16,
    indices: impl IntoIterator<Item = u16>,
) -> Vec<Inserted> {
    let coded = encoder.segment(segment).expect("a segment of the payload");
    let shards = indices
        .into_iter()
        .map(|index| coded.shard(index).expect("a shard"));
    let insert = |shard: Shard| insert(decoder, &shard).expect("a good shard");
    shards.map(insert).collect()
}

/// Inserts a shard, and waits for no original.
fn insert(decoder: &mut Decoder<u8>, shard: &Shard) -> Result<Inserted, Fault> {
    match decoder.insert(0, shard.clone())? {
        Inserted::Enough => decoder.restore(shard.manifest(), shard.segment()),
        inserted => Ok(inserted),
    }
}

/// The payload that the last shard completed.
fn whole(inserted: &[Inserted]) -> Option<&Bytes> {
    match inserted.last() {
        Some(Inserted::Whole(_, payload)) => Some(payload),
        _ => None,
    }
}

// ---- what is promised -------------------------------------------------------------------------

#[test]
fn the_originals_alone_give_the_payload_and_one_less_does_not() {
    let mut encoder = encoder(PAYLOAD_BYTES_MIN, 1);
    let mut decoder = opened(&encoder);
    let k = encoder.manifest().layout().segment(0).unwrap().originals();
    let inserted = send(&mut encoder, &mut decoder, 0, 0..k - 1);
    assert!(
        inserted
            .iter()
            .all(|inserted| matches!(inserted, Inserted::New))
    );
    assert_eq!(decoder.progress(encoder.id(), 0).unwrap().missing, 1);
    let inserted = send(&mut encoder, &mut decoder, 0, [k - 1]);
    assert_eq!(whole(&inserted), Some(&payload(PAYLOAD_BYTES_MIN, 1)));
    assert_eq!((decoder.len(), decoder.bytes()), (0, 0));
}

#[test]
fn the_repair_shards_alone_give_the_payload() {
    let mut encoder = encoder(300_000, 2);
    let mut decoder = opened(&encoder);
    let place = encoder.manifest().layout().segment(0).unwrap();
    let repairs = place.originals()..place.shard_count();
    let inserted = send(&mut encoder, &mut decoder, 0, repairs);
    assert_eq!(whole(&inserted), Some(&payload(300_000, 2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_k_shards_of_each_segment_in_any_order_give_the_payload(
        // Up to two segments of 16 KiB shards.
        length in PAYLOAD_BYTES_MIN..=3 * 1024 * 1024,
        order in any::<u64>(),
    ) {
        let mut encoder = encoder(length, order);
        let mut decoder = opened(&encoder);
        let layout = encoder.manifest().layout();
        let mut got = None;
        for place in layout.segments() {
            let mut indices: Vec<u16> = (0..place.shard_count()).collect();
            indices.sort_by_key(|index| *blake3::hash(&(order ^ u64::from(*index)).to_le_bytes()).as_bytes());
            indices.truncate(place.originals().into());
            let inserted = send(&mut encoder, &mut decoder, place.index(), indices);
            got = whole(&inserted).cloned();
        }
        prop_assert_eq!(got, Some(payload(length, order)));
    }

    #[test]
    fn a_changed_byte_anywhere_in_a_shard_is_the_peers_fault_or_leads_nowhere(
        at in 0..SMALL + SHARD_HEADER_BYTES + 32 * 4, bit in 0..8_u8,
    ) {
        let mut encoder = encoder(PAYLOAD_BYTES_MIN, 3);
        let mut decoder = opened(&encoder);
        let shard = encoder.segment(0).unwrap().shard(2).unwrap();
        let mut wire = shard.wire().to_vec();
        prop_assume!(at < wire.len());
        wire[at] ^= 1 << bit;
        let inserted = Shard::decode(wire.into()).and_then(|shard| decoder.insert(1, shard));
        match inserted {
            Err(fault) => prop_assert_eq!(fault.blame(), Blame::Peer),
            // With another id it waits for a manifest that never comes.
            Ok(inserted) => prop_assert!(matches!(inserted, Inserted::Early) && at < 16),
        }
        prop_assert_eq!(decoder.progress(encoder.id(), 0).unwrap().held.len(), 0);
    }

    #[test]
    fn no_bytes_panic_or_pass(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_manifest(&bytes);
        fuzz_shard(&bytes);
    }
}

#[test]
fn few_originals_may_be_waited_for_and_many_are_restored_at_once() {
    // 40 originals, of which 2 more are pushed.
    let mut encoder = encoder(40 * SMALL, 5);
    for (first, is_restored) in [(1, false), (2, false), (3, true)] {
        let mut decoder = opened(&encoder);
        let coded = encoder.segment(0).unwrap();
        let shards = (first..first + 40).map(|index| coded.shard(index).unwrap());
        let last = shards.map(|shard| decoder.insert(0, shard).unwrap()).last();
        let is_whole = matches!(last, Some(Inserted::Whole(..)));
        assert_eq!(is_whole, is_restored, "{first}");
        if is_restored {
            continue;
        }
        assert!(matches!(last, Some(Inserted::Enough)));
        assert_eq!(decoder.progress(encoder.id(), 0).unwrap().missing, 0);
        let repair = coded.shard(79).unwrap();
        assert!(matches!(decoder.insert(0, repair), Ok(Inserted::Known)));
        // All originals make it whole, and so does the word.
        let word = decoder.restore(encoder.id(), 1);
        assert!(matches!(word, Err(Fault::Segment { .. })));
        let inserted = match first {
            1 => decoder.insert(0, coded.shard(0).unwrap()).unwrap(),
            _ => decoder.restore(encoder.id(), 0).unwrap(),
        };
        assert_eq!(whole(&[inserted]), Some(&payload(40 * SMALL, 5)));
        let again = decoder.restore(encoder.id(), 0);
        assert!(matches!(again, Ok(Inserted::Known)));
    }
}

#[test]
fn a_whole_segment_gives_every_shard_of_the_origin() {
    let mut encoder = encoder(PAYLOAD_BYTES_MIN, 4);
    let mut decoder = opened(&encoder);
    let place = encoder.manifest().layout().segment(0).unwrap();
    let inserted = send(&mut encoder, &mut decoder, 0, 1..=place.originals());
    let Some(Inserted::Whole(relayed, _)) = inserted.last() else {
        panic!("k shards are a segment");
    };
    let made = encoder.segment(0).unwrap();
    for index in 0..place.shard_count() {
        assert_eq!(relayed.shard(index), made.shard(index));
    }
    let behind = relayed.shard(place.shard_count());
    assert!(matches!(behind, Err(Fault::Index { .. })));
}

#[test]
fn a_payload_of_two_segments_is_passed_on_before_it_is_whole() {
    let length = 129 * SMALL;
    let mut encoder = encoder(length, 5);
    let mut decoder = opened(&encoder);
    let k = |segment| {
        encoder
            .manifest()
            .layout()
            .segment(segment)
            .unwrap()
            .originals()
    };
    let (k0, k1) = (k(0), k(1));
    let second = send(&mut encoder, &mut decoder, 1, 0..k1);
    assert!(matches!(second.last(), Some(Inserted::Segment(_))));
    assert_eq!(
        decoder.progress(encoder.id(), 1),
        None,
        "nothing more of it is wanted"
    );
    let first = send(&mut encoder, &mut decoder, 0, 0..k0);
    assert_eq!(whole(&first), Some(&payload(length, 5)));
}

#[test]
fn a_segment_asked_for_twice_is_the_same() {
    let mut encoder = encoder(PAYLOAD_BYTES_MIN, 6);
    let first = encoder.segment(0).unwrap().shard(9).unwrap();
    assert_eq!(encoder.segment(0).unwrap().shard(9).unwrap(), first);
    assert!(matches!(encoder.segment(1), Err(Fault::Segment { .. })));
}

// ---- copies, and shards that are early or late ------------------------------------------------

#[test]
fn copies_and_late_shards_are_known() {
    let mut encoder = encoder(PAYLOAD_BYTES_MIN, 7);
    let mut decoder = opened(&encoder);
    let k = encoder.manifest().layout().segment(0).unwrap().originals();
    let inserted = send(&mut encoder, &mut decoder, 0, [3, 3]);
    assert!(matches!(inserted[1], Inserted::Known));
    let others = (0..k).filter(|index| *index != 3);
    assert!(whole(&send(&mut encoder, &mut decoder, 0, others)).is_some());
    let late = send(&mut encoder, &mut decoder, 0, [k]);
    assert!(matches!(late[0], Inserted::Known));
    let again = open(&mut decoder, *encoder.manifest()).unwrap();
    assert!(matches!(again, Opened::Known));
}

#[test]
fn a_shard_before_its_manifest_is_handed_back_with_its_link_when_that_comes() {
    let mut encoder = encoder(PAYLOAD_BYTES_MIN, 8);
    let mut decoder = decoder();
    let shard = encoder.segment(0).unwrap().shard(1).unwrap();
    assert!(matches!(
        decoder.insert(9, shard.clone()),
        Ok(Inserted::Early)
    ));
    assert!(matches!(
        decoder.insert(8, shard.clone()),
        Ok(Inserted::Known)
    ));
    let Ok(Opened::New { early, .. }) = open(&mut decoder, *encoder.manifest()) else {
        panic!("the manifest is new");
    };
    assert_eq!(early, [(9, shard.clone())]);
    assert!(matches!(decoder.insert(9, shard), Ok(Inserted::New)));
}

// ---- liars ------------------------------------------------------------------------------------

/// A manifest of one segment over these shards, whatever they are, and the shards with proofs.
fn committed(length: usize, shards: &[Bytes]) -> (Manifest, Vec<Shard>) {
    let layout = Layout::new(length, SMALL).unwrap();
    let tree = Tree::new(shards.iter().map(|shard| leaf(shard)).collect());
    let manifest = Manifest::new(ORIGIN, 0, layout, tree.root());
    let id = manifest.id();
    let with_proof =
        |(index, data): (usize, &Bytes)| Shard::new(id, 0, index as u16, tree.path(index), data);
    let shards = shards.iter().enumerate().map(with_proof).collect();
    (manifest, shards)
}

#[test]
fn shards_that_are_no_code_word_are_refused_whichever_half_comes() {
    let length = 10 * SMALL;
    let shards: Vec<_> = (0..20).map(|n| payload(SMALL, n)).collect();
    let (manifest, shards) = committed(length, &shards);
    for first in 0..=10 {
        let mut decoder = decoder();
        open(&mut decoder, manifest).unwrap();
        let (last, before) = shards[first..first + 10].split_last().unwrap();
        for shard in before {
            assert!(matches!(
                decoder.insert(1, shard.clone()),
                Ok(Inserted::New)
            ));
        }
        let refused = insert(&mut decoder, last).unwrap_err();
        assert_eq!((refused, refused.blame()), (Fault::Encoding, Blame::Origin));
        assert_eq!(decoder.bytes(), 0);
        // A peer that has not decoded yet still sends shards, and is not to blame.
        assert!(matches!(
            decoder.insert(2, shards[0].clone()),
            Ok(Inserted::Known)
        ));
        assert!(matches!(open(&mut decoder, manifest), Ok(Opened::Known)));
    }
}

#[test]
fn padding_that_is_not_zero_is_the_origins_fault() {
    // A code word of ten full shards, for a manifest that says the payload is a byte shorter.
    let mut full = encoder(10 * SMALL, 1);
    let segment = full.segment(0).unwrap();
    let shards = (0..20).map(|n| segment.shard(n).unwrap());
    let shards: Vec<_> = shards
        .map(|one| Bytes::copy_from_slice(one.data()))
        .collect();
    for (length, fault) in [(10 * SMALL, None), (10 * SMALL - 1, Some(Fault::Padding))] {
        let (manifest, shards) = committed(length, &shards);
        let mut decoder = decoder();
        open(&mut decoder, manifest).unwrap();
        let inserted = shards[5..15].iter().map(|one| insert(&mut decoder, one));
        assert_eq!(inserted.last().unwrap().err(), fault, "{length}");
    }
}

#[test]
fn a_shard_of_another_payload_or_place_is_the_peers_fault() {
    let mut ours = encoder(PAYLOAD_BYTES_MIN, 1);
    let mut other = encoder(PAYLOAD_BYTES_MIN, 2);
    let shard = ours.segment(0).unwrap().shard(4).unwrap();
    let foreign = other.segment(0).unwrap().shard(4).unwrap();
    let refused = foreign.verify(ours.id(), ours.manifest()).unwrap_err();
    assert_eq!(refused, Fault::Id);
    let with = |at: usize, value: u8| {
        let mut wire = shard.wire().to_vec();
        wire[at] = value;
        Shard::decode(wire.into())
            .unwrap()
            .verify(ours.id(), ours.manifest())
    };
    assert_eq!(with(22, 5).unwrap_err(), Fault::Proof);
    assert!(matches!(
        with(22, 18),
        Err(Fault::Index { got: 18, count: 18 })
    ));
    assert!(matches!(
        with(20, 1),
        Err(Fault::Segment { got: 1, count: 1 })
    ));
    let mut decoder = opened(&ours);
    let mut wire = shard.wire().to_vec();
    wire[100] ^= 1;
    let refused = decoder
        .insert(1, Shard::decode(wire.into()).unwrap())
        .unwrap_err();
    assert_eq!(refused.blame(), Blame::Peer);
    assert!(
        matches!(decoder.insert(2, shard), Ok(Inserted::New)),
        "the payload is not lost"
    );
}

#[test]
fn a_proof_or_shard_too_long_or_too_short_is_refused_before_it_is_hashed() {
    let shard = encoder(PAYLOAD_BYTES_MIN, 1)
        .segment(0)
        .unwrap()
        .shard(0)
        .unwrap();
    let wire = shard.wire();
    let cut = |at: usize| Shard::decode(wire.slice(..at)).unwrap_err();
    assert!(matches!(
        cut(0),
        Fault::Truncated {
            needed: SHARD_HEADER_BYTES,
            ..
        }
    ));
    assert!(matches!(
        cut(SHARD_HEADER_BYTES - 1),
        Fault::Truncated { .. }
    ));
    assert!(matches!(
        cut(SHARD_HEADER_BYTES),
        Fault::Truncated { field: "proof", .. }
    ));
    assert!(matches!(cut(wire.len() - 1), Fault::ShardBytes { .. }));
    let mut long = wire.to_vec();
    long[SHARD_HEADER_BYTES - 1] = PROOF_MAX as u8 + 1;
    let refused = Shard::decode(long.into()).unwrap_err();
    assert!(matches!(
        refused,
        Fault::ProofLength {
            got: 15,
            needed: PROOF_MAX
        }
    ));
}

// ---- memory -----------------------------------------------------------------------------------

fn manifest_of(origin: u8, seq: u64, length: usize) -> Manifest {
    let layout = Layout::new(length, SMALL).unwrap();
    Manifest::new([origin; 32], seq, layout, [0; 32])
}

/// Room for four payloads of ten shards, three of one origin.
fn tight() -> Decoder<u8> {
    Decoder::new(Limits {
        bytes_max: 80 * SMALL,
        account_bytes_max: 60 * SMALL,
        payloads_max: 100,
        account_payloads_max: 100,
        idle_sweeps_max: 2,
    })
}

#[test]
fn memory_is_set_aside_up_to_the_bound_and_not_beyond() {
    let mut decoder = tight();
    for seq in 0..3 {
        open(&mut decoder, manifest_of(1, seq, 10 * SMALL)).unwrap();
    }
    let refused = open(&mut decoder, manifest_of(1, 3, 10 * SMALL)).unwrap_err();
    assert_eq!(
        (refused, refused.blame()),
        (Fault::AccountQuota, Blame::Local)
    );
    open(&mut decoder, manifest_of(2, 0, 10 * SMALL)).unwrap();
    assert_eq!(decoder.bytes(), 80 * SMALL);
}

#[test]
fn an_origin_that_fills_the_memory_gives_way_to_one_that_has_less() {
    let mut decoder = tight();
    for seq in 0..3 {
        open(&mut decoder, manifest_of(1, seq, 10 * SMALL)).unwrap();
    }
    open(&mut decoder, manifest_of(2, 0, 10 * SMALL)).unwrap();
    let opened = open(&mut decoder, manifest_of(3, 0, 10 * SMALL)).unwrap();
    let Opened::New { given_up, .. } = opened else {
        panic!("the third origin has nothing yet");
    };
    let of_first = (0..3).map(|seq| manifest_of(1, seq, 10 * SMALL).id());
    assert!(given_up.len() == 1 && of_first.collect::<Vec<_>>().contains(&given_up[0]));
    assert_eq!(decoder.bytes(), 80 * SMALL);
    // Now the first has 40, the others 20 each: nobody has more than the second would have.
    let refused = open(&mut decoder, manifest_of(2, 1, 10 * SMALL)).unwrap_err();
    assert_eq!(refused, Fault::Quota);
    assert_eq!(decoder.len(), 4, "nobody gave way in vain");
}

#[test]
fn a_payload_without_new_shards_is_given_up_and_can_come_again() {
    let mut encoder = encoder(10 * SMALL, 1);
    let mut decoder = tight();
    open(&mut decoder, *encoder.manifest()).unwrap();
    assert!(decoder.sweep().is_empty());
    send(&mut encoder, &mut decoder, 0, [0]);
    assert!(decoder.sweep().is_empty(), "a shard came meanwhile");
    assert_eq!(decoder.sweep(), [encoder.id()]);
    assert_eq!(decoder.bytes(), 0);
    assert!(matches!(
        open(&mut decoder, *encoder.manifest()),
        Ok(Opened::New { .. })
    ));
}

#[test]
fn what_the_application_gives_up_does_not_come_again() {
    let encoder = encoder(10 * SMALL, 1);
    let mut decoder = opened(&encoder);
    decoder.give_up(encoder.id());
    assert!(decoder.is_empty());
    assert!(matches!(
        open(&mut decoder, *encoder.manifest()),
        Ok(Opened::Known)
    ));
}

#[test]
fn settled_manifests_are_forgotten_one_by_one() {
    let mut decoder = decoder();
    for seq in 0..=SETTLED_MAX as u64 {
        decoder.give_up(manifest_of(1, seq, 10 * SMALL).id());
    }
    let open = |decoder: &mut Decoder<u8>, seq| open(decoder, manifest_of(1, seq, 10 * SMALL));
    assert!(matches!(open(&mut decoder, 1), Ok(Opened::Known)));
    assert!(matches!(open(&mut decoder, 0), Ok(Opened::New { .. })));
}
