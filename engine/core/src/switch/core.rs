//! What every room of a switch works with: who we are, the time of this turn, chance, deadlines,
//! counters, and the outbox.
//!
//! The rooms hold their own state and are handed this beside it. That is what lets a reactor act while
//! it is called: what would need to call a reactor again (a stop, a note to itself) is queued here and
//! done after it returned.
//!
//! ```text
//!   outputs ─▶ the shell          stops, dialed, inbox ─▶ the next settling of this turn
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use ringwire_codec::NetAddress;

use crate::chance::Chance;
use crate::config::{Config, ConfigError};
use crate::error::CloseReason;
use crate::metrics::{Metrics, Waits};
use crate::peer::{PeerKey, ShardId};
use crate::reactor::{Instance, TimerId};
use crate::switch::identity::{Identity, SwitchConfig};
use crate::switch::io::{Event, Output, Reply, ReplyToken};
use crate::switch::message::ShardMessage;
use crate::switch::reactors::channel_table::ChannelTable;
use crate::switch::timers::{Mark, Timer, Timers};
use crate::time::Instant;

/// A peer that is to be closed once the reactor that asked for it has returned.
pub(crate) struct Stop {
    pub(crate) peer: PeerKey,
    pub(crate) reason: CloseReason,
    /// Whether what is queued is sent first.
    pub(crate) graceful: bool,
}

/// What became of a dial that a reactor asked for (coordinator only).
pub(crate) struct Dialed {
    /// Index of the reactor.
    pub(crate) reactor: u16,
    pub(crate) address: NetAddress,
    pub(crate) outcome: Result<(), CloseReason>,
}

/// What is left to do within this shard, once every stop is done.
pub(crate) enum Unsettled {
    /// A reactor is to be told of its dial.
    Dialed(Dialed),
    /// This shard has told itself something.
    Message(ShardMessage),
}

/// What every room works with.
pub(crate) struct Core {
    identity: Identity,
    now: Instant,
    chance: Chance,
    timers: Timers,
    metrics: Metrics,
    /// Messages that reactors have had since the last turn began.
    received: Waits,
    outputs: VecDeque<Output>,
    /// Messages of this shard to itself.
    inbox: VecDeque<ShardMessage>,
    stops: VecDeque<Stop>,
    dialed: VecDeque<Dialed>,
    /// Set by the shutdown: nothing new is taken any more.
    stopping: bool,
    /// The lanes to other shards are full: nothing is taken in that might add to them.
    congested: bool,
}

impl Core {
    /// The core of a shard that has these reactors.
    pub(crate) fn new(
        parts: SwitchConfig,
        reactors: &[(String, Box<dyn Instance>)],
        now: Instant,
    ) -> Result<Core, ConfigError> {
        let chance = Chance::new(parts.seed);
        let identity = Identity::new(parts, reactors)?;
        let channels = identity.channels().descriptors();
        Ok(Core {
            now,
            chance,
            timers: Timers::default(),
            metrics: Metrics::new(channels.iter().map(|channel| channel.id)),
            received: Waits::default(),
            outputs: VecDeque::new(),
            inbox: VecDeque::new(),
            stops: VecDeque::new(),
            dialed: VecDeque::new(),
            stopping: false,
            congested: false,
            identity,
        })
    }

    // ---- asked ------------------------------------------------------------------------------

    /// Who we are.
    #[inline]
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The channels of the node.
    #[inline]
    pub(crate) fn channels(&self) -> &ChannelTable {
        self.identity.channels()
    }

    /// The node's configuration.
    pub(crate) fn config(&self) -> &Config {
        self.identity.config()
    }

    /// The time of this turn.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Whether the shutdown has begun: nothing new is taken any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// The node goes by another configuration.
    pub(crate) fn set_config(&mut self, config: Arc<Config>) {
        self.identity.set_config(config);
    }

    /// Whether the lanes to other shards are full: nothing is taken in that might add to them.
    #[inline]
    pub(crate) fn is_congested(&self) -> bool {
        self.congested
    }

    /// All chance of this shard.
    pub(crate) fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    /// The counters of this shard.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The counters, to count.
    #[inline]
    pub(crate) fn count(&mut self) -> &mut Metrics {
        &mut self.metrics
    }

