//! How a running node is asked how it is: a Unix socket in its home, one question per connection.
//!
//! ```text
//!   peers, or any program ── {"peers":true}\n ──▶ HOME/data/ringwire.sock ── one line of JSON ──▶
//! ```
//!
//! Orders to change the node come the same way: `{"order":{…}}`, see `orders`.
//!
//! `{"peers":true,"address_book":false}` asks for the same without the address book, which is most of
//! an answer and costs most of its time; `"peers_max":N` for no more than the N peers with the most
//! traffic.
//!
//! The socket is the operator's alone: mode 0600 from the moment it can be reached. A node holds a
//! lock on its home as long as it runs, so a socket that is there without the lock is that of a
//! node that died, and is replaced; and two nodes never share a key and an address book.
//!
//! Bounded: one question is answered at a time, and eight orders are carried out; a question has at most 4 KiB, and both directions
//! have a deadline.

mod beginnings;
mod changes;
mod figures;
mod lock;
mod named;
mod orders;
mod place;
mod report;
mod server;
mod wire;

pub(crate) use changes::Edit;
pub(crate) use lock::Lock;
pub(crate) use orders::Order;
pub(crate) use server::Control;
pub(crate) use wire::{ask, ask_live, is_answered, order};
