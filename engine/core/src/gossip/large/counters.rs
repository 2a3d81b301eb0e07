//! What a reactor of large payloads counts itself. Every figure only grows.

use ringwire_gossip::exchange::Figures;

use super::publisher::Published;

/// What a shard counts of its peers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    /// Peers stopped as too slow.
    pub(super) slow_peers: u64,
    /// Shards not sent, because too much waited for the peer: it asks again.
    pub(super) left_out: u64,
    pub(super) control_received: u64,
    pub(super) shards_received: u64,
}

/// What the conversation counts that the exchange does not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    /// Offers, shards and payloads that somebody is to blame for.
    pub(super) blamed: u64,
    /// Offers that are not their origin's.
    pub(super) unproven: u64,
    /// Payloads that the application did not want when they were offered.
    pub(super) offers_ignored: u64,
    /// Whole payloads that it ignored, and those that it did not answer for in time.
    pub(super) ignored: u64,
    pub(super) unanswered_checks: u64,
}

impl Counters {
    /// All figures by name, with the publisher's, the conversation's and the exchange's.
    pub(super) fn figures(
        &self,
        published: Published,
        said: &Said,
        exchange: Figures,
    ) -> Vec<(&'static str, u64)> {
        vec![
            ("large_published", published.begun),
            ("large_publish_refused", published.refused),
            ("large_control_received", self.control_received),
            ("large_shards_received", self.shards_received),
            ("large_blamed", said.blamed),
            ("large_unproven", said.unproven),
            ("large_offers_ignored", said.offers_ignored),
            ("large_ignored", said.ignored),
            ("large_checks_late", said.unanswered_checks),
            ("large_slow_peers", self.slow_peers),
            ("large_shards_left_out", self.left_out),
            ("large_delivered", exchange.delivered),
            ("large_shards_wanted", exchange.shards),
            ("large_shards_surplus", exchange.surplus),
            ("large_shards_unasked", exchange.unasked),
            ("large_shards_sent", exchange.sent),
            ("large_bad_encodings", exchange.bad_encodings),
            ("large_refused", exchange.refused),
            ("large_given_up", exchange.given_up),
            ("large_restored", exchange.restored),
            ("large_shards_asked", exchange.asked),
            ("large_stalls", exchange.stalls),
            ("large_feeds_struck", exchange.strikes),
            ("large_equivocations", exchange.equivocations),
        ]
    }
}
