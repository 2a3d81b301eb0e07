//! Sending. Full is an answer of the `try_` calls; the others wait for room.
//!
//! ```text
//!   try_send   room in the peer's queue and in the shard's inbox, or `Full` at once
//!   send       waits for both until the deadline; the answer tells that the message is queued
//!   broadcast  to every peer that has room: one reference per shard, all shards or none
//!   publish    to the reactor of the channel, which spreads it by its own rules
//! ```
//!
//! Messages of one thread to one peer and channel arrive in the order in which they were sent.

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::error::{PublishError, SendError, TrySendError};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{ChannelDescriptor, PublishOptions};
use ringwire_core::switch::{Command, Reply};
use ringwire_sync::{block_on, reply};

use crate::handle::handle::Handle;
use crate::handle::wait::wait_for;
use crate::shard::queue_room::PeerEntry;
use crate::shard::request::{Mailbox, Request, Slot};

impl Handle {
    /// Queues a message for a peer, or says at once why not.
    pub fn try_send(
        &self,
        peer: NodeId,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), TrySendError> {
        let entry = self.find_receiver(peer, channel, &message)?;
        let Some(reservation) = entry.reserve(channel) else {
            return Err(TrySendError::Full(message));
        };
        let mailbox = self.node.mailbox(entry.shard());
        let Some(slot) = mailbox.reserve(message.len()) else {
            return Err(TrySendError::Full(message));
        };
        let command = Command::Send {
            peer,
            channel,
            message,
            timeout: None,
            token: None,
        };
        slot.fill(Request {
            command,
            reservation: Some(reservation),
            reply: None,
        });
        mailbox.wake();
        Ok(())
    }

    /// Queues a message for a peer as soon as there is room, at most after `timeout`. Dropping the
    /// future leaves open whether the message is sent.
    pub async fn send(
        &self,
        peer: NodeId,
        channel: ChannelId,
        message: Bytes,
        timeout: Duration,
    ) -> Result<(), SendError> {
        let entry = self.find_receiver(peer, channel, &message)?;
        let deadline = self.node.clock.now() + timeout;
        let mailbox = self.node.mailbox(entry.shard());
        let slot = wait_for(&self.node, mailbox, Some(deadline), |cx| {
            take_or_wait(mailbox, cx, |mailbox| mailbox.reserve(message.len()))
        });
        let Some(slot) = slot.await else {
            return Err(if mailbox.is_closed() {
                stopping(message)
            } else {
                SendError::Timeout(message)
            });
        };
        let (sender, answer) = reply();
        let timeout = Some(deadline - self.node.clock.now());
        let command = Command::Send {
            peer,
            channel,
            message: message.clone(),
            timeout,
            token: None,
        };
        slot.fill(Request {
            command,
            reservation: None,
            reply: Some(sender),
        });
        mailbox.wake();
        match answer.await {
            Some(Reply::Send(sent)) => sent,
            Some(_) | None => Err(stopping(message)),
        }
    }

    /// [`Handle::send`] for plain threads.
    pub fn send_blocking(
        &self,
        peer: NodeId,
        channel: ChannelId,
        message: Bytes,
        timeout: Duration,
    ) -> Result<(), SendError> {
        block_on(self.send(peer, channel, message, timeout))
    }

    /// Queues a message for every peer that has the channel and room for it. `Full` means that a
    /// shard's inbox is full; then no peer gets it.
    pub fn try_broadcast(&self, channel: ChannelId, message: Bytes) -> Result<(), TrySendError> {
        self.check(channel, &message)?;
        let slots: Option<Vec<Slot<'_>>> = self
            .node
            .mailboxes
            .iter()
            .map(|mailbox| mailbox.reserve(message.len()))
            .collect();
        let Some(slots) = slots else {
            return Err(TrySendError::Full(message));
        };
        self.fill_broadcast(slots, channel, &message);
        Ok(())
    }

