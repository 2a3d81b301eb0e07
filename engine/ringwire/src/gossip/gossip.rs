//! [`Gossip`]: what an application chooses of gossip, and the reactors that follow from it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::config::ConfigError;
use ringwire_core::gossip::{
    Acceptance, FEEDS_BYTES_MAX, Feeds, FeedsConfig, Flood, FloodConfig, LARGE_BYTES_MAX, Large,
    LargeConfig, URGENT_BYTES_MAX,
};
use ringwire_core::reactor::ChannelDescriptor;

use crate::handle::Builder;

/// Weight of the channel of a flood.
const FLOOD_PRIORITY: u16 = 5;

/// Messages of a flood that wait in a connection before they wait in the reactor.
const FLOOD_QUEUE: usize = 64;

/// The longest messages that a gossip carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// Up to 1 KiB: votes. They go before all that is longer. Two channels.
    Small,
    /// Up to 128 KiB: transactions, block headers. Two channels.
    Medium,
    /// Up to 128 MiB: blocks, snapshots. What is longer than 128 KiB travels in coded shards. Four channels.
    Large,
}

impl Class {
    /// Bytes of its longest message.
    pub fn bytes_max(self) -> usize {
        match self {
            Class::Small => URGENT_BYTES_MAX,
            Class::Medium => FEEDS_BYTES_MAX,
            Class::Large => LARGE_BYTES_MAX,
        }
    }
}

/// What the network learns of who published a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OriginMode {
    /// Each message names its origin, and comes to each node about once: links are chosen by origin.
    Named,
    /// No message names its origin, and the price is that every neighbour sends every message: flooding. One
    /// channel, messages of up to 128 KiB. The same bytes published twice are one message.
    Hidden,
}

type Validator = Arc<dyn Fn(NodeId, &Bytes) -> Acceptance + Send + Sync>;
type Tune<C> = Arc<dyn Fn(&mut C) + Send + Sync>;

/// How an application's messages spread: given to [`Builder::gossip`] before the start, and to
/// [`Handle::gossip`](crate::Handle::gossip) for publishing and subscribing after it. Every node of a network
/// chooses the same channels, class and origin mode.
///
/// ```
/// use ringwire::gossip::{Class, Gossip};
/// use ringwire::{ChannelId, Config, Engine};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let config = Config { listen_addr: ([127, 0, 0, 1], 0).into(), ..Config::default() };
/// let blocks = Gossip::builder().channels(ChannelId(0x60)).class(Class::Large).build()?;
/// let engine = Engine::builder(config).shards(1).gossip("blocks", &blocks).start()?;
/// let blocks = engine.handle().gossip(&blocks)?;
/// let _from_others = blocks.subscribe()?;
/// blocks.publish_blocking("a block of any length".into())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gossip {
    plan: GossipBuilder,
}

/// What a [`Gossip`] is made of.
#[derive(Clone)]
#[must_use = "a gossip is there only after `build`"]
pub struct GossipBuilder {
    first: ChannelId,
    class: Class,
    origin: OriginMode,
    validator: Option<Validator>,
    feeds: Option<Tune<FeedsConfig>>,
    large: Option<Tune<LargeConfig>>,
    flood: Option<Tune<FloodConfig>>,
}

impl Gossip {
    /// Begins to choose: channels from 0x60 on, every length, origins named, no validator.
    pub fn builder() -> GossipBuilder {
        GossipBuilder {
            first: ChannelId(0x60),
            class: Class::Large,
            origin: OriginMode::Named,
            validator: None,
            feeds: None,
            large: None,
            flood: None,
        }
    }

    /// The channels that it takes, of the sixteen that a node has.
    pub fn channels(&self) -> Vec<ChannelId> {
        self.plan.channels_of().map(ChannelId).collect()
    }

    /// Bytes of the longest message.
    pub fn bytes_max(&self) -> usize {
        self.plan.bytes_max()
    }

    /// The channel on which messages of so many bytes are published, and delivered.
    pub(super) fn channel_for(&self, bytes: usize) -> ChannelId {
        match self.plan.origin {
            OriginMode::Named if bytes > FEEDS_BYTES_MAX && self.plan.class == Class::Large => {
                self.plan.shards()
            }
            OriginMode::Named => self.plan.bodies(),
            OriginMode::Hidden => self.plan.first,
        }
    }

