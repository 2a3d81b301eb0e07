//! [`Outbox`]: what waits for room in a peer's two channels, the most urgent first.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_gossip::feeds::{Order, with_left};

use super::line::{Line, Waiting};
use crate::error::TrySendError;
use crate::peer::PeerKey;
use crate::reactor::{Context, Reactor};
use crate::time::Instant;

pub(super) use super::line::LineLimits;

/// A channel, and how much may wait for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineConfig {
    pub(super) channel: ChannelId,
    pub(super) limits: LineLimits,
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

/// Which of the two channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    /// What is said about messages.
    Control,
    /// The messages themselves.
    Bodies,
}

/// What waits for one peer.
#[derive(Debug)]
pub(super) struct Outbox {
    state: State,
    peer: PeerKey,
    control: (ChannelId, Line),
    bodies: (ChannelId, Line),
    /// Messages that were dropped because their time was over, since somebody asked.
    expired: u64,
    /// Whether it was told that bodies wait.
    is_behind: bool,
}

impl Outbox {
    pub(super) fn new(peer: PeerKey, control: LineConfig, bodies: LineConfig) -> Self {
        let line = |config: LineConfig| (config.channel, Line::new(config.limits));
        Outbox {
            state: State::Early,
            peer,
            control: line(control),
            bodies: line(bodies),
            expired: 0,
            is_behind: false,
        }
    }

    /// The peer is up.
    pub(super) fn open<R: Reactor>(&mut self, cx: &mut Context<'_, R>) {
        self.state = State::Up;
        self.drain(cx);
    }

    /// The peer is being stopped.
    pub(super) fn stop(&mut self) {
        self.state = State::Stopped;
        self.control.1.clear();
        self.bodies.1.clear();
    }

    /// Sends a message, in its order among those that wait. Returns what was left out, because too much
    /// waits for the peer: this one, or some of a lower priority.
    pub(super) fn send<R: Reactor>(
        &mut self,
        cx: &mut Context<'_, R>,
        which: Which,
        order: Order,
        message: Bytes,
    ) -> Vec<Bytes> {
        if self.state == State::Stopped {
            return Vec::new();
        }
        let (_, line) = match which {
            Which::Control => &mut self.control,
            Which::Bodies => &mut self.bodies,
        };
        let left_out = line.push(now(cx), order, message);
        self.drain_one(cx, which);
        left_out
    }

    /// Sends what there is room for.
    pub(super) fn drain<R: Reactor>(&mut self, cx: &mut Context<'_, R>) {
        self.drain_one(cx, Which::Control);
        self.drain_one(cx, Which::Bodies);
    }

    fn drain_one<R: Reactor>(&mut self, cx: &mut Context<'_, R>, which: Which) {
        if self.state != State::Up {
            return;
        }
        let (channel, line) = match which {
            Which::Control => &mut self.control,
            Which::Bodies => &mut self.bodies,
        };
        let now = now(cx);
        while let Some((place, waiting)) = line.pop() {
            if waiting.ends_at.is_some_and(|ends_at| ends_at <= now) {
                self.expired += 1;
                continue;
            }
            let message = on_the_wire(&waiting, now);
            if let Err(TrySendError::Full(_)) = cx.try_send(self.peer, *channel, message) {
                line.put_back(place, waiting);
                return;
            }
            // Any other refusal is of a peer that is about to be removed.
        }
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.control.1.bytes() + self.bodies.1.bytes()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.control.1.is_empty() && self.bodies.1.is_empty()
    }

    /// Bodies that wait.
    pub(super) fn bodies_len(&self) -> usize {
        self.bodies.1.len()
    }

    /// Bytes of bodies that wait.
    pub(super) fn bodies_bytes(&self) -> usize {
        self.bodies.1.bytes()
    }

    /// Takes out the bodies that wait.
    pub(super) fn leave_bodies_out(&mut self) -> Vec<Bytes> {
        self.bodies.1.leave_bodies_out()
    }

    /// Whether bodies wait, if that has changed since the last call.
    pub(super) fn take_behind(&mut self) -> Option<bool> {
        let is_behind = !self.bodies.1.is_empty();
        let was_behind = std::mem::replace(&mut self.is_behind, is_behind);
        (is_behind != was_behind).then_some(is_behind)
    }

    /// Messages that were dropped because their time was over, since the last call.
    pub(super) fn take_expired(&mut self) -> u64 {
        std::mem::take(&mut self.expired)
    }
}

/// The message with the time that is left to it now: it may have waited.
fn on_the_wire(waiting: &Waiting, now: Duration) -> Bytes {
    match waiting.ends_at {
        Some(ends_at) => with_left(&waiting.message, ends_at.saturating_sub(now)),
        None => waiting.message.clone(),
    }
}

fn now<R: Reactor>(cx: &Context<'_, R>) -> Duration {
    cx.now() - Instant::ZERO
}
