//! The writing cursor: room for plaintext in a send buffer, sealed where it was written.
//!
//! A message is copied once on its way out, from its [`Bytes`] into the place in the send buffer where it
//! is then sealed; the last one of a record not at all, if it is long: it is sealed from where it lies into
//! its place. Who writes sees one run of room; in frames that run jumps over the gaps that headers and
//! tags will fill:
//!
//! ```text
//!  frames   |4|######## 1024 ########|16|4|#### 700 ####.........|16|   at most 64 of them
//!            len      plaintext      tag              ^ put writes here; padding zeroed by the seal
//!
//!  record   |4|################ plaintext ################......|16|    one, cut to what was put
//!                              └ its tail may lie elsewhere ┘
//! ```
//!
//! Invariant: `written <= room_max`, and `written + unit_left` is a whole number of units.
//! A packet is put whole into one buffer, so in a record it never spans two.

use std::ops::Range;

use bytes::Bytes;
use ringwire_codec::secret::{FRAME_DATA_MAX, FRAME_SEALED, RECORD_PLAIN_MAX};
use smallvec::SmallVec;

use super::buffer::Buffer;
use super::buffer::SEND_BYTES;
use super::layer::{LayerError, Sealer};

/// Bytes of the length in front of a frame's or a record's plaintext.
const HEADER_BYTES: usize = 4;
/// Bytes of the tag behind it.
const TAG_BYTES: usize = 16;
/// Frames that one send buffer holds.
const FRAMES_MAX: usize = 64;
/// The shortest data that is left where it is until it is sealed: what is shorter is sooner copied than its
/// message is held on to.
const TAIL_BYTES_MIN: usize = 4096;
/// Plaintext bytes that one send buffer takes as frames.
pub const FRAMES_ROOM: usize = FRAMES_MAX * FRAME_DATA_MAX;

const _: () = assert!(FRAMES_MAX * FRAME_SEALED <= SEND_BYTES);
const _: () = assert!(
    TAIL_BYTES_MIN > FRAME_DATA_MAX,
    "a frame is padded behind its data, so all of that is copied"
);
const _: () = assert!(HEADER_BYTES + RECORD_PLAIN_MAX + TAG_BYTES <= SEND_BYTES);
const _: () = assert!(HEADER_BYTES + FRAME_DATA_MAX + TAG_BYTES == FRAME_SEALED);

/// Sealed bytes in order, ready for one vectored write. Whoever writes them gives the buffers back.
pub type Transmit = SmallVec<[Buffer; 8]>;

/// One send buffer being filled.
#[derive(Debug)]
pub struct SendBuf {
    bytes: Buffer,
    /// Whether all is one record, not frames.
    is_record: bool,
    /// Plaintext bytes per sealed unit.
    unit_plain: usize,
    /// Plaintext bytes the buffer takes in all.
    room_max: usize,
    /// Plaintext bytes put so far.
    written: usize,
    /// Where the next byte goes, while the unit has room for it.
    at: usize,
    /// Plaintext bytes the current unit still takes.
    unit_left: usize,
    /// The last bytes put, if their place is still empty: they are sealed into it, or copied when more follow.
    tail: Bytes,
}

impl SendBuf {
    /// Starts filling `bytes` in the layout that `sealer` seals.
    ///
    /// # Panics
    /// If `bytes` is not a whole send buffer of [`SEND_BYTES`].
    pub fn new(bytes: Buffer, sealer: &Sealer) -> Self {
        assert_eq!(
            bytes.len(),
            SEND_BYTES,
            "a send buffer comes whole from the pool"
        );
        let (is_record, unit_plain, room_max) = match sealer {
            Sealer::Comet(_) => (false, FRAME_DATA_MAX, FRAMES_ROOM),
            Sealer::Wide { plain_max, .. } => {
                let plain_max = RECORD_PLAIN_MAX.min(*plain_max);
                (true, plain_max, plain_max)
            }
        };
        let (at, unit_left) = (HEADER_BYTES, unit_plain);
        SendBuf {
            bytes,
            is_record,
            unit_plain,
            room_max,
            written: 0,
            at,
            unit_left,
            tail: Bytes::new(),
        }
    }

    /// Takes away room beyond `plain_max` plaintext bytes in all, rounded up to whole frames: half a
    /// frame costs a whole one on the wire. To be called before the first frame is full.
    pub fn limit(&mut self, plain_max: u64) {
        let plain_max = usize::try_from(plain_max).unwrap_or(usize::MAX);
        if plain_max >= self.room_max {
            return;
        }
        debug_assert!(self.written < FRAME_DATA_MAX, "limited before it is filled");
        let room = plain_max.max(1).next_multiple_of(FRAME_DATA_MAX);
        self.room_max = room.min(self.room_max);
        // A record is cut to what it holds.
        if self.unit_plain > self.room_max {
            self.unit_plain = self.room_max;
            self.unit_left = self.room_max - self.written;
        }
        self.invariants();
    }