    /// The channels on which messages are delivered.
    pub(super) fn delivered_on(&self) -> Vec<ChannelId> {
        let mut channels = vec![self.channel_for(0), self.channel_for(usize::MAX)];
        channels.dedup();
        channels
    }

    /// Adds the reactors to an engine.
    pub(crate) fn add_to(&self, builder: Builder, name: &str) -> Builder {
        let plan = self.plan.clone();
        if plan.origin == OriginMode::Hidden {
            return builder.reactor(name, move |_| plan.flood());
        }
        let long = (plan.class == Class::Large).then(|| plan.clone());
        let builder = builder.reactor(name, move |_| plan.feeds());
        match long {
            Some(long) => builder.reactor(format!("{name}-large"), move |_| long.large()),
            None => builder,
        }
    }
}

impl GossipBuilder {
    /// Takes the channels from this id on: as many as class and origin mode need.
    pub fn channels(mut self, first: ChannelId) -> Self {
        self.first = first;
        self
    }

    /// How long messages get. What is longer is refused to whoever publishes it.
    pub fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// Who may know the origin of a message.
    pub fn origin(mut self, origin: OriginMode) -> Self {
        self.origin = origin;
        self
    }

    /// Asks `validator` about each message of a peer of up to 128 KiB before anybody else gets it: who sent
    /// it, and the message. It runs on a shard's thread and must answer at once. What this node publishes is
    /// its own affair. A longer payload is passed on while it still comes, each shard checked by itself: whether it
    /// is good, the application says to itself when it is delivered.
    pub fn validator(
        mut self,
        validator: impl Fn(NodeId, &Bytes) -> Acceptance + Send + Sync + 'static,
    ) -> Self {
        self.validator = Some(Arc::new(validator));
        self
    }

    /// Changes how messages of up to 128 KiB are carried. What it makes of the channels' ids is not heeded.
    pub fn tune_feeds(mut self, tune: impl Fn(&mut FeedsConfig) + Send + Sync + 'static) -> Self {
        self.feeds = Some(Arc::new(tune));
        self
    }

    /// Changes how longer payloads are carried. What it makes of the channels' ids is not heeded.
    pub fn tune_large(mut self, tune: impl Fn(&mut LargeConfig) + Send + Sync + 'static) -> Self {
        self.large = Some(Arc::new(tune));
        self
    }

    /// Changes how messages of hidden origin are carried. What it makes of the channel's id is not heeded.
    pub fn tune_flood(mut self, tune: impl Fn(&mut FloodConfig) + Send + Sync + 'static) -> Self {
        self.flood = Some(Arc::new(tune));
        self
    }

    /// The gossip.
    ///
    /// # Errors
    /// There are not so many channel ids from the first one on; or messages of this class cannot be carried
    /// without naming their origin.
    pub fn build(self) -> Result<Gossip, ConfigError> {
        let refuse = |problem| {
            Err(ConfigError {
                key: "gossip",
                problem,
            })
        };
        if self.origin == OriginMode::Hidden && self.class == Class::Large {
            let problem = "payloads of more than 128 KiB name their origin: take Class::Medium, or OriginMode::Named";
            return refuse(String::from(problem));
        }
        let (first, count) = (self.first, self.count());
        if first.0.checked_add(count - 1).is_none() {
            return refuse(format!(
                "{count} channels from {first} on are beyond 0xff: begin with a lower id"
            ));
        }
        Ok(Gossip { plan: self })
    }

    /// How many channels it takes.
    fn count(&self) -> u8 {
        match (self.origin, self.class) {
            (OriginMode::Hidden, _) => 1,
            (OriginMode::Named, Class::Small | Class::Medium) => 2,
            (OriginMode::Named, Class::Large) => 4,
        }
    }

    fn channels_of(&self) -> std::ops::RangeInclusive<u8> {
        self.first.0..=self.first.0 + (self.count() - 1)
    }

    fn bytes_max(&self) -> usize {
        self.class.bytes_max()
    }

    fn bodies(&self) -> ChannelId {
        ChannelId(self.first.0 + 1)
    }

    fn shards(&self) -> ChannelId {
        ChannelId(self.first.0 + 3)
    }

