//! How a node finds its peers by itself: the peer exchange, the address book, and seeds.

use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};

/// The part of a [`super::Config`] that is about discovery. Names and defaults are those of CometBFT's
/// `[p2p]` section where it has them (docs/configuration.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// Whether to exchange addresses with peers, and to dial what they tell.
    pub pex: bool,
    /// Nodes to ask for addresses when there is nobody else to ask.
    pub seeds: Vec<NetAddress>,
    /// Whether the node is a seed: it crawls the network, answers who asks, and hangs up.
    /// [`super::Config::seed`] has limits that fit one.
    pub seed_mode: bool,
    /// How long a seed stays connected to who dialed it for other reasons than to ask.
    pub seed_disconnect_wait: Duration,
    /// Whether the address book refuses addresses that are not routable over the internet.
    pub addr_book_strict: bool,
    /// Ids that are never told to anybody.
    pub private_peer_ids: Vec<NodeId>,
    /// Pause between two looks at whether there are enough outbound peers. Peers answer one request
    /// per third of it (the reference's, and the default: 30 s).
    pub pex_interval: Duration,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        DiscoveryConfig {
            pex: true,
            seeds: Vec::new(),
            seed_mode: false,
            seed_disconnect_wait: Duration::from_secs(20),
            addr_book_strict: true,
            private_peer_ids: Vec::new(),
            pex_interval: Duration::from_secs(30),
        }
    }
}

impl DiscoveryConfig {
    /// No discovery: the node meets whom it is told to dial and who dials it, and its peer exchange
    /// channel (0x00) is free for another protocol.
    pub fn off() -> Self {
        DiscoveryConfig {
            pex: false,
            ..DiscoveryConfig::default()
        }
    }
}
