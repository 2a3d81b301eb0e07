//! One admitted peer on its home shard, from `init_peer` to `remove_peer`.
//!
//! ```text
//!   established ─▶ next_message, receive ─▶ reactors, deliveries
//!               ◀─ write ◀─ sends ◀──────── reactors, the application
//!               ─▶ closing ─▶ forgotten
//! ```
//!
//! `peer` and `queues` are the state of one; `recv_budget`, `sends` and `deliveries` that of all peers
//! of a shard.

pub(crate) mod closing;
pub(crate) mod deliveries;
pub(crate) mod established;
#[allow(clippy::module_inception, reason = "the peer is the room's namesake")]
pub(crate) mod peer;
pub(crate) mod probe;
pub(crate) mod queues;
pub(crate) mod recv_budget;
pub(crate) mod revoked;
pub(crate) mod send_budget;
pub(crate) mod sends;
