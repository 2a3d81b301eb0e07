//! What a shard's switch holds beside its reactors, and the small verbs everything else uses.
//!
//! The split in two is what lets a reactor act while it is called: the reactor is borrowed from
//! the [`crate::switch::reactors::reactor_set::ReactorSet`], and everything it may touch lies here. What would need
//! to call a reactor again (a stop, a note to itself) is queued here and done after it returned.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NetAddress, NodeId, NodeInfo, NodeKey};

use crate::buffer::{BufferPool, PoolLimits, memory_cost};
use crate::chance::Chance;
use crate::config::{Config, ConfigError};
use crate::conn::MConnectionConfig;
use crate::document::Kept;
use crate::error::{CloseReason, TrySendError};
use crate::metrics::Metrics;
use crate::peer::{PeerKey, ShardId};
use crate::reactor::Instance;
use crate::switch::identity::node_info_of;
use crate::switch::io::{
    DialId, Event, LinkId, Output, QueueGauge, ReadMode, Reply, ReplyToken, Transmit,
};
use crate::switch::links::filter::Filters;
use crate::switch::links::gate::{Gate, GateLimits};
use crate::switch::links::link::{Peer, WaitingSend};
use crate::switch::links::table::Links;
use crate::switch::message::{AttemptId, ShardMessage};
use crate::switch::node::budget::Prefix;
use crate::switch::peer::deliveries::Deliveries;
use crate::switch::peer::recv_budget::RecvBudget;
use crate::switch::peer::send_budget::SendBudget;
use crate::switch::reactors::channel_table::ChannelTable;
use crate::switch::switch::SwitchConfig;
use crate::switch::timers::{Timer, Timers};
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

/// A dial this shard makes for the coordinator.
pub(crate) struct Dialing {
    pub(crate) attempt: AttemptId,
    pub(crate) address: NetAddress,
}

/// Pause between two trims of the pool: long enough that the rests of a busy shard's turns are not
/// freed and made again.
const TRIM_PERIOD: Duration = Duration::from_secs(1);

/// Everything of a shard's switch but the reactors and the coordinator.
pub(crate) struct Core {
    pub(crate) now: Instant,
    pub(crate) shard: ShardId,
    pub(crate) shard_count: u16,
    pub(crate) config: Arc<Config>,
    pub(crate) conn_config: MConnectionConfig,
    pub(crate) node_key: NodeKey,
    pub(crate) node_id: NodeId,
    pub(crate) node_info: NodeInfo,
    pub(crate) filters: Filters,
    pub(crate) kept: Kept,
    pub(crate) channels: ChannelTable,
    pub(crate) reactor_names: Vec<String>,
    pub(crate) links: Links,
    /// Links that want their turn in `run`, each once; see `Link::is_past_handshake`.
    pub(crate) dirty: VecDeque<PeerKey>,
    /// The same for links in their handshake, which get a lower share of each turn.
    pub(crate) handshaking: VecDeque<PeerKey>,
    /// Bytes handed to the shell since `run` began.
    pub(crate) turn_bytes: usize,
    pub(crate) pool: BufferPool,
    pub(crate) recv_budget: RecvBudget,
    pub(crate) send_budget: SendBudget,
    /// Whether a trim of the pool is in the timer heap.
    pub(crate) trim_planned: bool,
    /// How often the pool had run out of chunks when the peers were last parked.
    pub(crate) exhausted: u64,
    /// The lanes to other shards are full: nothing is taken in that might add to them.
    pub(crate) congested: bool,
    pub(crate) outputs: VecDeque<Output>,
    /// Messages of this shard to itself.
    pub(crate) inbox: VecDeque<ShardMessage>,
    pub(crate) stops: VecDeque<Stop>,
    pub(crate) dialed: VecDeque<Dialed>,
    pub(crate) gauges: VecDeque<(PeerKey, ChannelId)>,
    pub(crate) deliveries: Deliveries,
    pub(crate) timers: Timers,
    pub(crate) gate: Gate,
    pub(crate) dials: BTreeMap<DialId, Dialing>,
    pub(crate) next_dial: u64,
    pub(crate) chance: Chance,
    pub(crate) metrics: Metrics,
    /// Set by the shutdown: nothing new is taken any more.
    pub(crate) stopping: bool,
}

