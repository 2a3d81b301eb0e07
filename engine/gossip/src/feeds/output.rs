//! [`Output`]: what the owner of a [`Feeds`](super::Feeds) shall do.

use bytes::Bytes;
use thiserror::Error;

use super::bundle;
use super::members::MembersTag;
use super::message::SIGNATURE_BYTES;
use super::order::Order;
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

/// A message for the application; or what is to be published or checked, which may be a bundle of messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Whose message.
    pub origin: Origin,
    /// The origin's number of it: messages of a bundle have the same.
    pub seq: u64,
    /// Its place in the bundle that brought it, from 0 on; 0 for a message that was alone, and for a bundle.
    pub index: u16,
    /// Whether it goes before all that is not urgent.
    pub urgent: bool,
    /// Which goes first among those that are equally urgent: the higher.
    pub priority: u8,
    /// Whether nobody needs it any more after a while.
    pub ends: bool,
    /// The origin's signature of its [`MessageId`](super::MessageId), if it has one. Only the owner checks it.
    pub signature: Option<[u8; SIGNATURE_BYTES]>,
    /// The set of members that its origin sends it to directly, if it does: [`Feeds::members_for`](super::Feeds::members_for)
    /// says so of what is to be published.
    pub members: Option<MembersTag>,
    /// Whether the payload is several messages, each behind its length: see [`BundleWriter`](super::BundleWriter).
    pub is_bundle: bool,
    /// The message. It lies beside the others of its bundle, where it is remembered, or where it was received as long as it
    /// is not checked: who keeps a small one for long keeps up to 128 KiB, and copies it rather.
    pub payload: Bytes,
}

impl Delivery {
    /// The messages of it, in the origin's order: slices of its payload.
    ///
    /// # Panics
    /// For a bundle that was put together wrongly. What comes in an [`Output`] was not.
    pub fn messages(&self) -> impl Iterator<Item = Bytes> {
        let messages = bundle::messages(&self.payload, self.is_bundle);
        messages.map(|message| self.payload.slice_ref(message))
    }
}

/// What to do. Nothing else is done by a `Feeds`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Send these bytes. What is sent to a link in one lane arrives by its order; lanes may overtake each other.
    Send {
        /// To whom.
        slot: Slot,
        /// Which goes first.
        lane: Lane,
        /// Where it stands in the lane.
        order: Order,
        /// A [`FeedMessage`](super::FeedMessage).
        bytes: Bytes,
    },
    /// Give the message to the application: each once, and those of a bundle one after the other.
    Deliver {
        /// Who brought it. `None` once that link is gone.
        from: Option<Slot>,
        /// The message.
        delivery: Delivery,
    },
    /// Say with [`Feeds::handle_verdict`](super::Feeds::handle_verdict) whether the message is good, or with
    /// [`Feeds::handle_verdicts`](super::Feeds::handle_verdicts) which messages of the bundle are.
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

impl Verdict {
    /// What becomes of a bundle whose messages were found to be such.
    ///
    /// One that is to blame on whoever sent it condemns the bundle: the origin signed all of it together, and
    /// a node that passed it on for the sake of the others would be blamed itself. Else it goes on while one message
    /// is good for something, and as a whole: without the others its signature would be wrong.
    pub fn of_bundle(verdicts: &[Verdict]) -> Verdict {
        let has = |verdict| verdicts.contains(&verdict);
        if has(Verdict::Blame) {
            Verdict::Blame
        } else if has(Verdict::PassOn) {
            Verdict::PassOn
        } else {
            Verdict::Ignore
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_goes_on_for_one_good_message_unless_another_is_to_blame() {
        use Verdict::{Blame, Ignore, PassOn};
        for (verdicts, of_bundle) in [
            (&[PassOn, PassOn][..], PassOn),
            (&[Ignore, PassOn, Ignore], PassOn),
            (&[Ignore, Ignore], Ignore),
            (&[PassOn, Blame, PassOn], Blame),
            (&[Ignore, Blame], Blame),
            (&[], Ignore),
        ] {
            assert_eq!(Verdict::of_bundle(verdicts), of_bundle, "{verdicts:?}");
        }
    }
}