    /// A message of the channel with this number, which came at `at`, goes to its reactor. It has
    /// waited to the end of the turn: only then has everything before it been dealt with.
    #[inline]
    pub(crate) fn note_received(&mut self, number: usize, at: Instant) {
        self.received.add(number, at);
    }

    /// A turn begins, so the one before has ended.
    #[inline]
    pub(crate) fn begin_turn(&mut self) {
        let channels = &mut self.metrics.channels;
        self.received.end(self.now, |number, waited, count| {
            channels[number].receive_time.record_n(waited, count);
        });
    }

    /// Whether something waits for the next settling: one does a bounded amount.
    pub(crate) fn has_unsettled(&self) -> bool {
        !(self.stops.is_empty() && self.dialed.is_empty() && self.inbox.is_empty())
    }

    /// See [`crate::switch::Switch::table_sizes`].
    pub(crate) fn table_sizes(&self) -> [(&'static str, usize); 4] {
        [
            ("timers", self.timers.len()),
            ("messages to itself", self.inbox.len()),
            ("outputs", self.outputs.len()),
            ("stops", self.stops.len()),
        ]
    }

    // ---- time -------------------------------------------------------------------------------

    /// The clock was read.
    #[inline]
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Sets a timer.
    pub(crate) fn set_timer(&mut self, at: Instant, timer: Timer) -> TimerId {
        self.timers.set(at, timer)
    }

    /// Takes a timer back, if it did not come up yet.
    pub(crate) fn cancel_timer(&mut self, timer: TimerId) {
        self.timers.cancel(timer);
    }

    /// When the next timer is due.
    pub(crate) fn next_timer_at(&self) -> Option<Instant> {
        self.timers.next_at()
    }

    /// See [`Timers::mark`].
    pub(crate) fn mark_timers(&self) -> Mark {
        self.timers.mark()
    }

    /// The next timer that is due now and was set before `mark`.
    pub(crate) fn pop_due(&mut self, mark: Mark) -> Option<(Instant, Timer)> {
        self.timers.pop_due(self.now, mark)
    }

    // ---- the outbox -------------------------------------------------------------------------

    /// The shell has something to do.
    #[inline]
    pub(crate) fn put_out(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Takes what the shell has to do next.
    #[inline]
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// An observer wants to know.
    pub(crate) fn event(&mut self, event: Event) {
        self.put_out(Output::Event(event));
    }

    /// Answers a command.
    pub(crate) fn reply(&mut self, token: ReplyToken, reply: Reply) {
        self.put_out(Output::Reply { token, reply });
    }

    /// Sends a message to a shard of this node; one to ourselves waits for the next settling.
    pub(crate) fn send(&mut self, to: ShardId, message: ShardMessage) {
        if to == self.identity.shard() {
            self.inbox.push_back(message);
        } else {
            self.put_out(Output::Mesh { to, message });
        }
    }

    /// Sends a message to the coordinator.
    pub(crate) fn tell_coordinator(&mut self, message: ShardMessage) {
        self.send(ShardId::COORDINATOR, message);
    }

    /// Closes a peer once the reactor that is called has returned.
    pub(crate) fn stop(&mut self, stop: Stop) {
        self.stops.push_back(stop);
    }

    /// Tells a reactor of its dial once the one that is called has returned.
    pub(crate) fn tell_dialed(&mut self, dialed: Dialed) {
        self.dialed.push_back(dialed);
    }

    /// The next peer to close.
    pub(crate) fn take_stop(&mut self) -> Option<Stop> {
        self.stops.pop_front()
    }

    /// What is left to do within this shard but stops, which come first.
    pub(crate) fn take_unsettled(&mut self) -> Option<Unsettled> {
        let dialed = self.dialed.pop_front().map(Unsettled::Dialed);
        dialed.or_else(|| self.inbox.pop_front().map(Unsettled::Message))
    }

    /// The lanes to other shards are full, or have room again; says how it was before.
    pub(crate) fn set_congested(&mut self, congested: bool) -> bool {
        std::mem::replace(&mut self.congested, congested)
    }

    /// The shutdown has begun.
    pub(crate) fn begin_stop(&mut self) {
        self.stopping = true;
    }
}
