//! [`Gossip`]: what an application chooses of gossip, and the reactors that follow from it.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::config::ConfigError;
use ringwire_core::gossip::{
    Acceptance, FEEDS_BYTES_MAX, Feeds, FeedsConfig, Flood, FloodConfig, KeptNumbers,
    LARGE_BYTES_MAX, Large, LargeConfig, LargeOffer, SetMembers, URGENT_BYTES_MAX, bridge_to_feeds,
    bridge_to_flood,
};
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{ChannelDescriptor, erase};
use ringwire_core::switch::ReactorFactory;

use super::check::{Check, Desk};
use super::numbers;
use crate::shard::node::Node;

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
    /// Each message names its origin, the public key of the node that published it, which signs it; it comes
    /// to each node about once, since links are chosen by origin. Nobody can publish in another's name.
    Signed,
    /// As `Signed`, without the signatures: for applications whose messages are signed already and whose validator looks at
    /// that. Without such a validator, whoever forges a message can silence its origin on the nodes that take it.
    Named,
    /// No message names its origin, and the price is that every neighbour sends every message: flooding. One
    /// channel, messages of up to 128 KiB. The same bytes published twice are one message.
    Hidden,
}

type Validator = Arc<dyn Fn(NodeId, &Bytes) -> Acceptance + Send + Sync>;
type Checker = Arc<dyn Fn(Check) + Send + Sync>;
type OfferValidator = Arc<dyn Fn(&LargeOffer) -> Acceptance + Send + Sync>;
type Tune<C> = Arc<dyn Fn(&mut C) + Send + Sync>;

/// Who says whether a message is good.
#[derive(Clone)]
enum Judge {
    None,
    AtOnce(Validator),
    Later(Checker, CheckLimits),
}

/// How long a message waits for what the application finds of it, and how much waits at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckLimits {
    /// A message that has no answer by then is ignored. 10 s.
    pub within: Duration,
    /// Bytes of messages of up to 128 KiB that wait at most. What comes beyond is not kept, and asked for later. 16 MiB. Longer
    /// payloads that wait count as under way ([`LargeConfig::under_way_bytes_max`]).
    pub bytes_max: usize,
}

impl Default for CheckLimits {
    fn default() -> Self {
        CheckLimits {
            within: Duration::from_secs(10),
            bytes_max: 16 * 1024 * 1024,
        }
    }
}

/// How an application's messages spread: given to [`Builder::gossip`](crate::Builder::gossip) before the start, and to
/// [`Handle::gossip`](crate::Handle::gossip) for publishing and subscribing after it. Every node of a network
/// chooses the same channels, class and origin mode.
///
/// ```
/// use ringwire::gossip::{Class, Gossip};
/// use ringwire::{ChannelId, Config, Engine};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let config = Config { listen_addrs: vec!["127.0.0.1:0".parse()?], ..Config::default() };
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
    judge: Judge,
    offers: Option<OfferValidator>,
    bridge: Option<ChannelId>,
    members: SetMembers,
    feeds: Option<Tune<FeedsConfig>>,
    large: Option<Tune<LargeConfig>>,
    flood: Option<Tune<FloodConfig>>,
}

impl Gossip {
    /// Begins to choose: channels from 0x60 on, every length, origins that sign, no validator.
    pub fn builder() -> GossipBuilder {
        GossipBuilder {
            first: ChannelId(0x60),
            class: Class::Large,
            origin: OriginMode::Signed,
            judge: Judge::None,
            offers: None,
            bridge: None,
            members: SetMembers::default(),
            feeds: None,
            large: None,
            flood: None,
        }
    }

    /// The channels that it takes, of the sixteen that a node has.
    pub fn channels(&self) -> Vec<ChannelId> {
        let channels = self.plan.channels_of().map(ChannelId);
        channels.chain(self.plan.bridge).collect()
    }

    /// Bytes of the longest message.
    pub fn bytes_max(&self) -> usize {
        self.plan.bytes_max()
    }

    /// The channel on which messages of so many bytes are published, and delivered.
    pub(super) fn channel_for(&self, bytes: usize) -> ChannelId {
        match self.plan.origin {
            OriginMode::Hidden => self.plan.first,
            _ if bytes > FEEDS_BYTES_MAX && self.plan.class == Class::Large => self.plan.shards(),
            _ => self.plan.bodies(),
        }
    }