impl Core {
    /// The core of a shard that has these reactors.
    pub(crate) fn new(
        config: SwitchConfig,
        reactors: &[(String, Box<dyn Instance>)],
        now: Instant,
    ) -> Result<Core, ConfigError> {
        let SwitchConfig {
            config,
            node_key,
            shard,
            shard_count,
            seed,
            filters,
            kept,
        } = config;
        let declared = reactors
            .iter()
            .map(|(name, reactor)| (name.clone(), reactor.channels()));
        let channels = ChannelTable::new(declared)?;
        let node_id = node_key.id();
        Ok(Core {
            now,
            shard,
            shard_count,
            conn_config: MConnectionConfig::new(&config)?,
            node_info: node_info_of(&config, node_id, channels.descriptors())?,
            gate: Gate::new(gate_limits(&config, shard_count)),
            node_key,
            node_id,
            filters,
            kept,
            metrics: Metrics::new(channels.descriptors().iter().map(|channel| channel.id)),
            channels,
            reactor_names: reactors.iter().map(|(name, _)| name.clone()).collect(),
            links: Links::default(),
            dirty: VecDeque::new(),
            handshaking: VecDeque::new(),
            turn_bytes: 0,
            pool: BufferPool::new(PoolLimits::default()),
            recv_budget: RecvBudget::new(share_of(config.recv_budget_bytes, shard_count)),
            send_budget: SendBudget::new(share_of(config.send_budget_bytes, shard_count)),
            trim_planned: false,
            exhausted: 0,
            congested: false,
            outputs: VecDeque::new(),
            inbox: VecDeque::new(),
            stops: VecDeque::new(),
            dialed: VecDeque::new(),
            gauges: VecDeque::new(),
            deliveries: Deliveries::default(),
            timers: Timers::default(),
            dials: BTreeMap::new(),
            next_dial: 0,
            chance: Chance::new(seed),
            stopping: false,
            config,
        })
    }

    /// Whether something waits for the next settling: one does a bounded amount.
    pub(crate) fn has_unsettled(&self) -> bool {
        !(self.stops.is_empty() && self.dialed.is_empty() && self.inbox.is_empty())
    }

    /// Sends a message to a shard of this node; one to ourselves waits for the next settling.
    pub(crate) fn send(&mut self, to: ShardId, message: ShardMessage) {
        if to == self.shard {
            self.inbox.push_back(message);
        } else {
            self.outputs.push_back(Output::Mesh { to, message });
        }
    }

    /// Sends a message to the coordinator.
    pub(crate) fn tell_coordinator(&mut self, message: ShardMessage) {
        self.send(ShardId::COORDINATOR, message);
    }

    /// All shards but this one.
    pub(crate) fn other_shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        let here = self.shard;
        (0..self.shard_count)
            .map(ShardId)
            .filter(move |shard| *shard != here)
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn reply(&mut self, token: ReplyToken, reply: Reply) {
        self.outputs.push_back(Output::Reply { token, reply });
    }

    /// Gives a link a turn in `run`.
    pub(crate) fn mark(&mut self, key: PeerKey) {
        if let Some(link) = self.links.get_mut(key)
            && !link.dirty
        {
            link.dirty = true;
            let queue = match link.is_past_handshake() {
                true => &mut self.dirty,
                false => &mut self.handshaking,
            };
            queue.push_back(key);
        }
    }

    /// Gives every peer a turn in `run`.
    pub(crate) fn mark_peers(&mut self) {
        let keys: Vec<_> = self.links.peer_keys().collect();
        keys.into_iter().for_each(|key| self.mark(key));
    }

    /// Frees the chunks that peers hold whose messages nobody pulls, if the pool ran out of chunks
    /// since the last call: they must not keep the other peers from being read.
    pub(crate) fn park_if_exhausted(&mut self) {
        let exhausted = self.pool.counters().exhausted;
        if std::mem::replace(&mut self.exhausted, exhausted) == exhausted {
            return;
        }
        let keys: Vec<_> = self.links.peer_keys().collect();
        for key in keys {
            if let Some(peer) = self.links.peer_mut(key) {
                peer.conn.park(&mut self.pool);
            }
        }
    }

    /// Looks after the chunks that a burst has left, once in [`TRIM_PERIOD`] while there are any.
    pub(crate) fn plan_trim(&mut self) {
        if !self.trim_planned && self.pool.is_idling() {
            self.trim_planned = true;
            self.timers.set(self.now + TRIM_PERIOD, Timer::Trim);
        }
    }

