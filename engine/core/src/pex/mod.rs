//! Discovery: whom to dial, learned from peers. Pure.
//!
//! [`Pex`] is the reactor of channel 0x00. Peers tell each other addresses; [`AddrBook`] keeps them
//! so that one liar, or a thousand from one network, cannot fill it; from there they are dialed.
//!
//! ```text
//!   shard 1 ─┐ Joined, Left, Wanted, Learned, …      ┌─▶ dial, ban, save
//!   shard 2 ─┼──────────────────────▶ shard 0: book ─┤
//!   shard 0 ─┘                                       └─▶ Ask, Answer, Dismiss ─▶ the peer's shard
//! ```
//!
//! Each shard holds its own peers to the rules; only shard 0, the coordinator's, has the book,
//! answers from it and decides. docs/decisions/0015-peer-exchange.md says where and why this differs
//! from the reference.
//!
//! What is promised:
//!
//! * nothing goes to a peer that a CometBFT node would punish;
//! * who abuses the exchange is closed, and refused for longer each time, up to a day; no rule that
//!   costs this is one that an honest node breaks, however long either side slept;
//! * whatever was told to the node before a request is known to its answer, on every shard;
//! * discovery never dials past the limit of outbound peers;
//! * all that is remembered has a maximum: per peer, per failed address, per selection.

mod addr_book;
mod backoff;
mod bans;
mod bucket;
mod config;
mod crawler;
mod discovery;
mod draw;
mod ensure;
mod file;
mod go_json;
mod group;
mod index;
mod known_address;
mod note;
mod offences;
mod reactor;
mod requests;
mod roster;
mod seeds;
mod selection;
mod table;
mod timestamp;

#[doc(hidden)]
pub use addr_book::fuzz_addr_book;
pub use addr_book::{AddAddressError, AddrBook, BookConfig};
pub use bucket::BookSecret;
pub use config::PexConfig;
pub use file::{BOOK_FILE_BYTES_MAX, BookFileError};
pub(crate) use group::group_of;
pub use known_address::{Class, KnownAddress};
pub use reactor::Pex;
pub use selection::SELECTION_LEN_MAX;
pub use timestamp::{Timestamp, TimestampError};
