//! Messages to peers: queued at once, waiting for room, and what the gauges show of it.
//!
//! ```text
//!   shell: room reserved at the gauge ──▶ Command::Send ──▶ queued, or waiting in order
//!                ▲                                                     │ touched
//!                └──────────── QueueGauge: the queue's fill ◀──────────┘
//! ```
//!
//! Sends that wait keep the order in which they came, per channel: a send never overtakes an earlier
//! one, even when room appears between the two. Each is answered exactly once: queued, too late, or
//! closed.

use std::collections::VecDeque;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};

use crate::buffer::memory_cost;
use crate::error::{SendError, TrySendError};
use crate::peer::PeerKey;
use crate::switch::core::Core;
use crate::switch::io::{QueueGauge, Reply};
use crate::switch::links::table::Links;
use crate::switch::peer::peer::Peer;
use crate::switch::peer::queues::WaitingSend;
use crate::switch::peer::send_budget::SendBudget;
use crate::time::Instant;

/// Sends that may wait for room at one peer; one more is answered `Full`. A send that nobody waits
/// for was accepted already, with room held in the queue; it is never refused here, and there are
/// never more of them than the queues hold.
pub const WAITING_SENDS_MAX: usize = 1024;

/// What became of messages that were offered for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// All that was offered is queued.
    Taken,
    /// The peer's queue is full; the rest was not asked for.
    Full,
    /// There is no such peer, or it takes no more. Nothing was asked for.
    Gone,
}

/// What a shard's peers have in common as receivers.
pub(crate) struct Sends {
    budget: SendBudget,
    /// Gauges that the shell has to look at, each once.
    gauges: VecDeque<(PeerKey, ChannelId)>,
}

