//! What the conversation tells of itself: how far own messages have come, and who feeds the node.

use std::collections::VecDeque;
use std::time::Duration;

use ringwire_codec::NodeId;
use ringwire_gossip::feeds::{self as protocol, REACHES_MAX};

use super::neighbours::Neighbours;
use crate::gossip::origin::node_of;

/// Origins of which an answer tells at most.
pub(super) const FEEDS_TOLD_MAX: usize = 256;

/// How far have the last messages that this node published come? A question to the reactor on the shard that
/// [`Feeds::home_of`](super::Feeds::home_of) names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HowFar;

/// How far a message of this node has come among its neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageReach {
    /// The application's name for it ([`PublishOptions::tag`](crate::reactor::PublishOptions::tag)).
    pub tag: u64,
    /// How long ago it was published.
    pub age: Duration,
    /// Neighbours that take part in the gossip now.
    pub neighbours: usize,
    /// Those of them that have said that they have it. A neighbour that gets a message from this node says so by its
    /// next digest only, so for a while it is fewer than have it.
    pub have: usize,
}

impl MessageReach {
    /// Whether every neighbour has said that it has it.
    pub fn is_everywhere(&self) -> bool {
        self.have == self.neighbours
    }
}

/// Which neighbour sends the messages of which origin? A question to the reactor on the shard that
/// [`Feeds::home_of`](super::Feeds::home_of) names. At most 256 origins are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WhoFeeds;

/// The neighbour that sends the messages of an origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feeder {
    /// Whose messages.
    pub origin: NodeId,
    /// Who sends them.
    pub feeder: NodeId,
}

/// What the application calls the last messages of this node, by their number.
#[derive(Debug, Default)]
pub(super) struct Tags(VecDeque<(u64, u64)>);

impl Tags {
    /// Messages were published under a number.
    pub(super) fn insert(&mut self, seq: u64, tags: &[u64]) {
        let surplus = (self.0.len() + tags.len()).saturating_sub(REACHES_MAX);
        self.0.drain(..surplus.min(self.0.len()));
        let tags = tags.iter().take(REACHES_MAX);
        self.0.extend(tags.map(|tag| (seq, *tag)));
    }

    /// How far they have come.
    pub(super) fn reaches(
        &self,
        now: Duration,
        conversation: &protocol::Feeds,
    ) -> Vec<MessageReach> {
        let neighbours = conversation.slots().len();
        let mut reaches = conversation.reaches().peekable();
        let mut told = Vec::with_capacity(self.0.len());
        for (seq, tag) in &self.0 {
            while reaches.next_if(|reach| reach.seq < *seq).is_some() {}
            let Some(reach) = reaches.peek().filter(|reach| reach.seq == *seq) else {
                continue;
            };
            told.push(MessageReach {
                tag: *tag,
                age: now.saturating_sub(reach.published_at),
                neighbours,
                have: reach.have.len(),
            });
        }
        told
    }
}

/// Who sends what.
pub(super) fn feeders(
    conversation: &protocol::Feeds,
    neighbours: &Neighbours,
    is_signed: bool,
) -> Vec<Feeder> {
    let feeds = conversation.feeds().filter_map(|(origin, slot)| {
        let (_, feeder) = neighbours.at(slot)?;
        let origin = node_of(&origin, is_signed);
        Some(Feeder { origin, feeder })
    });
    feeds.take(FEEDS_TOLD_MAX).collect()
}
