//! [`CodedSegment`]: all shards of a segment, ready to be sent.

use std::cell::OnceCell;

use bytes::{Bytes, BytesMut};

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
    /// The repair shards that are pushed, one behind the other. Every node sends them.
    pushed: Bytes,
    /// All repair shards, once one is asked for that is not pushed.
    repairs: OnceCell<Bytes>,
    tree: Tree,
}

impl Coded {
    /// Encodes a segment: `originals` has its bytes, padding included; `known` has the hashes of those that were checked when
    /// they came.
    pub(super) fn new(
        code: &mut Code,
        layout: SegmentLayout,
        originals: Bytes,
        known: impl Fn(u16) -> Option<Hash>,
    ) -> Self {
        assert_eq!(originals.len(), layout.bytes(), "whole originals");
        let shards = originals.chunks_exact(layout.shard_bytes());
        let numbered = (0..).zip(shards.clone());
        let leaves = numbered.map(|(index, shard)| known(index).unwrap_or_else(|| leaf(shard)));
        let mut leaves: Vec<_> = leaves.collect();
        let count = usize::from(layout.pushed() - layout.originals());
        let mut pushed = BytesMut::with_capacity(count * layout.shard_bytes());
        let repairs = code.repair(&layout, shards);
        for (at, repair) in repairs.recovery_iter().enumerate() {
            leaves.push(leaf(repair));
            if at < count {
                pushed.extend_from_slice(repair);
            }
        }
        drop(repairs);
        #[cfg(feature = "testing")]
        if code.is_wrong {
            pushed[0] ^= 1;
            leaves[usize::from(layout.originals())] = leaf(&pushed[..layout.shard_bytes()]);
        }
        Coded {
            layout,
            originals,
            pushed: pushed.freeze(),
            repairs: OnceCell::new(),
            tree: Tree::new(leaves),
        }
    }

    pub(super) fn root(&self) -> Hash {
        self.tree.root()
    }

    fn data(&self, index: u16) -> &[u8] {
        let bytes = self.layout.shard_bytes();
        let (shards, first) = if index < self.layout.originals() {
            (&self.originals, 0)
        } else if index < self.layout.pushed() {
            (&self.pushed, self.layout.originals())
        } else {
            let repairs = self.repairs.get_or_init(|| self.encode_again());
            (repairs, self.layout.originals())
        };
        let at = usize::from(index - first) * bytes;
        &shards[at..at + bytes]
    }

    /// All repair shards. Those that are not pushed are seldom asked for, so they are not kept before.
    fn encode_again(&self) -> Bytes {
        let shards = self.originals.chunks_exact(self.layout.shard_bytes());
        let mut repairs = BytesMut::with_capacity(self.layout.bytes());
        let mut code = Code::default();
        for repair in code.repair(&self.layout, shards).recovery_iter() {
            repairs.extend_from_slice(repair);
        }
        repairs.freeze()
    }
}

/// All shards of a segment. It holds the segment's bytes and those of the repair shards that are pushed; all repair shards, which are as
/// many bytes again, from when another one is asked for.
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
