//! How a peer ends: at once, after what is queued for it was sent, or by word of the coordinator.
//!
//! ```text
//!   close_gracefully ─▶ nobody has anything left ─▶ flush ─▶ last byte handed over ─┐
//!          └───────────────────────── deadline ─────────────────────────────────────┼─▶ close_peer
//!   a broken rule, a lost socket, a reactor's error, Revoke ────────────────────────┘
//! ```
//!
//! The coordinator hears of the end only after the last `remove_peer` has returned, so no
//! `init_peer` of the same id can come before (items 64 and 65).

use crate::buffer::Buffer;
use crate::error::{CloseReason, Reject, SendError};
use crate::peer::{PeerInfo, PeerKey};
use crate::switch::io::{Event, Reply};
use crate::switch::links::goodbye::goodbye_for;
use crate::switch::links::link::{Closing, Peer, Stage};
use crate::switch::message::{ShardMessage, Ticket};
use crate::switch::switch::Switch;
use crate::time::Instant;

/// Revoked tickets remembered for connections that are still on their way; each waits for one
/// message between shards, so a few are enough.
const REVOKED_MAX: usize = 64;

impl Switch {
    /// Begins to close a peer after what is queued has been sent, until `deadline`.
    pub(crate) fn close_gracefully(
        &mut self,
        key: PeerKey,
        reason: CloseReason,
        deadline: Instant,
    ) {
        let Some(peer) = self.core.links.peer_mut(key) else {
            return;
        };
        if let Some(closing) = &mut peer.closing {
            closing.deadline = closing.deadline.min(deadline);
        } else {
            peer.closing = Some(Closing {
                reason,
                deadline,
                flushing: false,
            });
        }
        self.core.mark(key);
    }

    /// Flushes a closing peer once nobody has anything left for it.
    pub(crate) fn advance_closing(&mut self, key: PeerKey) {
        let Some(peer) = self.core.links.peer(key) else {
            return;
        };
        let is_due = peer
            .closing
            .as_ref()
            .is_some_and(|closing| !closing.flushing)
            && peer.waiting.is_empty()
            && !(0..self.reactors.len()).any(|index| self.reactors.has_pending(index, key));
        if !is_due {
            return;
        }
        let peer = self.core.links.peer_mut(key).expect("found above");
        peer.conn.begin_flush();
        if let Some(closing) = &mut peer.closing {
            closing.flushing = true;
        }
    }

    /// Closes a closing peer once its last byte was handed to the kernel.
    pub(crate) fn finish_closing(&mut self, key: PeerKey) {
        let Some(link) = self.core.links.get(key) else {
            return;
        };
        let Some(Peer {
            conn,
            closing: Some(closing),
            ..
        }) = link.peer()
        else {
            return;
        };
        if conn.is_flushed() && !link.sending {
            let reason = closing.reason.clone();
            self.close_peer(key, reason);
        }
    }

    /// Closes a peer now: every reactor is told, then the coordinator.
    pub(crate) fn close_peer(&mut self, key: PeerKey, reason: CloseReason) {
        let Some(mut link) = self.core.links.remove(key) else {
            return;
        };
        let Some(peer) = link.peer_mut() else {
            unreachable!("close_peer is for peers");
        };
        // A peer that was asked to leave leaves for that reason, however its socket ends.
        let reason = peer.closing.take().map_or(reason, |closing| closing.reason);
        let goodbye = goodbye_for(&reason).and_then(|goodbye| peer.conn.seal_goodbye(&goodbye));
        self.core
            .part(&link, goodbye.into_iter().map(Buffer::from).collect());
        let Stage::Established(mut peer) = link.stage else {
            unreachable!("just seen");
        };
        for index in 0..self.reactors.len() {
            // A panic here is counted; there is no peer left that it could cost.
            let _ = self.call(index, |reactor, cx| {
                reactor.remove_peer(cx, &peer.info, &reason)
            });
        }
        for send in peer.waiting.drain(..) {
            if let Some(token) = send.token {
                self.core.reply(token, Reply::Send(Err(SendError::Closed)));
            }
        }
        peer.conn.release(&mut self.core.pool);
        self.core.recv_budget.forget(key, peer.held);
        self.core.send_budget.forget(peer.queued);
        self.core.metrics.peers_removed += 1;
        self.core.tell_coordinator(ShardMessage::Left {
            ticket: peer.ticket,
            reason: reason.clone(),
        });
        self.core.event(Event::PeerRemoved {
            peer: PeerInfo::clone(&peer.info),
            reason,
        });
    }

    /// Closes an admitted connection that the coordinator no longer wants: it lost a simultaneous
    /// dial, or its peer was banned.
    pub(crate) fn revoke(&mut self, ticket: Ticket, reject: Reject) {
        let is_it = |key: &PeerKey| {
            self.core
                .links
                .peer(*key)
                .is_some_and(|p| p.ticket == ticket)
        };
        let found = self.core.links.peer_keys().find(is_it);
        match found {
            Some(key) => self.close_peer(key, CloseReason::Rejected(reject)),
            None => self.remember_revoked(ticket, reject),
        }
    }

    /// The connection may still be on its way here; or it has just left, and then this is moot.
    fn remember_revoked(&mut self, ticket: Ticket, reject: Reject) {
        if self.revoked.len() == REVOKED_MAX {
            self.revoked.pop_front();
        }
        self.revoked.push_back((ticket, reject));
    }

    /// Why the connection of a ticket is no longer wanted, if word of it came before it did.
    pub(crate) fn take_revoked(&mut self, ticket: Ticket) -> Option<Reject> {
        let place = self
            .revoked
            .iter()
            .position(|(revoked, _)| *revoked == ticket)?;
        self.revoked.remove(place).map(|(_, reject)| reject)
    }
}
