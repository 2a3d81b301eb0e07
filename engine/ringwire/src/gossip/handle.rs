//! [`GossipHandle`]: publishing and subscribing, from any thread.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::NodeId;
use ringwire_core::error::{PublishError, TrySendError};
use ringwire_core::gossip::{Feeder, Feeds, HowFar, MessageReach, SetMembers, WhoFeeds};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{AskError, PublishOptions};
use ringwire_sync::block_on;

use super::gossip::Gossip;
use super::subscription::GossipSubscription;
use crate::handle::{Handle, ReactorHandle, SubscribeError};

/// The gossip of a running engine. Cheap to clone, usable from any thread and any runtime.
#[derive(Clone, Debug)]
pub struct GossipHandle {
    handle: Handle,
    gossip: Gossip,
}

impl Handle {
    /// A gossip that the engine was built with, by [`Builder::gossip`](crate::Builder::gossip).
    ///
    /// # Errors
    /// [`SubscribeError::UnknownChannel`] if the engine was built without it; [`SubscribeError::Stopping`]
    /// when it is at its end.
    pub fn gossip(&self, gossip: &Gossip) -> Result<GossipHandle, SubscribeError> {
        gossip
            .channels()
            .into_iter()
            .try_for_each(|channel| self.knows(channel))?;
        Ok(GossipHandle {
            handle: self.clone(),
            gossip: gossip.clone(),
        })
    }
}

impl GossipHandle {
    /// Publishes a message of up to what the class allows; one without a byte is a message, too. It is delivered
    /// once to the application of every other node. Waits while the node has more to send than its neighbours take, or publishes faster than others
    /// can remember; that it returns says that the message is on its way, not that it has arrived.
    ///
    /// Messages of up to 128 KiB by one thread are sent in order, and so are longer ones, but the ones may overtake
    /// the others; on their way all may.
    ///
    /// # Errors
    /// [`PublishError::TooLong`] for one that is longer than the class allows, [`PublishError::Stopping`] when
    /// the engine is at its end.
    pub async fn publish(&self, message: Bytes) -> Result<(), PublishError> {
        self.publish_with(message, PublishOptions::default()).await
    }

    /// [`GossipHandle::publish`] for plain threads.
    ///
    /// # Errors
    /// As [`GossipHandle::publish`].
    pub fn publish_blocking(&self, message: Bytes) -> Result<(), PublishError> {
        block_on(self.publish(message))
    }

    /// [`GossipHandle::publish`] with what is asked for of this message. Payloads of more than 128 KiB and
    /// messages of hidden origin have neither priority nor expiry.
    ///
    /// # Errors
    /// As [`GossipHandle::publish`].
    pub async fn publish_with(
        &self,
        message: Bytes,
        options: PublishOptions,
    ) -> Result<(), PublishError> {
        let channel = self.gossip.channel_for(message.len());
        self.handle.publish_with(channel, message, options).await
    }

    /// [`GossipHandle::publish_with`] for plain threads.
    ///
    /// # Errors
    /// As [`GossipHandle::publish`].
    pub fn publish_with_blocking(
        &self,
        message: Bytes,
        options: PublishOptions,
    ) -> Result<(), PublishError> {
        block_on(self.publish_with(message, options))
    }

    /// [`GossipHandle::publish`], but says at once when there is no room.
    ///
    /// # Errors
    /// As [`GossipHandle::publish`]; [`TrySendError::Full`] gives the message back.
    pub fn try_publish(&self, message: Bytes) -> Result<(), TrySendError> {
        self.try_publish_with(message, PublishOptions::default())
    }

    /// [`GossipHandle::publish_with`], but says at once when there is no room.
    ///
    /// # Errors
    /// As [`GossipHandle::publish`]; [`TrySendError::Full`] gives the message back.
    pub fn try_publish_with(
        &self,
        message: Bytes,
        options: PublishOptions,
    ) -> Result<(), TrySendError> {
        let channel = self.gossip.channel_for(message.len());
        self.handle.try_publish_with(channel, message, options)
    }

    /// Subscribes to the messages of all lengths. The first subscription gets what came before it.
    ///
    /// # Errors
    /// [`SubscribeError::Stopping`] when the engine is at its end.
    pub fn subscribe(&self) -> Result<GossipSubscription, SubscribeError> {
        let channels = self.gossip.delivered_on().into_iter();
        let subscriptions = channels.map(|channel| self.handle.subscribe(channel));
        Ok(GossipSubscription::new(
            subscriptions.collect::<Result<_, _>>()?,
        ))
    }

    /// How far the last messages that this node published have come among its neighbours, the oldest first: at most
    /// 1,024, of up to 128 KiB each. Asked rarely it costs next to nothing. Messages of hidden origin and longer payloads
    /// are not told of. `timeout` bounds the answer.
    ///
    /// # Errors
    /// [`AskError::NoSuchReactor`] where origins are hidden; else as [`ReactorHandle::ask`].
    pub async fn reaches(&self, timeout: Duration) -> Result<Vec<MessageReach>, AskError> {
        let (feeds, home) = self.feeds();
        feeds.ask(home, HowFar, timeout).await
    }

    /// [`GossipHandle::reaches`] for plain threads.
    ///
    /// # Errors
    /// As [`GossipHandle::reaches`].
    pub fn reaches_blocking(&self, timeout: Duration) -> Result<Vec<MessageReach>, AskError> {
        block_on(self.reaches(timeout))
    }

    /// Which neighbour sends the messages of which origin now: at most 256 origins. `timeout` bounds the answer.
    ///
    /// # Errors
    /// As [`GossipHandle::reaches`].
    pub async fn feeders(&self, timeout: Duration) -> Result<Vec<Feeder>, AskError> {
        let (feeds, home) = self.feeds();
        feeds.ask(home, WhoFeeds, timeout).await
    }

    /// [`GossipHandle::feeders`] for plain threads.
    ///
    /// # Errors
    /// As [`GossipHandle::reaches`].
    pub fn feeders_blocking(&self, timeout: Duration) -> Result<Vec<Feeder>, AskError> {
        block_on(self.feeders(timeout))
    }

    /// These nodes are the members from now on, instead of those before: see
    /// [`GossipBuilder::members`](super::GossipBuilder::members). None: nobody is. Heeded where origins sign. While nodes know
    /// different sets messages are passed on as without members. `timeout` bounds the answer.
    ///
    /// # Errors
    /// As [`GossipHandle::reaches`].
    pub async fn set_members(
        &self,
        members: impl IntoIterator<Item = NodeId>,
        timeout: Duration,
    ) -> Result<(), AskError> {
        let members: SetMembers = members.into_iter().collect();
        let (feeds, home) = self.feeds();
        feeds.ask(home, members, timeout).await
    }

    /// [`GossipHandle::set_members`] for plain threads.
    ///
    /// # Errors
    /// As [`GossipHandle::reaches`].
    pub fn set_members_blocking(
        &self,
        members: impl IntoIterator<Item = NodeId>,
        timeout: Duration,
    ) -> Result<(), AskError> {
        block_on(self.set_members(members, timeout))
    }

    /// The reactor of messages of up to 128 KiB, and the shard that has its conversation.
    fn feeds(&self) -> (ReactorHandle<Feeds>, ShardId) {
        let channel = self.gossip.channel_for(0);
        let home = Feeds::home_of(channel, self.handle.shard_count());
        (self.handle.reactor_on(channel), home)
    }
}