    fn feeds(&self) -> Feeds {
        let (control, bodies) = (self.first, self.bodies());
        let mut config = FeedsConfig::new(control, bodies);
        config.bodies.publish_capacity = Some(self.bytes_max().min(FEEDS_BYTES_MAX));
        if let Some(tune) = &self.feeds {
            tune(&mut config);
        }
        (config.control.id, config.bodies.id) = (control, bodies);
        let feeds = Feeds::new(config);
        match self.validator.clone() {
            Some(validator) => feeds.with_validator(move |peer, message| validator(peer, message)),
            None => feeds,
        }
    }

    fn large(&self) -> Large {
        let (control, shards) = (ChannelId(self.first.0 + 2), self.shards());
        let mut config = LargeConfig::new(control, shards);
        if let Some(tune) = &self.large {
            tune(&mut config);
        }
        (config.control.id, config.shards.id) = (control, shards);
        Large::new(config)
    }

    fn flood(&self) -> Flood {
        let channel = ChannelDescriptor {
            send_queue_capacity: FLOOD_QUEUE,
            recv_message_capacity: self.bytes_max(),
            ..ChannelDescriptor::new(self.first, FLOOD_PRIORITY)
        };
        let mut config = FloodConfig::new(channel);
        if let Some(tune) = &self.flood {
            tune(&mut config);
        }
        config.channel.id = self.first;
        let flood = Flood::new(config);
        match self.validator.clone() {
            Some(validator) => {
                flood.with_validator(move |peer, message| validator(peer.id, message))
            }
            None => flood,
        }
    }
}

impl fmt::Debug for Gossip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gossip").field(&self.plan).finish()
    }
}

impl fmt::Debug for GossipBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GossipBuilder")
            .field("channels", &self.channels_of())
            .field("class", &self.class)
            .field("origin", &self.origin)
            .field("has_validator", &self.validator.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(builder: GossipBuilder) -> Vec<u8> {
        let gossip = builder.build().expect("a gossip that can be");
        gossip.channels().iter().map(|channel| channel.0).collect()
    }

    #[test]
    fn a_class_takes_the_channels_that_it_needs() {
        let gossip = || Gossip::builder().channels(ChannelId(0x20));
        assert_eq!(channels(gossip().class(Class::Small)), [0x20, 0x21]);
        assert_eq!(channels(gossip().class(Class::Medium)), [0x20, 0x21]);
        assert_eq!(channels(gossip()), [0x20, 0x21, 0x22, 0x23]);
        let hidden = gossip().class(Class::Medium).origin(OriginMode::Hidden);
        assert_eq!(channels(hidden), [0x20]);
    }

    #[test]
    fn ids_end_at_0xff_and_a_gossip_beyond_is_refused_with_how_to_mend_it() {
        let gossip = |first| Gossip::builder().channels(ChannelId(first)).build();
        assert!(gossip(0xfc).is_ok());
        let refused = gossip(0xfd).expect_err("0x100 is no id");
        assert!(
            refused.problem.contains("4 channels from 0xfd on"),
            "{refused}"
        );
    }

    #[test]
    fn long_payloads_cannot_hide_their_origin() {
        let hidden = Gossip::builder().origin(OriginMode::Hidden);
        assert!(hidden.clone().build().is_err());
        assert!(hidden.class(Class::Medium).build().is_ok());
    }

    #[test]
    fn a_message_goes_by_the_channel_for_its_length() {
        let built = |builder: GossipBuilder| builder.build().expect("a gossip that can be");
        let large = built(Gossip::builder());
        assert_eq!(large.channel_for(1), ChannelId(0x61));
        assert_eq!(large.channel_for(128 * 1024), ChannelId(0x61));
        assert_eq!(large.channel_for(128 * 1024 + 1), ChannelId(0x63));
        assert_eq!(large.delivered_on(), [ChannelId(0x61), ChannelId(0x63)]);
        let small = built(Gossip::builder().class(Class::Small));
        // What is too long is refused there.
        assert_eq!(small.channel_for(usize::MAX), ChannelId(0x61));
        assert_eq!(small.delivered_on(), [ChannelId(0x61)]);
        let hidden = Gossip::builder()
            .origin(OriginMode::Hidden)
            .class(Class::Small);
        assert_eq!(built(hidden).delivered_on(), [ChannelId(0x60)]);
    }
}
