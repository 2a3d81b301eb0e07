//! Counters of one shard: plain integers, bumped in place and read as a copy.
//!
//! The reference spends a quarter of its receive path on labelled metrics. Here
//! a counter is a field, a channel is an index, and labels are made by whoever exports a
//! [`Metrics`] snapshot, as often as it is scraped and not per message.

use ringwire_codec::ChannelId;
use serde::{Serialize, Serializer};

use crate::error::{CloseReason, Reject};
use crate::metrics::Histogram;

/// Counters of one channel. Serialized, it is the counters alone: [`Metrics`] has the channel's id as
/// their name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ChannelMetrics {
    /// The channel, or zero for an unused place.
    #[serde(skip)]
    pub channel: ChannelId,
    /// Messages received whole.
    pub received_messages: u64,
    /// Bytes of these messages.
    pub received_bytes: u64,
    /// Messages queued for sending.
    pub sent_messages: u64,
    /// Bytes of these messages.
    pub sent_bytes: u64,
    /// Sends that were answered with `Full`.
    pub full: u64,
    /// Messages now that wait for the channel's first subscriber, a gauge: at 1024, or 16 MiB, the
    /// channel's peers are read no more.
    pub waiting_for_subscriber: u64,
    /// How long messages took from their place in a peer's queue until the kernel had taken their last
    /// byte. A message that is sent to many peers counts at each.
    pub send_time: Histogram,
    /// How long messages took from the turn in which the kernel gave their last byte to the end of the
    /// turn in which their reactor, or the queue of their subscriptions, had them.
    pub receive_time: Histogram,
}

/// Makes the counters of refusals from one list of their names.
macro_rules! refusals {
    ($($(#[$doc:meta])+ $reason:ident,)+) => {
        /// Connections that did not become peers, by reason.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
        #[non_exhaustive]
        pub struct RefusalMetrics {
            $($(#[$doc])+ pub $reason: u64,)+
        }

        impl RefusalMetrics {
            /// Each reason by its name, with its count.
            pub fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($reason), self.$reason),)+].into_iter()
            }

            /// Pairs each counter with the other's of the same reason.
            fn pairs<'a>(
                &'a mut self,
                other: &RefusalMetrics,
            ) -> impl Iterator<Item = (&'a mut u64, u64)> {
                [$((&mut self.$reason, other.$reason),)+].into_iter()
            }
        }
    };
}

refusals! {
    /// A filter said no.
    filtered,
    /// Id or address was connected already.
    duplicate,
    /// The remote was ourselves.
    myself,
    /// NodeInfo was invalid, incompatible or not the key's.
    node_info,
    /// A budget of peers or handshakes was used up.
    full,
    /// An address, a host or a subnet had used up its own share of such a budget.
    crowded,
    /// Id or address was banned.
    banned,
    /// Handshake or NodeInfo exchange failed.
    handshake,
    /// Handshake or NodeInfo exchange took too long.
    timeout,
    /// Everything else: the network, the node's own stop.
    other,
}

/// What one shard did so far. `peers`, `handshakes` and what is held are gauges, everything else only
/// grows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// Peers now.
    pub peers: u64,
    /// Connections now that are on their way to become a peer.
    pub handshakes: u64,
    /// Received bytes held for peers now: unread, half gathered, whole and not pulled.
    pub recv_held_bytes: u64,
    /// Peers now that are not read, because the budget for such bytes is used up and they hold more
    /// than their share.
    pub recv_held_back: u64,
    /// Memory of the messages that wait to be sent to peers now; one for many peers counts at each.
    pub send_queued_bytes: u64,
    /// Peers that were added.
    pub peers_added: u64,
    /// Peers that were removed.
    pub peers_removed: u64,
    /// Sockets accepted.
    pub accepted: u64,
    /// Dials made.
    pub dials: u64,
    /// Dials that did not connect.
    pub dials_failed: u64,
    /// Connections that moved in from another shard.
    pub adopted: u64,
    /// Sealed bytes received.
    pub received_bytes: u64,
    /// Sealed bytes handed to the kernel.
    pub sent_bytes: u64,
    /// Vectored writes.
    pub writes: u64,
    /// Panics of reactors that were contained.
    pub reactor_panics: u64,
    /// How long handshakes took that brought a NodeInfo: from the accepted or connected socket to the
    /// question whether it may become a peer.
    pub handshake_time: Histogram,
    /// How long peers took to answer pings.
    pub round_trip_time: Histogram,
    /// Connections that did not become peers.
    #[serde(rename = "refused")]
    pub refusals: RefusalMetrics,
    /// By channel, in the order of registration; serialized under the channels' ids.
    #[serde(serialize_with = "by_id")]
    pub channels: Vec<ChannelMetrics>,
}

