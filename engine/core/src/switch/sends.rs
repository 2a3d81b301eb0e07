//! Sends of the application that wait for room in a peer's queue.
//!
//! They wait in the order in which they came, per channel: a send never overtakes an earlier one,
//! even when room appears between the two. Each is answered exactly once: queued, too late, or
//! closed.

use std::collections::VecDeque;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};

use super::core::Core;
use super::io::Reply;
use super::link::WaitingSend;
use crate::error::{SendError, TrySendError};
use crate::peer::PeerKey;

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

impl Core {
    /// Queues messages from `next` for a peer as long as there is room: each is asked for only when it
    /// has a place. A send that waits already is not overtaken.
    pub(super) fn take_offered(
        &mut self,
        peer: NodeId,
        channel: ChannelId,
        mut next: impl FnMut() -> Option<Bytes>,
    ) -> Offered {
        let key = self.links.key_of_peer(&peer).filter(|_| !self.stopping);
        let Some((key, peer)) = key.and_then(|key| Some((key, self.links.peer(key)?))) else {
            return Offered::Gone;
        };
        if peer.closing.is_some() || !peer.info.has_channel(channel) {
            return Offered::Gone;
        }
        if peer.waiting.iter().any(|send| send.channel == channel) {
            return Offered::Full;
        }
        while self.can_send(key, channel) {
            let Some(message) = next() else {
                return Offered::Taken;
            };
            let sent = self.try_send(key, channel, message);
            debug_assert!(sent.is_ok(), "there was room: {sent:?}");
        }
        Offered::Full
    }

    /// Queues the sends that wait, in order within each channel, as far as there is room.
    pub(super) fn send_waiting(&mut self, key: PeerKey) {
        let mut place = 0;
        // The channels without room, a bit each: what waits behind them waits on.
        let mut full: u16 = 0;
        loop {
            let Some(peer) = self.links.peer(key) else {
                return;
            };
            let Some(send) = peer.waiting.get(place) else {
                return;
            };
            let channel = send.channel;
            let number = self.channels.number(channel);
            let bit = 1 << number.expect("a send waits only on a registered channel");
            if full & bit != 0 || !self.can_send(key, channel) {
                full |= bit;
                place += 1;
                continue;
            }
            let peer = self.links.peer_mut(key).expect("just seen");
            let send = peer.waiting.remove(place).expect("looked at above");
            let outcome = self.try_send(key, channel, send.message);
            if let Some(token) = send.token {
                self.reply(token, Reply::Send(outcome.map_err(SendError::Refused)));
            }
        }
    }

    /// Answers the sends that have waited too long.
    pub(super) fn expire_waiting(&mut self, key: PeerKey) {
        let now = self.now;
        let Some(peer) = self.links.peer_mut(key) else {
            return;
        };
        let is_late = |send: &WaitingSend| send.deadline.is_some_and(|at| at <= now);
        let (late, waiting): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut peer.waiting)
            .into_iter()
            .partition(is_late);
        peer.waiting = waiting;
        for send in late {
            if let Some(token) = send.token {
                self.reply(token, Reply::Send(Err(SendError::Timeout(send.message))));
            }
        }
    }

    /// Queues a message now or lets it wait for room.
    pub(super) fn send_or_wait(&mut self, key: PeerKey, send: WaitingSend) {
        let WaitingSend {
            channel,
            message,
            deadline,
            token,
        } = send;
        let Some(peer) = self.links.peer(key) else {
            return;
        };
        let queue_behind = peer
            .waiting
            .iter()
            .any(|waiting| waiting.channel == channel);
        let is_crowded = peer.waiting.len() >= WAITING_SENDS_MAX;
        let outcome = if queue_behind {
            Err(TrySendError::Full(message))
        } else {
            self.try_send(key, channel, message)
        };
        let outcome = match outcome {
            Err(TrySendError::Full(message)) if !is_crowded || token.is_none() => {
                let send = WaitingSend {
                    channel,
                    message,
                    deadline,
                    token,
                };
                let peer = self.links.peer_mut(key).expect("found above");
                peer.waiting.push_back(send);
                if let Some(number) = self.channels.number(channel) {
                    self.touch(key, number);
                }
                return self.schedule(key);
            }
            outcome => outcome,
        };
        if let Some(token) = token {
            self.reply(token, Reply::Send(outcome.map_err(SendError::Refused)));
        }
    }
}
