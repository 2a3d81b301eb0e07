//! [`Neighbour`]: what the owner knows of who is at the other end of a link.

use std::time::Duration;

use super::members::MemberId;

/// Who is at the other end of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// Which node it is.
    pub id: MemberId,
    /// Whether this node made the link.
    pub outbound: bool,
    /// How long a ping takes, if that is known.
    pub rtt: Option<Duration>,
}
