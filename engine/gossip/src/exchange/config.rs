//! [`ExchangeLimits`] and [`Identity`]: what an exchange is told before its first message.

use crate::coded::{Account, Limits, Origin, OriginTag};

/// Bounds of the memory of an [`Exchange`](super::Exchange).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExchangeLimits {
    /// What is under way. Segments that are whole while the payload is not take up to twice the payload
    /// beside that.
    pub decoder: Limits,
    /// Bytes of whole payloads, with their repair shards, that are kept for those who ask. The
    /// youngest is kept in any case.
    pub kept_bytes_max: usize,
}

impl Default for ExchangeLimits {
    /// The decoder's defaults, and 512 MiB to be kept.
    fn default() -> Self {
        ExchangeLimits {
            decoder: Limits::default(),
            kept_bytes_max: 512 * 1024 * 1024,
        }
    }
}

/// Who a node is to its [`Exchange`](super::Exchange).
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// What its payloads name as their origin. What it published in a former life does not come back to it.
    pub origin: Origin,
    /// Where it begins to count shards, so that neighbours ask for different ones: any number that differs from node to
    /// node.
    pub start: u16,
    /// What its probes are answered under.
    pub tag: OriginTag,
    /// The account of the node that an origin is: it may send shards of its own payloads unasked.
    pub account_of: fn(&Origin) -> Account,
}
