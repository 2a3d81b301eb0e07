//! The switch of one shard.
//!
//! It holds three things: the `core` with all links and queues, the `reactors`, and on shard 0 the
//! `coordinator`. Each `handle_*` stores what it is told; [`Switch::run`] does the work, a bounded
//! amount per turn; the `poll_*` are drained afterwards.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId, NodeKey};

use super::coordinator::Coordinator;
use super::core::Core;
use super::filter::Filters;
use super::io::{Command, Delivery, DialId, LinkId, Output, QueueGauge, Transmit};
use super::message::{Parcel, ShardMessage, Ticket};
use super::reactor_set::ReactorSet;
use super::sends::Offered;
use super::shutdown::Shutdown;
use crate::buffer::{BufferPool, Chunk};
use crate::config::{Config, ConfigError};
use crate::conn::ConnectionStatus;
use crate::document::Kept;
use crate::error::{NetworkError, Reject};
use crate::metrics::Metrics;
use crate::peer::{PeerInfo, ShardId};
use crate::reactor::Instance;
use crate::time::Instant;

/// Makes one instance of a reactor on each shard.
pub type ReactorFactory = Box<dyn Fn(ShardId) -> Box<dyn Instance> + Send + Sync>;

/// Links worked on in one turn at most; the rest have the next one. Links in their handshake have a
/// turn of their own behind it (see [`Switch::work_handshakes`]).
pub(super) const LINKS_PER_TURN: usize = 256;
/// Bytes sealed in one turn, after which the rest of the links wait for the next: what was sealed
/// should be written while the core's cache still has it, and its buffers come back to be sealed
/// into again (docs/decisions, 19).
const TURN_BYTES: usize = 256 * 1024;

/// What a switch is made of.
pub struct SwitchConfig {
    /// Checked configuration of the node.
    pub config: Arc<Config>,
    /// The node's identity.
    pub node_key: NodeKey,
    /// This shard.
    pub shard: ShardId,
    /// Shards of the node.
    pub shard_count: u16,
    /// Source of all chance on this shard: ephemeral keys, jitter. Never the same twice.
    pub seed: [u8; 32],
    /// The application's say in who may connect.
    pub filters: Filters,
    /// Which documents of reactors have a place.
    pub kept: Kept,
}

/// The protocol of one shard as a value. See [`crate::switch::io`] for the conversation.
pub struct Switch {
    pub(super) core: Core,
    pub(super) reactors: ReactorSet,
    /// On shard 0 only.
    pub(super) coordinator: Option<Coordinator>,
    pub(super) shutdown: Shutdown,
    /// Admitted connections that must not become peers here, while they are on their way.
    pub(super) revoked: VecDeque<(Ticket, Reject)>,
}

impl Switch {
    /// A switch with one instance of each reactor: (name, instance).
    ///
    /// # Errors
    /// Two reactors claim a channel, there are more than sixteen channels, or the configuration
    /// makes a NodeInfo or a connection that peers would refuse.
    pub fn new(
        config: SwitchConfig,
        reactors: Vec<(String, Box<dyn Instance>)>,
        now: Instant,
    ) -> Result<Switch, ConfigError> {
        let core = Core::new(config, &reactors, now)?;
        let coordinator = (core.shard == ShardId::COORDINATOR)
            .then(|| Coordinator::new(&core.config, core.node_id, core.shard_count));
        Ok(Switch {
            core,
            reactors: ReactorSet::new(reactors),
            coordinator,
            shutdown: Shutdown::default(),
            revoked: VecDeque::new(),
        })
    }

    // ---- told -------------------------------------------------------------------------------