impl Metrics {
    /// Zeros for a shard with these channels.
    pub(crate) fn new(channels: impl IntoIterator<Item = ChannelId>) -> Self {
        let zeros = |channel| ChannelMetrics {
            channel,
            ..ChannelMetrics::default()
        };
        Metrics {
            channels: channels.into_iter().map(zeros).collect(),
            ..Metrics::default()
        }
    }

    /// Counts a connection that did not become a peer.
    pub(crate) fn count_refusal(&mut self, reason: &CloseReason) {
        *self.refusals.counter_of(reason) += 1;
    }
}

fn by_id<S: Serializer>(channels: &[ChannelMetrics], serializer: S) -> Result<S::Ok, S::Error> {
    let named = channels.iter();
    serializer.collect_map(named.map(|counters| (counters.channel.to_string(), counters)))
}

impl RefusalMetrics {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, more: &RefusalMetrics) {
        for (counter, more) in self.pairs(more) {
            *counter += more;
        }
    }

    /// What was counted since these counters stood at `before`.
    pub fn since(&self, before: &RefusalMetrics) -> RefusalMetrics {
        let mut since = *self;
        for (counter, before) in since.pairs(before) {
            *counter = counter.saturating_sub(before);
        }
        since
    }

    fn counter_of(&mut self, reason: &CloseReason) -> &mut u64 {
        match reason {
            CloseReason::Handshake(_) => &mut self.handshake,
            CloseReason::HandshakeTimeout(_) => &mut self.timeout,
            CloseReason::Rejected(reject) => match reject {
                Reject::Filtered(_) => &mut self.filtered,
                Reject::DuplicateId(_) | Reject::DuplicateIp(_) | Reject::Superseded => {
                    &mut self.duplicate
                }
                Reject::IsSelf => &mut self.myself,
                Reject::IdMismatch { .. } | Reject::NodeInfo(_) => &mut self.node_info,
                Reject::InboundFull(_)
                | Reject::OutboundFull(_)
                | Reject::HandshakesFull(_)
                | Reject::SlowHandshake => &mut self.full,
                Reject::PeersFromIp { .. }
                | Reject::PeersFromSubnet { .. }
                | Reject::HandshakesFromIp { .. }
                | Reject::HandshakesOverUnix(_) => &mut self.crowded,
                Reject::Banned => &mut self.banned,
                Reject::Stopping => &mut self.other,
            },
            _ => &mut self.other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_under_its_reason() {
        let mut metrics = Metrics::new([ChannelId(1)]);
        metrics.count_refusal(&CloseReason::Rejected(Reject::Banned));
        metrics.count_refusal(&CloseReason::Rejected(Reject::InboundFull(4)));
        metrics.count_refusal(&CloseReason::Stopped);
        let (ip, limit) = (std::net::Ipv4Addr::LOCALHOST.into(), 1);
        for reject in [
            Reject::PeersFromIp { ip, limit },
            Reject::PeersFromSubnet { ip, limit },
            Reject::HandshakesFromIp { ip, limit },
        ] {
            metrics.count_refusal(&CloseReason::Rejected(reject));
        }
        let expected = RefusalMetrics {
            banned: 1,
            full: 1,
            crowded: 3,
            other: 1,
            ..Default::default()
        };
        assert_eq!(metrics.refusals, expected);
        let mut twice = expected;
        twice.add(&expected);
        assert_eq!(
            (twice.crowded, twice.by_reason().map(|(_, n)| n).sum()),
            (6, 12)
        );
        assert_eq!(twice.since(&expected), expected);
        assert_eq!(metrics.channels[0].channel, ChannelId(1));
    }
}
