//! Discovery: whom to dial, learned from peers. Pure.

mod addr_book;
mod bans;
mod bucket;
mod file;
mod group;
mod known_address;
mod selection;
mod snapshot;
mod table;
mod timestamp;

#[doc(hidden)]
pub use addr_book::fuzz_addr_book;
pub use addr_book::{AddAddressError, AddrBook, BookConfig};
pub use file::{BOOK_FILE_BYTES_MAX, BookFileError};
pub use known_address::{Class, KnownAddress};
pub use selection::SELECTION_LEN_MAX;
pub use snapshot::BookSnapshot;
pub use timestamp::{Timestamp, TimestampError};
