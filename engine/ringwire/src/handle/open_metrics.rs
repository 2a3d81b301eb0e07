//! The figures of a node as OpenMetrics, for Prometheus and whatever reads its text.
//!
//! ```text
//!   a scrape ─▶ Registry ─▶ OpenMetrics (a Collector) ─▶ Handle::counters ─▶ each shard, between two turns
//! ```
//!
//! Nothing is counted twice or labelled on the way of a message: the shards bump plain integers, and
//! names and labels are made when somebody asks. What CometBFT counts as well has CometBFT's name
//! (its `p2p/metrics.go`), so that its dashboards show it; everything else begins with `ringwire_`.
//!
//! How many series there are is bounded: by channels (255), reactors and their figures, reasons, and
//! [`OpenMetrics::peers_max`].

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use ringwire_codec::NodeId;
use ringwire_core::conn::ConnectionStatus;
use ringwire_core::metrics::{ChannelMetrics, Metrics};

use super::Handle;
use crate::shard::request::ShardStatus;

/// CometBFT's default namespace, before `_p2p_`.
const NAMESPACE: &str = "cometbft";

/// What a figure is and what it means.
type Figure<T> = (&'static str, MetricType, &'static str, fn(&T) -> u64);

/// The figures of all shards together.
const NODE: [Figure<Metrics>; 14] = [
    (
        "handshakes",
        MetricType::Gauge,
        "Connections on their way to become a peer",
        |m| m.handshakes,
    ),
    (
        "receive_held_bytes",
        MetricType::Gauge,
        "Received bytes held for peers: unread, half gathered, whole and not pulled",
        |m| m.recv_held_bytes,
    ),
    (
        "receive_held_back_peers",
        MetricType::Gauge,
        "Peers that are not read because they hold more than their share of the budget",
        |m| m.recv_held_back,
    ),
    (
        "send_queued_bytes",
        MetricType::Gauge,
        "Memory of the messages that wait to be sent; one for many peers counts at each",
        |m| m.send_queued_bytes,
    ),
    (
        "peers_added",
        MetricType::Counter,
        "Peers that were added",
        |m| m.peers_added,
    ),
    (
        "peers_removed",
        MetricType::Counter,
        "Peers that were removed",
        |m| m.peers_removed,
    ),
    ("accepted", MetricType::Counter, "Sockets accepted", |m| {
        m.accepted
    }),
    ("dials", MetricType::Counter, "Dials made", |m| m.dials),
    (
        "dials_failed",
        MetricType::Counter,
        "Dials that did not connect",
        |m| m.dials_failed,
    ),
    (
        "adopted",
        MetricType::Counter,
        "Connections that moved from one shard to another",
        |m| m.adopted,
    ),
    (
        "received_bytes",
        MetricType::Counter,
        "Sealed bytes received",
        |m| m.received_bytes,
    ),
    (
        "sent_bytes",
        MetricType::Counter,
        "Sealed bytes handed to the kernel",
        |m| m.sent_bytes,
    ),
    ("writes", MetricType::Counter, "Vectored writes", |m| {
        m.writes
    }),
    (
        "reactor_panics",
        MetricType::Counter,
        "Panics of reactors that were contained",
        |m| m.reactor_panics,
    ),
];

/// The figures of each channel.
const CHANNEL: [Figure<ChannelMetrics>; 6] = [
    (
        "channel_received_messages",
        MetricType::Counter,
        "Messages received whole",
        |c| c.received_messages,
    ),
    (
        "channel_received_bytes",
        MetricType::Counter,
        "Bytes of messages received whole",
        |c| c.received_bytes,
    ),
    (
        "channel_sent_messages",
        MetricType::Counter,
        "Messages queued for sending",
        |c| c.sent_messages,
    ),
    (
        "channel_sent_bytes",
        MetricType::Counter,
        "Bytes of messages queued for sending",
        |c| c.sent_bytes,
    ),
    (
        "channel_full",
        MetricType::Counter,
        "Sends that were answered with Full",
        |c| c.full,
    ),
    (
        "channel_waiting_for_subscriber",
        MetricType::Gauge,
        "Messages that wait for the channel's first subscriber",
        |c| c.waiting_for_subscriber,
    ),
];

