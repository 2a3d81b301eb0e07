//! [`Output`] and [`Figures`]: what an exchange wants done, and what it has counted.

use std::collections::VecDeque;

use bytes::Bytes;

use super::message::Control;
use crate::coded::{Fault, Manifest};

/// What an [`Exchange`](super::Exchange) wants done.
#[derive(Debug)]
pub enum Output<L> {
    /// Send a message about shards.
    Control {
        /// To whom.
        to: L,
        /// What.
        message: Control,
    },
    /// A payload is whole. Comes once for each.
    Deliver {
        /// The neighbour whose shard was the last.
        from: L,
        /// What its origin says of it.
        manifest: Manifest,
        /// The payload.
        payload: Bytes,
    },
    /// In place of [`Output::Deliver`], where verdicts are asked for
    /// ([`Exchange::ask_for_verdicts`](super::Exchange::ask_for_verdicts)): is this whole payload good?
    /// The answer is [`Exchange::accept`](super::Exchange::accept) or [`Exchange::refuse`](super::Exchange::refuse).
    Check {
        /// The neighbour whose shard was the last.
        from: L,
        /// What its origin says of it.
        manifest: Manifest,
        /// The payload.
        payload: Bytes,
    },
    /// No honest node sends what a neighbour has sent.
    Blame {
        /// The neighbour.
        link: L,
        /// What is wrong.
        fault: Fault,
    },
}

/// What is to be done, in order.
#[derive(Debug)]
pub(super) struct Outputs<L>(VecDeque<Output<L>>);

impl<L> Outputs<L> {
    pub(super) fn new() -> Self {
        Outputs(VecDeque::new())
    }

    pub(super) fn push(&mut self, output: Output<L>) {
        self.0.push_back(output);
    }

    /// A neighbour is to be told something.
    pub(super) fn say(&mut self, to: L, message: Control) {
        self.0.push_back(Output::Control { to, message });
    }

    pub(super) fn pop(&mut self) -> Option<Output<L>> {
        self.0.pop_front()
    }
}

/// What an [`Exchange`](super::Exchange) has counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Shards received that were wanted.
    pub shards: u64,
    /// Shards received that were there already, or came too late.
    pub surplus: u64,
    /// Shards received that nobody had asked for.
    pub unasked: u64,
    /// Shards handed out to be sent.
    pub sent: u64,
    /// Payloads delivered; where verdicts are asked for, those accepted.
    pub delivered: u64,
    /// Payloads whose origin committed to no payload.
    pub bad_encodings: u64,
    /// Payloads refused for lack of room.
    pub refused: u64,
    /// Payloads given up, as nothing more came.
    pub given_up: u64,
    /// Times a neighbour stalled.
    pub stalls: u64,
    /// Segments restored while a few originals were missing: waited for in vain, or to come from nobody.
    pub restored: u64,
    /// Shards asked for.
    pub asked: u64,
    /// Stripes whose feed kept back what it should have sent.
    pub strikes: u64,
    /// Numbers under which an origin has signed two payloads.
    pub equivocations: u64,
}
