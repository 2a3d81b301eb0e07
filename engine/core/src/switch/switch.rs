//! The switch of one shard: its conversation with the world.
//!
//! Each `handle_*` stores what it is told; [`Switch::run`] does the work, a bounded amount per turn;
//! the `poll_*` are drained afterwards. What happens in a turn, and in which order, is told in `turn`.

use bytes::Bytes;
use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::{ChannelId, NodeId, SignerError};

use crate::buffer::{BufferPool, Chunk};
use crate::config::{Config, ConfigError};
use crate::conn::ConnectionStatus;
use crate::error::{NetworkError, StartPanic};
use crate::metrics::{Metrics, RefusalMetrics};
use crate::peer::{PeerInfo, PeerKey, RemoteAddr, ShardId};
use crate::reactor::Instance;
use crate::switch::commands::carry_out;
use crate::switch::identity::SwitchConfig;
use crate::switch::io::{Command, Delivery, DialId, LinkId, Output, QueueGauge, Transmit};
use crate::switch::links::entrance::lose;
use crate::switch::message::{Parcel, ShardMessage};
use crate::switch::peer::established::adopt;
use crate::switch::peer::sends::Offered;
use crate::switch::reactors::context::start;
use crate::switch::shard::{Parts, Shard};
use crate::switch::turn::{self, settle};
use crate::time::Instant;

/// Makes one instance of a reactor on each shard.
pub type ReactorFactory = Box<dyn Fn(ShardId) -> Box<dyn Instance> + Send + Sync>;

