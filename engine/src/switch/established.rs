//! A peer's life on its home shard: added to every reactor, worked turn by turn, removed again.
//!
//! Order of calls, per peer and for every reactor in the order of registration:
//! `init_peer`, `add_peer`, `receive`…, `remove_peer`. The coordinator hears of the end only after
//! the last `remove_peer` has returned, so no `init_peer` of the same id can come before (items 64
//! and 65).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_codec::node_info::CHANNELS_MAX;

use super::core::{Core, Stop};
use super::io::{Event, LinkId, ReadMode, Reply};
use super::link::{Closing, Link, Peer, Stage};
use super::message::{Parcel, Pass, ShardMessage, Ticket};
use super::switch::Switch;
use super::upgrading::peer_info;
use crate::conn::{MConnection, Upgraded};
use crate::error::{CloseReason, Reject, SendError};
use crate::peer::{PeerInfo, PeerKey};
use crate::reactor::Envelope;
use crate::time::Instant;

/// Messages handed to reactors for one peer in one turn, so that peers take turns.
const MESSAGES_PER_TURN: usize = 64;
/// Revoked tickets remembered for connections that are still on their way; each waits for one
/// message between shards, so a few are enough.
const REVOKED_MAX: usize = 64;

impl Switch {
    /// A connection has moved in: it becomes a peer here.
    pub(super) fn adopt(&mut self, link: LinkId, remote: SocketAddr, parcel: Parcel) {
        self.core.metrics.adopted += 1;
        let Parcel {
            upgraded,
            direction,
            pass,
        } = parcel;
        let key = self
            .core
            .links
            .insert(link, remote, direction, None, |_| Stage::Moving);
        self.establish(key, upgraded, pass);
    }

    /// Makes a peer of an admitted link whose home is here.
    pub(super) fn establish(&mut self, key: PeerKey, upgraded: Box<Upgraded>, pass: Pass) {
        let now = self.core.now;
        if self.core.stopping {
            return self
                .core
                .turn_away(key, &upgraded, pass, CloseReason::Shutdown);
        }
        if let Some(reject) = self.take_revoked(pass.ticket) {
            return self
                .core
                .turn_away(key, &upgraded, pass, CloseReason::Rejected(reject));
        }
        let Some(link) = self.core.links.get_mut(key) else {
            return;
        };
        let info = peer_info(link, &upgraded, pass.persistent, now);
        let stage = Stage::Established(Box::new(Peer {
            info: Rc::clone(&info),
            conn: MConnection::new(
                self.core.conn_config,
                self.core.channels.descriptors(),
                upgraded.layer,
                now,
            ),
            ticket: pass.ticket,
            waiting: VecDeque::new(),
            starved: 0,
            touched: 0,
            gauged: [0; CHANNELS_MAX],
            closing: None,
        }));
        let outcome = self.init_peer(&info);
        let Some(link) = self.core.links.get_mut(key) else {
            return;
        };
        link.stage = stage;
        self.core.links.insert_peer(info.id, key);
        self.core.metrics.peers_added += 1;
        self.core.event(Event::PeerAdded(PeerInfo::clone(&info)));
        if let Err(reason) = outcome.and_then(|()| self.add_peer(&info)) {
            return self.close_peer(key, reason);
        }
        self.core
            .tell_coordinator(ShardMessage::Joined(pass.ticket));
        // What came behind NodeInfo is read at once.
        self.core.mark(key);
    }

    fn init_peer(&mut self, info: &PeerInfo) -> Result<(), CloseReason> {
        (0..self.reactors.len())
            .map(|index| self.call(index, |reactor, _| reactor.init_peer(info)))
            .fold(Ok(()), Result::and)
    }

    fn add_peer(&mut self, info: &PeerInfo) -> Result<(), CloseReason> {
        (0..self.reactors.len())
            .map(|index| self.call(index, |reactor, cx| reactor.add_peer(cx, info)))
            .fold(Ok(()), Result::and)
    }

    /// One turn of a peer: read, write, hand out room, and close if that is due.
    pub(super) fn work_peer(&mut self, key: PeerKey) {
        if let Err(reason) = self.pull(key) {
            return self.close_peer(key, reason);
        }
        self.settle();
        if let Err(reason) = self.core.write(key) {
            return self.close_peer(key, reason);
        }
        self.hand_out_room(key);
        self.settle();
        self.advance_closing(key);
        // Room that was taken just now may be written at once, and a flush may have begun.
        if let Err(reason) = self.core.write(key) {
            return self.close_peer(key, reason);
        }
        self.finish_closing(key);
        self.core.touch_changed(key);
        self.core.read_as_wanted(key);
        self.core.schedule(key);
    }

    /// Hands messages to their reactors, until there are none, their channel is full, or the
    /// peer's share of the turn is used up. Tells why the peer must be closed, if it must.
    fn pull(&mut self, key: PeerKey) -> Result<(), CloseReason> {
        let Some(peer) = self.core.links.peer(key) else {
            return Ok(());
        };
        let info = Rc::clone(&peer.info);
        for _ in 0..MESSAGES_PER_TURN {
            match self.core.next_message(key)? {
                Some((channel, message)) => self.receive(&info, channel, message)?,
                None => return Ok(()),
            }
            // A reactor may have stopped this very peer; then nothing more reaches it.
            self.settle();
        }
        self.core.mark(key);
        Ok(())
    }

