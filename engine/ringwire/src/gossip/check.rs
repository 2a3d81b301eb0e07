//! [`Check`]: a message or a large payload that waits for the application's word before it goes further.

use std::sync::Weak;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::gossip::{Acceptance, CheckAnswer, CheckId};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{Answers, Ask};
use ringwire_core::switch::Command;

use crate::shard::node::Node;
use crate::shard::request::Control;

/// A message of a peer that is neither delivered nor passed on until the application has said what it is, from any
/// thread: see [`GossipBuilder::checker`](super::GossipBuilder::checker). Dropped without a word, it is ignored. A payload of
/// more than 128 KiB has been passed on already, and is not delivered until then.
#[derive(Debug)]
#[must_use = "a message waits for what the application says of it"]
pub struct Check {
    peer: NodeId,
    message: Bytes,
    answer: Option<Answer>,
}

/// Where an answer goes.
#[derive(Debug)]
struct Answer {
    id: CheckId,
    desk: Desk,
}

/// The shard that waits for answers, as long as the engine runs.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    node: Weak<Node>,
    shard: ShardId,
    channel: ChannelId,
    /// The question to the reactor that waits.
    ask: fn(CheckAnswer) -> Ask,
}

impl Desk {
    /// The shard of a node on which messages of this channel of a reactor `R` are checked.
    pub(super) fn new<R>(node: Weak<Node>, shard: ShardId, channel: ChannelId) -> Self
    where
        R: Answers<CheckAnswer, Answer = ()>,
    {
        Desk {
            node,
            shard,
            channel,
            ask: Ask::new::<R, CheckAnswer>,
        }
    }
}

impl Check {
    pub(super) fn new(check: ringwire_core::gossip::Check, desk: Desk) -> Self {
        Check {
            peer: check.from,
            message: check.message,
            answer: Some(Answer { id: check.id, desk }),
        }
    }

    /// Who sent it; of a payload of more than 128 KiB, who sent the last shard that was missing.
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// The message.
    pub fn message(&self) -> &Bytes {
        &self.message
    }

    /// It is good: it is delivered and passed on. A payload of more than 128 KiB is delivered.
    pub fn accept(self) {
        self.answer(Acceptance::Accept);
    }

    /// It is dropped, and its copies with it. Nobody is blamed. A payload of more than 128 KiB is sent to nobody any more.
    pub fn ignore(self) {
        self.answer(Acceptance::Ignore);
    }

    /// It is dropped, and the peer that sent it is closed for this reason: what no honest node passes on. Of a payload of more
    /// than 128 KiB that is the origin, if it is a neighbour and signs: the others could not know.
    pub fn blame(self, reason: impl Into<String>) {
        self.answer(Acceptance::Blame(reason.into()));
    }

    fn answer(mut self, acceptance: Acceptance) {
        self.say(acceptance);
    }

    fn say(&mut self, acceptance: Acceptance) {
        let Some(Answer { id, desk }) = self.answer.take() else {
            return;
        };
        // An engine that is gone waits for nothing.
        let Some(node) = desk.node.upgrade() else {
            return;
        };
        let ask = (desk.ask)(CheckAnswer { id, acceptance });
        let ask = ask.on(desk.channel);
        let command = Command::Ask { ask, token: None };
        // It is never refused: what waits for answers is bounded by its bytes.
        node.mailbox(desk.shard)
            .ask(Control::Command(command, None));
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        self.say(Acceptance::Ignore);
    }
}
