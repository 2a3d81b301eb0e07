//! The reading cursor against every cut of the wire.

use proptest::prelude::*;
use ringwire_codec::secret::{
    FRAME_SEALED, FrameOpener, FrameSealer, RECORD_PLAIN_MAX, RecordOpener, RecordSealer,
};

use super::super::pool::{PoolLimits, RECV_BYTES, RECV_HEADROOM};
use super::super::{Sealer, SendBuf};
use super::*;

const KEY: [u8; 32] = [7; 32];

fn layer(wide: bool) -> (Sealer, Opener) {
    if wide {
        let sealer = RecordSealer::new(&KEY, RECORD_PLAIN_MAX);
        let opener = RecordOpener::new(&KEY, RECORD_PLAIN_MAX);
        return (
            Sealer::Wide {
                sealer,
                plain_max: RECORD_PLAIN_MAX,
            },
            Opener::Wide(opener),
        );
    }
    (
        Sealer::Comet(FrameSealer::new(&KEY)),
        Opener::Comet(FrameOpener::new(&KEY)),
    )
}

fn pool() -> BufferPool {
    BufferPool::new(PoolLimits::default())
}

fn plain_bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8)) as u8).collect()
}

/// Seals `pieces` one after the other, each in units of its own.
fn seal(sealer: &mut Sealer, pieces: &[Vec<u8>], pool: &mut BufferPool) -> Vec<u8> {
    let mut sealed = Vec::new();
    for piece in pieces {
        let mut buf = SendBuf::new(pool.take_send(), sealer);
        buf.put(piece);
        let bytes = buf.seal(sealer).expect("nonces are left");
        sealed.extend_from_slice(&bytes);
        pool.give_back_send(bytes);
    }
    sealed
}

fn chunk(bytes: &[u8], pool: &mut BufferPool) -> Chunk {
    assert!(bytes.len() <= RECV_BYTES);
    let mut buffer = pool.take_chunk().expect("within the budget");
    let end = RECV_HEADROOM + bytes.len();
    buffer[RECV_HEADROOM..end].copy_from_slice(bytes);
    Chunk {
        bytes: buffer,
        start: RECV_HEADROOM,
        end,
    }
}

/// Opens all there is without consuming, as for one packet larger than everything.
fn open_all(recv: &mut RecvBuf, pool: &mut BufferPool) {
    while recv.open_next(pool).expect("an honest peer") {}
}

#[test]
fn a_packet_larger_than_any_chunk_grows_a_buffer_and_lies_in_one_piece() {
    let (mut sealer, opener) = layer(false);
    let mut pool = pool();
    let plain = plain_bytes(1 << 20);
    let pieces: Vec<_> = plain.chunks(65_536).map(<[u8]>::to_vec).collect();
    let sealed = seal(&mut sealer, &pieces, &mut pool);
    let mut recv = RecvBuf::new(opener);
    for piece in sealed.chunks(50_001) {
        recv.push(chunk(piece, &mut pool), &mut pool);
        open_all(&mut recv, &mut pool);
    }
    assert!(recv.plain() == plain);
    let copied = recv.counters().joined_bytes;
    assert!(
        copied < 4 * sealed.len() as u64,
        "each byte is copied a bounded number of times"
    );
    assert_eq!(
        recv.take(plain.len(), 1000, &mut pool),
        plain[plain.len() - 1000..]
    );
    recv.release(&mut pool);
    assert_eq!(recv.backlog_bytes(), 0);
}

#[test]
fn a_large_take_is_a_slice_and_leaves_the_rest_in_place() {
    let (mut sealer, opener) = layer(true);
    let mut pool = pool();
    let pieces = [plain_bytes(10_000), plain_bytes(500)];
    let sealed = seal(&mut sealer, &pieces, &mut pool);
    let mut recv = RecvBuf::new(opener);
    recv.push(chunk(&sealed, &mut pool), &mut pool);
    assert_eq!(recv.open_next(&mut pool), Ok(true));
    let message = recv.take(9_000, 8_990, &mut pool);
    assert_eq!(message, pieces[0][10..9_000]);
    assert_eq!(recv.plain(), &pieces[0][9_000..]);
    recv.consume(1_000);
    assert_eq!(recv.open_next(&mut pool), Ok(true));
    assert_eq!(recv.plain(), pieces[1]);
    recv.consume(500);
    assert_eq!(recv.open_next(&mut pool), Ok(false));
    assert_eq!(recv.counters(), JoinCounters::default());
    assert_eq!(message, pieces[0][10..9_000]);
}

