//! Sockets: the only room that touches the network.
//!
//! A shard owns one [`Transport`] and drives it from its own thread. It knows links, bytes and
//! time limits, and none of the switch's rules: what it is told to do comes from
//! [`ringwire_core::switch::Output`], what it reports goes to the switch's `handle_*` methods.
//!
//! ```text
//!               dial, read, transmit, close                    Accepted, Connected, Received,
//!   switch ──▶ ─────────────────────────▶ Transport ─ turn ─▶  Sent, Closed, Woken ──▶ switch
//!                                            │  ▲
//!                              system calls  ▼  │  what became of them
//!                                           kernel
//! ```
//!
//! - [`transport`]: the face of this room to a shard.
//! - [`ring`]: io_uring, with its provided buffers and its waker; the room's only `unsafe`.
//! - [`readiness`]: epoll or kqueue, for machines that have no io_uring or forbid it.
//! - `memory` (feature `testing`): no sockets at all, for networks within one process.
//! - [`way`]: which of the first two a machine and a configuration take.
//! - `carried`: a connection on its way from one shard's transport to another's.
//! - [`completion`], [`link_id`], `accepting`, `options`: what does not depend on how bytes are moved.
//! - [`listener`]: sockets to accept from: one per shard on the same port, and Unix sockets.
//! - `resolver`: names to addresses, on a plain thread.
//! - [`connector`]: from a name to a connection, one address after the other.
//! - `waker`: one notice for both ways, each with a bell of its own.
//! - `affinity`: threads on CPUs.
//! - `process`: what the system lets the process have.
//! - [`check`]: whether this machine can run the engine, and how to mend it if not.

mod accepting;
pub(crate) mod affinity;
mod carried;
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod connector;
mod error;
pub(crate) mod finding;
pub(crate) mod link_id;
pub(crate) mod listener;
#[cfg(feature = "testing")]
pub(crate) mod memory;
mod options;
mod process;
pub(crate) mod readiness;
mod resolver;
#[cfg(target_os = "linux")]
pub(crate) mod ring;
#[cfg(target_os = "linux")]
pub(crate) mod ring_check;
#[cfg(all(test, target_os = "linux"))]
mod tests;
#[allow(clippy::module_inception, reason = "the enum is the room's namesake")]
pub(crate) mod transport;
mod waker;
pub(crate) mod way;
#[cfg(all(test, target_os = "linux"))]
#[path = "../../tests/common/without_ring.rs"]
mod without_ring;

pub(crate) use carried::Carried;
pub(crate) use completion::{Completion, Wait};
pub(crate) use connector::Connector;
pub use error::TransportError;
pub(crate) use transport::Transport;
pub(crate) use way::Way;
