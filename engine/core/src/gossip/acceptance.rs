//! What an application says of a message before it is passed on.

use bytes::Bytes;

use crate::peer::PeerInfo;

/// The answer of a validator: see [`super::Flood::with_validator`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// The message is delivered and passed on.
    Accept,
    /// The message is dropped and remembered, so that copies of it are dropped unseen. Nobody is
    /// blamed: it may be too old, too new, or of no interest.
    Ignore,
    /// The message is dropped and the peer that sent it is closed for this reason: what no honest
    /// node passes on.
    Blame(String),
}

/// Asked about each message that a peer sends and that the shard does not know.
pub(super) type Validator = Box<dyn FnMut(&PeerInfo, &Bytes) -> Acceptance>;
