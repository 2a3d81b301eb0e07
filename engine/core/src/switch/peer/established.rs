//! A peer's life on its home shard: added to every reactor, then worked turn by turn until it is
//! closed (see `closing`).
//!
//! Order of calls, per peer and for every reactor in the order of registration:
//! `init_peer`, `add_peer`, `receive`…, `remove_peer`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_codec::node_info::CHANNELS_MAX;

use crate::conn::{MConnection, Upgraded};
use crate::error::CloseReason;
use crate::peer::{PeerInfo, PeerKey};
use crate::reactor::Envelope;
use crate::switch::core::{Core, Stop};
use crate::switch::io::{Event, LinkId};
use crate::switch::links::link::{Peer, Stage};
use crate::switch::links::upgrading::peer_info;
use crate::switch::message::{Parcel, Pass, ShardMessage};
use crate::switch::node::reconnect::STABLE_AFTER;
use crate::switch::switch::Switch;

/// Messages handed to reactors for one peer in one turn, so that peers take turns.
const MESSAGES_PER_TURN: usize = 64;

impl Switch {
    /// A connection has moved in: it becomes a peer here.
    pub(crate) fn adopt(&mut self, link: LinkId, remote: SocketAddr, parcel: Parcel) {
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
    pub(crate) fn establish(&mut self, key: PeerKey, mut upgraded: Box<Upgraded>, pass: Pass) {
        let now = self.core.now;
        if self.core.stopping {
            return self
                .core
                .turn_away(key, &mut upgraded, pass, CloseReason::Shutdown);
        }
        if let Some(reject) = self.take_revoked(pass.ticket) {
            return self
                .core
                .turn_away(key, &mut upgraded, pass, CloseReason::Rejected(reject));
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
            held_back: 0,
            touched: 0,
            gauged: [0; CHANNELS_MAX],
            held: 0,
            forget_at: None,
            queued: 0,
            closing: None,
            probe: None,
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
    pub(crate) fn work_peer(&mut self, key: PeerKey) {
        if let Err(reason) = self.pull(key) {
            return self.close_peer(key, reason);
        }
        self.core.hear_probed(key);
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
        let index = self.core.channels.owner_of(number);
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
            let Some(peer) = self.core.links.peer(key) else {
                return;
            };
            let is_due = peer.starved & (1 << number) != 0
                && self.core.can_send(key, channel)
                && !peer.waiting.iter().any(|send| send.channel == channel);
            if !is_due {
                continue;
            }
            let peer = self.core.links.peer_mut(key).expect("just seen");
            peer.starved &= !(1 << number);
            let index = self.core.channels.owner_of(number);
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

    /// Something of a link is due.
    pub(crate) fn handle_link_timeout(&mut self, key: PeerKey) {
        let now = self.core.now;
        if self.end_silent(key) {
            return;
        }
        let Some(link) = self.core.links.get_mut(key) else {
            return;
        };
        match &mut link.stage {
            Stage::Connected { deadline, .. }
            | Stage::Upgrading { deadline, .. }
            | Stage::Asking { deadline, .. } => {
                if deadline.has_passed(now) {
                    let timeout = self.core.config.handshake_timeout;
                    return self
                        .core
                        .refuse(key, CloseReason::HandshakeTimeout(timeout));
                }
                self.core.schedule(key);
            }
            Stage::Established(peer) => {
                if let Some(error) = &link.ended
                    && peer.forget_at.is_some_and(|at| at <= now)
                {
                    let reason = CloseReason::Network(error.clone());
                    return self.close_peer(key, reason);
                }
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
            // A parting link looks at its deadline in its turn.
            Stage::Leaving { .. } | Stage::Moving | Stage::Parting { .. } => {}
        }
        self.core.mark(key);
    }
}

impl Core {
    /// The peer's next message whose channel has room, or why it must be closed.
    fn next_message(&mut self, key: PeerKey) -> Result<Option<(ChannelId, Bytes)>, CloseReason> {
        let Core {
            links,
            channels,
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
        let (mut held_back, mut shut) = (false, None);
        let id = peer.info.id;
        let reactors_hold = peer.held_back;
        let is_held = |channel| {
            let number = channels.number(channel);
            number.is_some_and(|number| reactors_hold & (1 << number) != 0)
        };
        let message = peer.conn.next_message(*now, pool, |channel| {
            let is_held = reactors_hold != 0 && is_held(channel);
            let is_shut = !deliveries.has_room(channel);
            shut = shut.or(is_shut.then_some(channel));
            let has_room = !*congested && !is_held && !is_shut;
            held_back |= !has_room;
            has_room
        })?;
        // The socket's end counts once everything that came before it was taken.
        let message = match (&message, &link.ended) {
            (None, Some(error)) if !held_back => {
                let was_of_use = peer.conn.counters().received_bytes > 0
                    || *now - peer.info.since > STABLE_AFTER;
                let error = error.clone();
                Err(CloseReason::Network(match was_of_use {
                    true => error,
                    false => link.ended_early(error),
                }))
            }
            _ => Ok(message),
        };
        if let Some(channel) = shut {
            self.note_shut(channel, id);
        }
        message
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
            self.count_queued(key);
            self.transmit(key, buffers);
        }
        Ok(())
    }
}
