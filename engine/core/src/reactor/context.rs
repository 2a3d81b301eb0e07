//! [`Context`]: what a reactor may do while it is called.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::{ChannelId, NetAddress, NodeId, PublicKey};

use super::ask::{Answers, Ask, AskError};
use super::host::{Host, Note};
use super::instance::Erased;
use super::peers::Peers;
use super::reactor::Reactor;
use super::timers::{TimerKey, Timers};
use crate::document::{Document, SaveError};
use crate::error::{ReactorError, TrySendError};
use crate::peer::{BanTarget, Census, PeerInfo, PeerKey, ShardId};
use crate::time::Instant;

/// What the engine keeps for one instance.
pub(crate) struct Own<R: Reactor> {
    pub(super) peers: Peers<R::Peer>,
    pub(super) timers: Timers<R::Timer>,
}

impl<R: Reactor> Own<R> {
    pub(crate) fn new() -> Self {
        Own {
            peers: Peers::new(),
            timers: Timers::new(),
        }
    }
}

#[cfg(test)]
impl<R: Reactor> Own<R> {
    /// A context without a switch, for the tests of a reactor's parts.
    pub(crate) fn context<'a>(&'a mut self, host: &'a mut dyn Host) -> Context<'a, R> {
        Context::new(host, self)
    }

    /// The timer of a token that a host was told.
    pub(crate) fn timer(&self, token: u64) -> Option<&R::Timer> {
        self.timers.of_token(token)
    }
}

/// The context of one call to one instance of `R`.
pub struct Context<'a, R: Reactor> {
    host: &'a mut dyn Host,
    own: &'a mut Own<R>,
}

impl<'a, R: Reactor> Context<'a, R> {
    pub(super) fn new(host: &'a mut dyn Host, own: &'a mut Own<R>) -> Self {
        Context { host, own }
    }

    /// The time of this turn.
    pub fn now(&self) -> Instant {
        self.host.now()
    }

    /// The shard this instance lives on.
    pub fn shard(&self) -> ShardId {
        self.host.shard()
    }

    /// How many shards the node has.
    pub fn shard_count(&self) -> u16 {
        self.host.shard_count()
    }

    /// This node's id.
    pub fn node_id(&self) -> NodeId {
        self.host.node_id()
    }

    /// This node's public key, from which its id comes.
    pub fn public_key(&self) -> PublicKey {
        self.host.public_key()
    }

