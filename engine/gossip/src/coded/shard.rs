//! [`Shard`]: one shard with the proof that it belongs to a manifest.
//!
//! ```text
//!  0            20        22      24       25            25 + 32·hashes
//!  ├─ manifest id ┼ segment ┼ index ┼ hashes ┼─ proof … ───┼─ data … ┤    integers little-endian
//!       20            2         2       1        32 each      to the end
//! ```
//!
//! The proof leads from the shard to its segment's root, and on to the manifest's. It is read where it
//! lies: a shard that is passed on is the bytes that came.

use bytes::{BufMut, Bytes, BytesMut};

use super::fault::Fault;
use super::layout::{SHARD_BYTES_MAX, SHARD_BYTES_MIN, SegmentLayout};
use super::manifest::{MANIFEST_ID_BYTES, Manifest, ManifestId};
use super::merkle::{Hash, climb, leaf, path_len};

/// Bytes of a shard's message before the proof.
pub const SHARD_HEADER_BYTES: usize = MANIFEST_ID_BYTES + 2 + 2 + 1;

const SEGMENT_AT: usize = MANIFEST_ID_BYTES;
const INDEX_AT: usize = SEGMENT_AT + 2;
const HASHES_AT: usize = INDEX_AT + 2;
/// Most hashes of a proof: 8 from one of 256 leaves to its segment's root, 6 from there on among 64
/// segments.
pub const PROOF_MAX: usize = 8 + 6;

/// One shard as it travels. Cloning it copies no bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shard {
    wire: Bytes,
}

impl Shard {
    /// Reads a shard. Whether it belongs to its manifest is another question: [`Shard::verify`].
    ///
    /// # Errors
    /// [`Fault::Truncated`], [`Fault::ProofLength`] over [`PROOF_MAX`], [`Fault::ShardBytes`] for data
    /// of a size that no shard has.
    pub fn decode(wire: Bytes) -> Result<Self, Fault> {
        let got = wire.len();
        let truncated = |field, needed| Fault::Truncated { field, got, needed };
        if got < SHARD_HEADER_BYTES {
            return Err(truncated("shard header", SHARD_HEADER_BYTES));
        }
        let hashes = usize::from(wire[HASHES_AT]);
        if hashes > PROOF_MAX {
            let (got, needed) = (hashes, PROOF_MAX);
            return Err(Fault::ProofLength { got, needed });
        }
        let data_at = SHARD_HEADER_BYTES + 32 * hashes;
        if got < data_at {
            return Err(truncated("proof", data_at));
        }
        let bytes = got - data_at;
        let is_within = (SHARD_BYTES_MIN..=SHARD_BYTES_MAX).contains(&bytes);
        if !is_within || !bytes.is_power_of_two() {
            return Err(Fault::ShardBytes { got: bytes });
        }
        Ok(Shard { wire })
    }

