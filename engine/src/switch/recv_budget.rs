//! The received bytes that a shard holds for all its peers together, and who is read while they are
//! many.
//!
//! A channel bounds its messages, a connection what it reads ahead. Times the peers that is more
//! than any machine has: each may begin a message of 21 MiB on each channel and send no more. So
//! what is held (unread, half gathered, whole and not pulled) has a budget, and each shard an equal
//! part of the node's, because shards share nothing.
//!
//! ```text
//!   held by all:  0 ──────────────── half ──────────────── budget
//!                 everybody is read    │  who holds less than its share is read,
//!                                      │  and of the others one, the favoured
//!   share of one peer = half ÷ peers, so all shares together fill the other half
//! ```
//!
//! * Nobody who sends small messages notices peers that hold much: a share is always there.
//! * Nothing stands still for ever: when somebody waits, the one that holds most is *favoured*, and
//!   read until it has finished a message. If it has not within [`FAVOUR_SPAN`] while others wait,
//!   it is closed by name, its memory is free, and it is the next one's turn. Peers whose whole
//!   messages wait for us are never favoured: it is not they who hold things up.
//! * The budget is overrun by what one turn of the ring receives, by the growth of gather buffers,
//!   which double, and by the favoured message.

use std::collections::BTreeSet;
use std::time::Duration;

use super::core::Core;
use super::io::ReadMode;
use super::switch::Switch;
use super::timers::Timer;
use crate::conn::ConnError;
use crate::error::CloseReason;
use crate::peer::PeerKey;
use crate::time::Instant;

/// How long the favoured peer has to finish a message: twice what the longest one takes at the
/// default rate.
pub(super) const FAVOUR_SPAN: Duration = Duration::from_secs(10);

/// The budget of one shard.
#[derive(Debug)]
pub(super) struct RecvBudget {
    /// Bytes held from which only shares are given.
    half: usize,
    /// Bytes held now, by all peers.
    held: usize,
    /// Peers that would be read if they held less.
    waiting: BTreeSet<PeerKey>,
    favoured: Option<Favour>,
    /// Whether somebody began to wait since the last choice.
    has_news: bool,
}

/// The peer that is read although it holds more than its share.
#[derive(Clone, Copy, Debug)]
struct Favour {
    peer: PeerKey,
    until: Instant,
    /// Messages that had come from it when it was chosen.
    received_messages: u64,
}

impl RecvBudget {
    /// A budget of so many bytes, nothing of it used.
    pub(super) fn new(budget: usize) -> Self {
        RecvBudget {
            half: budget / 2,
            held: 0,
            waiting: BTreeSet::new(),
            favoured: None,
            has_news: false,
        }
    }

    /// Bytes held now.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Peers that are not read because of what they hold.
    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// A peer holds `now`; it held `former` when it was last looked at.
    fn update(&mut self, former: &mut usize, now: usize) {
        self.held = self.held - *former + now;
        *former = now;
    }

    /// A peer is gone.
    pub(super) fn forget(&mut self, peer: PeerKey, held: usize) {
        self.held -= held;
        self.waiting.remove(&peer);
        let was_favoured = self.favoured.take_if(|favoured| favoured.peer == peer);
        self.has_news |= was_favoured.is_some();
    }

    fn is_full(&self) -> bool {
        self.held >= self.half
    }

    /// What each of so many peers may hold in any case. The last byte of it is there for everybody.
    fn share(&self, peers: usize) -> usize {
        (self.half / peers.max(1)).max(1)
    }

    fn may_read(&self, peer: PeerKey, held: usize, peers: usize) -> bool {
        let is_favoured = || self.favoured.is_some_and(|favoured| favoured.peer == peer);
        !self.is_full() || held < self.share(peers) || is_favoured()
    }

    fn hold_back(&mut self, peer: PeerKey) {
        self.has_news |= self.waiting.insert(peer);
    }
}

