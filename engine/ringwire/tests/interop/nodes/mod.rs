//! Whole nodes of CometBFT, as its own build of them is, with its key-value application inside.
//!
//! ```text
//!   release.rs   which releases there are, and how their program is built
//!   node.rs      homes of a chain, a running node, what it answers to HTTP
//!   channels.rs  our table of channels beside what CometBFT's reactors declare
//!   follow.rs    the example `comet_peer` follows a chain of one validator
//!   seed.rs      a chain of four validators finds itself through a seed of ours
//! ```
//!
//! Without `go`, or without the network its modules come from, every test here says so and tests
//! nothing.

mod channels;
mod follow;
mod node;
mod release;
mod seed;
