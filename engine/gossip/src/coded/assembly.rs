//! [`Assembly`]: one payload under way.
//!
//! ```text
//!  segment:  Open ── all originals, or ────▶ restore, encode again ── same root ──▶ Done, in the buffer
//!                    k shards and the word         └── another root ──▶ the payload is refused
//! ```
//!
//! To restore originals from repair shards costs more than all the rest. So where few are missing, the owner says when it
//! waits for them no longer.
//!
//! A segment holds at most its k shards, and 5 % more while originals are waited for; the buffer is made for the whole payload when the first
//! segment is done: together at most twice the padded payload for a payload of one segment, and little
//! more than once for one of many.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::code::Code;
use super::fault::Fault;
use super::layout::SegmentLayout;
use super::manifest::{Account, Manifest, ManifestId};
use super::merkle::Hash;
use super::segment::{Coded, CodedSegment};
use super::shard::Shard;

/// What has become of a shard.
pub(super) enum Added {
    /// It is there already.
    Duplicate,
    /// Its segment is done, or needs no repair shard more.
    Surplus,
    /// It is kept.
    New,
    /// It is kept, and its segment can be restored: no more originals are missing than repair shards are pushed, and there are
    /// some in place of them.
    Enough,
    /// It completes its segment.
    Segment(CodedSegment),
}

enum Segment {
    Open(BTreeMap<u16, Held>),
    Done,
}

/// A shard that was checked.
struct Held {
    shard: Shard,
    /// The hash of its data.
    leaf: Hash,
}

/// The segments that are done.
enum Restored {
    None,
    /// The only one.
    One(Bytes),
    /// The payload, padding included, with room for those that are not.
    Some(Vec<u8>),
}

/// One payload under way.
pub(super) struct Assembly {
    manifest: Manifest,
    id: ManifestId,
    account: Account,
    segments: Vec<Segment>,
    /// Segments that are not done.
    open: usize,
    restored: Restored,
    /// Shards taken so far.
    taken: u32,
    idle_sweeps: u8,
}

impl Assembly {
    pub(super) fn new(id: ManifestId, manifest: Manifest, account: Account) -> Self {
        let segments = manifest.layout().segments();
        let segments: Vec<_> = segments.map(|_| Segment::Open(BTreeMap::new())).collect();
        Assembly {
            manifest,
            id,
            account,
            open: segments.len(),
            segments,
            restored: Restored::None,
            taken: 0,
            idle_sweeps: 0,
        }
    }

