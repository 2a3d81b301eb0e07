//! The shell of a shard: one thread, one executor, one transport, one switch.
//!
//! ```text
//!                     ┌────────────────────── thread rw-<engine>-<shard> ─┐
//!  application ─────▶ │ [mail] requests ─▶┐                               │
//!  other shards ────▶ │ [mesh] letters  ─▶├─▶ [driver] ◀──▶ Switch (pure) │
//!  kernel ◀─────────▶ │ Transport ◀──────▶┘      │                        │
//!                     └──────────────────────────┼────────────────────────┘
//!                                                ▼
//!                              [lanes] subscriptions  [directory] peers, gauges
//! ```
//!
//! The driver takes no decision of the protocol: it carries bytes, time and requests to the switch
//! and does what the switch answers. It is the only task of its executor and sleeps in the transport,
//! never in the executor (`executor` tells why).
//!
//! Between threads there are six things and no engine-wide lock on the way of a message:
//! - a mailbox per shard: a bounded queue of requests without a lock, and the transport's wake-up;
//! - an inlet (`inlets`) per thread that sends much to one peer;
//! - a `mesh` lane per ordered pair of shards;
//! - a thread per shard that waits for the node's key where that is elsewhere (`signing`);
//! - a lane per subscription and shard, the way back to the application;
//! - the `directory` of peers: snapshots that readers keep until a peer comes or goes (`peer_map`).

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
pub(crate) mod clock;
pub(crate) mod cpu_placement;
pub(crate) mod directory;
mod driver;
pub(crate) mod error;
mod executor;
pub(crate) mod inlets;
pub(crate) mod launch;
pub(crate) mod logging;
pub(crate) mod mesh;
mod migration;
pub(crate) mod node;
pub(crate) mod payload;
mod peer_map;
pub(crate) mod queue_room;
mod refusal_log;
mod replies;
pub(crate) mod request;
mod shell;
pub(crate) mod signing;
pub(crate) mod spin;
pub(crate) mod store;
pub(crate) mod subscriptions;
