//! What a flood counts. Every figure only grows.

use super::backlog::Offered;

/// The figures of one instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Messages received from peers, copies included.
    pub(super) copies: u64,
    /// Messages delivered to the application.
    pub(super) delivered: u64,
    /// Copies of messages that were known.
    pub(super) duplicates: u64,
    /// Messages of the application.
    pub(super) published: u64,
    /// Of these, too long to be sent.
    pub(super) too_long: u64,
    /// Messages that the validator ignored.
    pub(super) ignored: u64,
    /// Messages that the validator blamed on who sent them.
    pub(super) blamed: u64,
    /// Messages queued for peers.
    pub(super) sent: u64,
    /// Messages not sent, because the peer had them.
    pub(super) spared: u64,
    /// Times that a source was held back on the word of this shard.
    pub(super) held_back: u64,
    /// Peers stopped as too slow.
    pub(super) slow_peers: u64,
}

impl Counters {
    pub(super) fn add(&mut self, offered: Offered) {
        self.sent += offered.sent;
        self.spared += offered.spared;
    }

    /// All figures by name, and the most bytes that were ever kept for peers.
    pub(super) fn figures(&self, kept_bytes_highest: usize) -> Vec<(&'static str, u64)> {
        vec![
            ("gossip_copies_received", self.copies),
            ("gossip_delivered", self.delivered),
            ("gossip_duplicates", self.duplicates),
            ("gossip_published", self.published),
            ("gossip_too_long", self.too_long),
            ("gossip_ignored", self.ignored),
            ("gossip_blamed", self.blamed),
            ("gossip_sent", self.sent),
            ("gossip_spared", self.spared),
            ("gossip_kept_bytes_highest", kept_bytes_highest as u64),
            ("gossip_sources_held_back", self.held_back),
            ("gossip_slow_peers", self.slow_peers),
        ]
    }
}
