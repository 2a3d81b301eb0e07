//! What the honest nodes did in all their lives: messages, bytes, dials, and the reactors' figures.

use std::collections::BTreeMap;
use std::time::Duration;

use ringwire_codec::pex::PEX_CHANNEL;
use ringwire_core::metrics::Metrics;
use ringwire_sim::World;

/// Sums over all lives of all honest nodes, those in seed mode included.
#[derive(Clone, Default, Debug)]
pub(crate) struct Totals {
    /// Messages sent on channel 0x00.
    pub(crate) pex_messages: u64,
    /// Bytes of these messages.
    pub(crate) pex_bytes: u64,
    /// Sealed bytes sent on all connections: handshakes, pings and channel 0x00.
    pub(crate) sent_bytes: u64,
    pub(crate) dials: u64,
    /// Dials that found nobody.
    pub(crate) dials_failed: u64,
    /// Connections refused because a budget was used up.
    pub(crate) refused_full: u64,
    /// Connections refused because the id or address was banned.
    pub(crate) refused_banned: u64,
    /// Connections refused for any other reason.
    pub(crate) refused_other: u64,
    /// Figures of the reactors, by name.
    pub(crate) figures: BTreeMap<String, u64>,
    /// Time that these nodes were up.
    pub(crate) up: Duration,
}

impl Totals {
    /// Adds the life of a node, which was up for `up`.
    pub(crate) fn add_life(&mut self, world: &World, node: u32, up: Duration) {
        self.up += up;
        for switch in world.switches(node) {
            self.add_shard(&switch.metrics());
            let figures = switch.reactor_counters();
            for (name, value) in figures.into_iter().flat_map(|(_, figures)| figures) {
                *self.figures.entry(String::from(name)).or_default() += value;
            }
        }
    }

    fn add_shard(&mut self, metrics: &Metrics) {
        let pex = metrics.channels.iter();
        for channel in pex.filter(|channel| channel.channel == PEX_CHANNEL) {
            self.pex_messages += channel.sent_messages;
            self.pex_bytes += channel.sent_bytes;
        }
        self.sent_bytes += metrics.sent_bytes;
        self.dials += metrics.dials;
        self.dials_failed += metrics.dials_failed;
        let refusals = metrics.refusals;
        self.refused_full += refusals.full;
        self.refused_banned += refusals.banned;
        self.refused_other += refusals.filtered
            + refusals.duplicate
            + refusals.myself
            + refusals.node_info
            + refusals.handshake
            + refusals.timeout
            + refusals.other;
    }

    /// A sum per node and hour.
    pub(crate) fn per_node_hour(&self, sum: u64) -> f64 {
        sum as f64 / (self.up.as_secs_f64() / 3600.0).max(f64::MIN_POSITIVE)
    }
}
