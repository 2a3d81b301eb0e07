//! The model of a network: what a message costs, and when it arrives.
//!
//! ```text
//!  a node:   lane 1 ─┐                    ┌─▶ lane 1 of a neighbour ─┐
//!            lane 2 ─┼─▶ uplink ─▶ distance ─▶ lane 2 of another ────┼─▶ downlink ─▶ its machine
//!            lane 3 ─┘  (in turns)        └─▶ …                     ─┘  (in turns)
//! ```
//! A lane is one direction of a link. It sends its messages in chunks, by priority; the lanes of a node take
//! turns at its one uplink, chunk by chunk, as flows do under fair queueing, and those that arrive take turns
//! at its one downlink. So a copy too many costs time, as it does in the world. Chunks carry packet headers.
//! A lane has at most a window of bytes under way; with slow start the window begins small, as TCP's does.

mod lane;
#[expect(clippy::module_inception, reason = "the network is the room's noun")]
mod network;
mod pipe;
mod window;

pub use lane::{CHUNK_BYTES, FIRST_CHUNK_BYTES, wire_bytes};
pub use network::{Model, Network, Occurrence, Traffic};
pub use window::{INITIAL_WINDOW_BYTES, WINDOW_BYTES_MAX};
