//! A write's worth of plaintext, gathered where it will be sealed.
//!
//! ```text
//!  comet:  ├ 4 ┤├ 1024 ┤├ 16 ┤├ 4 ┤├ 1024 ┤├ 16 ┤…   62 frames
//!  wide:   ├ 4 ┤├──────── 65 536 ────────┤├ 16 ┤     one record
//! ```

use ringwire_codec::secret::frame::{
    FRAME_DATA_MAX, FRAME_HEADER, FRAME_SEALED, FrameError, FrameSealer,
};
use ringwire_codec::secret::record::{
    RECORD_HEADER, RECORD_OVERHEAD, RECORD_PLAIN_MAX, RECORD_SEALED_MAX, RecordSealer,
};
use rival::Failure;

/// Frames in one write, as many as fit 64 KiB.
const FRAMES: usize = 65_536 / FRAME_SEALED;

enum Sealer {
    Comet(FrameSealer),
    Wide(RecordSealer),
}

/// Gathers and seals one direction's bytes.
pub(crate) struct Sealing {
    sealer: Sealer,
    buffer: Vec<u8>,
    /// Bytes of plaintext gathered.
    plain: usize,
}

impl Sealing {
    pub(crate) fn comet(sealer: FrameSealer) -> Self {
        Sealing {
            sealer: Sealer::Comet(sealer),
            buffer: vec![0; FRAMES * FRAME_SEALED],
            plain: 0,
        }
    }

    pub(crate) fn wide(sealer: RecordSealer) -> Self {
        Sealing {
            sealer: Sealer::Wide(sealer),
            buffer: vec![0; RECORD_SEALED_MAX],
            plain: 0,
        }
    }

    /// Bytes of plaintext that still fit.
    pub(crate) fn room(&self) -> usize {
        self.plain_max() - self.plain
    }

    /// The most payload bytes in a packet.
    pub(crate) fn payload_max(&self) -> usize {
        match self.sealer {
            Sealer::Comet(_) => 1024,
            Sealer::Wide(_) => RECORD_PLAIN_MAX,
        }
    }

    fn plain_max(&self) -> usize {
        match self.sealer {
            Sealer::Comet(_) => FRAMES * FRAME_DATA_MAX,
            Sealer::Wide(_) => RECORD_PLAIN_MAX,
        }
    }

    /// Appends plaintext.
    ///
    /// # Panics
    /// When it is over [`Sealing::room`].
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        assert!(bytes.len() <= self.room(), "the caller makes room");
        while !bytes.is_empty() {
            let (at, until_gap) = match self.sealer {
                Sealer::Comet(_) => {
                    let (frame, offset) =
                        (self.plain / FRAME_DATA_MAX, self.plain % FRAME_DATA_MAX);
                    let at = frame * FRAME_SEALED + FRAME_HEADER + offset;
                    (at, FRAME_DATA_MAX - offset)
                }
                Sealer::Wide(_) => (RECORD_HEADER + self.plain, bytes.len()),
            };
            let (now, later) = bytes.split_at(bytes.len().min(until_gap));
            self.buffer[at..at + now.len()].copy_from_slice(now);
            self.plain += now.len();
            bytes = later;
        }
    }

    /// Seals what was gathered and starts anew; the sealed bytes are to be sent.
    pub(crate) fn seal(&mut self) -> Result<&[u8], Failure> {
        let plain = std::mem::take(&mut self.plain);
        if plain == 0 {
            return Ok(&[]);
        }
        match &mut self.sealer {
            Sealer::Comet(sealer) => {
                let sealed = plain.div_ceil(FRAME_DATA_MAX) * FRAME_SEALED;
                let sealed = &mut self.buffer[..sealed];
                seal_frames(sealer, sealed, plain)?;
                Ok(sealed)
            }
            Sealer::Wide(sealer) => {
                let record = &mut self.buffer[..plain + RECORD_OVERHEAD];
                sealer.seal(record)?;
                Ok(record)
            }
        }
    }
}

fn seal_frames(
    sealer: &mut FrameSealer,
    sealed: &mut [u8],
    plain: usize,
) -> Result<(), FrameError> {
    let mut left = plain;
    for frame in sealed.chunks_exact_mut(FRAME_SEALED) {
        let data = left.min(FRAME_DATA_MAX);
        sealer.seal(frame, data)?;
        left -= data;
    }
    Ok(())
}
