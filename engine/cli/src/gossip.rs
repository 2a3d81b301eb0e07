//! [`Gossip`]: how the program's own messages spread, and the channels for that.

use clap::ValueEnum;
use ringwire::gossip::{Feeds, FeedsConfig, Flood, FloodConfig, Large, LargeConfig};
use ringwire::reactor::ChannelDescriptor;
use ringwire::{Builder, ChannelId};

use crate::config::NodeConfig;

/// The channels of the program's gossip: none of those that CometBFT uses.
const FLOOD: ChannelId = ChannelId(0x70);
const FEEDS_CONTROL: ChannelId = ChannelId(0x71);
const FEEDS: ChannelId = ChannelId(0x72);
const LARGE_CONTROL: ChannelId = ChannelId(0x73);
const LARGE: ChannelId = ChannelId(0x74);

/// Bytes of the largest message that is flooded: a content of 1 MiB with room for what stands before it.
const FLOOD_BYTES_MAX: usize = (1 << 20) + 64;

/// The longest message that goes by feeds; a longer one travels in coded shards.
const FEEDS_BYTES_MAX: usize = 128 * 1024;

/// Messages that may wait on the channel of one peer; what is beyond waits in the reactor.
const SEND_QUEUE: usize = 64;

/// How messages spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Gossip {
    /// One neighbour sends each message and two announce it; what is longer than 128 KiB comes in coded
    /// shards from all.
    Feeds,
    /// Every neighbour sends each message.
    Flood,
}

impl Gossip {
    /// Bytes of the largest message.
    pub(crate) fn bytes_max(self) -> usize {
        match self {
            Gossip::Feeds => 128 << 20,
            Gossip::Flood => FLOOD_BYTES_MAX,
        }
    }

    /// Adds what spreads the messages to an engine.
    pub(crate) fn add_to(self, builder: Builder, config: &NodeConfig) -> Builder {
        match self {
            Gossip::Feeds => {
                let feeds = FeedsConfig::new(FEEDS_CONTROL, FEEDS);
                let large = LargeConfig::new(LARGE_CONTROL, LARGE);
                builder
                    .reactor("feeds", move |_shard| Feeds::new(feeds.clone()))
                    .reactor("large", move |_shard| Large::new(large.clone()))
            }
            Gossip::Flood => {
                let flood = flood(config);
                builder.reactor("gossip", move |_shard| Flood::new(flood.clone()))
            }
        }
    }

    /// The channels on which messages are delivered.
    pub(crate) fn delivers(self) -> &'static [ChannelId] {
        match self {
            Gossip::Feeds => &[FEEDS, LARGE],
            Gossip::Flood => &[FLOOD],
        }
    }

    /// The channel on which a message of so many bytes is published.
    pub(crate) fn channel_for(self, bytes: usize) -> ChannelId {
        match self {
            Gossip::Flood => FLOOD,
            Gossip::Feeds if bytes <= FEEDS_BYTES_MAX => FEEDS,
            Gossip::Feeds => LARGE,
        }
    }

    /// The reactors' figure of messages that came although they were there.
    pub(crate) fn duplicates(self) -> &'static str {
        match self {
            Gossip::Feeds => "feeds_duplicates",
            Gossip::Flood => "gossip_duplicates",
        }
    }

    /// The reactors' figure of bytes that came and are no message, if they count these.
    pub(crate) fn control_bytes(self) -> Option<&'static str> {
        match self {
            Gossip::Feeds => Some("feeds_control_bytes"),
            Gossip::Flood => None,
        }
    }
}

fn flood(config: &NodeConfig) -> FloodConfig {
    let channel = ChannelDescriptor {
        send_queue_capacity: SEND_QUEUE,
        recv_message_capacity: FLOOD_BYTES_MAX,
        ..ChannelDescriptor::new(FLOOD, 10)
    };
    FloodConfig {
        backlog_bytes_max: config.gossip_backlog_bytes_max,
        budget_bytes: config.gossip_budget_bytes,
        seen_max: config.gossip_seen_max,
        seen_span: config.gossip_seen_span,
        ..FloodConfig::new(channel)
    }
}