    /// Like [`Handle::try_broadcast`], but waits for room in the shards' inboxes. It does not wait
    /// for slow peers: those without room miss the message. While it waits it holds no room: a
    /// future that is kept and not polled costs others nothing.
    pub async fn broadcast(&self, channel: ChannelId, message: Bytes) -> Result<(), PublishError> {
        self.check(channel, &message)?;
        let mailboxes = &self.node.mailboxes;
        let coordinator = self.node.mailbox(ShardId::COORDINATOR);
        let slots = wait_for(&self.node, coordinator, None, |cx| {
            take_all_or_wait(mailboxes, cx, message.len())
        });
        let Some(slots) = slots.await else {
            return Err(PublishError::Stopping(message));
        };
        self.fill_broadcast(slots, channel, &message);
        Ok(())
    }

    /// [`Handle::broadcast`] for plain threads.
    pub fn broadcast_blocking(
        &self,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), PublishError> {
        block_on(self.broadcast(channel, message))
    }

    /// Hands a message to the reactor that owns the channel, or says at once why not. `Full` means
    /// that the reactor's peers are behind, or the shard's inbox is full.
    pub fn try_publish(&self, channel: ChannelId, message: Bytes) -> Result<(), TrySendError> {
        self.try_publish_with(channel, message, PublishOptions::default())
    }

    /// [`Handle::try_publish`] with what is asked for of the message, as far as the reactor heeds it.
    pub fn try_publish_with(
        &self,
        channel: ChannelId,
        message: Bytes,
        options: PublishOptions,
    ) -> Result<(), TrySendError> {
        self.check_published(channel, &message)?;
        let mailbox = self.publish_mailbox(channel);
        let Some(slot) = mailbox.reserve_to_publish(channel.0, message.len()) else {
            return Err(TrySendError::Full(message));
        };
        fill(mailbox, slot, publish(channel, message, options));
        Ok(())
    }

    /// Hands a message to the reactor that owns the channel; waits while the reactor says that its
    /// peers are behind, or the shard's inbox is full.
    pub async fn publish(&self, channel: ChannelId, message: Bytes) -> Result<(), PublishError> {
        self.publish_with(channel, message, PublishOptions::default())
            .await
    }

    /// [`Handle::publish`] with what is asked for of the message, as far as the reactor heeds it.
    pub async fn publish_with(
        &self,
        channel: ChannelId,
        message: Bytes,
        options: PublishOptions,
    ) -> Result<(), PublishError> {
        self.check_published(channel, &message)?;
        let mailbox = self.publish_mailbox(channel);
        let slot = wait_for(&self.node, mailbox, None, |cx| {
            take_or_wait(mailbox, cx, |mailbox| {
                mailbox.reserve_to_publish(channel.0, message.len())
            })
        });
        let Some(slot) = slot.await else {
            return Err(PublishError::Stopping(message));
        };
        fill(mailbox, slot, publish(channel, message, options));
        Ok(())
    }

    /// [`Handle::publish`] for plain threads.
    pub fn publish_blocking(&self, channel: ChannelId, message: Bytes) -> Result<(), PublishError> {
        block_on(self.publish(channel, message))
    }

    /// Leaves a broadcast in the slots of all shards, given in the order of the mailboxes.
    fn fill_broadcast(&self, slots: Vec<Slot<'_>>, channel: ChannelId, message: &Bytes) {
        debug_assert_eq!(slots.len(), self.node.mailboxes.len());
        for (slot, mailbox) in slots.into_iter().zip(&self.node.mailboxes) {
            let message = message.clone();
            fill(mailbox, slot, Command::Broadcast { channel, message });
        }
    }

    /// The shard whose reactor publishes a channel's messages: always the same, so that they stay
    /// in order.
    pub(super) fn publish_mailbox(&self, channel: ChannelId) -> &Arc<Mailbox> {
        self.node
            .mailbox(ShardId(u16::from(channel.0) % self.node.shard_count()))
    }

