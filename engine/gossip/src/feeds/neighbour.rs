//! [`Neighbour`]: what the owner knows of who is at the other end of a link.

use std::time::Duration;

use super::members::MemberId;

/// What decides which links stand in for each other: an attacker has many nodes, but few networks, and cannot make a node
/// call him.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Provenance {
    /// The network that the neighbour is in, as whoever pays for addresses sees it: equal for equal networks.
    pub group: u64,
    /// Whether this node made the link.
    pub outbound: bool,
}

/// Who is at the other end of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// Which node it is.
    pub id: MemberId,
    /// Where the link comes from.
    pub provenance: Provenance,
    /// How long a ping takes, if that is known.
    pub rtt: Option<Duration>,
}
