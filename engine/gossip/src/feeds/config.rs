//! [`FeedsConfig`]: what can be set, and [`Counters`]: what was counted.

use std::time::Duration;

use super::allowance::Rate;

/// What can be set. [`Default`] fits a chain of some thousands of nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FeedsConfig {
    /// How long a message is remembered for those who lack it. 30 s.
    pub keep: Duration,
    /// Bytes of messages that are remembered at most. 64 MiB.
    pub keep_bytes_max: usize,
    /// Whether the owner checks each message before it is delivered and passed on. No.
    pub check: bool,
    /// Bytes of messages that wait for the owner's verdict at most; what comes beyond is asked for later.
    /// 16 MiB.
    pub unchecked_bytes_max: usize,
    /// What one origin may publish. What is more is neither delivered nor passed on. A burst is what the rate
    /// gives in the time for which messages are remembered, because who comes later gets these at once. 5,000
    /// messages and 16 MiB a second: more than a link of 100 Mbit/s carries.
    pub origin_rate: Rate,
    /// What one neighbour may send of messages. What is more is not heard. 20,000 messages and 128 MiB a
    /// second: as much as a link of 1 Gbit/s carries.
    pub link_rate: Rate,
}

impl Default for FeedsConfig {
    fn default() -> Self {
        FeedsConfig {
            keep: Duration::from_secs(30),
            keep_bytes_max: 64 * 1024 * 1024,
            check: false,
            unchecked_bytes_max: 16 * 1024 * 1024,
            origin_rate: Rate {
                messages: 5_000,
                bytes: 16 * 1024 * 1024,
            },
            link_rate: Rate {
                messages: 20_000,
                bytes: 128 * 1024 * 1024,
            },
        }
    }
}

/// What was counted since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Counters {
    /// Bodies that came, copies included.
    pub bodies: u64,
    /// Bytes of their payloads.
    pub body_bytes: u64,
    /// Bodies that were accepted from neighbours.
    pub accepted: u64,
    /// Messages, in bodies, that were there already.
    pub duplicates: u64,
    /// Bodies of this node that went to all members directly.
    pub direct: u64,
    /// Messages that were announced to a neighbour.
    pub announced: u64,
    /// Messages that were not announced, because this node sends too much already.
    pub kept_back: u64,
    /// Messages that a neighbour was asked for.
    pub asked: u64,
    /// Requests that were not answered in time.
    pub unanswered: u64,
    /// Messages that a feed never sent.
    pub missed: u64,
    /// Messages that neighbours announced and nobody sent: their time was over, or all had forgotten them.
    pub lost: u64,
    /// Messages that a digest named first.
    pub found_by_digest: u64,
    /// Announcements that were not heard, because the neighbour had announced too much.
    pub promises_refused: u64,
    /// New origins that found no place.
    pub origins_refused: u64,
    /// Bodies and announcements of origins that have no place.
    pub unplaced: u64,
    /// Messages that were not passed on, because their origin publishes too much.
    pub over_origin_rate: u64,
    /// Bodies that were not heard, because the neighbour sends too much.
    pub over_link_rate: u64,
    /// Bodies for which the owner blamed who sent them.
    pub blamed: u64,
    /// Bodies that were not kept for the owner to check, because too many wait.
    pub unchecked_refused: u64,
    /// Messages that came, or were good, when their time was over: they went no further.
    pub expired: u64,
    /// Links that the owner was told to close.
    pub closed: u64,
}
