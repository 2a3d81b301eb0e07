//! Sends of the application that wait for room in a peer's queue.
//!
//! They wait in the order in which they came, per channel: a send never overtakes an earlier one,
//! even when room appears between the two. Each is answered exactly once: queued, too late, or
//! closed.

use std::collections::VecDeque;

use crate::error::{SendError, TrySendError};
use crate::peer::PeerKey;
use crate::switch::core::Core;
use crate::switch::io::Reply;
use crate::switch::links::link::WaitingSend;

/// Sends that may wait for room at one peer; one more is answered `Full`. A send that nobody waits
/// for was accepted already, with room held in the queue; it is never refused here, and there are
/// never more of them than the queues hold.
pub const WAITING_SENDS_MAX: usize = 1024;

impl Core {
    /// Queues the sends that wait, in order within each channel, as far as there is room.
    pub(crate) fn send_waiting(&mut self, key: PeerKey) {
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
    pub(crate) fn expire_waiting(&mut self, key: PeerKey) {
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
    pub(crate) fn send_or_wait(&mut self, key: PeerKey, send: WaitingSend) {
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
