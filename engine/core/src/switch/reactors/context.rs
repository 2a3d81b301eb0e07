//! What the switch does for a reactor that is called: its side of [`Context`].
//!
//! [`Context`]: crate::reactor::Context

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NetAddress, NodeId};

use crate::document::{Document, SaveError};
use crate::error::{CloseReason, TrySendError};
use crate::peer::{BanOrigin, BanTarget, Census, PeerInfo, PeerKey, ShardId};
use crate::reactor::{Answer, Ask, AskError, Host, Instance, Note, ReactorError, TimerId};
use crate::switch::core::{Core, Stop};
use crate::switch::io::{Delivery, Output};
use crate::switch::message::ShardMessage;
use crate::switch::node::coordinator::Coordinator;
use crate::switch::reactors::reactor_set::ReactorSet;
use crate::switch::timers::Timer;
use crate::time::Instant;

/// The context of one call to one reactor.
pub(crate) struct ReactorContext<'a> {
    pub(crate) core: &'a mut Core,
    /// On shard 0 only.
    pub(crate) coordinator: Option<&'a mut Coordinator>,
    /// The others, and an empty place where the reactor that is called belongs.
    pub(crate) reactors: &'a mut ReactorSet,
    /// Index of the reactor that is called.
    pub(crate) reactor: usize,
}

impl ReactorContext<'_> {
    fn index(&self) -> u16 {
        u16::try_from(self.reactor).expect("at most sixteen channels, so few reactors")
    }
}

impl Host for ReactorContext<'_> {
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

    fn find_peer(&self, id: &NodeId) -> Option<PeerKey> {
        self.core.links.key_of_peer(id)
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

    fn set_timer(&mut self, after: Duration, token: u64) -> TimerId {
        let at = self.core.now + after;
        let timer = Timer::Reactor(self.index(), token);
        self.core.timers.set(at, timer)
    }

    fn cancel_timer(&mut self, timer: TimerId) {
        self.core.timers.cancel(timer);
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

    fn save(&mut self, document: Document) -> Result<(), SaveError> {
        self.core.kept.check(document.name())?;
        self.core.outputs.push_back(Output::Save(document));
        Ok(())
    }

    fn random(&mut self) -> [u8; 32] {
        self.core.chance.bytes()
    }

    fn find_instance(&self, is_it: &dyn Fn(&dyn Instance) -> bool) -> Option<&dyn Instance> {
        self.reactors.find(is_it)
    }

    fn ask(&mut self, ask: Ask) -> Result<Answer, AskError> {
        let coordinator = self.coordinator.as_deref_mut();
        crate::switch::turn::ask(self.reactors, self.core, coordinator, ask)
    }

    fn census(&self) -> Option<Census> {
        self.coordinator
            .as_ref()
            .map(|coordinator| coordinator.census())
    }

    fn is_known(&self, id: &NodeId) -> bool {
        let coordinator = self.coordinator.as_ref();
        coordinator.is_some_and(|coordinator| coordinator.is_known(id))
    }

    fn dial(&mut self, address: NetAddress) {
        let reactor = self.index();
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.discover(self.core, address, reactor);
        }
    }

    fn ban(&mut self, target: BanTarget, span: Duration) {
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.ban(self.core, target, span, BanOrigin::Reactor);
        }
    }
}
