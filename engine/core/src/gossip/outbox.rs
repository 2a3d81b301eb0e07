//! [`Outbox`]: what waits for room in a peer's two channels.

use std::collections::VecDeque;

use bytes::Bytes;
use ringwire_codec::ChannelId;

use crate::error::TrySendError;
use crate::peer::PeerKey;
use crate::reactor::{Context, Reactor};

/// A channel, and how much may wait for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineConfig {
    pub(super) channel: ChannelId,
    pub(super) messages_max: usize,
    pub(super) bytes_max: usize,
}

/// What waits for one channel of one peer.
#[derive(Debug)]
struct Line {
    config: LineConfig,
    waiting: VecDeque<Bytes>,
    bytes: usize,
}

impl Line {
    fn new(config: LineConfig) -> Self {
        Line {
            config,
            waiting: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Lets a message wait; false if too much waits.
    fn push(&mut self, message: Bytes) -> bool {
        let LineConfig {
            messages_max,
            bytes_max,
            ..
        } = self.config;
        let has_room = self.waiting.len() < messages_max && self.bytes < bytes_max;
        if has_room {
            self.bytes += message.len();
            self.waiting.push_back(message);
        }
        has_room
    }

    fn drain<R: Reactor>(&mut self, cx: &mut Context<'_, R>, to: PeerKey) {
        while let Some(message) = self.waiting.pop_front() {
            let len = message.len();
            if let Err(TrySendError::Full(message)) = cx.try_send(to, self.config.channel, message)
            {
                self.waiting.push_front(message);
                return;
            }
            // Any other refusal is of a peer that is about to be removed.
            self.bytes -= len;
        }
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
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
    control: Line,
    bodies: Line,
}

impl Outbox {
    pub(super) fn new(peer: PeerKey, control: LineConfig, bodies: LineConfig) -> Self {
        Outbox {
            state: State::Early,
            peer,
            control: Line::new(control),
            bodies: Line::new(bodies),
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
        self.control.clear();
        self.bodies.clear();
    }

    /// Sends a message; false if it is left out, because too much waits for the peer.
    pub(super) fn send<R: Reactor>(
        &mut self,
        cx: &mut Context<'_, R>,
        which: Which,
        message: Bytes,
    ) -> bool {
        let line = match which {
            Which::Control => &mut self.control,
            Which::Bodies => &mut self.bodies,
        };
        let is_taken = self.state == State::Stopped || line.push(message);
        if self.state == State::Up {
            line.drain(cx, self.peer);
        }
        is_taken
    }

    /// Sends what there is room for.
    pub(super) fn drain<R: Reactor>(&mut self, cx: &mut Context<'_, R>) {
        if self.state == State::Up {
            self.control.drain(cx, self.peer);
            self.bodies.drain(cx, self.peer);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.control.waiting.is_empty() && self.bodies.waiting.is_empty()
    }

    /// Bytes of bodies that wait.
    pub(super) fn bodies_bytes(&self) -> usize {
        self.bodies.bytes
    }

    /// Drops the bodies that wait. Returns how many there were.
    pub(super) fn leave_bodies_out(&mut self) -> usize {
        let count = self.bodies.waiting.len();
        self.bodies.clear();
        count
    }
}