    /// Frees what nobody has needed in the last period.
    pub(crate) fn trim_pool(&mut self) {
        self.trim_planned = false;
        self.pool.trim();
    }

    /// Puts the link's next deadline into the heap, unless an earlier entry will look after it.
    pub(crate) fn schedule(&mut self, key: PeerKey) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let Some(want) = link.next_at() else { return };
        if link.timers.must_add(want) {
            self.timers.set(want, Timer::Link(key));
        }
    }

    /// Tells the shell how to read a link, if that is news.
    pub(crate) fn set_read(&mut self, key: PeerKey, mode: ReadMode) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        // `Once` is used up by each receive, so it is always news.
        if link.read != mode || mode == ReadMode::Once {
            link.read = mode;
            self.outputs.push_back(Output::Read {
                link: link.id,
                mode,
            });
        }
    }

    /// Hands buffers to the shell. The caller has made sure that none are in flight.
    pub(crate) fn transmit(&mut self, key: PeerKey, buffers: Transmit) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        assert!(!link.sending, "one transmit per link is in flight");
        link.sending = true;
        self.metrics.writes += 1;
        let bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        self.metrics.sent_bytes += bytes as u64;
        self.turn_bytes += bytes;
        self.outputs.push_back(Output::Transmit {
            link: link.id,
            buffers,
        });
    }

    pub(crate) fn close_link(&mut self, link: LinkId) {
        self.outputs.push_back(Output::Close { link });
    }

    /// Queues a message for a peer of this shard, or says why not.
    pub(crate) fn try_send(
        &mut self,
        key: PeerKey,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), TrySendError> {
        let Some(number) = self.channels.number(channel) else {
            return Err(TrySendError::UnknownChannel(channel));
        };
        let peers = self.links.peer_count();
        let Some(peer) = self.links.peer_mut(key) else {
            return Err(TrySendError::NotConnected(message));
        };
        if !peer.info.has_channel(channel) {
            return Err(TrySendError::PeerLacksChannel(channel));
        }
        let len = message.len();
        let counters = &mut self.metrics.channels[number];
        let sent = match self.send_budget.has_room(peer.queued, peers) {
            true => peer.conn.try_send(channel, message),
            false => Err(TrySendError::Full(message)),
        };
        match sent {
            Ok(()) => {
                counters.sent_messages += 1;
                counters.sent_bytes += len as u64;
                let queued = peer.queued + memory_cost(len);
                self.send_budget.update(&mut peer.queued, queued);
                self.touch(key, number);
                self.mark(key);
                Ok(())
            }
            Err(error) => {
                if matches!(error, TrySendError::Full(_)) {
                    counters.full += 1;
                    peer.starved |= 1 << number;
                }
                Err(error)
            }
        }
    }

    /// A reactor wants no messages of a channel from a peer of this shard, or wants them again.
    pub(crate) fn set_held_back(&mut self, key: PeerKey, channel: ChannelId, is_held_back: bool) {
        let number = self.channels.number(channel);
        let Some((number, peer)) = number.zip(self.links.peer_mut(key)) else {
            return;
        };
        let bit = 1 << number;
        if is_held_back {
            peer.held_back |= bit;
        } else if peer.held_back & bit != 0 {
            peer.held_back &= !bit;
            // What waits is pulled in its next turn.
            self.mark(key);
        }
    }

    /// Whether a peer's queue of a channel takes another message.
    pub(crate) fn can_send(&self, key: PeerKey, channel: ChannelId) -> bool {
        self.links.peer(key).is_some_and(|peer| {
            peer.conn.can_send(channel)
                && self
                    .send_budget
                    .has_room(peer.queued, self.links.peer_count())
        })
    }

    /// Counts what is still queued for a peer, after a write.
    pub(crate) fn count_queued(&mut self, key: PeerKey) {
        if let Some(peer) = self.links.peer_mut(key) {
            let queued = peer.conn.queued_bytes();
            self.send_budget.update(&mut peer.queued, queued);
        }
    }

    /// Queues a message for every peer of this shard that has the channel and room for it.
    /// Returns how many took it.
    pub(crate) fn broadcast_here(&mut self, channel: ChannelId, message: &Bytes) -> usize {
        let keys: Vec<_> = self.links.peer_keys().collect();
        let mut took = |key| self.try_send(key, channel, message.clone()).is_ok();
        keys.into_iter().map(|key| usize::from(took(key))).sum()
    }

    /// Makes the shell look at a queue's fill, once until it has looked.
    pub(crate) fn touch(&mut self, key: PeerKey, number: usize) {
        let Some(peer) = self.links.peer_mut(key) else {
            return;
        };
        if peer.touched & (1 << number) == 0 {
            peer.touched |= 1 << number;
            let channel = self.channels.descriptors()[number].id;
            self.gauges.push_back((key, channel));
        }
    }

    /// Touches every queue whose fill is not what its gauge last showed.
    pub(crate) fn touch_changed(&mut self, key: PeerKey) {
        for number in 0..self.channels.descriptors().len() {
            let channel = self.channels.descriptors()[number].id;
            let Some(peer) = self.links.peer(key) else {
                return;
            };
            if self.fill_of(peer, number, channel) != peer.gauged[number] {
                self.touch(key, number);
            }
        }
    }

    /// Messages that a queue holds or must take: those that were accepted and wait for room count,
    /// too, so that no more are accepted than the queue may hold.
    fn fill_of(&self, peer: &Peer, number: usize, channel: ChannelId) -> usize {
        let is_accepted = |send: &&WaitingSend| send.token.is_none() && send.channel == channel;
        let accepted = peer.waiting.iter().filter(is_accepted).count();
        let capacity = self.channels.descriptors()[number].send_queue_capacity;
        (peer.conn.queue_len(channel) + accepted).min(capacity)
    }

    /// The next queue whose fill changed.
    pub(crate) fn poll_gauge(&mut self) -> Option<QueueGauge> {
        while let Some((key, channel)) = self.gauges.pop_front() {
            let number = self
                .channels
                .number(channel)
                .expect("gauges are of registered channels");
            let Some(peer) = self.links.peer(key) else {
                continue;
            };
            let queued = self.fill_of(peer, number, channel);
            let peer = self.links.peer_mut(key).expect("just seen");
            peer.touched &= !(1 << number);
            if std::mem::replace(&mut peer.gauged[number], queued) != queued {
                return Some(QueueGauge {
                    peer: key,
                    channel,
                    queued,
                });
            }
        }
        None
    }
}

