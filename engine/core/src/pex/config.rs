//! What the peer exchange is told at the start, taken from the node's configuration.

use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};

use super::requests::{ASK_PAUSE_MIN, REQUEST_PAUSE_MAX};
use super::{BookConfig, Timestamp};
use crate::config::Config;
use crate::time::Instant;

/// Parts of an interval after which an outbound peer counts as good: at the default two minutes,
/// which is also the least time between two crawls of one node (reference).
const INTERVALS_STABLE: u32 = 4;

/// The part of an interval that a connection must last to count as one.
const INTERVAL_PARTS_BRIEF: u32 = 3;

/// How a [`super::Pex`] behaves. One value for all shards of a node.
#[derive(Clone, Debug)]
pub struct PexConfig {
    /// Wall-clock time at [`Instant::ZERO`].
    origin: Timestamp,
    /// Under which addresses the node is known, so that it neither dials nor tells itself.
    pub(super) our_addresses: Vec<NetAddress>,
    pub(super) persistent_peers: Vec<NetAddress>,
    pub(super) unconditional_ids: Vec<NodeId>,
    pub(super) private_ids: Vec<NodeId>,
    pub(super) seeds: Vec<NetAddress>,
    pub(super) outbound_max: usize,
    pub(super) inbound_max: usize,
    /// Pause between two looks at whether there are enough peers.
    pub(super) interval: Duration,
    pub(super) seed_mode: bool,
    pub(super) seed_disconnect_wait: Duration,
    book: BookConfig,
}

impl PexConfig {
    /// The part of a checked configuration that matters here. `origin` is the wall-clock time at
    /// [`Instant::ZERO`], `our_addresses` are those under which others may know this node.
    pub fn new(config: &Config, origin: Timestamp, our_addresses: Vec<NetAddress>) -> Self {
        PexConfig {
            origin,
            our_addresses,
            persistent_peers: config.persistent_peers.clone(),
            unconditional_ids: config.unconditional_peer_ids.clone(),
            private_ids: config.discovery.private_peer_ids.clone(),
            seeds: config.discovery.seeds.clone(),
            outbound_max: config.max_num_outbound_peers,
            inbound_max: config.max_num_inbound_peers,
            interval: config.discovery.pex_interval,
            seed_mode: config.discovery.seed_mode,
            seed_disconnect_wait: config.discovery.seed_disconnect_wait,
            book: BookConfig {
                strict: config.discovery.addr_book_strict,
            },
        }
    }

    /// The same node by another configuration, as far as that can change while it runs.
    pub(super) fn reconfigured(&self, config: &Config) -> Self {
        PexConfig {
            persistent_peers: config.persistent_peers.clone(),
            unconditional_ids: config.unconditional_peer_ids.clone(),
            private_ids: config.discovery.private_peer_ids.clone(),
            seeds: config.discovery.seeds.clone(),
            outbound_max: config.max_num_outbound_peers,
            inbound_max: config.max_num_inbound_peers,
            ..self.clone()
        }
    }

    /// How the address book of this node judges addresses.
    pub const fn book(&self) -> BookConfig {
        self.book
    }

    /// The wall-clock time of `now`.
    pub(super) fn wall(&self, now: Instant) -> Timestamp {
        self.origin + (now - Instant::ZERO)
    }

    /// What a peer must let pass between two requests of its own.
    pub(super) fn request_pause(&self) -> Duration {
        (self.interval / 3).min(REQUEST_PAUSE_MAX)
    }

    /// What we let pass between two requests to one peer. Never less than the reference demands,
    /// however short our own interval is: the other side does not know it.
    pub(super) fn ask_pause(&self) -> Duration {
        (self.interval / 3).max(ASK_PAUSE_MIN)
    }

    /// How long an outbound peer must stay to be called good, and a crawled node is left alone.
    pub(super) fn stable_after(&self) -> Duration {
        self.interval * INTERVALS_STABLE
    }

    /// A connection that the other side ends before this has passed was none: its node is full.
    pub(super) fn brief(&self) -> Duration {
        self.interval / INTERVAL_PARTS_BRIEF
    }

    /// Whether the operator named the peer as one to keep, so that it is neither banned nor sent
    /// away by a seed.
    pub(super) fn is_kept(&self, id: &NodeId) -> bool {
        let mut persistent = self.persistent_peers.iter();
        persistent.any(|address| address.id == *id) || self.unconditional_ids.contains(id)
    }
}
