//! Gossip: one message to every node, delivered once.
//!
//! [`Flood`] pushes each new message to every peer that speaks its channel. What makes that cheap
//! enough to start with is [`Seen`]: a node answers a copy it knows with one lookup.
//!
//! [`Feeds`] brings each message of up to 128 KiB to every node about once: a node chooses which of its
//! peers sends it the messages of an origin, and which announce them.
//!
//! [`Large`] brings payloads of more than 128 KiB to every node about once, in coded shards.
//!
//! ```text
//!   reactor ── seen        is it new?                  per source, by count and time
//!      │  └─── acceptance  may it be passed on?        the application's say
//!      ├────── retained    what is kept, for whom      one copy, one budget, a share per source
//!      └────── backlog     what waits for one peer     sources take turns
//!                 └─ known what the peer has itself
//! ```

mod acceptance;
mod backlog;
mod bridge;
mod checks;
mod config;
mod counters;
mod feeds;
mod joined;
mod judge;
mod known;
mod large;
mod line;
mod link;
mod origin;
mod outbox;
mod planned;
mod reactor;
mod retained;
mod seen;
mod slow;

pub use acceptance::Acceptance;
pub use checks::{Check, CheckAnswer, CheckId};
pub use config::FloodConfig;
pub use feeds::{
    Feeder, Feeds, FeedsConfig, HowFar, KeptNumbers, MessageReach, SetMembers, WhoFeeds,
};
pub use joined::{bridge_to_feeds, bridge_to_flood};
pub use large::{Large, LargeConfig, LargeOffer, Publish, PublishRefused};
pub use reactor::Flood;
pub use ringwire_gossip::coded::PAYLOAD_BYTES_MAX as LARGE_BYTES_MAX;
pub use ringwire_gossip::feeds::{
    MEDIUM_BYTES_MAX as FEEDS_BYTES_MAX, NUMBERS_BYTES_MAX, NUMBERS_RESERVED, NotNumbers, Numbers,
    SMALL_BYTES_MAX as URGENT_BYTES_MAX,
};
pub use seen::{Digest, Seen, Source};
