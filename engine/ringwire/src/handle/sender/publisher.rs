//! [`Publisher`]: a way of its own to the reactor of a channel.

use std::collections::VecDeque;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::error::{PublishError, TrySendError};
use ringwire_core::reactor::PublishOptions;
use ringwire_sync::block_on;

use super::super::Handle;
use super::lane::Lane;
use crate::shard::inlets::{NewInlet, Publication};
use crate::shard::request::Control;

/// Publishes on one channel, from one thread at a time. Made by [`Handle::publisher`].
///
/// The reactor gets the messages in the order in which they were published here; between this and other ways to
/// publish there is none. It takes each only while its peers keep up, so a fast thread waits here. Dropped, it
/// still publishes what it was given. What the reactor has not taken when the engine stops is lost.
///
/// ```
/// # use ringwire::bytes::Bytes;
/// # use ringwire::{ChannelId, Handle, error::TrySendError};
/// /// Publishes transactions as fast as the network takes them.
/// fn spread(node: &Handle, transactions: impl Iterator<Item = Bytes>) -> Result<(), TrySendError> {
///     let mut publisher = node.publisher(ChannelId(0x30))?;
///     for transaction in transactions {
///         publisher.publish_blocking(transaction)?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Publisher {
    channel: ChannelId,
    lane: Lane<Publication>,
}

impl Handle {
    /// A way of its own to the reactor that owns a channel, for a thread that publishes much.
    ///
    /// # Errors
    /// `UnknownChannel`, `Stopping` (with no message).
    pub fn publisher(&self, channel: ChannelId) -> Result<Publisher, PublishError> {
        self.check_published(channel, &Bytes::new())?;
        let descriptor = self.node.channel(channel);
        let descriptor = descriptor.ok_or(PublishError::UnknownChannel(channel))?;
        let mailbox = self.publish_mailbox(channel);
        let mut lane = Lane::new(descriptor.longest_to_publish(), weigh);
        let items = lane.open(mailbox);
        mailbox.ask(Control::Inlet(NewInlet::Publish(channel, items)));
        Ok(Publisher { channel, lane })
    }
}

fn weigh((message, _): &Publication) -> usize {
    message.len()
}

impl Publisher {
    /// On which channel.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Leaves a message for the reactor, or says at once why not.
    ///
    /// # Errors
    /// `Full` while the reactor takes less than is published; `TooLong`; `Stopping`.
    pub fn try_publish(&mut self, message: Bytes) -> Result<(), TrySendError> {
        self.try_publish_with(message, PublishOptions::default())
    }

    /// [`Publisher::try_publish`] with what is asked for of the message, as far as the reactor heeds it.
    ///
    /// # Errors
    /// As [`Publisher::try_publish`].
    pub fn try_publish_with(
        &mut self,
        message: Bytes,
        options: PublishOptions,
    ) -> Result<(), TrySendError> {
        let published = self.lane.try_push((message, options));
        published.map_err(|(refused, (message, _))| refused.by_node(message))
    }

    /// Leaves messages from the front of `messages`, as many as there is room for, with one wake-up for all of
    /// them; returns how many.
    ///
    /// # Errors
    /// As [`Publisher::try_publish`], but for `Full`; the message that it is about is the first that is left in
    /// `messages`.
    pub fn try_publish_all(
        &mut self,
        messages: &mut VecDeque<(Bytes, PublishOptions)>,
    ) -> Result<usize, TrySendError> {
        self.lane.try_push_all(messages).map_err(|refused| {
            let first = messages.front().map(|(message, _)| message.clone());
            refused.by_node(first.unwrap_or_default())
        })
    }

    /// Leaves a message as soon as there is room. Dropping the future publishes nothing.
    ///
    /// # Errors
    /// As [`Publisher::try_publish`], but for `Full`.
    pub async fn publish(&mut self, message: Bytes) -> Result<(), TrySendError> {
        self.publish_with(message, PublishOptions::default()).await
    }

    /// [`Publisher::publish`] with what is asked for of the message, as far as the reactor heeds it.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_with(
        &mut self,
        message: Bytes,
        options: PublishOptions,
    ) -> Result<(), TrySendError> {
        let published = self.lane.push((message, options)).await;
        published.map_err(|(refused, (message, _))| refused.by_node(message))
    }

    /// [`Publisher::publish`] for plain threads.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn publish_blocking(&mut self, message: Bytes) -> Result<(), TrySendError> {
        block_on(self.publish(message))
    }
}
