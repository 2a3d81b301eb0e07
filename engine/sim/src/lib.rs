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
//! A reactor is tested as it is, with the seed as the only input:
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use ringwire_codec::ChannelId;
//! use ringwire_core::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError, erase};
//! use ringwire_sim::{LinkProfile, Scenario};
//!
//! const ECHO: ChannelId = ChannelId(0x55);
//!
//! /// Answers a question by its bytes; hands answers to the application.
//! struct Echo;
//!
//! impl Reactor for Echo {
//!     type Peer = ();
//!     type Note = ();
//!     type Timer = ();
//!
//!     fn channels(&self) -> Vec<ChannelDescriptor> {
//!         vec![ChannelDescriptor::new(ECHO, 1)]
//!     }
//!
//!     fn receive(&mut self, cx: &mut Context<'_, Self>, envelope: Envelope<'_>, _: &mut ()) -> Result<(), ReactorError> {
//!         let (from, message) = (envelope.from, envelope.message);
//!         let Some(question) = message.strip_prefix(b"ask ") else {
//!             cx.deliver(from.id, ECHO, message);
//!             return Ok(());
//!         };
//!         cx.try_send(from.key, ECHO, Bytes::copy_from_slice(question))
//!             .map_err(|error| ReactorError::transient(error.to_string()))
//!     }
//! }
//!
//! for seed in 0..5 {
//!     // Node 1 dials node 0 across an ocean, and reads of at most 100 bytes cut the stream.
//!     let mut world = Scenario::new(seed)
//!         .shards_up_to(3)
//!         .link(LinkProfile::wan().chunked(100))
//!         .reactor("echo", |_node, _shard| erase(Echo))
//!         .edge(1, 0)
//!         .build();
//!     let minute = Duration::from_secs(60);
//!     assert!(world.run_until(minute, |world| world.are_connected(0, 1)));
//!     world.publish_bytes(1, ECHO, Bytes::from_static(b"ask anything"));
//!     assert!(world.run_until(minute, |world| !world.received(1).is_empty()));
//!     assert_eq!(world.received(1)[0].bytes, "anything".len());
//! }
//! ```
//!
//! What is modelled: latency, jitter, speed and windows of links; reads of any size; transmits
//! that leave late; EOF, reset, corruption and stall at any byte; slow readers; partitions;
//! crashes; moves between shards; turns of shards in any order. What is not: loss and reordering
//! of IP packets, which TCP hides, and the cost of computing.

#![forbid(unsafe_code)]

mod call_order;
mod check;
mod dial;
mod execute;
mod faults;
mod geography;
mod node;
mod plan;
mod record;
mod step;
mod stream;
mod view;
mod wire;

pub mod clock;
mod fault_table;
pub mod ledger;
pub mod link;
pub mod profile;
pub mod rng;
pub mod scenario;
pub mod trace;
pub mod world;

pub use fault_table::{Fault, FaultTable, When, Where};
pub use ledger::Received;
pub use node::{
    AddressPlan, NodeSpec, ReactorSet, SPREAD_GROUPS, net_address, node_key, socket_addr, spread_ip,
};
pub use profile::{Chunking, LinkProfile};
pub use rng::Rng;
pub use scenario::Scenario;
pub use world::World;
