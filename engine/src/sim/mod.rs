//! A network in one thread: nodes, links, faults and time from a seed. Pure.
//!
//! The engine's rooms are values that are told what happened and say what to do. Here they are
//! driven by a simulated world instead of a kernel, so that a test of a hundred nodes, an hour
//! long, with connections lost at every byte, runs in seconds and runs the same way each time. It
//! is built with the engine and open to its users: put your own reactors into a [`World`].
//!
//! ```text
//!   Scenario ──builds──▶ World ─┬─ Clock      what happens next
//!                               ├─ nodes      N switches each, in place of N threads
//!                               ├─ wires      two lanes of bytes each, in place of TCP
//!                               ├─ FaultTable what goes wrong, where, when
//!                               ├─ Ledger     whole, once, in order?
//!                               └─ Trace      one hash of the whole run
//! ```
//!
//! What is modelled: latency, jitter, speed and windows of links; reads of any size; transmits
//! that leave late; EOF, reset, corruption and stall at any byte; slow readers; partitions;
//! crashes; moves between shards; turns of shards in any order. What is not: loss and reordering
//! of IP packets, which TCP hides, and the cost of computing.

mod carry;
mod check;
mod dial;
mod disaster;
mod node;
mod step;
mod stream;
mod view;
mod wire;
mod witness;

pub mod clock;
pub mod fault;
pub mod ledger;
pub mod link;
pub mod rng;
pub mod scenario;
pub mod trace;
pub mod world;

pub use fault::{Fault, FaultTable, When, Where};
pub use link::{Chunking, LinkProfile};
pub use node::{NodeSpec, ReactorSet, net_address, node_key, socket_addr};
pub use rng::Rng;
pub use scenario::Scenario;
pub use view::Received;
pub use world::World;
