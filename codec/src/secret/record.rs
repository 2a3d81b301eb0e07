//! Wide records: the envelope between two Ringwire nodes, as large as its content.
//!
//! ```text
//!  0        4                  4+len             20+len
//!  ├ len LE ┤├──── packets ─────┤├── tag, 16 ────┤
//!   in clear,  sealed by AES-256-GCM
//!   authenticated
//! ```
//!
//! A record holds whole packets and never has padding. Its length lies in clear, so a reader knows
//! how much to wait for; the length is associated data, so changing it breaks the tag. A length of 0
//! or over the agreed maximum is refused from the header alone, before anything is waited for.
//!
//! One key seals at most 2^64 - 1 records and is never renewed. The birthday bound on AES-GCM leaves
//! an attacker a chance of 2^-33 to tell ciphertext from noise after 2^48 blocks of 16 bytes, that is
//! after 4 PiB in one direction: four days of a full 100 Gbit/s link, fourteen years at 10 MB/s.

use std::ops::Range;

use super::aead::{Aead, DefaultAesGcm, KEY_BYTES, NONCE_BYTES, SEAL_BYTES_MAX, TAG_BYTES};
use super::nonce::{NonceCounter, NonceExhausted};
use crate::error::Blame;

/// The most plaintext bytes a record may carry, whatever is agreed: a message of 64 KiB with a kilobyte for what its
/// protocol and its packet put in front of it.
pub const RECORD_PLAIN_MAX: usize = 65 * 1024;

/// Bytes of the length before the ciphertext.
pub const RECORD_HEADER: usize = 4;

/// Bytes that a record adds to its plaintext.
pub const RECORD_OVERHEAD: usize = RECORD_HEADER + TAG_BYTES;

/// The largest record on the wire, in bytes.
pub const RECORD_SEALED_MAX: usize = RECORD_PLAIN_MAX + RECORD_OVERHEAD;

const _: () = assert!(
    RECORD_PLAIN_MAX <= SEAL_BYTES_MAX,
    "a record is sealed in one call"
);

/// Why a record could not be sealed or opened. After any of these the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The caller's slice has no room for one byte of plaintext, or more than the agreed maximum.
    #[error("record: a buffer of {len} bytes holds no record, or one over the agreed {max}")]
    WrongSize {
        /// Bytes of the slice.
        len: usize,
        /// The agreed maximum of plaintext bytes.
        max: usize,
    },
    /// The length in the header is 0: an empty record says nothing and only costs.
    #[error("record: the length is 0")]
    Empty,
    /// The length in the header is over the agreed maximum.
    #[error("record: the length is {len}, at most {max} was agreed")]
    TooLong {
        /// The length found.
        len: u32,
        /// The agreed maximum of plaintext bytes.
        max: usize,
    },
    /// The caller's slice does not have the length its header tells.
    #[error("record: the header says {header} bytes of plaintext, the buffer holds {buffer}")]
    LengthMismatch {
        /// The length in the header.
        header: u32,
        /// The plaintext bytes the slice has room for.
        buffer: usize,
    },
    /// The tag does not verify: the record was changed, repeated, reordered, or sealed with another
    /// key.
    #[error("record: authentication failed")]
    NotAuthentic,
    /// The direction has used up its nonces; a new connection brings new keys.
    #[error("record: the nonce counter is used up, the connection must be made anew")]
    NonceExhausted,
}

impl RecordError {
    /// Whose fault it is. Nothing of a record is authentic before its tag was checked, so a bad
    /// header, too, may be the work of the path: a reason to close and none to ban.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::WrongSize { .. } | Self::LengthMismatch { .. } | Self::NonceExhausted => {
                Blame::Local
            }
            Self::Empty | Self::TooLong { .. } | Self::NotAuthentic => Blame::Network,
        }
    }
}

impl From<NonceExhausted> for RecordError {
    fn from(_: NonceExhausted) -> Self {
        Self::NonceExhausted
    }
}

/// Seals the records of one direction.
pub struct RecordSealer<A = DefaultAesGcm> {
    aead: A,
    nonces: NonceCounter,
    plain_max: usize,
}

impl<A: Aead> RecordSealer<A> {
    /// Starts a direction. The key must be fresh: the nonces start from 0. `plain_max` is the agreed
    /// maximum of plaintext bytes.
    ///
    /// # Panics
    /// When `plain_max` is 0 or over [`RECORD_PLAIN_MAX`].
    pub fn new(key: &[u8; KEY_BYTES], plain_max: usize) -> Self {
        assert_plain_max(plain_max);
        Self {
            aead: A::new(key),
            nonces: NonceCounter::new(),
            plain_max,
        }
    }

    /// Seals `record`, the whole of it: [`RECORD_HEADER`] bytes, the plaintext, then [`TAG_BYTES`].
    /// Header and tag are written here.
    ///
    /// # Errors
    /// [`RecordError::WrongSize`] or [`RecordError::NonceExhausted`]; the record is then unchanged.
    pub fn seal(&mut self, record: &mut [u8]) -> Result<(), RecordError> {
        let (nonce, (header, plain, tag)) = self.begin(record)?;
        *tag = self.aead.seal(&nonce, header, plain);
        self.nonces.advance();
        Ok(())
    }