/// The figures of each peer that is shown.
const PEER: [Figure<ConnectionStatus>; 5] = [
    (
        "peer_received_bytes",
        MetricType::Counter,
        "Sealed bytes received from a peer",
        |c| c.counters.received_bytes,
    ),
    (
        "peer_sent_bytes",
        MetricType::Counter,
        "Sealed bytes sent to a peer",
        |c| c.counters.sent_bytes,
    ),
    (
        "peer_queued_messages",
        MetricType::Gauge,
        "Messages that wait to be sent to a peer",
        |c| {
            let queued = c.channels.iter().map(|channel| channel.send_queue_size);
            queued.sum::<usize>() as u64
        },
    ),
    (
        "peer_held_bytes",
        MetricType::Gauge,
        "Received bytes of a peer that nobody has pulled yet",
        |c| c.recv_backlog_bytes as u64,
    ),
    (
        "peer_connected_seconds",
        MetricType::Gauge,
        "How long a peer has been connected",
        |c| c.duration.as_secs(),
    ),
];

/// A node's figures for a [`Registry`], or as text. Each scrape asks the shards once, and waits for
/// their answers on the scraper's thread: never scrape on a shard's.
///
/// ```
/// use ringwire::metrics::OpenMetrics;
/// use ringwire::{Config, Engine};
///
/// let config = Config { listen_addrs: vec!["127.0.0.1:0".parse()?], ..Config::default() };
/// let engine = Engine::builder(config).shards(1).start()?;
/// let text = OpenMetrics::new(engine.handle().clone()).text();
/// assert!(text.contains("cometbft_p2p_peers 0\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenMetrics {
    handle: Handle,
    namespace: String,
    peers_max: usize,
}

impl OpenMetrics {
    /// The figures of the node behind `handle`, without series of single peers.
    pub fn new(handle: Handle) -> Self {
        OpenMetrics {
            handle,
            namespace: String::from(NAMESPACE),
            peers_max: 0,
        }
    }

    /// What stands before `_p2p_` in the names that are CometBFT's; `cometbft` if nothing is said.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Shows up to `peers_max` peers by their ids, those with the most traffic. Each scrape then
    /// copies what the shards know of all their peers.
    pub fn peers_max(mut self, peers_max: usize) -> Self {
        self.peers_max = peers_max;
        self
    }

    /// Adds them to a registry, whose prefix and labels hold.
    pub fn register(self, registry: &mut Registry) {
        registry.register_collector(Box::new(self));
    }

    /// One scrape as text, in the format of OpenMetrics 1.0.
    pub fn text(&self) -> String {
        let mut registry = Registry::default();
        self.clone().register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).expect("a String takes all that is written");
        text
    }

    fn ask(&self) -> Vec<ShardStatus> {
        match self.peers_max {
            0 => self.handle.counters_blocking(),
            _ => self.handle.status_blocking(),
        }
    }
}

impl Collector for OpenMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let shards = self.ask();
        let mut out = Out(&mut encoder);
        let peers = shards.iter().map(|shard| shard.metrics.peers).sum();
        let name = format!("{}_p2p_peers", self.namespace);
        out.one(&name, MetricType::Gauge, "Number of peers", peers)?;
        for (name, kind, help, of) in NODE {
            let sum = shards.iter().map(|shard| of(&shard.metrics)).sum();
            out.one(&format!("ringwire_{name}"), kind, help, sum)?;
        }
        refusals(&mut out, &shards)?;
        channels(&mut out, &shards)?;
        rings(&mut out, &shards)?;
        reactors(&mut out, &shards)?;
        peers_shown(&mut out, &shards, self.peers_max)
    }
}

/// Series by series, into a scrape.
struct Out<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Out<'_, '_> {
    fn one(&mut self, name: &str, kind: MetricType, help: &str, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, kind)?;
        match kind {
            MetricType::Counter => ConstCounter::new(value).encode(encoder),
            _ => ConstGauge::new(saturating(value)).encode(encoder),
        }
    }

    fn family<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        kind: MetricType,
        help: &str,
        series: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in series {
            let encoder = encoder.encode_family(&labels)?;
            match kind {
                MetricType::Counter => ConstCounter::new(value).encode(encoder)?,
                _ => ConstGauge::new(saturating(value)).encode(encoder)?,
            }
        }
        Ok(())
    }
}

/// Gauges are signed in this format.
fn saturating(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn refusals(out: &mut Out<'_, '_>, shards: &[ShardStatus]) -> fmt::Result {
    let mut reasons: Vec<(&str, u64)> = Vec::new();
    for (reason, count) in shards.iter().flat_map(|s| s.metrics.refusals.by_reason()) {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, sum)) => *sum += count,
            None => reasons.push((reason, count)),
        }
    }
    let series = reasons
        .iter()
        .map(|(reason, count)| ([("reason", *reason)], *count));
    out.family(
        "ringwire_refused",
        MetricType::Counter,
        "Connections that did not become peers",
        series,
    )
}

