//! Frames: the fixed-size envelope that CometBFT puts around every byte after the ephemeral keys.
//!
//! ```text
//!  0        4                4+len                1028        1044
//!  ├ len LE ┤├──── data ────┤├── padding, zero ──┤├─ tag, 16 ─┤
//!  └──────────── sealed by ChaCha20-Poly1305 ────┘
//! ```
//!
//! A frame has always 1 044 bytes, so a reader needs no length before it can read, and pays for it
//! with padding. Both halves work in place: the writer puts its data at `4..4 + len` of a buffer and
//! seals it there, the reader opens the frame where it has come to lie.
//!
//! The reference leaves old plaintext in the padding; ours is zero, and a peer's is not looked at.

use std::ops::Range;

use super::aead::{Aead, DefaultChaCha, KEY_BYTES, NONCE_BYTES, TAG_BYTES};
use super::nonce::{NonceCounter, NonceExhausted};
use crate::error::Blame;

/// The most data bytes one frame carries.
pub const FRAME_DATA_MAX: usize = 1024;

/// Bytes of the length before the data.
pub const FRAME_HEADER: usize = 4;

/// Bytes of a frame before it is sealed.
pub const FRAME_PLAIN: usize = FRAME_HEADER + FRAME_DATA_MAX;

/// Bytes of a frame on the wire.
pub const FRAME_SEALED: usize = FRAME_PLAIN + TAG_BYTES;

const _: () = assert!(
    FRAME_PLAIN == 1028 && FRAME_SEALED == 1044,
    "the reference's sizes"
);

/// Why a frame could not be sealed or opened. After any of these the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The caller's slice is not one frame.
    #[error("frame: the buffer has {len} bytes, a sealed frame has {FRAME_SEALED}")]
    WrongSize {
        /// Bytes of the slice.
        len: usize,
    },
    /// The caller wants more data in a frame than fits.
    #[error("frame: {len} data bytes, at most {FRAME_DATA_MAX} fit in one frame")]
    DataTooLong {
        /// Data bytes asked for.
        len: usize,
    },
    /// The tag does not verify: the frame was changed, repeated, reordered, or sealed with another
    /// key.
    #[error("frame: authentication failed")]
    NotAuthentic,
    /// The peer sealed a frame whose length field is over the limit.
    #[error("frame: the length field says {len}, at most {FRAME_DATA_MAX} is allowed")]
    LengthField {
        /// The length found.
        len: u32,
    },
    /// The direction has used up its nonces; a new connection brings new keys.
    #[error("frame: the nonce counter is used up, the connection must be made anew")]
    NonceExhausted,
}

impl FrameError {
    /// Whose fault it is. A frame that is not authentic counts as the peer's: whether it or the path
    /// changed it cannot be told, so it is a reason to close and none to ban.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::WrongSize { .. } | Self::DataTooLong { .. } | Self::NonceExhausted => {
                Blame::Local
            }
            Self::NotAuthentic => Blame::Network,
            Self::LengthField { .. } => Blame::Peer,
        }
    }
}

impl From<NonceExhausted> for FrameError {
    fn from(_: NonceExhausted) -> Self {
        Self::NonceExhausted
    }
}

/// Seals the frames of one direction.
pub struct FrameSealer<A = DefaultChaCha> {
    aead: A,
    nonces: NonceCounter,
}

impl<A: Aead> FrameSealer<A> {
    /// Starts a direction. The key must be fresh: the nonces start from 0.
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self {
            aead: A::new(key),
            nonces: NonceCounter::new(),
        }
    }

    /// Seals `frame`, [`FRAME_SEALED`] bytes whose data lies already at
    /// `FRAME_HEADER..FRAME_HEADER + data_len`. Length, padding and tag are written here.
    ///
    /// # Errors
    /// [`FrameError::WrongSize`], [`FrameError::DataTooLong`], [`FrameError::NonceExhausted`]; the
    /// frame is then unchanged or half written and must not be sent.
    pub fn seal(&mut self, frame: &mut [u8], data_len: usize) -> Result<(), FrameError> {
        let (plain, tag) = split(frame)?;
        if data_len > FRAME_DATA_MAX {
            return Err(FrameError::DataTooLong { len: data_len });
        }
        let nonce = self.nonces.current()?;
        // At most 1024, so the cast keeps the value.
        plain[..FRAME_HEADER].copy_from_slice(&(data_len as u32).to_le_bytes());
        plain[FRAME_HEADER + data_len..].fill(0);
        *tag = self.aead.seal(&nonce, &[], plain);
        self.nonces.advance();
        Ok(())
    }
}

/// Opens the frames of one direction.
pub struct FrameOpener<A = DefaultChaCha> {
    aead: A,
    nonces: NonceCounter,
}

impl<A: Aead> FrameOpener<A> {
    /// Starts a direction.
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self {
            aead: A::new(key),
            nonces: NonceCounter::new(),
        }
    }

    /// Opens `frame`, [`FRAME_SEALED`] bytes, where it lies; the data is at the range that comes
    /// back and may be empty.
    ///
    /// # Errors
    /// [`FrameError`]; what the frame then holds is not specified. A frame that fails does not move
    /// the nonce, so a lost frame cannot be stepped over.
    pub fn open(&mut self, frame: &mut [u8]) -> Result<Range<usize>, FrameError> {
        let (plain, tag) = split(frame)?;
        let nonce: [u8; NONCE_BYTES] = self.nonces.current()?;
        self.aead
            .open(&nonce, &[], plain, tag)
            .map_err(|_| FrameError::NotAuthentic)?;
        self.nonces.advance();
        let header = *plain
            .first_chunk()
            .expect("a frame is longer than its header");
        let len = u32::from_le_bytes(header);
        match usize::try_from(len) {
            Ok(data_len) if data_len <= FRAME_DATA_MAX => Ok(FRAME_HEADER..FRAME_HEADER + data_len),
            _ => Err(FrameError::LengthField { len }),
        }
    }
}

type PlainAndTag<'a> = (&'a mut [u8], &'a mut [u8; TAG_BYTES]);

fn split(frame: &mut [u8]) -> Result<PlainAndTag<'_>, FrameError> {
    let len = frame.len();
    if len != FRAME_SEALED {
        return Err(FrameError::WrongSize { len });
    }
    frame
        .split_last_chunk_mut()
        .ok_or(FrameError::WrongSize { len })
}

/// Fuzz entry: any frame is refused or opened, and what was opened under a known key is in bounds.
#[doc(hidden)]
pub fn fuzz_frame(bytes: &[u8]) {
    let mut frame = bytes.to_vec();
    let forged = FrameOpener::<DefaultChaCha>::new(&[1; KEY_BYTES]).open(&mut frame);
    assert!(forged.is_err(), "nobody forges a tag by chance");
    // The same bytes as the plain frame of a peer that holds the key: only the length field decides.
    let mut frame = [0; FRAME_SEALED];
    let len = bytes.len().min(FRAME_PLAIN);
    frame[..len].copy_from_slice(&bytes[..len]);
    let aead = DefaultChaCha::new(&[1; KEY_BYTES]);
    let (plain, tag) = split(&mut frame).expect("the size of a frame");
    *tag = aead.seal(&[0; NONCE_BYTES], &[], plain);
    match FrameOpener::<DefaultChaCha>::new(&[1; KEY_BYTES]).open(&mut frame) {
        Ok(range) => assert!(range.start == FRAME_HEADER && range.end <= FRAME_PLAIN),
        Err(error) => assert!(matches!(error, FrameError::LengthField { .. })),
    }
}

#[cfg(test)]
mod tests;