    /// The same for a plaintext whose end, `tail`, lies elsewhere: `record` has room for it, and it is sealed into that without
    /// being copied there first.
    ///
    /// # Errors
    /// [`RecordError::WrongSize`], also when `tail` is longer than the plaintext, or [`RecordError::NonceExhausted`].
    pub fn seal_with_tail(&mut self, record: &mut [u8], tail: &[u8]) -> Result<(), RecordError> {
        if record.len() < tail.len() + RECORD_OVERHEAD {
            return Err(self.wrong_size(record.len()));
        }
        let (nonce, (header, ..)) = self.begin(record)?;
        let header = *header;
        let sealed = &mut record[RECORD_HEADER..];
        self.aead.seal_with_tail(&nonce, &header, sealed, tail);
        self.nonces.advance();
        Ok(())
    }

    /// Writes the header of `record` and gives its parts, with the nonce, once it is known that it can be sealed.
    fn begin<'a>(
        &self,
        record: &'a mut [u8],
    ) -> Result<([u8; NONCE_BYTES], Parts<'a>), RecordError> {
        let wrong = self.wrong_size(record.len());
        let (header, plain, tag) = split(record).ok_or(wrong)?;
        if plain.is_empty() || plain.len() > self.plain_max {
            return Err(wrong);
        }
        let nonce = self.nonces.current()?;
        // At most 65 536, so the cast keeps the value.
        *header = (plain.len() as u32).to_le_bytes();
        Ok((nonce, (header, plain, tag)))
    }

    fn wrong_size(&self, len: usize) -> RecordError {
        RecordError::WrongSize {
            len,
            max: self.plain_max,
        }
    }
}

/// Opens the records of one direction.
pub struct RecordOpener<A = DefaultAesGcm> {
    aead: A,
    nonces: NonceCounter,
    plain_max: usize,
}

impl<A: Aead> RecordOpener<A> {
    /// Starts a direction. `plain_max` is the agreed maximum of plaintext bytes.
    ///
    /// # Panics
    /// When `plain_max` is 0 or over [`RECORD_PLAIN_MAX`].
    pub fn new(key: &[u8; KEY_BYTES], plain_max: usize) -> Self {
        assert_plain_max(plain_max);
        Self {
            aead: A::new(key),
            nonces: NonceCounter::new(),
            plain_max,
        }
    }

    /// The bytes of the whole record that starts `bytes`, or `None` while its header has not come.
    ///
    /// # Errors
    /// [`RecordError::Empty`] or [`RecordError::TooLong`], by the header alone.
    pub fn sealed_len(&self, bytes: &[u8]) -> Result<Option<usize>, RecordError> {
        let Some(header) = bytes.first_chunk::<RECORD_HEADER>() else {
            return Ok(None);
        };
        Ok(Some(self.plain_len(*header)? + RECORD_OVERHEAD))
    }

    /// Opens `record`, exactly the bytes that [`RecordOpener::sealed_len`] told, where it lies; the
    /// plaintext is at the range that comes back.
    ///
    /// # Errors
    /// [`RecordError`]; what the record then holds is not specified. A record that fails does not
    /// move the nonce, so a lost record cannot be stepped over.
    pub fn open(&mut self, record: &mut [u8]) -> Result<Range<usize>, RecordError> {
        let wrong = RecordError::WrongSize {
            len: record.len(),
            max: self.plain_max,
        };
        let (header, plain, tag) = split(record).ok_or(wrong)?;
        let len = self.plain_len(*header)?;
        if len != plain.len() {
            let header = u32::from_le_bytes(*header);
            return Err(RecordError::LengthMismatch {
                header,
                buffer: plain.len(),
            });
        }
        let nonce = self.nonces.current()?;
        self.aead
            .open(&nonce, header, plain, tag)
            .map_err(|_| RecordError::NotAuthentic)?;
        self.nonces.advance();
        Ok(RECORD_HEADER..RECORD_HEADER + len)
    }

    fn plain_len(&self, header: [u8; RECORD_HEADER]) -> Result<usize, RecordError> {
        let len = u32::from_le_bytes(header);
        match usize::try_from(len) {
            Ok(0) => Err(RecordError::Empty),
            Ok(plain) if plain <= self.plain_max => Ok(plain),
            _ => Err(RecordError::TooLong {
                len,
                max: self.plain_max,
            }),
        }
    }
}

fn assert_plain_max(plain_max: usize) {
    assert!(
        (1..=RECORD_PLAIN_MAX).contains(&plain_max),
        "an agreed record size lies in 1..={RECORD_PLAIN_MAX}, not at {plain_max}"
    );
}

type Parts<'a> = (
    &'a mut [u8; RECORD_HEADER],
    &'a mut [u8],
    &'a mut [u8; TAG_BYTES],
);

fn split(record: &mut [u8]) -> Option<Parts<'_>> {
    let (header, rest) = record.split_first_chunk_mut()?;
    let (plain, tag) = rest.split_last_chunk_mut()?;
    Some((header, plain, tag))
}

/// Fuzz entry: any bytes are refused by header, by size or by tag, and never opened.
#[doc(hidden)]
pub fn fuzz_record(bytes: &[u8]) {
    let mut opener = RecordOpener::<DefaultAesGcm>::new(&[1; KEY_BYTES], 4096);
    if let Ok(Some(len)) = opener.sealed_len(bytes) {
        assert!(len > RECORD_OVERHEAD && len <= 4096 + RECORD_OVERHEAD);
        if let Some(record) = bytes.get(..len) {
            let opened = opener.open(&mut record.to_vec());
            assert_eq!(
                opened,
                Err(RecordError::NotAuthentic),
                "nobody forges a tag by chance"
            );
        }
    }
    assert!(opener.open(&mut bytes.to_vec()).is_err());
}

#[cfg(test)]
mod tests;
