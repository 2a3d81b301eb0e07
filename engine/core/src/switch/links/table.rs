//! The links of a shard, and which of them are peers (the reference's PeerSet).
//!
//! A key is a place in the table with a generation, so word about a link that is gone finds
//! nobody, even when its place was given away again. An id is listed from the moment its peer is
//! about to be added until the link is forgotten, and only once.
//!
//! Who wants a turn is known here as well, in two queues, and what a turn has sealed so far. Links in
//! their handshake have a queue of their own, because they get a lower share of each turn.
//!
//! A link that is to be closed while a transmit is in flight stays for a moment without being
//! anybody's:
//!
//! ```text
//!   decided ─┬─ nothing in flight ─────────────────────────▶ Transmit(goodbye), Close
//!            └─ in flight ─▶ Parting ─┬─ it has ended ──────▶ Transmit(goodbye), Close
//!                                     └─ lost, or too slow ─▶ Close
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use ringwire_codec::NodeId;

use crate::error::CloseReason;
use crate::peer::PeerKey;
use crate::switch::core::Core;
use crate::switch::io::{LinkId, Output, ReadMode, Transmit};
use crate::switch::links::link::{Link, Names, Stage};
use crate::switch::peer::peer::Peer;
use crate::switch::timers::Timer;
use crate::time::Instant;

/// How long a link that is nobody's any more waits for its transmit in flight. Longer than a round
/// trip around the world; a remote that does not read holds its socket no longer than that.
const PARTING_MAX: Duration = Duration::from_secs(1);

/// The links of a shard. Keys are given with a generation, so a stale one finds nobody.
#[derive(Default)]
pub(crate) struct Links {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_id: BTreeMap<LinkId, PeerKey>,
    /// Links that are peers, by their authenticated id.
    peers: BTreeMap<NodeId, PeerKey>,
    /// Links that are nobody's any more and wait for their last word to go out.
    parting_count: usize,
    /// Links that want their turn in `run`, each once; see [`Link::is_past_handshake`].
    ready: VecDeque<PeerKey>,
    /// The same for links in their handshake.
    shaking: VecDeque<PeerKey>,
    /// Bytes handed to the shell since the turn began.
    turn_bytes: usize,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    link: Option<Link>,
}

impl Slot {
    fn get_mut(&mut self, key: PeerKey) -> Option<&mut Link> {
        self.link.as_mut().filter(|link| link.key() == key)
    }
}

// ---- who is there ---------------------------------------------------------------------------

impl Links {
    /// Adds a link; it starts paused and idle, as the shell hands it over.
    pub(crate) fn insert(&mut self, names: Names, stage: Stage) -> PeerKey {
        self.insert_with(|key| Link::new(names, key, stage))
    }

