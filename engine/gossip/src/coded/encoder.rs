//! [`Encoder`]: from a payload to its manifest and shards.
//!
//! The root covers all segments, so all of them are encoded before the first shard is sent. Only the roots
//! are kept of that: a segment is encoded once more when its shards are asked for, and memory stays that
//! of one segment beside the payload. A payload of one segment is encoded once. Who may not be away for so
//! long encodes one segment at a time: [`Encoding`].

use bytes::{Bytes, BytesMut};

use super::code::Code;
use super::fault::Fault;
use super::layout::{Layout, SegmentLayout};
use super::manifest::{Manifest, ManifestId, Origin};
use super::merkle::{Hash, Tree};
use super::segment::{Coded, CodedSegment};

/// A payload that is being encoded.
pub struct Encoding {
    origin: Origin,
    seq: u64,
    layout: Layout,
    payload: Bytes,
    code: Code,
    roots: Vec<Hash>,
    last: Option<Coded>,
}

impl Encoding {
    /// Begins with `payload`, number `seq` of `origin`, in shards of `shard_bytes`
    /// ([`super::SHARD_BYTES`] unless there is a reason).
    ///
    /// # Errors
    /// The errors of [`Layout::new`].
    pub fn new(
        origin: Origin,
        seq: u64,
        payload: Bytes,
        shard_bytes: usize,
    ) -> Result<Self, Fault> {
        let layout = Layout::new(payload.len(), shard_bytes)?;
        Ok(Encoding {
            origin,
            seq,
            layout,
            payload,
            code: Code::default(),
            roots: Vec::with_capacity(layout.segment_count().into()),
            last: None,
        })
    }

    /// Commits to shards that are of no payload, as a lying origin may. Who has enough of them finds that out, whichever
    /// they are.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn miscoded(mut self) -> Self {
        self.code.is_wrong = true;
        self
    }

    /// Encodes the next segment; false when there is none left. The time that it takes is in
    /// docs/decisions/0063.
    pub fn advance(&mut self) -> bool {
        let next = u16::try_from(self.roots.len()).expect("at most 64 segments");
        let Ok(segment) = self.layout.segment(next) else {
            return false;
        };
        let coded = encode(&mut self.code, &self.payload, segment);
        self.roots.push(coded.root());
        self.last = Some(coded);
        true
    }

    /// Encodes what is left.
    pub fn finish(mut self) -> Encoder {
        while self.advance() {}
        let roots = Tree::new(self.roots);
        let manifest = Manifest::new(self.origin, self.seq, self.layout, roots.root());
        Encoder {
            id: manifest.id(),
            manifest,
            payload: self.payload,
            code: self.code,
            roots,
            only: self.last.filter(|_| self.layout.segment_count() == 1),
        }
    }
}

impl std::fmt::Debug for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoding")
            .field("layout", &self.layout)
            .field("segments_done", &self.roots.len())
            .finish_non_exhaustive()
    }
}

/// Encodes one payload, or encodes again one that came whole.
pub struct Encoder {
    manifest: Manifest,
    id: ManifestId,
    payload: Bytes,
    code: Code,
    /// The tree over the roots of the segments.
    roots: Tree,
    /// The only segment, until it is asked for.
    only: Option<Coded>,
}

impl Encoder {
    /// Encodes a whole payload at once: see [`Encoding::new`].
    ///
    /// # Errors
    /// The errors of [`Layout::new`].
    pub fn new(
        origin: Origin,
        seq: u64,
        payload: Bytes,
        shard_bytes: usize,
    ) -> Result<Self, Fault> {
        let encoding = Encoding::new(origin, seq, payload, shard_bytes)?;
        Ok(encoding.finish())
    }

    /// What is spread before the shards.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What shards name the manifest by.
    pub fn id(&self) -> ManifestId {
        self.id
    }

    /// All shards of a segment.
    ///
    /// # Errors
    /// [`Fault::Segment`]: there is none of that number.
    pub fn segment(&mut self, index: u16) -> Result<CodedSegment, Fault> {
        let segment = self.manifest.layout().segment(index)?;
        let coded = match self.only.take() {
            Some(only) => only,
            None => encode(&mut self.code, &self.payload, segment),
        };
        let above: Vec<Hash> = self.roots.path(index.into()).copied().collect();
        Ok(CodedSegment::new(self.id, coded, above))
    }
}

/// Encodes a segment of a payload of which no hash is known.
fn encode(code: &mut Code, payload: &Bytes, segment: SegmentLayout) -> Coded {
    Coded::new(code, segment, originals(payload, segment), |_| None)
}

/// The bytes of a segment's originals: a part of the payload where it lies, or, with the padding, a copy.
fn originals(payload: &Bytes, segment: SegmentLayout) -> Bytes {
    let end = segment.offset() + segment.bytes();
    if end <= payload.len() {
        return payload.slice(segment.offset()..end);
    }
    let mut padded = BytesMut::with_capacity(segment.bytes());
    padded.extend_from_slice(&payload[segment.offset()..]);
    padded.resize(segment.bytes(), 0);
    padded.freeze()
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("manifest", &self.manifest)
            .finish_non_exhaustive()
    }
}
