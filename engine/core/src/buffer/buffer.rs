//! A buffer that knows whose memory it is.
//!
//! The pool takes a buffer back when the slices cut from it are gone, and hands it out again without
//! clearing it. That is sound only for memory which was initialised from end to end when it was made.
//! So that no caller has to promise it, only the pool makes buffers that a pool takes back; whatever
//! else comes as a buffer (the handshake's words, a simulated link's bytes) is *foreign*, and is
//! dropped where the pool's own would come home.
//!
//! Invariant: the memory of a buffer of a pool was made by `BytesMut::zeroed` with the bytes of its
//! origin, and was written since as `[u8]` only.

use std::ops::{Deref, DerefMut};

use bytes::{Bytes, BytesMut};
use ringwire_codec::secret::record::RECORD_SEALED_MAX;

/// Bytes in front of a receive chunk, enough for the rest of any frame or record.
pub const RECV_HEADROOM: usize = 68 * 1024;
/// Bytes one receive can fill.
pub const RECV_BYTES: usize = 128 * 1024;
/// Bytes of a whole receive chunk.
pub const CHUNK_BYTES: usize = RECV_HEADROOM + RECV_BYTES;
/// Bytes of a send buffer: the largest sealed wide record, or 64 sealed frames.
pub const SEND_BYTES: usize = 68 * 1024;

const _: () = assert!(
    RECV_HEADROOM >= RECORD_SEALED_MAX,
    "headroom holds the rest of a record"
);
const _: () = assert!(SEND_BYTES >= RECORD_SEALED_MAX && SEND_BYTES >= 64 * 1044);

/// Bytes to receive into or to seal in. Reads and writes as a slice.
#[derive(Debug)]
pub struct Buffer {
    bytes: BytesMut,
    origin: Origin,
    /// Whether slices were cut off its front since it was made or came back.
    is_cut: bool,
}

/// Whose memory a buffer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// A pool's, to receive into.
    Chunk,
    /// A pool's, to seal in.
    Send,
    /// Somebody else's.
    Foreign,
}

impl Origin {
    /// Bytes of a whole buffer; none is known of foreign ones.
    const fn bytes(self) -> Option<usize> {
        match self {
            Origin::Chunk => Some(CHUNK_BYTES),
            Origin::Send => Some(SEND_BYTES),
            Origin::Foreign => None,
        }
    }
}

impl Buffer {
    /// A new buffer to receive into.
    pub(super) fn chunk() -> Self {
        Buffer {
            bytes: BytesMut::zeroed(CHUNK_BYTES),
            origin: Origin::Chunk,
            is_cut: false,
        }
    }

    /// A new buffer to seal in.
    pub(super) fn send() -> Self {
        Buffer {
            bytes: BytesMut::zeroed(SEND_BYTES),
            origin: Origin::Send,
            is_cut: false,
        }
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether slices of it may be alive.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Bytes for which there is memory behind the first `len`. A pool's buffer has no more than its length.
    pub(super) fn room_behind(&self, len: usize) -> usize {
        match self.origin {
            Origin::Foreign => self.bytes.capacity() - len,
            Origin::Chunk | Origin::Send => self.bytes.len() - len,
        }
    }

    /// Writes `bytes` behind the first `len`, over what was there. Memory of ours that nobody has written to yet is written
    /// once, not cleared before.
    ///
    /// # Panics
    /// If there is not so much [room](Buffer::room_behind), or less than `len` bytes.
    pub(super) fn write_behind(&mut self, len: usize, bytes: &[u8]) {
        assert!(
            bytes.len() <= self.room_behind(len),
            "the caller asked for room first"
        );
        let (now, later) = bytes.split_at(bytes.len().min(self.bytes.len() - len));
        self.bytes[len..len + now.len()].copy_from_slice(now);
        self.bytes.extend_from_slice(later);
    }

    /// Drops all bytes behind the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Cuts the first `len` bytes off as a slice that anybody may keep.
    ///
    /// # Panics
    /// If there are not so many.
    pub(super) fn cut(&mut self, len: usize) -> Bytes {
        self.is_cut = true;
        self.bytes.split_to(len).freeze()
    }

    /// The memory alone, whosever it is.
    pub(super) fn into_memory(self) -> BytesMut {
        self.bytes
    }

    /// Makes a buffer of a pool whole again if it is the last reference to its memory; else, and
    /// foreign ones always, gives it back empty.
    #[allow(
        unsafe_code,
        reason = "restores a length without clearing memory that will be overwritten"
    )]
    pub(super) fn reclaim(mut self) -> Result<Buffer, Buffer> {
        self.bytes.clear();
        let Some(bytes) = self.origin.bytes() else {
            return Err(self);
        };
        if !self.bytes.try_reclaim(bytes) {
            return Err(self);
        }
        // SAFETY: by the invariant of this file the memory has `bytes` initialised bytes, and it is
        // never reallocated: nothing here grows it, and `try_reclaim` only succeeds by handing out
        // the same allocation from its start.
        unsafe {
            self.bytes.set_len(bytes);
        }
        self.is_cut = false;
        Ok(self)
    }
}

impl From<BytesMut> for Buffer {
    /// A foreign buffer.
    fn from(bytes: BytesMut) -> Self {
        Buffer {
            bytes,
            origin: Origin::Foreign,
            is_cut: false,
        }
    }
}

impl Clone for Buffer {
    /// A foreign buffer with the same bytes.
    fn clone(&self) -> Self {
        Buffer::from(self.bytes.clone())
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_others_never_becomes_a_pools_whatever_its_capacity() {
        let foreign = Buffer::from(BytesMut::with_capacity(2 * CHUNK_BYTES));
        let back = foreign.reclaim().expect_err("it was never initialised");
        assert!(back.is_empty());
        assert_eq!(Buffer::chunk().clone().origin(), Origin::Foreign);
    }

    #[test]
    fn memory_of_others_is_written_up_to_its_capacity_and_a_pools_up_to_its_length() {
        let memory = BytesMut::with_capacity(100);
        let (place, room) = (memory.as_ptr(), memory.capacity());
        let mut own = Buffer::from(memory);
        assert_eq!((own.len(), own.room_behind(0)), (0, room));
        own.write_behind(0, b"one two");
        own.write_behind(4, b"and");
        own.write_behind(7, b" three");
        assert_eq!(
            (&own[..], own.room_behind(13)),
            (&b"one and three"[..], room - 13)
        );
        own.write_behind(13, &vec![7; room - 13]);
        assert_eq!((own.as_ptr(), own.room_behind(room)), (place, 0));

        let mut chunk = Buffer::chunk();
        chunk.truncate(50);
        assert_eq!(chunk.room_behind(40), 10);
        chunk.write_behind(40, &[7; 10]);
        let full = std::panic::catch_unwind(move || chunk.write_behind(40, &[7; 11]));
        assert!(full.is_err());
    }

    #[test]
    fn a_buffer_is_whole_again_once_its_slices_are_gone_and_reads_as_it_was_written() {
        let mut buffer = Buffer::chunk();
        buffer.fill(7);
        let slice = buffer.cut(100);
        assert!(buffer.is_cut());
        let lent = buffer.reclaim().expect_err("a slice is alive");
        assert_eq!(slice, [7; 100][..]);
        drop(slice);
        let whole = lent.reclaim().expect("the last reference");
        assert!(!whole.is_cut());
        assert_eq!(whole.len(), CHUNK_BYTES);
        assert!(whole.iter().all(|byte| *byte == 7), "nothing was cleared");
    }
}
