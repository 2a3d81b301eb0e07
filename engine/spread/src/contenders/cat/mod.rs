//! [`Cat`]: how Celestia's mempool spreads transactions: a node says that it has one, and sends it to those
//! who ask.
//!
//! ```text
//!  SeenTx{key, signer, sequence} ──▶
//!                                ◀── WantTx{key}
//!  Txs{transaction} ──▶              checked, then SeenTx to others
//! ```
//! | rule | value |
//! |---|---|
//! | nobody pushes, not even who publishes: a body that nobody asked for is dropped | |
//! | SeenTx after the check, to so many peers, those first that stand high for this signer (a hash of node, signer and peer), and none that is known to have it | 15 |
//! | a transaction is asked for when its sequence is the signer's next, or follows those that are under way; so many ahead | 30 |
//! | one live request for a transaction; so many for a peer | 30 |
//! | the next announcer is asked after | 60 s |
//! | a late answer is taken all the same; who let a request time out is not asked for it again | |
//!
//! Source: `mempool/cat` of celestia-core, which in this differs from its own `spec.md` (there the publisher pushes). Keys have 32 bytes.
//! An announcement waits behind bodies as on Celestia's channel 0x31, a request overtakes them (channel 0x32).
//! A node that comes later takes the first sequence that it hears of a signer for the next one: Celestia's knows it from the blocks.
//! Left out: blocks, which end a transaction's life; persistent peers; peers that are behind.
//! Commit 0131eac of celestia-core answers no SeenTx any more: it sends transactions as coded chunks (its ADR-012). That is not played here.

mod accounts;
#[expect(
    clippy::module_inception,
    reason = "the node that speaks CAT is the room's noun"
)]
mod cat;
mod message;
mod requests;

pub use cat::Cat;
