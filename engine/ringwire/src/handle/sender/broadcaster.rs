//! [`Broadcaster`]: a way of its own to all peers.

use std::collections::VecDeque;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::error::{PublishError, TrySendError};
use ringwire_sync::block_on;

use super::super::Handle;
use super::lane::Lane;
use crate::shard::inlets::NewInlet;
use crate::shard::request::Control;

/// Sends to all peers on one channel, from one thread at a time. Made by [`Handle::broadcaster`].
///
/// Every peer gets the messages in the order in which they were sent here; a peer without room misses what it has no
/// room for, as with [`Handle::broadcast`]. Dropped, it still sends what it was given. What the shards have not
/// taken when the engine stops is lost.
#[derive(Debug)]
pub struct Broadcaster {
    channel: ChannelId,
    lane: Lane<Bytes>,
}

impl Handle {
    /// A way of its own to all peers that have a channel, for a thread that broadcasts much.
    ///
    /// # Errors
    /// `UnknownChannel`, `Stopping` (with no message).
    pub fn broadcaster(&self, channel: ChannelId) -> Result<Broadcaster, PublishError> {
        self.check(channel, &Bytes::new())?;
        let descriptor = self.node.channel(channel);
        let descriptor = descriptor.ok_or(PublishError::UnknownChannel(channel))?;
        let mut lane = Lane::new(descriptor.recv_message_capacity, Bytes::len);
        for mailbox in &self.node.mailboxes {
            let items = lane.open(mailbox);
            mailbox.ask(Control::Inlet(NewInlet::Broadcast(channel, items)));
        }
        Ok(Broadcaster { channel, lane })
    }
}

impl Broadcaster {
    /// On which channel.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Leaves a message for all peers, or says at once why not.
    ///
    /// # Errors
    /// `Full` when a shard has not taken what was sent before: then no peer gets this one. `TooLong`; `Stopping`.
    pub fn try_send(&mut self, message: Bytes) -> Result<(), TrySendError> {
        let sent = self.lane.try_push(message);
        sent.map_err(|(refused, message)| refused.by_node(message))
    }

    /// Leaves messages from the front of `messages`, as many as there is room for, with one wake-up of each shard
    /// for all of them; returns how many.
    ///
    /// # Errors
    /// As [`Broadcaster::try_send`], but for `Full`; the message that it is about is the first that is left in
    /// `messages`.
    pub fn try_send_all(&mut self, messages: &mut VecDeque<Bytes>) -> Result<usize, TrySendError> {
        self.lane.try_push_all(messages).map_err(|refused| {
            let first = messages.front().cloned().unwrap_or_default();
            refused.by_node(first)
        })
    }

    /// Leaves a message as soon as the shards have room for it; it does not wait for slow peers. Dropping the
    /// future sends nothing.
    ///
    /// # Errors
    /// As [`Broadcaster::try_send`], but for `Full`.
    pub async fn send(&mut self, message: Bytes) -> Result<(), TrySendError> {
        let sent = self.lane.push(message).await;
        sent.map_err(|(refused, message)| refused.by_node(message))
    }

    /// [`Broadcaster::send`] for plain threads.
    ///
    /// # Errors
    /// As [`Broadcaster::send`].
    pub fn send_blocking(&mut self, message: Bytes) -> Result<(), TrySendError> {
        block_on(self.send(message))
    }
}