fn channels(out: &mut Out<'_, '_>, shards: &[ShardStatus]) -> fmt::Result {
    // Each shard has the same channels in the same order.
    let ids: Vec<String> = match shards.first() {
        Some(shard) => {
            let channels = shard.metrics.channels.iter();
            channels
                .map(|channel| channel.channel.to_string())
                .collect()
        }
        None => Vec::new(),
    };
    for (name, kind, help, of) in CHANNEL {
        let series = ids.iter().enumerate().map(|(at, id)| {
            let counted = shards
                .iter()
                .filter_map(|shard| shard.metrics.channels.get(at));
            ([("channel", id.as_str())], counted.map(of).sum())
        });
        out.family(&format!("ringwire_{name}"), kind, help, series)?;
    }
    Ok(())
}

fn rings(out: &mut Out<'_, '_>, shards: &[ShardStatus]) -> fmt::Result {
    let by_shard = |of: fn(&ShardStatus) -> u64| {
        let label = |shard: &ShardStatus| [("shard", u64::from(shard.shard.0))];
        shards.iter().map(move |shard| (label(shard), of(shard)))
    };
    out.family(
        "ringwire_system_calls",
        MetricType::Counter,
        "System calls that a shard's ring has made",
        by_shard(|shard| shard.system_calls),
    )?;
    out.family(
        "ringwire_system_calls_refused",
        MetricType::Counter,
        "System calls that the kernel refused for want of memory or room",
        by_shard(|shard| shard.refused_system_calls),
    )
}

/// What the reactors show. They do not say which of their figures only grow.
fn reactors(out: &mut Out<'_, '_>, shards: &[ShardStatus]) -> fmt::Result {
    let mut sums: Vec<((&str, &str), u64)> = Vec::new();
    for (reactor, figures) in shards.iter().flat_map(|shard| &shard.reactors) {
        for (figure, value) in figures {
            let key = (reactor.as_str(), *figure);
            match sums.iter_mut().find(|(known, _)| *known == key) {
                Some((_, sum)) => *sum += value,
                None => sums.push((key, *value)),
            }
        }
    }
    let series = sums
        .iter()
        .map(|((reactor, figure), sum)| ([("reactor", *reactor), ("figure", *figure)], *sum));
    out.family(
        "ringwire_reactor",
        MetricType::Gauge,
        "What reactors count, all shards together",
        series,
    )
}

fn peers_shown(out: &mut Out<'_, '_>, shards: &[ShardStatus], peers_max: usize) -> fmt::Result {
    let mut peers: Vec<(NodeId, &ConnectionStatus)> = shards
        .iter()
        .flat_map(|shard| &shard.peers)
        .map(|(info, link)| (info.id, link))
        .collect();
    let traffic = |link: &ConnectionStatus| {
        let counters = &link.counters;
        counters.received_bytes.saturating_add(counters.sent_bytes)
    };
    peers.sort_by_key(|(id, link)| (std::cmp::Reverse(traffic(link)), *id));
    peers.truncate(peers_max);
    if peers.is_empty() {
        return Ok(());
    }
    for (name, kind, help, of) in PEER {
        let series = peers
            .iter()
            .map(|(id, link)| ([("peer_id", id.to_string())], of(link)));
        out.family(&format!("ringwire_{name}"), kind, help, series)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// Names in `Metrics` that are shown otherwise, or under another name.
    const ELSEWHERE: [&str; 5] = [
        "peers",
        "refused",
        "channels",
        "recv_held_bytes",
        "recv_held_back",
    ];

    fn fields(value: Value) -> BTreeSet<String> {
        let object = value.as_object().expect("a struct with named fields");
        object.keys().cloned().collect()
    }

    #[test]
    fn every_figure_of_a_shard_is_exported() {
        let metrics = fields(serde_json::to_value(Metrics::default()).expect("plain numbers"));
        let shown: BTreeSet<String> = NODE.iter().map(|(name, ..)| String::from(*name)).collect();
        for field in metrics {
            assert!(
                shown.contains(&field) || ELSEWHERE.contains(&field.as_str()),
                "{field} is not exported"
            );
        }
        let channel = fields(serde_json::to_value(ChannelMetrics::default()).expect("numbers"));
        for field in channel {
            let name = format!("channel_{field}");
            assert!(CHANNEL.iter().any(|(shown, ..)| *shown == name), "{name}");
        }
    }
}
