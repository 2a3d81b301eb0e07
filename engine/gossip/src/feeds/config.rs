//! [`FeedsConfig`]: what can be set, and [`Counters`]: what was counted.

use std::time::Duration;

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
}

impl Default for FeedsConfig {
    fn default() -> Self {
        FeedsConfig {
            keep: Duration::from_secs(30),
            keep_bytes_max: 64 * 1024 * 1024,
            check: false,
        }
    }
}

/// What was counted since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Counters {
    /// Messages that were accepted from neighbours.
    pub accepted: u64,
    /// Bodies that came although the message was there.
    pub duplicates: u64,
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
    /// Messages that came because a digest named them.
    pub found_by_digest: u64,
    /// Announcements that were not heard, because the neighbour had announced too much.
    pub promises_refused: u64,
    /// Messages of new origins that found no place.
    pub origins_refused: u64,
}
