//! What is shown of a node: the name of each figure, its kind, what it means, and where it is found.

use prometheus_client::metrics::MetricType;
use ringwire_core::conn::ConnectionStatus;
use ringwire_core::metrics::{ChannelMetrics, Histogram, Metrics};

/// What a figure is and what it means.
pub(super) type Figure<T> = (&'static str, MetricType, &'static str, fn(&T) -> u64);

/// The figures of all shards together.
pub(super) const NODE: [Figure<Metrics>; 14] = [
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
pub(super) const CHANNEL: [Figure<ChannelMetrics>; 6] = [
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
pub(super) const PEER: [Figure<ConnectionStatus>; 5] = [
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

/// What a figure of time is named without its unit, what it means, and where it is found.
pub(super) type Span<T> = (&'static str, &'static str, fn(&T) -> &Histogram);

/// The times of all shards together.
pub(super) const NODE_SPANS: [Span<Metrics>; 2] = [
    (
        "handshake",
        "From a socket that was accepted or connected to the question whether it may become a peer",
        |m| &m.handshake_time,
    ),
    ("round_trip", "From a ping to its pong", |m| {
        &m.round_trip_time
    }),
];

/// The times of each channel.
pub(super) const CHANNEL_SPANS: [Span<ChannelMetrics>; 2] = [
    (
        "channel_send",
        "From a message's place in a peer's queue to the kernel; each peer counts",
        |c| &c.send_time,
    ),
    (
        "channel_receive",
        "From the kernel to the end of the turn in which a message's reactor had it",
        |c| &c.receive_time,
    ),
];

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

    /// What a field of [`Histogram`] is shown as.
    fn span(field: &str) -> Option<&str> {
        field.strip_suffix("_time")
    }

    fn fields(value: Value) -> BTreeSet<String> {
        let object = value.as_object().expect("a struct with named fields");
        object.keys().cloned().collect()
    }

    #[test]
    fn every_figure_of_a_shard_is_exported() {
        let metrics = fields(serde_json::to_value(Metrics::default()).expect("plain numbers"));
        let shown: BTreeSet<String> = NODE.iter().map(|(name, ..)| String::from(*name)).collect();
        for field in metrics {
            let is_span = |name| NODE_SPANS.iter().any(|(shown, ..)| *shown == name);
            assert!(
                shown.contains(&field)
                    || span(&field).is_some_and(is_span)
                    || ELSEWHERE.contains(&field.as_str()),
                "{field} is not exported"
            );
        }
        let channel = fields(serde_json::to_value(ChannelMetrics::default()).expect("numbers"));
        for field in channel {
            let name = format!("channel_{field}");
            let is_span = |name| CHANNEL_SPANS.iter().any(|(shown, ..)| *shown == name);
            assert!(
                CHANNEL.iter().any(|(shown, ..)| *shown == name)
                    || span(&name).is_some_and(is_span),
                "{name}"
            );
        }
    }
}
