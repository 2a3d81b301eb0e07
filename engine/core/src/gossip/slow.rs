//! Which peers are too slow, and which only cannot help it.
//!
//! A peer that is behind holds others up once a source is held back because of what waits for it.
//! But when everybody is behind, it is the sources that send more than the node can pass on, and no
//! peer is to blame. So a peer is judged by the others:
//!
//! | of all peers | then a peer that is behind is too slow |
//! |---|---|
//! | half or more keep up | when it holds other peers up, whatever it takes |
//! | an eighth or more keep up | when it takes less than [`PACE_MIN`] as well |
//! | fewer | only when it takes nothing at all |
//!
//! The node's own publishers wait for a peer that keeps the pace. The engine looks once in
//! [`LOOK_PERIOD`] while something waits, and counts looks, not time: a node that was suspended for
//! an hour has looked once.

use std::time::Duration;

use super::backlog::Backlog;
use super::retained::Retained;

/// Pause between two looks.
pub(super) const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// Looks after which a peer that holds others up is stopped.
const SLOW_LOOKS_MAX: u32 = 10;
/// Looks after which a peer that takes nothing, while a source is held back, is stopped.
const STALLED_LOOKS_MAX: u32 = 30;
/// Bytes that a peer has to take from one look to the next so that the node's publishers wait for
/// it: what a line of 2 Mbit/s carries.
const PACE_MIN: usize = 256 * 1024;

/// How far behind the peers of a shard are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Bytes that wait for the one that is furthest behind.
    most: usize,
    peers: usize,
    /// Peers for which less than an eighth of that waits.
    keep_up: usize,
}

impl Standing {
    pub(super) fn of<'a>(backlogs: impl Iterator<Item = &'a Backlog> + Clone) -> Self {
        let lags = backlogs.map(Backlog::bytes);
        let most = lags.clone().max().unwrap_or(0);
        Standing {
            most,
            peers: lags.clone().count(),
            keep_up: lags.filter(|lag| *lag <= most / 8).count(),
        }
    }

    /// Whether enough peers keep up, so that who is behind is slower than it must be.
    pub(super) fn blames_the_slow(&self) -> bool {
        self.keep_up * 8 >= self.peers
    }

    /// Whether a peer for which `lag` bytes wait, and that took `taken` since the last look, holds
    /// others up.
    fn holds_up(&self, retained: &Retained, lag: usize, taken: usize) -> bool {
        let is_behind = lag > self.most / 2 && self.blames_the_slow();
        let keeps_the_pace = taken >= PACE_MIN;
        let is_alone = self.keep_up * 2 >= self.peers;
        is_behind
            && match retained.holds_a_peer_back() {
                true => is_alone || !keeps_the_pace,
                false => retained.is_held_back(None) && !keeps_the_pace,
            }
    }

    /// Takes a look at a peer; says why it is too slow, if it is.
    pub(super) fn look(&self, retained: &Retained, backlog: &mut Backlog) -> Option<String> {
        let lag = backlog.bytes();
        let holds_anybody = retained.holds_a_peer_back() || retained.is_held_back(None);
        backlog.look(
            |taken| holds_anybody && lag > 0 && taken == 0,
            |taken| self.holds_up(retained, lag, taken),
        );
        if backlog.stalled_looks() >= STALLED_LOOKS_MAX {
            let span = LOOK_PERIOD * STALLED_LOOKS_MAX;
            return Some(format!(
                "slow peer: it took no gossip for {span:?} while {lag} bytes wait for it"
            ));
        }
        (backlog.slow_looks() >= SLOW_LOOKS_MAX).then(|| {
            format!(
                "slow peer: {lag} bytes of gossip wait for it and hold others up; {} of {} peers keep up",
                self.keep_up, self.peers
            )
        })
    }
}
