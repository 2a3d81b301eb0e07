//! [`Reactor`]: what an application writes.

use bytes::Bytes;
use ringwire_codec::{ChannelId, NetAddress};

use super::context::Context;
use super::publishing::PublishOptions;
use crate::config::Config;
use crate::conn::ChannelDescriptor;
use crate::document::Document;
use crate::error::{CloseReason, ReactorError};
use crate::peer::{PeerInfo, PeerKey, ShardId};

/// One message from one peer.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// Who sent it.
    pub from: &'a PeerInfo,
    /// On which channel.
    pub channel: ChannelId,
    /// The whole message. Keeping it may keep a receive buffer alive; messages under
    /// [`crate::buffer::COPY_OUT_BYTES`] are always copies of their own.
    pub message: Bytes,
}

/// A protocol over the engine's channels. See the module's grammar for the order of calls.
///
/// A reactor without state of peers, notes or timers says `()` for each.
#[allow(unused_variables, reason = "default bodies ignore their arguments")]
pub trait Reactor: Sized + 'static {
    /// What it remembers of a peer, from `init_peer` to `remove_peer`. The engine keeps it and hands
    /// it in with each call about the peer.
    type Peer: Default + 'static;
    /// What its instances tell each other across the shards of a node.
    type Note: Send + 'static;
    /// What its timers are for.
    type Timer: 'static;

    /// The channels this reactor owns. Asked once, before `start`.
    fn channels(&self) -> Vec<ChannelDescriptor>;

    /// Whether it signs with the node's key ([`Context::sign`]). An engine whose key is elsewhere, so that it cannot
    /// sign on the spot, does not start with such a reactor.
    fn signs(&self) -> bool {
        false
    }

    /// The engine starts, on all shards or on none. What is sent now leaves when all have started. A panic here,
    /// or where the reactor is made, is why the engine does not start.
    fn start(&mut self, cx: &mut Context<'_, Self>) {}

    /// A peer is about to be started: the state that is kept of it. No sending yet.
    fn init_peer(&mut self, peer: &PeerInfo) -> Self::Peer {
        Self::Peer::default()
    }

    /// The peer is up.
    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, state: &mut Self::Peer) {}

    /// Raw look at a message before `receive`; an error closes the peer (item 66).
    fn filter_message(
        &mut self,
        from: &PeerInfo,
        channel: ChannelId,
        message: &[u8],
    ) -> Result<(), ReactorError> {
        Ok(())
    }

    /// A message came. Must not block: the whole shard waits. An error closes the peer.
    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        state: &mut Self::Peer,
    ) -> Result<(), ReactorError>;

    /// A channel of a peer that answered `Full` has room again.
    fn handle_room(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: PeerKey,
        channel: ChannelId,
        state: &mut Self::Peer,
    ) {
    }

    /// Whether messages for `peer` still wait inside the reactor. A peer that is stopped gracefully
    /// gets them before it is closed, within the deadline.
    fn has_pending(&self, peer: PeerKey, state: &Self::Peer) -> bool {
        false
    }

    /// Whether the reactor can take more to publish on `channel` now without its peers falling far
    /// behind. A hint to the application; a publish is taken all the same.
    fn has_room(&self, channel: ChannelId) -> bool {
        true
    }

    /// The application published `message` on a channel of this reactor; called on one shard.
    /// The default sends it to every peer that has room.
    fn publish(&mut self, cx: &mut Context<'_, Self>, channel: ChannelId, message: Bytes) {
        cx.try_broadcast(channel, message);
    }

    /// As [`Reactor::publish`], and how the engine calls it: with what the application asks for of the
    /// message. The default heeds none of that.
    fn publish_with(
        &mut self,
        cx: &mut Context<'_, Self>,
        channel: ChannelId,
        message: Bytes,
        options: PublishOptions,
    ) {
        self.publish(cx, channel, message);
    }

    /// A note from an instance on another shard, or from this one.
    fn handle_note(&mut self, cx: &mut Context<'_, Self>, from: ShardId, note: Self::Note) {}

    /// Bytes of payload that a note keeps in memory beside its own size. What waits between shards
    /// is bounded by them.
    fn note_bytes(note: &Self::Note) -> usize {
        0
    }

    /// A timer set with [`Context::set_timer`] is due.
    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, timer: Self::Timer) {}

    /// The operator has changed what the node goes by: here is all of it, as it is now. Called on every
    /// shard.
    fn handle_reconfigured(&mut self, cx: &mut Context<'_, Self>, config: &Config) {}

    /// The peer is gone. Its key finds nobody any more; here is what was remembered of it.
    fn remove_peer(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: &PeerInfo,
        state: Self::Peer,
        reason: &CloseReason,
    ) {
    }

    /// A dial that this instance asked for made a peer, or why not. Called on the coordinator's
    /// shard.
    fn handle_dialed(
        &mut self,
        cx: &mut Context<'_, Self>,
        address: &NetAddress,
        outcome: Result<(), &CloseReason>,
    ) {
    }

    /// The engine stops; peers are already gone. What is saved now is still kept. Not called where the engine
    /// did not start, or its shard failed.
    fn stop(&mut self, cx: &mut Context<'_, Self>) {}

    /// What an operator may want to read of this instance's state. Asked rarely; it must be cheap
    /// to make, not to render.
    fn inspect(&self) -> Option<Document> {
        None
    }

    /// Figures to show with the shard's metrics: name and value, each only growing.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