    fn receive(
        &mut self,
        info: &PeerInfo,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), CloseReason> {
        let number = self
            .core
            .channels
            .number(channel)
            .expect("the connection checked the id");
        let counters = &mut self.core.metrics.channels[number];
        counters.received_messages += 1;
        counters.received_bytes += message.len() as u64;
        let index = self
            .core
            .channels
            .owner(channel)
            .expect("each channel has an owner");
        let outcome = self.call(index, |reactor, cx| {
            reactor.filter_message(info, channel, &message)?;
            reactor.receive(
                cx,
                Envelope {
                    from: info,
                    channel,
                    message,
                },
            )
        })?;
        outcome.map_err(|error| CloseReason::Reactor {
            reactor: self.reactors.name(index).to_owned(),
            error,
        })
    }

    /// Gives room in the queues first to the sends that wait, in order, then to the reactors that
    /// were answered `Full`.
    fn hand_out_room(&mut self, key: PeerKey) {
        self.core.send_waiting(key);
        for number in 0..self.core.channels.descriptors().len() {
            let channel = self.core.channels.descriptors()[number].id;
            let Some(peer) = self.core.links.peer_mut(key) else {
                return;
            };
            let is_due = peer.starved & (1 << number) != 0
                && peer.conn.can_send(channel)
                && !peer.waiting.iter().any(|send| send.channel == channel);
            if !is_due {
                continue;
            }
            peer.starved &= !(1 << number);
            let index = self
                .core
                .channels
                .owner(channel)
                .expect("each channel has an owner");
            let outcome = self.call(index, |reactor, cx| reactor.handle_room(cx, key, channel));
            if let Err(reason) = outcome {
                self.core.stops.push_back(Stop {
                    peer: key,
                    reason,
                    graceful: false,
                });
            }
        }
    }

    /// Begins to close a peer after what is queued has been sent, until `deadline`.
    pub(super) fn close_gracefully(
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
    fn advance_closing(&mut self, key: PeerKey) {
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
    fn finish_closing(&mut self, key: PeerKey) {
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
    pub(super) fn close_peer(&mut self, key: PeerKey, reason: CloseReason) {
        let Some(link) = self.core.links.remove(key) else {
            return;
        };
        self.core.close_link(link.id);
        let Link {
            stage: Stage::Established(mut peer),
            ..
        } = link
        else {
            unreachable!("close_peer is for peers");
        };
        // A peer that was asked to leave leaves for that reason, however its socket ends.
        let reason = peer.closing.take().map_or(reason, |closing| closing.reason);
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

    /// Something of a link is due.
    pub(super) fn handle_link_timeout(&mut self, key: PeerKey) {
        let now = self.core.now;
        let Some(link) = self.core.links.get_mut(key) else {
            return;
        };
        match &mut link.stage {
            Stage::Upgrading { deadline, .. } | Stage::Asking { deadline, .. } => {
                if *deadline <= now {
                    let timeout = self.core.config.handshake_timeout;
                    return self
                        .core
                        .refuse(key, CloseReason::HandshakeTimeout(timeout));
                }
            }
            Stage::Established(peer) => {
                if let Err(error) = peer.conn.handle_timeout(now) {
                    return self.close_peer(key, CloseReason::Connection(error));
                }
                if let Some(closing) = &peer.closing
                    && closing.deadline <= now
                {
                    let reason = closing.reason.clone();
                    return self.close_peer(key, reason);
                }
                self.core.expire_waiting(key);
            }
            Stage::Leaving { .. } | Stage::Moving => {}
        }
        self.core.mark(key);
    }

    /// Closes an admitted connection that the coordinator no longer wants: it lost a simultaneous
    /// dial, or its peer was banned.
    pub(super) fn revoke(&mut self, ticket: Ticket, reject: Reject) {
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

    fn take_revoked(&mut self, ticket: Ticket) -> Option<Reject> {
        let place = self
            .revoked
            .iter()
            .position(|(revoked, _)| *revoked == ticket)?;
        self.revoked.remove(place).map(|(_, reject)| reject)
    }
}

impl Core {
    /// The peer's next message whose channel has room, or why it must be closed.
    fn next_message(&mut self, key: PeerKey) -> Result<Option<(ChannelId, Bytes)>, CloseReason> {
        let Core {
            links,
            deliveries,
            pool,
            now,
            congested,
            ..
        } = self;
        let Some(link) = links.get_mut(key) else {
            return Ok(None);
        };
        let Stage::Established(peer) = &mut link.stage else {
            return Ok(None);
        };
        let mut held_back = false;
        let message = peer.conn.next_message(*now, pool, |channel| {
            let has_room = !*congested && deliveries.has_room(channel);
            held_back |= !has_room;
            has_room
        })?;
        // The socket's end counts once everything that came before it was taken.
        match (&message, &link.ended) {
            (None, Some(error)) if !held_back => Err(CloseReason::Network(error.clone())),
            _ => Ok(message),
        }
    }

    /// Fills a write, unless one is in flight.
    fn write(&mut self, key: PeerKey) -> Result<(), CloseReason> {
        let Some(link) = self.links.get_mut(key) else {
            return Ok(());
        };
        if link.sending || link.ended.is_some() {
            return Ok(());
        }
        let Some(peer) = link.peer_mut() else {
            return Ok(());
        };
        if let Some(buffers) = peer.conn.poll_transmit(self.now, &mut self.pool)? {
            self.transmit(key, buffers);
        }
        Ok(())
    }

    fn read_as_wanted(&mut self, key: PeerKey) {
        let Some(link) = self.links.get(key) else {
            return;
        };
        let Some(peer) = link.peer() else { return };
        let wants_read = link.ended.is_none() && peer.conn.wants_read(self.now);
        self.set_read(
            key,
            if wants_read {
                ReadMode::Stream
            } else {
                ReadMode::Pause
            },
        );
    }
}