/// What one shard has of a limit of the node, rounded up.
fn share_of(limit: usize, shard_count: u16) -> usize {
    limit.div_ceil(usize::from(shard_count.max(1)))
}

/// How many handshakes of one host a shard allows: its share of the node's limit, or more where that
/// is little. The kernel spreads connections over shards by chance: of four nodes behind one address
/// that start together, all may come to one shard. So a shard goes up to the node's limit as long as
/// half of its places stay free for others.
fn handshakes_per_host(config: &Config, shard_count: u16) -> usize {
    let limit = config.max_num_handshakes_per_ip;
    let half = share_of(config.max_num_handshakes, shard_count) / 2;
    share_of(limit, shard_count).max(limit.min(half))
}

/// The gate's share of the node's limits: handshakes are split over the shards, rounded up.
fn gate_limits(config: &Config, shard_count: u16) -> GateLimits {
    let share = |limit| share_of(limit, shard_count);
    GateLimits {
        inbound_max: config.max_num_inbound_peers,
        has_unconditional: !config.unconditional_peer_ids.is_empty(),
        handshakes_max: share(config.max_num_handshakes),
        handshakes_per_ip_max: handshakes_per_host(config, shard_count),
        allow_duplicate_ip: config.allow_duplicate_ip,
        peers_per_ip_max: config.max_num_peers_per_ip,
        named_hosts: config
            .persistent_peers
            .iter()
            .filter_map(|address| address.host.ip().map(Prefix::host))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_lets_a_host_have_the_nodes_limit_where_half_of_its_places_stay_free() {
        let allowed = |places, limit, shards| {
            let config = Config {
                max_num_handshakes: places,
                max_num_handshakes_per_ip: limit,
                ..Config::default()
            };
            handshakes_per_host(&config, shards)
        };
        // The defaults on one, two, eight and sixteen shards.
        assert_eq!(
            [1, 2, 8, 16].map(|shards| allowed(64, 8, shards)),
            [8, 8, 4, 2]
        );
        // Never less than its share, and none means none.
        assert_eq!(allowed(4, 4, 2), 2);
        assert_eq!([1, 8].map(|shards| allowed(64, 0, shards)), [0, 0]);
    }
}
