//! The orderly end of a node: what was accepted is sent, then each peer is let go.
//!
//! A message published on one shard may be on its way to the peers of another when the end is
//! announced; gossip even takes two hops, to the shard that owns the message and from there to all.
//! Messages between two shards keep their order, so two rounds of "I have said everything" prove
//! that nothing accepted is still under way:
//!
//! ```text
//!   command ─▶ say round 0 ─▶ heard round 0 of all ─▶ say round 1 ─▶ heard round 1 of all ─▶ flush
//! ```
//!
//! Half of the time granted is for these rounds; then every peer is flushed in any case, and at the
//! end of the time it is closed, flushed or not.

use std::time::Duration;

use crate::error::CloseReason;
use crate::switch::core::Core;
use crate::switch::links::table::Links;
use crate::switch::message::ShardMessage;
use crate::switch::timers::Timer;
use crate::time::Instant;

/// Rounds until nothing accepted is under way between shards.
const ROUNDS: u8 = 2;

/// How far the end has come.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    /// When everything is closed, flushed or not; `None` before the command.
    deadline: Option<Instant>,
    /// Shards heard of, by round; those may be ahead of our own command.
    heard: [u16; ROUNDS as usize],
    /// The round we have said last, plus one.
    said: u8,
    flushing: bool,
    stopped: bool,
}

impl Shutdown {
    /// The end is announced; says whether that is news.
    pub(crate) fn begin(&mut self, core: &mut Core, within: Duration) -> bool {
        if self.deadline.is_some() {
            return false;
        }
        let deadline = core.now() + within;
        self.deadline = Some(deadline);
        core.begin_stop();
        core.set_timer(core.now() + within / 2, Timer::Shutdown);
        core.set_timer(deadline, Timer::Shutdown);
        true
    }

    /// Another shard has said everything up to a round.
    pub(crate) fn handle_draining(&mut self, core: &mut Core, links: &mut Links, round: u8) {
        self.heard[usize::from(round)] += 1;
        self.advance_rounds(core, links);
    }

    /// Says what may be said by now; after the last round every peer is flushed.
    pub(crate) fn advance_rounds(&mut self, core: &mut Core, links: &mut Links) {
        if self.deadline.is_none() {
            return;
        }
        let others = core.identity().shard_count() - 1;
        loop {
            let said = self.said;
            if said > 0 && self.heard[usize::from(said - 1)] < others {
                return;
            }
            if said == ROUNDS {
                return self.flush_peers(links);
            }
            for shard in core.identity().other_shards() {
                core.send(shard, ShardMessage::Draining { round: said });
            }
            self.said += 1;
        }
    }

    /// Begins to flush every peer, unless that has begun.
    pub(crate) fn flush_peers(&mut self, links: &mut Links) {
        let Some(deadline) = self.deadline else {
            return;
        };
        if !std::mem::replace(&mut self.flushing, true) {
            links.close_all_gracefully(&CloseReason::Shutdown, deadline);
        }
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether the end has come and nobody has been told.
    pub(crate) fn take_end(&mut self, links: &Links) -> bool {
        let is_due = self.flushing && !self.stopped && links.is_empty();
        self.stopped |= is_due;
        is_due
    }
}
