//! Connections within one process: bytes go from one engine's shard to another's by memory.
//!
//! For tests of applications: no ports, nothing of the kernel but locks, the same on every system.
//! Everything above a socket is real: threads, mailboxes, handshakes, encryption, records.
//!
//! ```text
//!   Hub:  address ─▶ queues of its listeners, one per shard
//!
//!   Memory (a shard) ── End ══ lane ══▶ End ── Memory (another shard)
//!                           ◀══ lane ══
//!   who writes, or takes what made room, notes the other's link at its shard and wakes it
//! ```
//!
//! - `hub`: who listens where.
//! - `lane`: bytes in one direction, bounded as a socket's buffer is.
//! - `end`: one side of a connection. It can move between shards.
//! - `notify`: that a link can go on, told to its shard.
//! - `inbox`: connections that wait for a shard, and the bell that wakes it.
//! - `link`: one connection as its shard has it.
//! - [`memory`]: the transport.
//!
//! A close is simpler than a socket's: what was written stays in its lane until it is read, whoever is gone, so
//! nobody has to linger.

mod end;
mod hub;
mod inbox;
mod lane;
mod link;
#[allow(
    clippy::module_inception,
    reason = "the transport is the room's namesake"
)]
mod memory;
mod notify;

pub(crate) use end::End;
pub(crate) use hub::{Hub, MemoryListener};
pub(crate) use memory::Memory;