    /// Who is charged for it.
    pub(super) fn account(&self) -> Account {
        self.account
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Bytes of memory that are set aside for it: the buffer, and the shards of segments under way. All
    /// but the last of these can be under way at once, before the first is done.
    pub(super) fn bytes_max(manifest: &Manifest) -> usize {
        2 * manifest.layout().padded_bytes()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.open == 0
    }

    /// How far it is: shards taken. What was taken long ago counts as much.
    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    /// One more sweep has found it; how many have since the last shard.
    pub(super) fn sweep(&mut self) -> u8 {
        self.idle_sweeps = self.idle_sweeps.saturating_add(1);
        self.idle_sweeps
    }

    /// Which shards of a segment are there, in order; `None` if the segment is done or is none.
    pub(super) fn held(&self, segment: u16) -> Option<impl Iterator<Item = u16>> {
        match self.segments.get(usize::from(segment))? {
            Segment::Open(shards) => Some(shards.keys().copied()),
            Segment::Done => None,
        }
    }

    /// A shard that is there, as it came.
    pub(super) fn shard(&self, segment: u16, index: u16) -> Option<&Shard> {
        match self.segments.get(usize::from(segment))? {
            Segment::Open(shards) => shards.get(&index).map(|held| &held.shard),
            Segment::Done => None,
        }
    }

    /// Takes a shard.
    ///
    /// # Errors
    /// Those of [`Shard::verify`], by the peer's fault; [`Fault::Encoding`] and [`Fault::Padding`], by
    /// the origin's: nothing of this payload is ever taken then.
    pub(super) fn add(&mut self, code: &mut Code, shard: Shard) -> Result<Added, Fault> {
        let found = shard.verify(self.id, &self.manifest)?;
        let at = usize::from(found.place.index());
        let Segment::Open(shards) = &mut self.segments[at] else {
            return Ok(Added::Surplus);
        };
        if shards.contains_key(&shard.index()) {
            return Ok(Added::Duplicate);
        }
        // With enough of them only originals are of use.
        let originals = found.place.originals();
        let k = usize::from(originals);
        if shard.index() >= originals && shards.len() >= k {
            return Ok(Added::Surplus);
        }
        let leaf = found.leaf;
        shards.insert(shard.index(), Held { shard, leaf });
        self.taken += 1;
        self.idle_sweeps = 0;
        if shards.len() < k {
            return Ok(Added::New);
        }
        let missing = k - shards.range(..originals).count();
        let surplus = usize::from(found.place.pushed()) - k;
        if (1..=surplus).contains(&missing) {
            Ok(Added::Enough)
        } else {
            self.restore(code, found.place).map(Added::Segment)
        }
    }

    /// Restores a segment from the shards that are there, if they are enough.
    ///
    /// # Errors
    /// As for [`Assembly::add`].
    pub(super) fn restore_at(
        &mut self,
        code: &mut Code,
        segment: u16,
    ) -> Result<Option<CodedSegment>, Fault> {
        let place = self.manifest.layout().segment(segment)?;
        match &self.segments[usize::from(segment)] {
            Segment::Open(shards) if shards.len() >= usize::from(place.originals()) => {
                self.restore(code, place).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Restores a segment of which k shards are there, and checks it: what they prove is one root for all.
    fn restore(&mut self, code: &mut Code, place: SegmentLayout) -> Result<CodedSegment, Fault> {
        let at = usize::from(place.index());
        let segment = std::mem::replace(&mut self.segments[at], Segment::Done);
        let Segment::Open(shards) = segment else {
            unreachable!("the caller has seen its shards");
        };
        let (_, any) = shards.first_key_value().expect("there are k");
        let above = any.shard.proof_above(&place).copied().collect();
        let originals = restore(code, &place, &shards);
        let known = |index| shards.get(&index).map(|held| held.leaf);
        let coded = Coded::new(code, place, originals.clone(), known);
        if any.shard.segment_root(&place, any.leaf) != Some(coded.root()) {
            return Err(Fault::Encoding);
        }
        self.keep(&place, originals)?;
        self.open -= 1;
        Ok(CodedSegment::new(self.id, coded, above))
    }

    /// Copies a segment to its place in the payload, unless it is the payload.
    fn keep(&mut self, place: &SegmentLayout, originals: Bytes) -> Result<(), Fault> {
        let layout = self.manifest.layout();
        // Only the last segment reaches behind the payload's end.
        let payload = layout.length() - place.offset();
        if originals.iter().skip(payload).any(|byte| *byte != 0) {
            return Err(Fault::Padding);
        }
        if layout.segment_count() == 1 {
            self.restored = Restored::One(originals);
            return Ok(());
        }
        if let Restored::None = self.restored {
            self.restored = Restored::Some(vec![0; layout.padded_bytes()]);
        }
        if let Restored::Some(buffer) = &mut self.restored {
            buffer[place.offset()..place.offset() + place.bytes()].copy_from_slice(&originals);
        }
        Ok(())
    }

    /// The payload, when it is whole.
    pub(super) fn into_payload(self) -> Option<Bytes> {
        if !self.is_whole() {
            return None;
        }
        let mut payload = match self.restored {
            Restored::None => return None,
            Restored::One(originals) => originals,
            Restored::Some(buffer) => buffer.into(),
        };
        payload.truncate(self.manifest.layout().length());
        Some(payload)
    }
}

/// The originals of a segment, from any k of its shards.
fn restore(code: &mut Code, place: &SegmentLayout, shards: &BTreeMap<u16, Held>) -> Bytes {
    let bytes = place.shard_bytes();
    let mut originals = Vec::with_capacity(place.bytes());
    for (index, held) in shards.range(..place.originals()) {
        originals.resize(usize::from(*index) * bytes, 0);
        originals.extend_from_slice(held.shard.data());
    }
    originals.resize(place.bytes(), 0);
    let missing = shards.range(place.originals()..).next().is_some();
    if missing {
        let held = shards.iter().map(|(at, held)| (*at, held.shard.data()));
        code.restore(place, held, &mut originals);
    }
    Bytes::from(originals)
}