    fn insert_with(&mut self, link: impl FnOnce(PeerKey) -> Link) -> PeerKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("fewer sockets than u32 can count")
        });
        let slot = &mut self.slots[index as usize];
        let key = PeerKey {
            index,
            generation: slot.generation,
        };
        let link = slot.link.insert(link(key));
        self.parting_count += usize::from(link.is_parting());
        self.by_id.insert(link.id(), key);
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
        self.parting_count -= usize::from(link.is_parting());
        self.by_id.remove(&link.id());
        if let Some(peer) = link.peer() {
            self.peers.remove(&peer.info().id);
        }
        Some(link)
    }

    /// Makes a link the peer it has become.
    pub(crate) fn establish(&mut self, key: PeerKey, peer: Box<Peer>) {
        let id = peer.info().id;
        let Some(link) = self.get_mut(key) else {
            return;
        };
        link.set_stage(Stage::Established(peer));
        let former = self.peers.insert(id, key);
        assert!(
            former.is_none(),
            "the coordinator gives an id one ticket at a time"
        );
    }

    #[inline]
    pub(crate) fn key_of(&self, id: LinkId) -> Option<PeerKey> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn key_of_peer(&self, id: &NodeId) -> Option<PeerKey> {
        self.peers.get(id).copied()
    }

    #[inline]
    pub(crate) fn get(&self, key: PeerKey) -> Option<&Link> {
        let slot = self.slots.get(key.index as usize)?;
        slot.link.as_ref().filter(|link| link.key() == key)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Link> {
        self.slots.get_mut(key.index as usize)?.get_mut(key)
    }

    #[inline]
    pub(crate) fn peer(&self, key: PeerKey) -> Option<&Peer> {
        self.get(key)?.peer()
    }

    #[inline]
    pub(crate) fn peer_mut(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.get_mut(key)?.peer_mut()
    }

    /// Keys of all peers, by ascending id.
    pub(crate) fn peer_keys(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.peers.values().copied()
    }

    /// At most `max` peers by ascending id, those behind `after`, or from the first on.
    pub(crate) fn peers_after(
        &self,
        after: Option<NodeId>,
        max: usize,
    ) -> impl Iterator<Item = &Peer> + '_ {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.peers.range((from, Bound::Unbounded)).take(max);
        keys.filter_map(|(_, key)| self.peer(*key))
    }

    /// Peers now.
    #[inline]
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

    /// Links that are not peers (yet). Asked with each look at the counters, so nothing is searched.
    pub(crate) fn upgrading_count(&self) -> usize {
        self.by_id.len() - self.peers.len() - self.parting_count
    }
}

// ---- whose turn it is -----------------------------------------------------------------------

impl Links {
    /// Gives a link a turn in `run`.
    #[inline]
    pub(crate) fn mark(&mut self, key: PeerKey) {
        let slot = self.slots.get_mut(key.index as usize);
        if let Some(link) = slot.and_then(|slot| slot.get_mut(key))
            && link.mark()
        {
            let queue = match link.is_past_handshake() {
                true => &mut self.ready,
                false => &mut self.shaking,
            };
            queue.push_back(key);
        }
    }

    /// Gives every peer a turn in `run`.
    pub(crate) fn mark_peers(&mut self) {
        for key in self.peers.values() {
            let slot = self.slots.get_mut(key.index as usize);
            if let Some(link) = slot.and_then(|slot| slot.get_mut(*key))
                && link.mark()
            {
                self.ready.push_back(*key);
            }
        }
    }

    /// A turn of the shard begins.
    pub(crate) fn begin_turn(&mut self) {
        self.turn_bytes = 0;
    }

    /// Bytes handed to the shell since the turn began.
    pub(crate) fn turn_bytes(&self) -> usize {
        self.turn_bytes
    }

    /// Links past their handshake that want a turn.
    pub(crate) fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// The next of them.
    pub(crate) fn next_ready(&mut self) -> Option<PeerKey> {
        self.ready.pop_front()
    }

    /// Links in their handshake that want a turn.
    pub(crate) fn shaking_len(&self) -> usize {
        self.shaking.len()
    }

    /// The next of them.
    pub(crate) fn next_shaking(&mut self) -> Option<PeerKey> {
        self.shaking.pop_front()
    }

    /// Puts the link's next deadline into the heap, unless an earlier entry will look after it.
    pub(crate) fn schedule(&mut self, core: &mut Core, key: PeerKey) {
        if let Some(want) = self.get_mut(key).and_then(Link::entry_wanted) {
            core.set_timer(want, Timer::Link(key));
        }
    }
}

// ---- reading, writing, closing --------------------------------------------------------------

impl Links {
    /// Tells the shell how to read a link, if that is news.
    #[inline]
    pub(crate) fn set_read(&mut self, core: &mut Core, key: PeerKey, mode: ReadMode) {
        let Some(link) = self.get_mut(key) else {
            return;
        };
        if link.set_read(mode) {
            let link = link.id();
            core.put_out(Output::Read { link, mode });
        }
    }

    /// Hands buffers to the shell. The caller has made sure that none are in flight.
    #[inline]
    pub(crate) fn transmit(&mut self, core: &mut Core, key: PeerKey, buffers: Transmit) {
        let Some(link) = self.get_mut(key) else {
            return;
        };
        link.begin_transmit();
        let link = link.id();
        let bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let counters = core.count();
        counters.writes += 1;
        counters.sent_bytes += bytes as u64;
        self.turn_bytes += bytes;
        core.put_out(Output::Transmit { link, buffers });
    }

