//! The links of a shard, and which of them are peers (the reference's PeerSet).
//!
//! A key is a place in the table with a generation, so word about a link that is gone finds
//! nobody, even when its place was given away again. An id is listed from the moment its peer is
//! about to be added until the link is forgotten, and only once.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ringwire_codec::NodeId;

use crate::peer::{Direction, PeerKey};
use crate::switch::io::{LinkId, ReadMode, Transmit};
use crate::switch::links::link::{Link, Peer, Stage};
use crate::switch::message::AttemptId;
use crate::switch::timers::Entries;

/// The links of a shard. Keys are given with a generation, so a stale one finds nobody.
#[derive(Default)]
pub(crate) struct Links {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_id: BTreeMap<LinkId, PeerKey>,
    /// Links that are peers, by their authenticated id.
    peers: BTreeMap<NodeId, PeerKey>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    link: Option<Link>,
}

impl Links {
    /// Adds a link; it starts paused and idle, as the shell hands it over.
    pub(crate) fn insert(
        &mut self,
        id: LinkId,
        remote: SocketAddr,
        direction: Direction,
        attempt: Option<AttemptId>,
        stage: impl FnOnce(PeerKey) -> Stage,
    ) -> PeerKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("fewer sockets than u32 can count")
        });
        let slot = &mut self.slots[index as usize];
        let key = PeerKey {
            index,
            generation: slot.generation,
        };
        slot.link = Some(Link {
            id,
            key,
            remote,
            direction,
            attempt,
            stage: stage(key),
            read: ReadMode::Pause,
            sending: false,
            unsent: Transmit::new(),
            ended: None,
            dirty: false,
            timers: Entries::default(),
        });
        self.by_id.insert(id, key);
        key
    }

    /// Forgets a link; its key finds nobody from now on.
    pub(crate) fn remove(&mut self, key: PeerKey) -> Option<Link> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let link = slot.link.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        self.by_id.remove(&link.id);
        if let Some(peer) = link.peer() {
            self.peers.remove(&peer.info.id);
        }
        Some(link)
    }

    /// Makes a link findable as the peer it has become.
    pub(crate) fn insert_peer(&mut self, id: NodeId, key: PeerKey) {
        let former = self.peers.insert(id, key);
        assert!(
            former.is_none(),
            "the coordinator gives an id one ticket at a time"
        );
    }

    pub(crate) fn key_of(&self, id: LinkId) -> Option<PeerKey> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn key_of_peer(&self, id: &NodeId) -> Option<PeerKey> {
        self.peers.get(id).copied()
    }

    pub(crate) fn get(&self, key: PeerKey) -> Option<&Link> {
        let slot = self.slots.get(key.index as usize)?;
        slot.link.as_ref().filter(|link| link.key == key)
    }

    pub(crate) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Link> {
        let slot = self.slots.get_mut(key.index as usize)?;
        slot.link.as_mut().filter(|link| link.key == key)
    }

    pub(crate) fn peer(&self, key: PeerKey) -> Option<&Peer> {
        self.get(key)?.peer()
    }

    pub(crate) fn peer_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.get_mut(key)?.peer_mut()
    }

    /// Keys of all peers, by ascending id.
    pub(crate) fn peer_keys(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.peers.values().copied()
    }

    /// Peers now.
    pub(crate) fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// Places for links: as many as there ever were at a time.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// Keys of all links, by ascending link id.
    pub(crate) fn keys(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.by_id.values().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Links that are not peers (yet).
    pub(crate) fn upgrading_count(&self) -> usize {
        let is_one = |key: &PeerKey| {
            self.get(*key)
                .is_some_and(|link| link.peer().is_none() && !link.is_parting())
        };
        self.keys().filter(is_one).count()
    }
}
