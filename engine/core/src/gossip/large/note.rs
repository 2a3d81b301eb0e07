//! [`LargeNote`] and [`LargeTimer`]: what the shards of a node tell each other, and what one does later.

use bytes::Bytes;
use ringwire_codec::NodeId;
use ringwire_gossip::coded::{Encoder, Shard};
use ringwire_gossip::exchange::Control;

use crate::peer::PeerKey;

/// What shards tell each other.
#[derive(Debug)]
pub enum LargeNote {
    /// The sending shard has a peer that takes part.
    Add(PeerKey, NodeId),
    /// It has it no more.
    Remove(PeerKey),
    /// A peer of the sending shard said something about a payload that the other owns.
    Control(PeerKey, Control),
    /// A peer of the sending shard sent a shard of a payload that the other owns.
    Shard(PeerKey, Shard),
    /// Send a message about shards to a peer.
    SendControl(PeerKey, Bytes),
    /// Send a shard to a peer.
    SendShard(PeerKey, Bytes),
    /// So many shards that the other owns have left for a peer of the sending shard.
    Left(PeerKey, usize),
    /// Stop a peer: no honest node sends what it has sent.
    Stop(PeerKey, String),
    /// Publish a payload that the other owns.
    Publish(Box<Encoder>),
}

impl LargeNote {
    /// Bytes of messages in it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            LargeNote::Shard(_, shard) => shard.wire().len(),
            LargeNote::SendControl(_, message) | LargeNote::SendShard(_, message) => message.len(),
            // A payload is the publisher's already, and one payload must not be more than a lane takes.
            LargeNote::Publish(_)
            | LargeNote::Add(..)
            | LargeNote::Left(..)
            | LargeNote::Remove(_)
            | LargeNote::Control(..)
            | LargeNote::Stop(..) => 0,
        }
    }
}

/// What the reactor does later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LargeTimer {
    /// Announce what came in this turn.
    Announce,
    /// Encode the next segment.
    Encode,
    /// Let the exchange know that time goes by.
    Tick,
    /// The application may have let the time pass in which it checks a payload.
    Checks,
    /// Restore what was waited for in vain.
    Due,
}
