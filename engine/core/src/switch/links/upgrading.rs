//! From a socket to the coordinator's verdict: the part of a link's life that no reactor sees.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use ringwire_codec::NodeId;

use crate::buffer::{Buffer, Chunk};
use crate::conn::{Upgrade, UpgradeConfig, UpgradeStage, Upgraded};
use crate::error::{CloseReason, Reject};
use crate::peer::{Direction, PeerInfo, PeerKey};
use crate::switch::core::Core;
use crate::switch::io::{Event, LinkId, Output, ReadMode, Transmit};
use crate::switch::links::goodbye::goodbye_for;
use crate::switch::links::link::{Link, Stage};
use crate::switch::message::{AttemptId, Candidate, Parcel, Pass, ShardMessage};
use crate::time::Deadline;

impl Core {
    /// A socket was accepted: refuse it before it costs a handshake, or begin one.
    pub(crate) fn accept(&mut self, link: LinkId, remote: SocketAddr) {
        self.metrics.accepted += 1;
        let checked = if self.stopping {
            Err(Reject::Stopping)
        } else {
            self.filters
                .check_connection(&remote)
                .and_then(|()| self.find_place(remote))
        };
        match checked {
            Ok(slowest) => {
                if let Some(slowest) = slowest {
                    self.refuse(slowest, CloseReason::Rejected(Reject::SlowHandshake));
                }
                self.begin_upgrade(link, remote, Direction::Inbound, None, None);
            }
            Err(reject) => {
                self.close_link(link);
                self.report_refusal(remote, None, CloseReason::Rejected(reject));
            }
        }
    }

    /// Whether the gate has a place for a handshake, and who gives way to it.
    fn find_place(&self, remote: SocketAddr) -> Result<Option<PeerKey>, Reject> {
        let waits = |key| self.links.get(key).is_some_and(Link::waits_for_remote);
        self.gate.find_place(self.now, remote, waits)
    }

    /// Takes in a socket whose handshake may begin.
    pub(crate) fn begin_upgrade(
        &mut self,
        link: LinkId,
        remote: SocketAddr,
        direction: Direction,
        attempt: Option<AttemptId>,
        expected_id: Option<NodeId>,
    ) {
        let deadline = self.handshake_deadline();
        let stage = |_| Stage::Connected {
            expected_id,
            deadline,
        };
        let key = self.links.insert(link, remote, direction, attempt, stage);
        if direction == Direction::Inbound {
            self.gate.begin_handshake(self.now, key, remote);
        }
        self.schedule(key);
        self.mark(key);
    }

    /// When a handshake that is begun or decided about now must have ended. If we stand still
    /// meanwhile it has the whole time again: any of its steps may be to come.
    fn handshake_deadline(&self) -> Deadline {
        let timeout = self.config.handshake_timeout;
        Deadline::new(self.now + timeout, timeout)
    }

