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

use crate::error::{CloseReason, Reject};
use crate::peer::ShardId;
use crate::switch::io::Event;
use crate::switch::links::link::Stage;
use crate::switch::message::ShardMessage;
use crate::switch::switch::Switch;
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

impl Switch {
    /// The application wants the node to end.
    pub(crate) fn shut_down(&mut self, within: Duration) {
        if self.shutdown.deadline.is_some() {
            return;
        }
        let deadline = self.core.now + within;
        self.shutdown.deadline = Some(deadline);
        self.core.stopping = true;
        self.core
            .timers
            .set(self.core.now + within / 2, Timer::Shutdown);
        self.core.timers.set(deadline, Timer::Shutdown);
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.stop(&mut self.core);
        }
        self.refuse_unfinished();
        self.advance_rounds();
    }

    /// Another shard has said everything up to a round.
    pub(crate) fn handle_draining(&mut self, round: u8) {
        self.shutdown.heard[usize::from(round)] += 1;
        self.advance_rounds();
    }

    fn advance_rounds(&mut self) {
        if self.shutdown.deadline.is_none() {
            return;
        }
        let others = self.core.shard_count - 1;
        loop {
            let said = self.shutdown.said;
            if said > 0 && self.shutdown.heard[usize::from(said - 1)] < others {
                return;
            }
            if said == ROUNDS {
                return self.flush_peers();
            }
            for shard in self.core.other_shards() {
                self.core
                    .send(shard, ShardMessage::Draining { round: said });
            }
            self.shutdown.said += 1;
        }
    }

    /// Closes links that are not peers yet.
    fn refuse_unfinished(&mut self) {
        let is_peer =
            |stage: &Stage| matches!(stage, Stage::Established(_) | Stage::Parting { .. });
        let links = &self.core.links;
        let unfinished: Vec<_> = links
            .keys()
            .filter(|key| links.get(*key).is_some_and(|l| !is_peer(&l.stage)))
            .collect();
        for key in unfinished {
            self.core
                .refuse(key, CloseReason::Rejected(Reject::Stopping));
        }
        for dial in std::mem::take(&mut self.core.dials).into_keys() {
            self.core
                .outputs
                .push_back(crate::switch::io::Output::CancelDial(dial));
        }
    }

    fn flush_peers(&mut self) {
        let Some(deadline) = self.shutdown.deadline else {
            return;
        };
        if std::mem::replace(&mut self.shutdown.flushing, true) {
            return;
        }
        let keys: Vec<_> = self.core.links.peer_keys().collect();
        for key in keys {
            self.close_gracefully(key, CloseReason::Shutdown, deadline);
        }
    }

    /// Half of the time, or all of it, is over.
    pub(crate) fn handle_shutdown_timeout(&mut self) {
        self.flush_peers();
        if self
            .shutdown
            .deadline
            .is_some_and(|deadline| deadline <= self.core.now)
        {
            let keys: Vec<_> = self.core.links.peer_keys().collect();
            for key in keys {
                self.close_peer(key, CloseReason::Shutdown);
            }
            self.core.close_all_parting();
        }
    }

    /// Reports the end once the last link is closed.
    pub(crate) fn finish_shutdown(&mut self) {
        let is_due = self.shutdown.flushing && !self.shutdown.stopped && self.core.links.is_empty();
        if !is_due {
            return;
        }
        self.shutdown.stopped = true;
        for index in 0..self.reactors.len() {
            // A panic here is counted; the node ends all the same.
            let _ = self.call(index, |reactor, cx| reactor.stop(cx));
        }
        debug_assert!(self.core.shard != ShardId::COORDINATOR || self.coordinator.is_some());
        self.core.event(Event::Stopped);
    }
}