    /// A connected peer that speaks the channel, and a message that may go there.
    pub(super) fn find_receiver(
        &self,
        peer: NodeId,
        channel: ChannelId,
        message: &Bytes,
    ) -> Result<Arc<PeerEntry>, TrySendError> {
        self.check(channel, message)?;
        let Some(entry) = self.node.directory.find(peer) else {
            return Err(TrySendError::NotConnected(message.clone()));
        };
        if entry.info().has_channel(channel) {
            Ok(entry)
        } else {
            Err(TrySendError::PeerLacksChannel(channel))
        }
    }

    /// What holds for every message, whoever gets it.
    pub(super) fn check(&self, channel: ChannelId, message: &Bytes) -> Result<(), PublishError> {
        self.check_len(channel, message, |channel| channel.recv_message_capacity)
    }

    /// As [`Handle::check`], of a message that a reactor may cut.
    pub(super) fn check_published(
        &self,
        channel: ChannelId,
        message: &Bytes,
    ) -> Result<(), PublishError> {
        self.check_len(channel, message, ChannelDescriptor::longest_to_publish)
    }

    fn check_len(
        &self,
        channel: ChannelId,
        message: &Bytes,
        longest: impl Fn(&ChannelDescriptor) -> usize,
    ) -> Result<(), PublishError> {
        if self.node.is_stopping() {
            return Err(PublishError::Stopping(message.clone()));
        }
        let Some(descriptor) = self.node.channel(channel) else {
            return Err(PublishError::UnknownChannel(channel));
        };
        let (len, max) = (message.len(), longest(descriptor));
        if len > max {
            Err(PublishError::TooLong { len, max })
        } else {
            Ok(())
        }
    }
}

fn publish(channel: ChannelId, message: Bytes, options: PublishOptions) -> Command {
    Command::Publish {
        channel,
        message,
        options,
    }
}

/// Leaves a command that nobody waits for.
fn fill(mailbox: &Mailbox, slot: Slot<'_>, command: Command) {
    slot.fill(Request {
        command,
        reservation: None,
        reply: None,
    });
    mailbox.wake();
}

/// What `reserve` gives; looks again once the waker stands, as room may have come in between.
pub(super) fn take_or_wait<'a>(
    mailbox: &'a Mailbox,
    cx: &mut Context<'_>,
    reserve: impl Fn(&'a Mailbox) -> Option<Slot<'a>>,
) -> Option<Slot<'a>> {
    reserve(mailbox).or_else(|| {
        mailbox.wait_for_room(cx.waker());
        reserve(mailbox)
    })
}

/// A slot of every shard, or none: those before the first full inbox are given back.
fn take_all_or_wait<'a>(
    mailboxes: &'a [Arc<Mailbox>],
    cx: &mut Context<'_>,
    bytes: usize,
) -> Option<Vec<Slot<'a>>> {
    mailboxes
        .iter()
        .map(|mailbox| take_or_wait(mailbox, cx, |mailbox| mailbox.reserve(bytes)))
        .collect()
}

fn stopping(message: Bytes) -> SendError {
    SendError::Refused(TrySendError::Stopping(message))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::shard::request::{INBOX_REQUESTS, new_mailbox};

    #[test]
    fn a_broadcast_that_waits_for_one_inbox_holds_no_room_in_another() {
        let mailboxes = [Arc::new(new_mailbox()), Arc::new(new_mailbox())];
        let cx = &mut Context::from_waker(Waker::noop());
        let mut full: Vec<_> = (0..INBOX_REQUESTS)
            .map(|_| mailboxes[1].reserve(0))
            .collect();
        assert!(take_all_or_wait(&mailboxes, cx, 0).is_none());
        let free: Vec<_> = std::iter::from_fn(|| mailboxes[0].reserve(0)).collect();
        assert_eq!(free.len(), INBOX_REQUESTS);
        drop(free);
        full.pop();
        let taken = take_all_or_wait(&mailboxes, cx, 0).map(|slots| slots.len());
        assert_eq!(taken, Some(2));
    }
}