    /// Begins the handshake of a link, unless its socket has ended meanwhile.
    pub(crate) fn work_connected(&mut self, key: PeerKey) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let Stage::Connected {
            expected_id,
            deadline,
        } = link.stage
        else {
            return;
        };
        if let Some(error) = link.ended.clone() {
            let error = link.ended_early(error);
            return self.refuse(key, CloseReason::Network(error));
        }
        let upgrade = Box::new(Upgrade::new(UpgradeConfig {
            node_key: &self.node_key,
            ephemeral_secret: self.chance.bytes(),
            node_info: &self.node_info,
            expected_id,
            packet_payload_max: self.config.max_packet_msg_payload_size,
        }));
        link.stage = Stage::Upgrading {
            upgrade,
            has_received: false,
            deadline,
            exchanging: false,
        };
        self.gate.handle_step(self.now, key);
        self.send_upgrade(key);
        self.set_read(key, ReadMode::Once);
    }

    /// Looks at what came for an upgrade.
    pub(crate) fn work_upgrade(&mut self, key: PeerKey) {
        if let Err(reason) = self.continue_upgrade(key) {
            // What we had to say goes out first, so that the remote may learn whose fault it was.
            self.send_upgrade(key);
            return self.refuse(key, reason);
        }
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        if let Some(error) = link.ended.clone() {
            let error = link.ended_early(error);
            return self.refuse(key, CloseReason::Network(error));
        }
        if matches!(link.stage, Stage::Upgrading { .. }) {
            self.send_upgrade(key);
            self.schedule(key);
        }
    }

    fn continue_upgrade(&mut self, key: PeerKey) -> Result<(), CloseReason> {
        let Some(link) = self.links.get_mut(key) else {
            return Ok(());
        };
        let Stage::Upgrading {
            upgrade,
            has_received,
            exchanging,
            ..
        } = &mut link.stage
        else {
            return Ok(());
        };
        if !std::mem::take(has_received) {
            return Ok(());
        }
        let upgraded = upgrade.advance()?;
        let has_proven = upgrade.stage() == UpgradeStage::NodeInfo;
        if has_proven && !std::mem::replace(exchanging, true) {
            self.handle_proven(key);
        }
        match upgraded {
            None => self.set_read(key, ReadMode::Once),
            Some(upgraded) => self.ask(key, upgraded)?,
        }
        Ok(())
    }

    /// The remote of a handshake has proven its key.
    fn handle_proven(&mut self, key: PeerKey) {
        self.gate.handle_step(self.now, key);
        let attempt = self.links.get(key).and_then(|link| link.attempt);
        if let Some(attempt) = attempt {
            self.tell_coordinator(ShardMessage::DialProven(attempt));
        }
    }

    /// Asks the coordinator whether an upgraded link may become a peer.
    fn ask(&mut self, key: PeerKey, upgraded: Box<Upgraded>) -> Result<(), CloseReason> {
        self.send_upgrade(key);
        let deadline = self.handshake_deadline();
        let Some(link) = self.links.get_mut(key) else {
            return Ok(());
        };
        let candidate = Candidate {
            link: key,
            id: upgraded.remote_id,
            remote_addr: link.remote,
            direction: link.direction,
            attempt: link.attempt,
            breaks_ties: upgraded.node_info.extension.is_some(),
        };
        let info = peer_info(link, &upgraded, false, self.now);
        // Whom a filter refuses is told so, with the keys that are kept here.
        link.stage = Stage::Asking { upgraded, deadline };
        self.filters.check_peer(&info)?;
        // The coordinator answers for the attempt from here on.
        link.attempt = None;
        self.tell_coordinator(ShardMessage::Admit(candidate));
        self.schedule(key);
        Ok(())
    }

    /// The coordinator has decided about a link.
    pub(crate) fn handle_verdict(&mut self, key: PeerKey, verdict: Result<Pass, Reject>) {
        let link = self
            .links
            .get_mut(key)
            .filter(|l| matches!(l.stage, Stage::Asking { .. }));
        let Some(link) = link else {
            // The socket ended while the coordinator decided: the id is free again.
            if let Ok(Pass { ticket, .. }) = verdict {
                let reason = CloseReason::Network(crate::error::NetworkError::Eof);
                self.tell_coordinator(ShardMessage::Left { ticket, reason });
            }
            return;
        };
        match verdict {
            Err(reject) => self.refuse(key, CloseReason::Rejected(reject)),
            Ok(pass) => {
                let stage = std::mem::replace(&mut link.stage, Stage::Moving);
                if let Stage::Asking { upgraded, .. } = stage {
                    link.stage = Stage::Leaving { upgraded, pass };
                }
                self.mark(key);
            }
        }
    }

    /// Takes what an admitted link needs to live, once nothing of it is in flight. The link is
    /// handed to its home shard, or its keys are returned when that is here.
    pub(crate) fn leave(&mut self, key: PeerKey) -> Option<(Box<Upgraded>, Pass)> {
        let link = self.links.get_mut(key)?;
        if link.is_writing() {
            return None;
        }
        let Stage::Leaving { upgraded, pass } = std::mem::replace(&mut link.stage, Stage::Moving)
        else {
            unreachable!("only a leaving link leaves");
        };
        let direction = link.direction;
        self.gate.end_handshake(key);
        if pass.home == self.shard {
            return Some((upgraded, pass));
        }
        let link = self.links.remove(key)?;
        let parcel = Box::new(Parcel {
            upgraded,
            direction,
            pass,
        });
        self.outputs.push_back(Output::Move {
            link: link.id,
            to: pass.home,
            parcel,
        });
        None
    }

    /// Closes a link that has not become a peer.
    pub(crate) fn refuse(&mut self, key: PeerKey, reason: CloseReason) {
        let Some(mut link) = self.links.remove(key) else {
            return;
        };
        let last = match &mut link.stage {
            Stage::Asking { upgraded, .. } | Stage::Leaving { upgraded, .. } => {
                let goodbye = seal_goodbye(upgraded, &reason);
                let unsent = std::mem::take(&mut link.unsent);
                goodbye.map(|goodbye| unsent.into_iter().chain([goodbye.into()]).collect())
            }
            // A transmit is in flight, or it would have gone already.
            Stage::Upgrading { .. } => Some(std::mem::take(&mut link.unsent)),
            _ => None,
        };
        self.part(&link, last.unwrap_or_default());
        self.gate.end_handshake(key);
        let id = match link.stage {
            Stage::Asking { upgraded, .. } => Some(upgraded.remote_id),
            Stage::Leaving { upgraded, pass } => {
                let reason = reason.clone();
                self.tell_coordinator(ShardMessage::Left {
                    ticket: pass.ticket,
                    reason,
                });
                Some(upgraded.remote_id)
            }
            _ => None,
        };
        if let Some(attempt) = link.attempt {
            let reason = reason.clone();
            self.tell_coordinator(ShardMessage::DialEnded { attempt, reason });
        }
        self.report_refusal(link.remote, id, reason);
    }

    /// Closes an admitted link before any reactor has heard of it.
    pub(crate) fn turn_away(
        &mut self,
        key: PeerKey,
        upgraded: &mut Upgraded,
        pass: Pass,
        reason: CloseReason,
    ) {
        let Some(link) = self.links.remove(key) else {
            return;
        };
        let last = seal_goodbye(upgraded, &reason);
        self.part(&link, last.into_iter().map(Buffer::from).collect());
        let (ticket, id) = (pass.ticket, Some(upgraded.remote_id));
        self.tell_coordinator(ShardMessage::Left {
            ticket,
            reason: reason.clone(),
        });
        self.report_refusal(link.remote, id, reason);
    }

    fn report_refusal(&mut self, remote_addr: SocketAddr, id: Option<NodeId>, reason: CloseReason) {
        self.metrics.count_refusal(&reason);
        self.event(Event::ConnectionRefused {
            remote_addr,
            id,
            reason,
        });
    }

    /// Sends what the upgrade has to say, now or when the transmit in flight has ended.
    fn send_upgrade(&mut self, key: PeerKey) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        if let Stage::Upgrading { upgrade, .. } = &mut link.stage {
            link.unsent
                .extend(std::iter::from_fn(|| upgrade.poll_transmit()).map(Buffer::from));
        }
        self.send_unsent(key);
    }

    /// Sends what waited for the transmit in flight to end.
    pub(crate) fn send_unsent(&mut self, key: PeerKey) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        if !link.sending && !link.unsent.is_empty() {
            let buffers: Transmit = std::mem::take(&mut link.unsent);
            self.transmit(key, buffers);
        }
    }

    /// Stores what came for a link; `run` looks at it.
    pub(crate) fn store(&mut self, key: PeerKey, chunk: Chunk) {
        self.metrics.received_bytes += chunk.received().len() as u64;
        let Some(link) = self.links.get_mut(key) else {
            return self.pool.give_back_chunk(chunk.bytes);
        };
        if link.read == ReadMode::Once {
            link.read = ReadMode::Pause;
        }
        match &mut link.stage {
            Stage::Upgrading {
                upgrade,
                has_received,
                ..
            } => {
                debug_assert!(!*has_received, "an upgrade reads once at a time");
                upgrade.store(chunk.received());
                *has_received = true;
                self.pool.give_back_chunk(chunk.bytes);
            }
            Stage::Asking { upgraded, .. } | Stage::Leaving { upgraded, .. } => {
                upgraded.layer.recv.push(chunk, &mut self.pool);
            }
            Stage::Established(peer) => peer.conn.handle_received(chunk, self.now, &mut self.pool),
            Stage::Connected { .. } | Stage::Moving | Stage::Parting { .. } => {
                self.pool.give_back_chunk(chunk.bytes)
            }
        }
        self.mark(key);
    }
}

/// The last word to a remote that has not become a peer, if it is to be told anything.
fn seal_goodbye(upgraded: &mut Upgraded, reason: &CloseReason) -> Option<BytesMut> {
    let layer = &mut upgraded.layer;
    goodbye_for(reason)?.seal(&layer.limits, &mut layer.sealer)
}

/// What is known of a link's remote once it has shown its NodeInfo.
pub(crate) fn peer_info(
    link: &Link,
    upgraded: &Upgraded,
    persistent: bool,
    since: crate::time::Instant,
) -> Rc<PeerInfo> {
    Rc::new(PeerInfo {
        key: link.key,
        id: upgraded.remote_id,
        node_info: Arc::new(upgraded.node_info.clone()),
        remote_addr: link.remote,
        direction: link.direction,
        persistent,
        framing: upgraded.layer.framing,
        since,
    })
}