    /// Sends what a handshake has to say, now or when the transmit in flight has ended.
    pub(crate) fn send_handshake(&mut self, core: &mut Core, key: PeerKey) {
        if let Some(link) = self.get_mut(key) {
            link.hear_handshake();
        }
        self.send_unsent(core, key);
    }

    /// Sends what waited for the transmit in flight to end.
    #[inline]
    pub(crate) fn send_unsent(&mut self, core: &mut Core, key: PeerKey) {
        if let Some(buffers) = self.get_mut(key).and_then(Link::take_sendable) {
            self.transmit(core, key, buffers);
        }
    }

    /// Begins to close a peer after what is queued has been sent, until `deadline`.
    pub(crate) fn close_gracefully(
        &mut self,
        key: PeerKey,
        reason: CloseReason,
        deadline: Instant,
    ) {
        if let Some(peer) = self.peer_mut(key) {
            peer.begin_closing(reason, deadline);
            self.mark(key);
        }
    }

    /// Begins to close every peer so.
    pub(crate) fn close_all_gracefully(&mut self, reason: &CloseReason, deadline: Instant) {
        let keys: Vec<_> = self.peer_keys().collect();
        for key in keys {
            self.close_gracefully(key, reason.clone(), deadline);
        }
    }

    /// Closes a link that was taken out of the table, after `last` was sent.
    pub(crate) fn part(&mut self, core: &mut Core, link: &Link, last: Transmit) {
        if last.is_empty() || link.ended().is_some() {
            return close(core, link.id());
        }
        let deadline = core.now() + PARTING_MAX;
        let key = self.insert_with(|key| link.parting(key, last, deadline));
        self.send_unsent(core, key);
        self.work_parting(core, key);
    }

    /// Closes a parting link whose last word is out, or never will be.
    pub(crate) fn work_parting(&mut self, core: &mut Core, key: PeerKey) {
        let Some(link) = self.get(key) else {
            return;
        };
        let is_late = link
            .next_at()
            .is_some_and(|deadline| deadline <= core.now());
        if !link.has_unsent() || link.ended().is_some() || is_late {
            self.close_parting(core, key);
        } else {
            self.schedule(core, key);
        }
    }

    /// Closes all parting links: the time of the node is over.
    pub(crate) fn close_all_parting(&mut self, core: &mut Core) {
        let keys: Vec<_> = self.keys().collect();
        for key in keys {
            if self.get(key).is_some_and(Link::is_parting) {
                self.close_parting(core, key);
            }
        }
    }

    fn close_parting(&mut self, core: &mut Core, key: PeerKey) {
        if let Some(link) = self.remove(key) {
            close(core, link.id());
        }
    }
}

/// Has the shell close a socket.
pub(crate) fn close(core: &mut Core, link: LinkId) {
    core.put_out(Output::Close { link });
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::peer::Direction;

    #[test]
    fn links_that_wait_for_their_last_word_are_no_handshakes() {
        let names = |id| Names {
            id: LinkId(id),
            remote: SocketAddr::from(([10, 0, 0, 1], 1)).into(),
            direction: Direction::Inbound,
            attempt: None,
        };
        let mut links = Links::default();
        let first = links.insert(names(1), Stage::Moving);
        let second = links.insert(names(2), Stage::Moving);
        assert_eq!(links.upgrading_count(), 2);
        let link = links.remove(first).expect("it is there");
        assert_eq!(links.upgrading_count(), 1);
        let parting = links.insert_with(|key| link.parting(key, Transmit::new(), Instant::ZERO));
        assert_eq!(links.upgrading_count(), 1);
        links.remove(second);
        assert_eq!((links.upgrading_count(), links.keys().count()), (0, 1));
        links.remove(parting);
        assert!(links.is_empty() && links.parting_count == 0);
    }
}
