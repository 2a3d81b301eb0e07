//! What has happened in a world: the trace of its steps, and what the applications of its nodes have
//! seen.

use ringwire_core::switch::{Event, Reply, ReplyToken};
use ringwire_core::time::Instant;

use crate::ledger::{Ledger, Received};
use crate::trace::Trace;

/// The record of a world.
#[derive(Default)]
pub(super) struct Record {
    trace: Trace,
    ledger: Ledger,
    /// By node, in order, as are the events.
    received: Vec<Vec<Received>>,
    events: Vec<Vec<(Instant, Event)>>,
    replies: Vec<(ReplyToken, Reply)>,
    tokens: u64,
}

impl Record {
    /// A node has come.
    pub(super) fn add_node(&mut self) {
        self.received.push(Vec::new());
        self.events.push(Vec::new());
    }

    /// The steps that were taken.
    pub(super) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The same, to go on.
    pub(super) fn trace_mut(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// What was sent and what came.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The same, to go on.
    pub(super) fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// The application of a node has got a message.
    pub(super) fn receive(&mut self, node: u32, received: Received) {
        self.received[node as usize].push(received);
    }

    /// What it got.
    pub(super) fn received(&self, node: u32) -> &[Received] {
        &self.received[node as usize]
    }

    /// Something happened to a node.
    pub(super) fn tell(&mut self, node: u32, at: Instant, event: Event) {
        self.events[node as usize].push((at, event));
    }

    /// What happened to it since it was last taken.
    pub(super) fn events(&self, node: u32) -> &[(Instant, Event)] {
        &self.events[node as usize]
    }

    /// Takes what happened to it.
    pub(super) fn take_events(&mut self, node: u32) -> Vec<(Instant, Event)> {
        std::mem::take(&mut self.events[node as usize])
    }

    /// A token that was never given.
    pub(super) fn next_token(&mut self) -> ReplyToken {
        self.tokens += 1;
        ReplyToken(self.tokens)
    }

    /// A command has had its outcome.
    pub(super) fn answer(&mut self, token: ReplyToken, reply: Reply) {
        self.replies.push((token, reply));
    }

    /// All outcomes, in order.
    pub(super) fn replies(&self) -> &[(ReplyToken, Reply)] {
        &self.replies
    }

    /// The outcome of a command.
    pub(super) fn reply(&self, token: ReplyToken) -> Option<&Reply> {
        let mut replies = self.replies.iter();
        let found = replies.find(|(known, _)| *known == token);
        found.map(|(_, reply)| reply)
    }

    /// Takes the outcome of a command.
    pub(super) fn take_reply(&mut self, token: ReplyToken) -> Option<Reply> {
        let place = self.replies.iter().position(|(known, _)| *known == token)?;
        Some(self.replies.remove(place).1)
    }
}
