//! [`Instance`]: one reactor on one shard, its types erased, as the switch holds it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use bytes::Bytes;
use ringwire_codec::{ChannelId, NetAddress};

use super::ask::Answers;
use super::context::{Context, Own};
use super::host::{Host, Note};
use super::publishing::PublishOptions;
use super::reactor::{Envelope, Reactor};
use crate::config::Config;
use crate::conn::ChannelDescriptor;
use crate::document::Document;
use crate::error::{CloseReason, ReactorError};
use crate::peer::{PeerInfo, PeerKey, ShardId};

/// A reactor as the switch calls it. Made by [`erase`]; [`Reactor`] says what each call means.
#[allow(missing_docs, reason = "each is documented at `Reactor`")]
pub trait Instance: 'static {
    /// What is behind: for [`super::Ask`] and [`Context::state_of`] to find their reactor.
    fn as_any(&self) -> &dyn Any;
    /// As [`Instance::as_any`], to be changed.
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn channels(&self) -> Vec<ChannelDescriptor>;
    fn signs(&self) -> bool;
    fn start(&mut self, host: &mut dyn Host);
    fn init_peer(&mut self, peer: &PeerInfo);
    fn add_peer(&mut self, host: &mut dyn Host, peer: &PeerInfo);
    fn filter_message(
        &mut self,
        from: &PeerInfo,
        channel: ChannelId,
        message: &[u8],
    ) -> Result<(), ReactorError>;
    fn receive(&mut self, host: &mut dyn Host, envelope: Envelope<'_>) -> Result<(), ReactorError>;
    fn handle_room(&mut self, host: &mut dyn Host, peer: PeerKey, channel: ChannelId);
    fn has_pending(&self, peer: PeerKey) -> bool;
    fn has_room(&self, channel: ChannelId) -> bool;
    fn publish(
        &mut self,
        host: &mut dyn Host,
        channel: ChannelId,
        message: Bytes,
        options: PublishOptions,
    );
    fn handle_note(&mut self, host: &mut dyn Host, from: ShardId, note: Note);
    /// The timer of a token that [`Host::set_timer`] was given is due.
    fn handle_timeout(&mut self, host: &mut dyn Host, token: u64);
    fn handle_reconfigured(&mut self, host: &mut dyn Host, config: &Config);
    fn remove_peer(&mut self, host: &mut dyn Host, peer: &PeerInfo, reason: &CloseReason);
    fn handle_dialed(
        &mut self,
        host: &mut dyn Host,
        address: &NetAddress,
        outcome: Result<(), &CloseReason>,
    );
    fn stop(&mut self, host: &mut dyn Host);
    fn inspect(&self) -> Option<Document>;
    fn counters(&self) -> Vec<(&'static str, u64)>;
}

/// A reactor as an instance.
pub fn erase<R: Reactor>(reactor: R) -> Box<dyn Instance> {
    Box::new(Erased {
        reactor,
        own: Own::new(),
    })
}

impl<R: Reactor> From<R> for Box<dyn Instance> {
    fn from(reactor: R) -> Self {
        erase(reactor)
    }
}

/// A reactor and what the engine keeps for it.
pub(super) struct Erased<R: Reactor> {
    reactor: R,
    own: Own<R>,
}

impl<R: Reactor> Erased<R> {
    /// What it remembers of a peer.
    pub(super) fn state(&self, key: PeerKey) -> Option<&R::Peer> {
        self.own.peers.get(key)
    }

    pub(super) fn answer<Q>(&mut self, host: &mut dyn Host, question: Q) -> R::Answer
    where
        R: Answers<Q>,
    {
        let cx = &mut Context::new(host, &mut self.own);
        self.reactor.answer(cx, question)
    }

    /// Calls with the state of a peer at hand, which is home again afterwards even if the reactor
    /// panics: it is asked about the peer once more, when that is removed.
    fn with_peer<T>(
        &mut self,
        host: &mut dyn Host,
        key: PeerKey,
        call: impl FnOnce(&mut R, &mut Context<'_, R>, &mut R::Peer) -> T,
    ) -> Option<T> {
        let mut state = self.own.peers.lend(key)?;
        let (reactor, own) = (&mut self.reactor, &mut self.own);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            call(reactor, &mut Context::new(host, own), &mut state)
        }));
        self.own.peers.give_back(key, state);
        Some(outcome.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl<R: Reactor> Instance for Erased<R> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.reactor.channels()
    }

    fn signs(&self) -> bool {
        self.reactor.signs()
    }

    fn start(&mut self, host: &mut dyn Host) {
        self.reactor.start(&mut Context::new(host, &mut self.own));
    }

    fn init_peer(&mut self, peer: &PeerInfo) {
        // Kept from the beginning: a panic over it must leave something to remove.
        let state = catch_unwind(AssertUnwindSafe(|| self.reactor.init_peer(peer)));
        match state {
            Ok(state) => self.own.peers.insert(peer.key, state),
            Err(panic) => {
                self.own.peers.insert(peer.key, R::Peer::default());
                resume_unwind(panic);
            }
        }
    }

    fn add_peer(&mut self, host: &mut dyn Host, peer: &PeerInfo) {
        self.with_peer(host, peer.key, |reactor, cx, state| {
            reactor.add_peer(cx, peer, state);
        });
    }

    fn filter_message(
        &mut self,
        from: &PeerInfo,
        channel: ChannelId,
        message: &[u8],
    ) -> Result<(), ReactorError> {
        self.reactor.filter_message(from, channel, message)
    }

    fn receive(&mut self, host: &mut dyn Host, envelope: Envelope<'_>) -> Result<(), ReactorError> {
        let key = envelope.from.key;
        self.with_peer(host, key, |reactor, cx, state| {
            reactor.receive(cx, envelope, state)
        })
        .unwrap_or(Ok(()))
    }

    fn handle_room(&mut self, host: &mut dyn Host, peer: PeerKey, channel: ChannelId) {
        self.with_peer(host, peer, |reactor, cx, state| {
            reactor.handle_room(cx, peer, channel, state);
        });
    }

    fn has_pending(&self, peer: PeerKey) -> bool {
        let state = self.own.peers.get(peer);
        state.is_some_and(|state| self.reactor.has_pending(peer, state))
    }

    fn has_room(&self, channel: ChannelId) -> bool {
        self.reactor.has_room(channel)
    }

    fn publish(
        &mut self,
        host: &mut dyn Host,
        channel: ChannelId,
        message: Bytes,
        options: PublishOptions,
    ) {
        let cx = &mut Context::new(host, &mut self.own);
        self.reactor.publish_with(cx, channel, message, options);
    }

    fn handle_note(&mut self, host: &mut dyn Host, from: ShardId, note: Note) {
        let note = note.into_value();
        debug_assert!(
            note.is_some(),
            "instances of one reactor understand each other"
        );
        if let Some(note) = note {
            let cx = &mut Context::new(host, &mut self.own);
            self.reactor.handle_note(cx, from, note);
        }
    }

    fn handle_timeout(&mut self, host: &mut dyn Host, token: u64) {
        let timer = self.own.timers.take_due(token);
        debug_assert!(
            timer.is_some(),
            "a cancelled timer is taken from the switch as well"
        );
        if let Some(timer) = timer {
            let cx = &mut Context::new(host, &mut self.own);
            self.reactor.handle_timeout(cx, timer);
        }
    }

    fn handle_reconfigured(&mut self, host: &mut dyn Host, config: &Config) {
        let cx = &mut Context::new(host, &mut self.own);
        self.reactor.handle_reconfigured(cx, config);
    }

    fn remove_peer(&mut self, host: &mut dyn Host, peer: &PeerInfo, reason: &CloseReason) {
        let state = self.own.peers.remove(peer.key);
        debug_assert!(
            state.is_some(),
            "each peer is initialised, and removed once"
        );
        if let Some(state) = state {
            let cx = &mut Context::new(host, &mut self.own);
            self.reactor.remove_peer(cx, peer, state, reason);
        }
    }

    fn handle_dialed(
        &mut self,
        host: &mut dyn Host,
        address: &NetAddress,
        outcome: Result<(), &CloseReason>,
    ) {
        let cx = &mut Context::new(host, &mut self.own);
        self.reactor.handle_dialed(cx, address, outcome);
    }

    fn stop(&mut self, host: &mut dyn Host) {
        self.reactor.stop(&mut Context::new(host, &mut self.own));
    }

    fn inspect(&self) -> Option<Document> {
        self.reactor.inspect()
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.reactor.counters()
    }
}