impl Core {
    /// Tells the shell whether to read a peer: it has room itself, and the budget lets it.
    pub(super) fn read_as_wanted(&mut self, key: PeerKey) {
        let peers = self.links.peer_count();
        let (now, budget) = (self.now, &mut self.recv_budget);
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let has_ended = link.ended.is_some();
        let Some(peer) = link.peer_mut() else { return };
        budget.update(&mut peer.held, peer.conn.held_bytes());
        let wants_read = !has_ended && peer.conn.wants_read(now);
        let may_read = budget.may_read(key, peer.held, peers);
        if wants_read && !may_read {
            budget.hold_back(key);
            peer.conn.note_held_back(now);
        } else {
            budget.waiting.remove(&key);
        }
        let mode = match wants_read && may_read {
            true => ReadMode::Stream,
            false => ReadMode::Pause,
        };
        self.set_read(key, mode);
    }

    /// Lets those who wait be read again once there is room; else chooses whom to favour. Once per
    /// turn; costs nothing while nobody waits.
    pub(super) fn balance_reading(&mut self) {
        if self.recv_budget.waiting.is_empty() && self.recv_budget.favoured.is_none() {
            return;
        }
        if !self.recv_budget.is_full() {
            self.recv_budget.favoured = None;
            let waiting = std::mem::take(&mut self.recv_budget.waiting);
            return waiting.into_iter().for_each(|key| self.mark(key));
        }
        if let Some(favoured) = self.recv_budget.favoured
            && !self.is_unfinished(favoured)
        {
            self.recv_budget.favoured = None;
            self.recv_budget.has_news = true;
            // It takes its place among the others.
            self.mark(favoured.peer);
        }
        if self.recv_budget.favoured.is_none() && std::mem::take(&mut self.recv_budget.has_news) {
            self.choose_favoured();
        }
    }

    /// Favours the peer that holds most, of those that have nothing whole for us to pull. Whoever
    /// sends nothing does not wait either, so all peers are looked at.
    fn choose_favoured(&mut self) {
        let share = self.recv_budget.share(self.links.peer_count());
        let held_by = |key: PeerKey| {
            let peer = self.links.peer(key)?;
            (peer.held >= share && !peer.conn.has_ready()).then(|| {
                let received_messages = peer.conn.counters().received_messages;
                (peer.held, key, received_messages)
            })
        };
        let most = self.links.peer_keys().filter_map(held_by).max();
        if let Some((_, peer, received_messages)) = most {
            self.favour(peer, received_messages);
        }
    }

    fn favour(&mut self, peer: PeerKey, received_messages: u64) {
        let until = self.now + FAVOUR_SPAN;
        self.recv_budget.favoured = Some(Favour {
            peer,
            until,
            received_messages,
        });
        self.timers.set(until, Timer::Favour);
        self.mark(peer);
    }

    /// Whether the favoured peer has yet to finish the message it was favoured for.
    fn is_unfinished(&self, favoured: Favour) -> bool {
        let peers = self.links.peer_count();
        self.links.peer(favoured.peer).is_some_and(|peer| {
            peer.held >= self.recv_budget.share(peers)
                && peer.conn.counters().received_messages == favoured.received_messages
                && !peer.conn.has_ready()
        })
    }
}

impl Switch {
    /// The time of the favoured peer may be up.
    pub(super) fn handle_favour_timeout(&mut self) {
        let core = &mut self.core;
        let due = |favoured: &mut Favour| favoured.until <= core.now;
        let Some(favoured) = core.recv_budget.favoured.take_if(due) else {
            return;
        };
        core.recv_budget.has_news = true;
        if !core.is_unfinished(favoured) {
            return core.mark(favoured.peer);
        }
        if core.recv_budget.waiting.is_empty() {
            return core.favour(favoured.peer, favoured.received_messages);
        }
        let share = core.recv_budget.share(core.links.peer_count());
        let held = core.links.peer(favoured.peer).map_or(0, |peer| peer.held);
        let error = ConnError::HoldsTooMuch {
            held,
            share,
            within: FAVOUR_SPAN,
        };
        self.close_peer(favoured.peer, CloseReason::Connection(error));
    }
}

#[cfg(test)]
#[path = "recv_budget_tests.rs"]
mod tests;
