//! A way of its own into a shard, for a thread that sends much to one peer on one channel.
//!
//! [`Handle::send`] serves everybody: each message looks the peer up, counts references and takes a
//! place that all threads share. A [`PeerSender`] does that once, when it is made; then a message costs
//! a place in a ring of its own, and a wake-up only when the shard has found that ring empty.

use std::collections::VecDeque;
use std::future::poll_fn;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::error::TrySendError;
use ringwire_sync::{InletSender, block_on, inlet};

use super::Handle;
use crate::shard::inlets::PeerInlet;
use crate::shard::request::Control;

/// Messages that an inlet holds, beside those in the peer's queue: more than a shard takes in a turn.
const INLET_MESSAGES: usize = 1024;
/// Bytes of messages from which an inlet is full.
const INLET_BYTES: usize = 4 * 1024 * 1024;

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
    message_bytes_max: usize,
    inlet: InletSender<Bytes>,
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
        let (sender, messages) = inlet(mailbox.waker(), INLET_MESSAGES, INLET_BYTES, Bytes::len);
        mailbox.ask(Control::Inlet(PeerInlet {
            peer,
            channel,
            messages,
        }));
        Ok(PeerSender {
            handle: self.clone(),
            peer,
            channel,
            message_bytes_max: descriptor.recv_message_capacity,
            inlet: sender,
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
        self.check(&message)?;
        let pushed = self.inlet.push(message);
        self.inlet.flush();
        pushed.map_err(|message| self.refused(message))
    }

    /// Leaves messages from the front of `messages`, as many as there is room for, with one wake-up
    /// for all of them; returns how many.
    ///
    /// # Errors
    /// As [`PeerSender::try_send`], but for `Full`; the message that it is about is the first that is
    /// left in `messages`.
    pub fn try_send_all(&mut self, messages: &mut VecDeque<Bytes>) -> Result<usize, TrySendError> {
        let mut sent = 0;
        let refused = loop {
            let Some(message) = messages.front() else {
                break None;
            };
            if let Err(error) = self.check(message) {
                break Some(error);
            }
            let message = messages.pop_front().expect("it was just there");
            if let Err(message) = self.inlet.push(message) {
                messages.push_front(message);
                break None;
            }
            sent += 1;
        };
        self.inlet.flush();
        match refused {
            Some(error) if sent == 0 => Err(error),
            // What was sent is told first; the next call finds the fault again.
            _ => Ok(sent),
        }
    }

    /// Leaves a message as soon as there is room. Dropping the future sends nothing.
    ///
    /// # Errors
    /// As [`PeerSender::try_send`], but for `Full`.
    pub async fn send(&mut self, message: Bytes) -> Result<(), TrySendError> {
        self.check(&message)?;
        let mut message = match self.inlet.push(message) {
            Ok(()) => {
                self.inlet.flush();
                return Ok(());
            }
            Err(message) => message,
        };
        loop {
            poll_fn(|cx| self.inlet.poll_room(cx)).await;
            self.check(&message)?;
            match self.inlet.push(message) {
                Ok(()) => {
                    self.inlet.flush();
                    return Ok(());
                }
                Err(refused) => message = refused,
            }
        }
    }

    /// [`PeerSender::send`] for plain threads.
    pub fn send_blocking(&mut self, message: Bytes) -> Result<(), TrySendError> {
        block_on(self.send(message))
    }

    fn check(&self, message: &Bytes) -> Result<(), TrySendError> {
        let (len, max) = (message.len(), self.message_bytes_max);
        if len > max {
            return Err(TrySendError::TooLong { len, max });
        }
        match self.inlet.is_abandoned() {
            true => Err(self.refused(message.clone())),
            false => Ok(()),
        }
    }

    fn refused(&self, message: Bytes) -> TrySendError {
        if self.handle.is_stopping() {
            TrySendError::Stopping(message)
        } else if self.inlet.is_abandoned() {
            TrySendError::NotConnected(message)
        } else {
            TrySendError::Full(message)
        }
    }
}
