//! The ways between threads, opened to the criterion suite `mesh` by the feature `bench`.
//!
//! What travels here are the letters and requests of a running node, so that their size and their
//! release are measured too. Nothing here is an interface to build on.

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::PublishOptions;
use ringwire_core::switch::{Command, ShardMessage};

use crate::shard::mesh::{self, Letter, Mesh};
use crate::shard::request::{Mailbox, Request, new_mailbox};

/// Letters that one lane holds.
pub const LANE_LETTERS: usize = mesh::LANE_LETTERS;

/// Any channel: nothing depends on it here.
const CHANNEL: ChannelId = ChannelId(0x22);

/// One shard's ends of all its lanes.
#[derive(Debug)]
pub struct Lanes(Mesh);

impl Lanes {
    /// The ends of `shards` shards, all connected.
    pub fn connect(shards: u16) -> Vec<Lanes> {
        Mesh::connect(shards).into_iter().map(Lanes).collect()
    }

    /// Sends what a shard sends to spread a message of the application.
    pub fn send(&mut self, to: ShardId, message: Bytes) {
        let channel = CHANNEL;
        let letter = Letter::Message(ShardMessage::Broadcast { channel, message });
        self.0.send(to, letter);
    }

    /// Ends a turn; returns how many shards it would wake.
    pub fn flush(&mut self) -> usize {
        let mut woken = 0;
        self.0.flush(|_| woken += 1);
        woken
    }

    /// Whether letters wait because a lane is full.
    pub fn is_congested(&self) -> bool {
        self.0.is_congested()
    }

    /// The next letter's message, from any shard.
    pub fn receive(&mut self) -> Option<Bytes> {
        match self.0.receive()?.1 {
            Letter::Message(ShardMessage::Broadcast { message, .. }) => Some(message),
            other => unreachable!("nobody sends {other:?} here"),
        }
    }
}

/// Where the application's threads leave messages for one shard.
#[derive(Debug)]
pub struct Inbox(Mailbox);

impl Inbox {
    /// An empty one, of a shard that never sleeps.
    #[expect(clippy::new_without_default, reason = "a bench says what it makes")]
    pub fn new() -> Self {
        Inbox(new_mailbox())
    }

    /// Leaves a message to publish; false when there is no room.
    pub fn try_publish(&self, message: Bytes) -> bool {
        let channel = CHANNEL;
        let Some(slot) = self.0.reserve_to_publish(channel.0, message.len()) else {
            return false;
        };
        slot.fill(Request {
            command: Command::Publish {
                channel,
                message,
                options: PublishOptions::default(),
            },
            reservation: None,
            reply: None,
        });
        self.0.wake();
        true
    }

    /// Takes the next message, as the shard does.
    pub fn take(&self) -> Option<Bytes> {
        match self.0.take_request()?.command {
            Command::Publish { message, .. } => Some(message),
            other => unreachable!("nobody asks for {other:?} here"),
        }
    }
}
