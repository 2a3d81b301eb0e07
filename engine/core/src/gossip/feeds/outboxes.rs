//! [`Outboxes`]: what waits for each peer of this shard, and how much that is together.

use std::collections::BTreeMap;

use crate::gossip::outbox::Outbox;
use crate::peer::PeerKey;

/// The outboxes of a shard's peers.
#[derive(Debug, Default)]
pub(super) struct Outboxes {
    outboxes: BTreeMap<PeerKey, Outbox>,
    /// Bytes of bodies in all of them: asked for with each body that is sent.
    bodies_bytes: usize,
}

impl Outboxes {
    /// A peer takes part.
    pub(super) fn insert(&mut self, peer: PeerKey, outbox: Outbox) {
        debug_assert!(outbox.is_empty(), "it counts from now on");
        self.outboxes.insert(peer, outbox);
    }

    /// A peer is gone. Returns whether it took part.
    pub(super) fn remove(&mut self, peer: PeerKey) -> bool {
        let outbox = self.outboxes.remove(&peer);
        self.bodies_bytes -= outbox.as_ref().map_or(0, Outbox::bodies_bytes);
        outbox.is_some()
    }

    /// The outbox of a peer.
    pub(super) fn get(&self, peer: PeerKey) -> Option<&Outbox> {
        self.outboxes.get(&peer)
    }

    /// Does something with the outbox of a peer, if it takes part.
    pub(super) fn with<T>(
        &mut self,
        peer: PeerKey,
        act: impl FnOnce(&mut Outbox) -> T,
    ) -> Option<T> {
        let outbox = self.outboxes.get_mut(&peer)?;
        let before = outbox.bodies_bytes();
        let done = act(outbox);
        self.bodies_bytes = self.bodies_bytes - before + outbox.bodies_bytes();
        Some(done)
    }

    /// The peer for which the most bytes of bodies wait.
    pub(super) fn slowest(&self) -> Option<PeerKey> {
        let by_bytes = |(_, outbox): &(&PeerKey, &Outbox)| outbox.bodies_bytes();
        self.outboxes
            .iter()
            .max_by_key(by_bytes)
            .map(|(peer, _)| *peer)
    }

    /// How many peers there are for which something waits.
    pub(super) fn behind(&self) -> usize {
        let outboxes = self.outboxes.values();
        outboxes.filter(|outbox| !outbox.is_empty()).count()
    }

    /// The peers that take part.
    pub(super) fn peers(&self) -> impl Iterator<Item = PeerKey> {
        self.outboxes.keys().copied()
    }

    /// Bytes of bodies that wait for all.
    pub(super) fn bodies_bytes(&self) -> usize {
        self.bodies_bytes
    }
}
