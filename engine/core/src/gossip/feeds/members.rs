//! [`SetMembers`]: who gets short messages directly, where all are connected.

use std::collections::BTreeSet;

use ringwire_codec::NodeId;
use ringwire_gossip::feeds::MemberId;

/// These nodes are the members from now on, this node too if it is one; none are nobody. A question to the reactor on the
/// shard that [`Feeds::home_of`](super::Feeds::home_of) names.
///
/// While a node is connected with all other members it sends what it publishes to each of them itself, as long as that is
/// 256 KiB together, and they pass it on to nobody but neighbours that are no members: one hop, and no announcements. All
/// members are told the same set. Who knows another, as while it changes, passes messages on as without one. Heeded only where
/// origins sign ([`FeedsConfig::signed`](super::FeedsConfig::signed)).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SetMembers(pub BTreeSet<NodeId>);

impl SetMembers {
    /// As the conversation calls them.
    pub(super) fn ids(&self) -> BTreeSet<MemberId> {
        self.0.iter().map(|member| *member.as_bytes()).collect()
    }
}

impl FromIterator<NodeId> for SetMembers {
    fn from_iter<T: IntoIterator<Item = NodeId>>(members: T) -> Self {
        SetMembers(members.into_iter().collect())
    }
}
