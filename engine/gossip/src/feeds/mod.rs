//! What neighbours say to each other of small and medium messages, byte by byte.
//!
//! A message comes over one link, which pushes it, and is announced over a few others; who pushes and who
//! announces is the receiver's choice, origin by origin:
//!
//! ```text
//!  feed   ── body ──▶ ┌──────────┐ ── body ──▶ who chose us as its feed
//!  backup ── have ──▶ │   node   │ ── have ──▶ who chose us as its backup
//!         ◀── want ── └──────────┘
//!             a backup is asked if the feed does not send
//! ```
//!
//! [`Feeds`] is the whole of it as a value. Its parts: the messages byte by byte ([`FeedMessage`]), the choice of
//! an origin's links ([`FeedChoice`]), and what was had of an origin's messages ([`SeqWindow`]).

mod allowance;
mod asker;
mod asking;
mod bundle;
mod choice;
mod config;
mod digests;
#[expect(clippy::module_inception, reason = "the protocol is the room's noun")]
mod feeds;
#[cfg(test)]
mod feeds_tests;
mod fuzz;
mod held;
mod id;
mod link;
mod links;
mod members;
mod memory;
mod message;
mod neighbour;
mod numbers;
mod open;
mod order;
mod origins;
mod output;
mod owed;
mod reach;
mod refusal;
mod routes;
mod slot;
mod smoothed;
#[cfg(test)]
mod tests;
mod unchecked;
mod window;

pub use allowance::Rate;
pub use bundle::{
    BUNDLE_LENGTH_BYTES, BUNDLE_MESSAGES_MAX, BundleWriter, Payload, URGENT_BUNDLE_BYTES_MAX,
};
pub use choice::{
    BACKUPS_MAX, Change, EARLIER_BY, FeedChoice, Heard, LEARNING, MISSES_MAX, REST, RESTING_MAX,
};
pub use config::{Counters, FeedsConfig};
pub use feeds::Feeds;
pub use fuzz::fuzz_feeds;
pub use id::{MessageId, SIGNED_BYTES, Scope};
pub use link::PROMISES_MAX;
pub use members::{DIRECT_BYTES_MAX, MEMBERS_TAG_BYTES, MemberId, MembersTag};
pub use message::{
    ALIASES_MAX, Alias, BODY_HEADER_BYTES, Body, DIGEST_ENTRIES_MAX, DigestEntry, Entry,
    FEED_MESSAGE_BYTES_MAX, FeedMessage, List, MEDIUM_BYTES_MAX, NAMES_MAX, Name, Part,
    SIGNATURE_BYTES, SMALL_BYTES_MAX, STRIPES_MAX, Which, encode_digest, encode_have, encode_over,
    encode_want, fuzz_feed_message, with_left,
};
pub use neighbour::{Neighbour, Provenance};
pub use numbers::{NUMBERS_BYTES_MAX, NUMBERS_RESERVED, NotNumbers, Numbers};
pub use order::Order;
pub use origins::{HEARD_MAX, IDLE_MIN, ORIGINS_MAX};
pub use output::{CloseReason, Delivery, Lane, Output, Verdict};
pub use reach::{REACHES_MAX, Reach};
pub use refusal::Refusal;
pub use slot::{LINKS_MAX, Slot, Slots};
pub use window::{SeqWindow, WINDOW_MAX};