    /// Writes a shard. This copies the data, once for all who get it.
    pub(super) fn new<'a>(
        manifest: ManifestId,
        segment: u16,
        index: u16,
        proof: impl Iterator<Item = &'a Hash>,
        data: &[u8],
    ) -> Self {
        let room = SHARD_HEADER_BYTES + 32 * PROOF_MAX + data.len();
        let mut wire = BytesMut::with_capacity(room);
        wire.put_slice(&manifest.0);
        wire.put_u16_le(segment);
        wire.put_u16_le(index);
        wire.put_u8(0);
        let mut hashes = 0;
        for hash in proof {
            wire.put_slice(hash);
            hashes += 1;
        }
        wire[HASHES_AT] = hashes;
        wire.put_slice(data);
        Shard {
            wire: wire.freeze(),
        }
    }

    /// The bytes to send.
    pub fn wire(&self) -> &Bytes {
        &self.wire
    }

    /// The manifest that it says it belongs to.
    pub fn manifest(&self) -> ManifestId {
        let id = self.wire.first_chunk();
        ManifestId(*id.expect("a header begins with an id"))
    }

    /// Which segment of the payload.
    pub fn segment(&self) -> u16 {
        u16::from_le_bytes([self.wire[SEGMENT_AT], self.wire[SEGMENT_AT + 1]])
    }

    /// Which shard of the segment; originals first.
    pub fn index(&self) -> u16 {
        u16::from_le_bytes([self.wire[INDEX_AT], self.wire[INDEX_AT + 1]])
    }

    /// The shard itself.
    pub fn data(&self) -> &[u8] {
        &self.wire[self.data_at()..]
    }

    fn data_at(&self) -> usize {
        SHARD_HEADER_BYTES + 32 * usize::from(self.wire[HASHES_AT])
    }

    fn proof(&self) -> impl ExactSizeIterator<Item = &Hash> {
        let (hashes, _) = self.wire[SHARD_HEADER_BYTES..self.data_at()].as_chunks::<32>();
        hashes.iter()
    }

    /// The proof's hashes from the segment's root on, of a shard that was verified.
    pub(super) fn proof_above(&self, place: &SegmentLayout) -> impl Iterator<Item = &Hash> {
        let below = path_len(self.index().into(), place.shard_count().into());
        self.proof().skip(below)
    }

    /// The segment's root that its proof leads to from `leaf`, the hash of its data: the same for all shards of a segment that were
    /// verified. `None` if the proof is too short.
    pub(super) fn segment_root(&self, place: &SegmentLayout, leaf: Hash) -> Option<Hash> {
        let leaves = place.shard_count().into();
        climb(leaf, self.index().into(), leaves, self.proof())
    }

    /// Checks that it belongs to `manifest`, whose id is `id`; where it stands, for those who go on
    /// with it.
    ///
    /// # Errors
    /// [`Fault::Id`], [`Fault::Segment`], [`Fault::Index`], [`Fault::ShardBytes`],
    /// [`Fault::ProofLength`], [`Fault::Proof`]: all of them the peer's fault.
    pub fn verify(&self, id: ManifestId, manifest: &Manifest) -> Result<Verified, Fault> {
        if self.manifest() != id {
            return Err(Fault::Id);
        }
        let layout = manifest.layout();
        let place = layout.segment(self.segment())?;
        place.check_index(self.index())?;
        let got = self.wire.len() - self.data_at();
        if got != layout.shard_bytes() {
            return Err(Fault::ShardBytes { got });
        }
        self.climb(place, usize::from(layout.segment_count()), &manifest.root())
    }

    /// Follows the proof to the manifest's root.
    fn climb(&self, place: SegmentLayout, segments: usize, root: &Hash) -> Result<Verified, Fault> {
        let (segment, index) = (usize::from(self.segment()), usize::from(self.index()));
        let leaves = usize::from(place.shard_count());
        let lower = path_len(index, leaves);
        let (got, needed) = (self.proof().len(), lower + path_len(segment, segments));
        if got != needed {
            return Err(Fault::ProofLength { got, needed });
        }
        let hash = leaf(&self.wire[self.data_at()..]);
        let segment_root = self.segment_root(&place, hash).ok_or(Fault::Proof)?;
        let above = self.proof().skip(lower);
        if climb(segment_root, segment, segments, above).as_ref() != Some(root) {
            return Err(Fault::Proof);
        }
        Ok(Verified { place, leaf: hash })
    }
}

/// What the check of a shard has found: where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    pub(super) place: SegmentLayout,
    /// The hash of its data.
    pub(super) leaf: Hash,
}

/// Whatever the bytes are, a shard is refused or is read without a panic, and none belongs to a
/// manifest that it was not made for.
///
/// # Panics
/// If that does not hold.
pub fn fuzz_shard(bytes: &[u8]) {
    let Ok(shard) = Shard::decode(Bytes::copy_from_slice(bytes)) else {
        return;
    };
    assert_eq!(shard.wire(), bytes);
    assert!(shard.data().len() >= SHARD_BYTES_MIN);
    let layout = super::Layout::new(super::PAYLOAD_BYTES_MIN, shard.data().len());
    let manifest = Manifest::new([0; 32], 0, layout.expect("a shard's size"), [0; 32]);
    assert!(shard.verify(shard.manifest(), &manifest).is_err());
}
