//! Sockets and io_uring: the only room that touches the network.
//!
//! A shard owns one [`Ring`] and drives it from its own thread. The ring knows links, bytes and
//! time limits, and none of the switch's rules: what it is told to do comes from
//! [`ringwire_core::switch::Output`], what it reports goes to the switch's `handle_*` methods.
//!
//! ```text
//!               dial, read, transmit, close                    Accepted, Connected, Received,
//!   switch ──▶ ───────────────────────────▶ Ring ── turn ──▶   Sent, Closed, Woken ──▶ switch
//!                                            │  ▲
//!                        one io_uring_enter  ▼  │  completions
//!                                           kernel
//! ```
//!
//! - [`ring`]: the ring itself, its provided buffers and the waker; the room's only `unsafe`.
//! - `link`: one socket as a state machine that says what to ask of the kernel next.
//! - [`listener`]: sockets to accept from, one per shard on the same port.
//! - `resolver`: names to addresses, on a plain thread.
//! - [`dialer`]: from a name to a connection, one address after the other.
//! - `affinity`: threads on CPUs.
//! - [`check`]: whether this machine can run the engine, and how to mend it if not.

pub(crate) mod affinity;
pub(crate) mod check;
pub(crate) mod connector;
mod error;
pub(crate) mod listener;
mod resolver;
pub(crate) mod ring;
mod socket;
#[cfg(test)]
#[path = "../../tests/common/without_ring.rs"]
mod without_ring;

pub(crate) use connector::Connector;
pub use error::TransportError;
pub(crate) use ring::{Completion, Ring, RingConfig, Wait};
