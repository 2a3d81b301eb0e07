//! Opens what the other end has sealed, where it has come to lie.

use std::ops::Range;

use ringwire_codec::secret::frame::{FRAME_SEALED, FrameOpener};
use ringwire_codec::secret::record::RecordOpener;
use rival::Failure;

/// Opens one direction's bytes.
pub(crate) enum Opening {
    Comet(FrameOpener),
    Wide(RecordOpener),
}

impl Opening {
    /// Room for one read.
    pub(crate) const READ_BYTES: usize = 128 * 1024;

    /// The bytes of the frame or record that starts `bytes`, once it has come whole.
    pub(crate) fn sealed_len(&self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        let len = match self {
            Opening::Comet(_) => Some(FRAME_SEALED),
            Opening::Wide(opener) => opener.sealed_len(bytes)?,
        };
        Ok(len.filter(|len| bytes.len() >= *len))
    }

    /// Opens one frame or record; says where its plaintext lies.
    pub(crate) fn open(&mut self, sealed: &mut [u8]) -> Result<Range<usize>, Failure> {
        Ok(match self {
            Opening::Comet(opener) => opener.open(sealed)?,
            Opening::Wide(opener) => opener.open(sealed)?,
        })
    }
}
