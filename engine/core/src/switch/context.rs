//! What a reactor may do while it is called: the switch's side of [`Context`].

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NetAddress, NodeId};

use super::coordinator::Coordinator;
use super::core::{Core, Stop};
use super::io::{Delivery, Output};
use super::message::ShardMessage;
use super::timers::Timer;
use crate::document::{Document, SaveError};
use crate::error::{CloseReason, TrySendError};
use crate::peer::{BanOrigin, BanTarget, Census, PeerInfo, PeerKey, ShardId};
use crate::reactor::{Context, Note, ReactorError};
use crate::time::Instant;

/// The context of one call to one reactor.
pub(super) struct ReactorContext<'a> {
    pub(super) core: &'a mut Core,
    /// On shard 0 only.
    pub(super) coordinator: Option<&'a mut Coordinator>,
    /// Index of the reactor that is called.
    pub(super) reactor: usize,
}

impl ReactorContext<'_> {
    fn index(&self) -> u16 {
        u16::try_from(self.reactor).expect("at most sixteen channels, so few reactors")
    }
}

impl Context for ReactorContext<'_> {
    fn now(&self) -> Instant {
        self.core.now
    }

    fn shard(&self) -> ShardId {
        self.core.shard
    }

    fn shard_count(&self) -> u16 {
        self.core.shard_count
    }

    fn node_id(&self) -> NodeId {
        self.core.node_id
    }

    fn peers(&self) -> Vec<PeerKey> {
        self.core.links.peer_keys().collect()
    }

    fn peer(&self, key: PeerKey) -> Option<&PeerInfo> {
        self.core.links.peer(key).map(|peer| &*peer.info)
    }

    fn try_send(
        &mut self,
        peer: PeerKey,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), TrySendError> {
        self.core.try_send(peer, channel, message)
    }

    fn try_broadcast(&mut self, channel: ChannelId, message: Bytes) -> usize {
        for shard in self.core.other_shards() {
            let message = message.clone();
            self.core
                .send(shard, ShardMessage::Broadcast { channel, message });
        }
        self.core.broadcast_here(channel, &message)
    }

    fn deliver(&mut self, from: NodeId, channel: ChannelId, message: Bytes) {
        self.core.deliveries.push(Delivery {
            peer: from,
            channel,
            message,
        });
    }

    fn send_note(&mut self, to: ShardId, note: Note) {
        let reactor = self.index();
        self.core.send(to, ShardMessage::Note { reactor, note });
    }

    fn hold_back(&mut self, peer: PeerKey, channel: ChannelId) {
        self.core.set_held_back(peer, channel, true);
    }

    fn release(&mut self, peer: PeerKey, channel: ChannelId) {
        self.core.set_held_back(peer, channel, false);
    }

    fn set_timer(&mut self, after: Duration, token: u64) {
        let at = self.core.now + after;
        self.core
            .timers
            .set(at, Timer::Reactor(self.index(), token));
    }

    fn stop_peer(&mut self, peer: PeerKey, error: ReactorError) {
        let reactor = self.core.reactor_names[self.reactor].clone();
        let reason = CloseReason::Reactor { reactor, error };
        self.core.stops.push_back(Stop {
            peer,
            reason,
            graceful: false,
        });
    }

    fn stop_peer_gracefully(&mut self, peer: PeerKey) {
        let reactor = self.core.reactor_names[self.reactor].clone();
        self.core.stops.push_back(Stop {
            peer,
            reason: CloseReason::Done { reactor },
            graceful: true,
        });
    }

    fn census(&self) -> Option<Census> {
        self.coordinator
            .as_ref()
            .map(|coordinator| coordinator.census())
    }

    fn is_known(&self, id: &NodeId) -> Option<bool> {
        self.coordinator
            .as_ref()
            .map(|coordinator| coordinator.is_known(id))
    }

    fn dial(&mut self, address: NetAddress) {
        let reactor = self.index();
        match &mut self.coordinator {
            Some(coordinator) => coordinator.discover(self.core, address, reactor),
            None => self
                .core
                .tell_coordinator(ShardMessage::Discover { address, reactor }),
        }
    }

    fn ban(&mut self, target: BanTarget, span: Duration) {
        match &mut self.coordinator {
            Some(coordinator) => coordinator.ban(self.core, target, span, BanOrigin::Reactor),
            None => self
                .core
                .tell_coordinator(ShardMessage::Ban { target, span }),
        }
    }

    fn save(&mut self, document: Document) -> Result<(), SaveError> {
        self.core.kept.check(document.name())?;
        self.core.outputs.push_back(Output::Save(document));
        Ok(())
    }

    fn random(&mut self) -> [u8; 32] {
        self.core.chance.bytes()
    }
}