impl Sends {
    /// Nothing is queued; the budget has so many bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Sends {
            budget: SendBudget::new(budget),
            gauges: VecDeque::new(),
        }
    }

    /// Bytes queued for all peers.
    pub(crate) fn queued(&self) -> usize {
        self.budget.queued()
    }

    /// Gauges that the shell has not looked at.
    pub(crate) fn gauges_len(&self) -> usize {
        self.gauges.len()
    }

    /// Queues a message for a peer of this shard, or says why not.
    pub(crate) fn try_send(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        key: PeerKey,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), TrySendError> {
        let Some(number) = core.channels().number(channel) else {
            return Err(TrySendError::UnknownChannel(channel));
        };
        let peers = links.peer_count();
        let Some(peer) = links.peer_mut(key) else {
            return Err(TrySendError::NotConnected(message));
        };
        if !peer.info().has_channel(channel) {
            return Err(TrySendError::PeerLacksChannel(channel));
        }
        let (now, len) = (core.now(), message.len());
        let sent = match self.budget.has_room(peer.queues().queued(), peers) {
            true => self.queue(now, peer, channel, message),
            false => Err(TrySendError::Full(message)),
        };
        match &sent {
            Ok(()) => {
                self.note_queued(core, peer, (key, number, channel), (1, len as u64));
                links.mark(key);
            }
            Err(TrySendError::Full(_)) => {
                core.count().channels[number].full += 1;
                peer.queues_mut().starve(number);
            }
            Err(_) => {}
        }
        sent
    }

    /// Queues a message at a peer, and counts what it costs to keep it.
    #[inline]
    fn queue(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), TrySendError> {
        let cost = memory_cost(message.len());
        peer.try_send(now, channel, message)?;
        let former = peer.queues_mut().queued_mut();
        let queued = *former + cost;
        self.budget.update(former, queued);
        Ok(())
    }

    /// So many messages, of so many bytes together, were queued at a peer.
    #[inline]
    fn note_queued(
        &mut self,
        core: &mut Core,
        peer: &mut Peer,
        (key, number, channel): (PeerKey, usize, ChannelId),
        (messages, bytes): (u64, u64),
    ) {
        let counters = &mut core.count().channels[number];
        counters.sent_messages += messages;
        counters.sent_bytes += bytes;
        self.touch(peer, key, number, channel);
    }

    /// Queues messages from `next` for a peer as long as there is room: each is asked for only when it
    /// has a place. A send that waits already is not overtaken.
    pub(crate) fn take_offered(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        (peer, channel): (NodeId, ChannelId),
        mut next: impl FnMut() -> Option<Bytes>,
    ) -> Offered {
        let (now, peers) = (core.now(), links.peer_count());
        let key = links.key_of_peer(&peer).filter(|_| !core.is_stopping());
        let peer = key.and_then(|key| Some((key, links.peer_mut(key)?)));
        let number = core.channels().number(channel);
        let (Some((key, peer)), Some(number)) = (peer, number) else {
            return Offered::Gone;
        };
        if peer.is_closing() || !peer.info().has_channel(channel) {
            return Offered::Gone;
        }
        if peer.queues().waits_on(channel) {
            return Offered::Full;
        }
        // What is the same for all of them is looked up and told once.
        let (mut messages, mut bytes) = (0, 0);
        let offered = loop {
            let has_room = self.budget.has_room(peer.queues().queued(), peers);
            if !has_room || !peer.can_send(channel) {
                break Offered::Full;
            }
            let Some(message) = next() else {
                break Offered::Taken;
            };
            let len = message.len() as u64;
            match self.queue(now, peer, channel, message) {
                Ok(()) => (messages, bytes) = (messages + 1, bytes + len),
                Err(error) => debug_assert!(false, "there was room: {error:?}"),
            }
        };
        if messages > 0 {
            self.note_queued(core, peer, (key, number, channel), (messages, bytes));
            links.mark(key);
        }
        offered
    }

    /// Queues a message for every peer of this shard that has the channel and room for it.
    /// Returns how many took it.
    pub(crate) fn broadcast_here(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        channel: ChannelId,
        message: &Bytes,
    ) -> usize {
        let keys: Vec<_> = links.peer_keys().collect();
        let mut took = |key| {
            let sent = self.try_send(core, links, key, channel, message.clone());
            sent.is_ok()
        };
        keys.into_iter().map(|key| usize::from(took(key))).sum()
    }

    /// Whether a peer's queue of a channel takes another message.
    pub(crate) fn can_send(&self, links: &Links, key: PeerKey, channel: ChannelId) -> bool {
        links.peer(key).is_some_and(|peer| {
            peer.can_send(channel)
                && self
                    .budget
                    .has_room(peer.queues().queued(), links.peer_count())
        })
    }

    /// Counts what is still queued for a peer, after a write.
    #[inline]
    pub(crate) fn count_queued(&mut self, peer: &mut Peer) {
        peer.count_queued(|former, now| self.budget.update(former, now));
    }

    /// A peer is gone: answers the sends that wait for it.
    pub(crate) fn forget(&mut self, core: &mut Core, peer: &mut Peer) {
        for send in peer.queues_mut().take_all_waiting() {
            if let Some(token) = send.token {
                core.reply(token, Reply::Send(Err(SendError::Closed)));
            }
        }
        self.budget.forget(peer.queues().queued());
    }

    // ---- sends that wait --------------------------------------------------------------------

    /// Queues a message now or lets it wait for room.
    pub(crate) fn send_or_wait(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        key: PeerKey,
        send: WaitingSend,
    ) {
        let WaitingSend {
            channel,
            message,
            deadline,
            token,
        } = send;
        let Some(peer) = links.peer(key) else {
            return;
        };
        let is_crowded = peer.queues().waiting_len() >= WAITING_SENDS_MAX;
        let outcome = if peer.queues().waits_on(channel) {
            Err(TrySendError::Full(message))
        } else {
            self.try_send(core, links, key, channel, message)
        };
        let outcome = match outcome {
            Err(TrySendError::Full(message)) if !is_crowded || token.is_none() => {
                let send = WaitingSend {
                    channel,
                    message,
                    deadline,
                    token,
                };
                return self.let_wait(core, links, key, send);
            }
            outcome => outcome,
        };
        if let Some(token) = token {
            core.reply(token, Reply::Send(outcome.map_err(SendError::Refused)));
        }
    }

    fn let_wait(&mut self, core: &mut Core, links: &mut Links, key: PeerKey, send: WaitingSend) {
        let channel = send.channel;
        let Some(peer) = links.peer_mut(key) else {
            return;
        };
        peer.queues_mut().push_waiting(send);
        if let Some(number) = core.channels().number(channel) {
            self.touch(peer, key, number, channel);
        }
        links.schedule(core, key);
    }

    /// Queues the sends that wait, in order within each channel, as far as there is room.
    pub(crate) fn send_waiting(&mut self, core: &mut Core, links: &mut Links, key: PeerKey) {
        let mut place = 0;
        // The channels without room, a bit each: what waits behind them waits on.
        let mut full: u16 = 0;
        while let Some(channel) = links
            .peer(key)
            .and_then(|peer| peer.queues().waiting_at(place))
        {
            let number = core.channels().number(channel);
            let bit = 1 << number.expect("a send waits only on a registered channel");
            if full & bit != 0 || !self.can_send(links, key, channel) {
                full |= bit;
                place += 1;
                continue;
            }
            let queues = links.peer_mut(key).map(Peer::queues_mut);
            let send = queues.and_then(|queues| queues.take_waiting(place));
            let send = send.expect("looked at above");
            let outcome = self.try_send(core, links, key, channel, send.message);
            if let Some(token) = send.token {
                core.reply(token, Reply::Send(outcome.map_err(SendError::Refused)));
            }
        }
    }

    // ---- gauges -----------------------------------------------------------------------------

    /// Makes the shell look at a queue's fill, once until it has looked.
    #[inline]
    fn touch(&mut self, peer: &mut Peer, key: PeerKey, number: usize, channel: ChannelId) {
        if peer.queues_mut().touch(number) {
            self.gauges.push_back((key, channel));
        }
    }

    /// Touches every queue whose fill is not what its gauge last showed.
    pub(crate) fn touch_changed(&mut self, core: &Core, links: &mut Links, key: PeerKey) {
        let Some(peer) = links.peer_mut(key) else {
            return;
        };
        for (number, descriptor) in core.channels().descriptors().iter().enumerate() {
            let (channel, capacity) = (descriptor.id, descriptor.send_queue_capacity);
            if peer.fill(channel, capacity) != peer.queues().gauged(number) {
                self.touch(peer, key, number, channel);
            }
        }
    }

    /// The next queue whose fill changed.
    pub(crate) fn poll_gauge(&mut self, core: &Core, links: &mut Links) -> Option<QueueGauge> {
        while let Some((key, channel)) = self.gauges.pop_front() {
            let number = core
                .channels()
                .number(channel)
                .expect("gauges are of registered channels");
            let Some(peer) = links.peer_mut(key) else {
                continue;
            };
            let capacity = core.channels().descriptors()[number].send_queue_capacity;
            let queued = peer.fill(channel, capacity);
            if peer.queues_mut().show(number, queued) {
                return Some(QueueGauge {
                    peer: key,
                    channel,
                    queued,
                });
            }
        }
        None
    }
}

/// Answers the sends that have waited too long.
pub(crate) fn expire_waiting(core: &mut Core, peer: &mut Peer) {
    for send in peer.queues_mut().take_late(core.now()) {
        if let Some(token) = send.token {
            core.reply(token, Reply::Send(Err(SendError::Timeout(send.message))));
        }
    }
}
