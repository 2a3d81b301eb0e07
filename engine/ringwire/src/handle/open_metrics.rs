//! The figures of a node as OpenMetrics, for Prometheus and whatever reads its text.
//!
//! ```text
//!   a scrape ─▶ Registry ─▶ OpenMetrics (a Collector) ─▶ Handle::counters ─▶ each shard, between two turns
//!                                                     ─▶ Handle::peers_page ─▶ a page of peers a turn, if any are shown
//! ```
//!
//! Nothing is counted twice or labelled on the way of a message: the shards bump plain integers, and
//! names and labels are made when somebody asks. What CometBFT counts as well has CometBFT's name
//! (its `p2p/metrics.go`), so that its dashboards show it; everything else begins with `ringwire_`.
//!
//! How many series there are is bounded: by channels (sixteen; 56 series each, of which 50 are the two
//! histograms), reactors and their figures, reasons, and [`OpenMetrics::peers_max`].

use std::cmp::Reverse;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use ringwire_codec::NodeId;
use ringwire_core::conn::ConnectionStatus;
use ringwire_core::metrics::Histogram;

use super::figures::{CHANNEL, CHANNEL_SPANS, NODE, NODE_SPANS, PEER};
use super::{Handle, PeersCursor};
use crate::shard::request::ShardStatus;

/// CometBFT's default namespace, before `_p2p_`.
const NAMESPACE: &str = "cometbft";

/// A node's figures for a [`Registry`], or as text. Each scrape asks the shards, and waits for their
/// answers on the scraper's thread: never scrape on a shard's.
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

    /// Shows up to `peers_max` peers by their ids, those with the most traffic. Each scrape then looks
    /// at all peers, some hundred in a turn of their shard.
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

    /// The peers with the most traffic, at most [`OpenMetrics::peers_max`], the first of them first.
    /// No more are kept than that and a page.
    fn busiest(&self) -> Vec<(NodeId, ConnectionStatus)> {
        let mut busiest = Vec::new();
        let mut cursor = (self.peers_max > 0).then(PeersCursor::default);
        while let Some(from) = cursor {
            let page = self.handle.peers_page_blocking(from);
            let peers = page.peers.into_iter();
            busiest.extend(peers.map(|(info, link)| (info.id, link)));
            busiest.sort_by_key(|(id, link)| (Reverse(traffic(link)), *id));
            busiest.truncate(self.peers_max);
            cursor = page.next;
        }
        busiest
    }
}

/// Bytes in both directions.
fn traffic(link: &ConnectionStatus) -> u64 {
    let counters = &link.counters;
    counters.received_bytes.saturating_add(counters.sent_bytes)
}

impl Collector for OpenMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let shards = self.handle.counters_blocking();
        let mut out = Out(&mut encoder);
        let peers = shards.iter().map(|shard| shard.metrics.peers).sum();
        let name = format!("{}_p2p_peers", self.namespace);
        out.one(&name, MetricType::Gauge, "Number of peers", peers)?;
        for (name, kind, help, of) in NODE {
            let sum = shards.iter().map(|shard| of(&shard.metrics)).sum();
            out.one(&format!("ringwire_{name}"), kind, help, sum)?;
        }
        for (name, help, of) in NODE_SPANS {
            let sum = added(shards.iter().map(|shard| of(&shard.metrics)));
            out.span(&format!("ringwire_{name}"), help, &sum)?;
        }
        refusals(&mut out, &shards)?;
        channels(&mut out, &shards)?;
        rings(&mut out, &shards)?;
        reactors(&mut out, &shards)?;
        peers_shown(&mut out, &self.busiest())
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

    /// A histogram in seconds; the unit is added to `name`.
    fn span(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        let encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        encode_histogram(encoder, histogram)
    }

    /// One for each of a family.
    fn spans<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, Histogram)>,
    ) -> fmt::Result {
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, histogram) in series {
            encode_histogram(encoder.encode_family(&labels)?, &histogram)?;
        }
        Ok(())
    }
}

/// The histogram of all together.
fn added<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Histogram {
    histograms.fold(Histogram::default(), |mut sum, more| {
        sum.add(more);
        sum
    })
}

fn encode_histogram(mut encoder: MetricEncoder<'_>, histogram: &Histogram) -> fmt::Result {
    let buckets: Vec<(f64, u64)> = histogram
        .buckets()
        // The encoder writes the largest number there is as +Inf.
        .map(|(bound, count)| (bound.map_or(f64::MAX, |bound| bound.as_secs_f64()), count))
        .collect();
    let sum = histogram.sum().as_secs_f64();
    encoder.encode_histogram::<NoLabelSet>(sum, histogram.count(), &buckets, None)
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
    for (name, help, of) in CHANNEL_SPANS {
        let series = ids.iter().enumerate().map(|(at, id)| {
            let counted = shards
                .iter()
                .filter_map(|shard| shard.metrics.channels.get(at));
            ([("channel", id.as_str())], added(counted.map(of)))
        });
        out.spans(&format!("ringwire_{name}"), help, series)?;
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

fn peers_shown(out: &mut Out<'_, '_>, peers: &[(NodeId, ConnectionStatus)]) -> fmt::Result {
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
