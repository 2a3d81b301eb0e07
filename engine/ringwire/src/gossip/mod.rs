//! Gossip as an application takes it: one thing that brings messages of any length to every node.
//!
//! An application says which channels may be used, how long its messages get and who may know their
//! origin; which of the reactors carries a message follows from that. They can be taken by themselves as
//! well, where an application wants just one of them:
//!
//! ```text
//!   Gossip ─── up to 128 KiB ──▶ Feeds    about one copy for each node, by the shortest way
//!      │ └──── longer ─────────▶ Large    about one copy, in coded shards
//!      └────── origin hidden ──▶ Flood    every neighbour sends everything
//! ```

mod check;
#[allow(clippy::module_inception, reason = "the thing is the room's namesake")]
mod gossip;
mod handle;
mod numbers;
mod subscription;

#[doc(inline)]
pub use ringwire_core::gossip::{
    Acceptance, Feeder, Feeds, FeedsConfig, Flood, FloodConfig, KeptNumbers, Large, LargeConfig,
    LargeOffer, MessageReach, NotNumbers, Numbers, Publish, PublishRefused, SetMembers,
};
#[doc(inline)]
pub use ringwire_core::reactor::PublishOptions;

pub use self::check::Check;
pub use self::gossip::{CheckLimits, Class, Gossip, GossipBuilder, OriginMode};
pub use self::handle::GossipHandle;
pub(crate) use self::numbers::begin as begin_numbers;
pub use self::subscription::GossipSubscription;