    /// Plaintext bytes that can still be put.
    #[inline]
    pub fn room(&self) -> usize {
        self.room_max - self.written
    }

    /// Whether what is put now shares a record with what was put before.
    #[inline]
    pub fn is_begun_record(&self) -> bool {
        self.is_record && self.written > 0
    }

    /// Plaintext bytes put so far.
    #[inline]
    pub fn written(&self) -> usize {
        self.written
    }

    /// Copies `plain` behind what was put before.
    ///
    /// # Panics
    /// If it does not fit in [`SendBuf::room`].
    #[inline]
    pub fn put(&mut self, mut plain: &[u8]) {
        assert!(
            plain.len() <= self.room(),
            "the caller asked for room first"
        );
        self.settle();
        while !plain.is_empty() {
            if self.unit_left == 0 {
                self.at += TAG_BYTES + HEADER_BYTES;
                self.unit_left = self.unit_plain;
            }
            let (now, later) = plain.split_at(plain.len().min(self.unit_left));
            self.bytes[self.at..self.at + now.len()].copy_from_slice(now);
            self.at += now.len();
            self.unit_left -= now.len();
            self.written += now.len();
            plain = later;
        }
        self.invariants();
    }

    /// Puts a header of at most `N` bytes, which `header` writes and tells the length of, and the bytes of `message` in
    /// `range` behind it. Returns the header's length.
    ///
    /// # Panics
    /// If they do not fit in [`SendBuf::room`].
    #[inline]
    pub fn put_behind_header<const N: usize>(
        &mut self,
        header: impl FnOnce(&mut [u8; N]) -> usize,
        message: &Bytes,
        range: Range<usize>,
    ) -> usize {
        self.settle();
        let data = &message[range.clone()];
        // In one piece and with room for the longest header it is written where it stays.
        if data.len() < TAIL_BYTES_MIN
            && let Some(space) = self.bytes[self.at..].get_mut(..N + data.len())
            && N + data.len() <= self.unit_left
        {
            let (head, _) = space.split_first_chunk_mut().expect("N bytes and more");
            let header_len = header(head);
            space[header_len..header_len + data.len()].copy_from_slice(data);
            let len = header_len + data.len();
            self.at += len;
            self.unit_left -= len;
            self.written += len;
            self.invariants();
            return header_len;
        }
        let mut head = [0; N];
        let header_len = header(&mut head);
        self.put(&head[..header_len]);
        if (TAIL_BYTES_MIN..=self.unit_left).contains(&data.len()) {
            self.at += data.len();
            self.unit_left -= data.len();
            self.written += data.len();
            self.tail = message.slice(range);
            self.invariants();
        } else {
            self.put(data);
        }
        header_len
    }

    /// Copies what lies elsewhere into its place, now that it will not be the last.
    #[inline]
    fn settle(&mut self) {
        if !self.tail.is_empty() {
            self.bytes[self.at - self.tail.len()..self.at].copy_from_slice(&self.tail);
            self.tail.clear();
        }
    }

    /// Seals all that was put and cuts the buffer to it.
    ///
    /// # Errors
    /// The direction has used up its nonces.
    ///
    /// # Panics
    /// If nothing was put: an empty frame tells the peer nothing and an empty record is forbidden.
    pub fn seal(mut self, sealer: &mut Sealer) -> Result<Buffer, LayerError> {
        assert!(
            self.written > 0,
            "a buffer is begun when there is something to write"
        );
        let sealed_bytes = match sealer {
            Sealer::Comet(frames) => {
                let used = self.written.div_ceil(FRAME_DATA_MAX) * FRAME_SEALED;
                let mut left = self.written;
                for frame in self.bytes[..used].chunks_exact_mut(FRAME_SEALED) {
                    let data_len = left.min(FRAME_DATA_MAX);
                    frames.seal(frame, data_len)?;
                    left -= data_len;
                }
                used
            }
            Sealer::Wide { sealer, .. } => {
                let used = HEADER_BYTES + self.written + TAG_BYTES;
                let record = &mut self.bytes[..used];
                match self.tail.is_empty() {
                    true => sealer.seal(record)?,
                    false => sealer.seal_with_tail(record, &self.tail)?,
                }
                used
            }
        };
        self.bytes.truncate(sealed_bytes);
        Ok(self.bytes)
    }

    #[inline]
    fn invariants(&self) {
        debug_assert!(self.written <= self.room_max && self.unit_left <= self.unit_plain);
        debug_assert!(self.room_max.is_multiple_of(self.unit_plain));
        debug_assert!((self.written + self.unit_left).is_multiple_of(self.unit_plain));
        debug_assert!(self.tail.len() <= self.written);
    }
}
