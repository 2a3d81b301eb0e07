//! [`Outbox`]: what waits for room in a peer's two channels.

use std::collections::VecDeque;

use bytes::Bytes;
use ringwire_codec::ChannelId;

use super::large::Large;
use crate::error::TrySendError;
use crate::peer::PeerKey;
use crate::reactor::Context;

/// Messages about shards that wait for one peer before it is stopped as too slow: some 400 KiB. None
/// of them may be left out.
const CONTROL_WAITING_MAX: usize = 4096;
/// Shards that wait for one peer; more are left out, and it asks again. A peer asks each shard of the
/// engine for 16 at a time.
const SHARDS_WAITING_MAX: usize = 128;

/// What waits for one channel of one peer.
#[derive(Debug)]
pub(super) struct Line {
    channel: ChannelId,
    waiting: VecDeque<Bytes>,
    max: usize,
}

impl Line {
    fn new(channel: ChannelId, max: usize) -> Self {
        Line {
            channel,
            waiting: VecDeque::new(),
            max,
        }
    }

    /// Lets a message wait; false if too many wait.
    fn push(&mut self, message: Bytes) -> bool {
        let has_room = self.waiting.len() < self.max;
        if has_room {
            self.waiting.push_back(message);
        }
        has_room
    }

    fn drain(&mut self, cx: &mut Context<'_, Large>, to: PeerKey) {
        while let Some(message) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(message)) = cx.try_send(to, self.channel, message) {
                self.waiting.push_front(message);
                return;
            }
            // Any other refusal is of a peer that is about to be removed.
        }
    }
}

/// Whether a peer can be sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// It has spoken before it is up: what is for it waits.
    Early,
    Up,
    /// It is being stopped: what is for it is dropped.
    Stopped,
}

/// What waits for one peer.
#[derive(Debug)]
pub(super) struct Outbox {
    state: State,
    peer: PeerKey,
    control: Line,
    shards: Line,
}

impl Outbox {
    pub(super) fn new(peer: PeerKey, control: ChannelId, shards: ChannelId) -> Self {
        Outbox {
            state: State::Early,
            peer,
            control: Line::new(control, CONTROL_WAITING_MAX),
            shards: Line::new(shards, SHARDS_WAITING_MAX),
        }
    }

    /// The peer is up.
    pub(super) fn open(&mut self, cx: &mut Context<'_, Large>) {
        self.state = State::Up;
        self.drain(cx);
    }

    /// The peer is being stopped.
    pub(super) fn stop(&mut self) {
        self.state = State::Stopped;
        self.control.waiting.clear();
        self.shards.waiting.clear();
    }

    /// Sends a message about shards; false if too many wait for the peer.
    pub(super) fn send_control(&mut self, cx: &mut Context<'_, Large>, message: Bytes) -> bool {
        let is_taken = self.state == State::Stopped || self.control.push(message);
        self.drain(cx);
        is_taken
    }

    /// Sends a shard; false if it is left out, as too many wait.
    pub(super) fn send_shard(&mut self, cx: &mut Context<'_, Large>, message: Bytes) -> bool {
        let is_taken = self.state == State::Stopped || self.shards.push(message);
        self.drain(cx);
        is_taken
    }

    /// Sends what there is room for.
    pub(super) fn drain(&mut self, cx: &mut Context<'_, Large>) {
        if self.state == State::Up {
            self.control.drain(cx, self.peer);
            self.shards.drain(cx, self.peer);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.control.waiting.is_empty() && self.shards.waiting.is_empty()
    }
}