#[test]
fn a_peer_that_sends_byte_by_byte_costs_one_chunk() {
    let (mut sealer, opener) = layer(false);
    let mut pool = pool();
    let sealed = seal(&mut sealer, &[plain_bytes(5_000)], &mut pool);
    let mut recv = RecvBuf::new(opener);
    for byte in &sealed {
        recv.push(chunk(&[*byte], &mut pool), &mut pool);
    }
    assert_eq!(recv.backlog_bytes(), sealed.len());
    open_all(&mut recv, &mut pool);
    assert!(recv.plain() == plain_bytes(5_000));
    // One send buffer, the chunk that is kept, and the one that comes and goes.
    assert_eq!(pool.counters().allocated, 3);
}

#[test]
fn a_drained_buffer_holds_no_memory() {
    let (mut sealer, opener) = layer(false);
    let mut pool = pool();
    let sealed = seal(&mut sealer, &[plain_bytes(100)], &mut pool);
    let mut recv = RecvBuf::new(opener);
    recv.push(chunk(&sealed, &mut pool), &mut pool);
    open_all(&mut recv, &mut pool);
    recv.consume(100);
    assert_eq!(recv.open_next(&mut pool), Ok(false));
    assert!(recv.front.is_none());
}

#[test]
fn a_peer_that_stops_in_the_middle_of_a_frame_keeps_no_chunk() {
    let (mut sealer, opener) = layer(false);
    let mut pool = pool();
    let sealed = seal(&mut sealer, &[plain_bytes(2_000)], &mut pool);
    let mut recv = RecvBuf::new(opener);
    let (start, rest) = sealed.split_at(1_500);
    recv.push(chunk(start, &mut pool), &mut pool);
    open_all(&mut recv, &mut pool);
    assert!(recv.front.as_ref().is_some_and(|front| !front.is_pooled()));
    recv.push(chunk(rest, &mut pool), &mut pool);
    open_all(&mut recv, &mut pool);
    assert!(recv.plain() == plain_bytes(2_000));
    // The send buffer, one chunk, used twice, and where the rest waited.
    assert_eq!(pool.counters().allocated, 3);
}

#[test]
fn a_rest_that_waits_again_and_again_waits_in_the_same_memory() {
    for wide in [false, true] {
        let (mut sealer, opener) = layer(wide);
        let mut pool = pool();
        let mut recv = RecvBuf::new(opener);
        let mut made = Vec::new();
        for _ in 0..50 {
            let sealed = seal(&mut sealer, &[plain_bytes(2_000)], &mut pool);
            let (start, rest) = sealed.split_at(1_500);
            for piece in [start, rest] {
                recv.push(chunk(piece, &mut pool), &mut pool);
                open_all(&mut recv, &mut pool);
            }
            assert!(recv.plain() == plain_bytes(2_000));
            recv.consume(2_000);
            made.push(pool.counters().allocated);
        }
        assert!(
            made.iter().all(|allocated| *allocated == made[0]),
            "{made:?}"
        );
    }
}

#[test]
fn parking_gives_every_chunk_back_and_loses_nothing() {
    for wide in [false, true] {
        let (mut sealer, opener) = layer(wide);
        let mut pool = pool();
        let pieces: Vec<_> = (1..=6).map(|n| plain_bytes(n * 9_000)).collect();
        let sealed = seal(&mut sealer, &pieces, &mut pool);
        let mut recv = RecvBuf::new(opener);
        for piece in sealed.chunks(30_000) {
            recv.push(chunk(piece, &mut pool), &mut pool);
        }
        assert_eq!(recv.open_next(&mut pool), Ok(true));
        recv.consume(100);
        let backlog_bytes = recv.backlog_bytes();
        recv.park(&mut pool);
        assert_eq!(recv.backlog_bytes(), backlog_bytes);
        assert!(recv.queued.is_empty());
        let mut got = plain_bytes(100);
        loop {
            got.extend_from_slice(recv.plain());
            recv.consume(recv.plain().len());
            if !recv.open_next(&mut pool).expect("an honest peer") {
                break;
            }
        }
        assert!(got == pieces.concat());
    }
}

