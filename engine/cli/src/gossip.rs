//! [`Gossip`]: how the program's own messages spread, and the channels for that.

use clap::ValueEnum;
use ringwire::gossip::{self, Class, OriginMode};
use ringwire::metrics::ConnectionStatus;
use ringwire::peer::PeerInfo;
use ringwire::{Builder, ChannelId, Handle};

use crate::config::NodeConfig;
use crate::failure::Failure;

/// The channels of the program's gossip: none of those that CometBFT uses.
const FLOOD: ChannelId = ChannelId(0x70);
const FEEDS: ChannelId = ChannelId(0x71);

/// Bytes of the largest message that is flooded: a content of 1 MiB with room for what stands before it.
const FLOOD_BYTES_MAX: usize = (1 << 20) + 64;

/// How messages spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Gossip {
    /// One neighbour sends each message and two announce it; what is longer than 128 KiB comes in coded
    /// shards from all.
    Feeds,
    /// Every neighbour sends each message.
    Flood,
}

/// A node's gossip, as it was told.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    way: Gossip,
    gossip: gossip::Gossip,
}

impl Gossip {
    /// Bytes of the largest message.
    pub(crate) fn bytes_max(self) -> usize {
        match self {
            Gossip::Feeds => Class::Large.bytes_max(),
            Gossip::Flood => FLOOD_BYTES_MAX,
        }
    }

    /// The gossip of a node with this configuration.
    pub(crate) fn of(self, config: &NodeConfig) -> Result<Chosen, Failure> {
        let builder = gossip::Gossip::builder();
        let builder = match self {
            Gossip::Feeds => builder.channels(FEEDS),
            Gossip::Flood => {
                let config = config.clone();
                let hidden = builder.channels(FLOOD).class(Class::Medium);
                hidden.origin(OriginMode::Hidden).tune_flood(move |flood| {
                    flood.channel.priority = 10;
                    flood.channel.recv_message_capacity = FLOOD_BYTES_MAX;
                    flood.backlog_bytes_max = config.gossip_backlog_bytes_max;
                    flood.budget_bytes = config.gossip_budget_bytes;
                    flood.seen_max = config.gossip_seen_max;
                    flood.seen_span = config.gossip_seen_span;
                })
            }
        };
        let gossip = builder
            .build()
            .map_err(|error| Failure::new(error.to_string()))?;
        Ok(Chosen { way: self, gossip })
    }
}

impl Chosen {
    /// Adds what spreads the messages to an engine.
    pub(crate) fn add_to(&self, builder: Builder) -> Builder {
        builder.gossip("gossip", &self.gossip)
    }

    /// The gossip of an engine that was built with it.
    pub(crate) fn handle(&self, handle: &Handle) -> Result<gossip::GossipHandle, Failure> {
        Ok(handle.gossip(&self.gossip)?)
    }

    /// Whether a peer takes part.
    pub(crate) fn is_spoken_by(&self, peer: &PeerInfo) -> bool {
        peer.has_channel(self.gossip.channels()[0])
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

    /// The reactors' figure of messages that came although they were there.
    pub(crate) fn duplicates(&self) -> &'static str {
        match self.way {
            Gossip::Feeds => "feeds_duplicates",
            Gossip::Flood => "gossip_duplicates",
        }
    }

    /// The reactors' figure of bytes that came and are no message, if they count these.
    pub(crate) fn control_bytes(&self) -> Option<&'static str> {
        match self.way {
            Gossip::Feeds => Some("feeds_control_bytes"),
            Gossip::Flood => None,
        }
    }
}
