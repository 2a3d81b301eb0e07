//! [`Gossip`]: how the program's own messages spread, and the channels for that.

use std::thread;
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use ringwire::gossip::{
    Feeds, FeedsConfig, Flood, FloodConfig, Large, LargeConfig, Publish, PublishRefused,
};
use ringwire::peer::ShardId;
use ringwire::reactor::ChannelDescriptor;
use ringwire::{Builder, ChannelId, Handle};

use crate::config::NodeConfig;
use crate::failure::Failure;

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

/// How long a shard of the engine takes to answer at most.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Pause while as many payloads are encoded as can be at a time.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

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

    /// Spreads a message; waits while the node is busy.
    pub(crate) fn publish(self, handle: &Handle, message: Bytes) -> Result<(), Failure> {
        match self {
            Gossip::Flood => Ok(handle.publish_blocking(FLOOD, message)?),
            Gossip::Feeds if message.len() <= FEEDS_BYTES_MAX => {
                Ok(handle.publish_blocking(FEEDS, message)?)
            }
            Gossip::Feeds => publish_large(handle, message),
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

/// Asks the reactor until it takes the payload: it encodes a few at a time.
fn publish_large(handle: &Handle, payload: Bytes) -> Result<(), Failure> {
    let large = handle.reactor::<Large>();
    loop {
        let answer = large.ask_blocking(ShardId(0), Publish(payload.clone()), ANSWER_WITHIN);
        let answer = answer.map_err(|error| Failure::new(error.to_string()))?;
        match answer {
            Ok(()) => return Ok(()),
            Err(PublishRefused::Busy) => thread::sleep(BUSY_PAUSE),
            Err(refused) => return Err(Failure::new(refused.to_string())),
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