    /// Signs for this node, with the key of [`Context::public_key`]; takes some 20 µs.
    ///
    /// What reactors sign begins with a text that says what for: so no signature means anything else.
    ///
    /// # Panics
    /// For 32 bytes, which only the handshake signs. On a node whose key is elsewhere, which no reactor that
    /// [says that it signs](Reactor::signs) meets.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        assert_ne!(message.len(), 32, "a handshake's challenge is 32 bytes");
        self.host.sign(message)
    }

    /// The network that this node and all of its peers are of.
    pub fn network(&self) -> &str {
        self.host.network()
    }

    /// Time since 1970: what the machine's clock showed when the engine started, and what has passed since.
    pub fn unix_time(&self) -> Duration {
        self.host.unix_time()
    }

    /// 32 bytes that nobody else has and nobody can guess.
    pub fn random(&mut self) -> [u8; 32] {
        self.host.random()
    }

    // ---- peers --------------------------------------------------------------------------------

    /// The admitted peers of this shard.
    pub fn peers(&self) -> Vec<PeerKey> {
        self.host.peers()
    }

    /// What is known of a peer of this shard.
    pub fn peer(&self, key: PeerKey) -> Option<&PeerInfo> {
        self.host.peer(key)
    }

    /// The key of a peer of this shard.
    pub fn find_peer(&self, id: &NodeId) -> Option<PeerKey> {
        self.host.find_peer(id)
    }

    /// What this reactor remembers of another peer of this shard than the one at hand, whose state
    /// came with the call.
    pub fn state(&self, key: PeerKey) -> Option<&R::Peer> {
        self.own.peers.get(key)
    }

    /// As [`Context::state`], to be changed.
    pub fn state_mut(&mut self, key: PeerKey) -> Option<&mut R::Peer> {
        self.own.peers.get_mut(key)
    }

    /// What this reactor remembers of all peers of this shard but the one at hand.
    pub fn states(&self) -> impl Iterator<Item = (PeerKey, &R::Peer)> {
        self.own.peers.iter()
    }

    /// What another reactor of this shard remembers of a peer, as CometBFT's mempool reads at which
    /// height the consensus reactor knows a peer to be. `None` if there is no such reactor, if it is
    /// being called, or if it does not know the peer.
    pub fn state_of<Other: Reactor>(&self, key: PeerKey) -> Option<&Other::Peer> {
        let is_it = |instance: &dyn super::Instance| instance.as_any().is::<Erased<Other>>();
        let other = self.host.find_instance(&is_it)?;
        other.as_any().downcast_ref::<Erased<Other>>()?.state(key)
    }

    /// Closes a peer of this shard after this call returns.
    pub fn stop_peer(&mut self, peer: PeerKey, error: ReactorError) {
        self.host.stop_peer(peer, error);
    }

    /// Closes a peer after what is queued has been sent; it is not dialed again.
    pub fn stop_peer_gracefully(&mut self, peer: PeerKey) {
        self.host.stop_peer_gracefully(peer);
    }

    // ---- messages -----------------------------------------------------------------------------

    /// Queues `message` for one peer of this shard, or says why not and hands it back.
    ///
    /// # Errors
    /// [`TrySendError`] says which: no such peer, no such channel, no room.
    pub fn try_send(
        &mut self,
        peer: PeerKey,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), TrySendError> {
        self.host.try_send(peer, channel, message)
    }

    /// Queues `message` for every peer, on all shards, that has the channel and room for it.
    /// Returns how many peers of this shard took it.
    pub fn try_broadcast(&mut self, channel: ChannelId, message: Bytes) -> usize {
        self.host.try_broadcast(channel, message)
    }

    /// Hands a message to the application's subscriptions of `channel`.
    pub fn deliver(&mut self, from: NodeId, channel: ChannelId, message: Bytes) {
        self.host.deliver(from, channel, message);
    }

    /// Takes no more messages of `channel` from a peer of this shard until [`Context::release`]: what
    /// it sends waits with it, as soon as a little of it waits here. Its messages of other channels
    /// are stopped with it once they come behind that, since a connection is one stream; so it is a
    /// means to slow a peer down, not to put it off for long.
    pub fn hold_back(&mut self, peer: PeerKey, channel: ChannelId) {
        self.host.hold_back(peer, channel);
    }

    /// Takes messages of `channel` from a peer again.
    pub fn release(&mut self, peer: PeerKey, channel: ChannelId) {
        self.host.release(peer, channel);
    }

    // ---- later, elsewhere ---------------------------------------------------------------------

    /// Asks for [`Reactor::handle_timeout`] with `timer` once `after` has passed. Zero means the
    /// shard's next turn, never this one; a reactor that keeps asking for zero keeps its shard from
    /// sleeping.
    pub fn set_timer(&mut self, after: Duration, timer: R::Timer) -> TimerKey {
        let key = self.own.timers.insert(timer);
        let id = self.host.set_timer(after, key.token());
        self.own.timers.note_id(key, id);
        key
    }

    /// Takes a timer back: what it was for, or `None` if it was due or cancelled already.
    pub fn cancel_timer(&mut self, key: TimerKey) -> Option<R::Timer> {
        let (timer, id) = self.own.timers.cancel(key)?;
        if let Some(id) = id {
            self.host.cancel_timer(id);
        }
        Some(timer)
    }

    /// Sends a note to the instance of this reactor on another shard, or on this one. It comes
    /// after this call, and notes between two shards keep their order.
    pub fn send_note(&mut self, to: ShardId, note: R::Note) {
        let bytes = R::note_bytes(&note);
        self.host.send_note(to, Note::new(note, bytes));
    }

    /// Sends a note to the instances of this reactor on all other shards.
    pub fn send_note_to_others(&mut self, note: &R::Note)
    where
        R::Note: Clone,
    {
        let here = self.shard();
        for shard in (0..self.shard_count()).map(ShardId) {
            if shard != here {
                self.send_note(shard, note.clone());
            }
        }
    }

    /// Asks the instance of another reactor on this shard.
    ///
    /// # Errors
    /// There is no such reactor, it is being called already, or it panicked.
    pub fn ask<Other, Q>(&mut self, question: Q) -> Result<Other::Answer, AskError>
    where
        Other: Answers<Q>,
        Q: Send + 'static,
    {
        self.host.ask(Ask::new::<Other, Q>(question))?.into_value()
    }

    /// As [`Context::ask`]; of several reactors of the type it is the one that owns the channel.
    ///
    /// # Errors
    /// As [`Context::ask`].
    pub fn ask_on<Other, Q>(
        &mut self,
        channel: ChannelId,
        question: Q,
    ) -> Result<Other::Answer, AskError>
    where
        Other: Answers<Q>,
        Q: Send + 'static,
    {
        let ask = Ask::new::<Other, Q>(question).on(channel);
        self.host.ask(ask)?.into_value()
    }

    /// Has a document kept, in place of an earlier one of the same name. It is written behind the
    /// shard's back, and again when the disk refuses it. Names belong to the whole node: of two
    /// instances or reactors that save one, the last has its way.
    ///
    /// # Errors
    /// The node has no file for this name, and the document is dropped.
    pub fn save(&mut self, document: Document) -> Result<(), SaveError> {
        self.host.save(document)
    }

    // ---- the whole node -----------------------------------------------------------------------

    /// What is decided for the whole node. Only the instance on the coordinator's shard has it; the
    /// others tell that one by a note.
    pub fn node(&mut self) -> Option<NodeContext<'_>> {
        let census = self.host.census()?;
        Some(NodeContext {
            host: &mut *self.host,
            census,
        })
    }
}

/// What the instance on the coordinator's shard may ask of the whole node.
pub struct NodeContext<'a> {
    host: &'a mut dyn Host,
    census: Census,
}

impl NodeContext<'_> {
    /// How many peers the node had when this context was made.
    pub fn census(&self) -> Census {
        self.census
    }

    /// Whether the id is a peer of any shard, or is being dialed.
    pub fn is_known(&self, id: &NodeId) -> bool {
        self.host.is_known(id)
    }

    /// Dials an address once, within the limit of outbound peers, from whichever shard has the
    /// least to do. [`Reactor::handle_dialed`] tells what became of it.
    pub fn dial(&mut self, address: NetAddress) {
        self.host.dial(address);
    }

    /// Refuses an id or host for `span` from now and closes its peers, on all shards. Such a ban is
    /// automatic: however many there are, none pushes out one of the operator's. No time at all is
    /// no ban.
    pub fn ban(&mut self, target: BanTarget, span: Duration) {
        self.host.ban(target, span);
    }
}
