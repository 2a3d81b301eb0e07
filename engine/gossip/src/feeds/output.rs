//! [`Output`]: what the owner of a [`Feeds`](super::Feeds) shall do.

use bytes::Bytes;
use thiserror::Error;

use super::message::SIGNATURE_BYTES;
use super::slot::Slot;
use crate::coded::Origin;

/// Which goes first on a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lane {
    /// What is said about messages, and urgent messages.
    Control,
    /// Messages that are not urgent.
    Bodies,
}

/// How many lanes there are.
pub(super) const LANES: usize = 2;

/// A message for the application, or to be checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Whose message.
    pub origin: Origin,
    /// The origin's number of it.
    pub seq: u64,
    /// Whether it goes before all that is not urgent.
    pub urgent: bool,
    /// Which goes first among those that are equally urgent: the higher.
    pub priority: u8,
    /// The origin's signature of its [`MessageId`](super::MessageId), if it has one. Nobody has checked it.
    pub signature: Option<[u8; SIGNATURE_BYTES]>,
    /// The message.
    pub payload: Bytes,
}

/// What to do. Nothing else is done by a `Feeds`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Send these bytes. What is sent to a link in one lane arrives in that order; lanes may overtake each
    /// other.
    Send {
        /// To whom.
        slot: Slot,
        /// Which goes first.
        lane: Lane,
        /// A [`FeedMessage`](super::FeedMessage).
        bytes: Bytes,
    },
    /// Give the message to the application: each once.
    Deliver {
        /// Who brought it. `None` once that link is gone.
        from: Option<Slot>,
        /// The message.
        delivery: Delivery,
    },
    /// Say with [`Feeds::handle_verdict`](super::Feeds::handle_verdict) whether the message is good.
    Check {
        /// Who brought it. `None` once that link is gone.
        from: Option<Slot>,
        /// The message.
        delivery: Delivery,
    },
    /// Hang up, and say so with [`Feeds::handle_link_down`](super::Feeds::handle_link_down). Until then nothing of
    /// the link is heard.
    Close {
        /// Which link.
        slot: Slot,
        /// What the neighbour did.
        reason: CloseReason,
    },
}

impl Output {
    /// Whether it is about this link.
    pub(super) fn is_for(&self, link: Slot) -> bool {
        match self {
            Output::Send { slot, .. } | Output::Close { slot, .. } => *slot == link,
            Output::Deliver { .. } | Output::Check { .. } => false,
        }
    }
}

/// Why a link is closed though each of its messages could be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// It announces messages and does not send them.
    #[error("the neighbour announces messages and does not send them")]
    Promises,
    /// It sends messages that the owner blames it for.
    #[error("the neighbour sends messages that no honest node passes on")]
    Messages,
}

/// What a check has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is good: deliver it and pass it on.
    PassOn,
    /// It is good for nothing, and nobody's fault: too late, or known by another way. Its signature is right: from
    /// now on its number counts as had.
    Ignore,
    /// Whoever sent it is to blame: no honest node passes such a message on.
    Blame,
}
