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
//!   who writes, or takes what made room, leaves the other's link in its Inbox and wakes it
//! ```
//!
//! - `hub`: who listens where.
//! - `lane`: bytes in one direction, bounded as a socket's buffer is.
//! - `end`: one side of a connection. It can move between shards.
//! - `inbox`: what others leave for a shard, and the bell that wakes it.
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

pub(crate) use end::End;
pub(crate) use hub::{Hub, MemoryListener};
pub(crate) use memory::Memory;