#[test]
fn the_padding_of_a_frame_is_zero_and_the_last_one_is_short() {
    let mut pool = pool();
    let (mut sealer, _) = layer(false);
    let mut stale = pool.take_send();
    stale.fill(0xee);
    let mut buf = SendBuf::new(stale, &sealer);
    assert_eq!(buf.room(), 64 * 1024);
    buf.put(&plain_bytes(1_100));
    assert_eq!((buf.room(), buf.written()), (64 * 1024 - 1_100, 1_100));
    let mut sealed = buf.seal(&mut sealer).expect("nonces are left");
    assert_eq!(sealed.len(), 2 * FRAME_SEALED);
    let (_, mut opener) = layer(false);
    let (first, last) = sealed.split_at_mut(FRAME_SEALED);
    let first_len = opener.open(first).expect("just sealed").len();
    let last_range = opener.open(last).expect("just sealed");
    assert_eq!((first_len, last_range.len()), (1024, 76));
    assert!(
        last[last_range.end..FRAME_SEALED - 16]
            .iter()
            .all(|byte| *byte == 0)
    );
}

#[test]
fn a_send_buffer_takes_what_it_has_room_for_and_not_a_byte_more() {
    for wide in [false, true] {
        let (mut sealer, opener) = layer(wide);
        let mut pool = pool();
        let mut buf = SendBuf::new(pool.take_send(), &sealer);
        let room = buf.room();
        assert!(!buf.is_begun_record());
        buf.put(&plain_bytes(room));
        assert_eq!(buf.is_begun_record(), wide, "frames are a stream");
        assert_eq!(buf.room(), 0);
        let sealed = buf.seal(&mut sealer).expect("nonces are left");
        let mut recv = RecvBuf::new(opener);
        recv.push(chunk(&sealed, &mut pool), &mut pool);
        open_all(&mut recv, &mut pool);
        assert!(recv.plain() == plain_bytes(room));
        let full = std::panic::catch_unwind(|| {
            let (sealer, _) = layer(wide);
            let mut buf = SendBuf::new(BufferPool::new(PoolLimits::default()).take_send(), &sealer);
            buf.put(&plain_bytes(room + 1));
        });
        assert!(full.is_err());
    }
}

/// Whatever lies before it, and across the bounds of frames and records.
#[test]
fn a_header_and_its_data_lie_as_if_one_was_put_behind_the_other() {
    const HEADER: [u8; 5] = [1, 2, 3, 4, 5];
    for wide in [false, true] {
        let (mut sealer, opener) = layer(wide);
        let mut pool = pool();
        let mut recv = RecvBuf::new(opener);
        let room = SendBuf::new(pool.take_send(), &sealer).room();
        let unit = if wide { room } else { 1024 };
        for (before, len, behind) in [
            (0, 8, 0),
            (1, 8, 0),
            (unit - 40, 8, 0),
            (unit - 13, 8, 0),
            (unit - 8, 8, 0),
            (unit - 7, 8, 0),
            // Long enough to be sealed from where it lies, if nothing follows.
            (0, 4095, 0),
            (0, 4096, 0),
            (3, 4096, 1),
            (0, room - HEADER.len(), 0),
            (100, room - 105, 0),
            (100, 40_000, room - 40_105),
        ] {
            let len = len.min(room - before - HEADER.len());
            let message = Bytes::from(plain_bytes(len + 2));
            let mut buf = SendBuf::new(pool.take_send(), &sealer);
            buf.put(&plain_bytes(before));
            let header = |out: &mut [u8; 12]| {
                out[..HEADER.len()].copy_from_slice(&HEADER);
                HEADER.len()
            };
            let header_len = buf.put_behind_header(header, &message, 1..1 + len);
            assert_eq!(header_len, HEADER.len());
            buf.put(&plain_bytes(behind));
            let expected = [
                &plain_bytes(before),
                &HEADER[..],
                &message[1..1 + len],
                &plain_bytes(behind),
            ]
            .concat();
            assert_eq!(buf.written(), expected.len());
            let sealed = buf.seal(&mut sealer).expect("nonces are left");
            recv.push(chunk(&sealed, &mut pool), &mut pool);
            open_all(&mut recv, &mut pool);
            assert!(recv.plain() == expected, "{wide} {before} {len} {behind}");
            recv.consume(expected.len());
            pool.give_back_send(sealed);
        }
    }
}

/// Two long messages in one record: the first is copied when the second comes.
#[test]
fn only_the_last_message_of_a_record_is_sealed_from_where_it_lies() {
    let (mut sealer, opener) = layer(true);
    let mut pool = pool();
    let messages = [vec![1; 5000], vec![2; 6000]].map(Bytes::from);
    let mut buf = SendBuf::new(pool.take_send(), &sealer);
    for message in &messages {
        buf.put_behind_header(|_: &mut [u8; 12]| 3, message, 0..message.len());
    }
    assert!(messages[0].is_unique() && !messages[1].is_unique());
    let sealed = buf.seal(&mut sealer).expect("nonces are left");
    assert!(messages[1].is_unique());
    let mut recv = RecvBuf::new(opener);
    recv.push(chunk(&sealed, &mut pool), &mut pool);
    open_all(&mut recv, &mut pool);
    let expected = [&[0; 3][..], &messages[0], &[0; 3], &messages[1]].concat();
    assert!(recv.plain() == expected);
}

