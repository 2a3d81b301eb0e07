//! Watches the calls between switch and reactor: is their order kept?
//!
//! ```text
//!   start ( init_peer receive* ( add_peer receive* )? remove_peer )* stop        per peer, in order
//! ```
//!
//! All shards of a node share one [`Grammar`] per life, because a peer that comes back may come to
//! another shard: its `init_peer` there must not run before its `remove_peer` here has returned.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NetAddress, NodeId};
use ringwire_core::config::Config;
use ringwire_core::document::Document;
use ringwire_core::error::CloseReason;
use ringwire_core::peer::{PeerInfo, PeerKey, ShardId};
use ringwire_core::reactor::{
    ChannelDescriptor, Envelope, Host, Instance, Note, PublishOptions, ReactorError,
};

/// How far a peer has come with one reactor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Initialised(ShardId),
    Added(ShardId),
}

impl Stage {
    fn shard(self) -> ShardId {
        match self {
            Stage::Initialised(shard) | Stage::Added(shard) => shard,
        }
    }
}

/// What was seen of the reactors of one life of a node.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    /// By reactor, then by peer.
    stages: BTreeMap<String, BTreeMap<NodeId, Stage>>,
    broken: Option<String>,
}

impl Grammar {
    /// The first broken rule since the last call.
    pub(super) fn take_broken(&mut self) -> Option<String> {
        self.broken.take()
    }

    fn stage(&self, reactor: &str, peer: &NodeId) -> Option<Stage> {
        self.stages.get(reactor)?.get(peer).copied()
    }

    fn break_rule(&mut self, rule: String) {
        self.broken.get_or_insert(rule);
    }
}

/// A reactor that is watched.
pub(super) struct Watched {
    name: String,
    shard: ShardId,
    reactor: Box<dyn Instance>,
    grammar: Rc<RefCell<Grammar>>,
}

impl Watched {
    pub(super) fn new(
        name: String,
        shard: ShardId,
        reactor: Box<dyn Instance>,
        grammar: &Rc<RefCell<Grammar>>,
    ) -> Self {
        Watched {
            name,
            shard,
            reactor,
            grammar: Rc::clone(grammar),
        }
    }

    /// Enters a call about `peer`: it must find the stage that `expects` accepts.
    fn enter(
        &self,
        call: &str,
        peer: NodeId,
        expects: impl FnOnce(Option<Stage>) -> bool,
        next: impl FnOnce(ShardId) -> Option<Stage>,
    ) {
        let mut grammar = self.grammar.borrow_mut();
        let stage = grammar.stage(&self.name, &peer);
        if !expects(stage) || stage.is_some_and(|stage| stage.shard() != self.shard) {
            let Watched { name, shard, .. } = self;
            grammar.break_rule(format!(
                "{name}: {call} of {peer} on {shard:?} found {stage:?}"
            ));
        }
        let stages = grammar.stages.entry(self.name.clone()).or_default();
        match next(self.shard) {
            Some(stage) => stages.insert(peer, stage),
            None => stages.remove(&peer),
        };
    }
}

impl Instance for Watched {
    fn as_any(&self) -> &dyn Any {
        self.reactor.as_any()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self.reactor.as_any_mut()
    }

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.reactor.channels()
    }

    fn signs(&self) -> bool {
        self.reactor.signs()
    }

    fn start(&mut self, host: &mut dyn Host) {
        self.reactor.start(host);
    }

    fn init_peer(&mut self, peer: &PeerInfo) {
        let initialised = |shard| Some(Stage::Initialised(shard));
        self.enter("init_peer", peer.id, |stage| stage.is_none(), initialised);
        self.reactor.init_peer(peer);
    }

    fn add_peer(&mut self, host: &mut dyn Host, peer: &PeerInfo) {
        let initialised = |stage| matches!(stage, Some(Stage::Initialised(_)));
        self.enter("add_peer", peer.id, initialised, |shard| {
            Some(Stage::Added(shard))
        });
        self.reactor.add_peer(host, peer);
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
        let from = envelope.from.id;
        let mut grammar = self.grammar.borrow_mut();
        if grammar.stage(&self.name, &from).is_none() {
            let rule = format!("{}: receive of {from} without init_peer", self.name);
            grammar.break_rule(rule);
        }
        drop(grammar);
        self.reactor.receive(host, envelope)
    }

    fn handle_room(&mut self, host: &mut dyn Host, peer: PeerKey, channel: ChannelId) {
        self.reactor.handle_room(host, peer, channel);
    }

    fn has_pending(&self, peer: PeerKey) -> bool {
        self.reactor.has_pending(peer)
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
        self.reactor.publish(host, channel, message, options);
    }

    fn handle_note(&mut self, host: &mut dyn Host, from: ShardId, note: Note) {
        self.reactor.handle_note(host, from, note);
    }

    fn handle_timeout(&mut self, host: &mut dyn Host, token: u64) {
        self.reactor.handle_timeout(host, token);
    }

    fn handle_reconfigured(&mut self, host: &mut dyn Host, config: &Config) {
        self.reactor.handle_reconfigured(host, config);
    }

    fn remove_peer(&mut self, host: &mut dyn Host, peer: &PeerInfo, reason: &CloseReason) {
        self.reactor.remove_peer(host, peer, reason);
        // Only now, when it has returned, may the peer come back.
        self.enter("remove_peer", peer.id, |stage| stage.is_some(), |_| None);
    }

    fn handle_dialed(
        &mut self,
        host: &mut dyn Host,
        address: &NetAddress,
        outcome: Result<(), &CloseReason>,
    ) {
        self.reactor.handle_dialed(host, address, outcome);
    }

    fn stop(&mut self, host: &mut dyn Host) {
        self.reactor.stop(host);
    }

    fn inspect(&self) -> Option<Document> {
        self.reactor.inspect()
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.reactor.counters()
    }
}
