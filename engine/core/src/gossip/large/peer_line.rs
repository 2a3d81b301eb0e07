//! [`PeerLine`]: what waits for one peer, and which shards of the engine wait to hear that their part of it has left.
//!
//! A shard of a payload is handed out by the shard of the engine that owns the payload, a few at a time for each peer. The
//! peer's home tells the owner when it has left, which makes room for the next.

use std::collections::VecDeque;

use bytes::Bytes;
use ringwire_gossip::feeds::Order;

use crate::gossip::outbox::{LineConfig, Outbox, Which};
use crate::peer::{PeerKey, ShardId};
use crate::reactor::{Context, Reactor};

/// Shards go in the order in which they are handed out.
const SHARD_ORDER: Order = Order::Body {
    priority: 0,
    left: None,
};

/// What waits for one peer.
#[derive(Debug)]
pub(super) struct PeerLine {
    outbox: Outbox,
    /// Who owns the shards that wait, in order.
    owners: VecDeque<ShardId>,
    /// Owners of shards that were left out.
    left_out: Vec<ShardId>,
}

impl PeerLine {
    pub(super) fn new(peer: PeerKey, control: LineConfig, shards: LineConfig) -> Self {
        PeerLine {
            outbox: Outbox::new(peer, control, shards),
            owners: VecDeque::new(),
            left_out: Vec::new(),
        }
    }

    /// The peer is up.
    pub(super) fn open<R: Reactor>(&mut self, cx: &mut Context<'_, R>) {
        self.outbox.open(cx);
    }

    /// The peer is being stopped.
    pub(super) fn stop(&mut self) {
        self.outbox.stop();
    }

    /// Sends a message about shards; false if too many wait for the peer.
    pub(super) fn send_control<R: Reactor>(
        &mut self,
        cx: &mut Context<'_, R>,
        message: Bytes,
    ) -> bool {
        let left_out = self.outbox.send(cx, Which::Control, Order::First, message);
        left_out.is_empty()
    }

    /// Sends a shard; false if it is left out, because too many wait for the peer.
    pub(super) fn send_shard<R: Reactor>(
        &mut self,
        cx: &mut Context<'_, R>,
        owner: ShardId,
        message: Bytes,
    ) -> bool {
        let left_out = self.outbox.send(cx, Which::Bodies, SHARD_ORDER, message);
        let is_taken = left_out.is_empty();
        if is_taken {
            self.owners.push_back(owner);
        } else {
            self.left_out.push(owner);
        }
        is_taken
    }

    /// Sends what there is room for.
    pub(super) fn drain<R: Reactor>(&mut self, cx: &mut Context<'_, R>) {
        self.outbox.drain(cx);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outbox.is_empty()
    }

    /// How many shards of which owners have left, or were left out, since the last call.
    pub(super) fn take_left(&mut self) -> Vec<(ShardId, usize)> {
        let gone = self.owners.len().saturating_sub(self.outbox.bodies_len());
        let mut left: Vec<(ShardId, usize)> = Vec::new();
        for owner in self.owners.drain(..gone).chain(self.left_out.drain(..)) {
            match left.iter_mut().find(|(known, _)| *known == owner) {
                Some((_, count)) => *count += 1,
                None => left.push((owner, 1)),
            }
        }
        left
    }
}
