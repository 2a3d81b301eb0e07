//! [`Neighbours`]: which peer of which shard has which slot in the conversation.

use std::collections::BTreeMap;

use ringwire_codec::NodeId;
use ringwire_gossip::feeds::Slot;

use crate::gossip::link::Link;

/// The peers that take part, both ways round.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    by_link: BTreeMap<Link, Slot>,
    by_slot: Vec<Option<(Link, NodeId)>>,
}

impl Neighbours {
    /// A peer got a slot.
    pub(super) fn insert(&mut self, link: Link, id: NodeId, slot: Slot) {
        let len = self.by_slot.len().max(slot.index() + 1);
        self.by_slot.resize(len, None);
        self.by_slot[slot.index()] = Some((link, id));
        self.by_link.insert(link, slot);
    }

    /// A peer is gone. Returns the slot that it had.
    pub(super) fn remove(&mut self, link: Link) -> Option<Slot> {
        let slot = self.by_link.remove(&link)?;
        self.by_slot[slot.index()] = None;
        Some(slot)
    }

    /// The peer's slot.
    pub(super) fn slot(&self, link: Link) -> Option<Slot> {
        self.by_link.get(&link).copied()
    }

    /// Who has the slot.
    pub(super) fn at(&self, slot: Slot) -> Option<(Link, NodeId)> {
        self.by_slot.get(slot.index()).copied().flatten()
    }
}
