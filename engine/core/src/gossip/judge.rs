//! [`Judge`]: who says whether what a peer brings is good, before it goes further.

use bytes::Bytes;
use ringwire_codec::NodeId;

use super::acceptance::Acceptance;
use super::checks::{Check, CheckAnswer};

type Validator = Box<dyn FnMut(NodeId, &Bytes) -> Acceptance>;

/// Who says whether a message is good.
pub(super) enum Judge {
    /// All are.
    Nobody,
    /// The application, on the shard's thread.
    AtOnce(Validator),
    /// The application, on whatever thread: its answers come as questions to the reactor.
    Later(Box<dyn FnMut(Check)>),
}

impl Judge {
    /// Whether nobody asks.
    pub(super) fn is_nobody(&self) -> bool {
        matches!(self, Judge::Nobody)
    }

    /// Hands a message to the application; its answer, if it is there at once.
    pub(super) fn ask(&mut self, check: Check) -> Option<CheckAnswer> {
        let acceptance = match self {
            Judge::Nobody => Acceptance::Accept,
            Judge::AtOnce(validator) => validator(check.from, &check.message),
            Judge::Later(checker) => {
                checker(check);
                return None;
            }
        };
        let id = check.id;
        Some(CheckAnswer { id, acceptance })
    }
}
