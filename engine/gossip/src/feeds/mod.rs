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
//! This room reads and writes [`FeedMessage`]s, names messages ([`MessageId`], [`ShortIds`]) and chooses the
//! links of one origin ([`FeedChoice`]). What joins these to a protocol, with its timers and what it remembers
//! of messages, is not here yet; whoever writes it may trust that what was read obeys the limits given here.

mod choice;
mod id;
mod message;
mod refusal;
#[cfg(test)]
mod tests;

pub use choice::{
    BACKUPS_MAX, Change, EARLIER_BY, FeedChoice, Heard, LinkId, MISSES_MAX, REST, RESTING_MAX,
};
pub use id::{MessageId, ShortId, ShortIds};
pub use message::{
    ALIASES_MAX, Alias, BODY_HEADER_BYTES, Body, Digest, FEED_MESSAGE_BYTES_MAX, FeedMessage,
    IDS_MAX, Ids, MEDIUM_BYTES_MAX, Part, SIGNATURE_BYTES, SMALL_BYTES_MAX, STRIPES_MAX, Which,
    fuzz_feed_message,
};
pub use refusal::Refusal;
