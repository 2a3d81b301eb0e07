//! A bridge between neighbours that gossip by feeds and neighbours that only flood.
//!
//! ```text
//!   neighbour with feeds ◀──▶ Feeds ── FromFeeds ──▶ Flood ◀──▶ neighbour that only floods
//!                                 ◀── FromFlood ──          └──▶ the application
//! ```
//! Both reactors of a node take part, each on the channels of its own. What a message is follows from its content, as
//! flooding has it: two bridges that hear a message by flooding both publish it by feeds, as two messages of
//! two origins, and each node delivers the first alone. So in a network that has both kinds of nodes every node of
//! feeds has the bridge, floods to no neighbour that speaks feeds, and takes what is delivered from the flood.
//!
//! What comes by feeds is never published by feeds again, so nothing goes in a circle. Feeds that have no room hold
//! back who floods.

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};

use crate::reactor::{Context, Reactor};

/// A message that was good by feeds, or that this node publishes by feeds: to the flood.
#[derive(Debug)]
pub struct FromFeeds {
    /// Who brought it; `None` for one of this node's.
    pub(super) from: Option<NodeId>,
    pub(super) message: Bytes,
}

/// A message that is new by flooding: to the feeds, which say whether they take more.
#[derive(Debug)]
pub struct FromFlood(pub(super) Option<Bytes>);

/// How a reactor reaches the other one of its shard.
pub(super) struct Bridge<R: Reactor, Q, A> {
    /// A channel of the other's.
    channel: ChannelId,
    ask: fn(&mut Context<'_, R>, ChannelId, Q) -> A,
}

impl<R: Reactor, Q, A> Bridge<R, Q, A> {
    pub(super) fn new(channel: ChannelId, ask: fn(&mut Context<'_, R>, ChannelId, Q) -> A) -> Self {
        Bridge { channel, ask }
    }

    /// The channel of the other's, by which neighbours are known that speak it.
    pub(super) fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Asks the other.
    pub(super) fn ask(&self, cx: &mut Context<'_, R>, question: Q) -> A {
        (self.ask)(cx, self.channel, question)
    }
}
