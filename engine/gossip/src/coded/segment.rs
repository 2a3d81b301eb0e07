//! [`CodedSegment`]: all shards of a segment, ready to be sent.

use bytes::Bytes;

use super::code::Code;
use super::fault::Fault;
use super::layout::SegmentLayout;
use super::manifest::ManifestId;
use super::merkle::{Hash, Tree, leaf};
use super::shard::Shard;

/// The originals and repairs of a segment and the tree over them.
pub(super) struct Coded {
    layout: SegmentLayout,
    originals: Bytes,
    repairs: Bytes,
    tree: Tree,
}

impl Coded {
    /// Encodes a segment: `originals` has its bytes, padding included.
    pub(super) fn new(code: &mut Code, layout: SegmentLayout, originals: Bytes) -> Self {
        assert_eq!(originals.len(), layout.bytes(), "whole originals");
        let shards = originals.chunks_exact(layout.shard_bytes());
        let repairs = code.repair(&layout, shards.clone());
        let leaves = shards.chain(repairs.chunks_exact(layout.shard_bytes()));
        let tree = Tree::new(leaves.map(leaf).collect());
        Coded {
            layout,
            originals,
            repairs,
            tree,
        }
    }

    pub(super) fn root(&self) -> Hash {
        self.tree.root()
    }

    fn data(&self, index: u16) -> &[u8] {
        let bytes = self.layout.shard_bytes();
        let (half, at) = match index.checked_sub(self.layout.originals()) {
            None => (&self.originals, index),
            Some(repair) => (&self.repairs, repair),
        };
        let at = usize::from(at) * bytes;
        &half[at..at + bytes]
    }
}

/// All shards of a segment. It holds twice the segment's bytes.
pub struct CodedSegment {
    manifest: ManifestId,
    coded: Coded,
    /// The hashes from the segment's root to the manifest's.
    above: Vec<Hash>,
}

impl CodedSegment {
    pub(super) fn new(manifest: ManifestId, coded: Coded, above: Vec<Hash>) -> Self {
        CodedSegment {
            manifest,
            coded,
            above,
        }
    }

    /// Which segment, and how many shards it has.
    pub fn layout(&self) -> SegmentLayout {
        self.coded.layout
    }

    /// The manifest it belongs to.
    pub fn manifest(&self) -> ManifestId {
        self.manifest
    }

    /// One shard with its proof. This copies the shard.
    ///
    /// # Errors
    /// [`Fault::Index`]: there is none of that number.
    pub fn shard(&self, index: u16) -> Result<Shard, Fault> {
        self.layout().check_index(index)?;
        let below = self.coded.tree.path(usize::from(index));
        Ok(Shard::new(
            self.manifest,
            self.layout().index(),
            index,
            below.chain(&self.above),
            self.coded.data(index),
        ))
    }
}

impl std::fmt::Debug for CodedSegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodedSegment")
            .field("manifest", &self.manifest)
            .field("layout", &self.layout())
            .finish_non_exhaustive()
    }
}
