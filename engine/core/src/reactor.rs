//! Reactors: where an application meets its peers.
//!
//! A reactor owns one or more channels. Every shard runs an instance of its own, made by the
//! factory given to the builder, and that instance sees only the peers of its shard; so there is
//! nothing to lock. Calls follow the reference's grammar:
//!
//! ```text
//! start ( init_peer receive* ( add_peer receive* )? remove_peer )* stop        per peer, in order
//! ```
//!
//! `receive` may come before `add_peer`, never before `init_peer`; `init_peer` of a peer that came
//! back is never called before `remove_peer` of its former life has returned. A reactor that
//! returns an error, or panics, costs the peer at hand, never the node.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NetAddress, NodeId};

pub use crate::conn::ChannelDescriptor;
use crate::document::{Document, SaveError};
pub use crate::error::ReactorError;
use crate::error::{CloseReason, TrySendError};
use crate::peer::{BanTarget, Census, PeerInfo, PeerKey, ShardId};
use crate::time::Instant;

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

/// What instances of one reactor tell each other across the shards of a node. Only the reference
/// to `body` travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Meaning of the note, private to the reactor.
    pub kind: u32,
    /// A content id, or zeros.
    pub digest: [u8; 32],
    /// The peer it is about, if any.
    pub peer: Option<NodeId>,
    /// Payload.
    pub body: Bytes,
}

/// What a reactor may do while it is called. Implemented by the switch.
pub trait Context {
    /// The time of this turn.
    fn now(&self) -> Instant;
    /// The shard this instance lives on.
    fn shard(&self) -> ShardId;
    /// How many shards the node has.
    fn shard_count(&self) -> u16;
    /// This node's id.
    fn node_id(&self) -> NodeId;
    /// The admitted peers of this shard.
    fn peers(&self) -> Vec<PeerKey>;
    /// What is known of a peer of this shard.
    fn peer(&self, key: PeerKey) -> Option<&PeerInfo>;
    /// Queues `message` for one peer of this shard, or says why not and hands it back.
    fn try_send(
        &mut self,
        peer: PeerKey,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), TrySendError>;
    /// Queues `message` for every peer, on all shards, that has the channel and room for it.
    /// Returns how many peers of this shard took it.
    fn try_broadcast(&mut self, channel: ChannelId, message: Bytes) -> usize;
    /// Hands a message to the application's subscriptions of `channel`.
    fn deliver(&mut self, from: NodeId, channel: ChannelId, message: Bytes);
    /// Sends a note to the instance of this reactor on another shard (or this one).
    fn send_note(&mut self, to: ShardId, note: Note);
    /// Takes no more messages of `channel` from a peer of this shard until [`Context::release`]: what
    /// it sends waits with it, as soon as a little of it waits here. Its messages of other channels
    /// are stopped with it once they come behind that, since a connection is one stream; so it is a
    /// means to slow a peer down, not to put it off for long.
    fn hold_back(&mut self, peer: PeerKey, channel: ChannelId);
    /// Takes messages of `channel` from a peer again.
    fn release(&mut self, peer: PeerKey, channel: ChannelId);
    /// Asks for [`Reactor::handle_timeout`] with `token` once `after` has passed. Zero means the
    /// shard's next turn, never this one; a reactor that keeps asking for zero keeps its shard from
    /// sleeping.
    fn set_timer(&mut self, after: Duration, token: u64);
    /// Closes a peer of this shard after this call returns.
    fn stop_peer(&mut self, peer: PeerKey, error: ReactorError);
    /// Closes a peer after what is queued has been sent; it is not dialed again.
    fn stop_peer_gracefully(&mut self, peer: PeerKey);

    // ---- the whole node ---------------------------------------------------------------------

    /// How many peers the whole node has. Only the coordinator's shard knows: `None` elsewhere.
    fn census(&self) -> Option<Census>;
    /// Whether the id is a peer of any shard, or is being dialed. Only the coordinator's shard
    /// knows: `None` elsewhere.
    fn is_known(&self, id: &NodeId) -> Option<bool>;
    /// Dials an address once, within the limit of outbound peers, from whichever shard has the
    /// least to do. [`Reactor::handle_dialed`] tells the instance on the coordinator's shard what
    /// became of it.
    fn dial(&mut self, address: NetAddress);
    /// Refuses an id or host for `span` from now and closes its peers, on all shards. Such a ban is
    /// automatic: however many there are, none pushes out one of the operator's. No time at all is
    /// no ban.
    fn ban(&mut self, target: BanTarget, span: Duration);
    /// Has a document kept, in place of an earlier one of the same name. It is written behind the
    /// shard's back, and again when the disk refuses it. Names belong to the whole node: of two
    /// instances or reactors that save one, the last has its way.
    ///
    /// # Errors
    /// The node has no file for this name, and the document is dropped.
    fn save(&mut self, document: Document) -> Result<(), SaveError>;
    /// 32 bytes that nobody else has and nobody can guess.
    fn random(&mut self) -> [u8; 32];
}

/// A protocol over the engine's channels. See the module's grammar for the order of calls.
#[allow(unused_variables, reason = "default bodies ignore their arguments")]
pub trait Reactor {
    /// The channels this reactor owns. Asked once, before `start`.
    fn channels(&self) -> Vec<ChannelDescriptor>;

    /// The engine runs.
    fn start(&mut self, cx: &mut dyn Context) {}

    /// A peer is about to be started: make room for its state. No sending yet.
    fn init_peer(&mut self, peer: &PeerInfo) {}

    /// The peer is up.
    fn add_peer(&mut self, cx: &mut dyn Context, peer: &PeerInfo) {}

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
    fn receive(&mut self, cx: &mut dyn Context, envelope: Envelope<'_>)
    -> Result<(), ReactorError>;

    /// A channel of a peer that answered `Full` has room again.
    fn handle_room(&mut self, cx: &mut dyn Context, peer: PeerKey, channel: ChannelId) {}

    /// Whether messages for `peer` still wait inside the reactor. A peer that is stopped gracefully
    /// gets them before it is closed, within the deadline.
    fn has_pending(&self, peer: PeerKey) -> bool {
        false
    }

    /// Whether the reactor can take more to publish on `channel` now without its peers falling far
    /// behind. A hint to the application; a publish is taken all the same.
    fn has_room(&self, channel: ChannelId) -> bool {
        true
    }

    /// The application published `message` on a channel of this reactor; called on one shard.
    /// The default sends it to every peer that has room.
    fn publish(&mut self, cx: &mut dyn Context, channel: ChannelId, message: Bytes) {
        cx.try_broadcast(channel, message);
    }

    /// A note from an instance on another shard.
    fn handle_note(&mut self, cx: &mut dyn Context, from: ShardId, note: Note) {}

    /// A timer set with [`Context::set_timer`] is due.
    fn handle_timeout(&mut self, cx: &mut dyn Context, token: u64) {}

    /// The peer is gone. Its key finds nobody any more.
    fn remove_peer(&mut self, cx: &mut dyn Context, peer: &PeerInfo, reason: &CloseReason) {}

    /// A dial that an instance of this reactor asked for made a peer, or why not. Called on the
    /// coordinator's shard.
    fn handle_dialed(
        &mut self,
        cx: &mut dyn Context,
        address: &NetAddress,
        outcome: Result<(), &CloseReason>,
    ) {
    }

    /// The engine stops; peers are already gone. What is saved now is still kept.
    fn stop(&mut self, cx: &mut dyn Context) {}

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