/// The protocol of one shard as a value. See [`crate::switch::io`] for the conversation.
pub struct Switch {
    shard: Shard,
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
        let shard = Shard::new(config, reactors, now)?;
        Ok(Switch { shard })
    }

    /// The parts, for tests that look inside.
    #[cfg(test)]
    pub(crate) fn shard(&self) -> &Shard {
        &self.shard
    }

    /// The clock was read.
    #[inline]
    fn at(&mut self, now: Instant) -> Parts<'_> {
        let parts = self.shard.parts();
        parts.core.set_now(now);
        parts
    }

    // ---- told -------------------------------------------------------------------------------

    /// The shell is ready: start reactors, dial persistent peers.
    ///
    /// # Errors
    /// A reactor panicked. Those after it were not started, and the switch is of no use.
    pub fn handle_start(&mut self, now: Instant) -> Result<(), StartPanic> {
        self.at(now);
        for index in 0..self.shard.reactors().len() {
            start(&mut self.shard, index)?;
        }
        if let Some((coordinator, mut desk)) = self.shard.coordination() {
            coordinator.start(&mut desk);
        }
        settle(&mut self.shard);
        Ok(())
    }

    /// A socket was accepted. The link starts paused.
    pub fn handle_accepted(&mut self, now: Instant, link: LinkId, remote: RemoteAddr) {
        let Parts {
            core,
            links,
            entrance,
            ..
        } = self.at(now);
        entrance.accept(core, links, link, remote);
    }

    /// The node's key has signed what [`Output::Sign`] asked for, and the signature verifies; or it could not.
    /// An answer for a link that is gone is ignored.
    pub fn handle_signed(
        &mut self,
        now: Instant,
        key: PeerKey,
        signed: Result<[u8; SIGNATURE_BYTES], SignerError>,
    ) {
        let Parts {
            core,
            links,
            entrance,
            ..
        } = self.at(now);
        entrance.handle_signed(core, links, key, signed);
    }

    /// A dial connected. The link starts paused.
    pub fn handle_connected(
        &mut self,
        now: Instant,
        dial: DialId,
        link: LinkId,
        remote: RemoteAddr,
    ) {
        let Parts {
            core,
            links,
            entrance,
            ..
        } = self.at(now);
        entrance.handle_connected(core, links, dial, (link, remote));
        settle(&mut self.shard);
    }

    /// A dial failed.
    pub fn handle_dial_failed(&mut self, now: Instant, dial: DialId, error: NetworkError) {
        let Parts { core, entrance, .. } = self.at(now);
        entrance.handle_dial_failed(core, dial, error);
        settle(&mut self.shard);
    }

    /// Bytes came.
    pub fn handle_received(&mut self, now: Instant, link: LinkId, chunk: Chunk) {
        let Parts {
            core,
            links,
            memory,
            ..
        } = self.at(now);
        let Some(key) = links.key_of(link) else {
            return memory.pool().give_back_chunk(chunk.bytes);
        };
        core.count().received_bytes += chunk.received().len() as u64;
        if let Some(link) = links.get_mut(key) {
            link.store(chunk, now, memory.pool());
        }
        links.mark(key);
    }

    /// A transmit was written whole; here are its buffers.
    pub fn handle_sent(&mut self, now: Instant, link: LinkId, buffers: Transmit) {
        let Parts {
            core,
            links,
            memory,
            ..
        } = self.at(now);
        let key = links.key_of(link);
        let Some((key, link)) = key.and_then(|key| Some((key, links.get_mut(key)?))) else {
            return;
        };
        link.end_transmit();
        if let Some(peer) = link.peer_mut() {
            let channels = &mut core.count().channels;
            peer.handle_written(now, |number, waited, count| {
                channels[number].send_time.record_n(waited, count);
            });
        }
        let pool = memory.pool();
        buffers
            .into_iter()
            .for_each(|buffer| pool.give_back_send(buffer));
        links.send_unsent(core, key);
        links.mark(key);
    }

    /// The socket failed or the remote closed it. The shell forgets the link only after `Close`. What
    /// a peer had sent before is still taken, for as long as a pong may take: after that it is
    /// dropped, or a channel that nobody takes from would keep the peer, its place and its id.
    pub fn handle_closed(&mut self, now: Instant, link: LinkId, error: NetworkError) {
        let Parts { core, links, .. } = self.at(now);
        let Some(key) = links.key_of(link) else {
            return;
        };
        if let Some(link) = links.get_mut(key) {
            link.end(error, now + core.config().pong_timeout);
        }
        links.mark(key);
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
        remote: RemoteAddr,
        parcel: Box<Parcel>,
    ) {
        self.at(now);
        adopt(&mut self.shard, link, remote, *parcel);
        settle(&mut self.shard);
    }

    /// A connection that [`Output::Move`] gave away has failed before it could leave: nobody will
    /// adopt it.
    pub fn handle_move_failed(&mut self, now: Instant, parcel: Parcel, error: NetworkError) {
        lose(self.at(now).core, parcel, error);
        settle(&mut self.shard);
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
        let Parts {
            core, links, sends, ..
        } = self.at(now);
        sends.take_offered(core, links, (peer, channel), next)
    }

    /// A message from another shard.
    pub fn handle_mesh(&mut self, now: Instant, from: ShardId, message: ShardMessage) {
        self.at(now);
        turn::dispatch(&mut self.shard, from, message);
        settle(&mut self.shard);
    }

    /// The lanes to other shards are full, or have room again. While they are full, no message is
    /// taken from a peer and publishers are told to wait: each may become messages to other shards,
    /// and those have no other bound. What other shards send is still taken, so two shards with
    /// full lanes to each other get on.
    pub fn handle_congestion(&mut self, congested: bool) {
        let Parts { core, links, .. } = self.shard.parts();
        if core.set_congested(congested) && !congested {
            links.mark_peers();
        }
    }

    /// Somebody subscribes to the messages of a channel. They are delivered without it as well; it
    /// says whom a channel without room waits for.
    pub fn handle_subscribed(&mut self, channel: ChannelId) {
        self.shard.parts().deliveries.subscribe(channel);
    }

    /// The application asks for something.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        self.at(now);
        carry_out(&mut self.shard, command);
        settle(&mut self.shard);
    }

    /// Time passed; call when `poll_timeout` is due (calling early is harmless). A timer that is set
    /// in here is due in the next call at the earliest.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.at(now);
        turn::handle_timeout(&mut self.shard);
    }

    /// Does the work that the calls above made: reads messages, runs reactors, fills writes.
    /// Once per turn, before draining.
    pub fn run(&mut self, now: Instant) {
        self.at(now);
        turn::run(&mut self.shard);
    }

    // ---- asked ------------------------------------------------------------------------------

    /// When `handle_timeout` wants to be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.shard.core().next_timer_at()
    }

    /// Whether `run` has more to do at once (it bounds the work of one turn).
    pub fn has_work(&self) -> bool {
        let links = self.shard.links();
        links.ready_len() > 0
            || links.shaking_len() > 0
            || self.shard.core().has_unsettled()
            || self.shard.deliveries().is_reopened()
    }

    /// Whether the reactor of `channel` can take another [`Command::Publish`] without its peers
    /// falling far behind. Nothing is refused while it is false; the shell should leave publishes
    /// with the application until it is true again.
    pub fn has_room_to_publish(&self, channel: ChannelId) -> bool {
        let (core, reactors) = (self.shard.core(), self.shard.reactors());
        let owner = core.channels().owner(channel);
        !core.is_congested() && owner.is_none_or(|index| reactors.has_room(index, channel))
    }

    /// What this shard goes by: the node's configuration, with all changes that it has heard of.
    pub fn config(&self) -> &Config {
        self.shard.core().config()
    }

    /// The pool chunks are taken from and given back to.
    pub fn pool(&mut self) -> &mut BufferPool {
        self.shard.parts().memory.pool()
    }

    /// What this shard did so far; reactors' own figures are in [`Switch::reactor_counters`].
    pub fn metrics(&self) -> Metrics {
        let (links, recv_budget) = (self.shard.links(), self.shard.recv_budget());
        let mut metrics = self.shard.core().metrics().clone();
        metrics.peers = links.peer_count() as u64;
        metrics.handshakes = links.upgrading_count() as u64;
        metrics.recv_held_bytes = recv_budget.held() as u64;
        metrics.send_queued_bytes = self.shard.sends().queued() as u64;
        metrics.recv_held_back = recv_budget.waiting_count() as u64;
        for channel in &mut metrics.channels {
            let unheard = self.shard.deliveries().unheard_len(channel.channel);
            channel.waiting_for_subscriber = unheard as u64;
        }
        metrics
    }

    /// The refusals among the metrics: cheap enough to be asked in a turn.
    pub fn refusals(&self) -> RefusalMetrics {
        self.shard.core().metrics().refusals
    }

    /// The figures each reactor shows: its name, their names and values.
    pub fn reactor_counters(&self) -> Vec<(String, Vec<(&'static str, u64)>)> {
        let reactors = self.shard.reactors();
        let of = |index| (reactors.name(index).to_owned(), reactors.counters(index));
        (0..reactors.len()).map(of).collect()
    }

    /// How many entries each table has that peers make grow: its name, its length. What comes and goes
    /// must leave them as they were; a test holds them to that.
    pub fn table_sizes(&self) -> Vec<(&'static str, usize)> {
        let (shard, links) = (&self.shard, self.shard.links());
        let wanting = links.ready_len() + links.shaking_len();
        let mut sizes = vec![
            ("sockets", links.slot_count()),
            ("links that want a turn", wanting),
            ("gauges", shard.sends().gauges_len()),
            ("revoked tickets", shard.revoked().len()),
        ];
        sizes.extend(shard.core().table_sizes());
        sizes.extend(shard.entrance().table_sizes());
        if let Some(coordinator) = shard.coordinator() {
            sizes.extend(coordinator.table_sizes());
        }
        sizes
    }

    /// The peers of this shard and how their connections are, by ascending id.
    pub fn peers(&self, now: Instant) -> Vec<(PeerInfo, ConnectionStatus)> {
        self.peers_after(now, None, usize::MAX)
    }

    /// The peer of this shard with this id.
    pub fn peer(&self, id: &NodeId) -> Option<&PeerInfo> {
        let links = self.shard.links();
        let peer = links.peer(links.key_of_peer(id)?)?;
        Some(peer.info())
    }

    /// At most `max` of them: those whose ids are behind `after`, or the first ones. Who asks on with
    /// the last id of each answer until one has less than `max` sees every peer that stays meanwhile,
    /// once.
    pub fn peers_after(
        &self,
        now: Instant,
        after: Option<NodeId>,
        max: usize,
    ) -> Vec<(PeerInfo, ConnectionStatus)> {
        let peers = self.shard.links().peers_after(after, max);
        peers
            .map(|peer| (PeerInfo::clone(peer.info()), peer.status(now)))
            .collect()
    }

    // ---- drained ----------------------------------------------------------------------------

    /// What to do next, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.shard.parts().core.poll_output()
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
        self.shard.parts().deliveries.pop(has_room)
    }

    /// Send queues whose fill changed since the last call.
    pub fn poll_gauge(&mut self) -> Option<QueueGauge> {
        let Parts {
            core, links, sends, ..
        } = self.shard.parts();
        sends.poll_gauge(core, links)
    }
}
