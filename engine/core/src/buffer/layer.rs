//! The two record layers behind one face: who opens what was received, who seals what is sent.
//!
//! A connection speaks one of two envelopes (docs/wire.md): CometBFT's frames of 1044 bytes, or
//! wide records of any length up to an agreed maximum. The cursors of this room ask only three
//! things of an envelope: how long is the sealed unit that starts here, open it where it lies, and
//! seal what was written. The branch is taken once per unit, never per byte.

use std::fmt;
use std::ops::Range;

use ringwire_codec::secret::{
    FRAME_SEALED, FrameError, FrameOpener, FrameSealer, RecordError, RecordOpener, RecordSealer,
};
use thiserror::Error;

/// Which record layer a connection settled on after NodeInfo (docs/wire.md).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Framing {
    /// CometBFT's 1044-byte frames, ChaCha20-Poly1305.
    Comet,
    /// Ringwire's wide records, AES-256-GCM.
    Wide,
}

/// Why a unit could not be opened or sealed. The connection must be closed after it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A CometBFT frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A wide record.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Opens the receiving direction.
pub enum Opener {
    /// CometBFT's frames.
    Comet(FrameOpener),
    /// Wide records.
    Wide(RecordOpener),
}

impl Opener {
    /// Bytes of the sealed unit at the start of `sealed`, or `None` while that cannot be told.
    ///
    /// # Errors
    /// A record length of zero or over the agreed maximum, before its bytes are waited for.
    #[inline]
    pub fn unit_len(&self, sealed: &[u8]) -> Result<Option<usize>, LayerError> {
        match self {
            Opener::Comet(_) => Ok(Some(FRAME_SEALED)),
            Opener::Wide(opener) => Ok(opener.sealed_len(sealed)?),
        }
    }

    /// Opens exactly one unit where it lies; the plaintext is at the range that comes back.
    ///
    /// # Errors
    /// The unit is not authentic, or its inner length breaks a rule.
    #[inline]
    pub fn open(&mut self, unit: &mut [u8]) -> Result<Range<usize>, LayerError> {
        match self {
            Opener::Comet(opener) => Ok(opener.open(unit)?),
            Opener::Wide(opener) => Ok(opener.open(unit)?),
        }
    }

    /// Which layer this is.
    pub fn framing(&self) -> Framing {
        match self {
            Opener::Comet(_) => Framing::Comet,
            Opener::Wide(_) => Framing::Wide,
        }
    }

    /// Whether packets may cross the border between two units: only frames are a byte stream.
    #[inline]
    pub fn is_stream(&self) -> bool {
        matches!(self, Opener::Comet(_))
    }
}

impl fmt::Debug for Opener {
    /// Names the layer; keys are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener::{:?}", self.framing())
    }
}

/// Seals the sending direction.
pub enum Sealer {
    /// CometBFT's frames.
    Comet(FrameSealer),
    /// Wide records.
    Wide {
        /// Seals one record after the other.
        sealer: RecordSealer,
        /// Plaintext bytes of the largest record the peer accepts.
        plain_max: usize,
    },
}

impl fmt::Debug for Sealer {
    /// Names the layer; keys are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sealer::Comet(_) => "Sealer::Comet",
            Sealer::Wide { .. } => "Sealer::Wide",
        })
    }
}
