//! [`Chosen`]: the gossip of the program's own messages, and the channels for that.

use ringwire::gossip::{self, Class, OriginMode};
use ringwire::metrics::ConnectionStatus;
use ringwire::peer::PeerInfo;
use ringwire::{Builder, ChannelId, Handle};

use crate::config::NodeConfig;
use crate::failure::Failure;
pub(crate) use crate::gossip_way::{FLOOD_BYTES_MAX, Gossip};

/// The channels of the program's gossip: none of those that CometBFT uses.
const FLOOD: ChannelId = ChannelId(0x70);
const FEEDS: ChannelId = ChannelId(0x71);

/// A node's gossip, as it was told.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    way: Gossip,
    gossip: gossip::Gossip,
}

impl Chosen {
    /// The gossip of a node with this configuration.
    pub(crate) fn new(way: Gossip, config: &NodeConfig) -> Result<Chosen, Failure> {
        let config = config.clone();
        let builder = gossip::Gossip::builder().tune_flood(move |flood| {
            flood.channel.priority = 10;
            flood.channel.recv_message_capacity = FLOOD_BYTES_MAX;
            flood.backlog_bytes_max = config.gossip_backlog_bytes_max;
            flood.budget_bytes = config.gossip_budget_bytes;
            flood.seen_max = config.gossip_seen_max;
            flood.seen_span = config.gossip_seen_span;
        });
        let builder = match way {
            Gossip::Feeds => builder.channels(FEEDS),
            Gossip::Mixed => builder.channels(FEEDS).bridge(FLOOD),
            Gossip::Flood => {
                let hidden = builder.channels(FLOOD).class(Class::Medium);
                hidden.origin(OriginMode::Hidden)
            }
        };
        let gossip = builder
            .build()
            .map_err(|error| Failure::new(error.to_string()))?;
        Ok(Chosen { way, gossip })
    }

    /// Adds what spreads the messages to an engine.
    pub(crate) fn add_to(&self, builder: Builder) -> Builder {
        builder.gossip("gossip", &self.gossip)
    }

    /// The gossip of an engine that was built with it.
    pub(crate) fn handle(&self, handle: &Handle) -> Result<gossip::GossipHandle, Failure> {
        Ok(handle.gossip(&self.gossip)?)
    }

    /// Whether every neighbour sends everything.
    pub(crate) fn is_flood(&self) -> bool {
        self.way == Gossip::Flood
    }

    /// Whether a peer takes part.
    pub(crate) fn is_spoken_by(&self, peer: &PeerInfo) -> bool {
        let mut channels = self.gossip.channels().into_iter();
        channels.any(|channel| peer.has_channel(channel))
    }

    /// Messages in the gossip's queues of a connection.
    pub(crate) fn queued(&self, link: &ConnectionStatus) -> u64 {
        let ours = self.gossip.channels();
        let channels = link.channels.iter();
        channels
            .filter(|channel| ours.contains(&channel.id))
            .map(|channel| channel.send_queue_size as u64)
            .sum()
    }

    /// The reactors' figure of peers for which messages wait beside their channels' queues.
    pub(crate) fn peers_behind(&self) -> &'static [&'static str] {
        match self.way {
            Gossip::Feeds => &["feeds_peers_behind"],
            Gossip::Flood => &["gossip_peers_behind"],
            Gossip::Mixed => &["feeds_peers_behind", "gossip_peers_behind"],
        }
    }

    /// The reactors' figure of messages that came although they were there.
    pub(crate) fn duplicates(&self) -> &'static str {
        match self.way {
            Gossip::Feeds | Gossip::Mixed => "feeds_duplicates",
            Gossip::Flood => "gossip_duplicates",
        }
    }

    /// The reactors' figure of bytes that came and are no message, if they count these.
    pub(crate) fn control_bytes(&self) -> Option<&'static str> {
        match self.way {
            Gossip::Feeds | Gossip::Mixed => Some("feeds_control_bytes"),
            Gossip::Flood => None,
        }
    }
}