    /// The shell is ready: start reactors, dial persistent peers.
    pub fn handle_start(&mut self, now: Instant) {
        self.core.now = now;
        for index in 0..self.reactors.len() {
            // A panic here is counted; there is no peer yet that it could cost.
            let _ = self.call(index, |reactor, cx| reactor.start(cx));
        }
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.start(&mut self.core);
        }
        self.settle();
    }

    /// A socket was accepted. The link starts paused.
    pub fn handle_accepted(&mut self, now: Instant, link: LinkId, remote: SocketAddr) {
        self.core.now = now;
        self.core.accept(link, remote);
    }

    /// A dial connected. The link starts paused.
    pub fn handle_connected(
        &mut self,
        now: Instant,
        dial: DialId,
        link: LinkId,
        remote: SocketAddr,
    ) {
        self.core.now = now;
        self.core.dial_connected(dial, link, remote);
        self.settle();
    }

    /// A dial failed.
    pub fn handle_dial_failed(&mut self, now: Instant, dial: DialId, error: NetworkError) {
        self.core.now = now;
        self.core.dial_failed(dial, error);
        self.settle();
    }

    /// Bytes came.
    pub fn handle_received(&mut self, now: Instant, link: LinkId, chunk: Chunk) {
        self.core.now = now;
        match self.core.links.key_of(link) {
            Some(key) => self.core.store(key, chunk),
            None => self.core.pool.give_back_chunk(chunk.bytes),
        }
    }

    /// A transmit was written whole; here are its buffers.
    pub fn handle_sent(&mut self, now: Instant, link: LinkId, buffers: Transmit) {
        self.core.now = now;
        let key = self.core.links.key_of(link);
        let Some((key, link)) = key.and_then(|key| Some((key, self.core.links.get_mut(key)?)))
        else {
            return;
        };
        link.sending = false;
        buffers
            .into_iter()
            .for_each(|buffer| self.core.pool.give_back_send(buffer));
        self.core.send_unsent(key);
        self.core.mark(key);
    }

    /// The socket failed or the remote closed it. The shell forgets the link only after `Close`. What
    /// a peer had sent before is still taken, for as long as a pong may take: after that it is
    /// dropped, or a channel that nobody takes from would keep the peer, its place and its id.
    pub fn handle_closed(&mut self, now: Instant, link: LinkId, error: NetworkError) {
        self.core.now = now;
        let Some(key) = self.core.links.key_of(link) else {
            return;
        };
        let forget_at = now + self.core.config.pong_timeout;
        if let Some(link) = self.core.links.get_mut(key) {
            link.ended = Some(error);
            if let Some(peer) = link.peer_mut() {
                peer.forget_at.get_or_insert(forget_at);
            }
        }
        self.core.mark(key);
    }

    /// A connection has moved in from another shard as `link` (paused).
    #[allow(
        clippy::boxed_local,
        reason = "the shell hands on the box of `Output::Move`"
    )]
    pub fn handle_adopted(
        &mut self,
        now: Instant,
        link: LinkId,
        remote: SocketAddr,
        parcel: Box<Parcel>,
    ) {
        self.core.now = now;
        self.adopt(link, remote, *parcel);
        self.settle();
    }

    /// A thread of the application offers messages for a peer of this shard; `next` gives them one by
    /// one, as far as the peer's queue has room.
    pub fn handle_offered(
        &mut self,
        now: Instant,
        peer: NodeId,
        channel: ChannelId,
        next: impl FnMut() -> Option<Bytes>,
    ) -> Offered {
        self.core.now = now;
        self.core.take_offered(peer, channel, next)
    }

    /// A message from another shard.
    pub fn handle_mesh(&mut self, now: Instant, from: ShardId, message: ShardMessage) {
        self.core.now = now;
        self.dispatch(from, message);
        self.settle();
    }

    /// The lanes to other shards are full, or have room again. While they are full, no message is
    /// taken from a peer and publishers are told to wait: each may become messages to other shards,
    /// and those have no other bound. What other shards send is still taken, so two shards with
    /// full lanes to each other get on.
    pub fn handle_congestion(&mut self, congested: bool) {
        if std::mem::replace(&mut self.core.congested, congested) && !congested {
            self.core.mark_peers();
        }
    }

    /// Somebody subscribes to the messages of a channel. They are delivered without it as well; it
    /// says whom a channel without room waits for.
    pub fn handle_subscribed(&mut self, channel: ChannelId) {
        self.core.deliveries.subscribe(channel);
    }

    /// The application asks for something.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        self.core.now = now;
        self.command(command);
    }

    /// Time passed; call when `poll_timeout` is due (calling early is harmless). A timer that is set
    /// in here is due in the next call at the earliest.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.core.now = now;
        let mark = self.core.timers.mark();
        while let Some((at, timer)) = self.core.timers.pop_due(now, mark) {
            self.fire(at, timer);
            self.settle();
        }
    }

    /// Does the work that the calls above made: reads messages, runs reactors, fills writes.
    /// Once per turn, before draining.
    pub fn run(&mut self, now: Instant) {
        self.core.now = now;
        self.core.turn_bytes = 0;
        self.settle();
        if self.core.deliveries.take_reopened() {
            self.core.mark_peers();
        }
        for _ in 0..self.core.dirty.len().min(LINKS_PER_TURN) {
            let Some(key) = self.core.dirty.pop_front() else {
                break;
            };
            self.work(key);
            self.settle();
            if self.core.turn_bytes >= TURN_BYTES {
                break;
            }
        }
        self.work_handshakes();
        self.core.balance_reading();
        self.core.park_if_exhausted();
        self.core.plan_trim();
        self.finish_shutdown();
    }

    // ---- asked ------------------------------------------------------------------------------

    /// When `handle_timeout` wants to be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.core.timers.next_at()
    }

    /// Whether `run` has more to do at once (it bounds the work of one turn).
    pub fn has_work(&self) -> bool {
        !self.core.dirty.is_empty()
            || !self.core.handshaking.is_empty()
            || self.core.has_unsettled()
            || self.core.deliveries.is_reopened()
    }

    /// Whether the reactor of `channel` can take another [`Command::Publish`] without its peers
    /// falling far behind. Nothing is refused while it is false; the shell should leave publishes
    /// with the application until it is true again.
    pub fn has_room_to_publish(&self, channel: ChannelId) -> bool {
        let owner = self.core.channels.owner(channel);
        !self.core.congested && owner.is_none_or(|index| self.reactors.has_room(index, channel))
    }

    /// The pool chunks are taken from and given back to.
    pub fn pool(&mut self) -> &mut BufferPool {
        &mut self.core.pool
    }

    /// What this shard did so far; reactors' own figures are in [`Switch::reactor_counters`].
    pub fn metrics(&self) -> Metrics {
        let mut metrics = self.core.metrics.clone();
        metrics.peers = self.core.links.peer_count() as u64;
        metrics.handshakes = self.core.links.upgrading_count() as u64;
        metrics.recv_held_bytes = self.core.recv_budget.held() as u64;
        metrics.send_queued_bytes = self.core.send_budget.queued() as u64;
        metrics.recv_held_back = self.core.recv_budget.waiting_count() as u64;
        for channel in &mut metrics.channels {
            let unheard = self.core.deliveries.unheard_len(channel.channel);
            channel.waiting_for_subscriber = unheard as u64;
        }
        metrics
    }

    /// The figures each reactor shows: its name, their names and values.
    pub fn reactor_counters(&self) -> Vec<(String, Vec<(&'static str, u64)>)> {
        let of = |index| {
            (
                self.reactors.name(index).to_owned(),
                self.reactors.counters(index),
            )
        };
        (0..self.reactors.len()).map(of).collect()
    }

    /// How many entries each table has that peers make grow: its name, its length. What comes and goes
    /// must leave them as they were; a test holds them to that.
    pub fn table_sizes(&self) -> Vec<(&'static str, usize)> {
        let core = &self.core;
        let mut sizes = vec![
            ("sockets", core.links.slot_count()),
            ("timers", core.timers.len()),
            (
                "links that want a turn",
                core.dirty.len() + core.handshaking.len(),
            ),
            ("messages to itself", core.inbox.len()),
            ("outputs", core.outputs.len()),
            ("stops", core.stops.len()),
            ("gauges", core.gauges.len()),
            ("dials", core.dials.len()),
            ("addresses at the gate", core.gate.len()),
            ("revoked tickets", self.revoked.len()),
        ];
        if let Some(coordinator) = &self.coordinator {
            sizes.extend(coordinator.table_sizes());
        }
        sizes
    }

    /// The peers of this shard and how their connections are.
    pub fn peers(&self, now: Instant) -> Vec<(PeerInfo, ConnectionStatus)> {
        let links = &self.core.links;
        let peers = links.peer_keys().filter_map(|key| links.peer(key));
        peers
            .map(|peer| (PeerInfo::clone(&peer.info), peer.conn.status(now)))
            .collect()
    }

    // ---- drained ----------------------------------------------------------------------------

    /// What to do next, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.core.outputs.pop_front()
    }

    /// The next message for subscriptions. While the shell leaves them here, the switch soon
    /// stops reading peers on that channel.
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        self.poll_delivery_where(|_| true)
    }

    /// The next message of a channel whose subscriptions have room, so that a full one does not
    /// hold up the others.
    pub fn poll_delivery_where(
        &mut self,
        has_room: impl FnMut(ChannelId) -> bool,
    ) -> Option<Delivery> {
        self.core.deliveries.pop(has_room)
    }

    /// Send queues whose fill changed since the last call.
    pub fn poll_gauge(&mut self) -> Option<QueueGauge> {
        self.core.poll_gauge()
    }
}
