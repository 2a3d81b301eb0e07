//! [`FeedsNote`] and [`FeedsTimer`]: what the shards of a node tell each other, and what one does later.

use bytes::Bytes;
use ringwire_codec::NodeId;
use ringwire_gossip::feeds::{Lane, Order, Payload, Provenance};

use super::unpublished::Class;
use crate::peer::PeerKey;

/// What shards tell each other.
#[derive(Clone, Debug)]
pub enum FeedsNote {
    /// The sending shard has a peer that takes part.
    Add(PeerKey, NodeId, Provenance),
    /// It has it no more.
    Remove(PeerKey),
    /// A peer of the sending shard said something.
    Received(PeerKey, Bytes),
    /// Send this to a peer.
    Send(PeerKey, Lane, Order, Bytes),
    /// Bodies wait for a peer of the sending shard, or do not any more.
    Behind(PeerKey, bool),
    /// This body was not sent to a peer of the sending shard after all.
    LeftOut(PeerKey, Bytes),
    /// Deliver this message; the peer brought it.
    Deliver(NodeId, Bytes),
    /// Stop a peer: no honest node says what it has said.
    Stop(PeerKey, String),
    /// Publish this.
    Publish(Outgoing),
    /// Too much waits for peers of the sending shard, or does not any more.
    Crowded(bool),
    /// Whether the conversation, which the sending shard has, lets this node publish.
    MayPublish(bool),
}

impl FeedsNote {
    /// Bytes of messages in it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            FeedsNote::Received(_, bytes)
            | FeedsNote::Send(_, _, _, bytes)
            | FeedsNote::LeftOut(_, bytes)
            | FeedsNote::Deliver(_, bytes) => bytes.len(),
            FeedsNote::Publish(outgoing) => outgoing.payload.bytes.len(),
            FeedsNote::Add(..)
            | FeedsNote::Remove(_)
            | FeedsNote::Behind(..)
            | FeedsNote::Crowded(_)
            | FeedsNote::MayPublish(_)
            | FeedsNote::Stop(..) => 0,
        }
    }
}

/// Messages of this node that go together.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub(super) class: Class,
    pub(super) payload: Payload,
    /// What the application calls them.
    pub(super) tags: Vec<u64>,
}

/// What the reactor does later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeedsTimer {
    /// Something is due in the conversation.
    Due,
    /// Nothing has moved for a while.
    Stuck,
    /// What was published is to be bundled: the turn's messages are there, or the pace lets the next ones go.
    Publish,
    /// The turn's messages are there: their signatures can be checked together.
    Prove,
    /// The application may have let the time pass in which it checks a message.
    Checks,
}