/// A connection of which the shard has received half a record behind a whole one.
struct Busy {
    sealer: Sealer,
    recv: RecvBuf,
    /// The other half.
    rest: Vec<u8>,
}

impl Busy {
    fn new() -> Self {
        let (sealer, opener) = layer(true);
        Busy {
            sealer,
            recv: RecvBuf::new(opener),
            rest: Vec::new(),
        }
    }

    /// What comes next: the rest of one record, a whole one, and the half of another.
    fn receive(&mut self, pool: &mut BufferPool) -> bool {
        let Some(mut bytes) = pool.take_chunk() else {
            return false;
        };
        let pieces = [plain_bytes(KEPT_BYTES), plain_bytes(KEPT_BYTES)];
        let mut come = std::mem::take(&mut self.rest);
        come.extend(seal(&mut self.sealer, &pieces, pool));
        self.rest = come.split_off(come.len() - KEPT_BYTES / 2);
        let end = RECV_HEADROOM + come.len();
        bytes[RECV_HEADROOM..end].copy_from_slice(&come);
        let start = RECV_HEADROOM;
        self.recv.push(Chunk { bytes, start, end }, pool);
        true
    }

    fn pull(&mut self, pool: &mut BufferPool) -> Vec<Bytes> {
        let mut messages = Vec::new();
        while self.recv.open_next(pool).expect("an honest peer") {
            let len = self.recv.plain().len();
            messages.push(self.recv.take(len, len, pool));
        }
        messages
    }
}

/// Bytes of a message that is lent and not copied.
const KEPT_BYTES: usize = 10_000;

#[test]
fn an_application_that_keeps_all_it_gets_of_300_peers_leaves_the_shard_chunks_to_receive_into() {
    let mut pool = pool();
    let mut peers: Vec<_> = (0..300).map(|_| Busy::new()).collect();
    let mut kept = Vec::new();
    for round in 0..4 {
        for at in 0..peers.len() {
            if !peers[at].receive(&mut pool) {
                // As the switch does when the pool runs out.
                peers.iter_mut().for_each(|peer| peer.recv.park(&mut pool));
                assert!(peers[at].receive(&mut pool), "round {round}, peer {at}");
            }
            kept.extend(peers[at].pull(&mut pool));
        }
    }
    let whole = plain_bytes(KEPT_BYTES);
    assert_eq!(kept.len(), 4 * 2 * peers.len() - peers.len());
    assert!(kept.iter().all(|message| *message == whole));
    // Most went without a copy as long as there was memory for that.
    let copied = pool.counters().copied_out_bytes / KEPT_BYTES as u64;
    assert!(copied < kept.len() as u64, "{copied}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_cut_gives_the_same_plaintext(
        sizes in prop::collection::vec(1_usize..65_536, 1..8),
        cuts in prop::collection::vec(1_usize..RECV_BYTES, 1..20),
        takes in prop::collection::vec(1_usize..20_000, 1..10),
        wide: bool,
        late: bool,
    ) {
        let (mut sealer, opener) = layer(wide);
        let mut pool = pool();
        let pieces: Vec<_> = sizes.iter().map(|&len| plain_bytes(len)).collect();
        let sealed = seal(&mut sealer, &pieces, &mut pool);
        let (mut recv, mut got) = (RecvBuf::new(opener), Vec::new());
        let (mut rest, mut cut, mut take) =
            (sealed.as_slice(), cuts.iter().cycle(), takes.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*cut.next().unwrap_or(&1)));
            recv.push(chunk(piece, &mut pool), &mut pool);
            rest = after;
            if late && !rest.is_empty() {
                continue;
            }
            loop {
                // In stream mode some plaintext is left over, as of a packet that goes on.
                let keep = if wide || rest.is_empty() { 0 } else { 300 };
                while recv.plain().len() > keep {
                    let used = (recv.plain().len() - keep).min(*take.next().unwrap_or(&1));
                    got.extend_from_slice(&recv.take(used, used, &mut pool));
                }
                if !recv.open_next(&mut pool).expect("an honest peer") {
                    break;
                }
            }
        }
        prop_assert!(got == pieces.concat());
        prop_assert_eq!(recv.backlog_bytes(), 0);
    }
}
