//! What a feeds reactor counts itself. Every figure only grows.

use ringwire_gossip::feeds;

/// What a shard counts of its application and its peers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    /// Messages of the application.
    pub(super) published: u64,
    /// Of these, refused: too long.
    pub(super) too_long: u64,
    /// Messages delivered to the application.
    pub(super) delivered: u64,
    /// Bodies sent to peers.
    pub(super) sent: u64,
    /// Bodies not sent, because too much waited for the peer: it asks for them.
    pub(super) left_out: u64,
    /// Messages that were dropped because their time was over while they waited here.
    pub(super) expired: u64,
    /// Times that those who bring messages were held back.
    pub(super) held_back: u64,
    /// Peers stopped as too slow.
    pub(super) slow_peers: u64,
}

/// What the conversation counts of what is said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    /// Bundles in which messages of this node went; a message that was alone counts as one.
    pub(super) bundles: u64,
    /// Messages that the validator ignored.
    pub(super) ignored: u64,
    /// Messages that the validator blamed on who sent them, and messages that break the protocol.
    pub(super) blamed: u64,
    /// Of these, messages and bundles that are not their origin's.
    pub(super) unproven: u64,
    /// Messages that the application did not answer for in time.
    pub(super) unanswered_checks: u64,
    /// Bytes received, of payloads and of all else.
    pub(super) received_bytes: u64,
    /// Peers that take no part, because there are too many.
    pub(super) too_many_peers: u64,
}

impl Counters {
    /// All figures by name, with the conversation's and the protocol's.
    pub(super) fn figures(
        &self,
        said: &Said,
        protocol: feeds::Counters,
    ) -> Vec<(&'static str, u64)> {
        vec![
            ("feeds_published", self.published),
            ("feeds_bundles", said.bundles),
            ("feeds_too_long", self.too_long),
            ("feeds_delivered", self.delivered),
            ("feeds_duplicates", protocol.duplicates),
            ("feeds_ignored", said.ignored),
            ("feeds_blamed", said.blamed),
            ("feeds_unproven", said.unproven),
            ("feeds_checks_late", said.unanswered_checks),
            ("feeds_checks_refused", protocol.unchecked_refused),
            (
                "feeds_control_bytes",
                said.received_bytes - protocol.body_bytes,
            ),
            ("feeds_body_bytes", protocol.body_bytes),
            ("feeds_sent", self.sent),
            ("feeds_left_out", self.left_out),
            ("feeds_expired", self.expired + protocol.expired),
            ("feeds_direct", protocol.direct),
            ("feeds_announced", protocol.announced),
            ("feeds_asked", protocol.asked),
            ("feeds_unanswered", protocol.unanswered),
            ("feeds_missed", protocol.missed),
            ("feeds_lost", protocol.lost),
            ("feeds_found_by_digest", protocol.found_by_digest),
            ("feeds_origins_refused", protocol.origins_refused),
            ("feeds_promises_refused", protocol.promises_refused),
            ("feeds_held_back", self.held_back),
            ("feeds_slow_peers", self.slow_peers),
            ("feeds_too_many_peers", said.too_many_peers),
        ]
    }
}
