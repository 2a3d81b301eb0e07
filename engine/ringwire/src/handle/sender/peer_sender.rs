//! [`PeerSender`]: a way of its own to one peer on one channel.

use std::collections::VecDeque;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::error::TrySendError;
use ringwire_sync::block_on;

use super::super::Handle;
use super::lane::{Lane, Refused};
use crate::shard::inlets::NewInlet;
use crate::shard::request::Control;

/// Sends to one peer on one channel, from one thread at a time. Made by [`Handle::sender`].
///
/// Messages go out in the order in which they were sent here; between this and other ways to the same
/// peer there is none. Dropped, it still delivers what was sent. What waits here when the peer goes, or
/// what finds no room in its queue when the engine stops, is lost with the connection.
///
/// ```
/// # use ringwire::bytes::Bytes;
/// # use ringwire::{ChannelId, Handle, NodeId, error::TrySendError};
/// /// Sends blocks for as long as the peer is there; full is waited for.
/// fn feed(node: &Handle, peer: NodeId, blocks: impl Iterator<Item = Bytes>) -> Result<(), TrySendError> {
///     let mut sender = node.sender(peer, ChannelId(0x40))?;
///     for block in blocks {
///         sender.send_blocking(block)?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct PeerSender {
    handle: Handle,
    peer: NodeId,
    channel: ChannelId,
    lane: Lane<Bytes>,
}

impl Handle {
    /// A way of its own to a connected peer, for a thread that sends it much on one channel. It ends
    /// when the peer goes: make a new one when the peer is back.
    ///
    /// # Errors
    /// `NotConnected` (with no message), `UnknownChannel`, `PeerLacksChannel`, `Stopping`.
    pub fn sender(&self, peer: NodeId, channel: ChannelId) -> Result<PeerSender, TrySendError> {
        let nothing = Bytes::new();
        let entry = self.find_receiver(peer, channel, &nothing)?;
        let descriptor = self.node.channel(channel);
        let descriptor = descriptor.ok_or(TrySendError::UnknownChannel(channel))?;
        let mailbox = self.node.mailbox(entry.shard());
        let mut lane = Lane::new(descriptor.recv_message_capacity, Bytes::len);
        let items = lane.open(mailbox);
        mailbox.ask(Control::Inlet(NewInlet::Peer(peer, channel, items)));
        Ok(PeerSender {
            handle: self.clone(),
            peer,
            channel,
            lane,
        })
    }
}

impl PeerSender {
    /// To whom.
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// On which channel.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Leaves a message for the peer, or says at once why not.
    ///
    /// # Errors
    /// `Full` while the peer takes less than is sent; `TooLong`; `NotConnected` when the peer is gone;
    /// `Stopping`.
    pub fn try_send(&mut self, message: Bytes) -> Result<(), TrySendError> {
        let sent = self.lane.try_push(message);
        sent.map_err(|(refused, message)| self.error(refused, message))
    }

    /// Leaves messages from the front of `messages`, as many as there is room for, with one wake-up
    /// for all of them; returns how many.
    ///
    /// # Errors
    /// As [`PeerSender::try_send`], but for `Full`; the message that it is about is the first that is
    /// left in `messages`.
    pub fn try_send_all(&mut self, messages: &mut VecDeque<Bytes>) -> Result<usize, TrySendError> {
        self.lane.try_push_all(messages).map_err(|refused| {
            let first = messages.front().cloned().unwrap_or_default();
            self.error(refused, first)
        })
    }

    /// Leaves a message as soon as there is room. Dropping the future sends nothing.
    ///
    /// # Errors
    /// As [`PeerSender::try_send`], but for `Full`.
    pub async fn send(&mut self, message: Bytes) -> Result<(), TrySendError> {
        let sent = self.lane.push(message).await;
        sent.map_err(|(refused, message)| self.error(refused, message))
    }

    /// [`PeerSender::send`] for plain threads.
    pub fn send_blocking(&mut self, message: Bytes) -> Result<(), TrySendError> {
        block_on(self.send(message))
    }

    fn error(&self, refused: Refused, message: Bytes) -> TrySendError {
        match refused {
            Refused::TooLong { len, max } => TrySendError::TooLong { len, max },
            _ if self.handle.is_stopping() => TrySendError::Stopping(message),
            Refused::Gone => TrySendError::NotConnected(message),
            Refused::Full => TrySendError::Full(message),
        }
    }
}