    /// The channels on which messages are delivered.
    pub(super) fn delivered_on(&self) -> Vec<ChannelId> {
        let short = self.plan.bridge.unwrap_or_else(|| self.channel_for(0));
        let long = self.channel_for(usize::MAX);
        let mut channels = vec![short];
        channels.extend((long != self.channel_for(0)).then_some(long));
        channels
    }

    /// The file in which a node keeps the numbers of this gossip, if it gives any that outlive it.
    pub(crate) fn numbers_file(&self) -> Option<String> {
        let signs = self.plan.origin == OriginMode::Signed;
        signs.then(|| numbers::file_name(self.plan.bodies()))
    }

    /// What brings the messages to every node of an engine, under names that begin with this one.
    pub(crate) fn reactors(
        &self,
        name: &str,
        node: &Weak<Node>,
        numbers: Option<KeptNumbers>,
    ) -> Vec<(String, ReactorFactory)> {
        let plan = || self.plan.clone();
        let (short, first) = (plan(), self.plan.first);
        if self.plan.origin == OriginMode::Hidden {
            let factory: ReactorFactory = Box::new(move |_| erase(short.flood(first)));
            return vec![(String::from(name), factory)];
        }
        let node = node.clone();
        let of_large = node.clone();
        let feeds = move |shard| short.feeds(&node, shard, numbers.clone());
        let factory: ReactorFactory = Box::new(move |shard| erase(feeds(shard)));
        let mut reactors = vec![(String::from(name), factory)];
        if let Some(channel) = self.plan.bridge {
            let plan = plan();
            let flood = move || bridge_to_feeds(plan.flood(channel), plan.bodies());
            reactors.push((format!("{name}-flood"), Box::new(move |_| erase(flood()))));
        }
        if self.plan.class == Class::Large {
            let plan = plan();
            reactors.push((
                format!("{name}-large"),
                Box::new(move |shard| erase(plan.large(&of_large, shard))),
            ));
        }
        reactors
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

    /// Asks `validator` about each message of a peer before anybody else gets it: who sent it, and the message. It
    /// runs on a shard's thread and must answer at once. What this node publishes is its own affair.
    ///
    /// A payload of more than 128 KiB is passed on while it still comes, each shard checked by itself, so it is asked about when
    /// it is whole. What is ignored then is not delivered, and neither kept nor sent any more; blame stops its
    /// origin, if that is a neighbour and signs, since the neighbours that sent shards could not know. What can be said before that, of its
    /// origin and its length, is asked by [`offer_validator`](GossipBuilder::offer_validator).
    pub fn validator(
        mut self,
        validator: impl Fn(NodeId, &Bytes) -> Acceptance + Send + Sync + 'static,
    ) -> Self {
        self.judge = Judge::AtOnce(Arc::new(validator));
        self
    }

    /// As [`validator`](GossipBuilder::validator), for an application that takes its time: `checker` is called on a
    /// shard's thread with each message, hands it on at once, and the application answers from any thread. Until then
    /// the message is neither delivered nor passed on, so each hop takes as long as the check. A payload of more than
    /// 128 KiB is only not delivered: no hop waits for the check. For messages that name their origin.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::thread;
    ///
    /// use ringwire::gossip::{Check, CheckLimits, Gossip};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (to_mempool, checks) = mpsc::channel::<Check>();
    /// let hand_on = move |check| {
    ///     // Without a mempool the message comes back, is dropped, and so ignored.
    ///     let _ = to_mempool.send(check);
    /// };
    /// let txs = Gossip::builder().checker(CheckLimits::default(), hand_on).build()?;
    /// thread::spawn(move || {
    ///     for check in checks {
    ///         match check.message().first() {
    ///             Some(1) => check.accept(),
    ///             Some(_) => check.ignore(),
    ///             None => check.blame("an empty transaction"),
    ///         }
    ///     }
    /// });
    /// # let _ = txs;
    /// # Ok(())
    /// # }
    /// ```
    pub fn checker(
        mut self,
        limits: CheckLimits,
        checker: impl Fn(Check) + Send + Sync + 'static,
    ) -> Self {
        self.judge = Judge::Later(Arc::new(checker), limits);
        self
    }

    /// Asks `validator` about each payload of more than 128 KiB that a peer offers, before memory is set aside or anything is asked
    /// for: what is ignored is not had and not passed on, whoever offers it, and blame stops the peer. It runs on a
    /// shard's thread and must answer at once.
    ///
    /// ```
    /// use ringwire::gossip::{Acceptance, Gossip, LargeOffer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Blocks of this chain have at most 8 MiB.
    /// let is_block = |offer: &LargeOffer| match offer.bytes <= 8 << 20 {
    ///     true => Acceptance::Accept,
    ///     false => Acceptance::Ignore,
    /// };
    /// let blocks = Gossip::builder().offer_validator(is_block).build()?;
    /// # let _ = blocks;
    /// # Ok(())
    /// # }
    /// ```
    pub fn offer_validator(
        mut self,
        validator: impl Fn(&LargeOffer) -> Acceptance + Send + Sync + 'static,
    ) -> Self {
        self.offers = Some(Arc::new(validator));
        self
    }

    /// Gossips with neighbours as well that only flood on this channel, as nodes did before there were feeds: what they
    /// publish comes to all, and what all publish to them, each once. A message is its content then, as in flooding, so the
    /// same bytes published twice are one. Every node of the network that does not only flood has the bridge. For messages
    /// of up to 128 KiB; a longer one that is flooded goes no further than flooding takes it.
    pub fn bridge(mut self, flood: ChannelId) -> Self {
        self.bridge = Some(flood);
        self
    }

    /// These nodes are members, this one too if it is one: as long as a node is connected with all others of them, it sends
    /// them its short messages itself, in one hop and without announcements; see [`SetMembers`]. All members take the same
    /// set. [`GossipHandle::set_members`](super::GossipHandle::set_members) changes it. For origins that sign.
    pub fn members(mut self, members: impl IntoIterator<Item = NodeId>) -> Self {
        self.members = members.into_iter().collect();
        self
    }

    /// Changes how messages of up to 128 KiB are carried. What it makes of the channels' ids, and of whether messages are
    /// signed, is not heeded.
    pub fn tune_feeds(mut self, tune: impl Fn(&mut FeedsConfig) + Send + Sync + 'static) -> Self {
        self.feeds = Some(Arc::new(tune));
        self
    }

    /// Changes how longer payloads are carried. What it makes of the channels' ids, and of whether they are signed, is not
    /// heeded.
    pub fn tune_large(mut self, tune: impl Fn(&mut LargeConfig) + Send + Sync + 'static) -> Self {
        self.large = Some(Arc::new(tune));
        self
    }

    /// Changes how messages of hidden origin are carried, or those over a bridge. What it makes of the channel's id is not heeded.
    pub fn tune_flood(mut self, tune: impl Fn(&mut FloodConfig) + Send + Sync + 'static) -> Self {
        self.flood = Some(Arc::new(tune));
        self
    }

    /// The gossip.
    ///
    /// # Errors
    /// There are not so many channel ids from the first one on; messages of this class cannot be carried
    /// without naming their origin; there are members and origins do not sign; or offers are asked about that no message of
    /// this class is.
    pub fn build(self) -> Result<Gossip, ConfigError> {
        let refuse = |problem: String| Err(ConfigError::new("gossip", problem));
        if self.origin == OriginMode::Hidden && self.class == Class::Large {
            let problem = "payloads of more than 128 KiB name their origin: take Class::Medium, or OriginMode::Signed";
            return refuse(String::from(problem));
        }
        if self.origin == OriginMode::Hidden && matches!(self.judge, Judge::Later(..)) {
            let problem = "messages of hidden origin are checked at once: take `validator`, or OriginMode::Signed";
            return refuse(String::from(problem));
        }
        if self.origin == OriginMode::Hidden && self.bridge.is_some() {
            let problem = "messages of hidden origin are flooded anyway: take `channels` for the channel of the flood";
            return refuse(String::from(problem));
        }
        if self.origin != OriginMode::Signed && !self.members.0.is_empty() {
            let problem = "members keep messages back for each other, which only the origin's signature can ask for: take OriginMode::Signed";
            return refuse(String::from(problem));
        }
        if self.class != Class::Large && self.offers.is_some() {
            let problem = "only payloads of more than 128 KiB are offered: take Class::Large, or no `offer_validator`";
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
            (_, Class::Small | Class::Medium) => 2,
            (_, Class::Large) => 4,
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

    fn feeds(&self, node: &Weak<Node>, shard: ShardId, numbers: Option<KeptNumbers>) -> Feeds {
        let (control, bodies) = (self.first, self.bodies());
        let mut config = FeedsConfig::new(control, bodies);
        config.bodies.publish_capacity = Some(self.bytes_max().min(FEEDS_BYTES_MAX));
        if let Some(tune) = &self.feeds {
            tune(&mut config);
        }
        config.signed = self.origin == OriginMode::Signed;
        config.numbers = numbers.or(config.numbers);
        (config.control.id, config.bodies.id) = (control, bodies);
        if let Judge::Later(_, limits) = self.judge {
            (config.check_within, config.unchecked_bytes_max) = (limits.within, limits.bytes_max);
        }
        let mut feeds = Feeds::new(config).with_members(self.members.clone());
        if let Some(flood) = self.bridge {
            feeds = bridge_to_flood(feeds, flood);
        }
        match self.judge.clone() {
            Judge::None => feeds,
            Judge::AtOnce(validator) => {
                feeds.with_validator(move |peer, message| validator(peer, message))
            }
            Judge::Later(checker, _) => {
                let desk = Desk::new::<Feeds>(node.clone(), shard, bodies);
                feeds.with_checker(move |check| checker(Check::new(check, desk.clone())))
            }
        }
    }

    fn large(&self, node: &Weak<Node>, shard: ShardId) -> Large {
        let (control, shards) = (ChannelId(self.first.0 + 2), self.shards());
        let mut config = LargeConfig::new(control, shards);
        if let Some(tune) = &self.large {
            tune(&mut config);
        }
        config.signed = self.origin == OriginMode::Signed;
        (config.control.id, config.shards.id) = (control, shards);
        if let Judge::Later(_, limits) = self.judge {
            config.check_within = limits.within;
        }
        let mut large = Large::new(config);
        if let Some(validator) = self.offers.clone() {
            large = large.with_offer_validator(move |offer| validator(offer));
        }
        match self.judge.clone() {
            Judge::None => large,
            Judge::AtOnce(validator) => {
                large.with_validator(move |peer, message| validator(peer, message))
            }
            Judge::Later(checker, _) => {
                let desk = Desk::new::<Large>(node.clone(), shard, shards);
                large.with_checker(move |check| checker(Check::new(check, desk.clone())))
            }
        }
    }

    fn flood(&self, channel: ChannelId) -> Flood {
        let descriptor = ChannelDescriptor {
            send_queue_capacity: FLOOD_QUEUE,
            recv_message_capacity: self.bytes_max().min(FEEDS_BYTES_MAX),
            ..ChannelDescriptor::new(channel, FLOOD_PRIORITY)
        };
        let mut config = FloodConfig::new(descriptor);
        if let Some(tune) = &self.flood {
            tune(&mut config);
        }
        config.channel.id = channel;
        let flood = Flood::new(config);
        match self.judge.clone() {
            Judge::AtOnce(validator) => {
                flood.with_validator(move |peer, message| validator(peer.id, message))
            }
            Judge::None | Judge::Later(..) => flood,
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
            .field("bridge", &self.bridge)
            .field("members", &self.members)
            .field("is_checked", &!matches!(self.judge, Judge::None))
            .field("are_offers_checked", &self.offers.is_some())
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
    fn with_a_bridge_short_messages_are_delivered_by_the_flood() {
        let bridged = Gossip::builder().bridge(ChannelId(0x70)).build();
        let bridged = bridged.expect("a gossip that can be");
        let ids = bridged
            .channels()
            .iter()
            .map(|channel| channel.0)
            .collect::<Vec<_>>();
        assert_eq!(ids, [0x60, 0x61, 0x62, 0x63, 0x70]);
        assert_eq!(bridged.channel_for(100), ChannelId(0x61));
        assert_eq!(bridged.delivered_on(), [ChannelId(0x70), ChannelId(0x63)]);
        let small = Gossip::builder()
            .bridge(ChannelId(0x70))
            .class(Class::Small)
            .build();
        assert_eq!(small.expect("it can be").delivered_on(), [ChannelId(0x70)]);
        let hidden = Gossip::builder()
            .origin(OriginMode::Hidden)
            .class(Class::Small);
        assert!(hidden.bridge(ChannelId(0x70)).build().is_err());
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
    fn offers_are_of_long_payloads() {
        let offers = || Gossip::builder().offer_validator(|_| Acceptance::Accept);
        assert!(offers().build().is_ok());
        assert!(offers().class(Class::Medium).build().is_err());
    }

    #[test]
    fn members_are_for_origins_that_sign() {
        let members = |origin| {
            let gossip = Gossip::builder().class(Class::Medium).origin(origin);
            gossip.members([NodeId::from_bytes([1; 20])]).build()
        };
        assert!(members(OriginMode::Signed).is_ok());
        for origin in [OriginMode::Named, OriginMode::Hidden] {
            assert!(members(origin).is_err());
        }
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
